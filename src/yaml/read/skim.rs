//! Leaving out what a reader of a few members does not need, without changing what is refused.

use super::compose::{Document, NodeId, NodeKind};
use super::outline::is_on_path;
use super::resolve::{Resolved, resolve};

/// Deeper nodes are not judged, and so are kept and decoded with all rules.
const MAX_DEPTH: usize = 100;

/// Removes the members of the root map that are neither wanted nor able to cause an error when decoded.
pub fn drop_members(document: &mut Document<'_>, wanted: &[&str]) {
    let Some(root) = document.root else { return };
    // With aliases, the balance between written and repeated nodes counts every node.
    if document.nodes.iter().any(|node| matches!(node.kind, NodeKind::Alias { .. })) {
        return;
    }
    let NodeKind::Mapping(children) = &document.nodes[root].kind else { return };
    let keep = |pair: &&[NodeId]| {
        let unwanted = match &document.nodes[pair[0]].kind {
            NodeKind::Scalar { value, .. } => !wanted.iter().any(|path| is_on_path(path, value, None)),
            _ => false,
        };
        !(unwanted && is_harmless_key(document, pair[0]) && is_harmless(document, pair[1], MAX_DEPTH))
    };
    let kept: Vec<NodeId> = children.chunks_exact(2).filter(keep).flatten().copied().collect();
    document.nodes[root].kind = NodeKind::Mapping(kept);
}

/// Whether decoding a node can have no effect but its value: no aliases, merges or tags, and every scalar has a JSON
/// form.
pub fn is_harmless(document: &Document<'_>, id: NodeId, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match &document.nodes[id].kind {
        NodeKind::Scalar { value, tag, implicit } => {
            tag.is_none() && (!implicit || !may_be_number(value) || is_finite(value))
        }
        NodeKind::Alias { .. } => false,
        NodeKind::Sequence(items) => items.iter().all(|item| is_harmless(document, *item, depth)),
        NodeKind::Mapping(children) => children
            .chunks_exact(2)
            .all(|pair| is_harmless_key(document, pair[0]) && is_harmless(document, pair[1], depth)),
    }
}

fn is_harmless_key(document: &Document<'_>, id: NodeId) -> bool {
    match &document.nodes[id].kind {
        NodeKind::Scalar { tag: Some(_), .. } => false,
        NodeKind::Scalar { value, implicit: true, .. } => {
            value != "<<" && matches!(resolve(value), Resolved::Text | Resolved::Bool(_) | Resolved::Signed(_))
        }
        NodeKind::Scalar { value, .. } => value != "<<",
        _ => false,
    }
}

fn may_be_number(value: &str) -> bool {
    value.starts_with(['+', '-', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
}

fn is_finite(value: &str) -> bool {
    !matches!(resolve(value), Resolved::Float(number) if !number.is_finite())
}

#[cfg(test)]
mod tests {
    use crate::yaml::{parse, parse_members};

    #[test]
    fn members_are_those_of_the_whole_document() {
        let text = "spec: {a: [1, {b: c}], y: 1e3}\nkind: K\nmetadata:\n  name: x\nmetaData: {x: 1}\n";
        let mut expected = parse(text).expect("valid");
        let read = parse_members(text, &["kind", "metadata"]).expect("valid");
        expected.as_object_mut().expect("a map").remove("spec");
        assert_eq!(read, expected);
        let aliased = "spec: &s {a: 1}\nkind: *s\n";
        assert_eq!(parse_members(aliased, &["kind"]), parse(aliased), "with aliases everything is kept");
    }

    #[test]
    fn errors_are_those_of_the_whole_document() {
        let texts = [
            "kind: K\nspec: {a: .inf}\n",
            "kind: K\nspec: {a: {~: 1}}\n",
            "kind: K\nspec: {? [1] : 2}\n",
            "kind: K\nspec: {a: !!int x}\n",
            "kind: K\nspec: {<<: 3}\n",
            "kind: K\nspec: {a: *unknown}\n",
            "kind: K\nspec: &s {a: *s}\n",
            "kind: K\n~: 1\n",
            "kind: K\nspec: {18446744073709551615: 1}\n",
            "kind: K\nspec: [a\n",
        ];
        for text in texts {
            let expected = parse(text).expect_err(text);
            assert_eq!(parse_members(text, &["kind"]), Err(expected), "{text}");
        }
    }
}
