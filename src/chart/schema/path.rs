//! Which combinations (`allOf` and its kin) stand between a violation and the schema that it is reported under. The
//! validator leaves such a level out where only one violation is below it; Helm prints it.

/// A combination on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Combination {
    /// `allOf`, `anyOf` or `oneOf`.
    pub keyword: &'static str,
    /// How many steps into the values are taken below it.
    pub steps_below: usize,
}

const COMBINATIONS: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// The combinations from one schema location to one inside it, outermost first.
pub fn combinations(from: &str, to: &str) -> Vec<Combination> {
    let Some(path) = to.strip_prefix(from.trim_end_matches('#')) else { return Vec::new() };
    let mut tokens = path.trim_start_matches('#').split('/').skip(1).peekable();
    let mut found: Vec<(&'static str, usize)> = Vec::new();
    let mut steps = 0;
    while let Some(token) = tokens.next() {
        match token {
            "properties" | "patternProperties" => {
                tokens.next();
                steps += 1;
            }
            "items" | "prefixItems" => {
                tokens.next_if(|token| token.parse::<usize>().is_ok());
                steps += 1;
            }
            "additionalProperties" | "unevaluatedProperties" | "additionalItems" | "unevaluatedItems" | "contains" => {
                steps += 1;
            }
            "$defs" | "definitions" | "dependentSchemas" | "dependencies" => drop(tokens.next()),
            other => {
                if let Some(keyword) = COMBINATIONS.into_iter().find(|keyword| *keyword == other) {
                    tokens.next();
                    found.push((keyword, steps));
                }
            }
        }
    }
    found.into_iter().map(|(keyword, before)| Combination { keyword, steps_below: steps - before }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_found_between_two_locations() {
        let found = |from, to| -> Vec<(&str, usize)> {
            combinations(from, to).into_iter().map(|found| (found.keyword, found.steps_below)).collect()
        };
        assert_eq!(found("file:///s#", "file:///s#/allOf/0"), [("allOf", 0)]);
        assert_eq!(found("file:///s#", "file:///s#/allOf/0/properties/x"), [("allOf", 1)]);
        assert_eq!(found("file:///s#", "file:///s#/properties/allOf/items/anyOf/1"), [("anyOf", 0)]);
        assert_eq!(found("file:///s#/allOf/0", "file:///s#/allOf/0"), []);
        assert_eq!(found("file:///s#", "file:///other#/allOf/0"), []);
    }
}
