//! Go's `filepath.Match`: the shell patterns of `.helmignore`. `*` and `?` stop at `/`, there is no recursive star,
//! `[^a-c]` negates, `\` escapes.

/// A malformed pattern; Go's `filepath.ErrBadPattern`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct BadPattern;

/// Whether the whole of `name` matches.
///
/// # Errors
/// [`BadPattern`], where the walk over the pattern meets a malformed part; like Go's, it may not look at every part.
pub fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let mut pattern = pattern;
    let mut name = name;
    'pattern: while !pattern.is_empty() {
        let (star, chunk, rest) = next_chunk(pattern);
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(!name.contains('/'));
        }
        if let Some(left) = match_chunk(chunk, name)?
            && (left.is_empty() || !pattern.is_empty())
        {
            name = left;
            continue;
        }
        if star {
            for (offset, character) in name.char_indices() {
                if character == '/' {
                    break;
                }
                let Some(left) = match_chunk(chunk, &name[offset + character.len_utf8()..])? else { continue };
                if pattern.is_empty() && !left.is_empty() {
                    continue;
                }
                name = left;
                continue 'pattern;
            }
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// The next part without a star, and whether stars stand before it.
fn next_chunk(pattern: &str) -> (bool, &str, &str) {
    let body = pattern.trim_start_matches('*');
    let star = body.len() < pattern.len();
    let mut in_class = false;
    let mut escaped = false;
    for (offset, character) in body.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '*' if !in_class => return (star, &body[..offset], &body[offset..]),
            _ => {}
        }
    }
    (star, body, "")
}

/// Matches one part at the start of `text`; gives what is left of the text. The part is read to its end even where
/// the match has failed, so that a malformed one is noticed.
fn match_chunk<'t>(chunk: &str, text: &'t str) -> Result<Option<&'t str>, BadPattern> {
    let mut chunk = chunk;
    let mut left = Some(text);
    while let Some(operator) = chunk.chars().next() {
        let character = left.and_then(|text| text.chars().next());
        chunk = &chunk[operator.len_utf8()..];
        let accepted = match operator {
            '[' => match_class(&mut chunk, character)?,
            '?' => character != Some('/'),
            '\\' => {
                let literal = chunk.chars().next().ok_or(BadPattern)?;
                chunk = &chunk[literal.len_utf8()..];
                character == Some(literal)
            }
            literal => character == Some(literal),
        };
        left = match (left, character) {
            (Some(text), Some(character)) if accepted => Some(&text[character.len_utf8()..]),
            _ => None,
        };
    }
    Ok(left)
}

fn match_class(chunk: &mut &str, character: Option<char>) -> Result<bool, BadPattern> {
    let negated = chunk.starts_with('^');
    if negated {
        *chunk = &chunk[1..];
    }
    let mut matched = false;
    let mut ranges = 0;
    while !(ranges > 0 && chunk.starts_with(']')) {
        let low = class_character(chunk)?;
        let high = if chunk.starts_with('-') {
            *chunk = &chunk[1..];
            class_character(chunk)?
        } else {
            low
        };
        matched |= character.is_some_and(|c| (low..=high).contains(&c));
        ranges += 1;
    }
    *chunk = &chunk[1..];
    Ok(matched != negated)
}

fn class_character(chunk: &mut &str) -> Result<char, BadPattern> {
    if chunk.is_empty() || chunk.starts_with(['-', ']']) {
        return Err(BadPattern);
    }
    let body = chunk.strip_prefix('\\').unwrap_or(chunk);
    let character = body.chars().next().ok_or(BadPattern)?;
    *chunk = &body[character.len_utf8()..];
    if chunk.is_empty() { Err(BadPattern) } else { Ok(character) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        let table = [
            ("abc", "abc", Ok(true)),
            ("*", "abc", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*", "ab/c", Ok(false)),
            ("a*/b", "abc/b", Ok(true)),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", Ok(false)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Ok(true)),
            ("ab[c]", "abc", Ok(true)),
            ("ab[e-g]", "abc", Ok(false)),
            ("ab[^e-g]", "abc", Ok(true)),
            ("a\\*b", "a*b", Ok(true)),
            ("a\\*b", "ab", Ok(false)),
            ("a???b", "aαα☺b", Ok(true)),
            ("[a-ζ]*", "α", Ok(true)),
            ("a?b", "a/b", Ok(false)),
            ("[]a]", "]", Err(BadPattern)),
            ("[-]", "-", Err(BadPattern)),
            ("[\\-x]", "-", Ok(true)),
            ("[^\\-x]", "z", Ok(true)),
            ("[", "a", Err(BadPattern)),
            ("a[", "a", Err(BadPattern)),
            ("a[", "ab", Err(BadPattern)),
            ("\\", "a", Err(BadPattern)),
            ("*x", "xxx", Ok(true)),
            ("templates/.?*", "templates/.dotfile", Ok(true)),
            ("templates/.?*", "templates/x.yaml", Ok(false)),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern, name), expected, "{pattern} against {name}");
        }
    }
}
