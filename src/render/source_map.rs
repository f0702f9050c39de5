//! Where the lines of a render come from: from a line of a document back to the templates that wrote it.
//!
//! What an `include` returned may have been indented or trimmed before it was written, so within included outputs a line
//! is found again by its text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::template::trace::{Output, Span};

/// What Go prints where there is no value; it is removed from outputs.
const NO_VALUE: &str = "<no value>";

/// The outputs of a render's templates with what wrote them.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    outputs: BTreeMap<String, Output>,
}

/// What wrote a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The templates, from the one that made the document to the innermost that it included.
    pub by: Vec<Position>,
    /// The values that it was made of, as paths below `.Values` of the root chart.
    pub reads: Vec<String>,
    /// The values of the conditions and loops around it.
    pub conditions: Vec<String>,
}

/// A place in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The template.
    pub template: String,
    /// The line, from 1.
    pub line: usize,
    /// The action; empty for plain text.
    pub action: String,
}

impl SourceMap {
    /// Adds the output of a template.
    pub(super) fn add(&mut self, template: &str, output: Output) {
        self.outputs.insert(template.to_owned(), output);
    }

    /// What wrote a line, from zero, of a document that a template made.
    pub fn find(&self, template: &str, document: &str, line: usize) -> Option<Written> {
        let output = self.outputs.get(template)?;
        let clean = output.text.replace(NO_VALUE, "");
        // What was removed had no line breaks.
        let before = clean[..clean.find(document.trim_end())?].matches('\n').count();
        let range = line_range(&output.text, before + line)?;
        let mut written = Written::default();
        written.follow(output, range);
        written.reads = once_each(written.reads);
        written.conditions = once_each(written.conditions);
        Some(written)
    }
}

fn once_each(paths: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    paths.into_iter().filter(|path| seen.insert(path.clone())).collect()
}

impl Written {
    fn follow(&mut self, output: &Output, line: Range<usize>) {
        let text = output.text[line.clone()].trim().to_owned();
        for span in writers(output, &line) {
            self.note(span);
            let same = |included: &Output| included.text.lines().position(|inner| inner.trim() == text);
            let whole = span.included.iter().rev().find_map(|included| Some((included, same(included)?)));
            if let Some((included, number)) = whole {
                line_range(&included.text, number).into_iter().for_each(|range| self.follow(included, range));
                continue;
            }
            // A part of a line: all of what was included counts.
            for included in &span.included {
                let words = included.text.trim();
                if !words.is_empty() && text.contains(words) {
                    included.spans.iter().filter(|inner| !is_blank(included, inner)).for_each(|inner| self.note(inner));
                }
            }
        }
    }

    fn note(&mut self, span: &Span) {
        let Span { template, line, action, .. } = span;
        let position = Position { template: template.clone(), line: *line, action: action.clone() };
        if !self.by.contains(&position) && (self.by.is_empty() || !action.is_empty()) {
            self.by.push(position);
        }
        self.reads.extend(span.reads.iter().cloned());
        self.conditions.extend(span.conditions.iter().cloned());
    }
}

/// What wrote the value of a line or, where it has none, its key: the actions in it or, where there is none, the text.
fn writers<'a>(output: &'a Output, line: &Range<usize>) -> Vec<&'a Span> {
    let text = &output.text[line.clone()];
    let indent = text.len() - text.trim_start_matches([' ', '-']).len();
    let value = text.find(": ").map(|colon| colon + 2).filter(|value| !text[*value..].trim().is_empty());
    let at = line.start + value.unwrap_or(indent).min(text.len().saturating_sub(1));
    // What follows a key that stands alone is another line's.
    let end = if value.is_some() { line.end } else { at + 1 };
    let within = || output.spans.iter().filter(move |span| span.start < end && span.end > at);
    let actions: Vec<&Span> = within().filter(|span| !span.action.is_empty()).collect();
    if actions.is_empty() { within().take(1).collect() } else { actions }
}

fn is_blank(output: &Output, span: &Span) -> bool {
    output.text.get(span.start..span.end).is_none_or(|text| text.trim().is_empty())
}

/// The bytes of a line, from zero, without its line break.
fn line_range(text: &str, number: usize) -> Option<Range<usize>> {
    let mut start = 0;
    for _ in 0..number {
        start += text[start..].find('\n')? + 1;
    }
    let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    Some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(range: Range<usize>, line: usize, action: &str, read: &str, included: Vec<Output>) -> Span {
        let reads = Some(read).filter(|read| !read.is_empty()).map(str::to_owned).into_iter().collect();
        let (template, action) = ("web/templates/a.yaml".to_owned(), action.to_owned());
        Span { start: range.start, end: range.end, template, line, action, reads, conditions: Vec::new(), included }
    }

    fn told(map: &SourceMap, document: &str, line: usize) -> (Vec<String>, Vec<String>) {
        let written = map.find("web/templates/a.yaml", document, line).expect("a writer");
        (written.by.iter().map(|by| format!("{} {}", by.line, by.action).trim().to_owned()).collect(), written.reads)
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn a_line_is_told_by_the_actions_of_its_value_or_by_the_text() {
        let text = "---\nkind: A\nimage: \"x:1\"\nn: 2\n";
        let at = |part: &str| text.find(part).expect("a part");
        let spans = vec![
            span(0..at("x:1"), 1, "", "", vec![]),
            span(at("x:1")..at("x:1") + 1, 3, "{{.Values.repo}}", "repo", vec![]),
            span(at("x:1") + 1..at("x:1") + 2, 3, "", "", vec![]),
            span(at("x:1") + 2..at("x:1") + 3, 3, "{{.Values.tag}}", "tag", vec![]),
            span(at("x:1") + 3..text.len(), 3, "", "", vec![]),
        ];
        let mut map = SourceMap::default();
        map.add("web/templates/a.yaml", Output { text: text.to_owned(), spans });
        let document = "kind: A\nimage: \"x:1\"\nn: 2\n";
        assert_eq!(
            told(&map, document, 1),
            (texts(&["3 {{.Values.repo}}", "3 {{.Values.tag}}"]), texts(&["repo", "tag"]))
        );
        assert_eq!(told(&map, document, 0), (texts(&["1"]), texts(&[])));
        assert_eq!(map.find("other.yaml", document, 0), None);
        assert_eq!(map.find("web/templates/a.yaml", document, 9), None);
    }

    #[test]
    fn a_line_of_an_included_template_is_told_by_that_too() {
        let inner = Output {
            text: "a: 1\nb: <no value>x".to_owned(),
            spans: vec![span(0..8, 20, "", "", vec![]), span(8..19, 21, "{{.Values.b}}", "b", vec![])],
        };
        let text = "labels:\n  a: 1\n  b: <no value>x\n";
        let spans = vec![span(0..7, 1, "", "", vec![]), span(7..text.len(), 2, "{{include}}", "", vec![inner])];
        let mut map = SourceMap::default();
        map.add("web/templates/a.yaml", Output { text: text.to_owned(), spans });
        let document = "labels:\n  a: 1\n  b: x\n";
        assert_eq!(told(&map, document, 2), (texts(&["2 {{include}}", "21 {{.Values.b}}"]), texts(&["b"])));
    }
}
