//! Whether a recorded revision is what a render gives: the same objects and the same hooks, whatever their order, their
//! comments and their spelling.
//!
//! A chart may draw a password or a name at random, so that no two renders of it are equal. What chance made is told
//! by a second render: a text line, or another single value, that differs from one render to the next says nothing
//! about the chart or its values, and the recorded one is as good as any. Everything else has to be equal.

use std::collections::{HashMap, VecDeque};

use super::Record;
use crate::render::{Rendered, split};
use crate::value::Json;
use crate::yaml;

/// The documents of a revision: its objects and its hooks.
#[derive(Clone, Debug, PartialEq)]
pub struct Documents {
    objects: Vec<Json>,
    hooks: Vec<Json>,
}

impl From<&Record> for Documents {
    fn from(record: &Record) -> Self {
        Self::read(&record.manifest, record.hooks.iter().map(|hook| hook.manifest.as_str()))
    }
}

impl From<&Rendered> for Documents {
    fn from(rendered: &Rendered) -> Self {
        Self::read(&rendered.manifest, rendered.hooks.iter().map(|hook| hook.manifest.as_str()))
    }
}

impl Documents {
    fn read<'a>(manifest: &str, hooks: impl Iterator<Item = &'a str>) -> Self {
        let documents = |text: &str| split(text).into_iter().map(read).filter(|document| !document.is_null()).collect();
        let hooks = hooks.flat_map(|hook| documents(hook) as Vec<Json>).collect();
        Self { objects: documents(manifest), hooks }
    }

    /// Whether these are the documents of a render.
    pub fn are(&self, rendered: &Self) -> bool {
        self.could_be(rendered, rendered)
    }

    /// Whether these differ from the documents of a render only in what chance makes, as a second render of the same
    /// shows.
    pub fn could_be(&self, rendered: &Self, again: &Self) -> bool {
        all_could_be(&self.objects, &rendered.objects, &again.objects)
            && all_could_be(&self.hooks, &rendered.hooks, &again.hooks)
    }
}

/// A document; one that cannot be read is compared as the text it is.
fn read(document: &str) -> Json {
    yaml::parse(document).unwrap_or_else(|_| Json::from(document))
}

fn all_could_be(recorded: &[Json], rendered: &[Json], again: &[Json]) -> bool {
    if recorded.len() != rendered.len() || rendered.len() != again.len() {
        return false;
    }
    let partners = partners(recorded, rendered);
    recorded.iter().zip(partners).all(|(document, place)| could_be(document, &rendered[place], &again[place]))
}

/// The place of each recorded document among the rendered ones: of the same kind and name, and where chance makes the
/// name, the next that nothing else claims.
fn partners(recorded: &[Json], rendered: &[Json]) -> Vec<usize> {
    let mut places: HashMap<_, VecDeque<usize>> = HashMap::new();
    for (place, document) in rendered.iter().enumerate() {
        places.entry(identity(document)).or_default().push_back(place);
    }
    let found: Vec<Option<usize>> =
        recorded.iter().map(|document| places.get_mut(&identity(document))?.pop_front()).collect();
    let mut left: Vec<usize> = places.into_values().flatten().collect();
    left.sort_unstable();
    let mut left = left.into_iter();
    found.into_iter().map(|place| place.or_else(|| left.next()).unwrap_or_default()).collect()
}

fn identity(document: &Json) -> [Option<&str>; 4] {
    ["/apiVersion", "/kind", "/metadata/namespace", "/metadata/name"]
        .map(|place| document.pointer(place).and_then(Json::as_str))
}

/// To the API server a member that is null is one that is not there; versions of Helm differ in writing them.
fn is_set(value: &&Json) -> bool {
    !value.is_null()
}

fn could_be(recorded: &Json, rendered: &Json, again: &Json) -> bool {
    if recorded == rendered {
        return true;
    }
    match (recorded, rendered, again) {
        (Json::Object(recorded), Json::Object(rendered), Json::Object(again)) => {
            recorded.values().filter(is_set).count() == rendered.values().filter(is_set).count()
                && recorded.iter().filter(|(_, value)| is_set(value)).all(|(name, value)| {
                    let pair = rendered.get(name).zip(again.get(name));
                    pair.is_some_and(|(rendered, again)| could_be(value, rendered, again))
                })
        }
        (Json::Array(recorded), Json::Array(rendered), Json::Array(again)) => {
            let lengths = [recorded.len(), rendered.len(), again.len()];
            let mut items = recorded.iter().zip(rendered).zip(again);
            lengths.iter().all(|length| *length == lengths[0])
                && items.all(|((recorded, rendered), again)| could_be(recorded, rendered, again))
        }
        (Json::String(recorded), Json::String(rendered), Json::String(again)) => {
            let [recorded, rendered, again] = [recorded, rendered, again].map(|text| text.lines().collect::<Vec<_>>());
            recorded.len() == rendered.len()
                && rendered.len() == again.len()
                && (0..recorded.len()).all(|line| recorded[line] == rendered[line] || rendered[line] != again[line])
        }
        (Json::Number(_), Json::Number(rendered), Json::Number(again)) => rendered != again,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(manifest: &str, hooks: &[&str]) -> Documents {
        Documents::read(manifest, hooks.iter().copied())
    }

    const MAP: &str = "kind: ConfigMap\nmetadata: {name: a}\ndata: {x: \"1\"}\n";
    const SECRET: &str = "kind: Secret\nmetadata: {name: b}\nstringData: {p: one, file: \"user=a\\npass=one\"}\n";
    const SECRET_AGAIN: &str = "kind: Secret\nmetadata: {name: b}\nstringData: {p: two, file: \"user=a\\npass=two\"}\n";

    #[test]
    fn order_comments_and_spelling_do_not_count() {
        let recorded = documents(&format!("---\n# Source: x\n{MAP}---\n{SECRET}"), &["kind: Job\nspec: {a: 1}"]);
        let spelled = MAP.replace("data: {x: \"1\"}", "data:\n    x: '1' # one");
        let rendered =
            documents(&format!("---\n{SECRET}---\n# nothing\n---\n{spelled}"), &["spec:\n  a: 1\nkind: Job"]);
        assert!(recorded.are(&rendered));
    }

    #[test]
    fn every_other_difference_counts() {
        let recorded = documents(MAP, &["kind: Job"]);
        for (manifest, hooks) in [
            (MAP.replace("\"1\"", "\"2\""), vec!["kind: Job"]),
            (MAP.replace("\"1\"", "1"), vec!["kind: Job"]),
            (MAP.replace("x:", "y:"), vec!["kind: Job"]),
            (format!("{MAP}---\n{SECRET}"), vec!["kind: Job"]),
            (MAP.to_owned(), vec![]),
            (MAP.to_owned(), vec!["kind: Pod"]),
        ] {
            let rendered = documents(&manifest, &hooks);
            assert!(!recorded.could_be(&rendered, &rendered), "{manifest} {hooks:?}");
        }
    }

    #[test]
    fn what_the_next_render_would_draw_anew_does_not_count_and_the_rest_of_it_does() {
        let (one, two) = (documents(SECRET, &[]), documents(SECRET_AGAIN, &[]));
        let kept = SECRET.replace("one", "kept");
        assert!(documents(&kept, &[]).could_be(&one, &two));
        assert!(!documents(&kept, &[]).are(&one));
        for changed in [kept.replace("user=a", "user=b"), kept.replace("name: b", "name: c"), kept.replace("p:", "q:")]
        {
            assert!(!documents(&changed, &[]).could_be(&one, &two), "{changed}");
        }
    }

    #[test]
    fn a_hook_whose_name_is_drawn_is_the_same_hook() {
        let hook = |name: &str| format!("kind: Pod\nmetadata: {{name: test-{name}}}\n");
        let [kept, one, two] = ["kept", "one", "two"].map(|name| documents(MAP, &[&hook(name)]));
        assert!(kept.could_be(&one, &two));
    }
}
