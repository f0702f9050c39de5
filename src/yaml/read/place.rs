//! Where in a text a value stands.

use super::compose::{Document, NodeId, NodeKind, compose};

/// The line, from zero, on which the value at a JSON pointer begins, or its key where it has one.
pub fn line_of(text: &str, pointer: &str) -> Option<usize> {
    let document = compose(text).ok()?;
    let mut node = document.root?;
    let mut line = document.nodes[node].line;
    for step in pointer.split('/').skip(1) {
        (line, node) = below(&document, node, &step.replace("~1", "/").replace("~0", "~"))?;
    }
    Some(line)
}

fn below(document: &Document<'_>, node: NodeId, step: &str) -> Option<(usize, NodeId)> {
    match &document.nodes[node].kind {
        NodeKind::Mapping(children) => {
            // Of equal keys the last one counts.
            let mut pairs = children.chunks_exact(2).rev();
            let pair = pairs.find(|pair| is_key(document, pair[0], step))?;
            Some((document.nodes[pair[0]].line, pair[1]))
        }
        NodeKind::Sequence(items) => {
            let item = *items.get(step.parse::<usize>().ok()?)?;
            Some((document.nodes[item].line, item))
        }
        NodeKind::Alias { target, .. } => below(document, *target, step),
        NodeKind::Scalar { .. } => None,
    }
}

fn is_key(document: &Document<'_>, node: NodeId, step: &str) -> bool {
    matches!(&document.nodes[node].kind, NodeKind::Scalar { value, .. } if value == step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_key_or_its_place() {
        let text = "# c\nkind: A\nspec:\n  list:\n  - name: x\n    v: 1\n  - {name: y,\n     v: 2}\n  \"a/b\": z\n  same: *q\n";
        let text = text.replace("v: 1", "v: &q {deep: 1}");
        for (pointer, expected) in [
            ("", Some(1)),
            ("/kind", Some(1)),
            ("/spec", Some(2)),
            ("/spec/list/0", Some(4)),
            ("/spec/list/0/v", Some(5)),
            ("/spec/list/1/v", Some(7)),
            ("/spec/a~1b", Some(8)),
            ("/spec/same/deep", Some(5)),
            ("/spec/missing", None),
            ("/spec/list/9", None),
            ("/kind/x", None),
        ] {
            assert_eq!(line_of(&text, pointer), expected, "{pointer}");
        }
        assert_eq!(line_of("a: [", "/a"), None);
    }
}
