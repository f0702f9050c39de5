//! What a client program complains of, as far as it may be told: one line, without credentials.

use crate::value::message::{one_line, shortened};

/// The longest cause that is told.
const LONGEST: usize = 300;

/// The line that tells most: one of those that begin so, the best beginning first, else the last.
pub(super) fn told(complaints: &str, beginnings: &[&str]) -> String {
    let lines = || complaints.lines().map(str::trim).filter(|line| !line.is_empty());
    let best = beginnings.iter().find_map(|start| lines().find(|line| line.starts_with(start)));
    let line = best.or_else(|| lines().next_back()).unwrap_or("it failed without a word");
    let words: Vec<String> = line.split(' ').map(without_credentials).collect();
    shortened(&one_line(&words.join(" ")), LONGEST).into_owned()
}

/// A word of a complaint; of an address only what comes after the credentials and before the query.
fn without_credentials(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let (place, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |end| rest.split_at(end));
    let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_told_without_credentials() {
        let complaints =
            "warning: x\nfatal: unable to access 'https://ann:s3cret@x.org/charts?token=s3cret': odd\t thing\nmore\n";
        let line = told(complaints, &["error:", "fatal:"]);
        assert_eq!(line, "fatal: unable to access 'https://x.org/charts odd thing");
        assert_eq!(told("one\ntwo\n\n", &["fatal:"]), "two");
        assert!(told("", &[]).contains("without a word"));
        assert!(told(&"long ".repeat(1_000), &[]).len() < 400);
    }
}
