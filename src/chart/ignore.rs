//! `.helmignore` (`pkg/ignore/rules.go`): which files of a directory are no part of the chart. Unlike gitignore, the
//! first rule that hits decides, and a `!` rule ignores everything that it does not match.

use super::pattern;

/// The name of the rules file.
pub const FILE_NAME: &str = ".helmignore";

/// The rules of one chart directory, in order.
#[derive(Debug, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    pattern: String,
    subject: Subject,
    negated: bool,
    directories_only: bool,
}

/// What a pattern is compared with.
#[derive(Debug, PartialEq, Eq)]
enum Subject {
    Path,
    BaseName,
}

impl Rules {
    /// Reads a rules file and adds Helm's own rule, hidden files under `templates/`.
    ///
    /// # Errors
    /// The text for a pattern that Helm refuses.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Self::default();
        for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
            rules.add(line)?;
        }
        rules.add("templates/.?*")?;
        Ok(rules)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.contains("**") {
            return Err("double-star (**) syntax is not supported".to_owned());
        }
        pattern::matches(line, "abc").map_err(|error| error.to_string())?;
        let (negated, line) = strip(line, str::strip_prefix, "!");
        let (directories_only, line) = strip(line, str::strip_suffix, "/");
        let (rooted, line) = strip(line, str::strip_prefix, "/");
        let subject = if rooted || line.contains('/') { Subject::Path } else { Subject::BaseName };
        self.0.push(Rule { pattern: line.to_owned(), subject, negated, directories_only });
        Ok(())
    }

    /// Whether a path, relative to the chart, is left out.
    pub fn ignore(&self, path: &str, is_directory: bool) -> bool {
        if matches!(path, "" | "." | "./") {
            return false;
        }
        self.0.iter().any(|rule| {
            let eligible = !rule.directories_only || is_directory;
            rule.negated != (eligible && rule.matches(path))
        })
    }
}

impl Rule {
    fn matches(&self, path: &str) -> bool {
        let subject = match self.subject {
            Subject::Path => path,
            Subject::BaseName => path.rsplit('/').next().unwrap_or(path),
        };
        pattern::matches(&self.pattern, subject).unwrap_or(false)
    }
}

fn strip<'t>(
    text: &'t str,
    strip: impl Fn(&'t str, &'static str) -> Option<&'t str>,
    mark: &'static str,
) -> (bool, &'t str) {
    strip(text, mark).map_or((false, text), |rest| (true, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_decide_as_in_helm() {
        let table = [
            ("helm.txt", "helm.txt", false, true),
            ("helm.*", "cargo/helm.txt", false, true),
            ("cargo/*.txt", "cargo/a.txt", false, true),
            ("cargo/*.txt", "mast/a.txt", false, false),
            ("/*.txt", "cargo/a.txt", false, false),
            ("/a.txt", "a.txt", false, true),
            ("mast/", "mast", true, true),
            ("mast/", "mast", false, false),
            ("cargo/", "deep/cargo", true, true),
            ("!helm.txt", "helm.txt", false, false),
            ("!helm.txt", "tiller.txt", false, true),
            ("!*.txt", "cargo", true, true),
            ("# helm.txt", "helm.txt", false, false),
            ("", "templates/.hidden", false, true),
            ("", "templates/shown.yaml", false, false),
            ("*", ".", true, false),
        ];
        for (rule, path, is_directory, expected) in table {
            let rules = Rules::parse(rule).expect(rule);
            assert_eq!(rules.ignore(path, is_directory), expected, "{rule:?} on {path:?}");
        }
    }

    #[test]
    fn the_first_hit_wins() {
        let rules = Rules::parse("*.txt\n!keep.txt").expect("valid");
        assert!(rules.ignore("keep.txt", false));
        assert!(rules.ignore("other.yaml", false));
    }

    #[test]
    fn unsupported_patterns_are_refused() {
        assert_eq!(Rules::parse("a/**").err().as_deref(), Some("double-star (**) syntax is not supported"));
        assert_eq!(Rules::parse("[").err().as_deref(), Some("syntax error in pattern"));
    }
}
