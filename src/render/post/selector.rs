//! Label selectors as `kubectl --selector` takes them (`k8s.io/apimachinery/pkg/labels/selector.go`).

use crate::value::Json;

/// A label selector: all requirements must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    label: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    Exists,
    Absent,
    In(Vec<String>),
    /// Holds of objects without the label too.
    NotIn(Vec<String>),
}

impl LabelSelector {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    ///
    /// # Errors
    /// Which requirement is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        requirements(text).into_iter().map(Requirement::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an object has such labels.
    pub fn fits(&self, object: &Json) -> bool {
        let labels = object.pointer("/metadata/labels");
        self.0.iter().all(|requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.label)).and_then(Json::as_str);
            let is_in = |values: &[String]| value.is_some_and(|value| values.iter().any(|one| one == value));
            match &requirement.operator {
                Operator::Exists => value.is_some(),
                Operator::Absent => value.is_none(),
                Operator::In(values) => is_in(values),
                Operator::NotIn(values) => !is_in(values),
            }
        })
    }
}

/// The parts between commas that are not inside parentheses.
fn requirements(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    parts.map(str::trim).collect()
}

impl Requirement {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no requirement; write a=b, a!=b, a in (b,c), a notin (b,c), a or !a");
        let (label, operator) = Self::parts(text).ok_or_else(wrong)?;
        let is_label = |character: char| character.is_ascii_alphanumeric() || "-_./".contains(character);
        if label.is_empty() || !label.chars().all(is_label) {
            return Err(wrong());
        }
        Ok(Self { label: label.to_owned(), operator })
    }

    fn parts(text: &str) -> Option<(&str, Operator)> {
        if let Some(label) = text.strip_prefix('!') {
            return Some((label.trim(), Operator::Absent));
        }
        if let Some(list) = text.strip_suffix(')') {
            let (head, values) = list.split_once('(')?;
            let (label, word) = head.trim().rsplit_once(char::is_whitespace)?;
            let values = values.split(',').map(|value| value.trim().to_owned()).collect();
            let operator = match word {
                "in" => Operator::In(values),
                "notin" => Operator::NotIn(values),
                _ => return None,
            };
            return Some((label.trim(), operator));
        }
        for sign in ["!=", "==", "="] {
            if let Some((label, value)) = text.split_once(sign) {
                let values = vec![value.trim().to_owned()];
                let operator = if sign == "!=" { Operator::NotIn(values) } else { Operator::In(values) };
                return Some((label.trim(), operator));
            }
        }
        Some((text, Operator::Exists))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_hold_as_for_kubectl() {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front", "empty": ""}}});
        let table = [
            ("app=web", true),
            ("app == web , tier=front", true),
            ("app=web,tier=back", false),
            ("app!=web", false),
            ("other!=web", true),
            ("tier in (back, front)", true),
            ("tier in (back)", false),
            ("tier notin (back),app in (web,api)", true),
            ("other notin (x)", true),
            ("app", true),
            ("!app", false),
            ("!other", true),
            ("other", false),
            ("empty=", true),
        ];
        for (text, expected) in table {
            let selector = LabelSelector::parse(text).expect(text);
            assert_eq!(selector.fits(&object), expected, "{text}");
            assert_eq!(LabelSelector::parse("app").map(|selector| selector.fits(&json!({}))), Ok(false));
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in ["", "a=b,", "a of (b)", "a b", "=b", "!", "in (b)", "a in (b"] {
            assert!(LabelSelector::parse(text).is_err(), "{text:?}");
        }
    }
}
