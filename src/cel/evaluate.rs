//! Evaluating an expression, within a number of steps.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Number};

use super::functions::{Stop, call, double};
use super::parser::{Comprehension, Each, Node, Operator, Term};
use super::{CelError, kind};
use crate::value::Json;

/// How many steps one evaluation may take: a hundredth of a second.
const MOST_STEPS: u64 = 1_000_000;
/// The bytes of a text that count as a step.
const BYTES_A_STEP: usize = 32;

/// A value, borrowed as long as nothing is made of it.
pub(super) type Value<'a> = Cow<'a, Json>;

/// One evaluation.
pub(super) struct Evaluation<'a> {
    /// What names stand for, the innermost last.
    scope: Vec<(&'a str, Value<'a>)>,
    left: u64,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(variables: &[(&'a str, &'a Json)]) -> Self {
        let scope = variables.iter().map(|(name, value)| (*name, Cow::Borrowed(*value))).collect();
        Self { scope, left: MOST_STEPS }
    }

    /// Counts steps.
    pub(super) fn spend(&mut self, steps: u64) -> Result<(), Stop> {
        self.left = self.left.checked_sub(steps).ok_or(Stop::Spent)?;
        Ok(())
    }

    /// Counts looking at a text or making one.
    pub(super) fn spend_on(&mut self, text: &str) -> Result<(), Stop> {
        self.spend(1 + (text.len() / BYTES_A_STEP) as u64)
    }

    /// Counts copying a value.
    fn spend_on_copy(&mut self, value: &Json) -> Result<(), Stop> {
        match value {
            Json::String(text) => self.spend_on(text),
            Json::Array(items) => {
                self.spend(1)?;
                items.iter().try_for_each(|item| self.spend_on_copy(item))
            }
            Json::Object(members) => members.iter().try_for_each(|(name, member)| {
                self.spend_on(name)?;
                self.spend_on_copy(member)
            }),
            _ => self.spend(1),
        }
    }

    /// Counts going through the items of a list, or the keys of a map, which are copied.
    fn spend_on_items(&mut self, value: &Json) -> Result<(), Stop> {
        match value {
            Json::Array(items) => self.spend(items.len() as u64),
            Json::Object(members) => members.keys().try_for_each(|name| self.spend_on(name)),
            _ => Ok(()),
        }
    }

    /// The value of a term.
    pub(super) fn value(&mut self, term: &'a Term) -> Result<Value<'a>, CelError> {
        let failed = |stop| match stop {
            Stop::Spent => CelError::TooManySteps { steps: MOST_STEPS },
            Stop::Wrong(message) => CelError::Evaluation { column: term.column, message },
        };
        self.spend(1).map_err(failed)?;
        match &term.node {
            Node::Literal(value) => Ok(Cow::Borrowed(value)),
            Node::Name(name) => self.named(name).map_err(failed),
            Node::List(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.owned(item)).collect();
                Ok(Cow::Owned(Json::Array(items?)))
            }
            Node::Map(members) => self.map(members),
            Node::Select(of, name) => {
                let of = self.value(of)?;
                member(of, name).map_err(failed)
            }
            Node::Has(of, name) => match self.value(of)?.as_ref() {
                Json::Object(members) => Ok(Cow::Owned(Json::Bool(members.contains_key(name)))),
                other => Err(failed(Stop::Wrong(format!("a {} has no members", kind(other))))),
            },
            Node::Index(parts) => {
                let [of, at] = parts.as_ref();
                let (of, at) = (self.value(of)?, self.value(at)?);
                indexed(of, &at).map_err(failed)
            }
            Node::Not(part) => {
                let value = self.truth(part)?;
                Ok(Cow::Owned(Json::Bool(!value)))
            }
            Node::Negate(part) => match self.value(part)?.as_ref() {
                Json::Number(number) => negated(number).map(Cow::Owned).map_err(failed),
                other => Err(failed(Stop::Wrong(format!("a {} cannot be negated", kind(other))))),
            },
            Node::And(parts) => self.decided(parts, false),
            Node::Or(parts) => self.decided(parts, true),
            Node::Conditional(parts) => {
                let [condition, then, otherwise] = parts.as_ref();
                if self.truth(condition)? { self.value(then) } else { self.value(otherwise) }
            }
            Node::Binary(operator, parts) => {
                let [left, right] = parts.as_ref();
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.binary(*operator, &left, &right).map(Cow::Owned).map_err(failed)
            }
            Node::Call(function, arguments) => {
                let arguments: Result<Vec<_>, _> = arguments.iter().map(|argument| self.value(argument)).collect();
                call(self, *function, arguments?).map_err(failed)
            }
            Node::Each(comprehension) => self.each(term, comprehension),
        }
    }

    /// A copy of a term's value, which counts.
    fn owned(&mut self, term: &'a Term) -> Result<Json, CelError> {
        let value = self.value(term)?;
        self.spend_on_copy(&value).map_err(|_| CelError::TooManySteps { steps: MOST_STEPS })?;
        Ok(value.into_owned())
    }

    fn truth(&mut self, term: &'a Term) -> Result<bool, CelError> {
        match self.value(term)?.as_ref() {
            Json::Bool(value) => Ok(*value),
            other => {
                let message = format!("this is a {}, and has to be true or false", kind(other));
                Err(CelError::Evaluation { column: term.column, message })
            }
        }
    }

    /// `&&` and `||`: the side that decides does so whatever is wrong with the other.
    fn decided(&mut self, parts: &'a [Term; 2], by: bool) -> Result<Value<'a>, CelError> {
        let [left, right] = parts;
        let first = self.truth(left);
        let decided = match &first {
            Ok(value) if *value == by => by,
            Ok(_) => self.truth(right)?,
            Err(CelError::TooManySteps { .. }) => first?,
            Err(_) => match self.truth(right)? {
                value if value == by => by,
                _ => first?,
            },
        };
        Ok(Cow::Owned(Json::Bool(decided)))
    }

    fn named(&mut self, name: &str) -> Result<Value<'a>, Stop> {
        let Some(place) = self.scope.iter().rposition(|(known, _)| *known == name) else {
            let names: Vec<&str> = self.scope.iter().map(|(name, _)| *name).collect();
            return Err(Stop::Wrong(format!("{name} is not known here; there are {}", names.join(", "))));
        };
        match &self.scope[place].1 {
            Cow::Borrowed(value) => Ok(Cow::Borrowed(*value)),
            Cow::Owned(value) => {
                let value = value.clone();
                self.spend_on_copy(&value)?;
                Ok(Cow::Owned(value))
            }
        }
    }

    fn map(&mut self, members: &'a [(Term, Term)]) -> Result<Value<'a>, CelError> {
        let mut map = Map::new();
        for (key, value) in members {
            let Json::String(name) = self.owned(key)? else {
                let message = "the keys of a map are texts".to_owned();
                return Err(CelError::Evaluation { column: key.column, message });
            };
            map.insert(name, self.owned(value)?);
        }
        Ok(Cow::Owned(Json::Object(map)))
    }

    fn each(&mut self, term: &'a Term, comprehension: &'a Comprehension) -> Result<Value<'a>, CelError> {
        let range = self.value(&comprehension.range)?;
        self.spend_on_items(&range).map_err(|_| CelError::TooManySteps { steps: MOST_STEPS })?;
        let range = items(range).map_err(|message| CelError::Evaluation { column: term.column, message })?;
        let outside = self.scope.len();
        let value = self.over(range, comprehension);
        // An error may not count in the end, and what follows does not know the item.
        self.scope.truncate(outside);
        value
    }

    fn over(&mut self, range: Vec<Value<'a>>, comprehension: &'a Comprehension) -> Result<Value<'a>, CelError> {
        let Comprehension { how, variable, condition, result, .. } = comprehension;
        let mut met = 0_usize;
        let mut made = Vec::new();
        let mut failed = None;
        for item in range {
            self.scope.push((variable, item));
            let holds = condition.as_ref().map_or(Ok(true), |condition| self.truth(condition));
            let holds = match holds {
                Ok(holds) => holds,
                // As with && and ||, another item may decide.
                Err(error @ CelError::Evaluation { .. }) if matches!(how, Each::All | Each::Exists) => {
                    failed = Some(error);
                    self.scope.pop();
                    continue;
                }
                Err(error) => return Err(error),
            };
            met += usize::from(holds);
            let decided = matches!((how, holds), (Each::All, false) | (Each::Exists, true));
            if holds && matches!(how, Each::Filter | Each::Map) {
                made.push(match result {
                    Some(result) => self.owned(result)?,
                    None => self.item()?,
                });
            }
            self.scope.pop();
            if decided {
                return Ok(Cow::Owned(Json::Bool(holds)));
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(Cow::Owned(match how {
            Each::All => Json::Bool(true),
            Each::Exists => Json::Bool(false),
            Each::ExistsOne => Json::Bool(met == 1),
            Each::Filter | Each::Map => Json::Array(made),
        }))
    }

    /// A copy of the innermost item.
    fn item(&mut self) -> Result<Json, CelError> {
        let spent = || CelError::TooManySteps { steps: MOST_STEPS };
        let item = self.scope.last().map(|(_, item)| item.clone().into_owned()).unwrap_or_default();
        self.spend_on_copy(&item).map_err(|_| spent())?;
        Ok(item)
    }

    fn binary(&mut self, operator: Operator, left: &Json, right: &Json) -> Result<Json, Stop> {
        let order = |wanted: fn(Ordering) -> bool| {
            compared(left, right).map(wanted).map(Json::Bool).ok_or_else(|| no_such(operator, left, right))
        };
        if let (Json::String(a), Json::String(b)) = (left, right) {
            self.spend_on(a)?;
            self.spend_on(b)?;
        }
        match operator {
            Operator::Equal => self.equal(left, right).map(Json::Bool),
            Operator::NotEqual => self.equal(left, right).map(|equal| Json::Bool(!equal)),
            Operator::Less => order(Ordering::is_lt),
            Operator::LessOrEqual => order(Ordering::is_le),
            Operator::Greater => order(Ordering::is_gt),
            Operator::GreaterOrEqual => order(Ordering::is_ge),
            Operator::In => self.contains(left, right),
            _ => match (left, right) {
                (Json::Number(a), Json::Number(b)) => computed(operator, a, b),
                (Json::String(a), Json::String(b)) if operator == Operator::Add => Ok(Json::String(format!("{a}{b}"))),
                (Json::Array(a), Json::Array(b)) if operator == Operator::Add => {
                    self.spend_on_copy(left)?;
                    self.spend_on_copy(right)?;
                    Ok(Json::Array(a.iter().chain(b).cloned().collect()))
                }
                _ => Err(no_such(operator, left, right)),
            },
        }
    }

    fn contains(&mut self, item: &Json, within: &Json) -> Result<Json, Stop> {
        match (within, item) {
            (Json::Array(items), _) => {
                for other in items {
                    if self.equal(item, other)? {
                        return Ok(Json::Bool(true));
                    }
                }
                Ok(Json::Bool(false))
            }
            (Json::Object(members), Json::String(name)) => Ok(Json::Bool(members.contains_key(name))),
            _ => Err(no_such(Operator::In, item, within)),
        }
    }

    /// Values of different kinds are not equal; numbers are compared as numbers.
    fn equal(&mut self, left: &Json, right: &Json) -> Result<bool, Stop> {
        self.spend(1)?;
        match (left, right) {
            (Json::Number(_), Json::Number(_)) => Ok(compared(left, right) == Some(Ordering::Equal)),
            (Json::String(a), Json::String(b)) => {
                self.spend_on(if a.len() < b.len() { a } else { b })?;
                Ok(a == b)
            }
            (Json::Array(a), Json::Array(b)) if a.len() == b.len() => self.all_equal(a.iter().zip(b)),
            (Json::Object(a), Json::Object(b)) if a.len() == b.len() => {
                let mut pairs = Vec::with_capacity(a.len());
                for (name, value) in a {
                    self.spend_on(name)?;
                    match b.get(name) {
                        Some(other) => pairs.push((value, other)),
                        None => return Ok(false),
                    }
                }
                self.all_equal(pairs.into_iter())
            }
            (Json::Bool(a), Json::Bool(b)) => Ok(a == b),
            (Json::Null, Json::Null) => Ok(true),
            _ => Ok(false),
        }
    }

    fn all_equal<'b>(&mut self, mut pairs: impl Iterator<Item = (&'b Json, &'b Json)>) -> Result<bool, Stop> {
        pairs.try_fold(true, |equal, (a, b)| Ok(equal && self.equal(a, b)?))
    }
}

fn no_such(operator: Operator, left: &Json, right: &Json) -> Stop {
    Stop::Wrong(format!("{} is not for {} and {}", operator.as_str(), kind(left), kind(right)))
}

fn member<'a>(of: Value<'a>, name: &str) -> Result<Value<'a>, Stop> {
    let kind = kind(&of);
    let found = match of {
        Cow::Borrowed(Json::Object(members)) => members.get(name).map(Cow::Borrowed),
        Cow::Owned(Json::Object(mut members)) => members.remove(name).map(Cow::Owned),
        _ => return Err(Stop::Wrong(format!("a {kind} has no member {name}"))),
    };
    found.ok_or_else(|| Stop::Wrong(format!("there is no member {name}; has() asks whether there is one")))
}

fn indexed<'a>(of: Value<'a>, at: &Json) -> Result<Value<'a>, Stop> {
    let wrong = Stop::Wrong(format!("a {} has nothing at this {}", kind(&of), kind(at)));
    let found = match at {
        Json::String(name) if of.is_object() => return member(of, name),
        Json::Number(place) => {
            let place = place.as_u64().and_then(|place| usize::try_from(place).ok());
            match (of, place) {
                (Cow::Borrowed(Json::Array(items)), Some(place)) => items.get(place).map(Cow::Borrowed),
                (Cow::Owned(Json::Array(mut items)), Some(place)) if place < items.len() => {
                    Some(Cow::Owned(items.swap_remove(place)))
                }
                _ => None,
            }
        }
        _ => None,
    };
    found.ok_or(wrong)
}

/// The items of a list, the keys of a map.
fn items(range: Value<'_>) -> Result<Vec<Value<'_>>, String> {
    let kind = kind(&range);
    Ok(match range {
        Cow::Borrowed(Json::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
        Cow::Owned(Json::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
        Cow::Borrowed(Json::Object(members)) => {
            members.keys().map(|name| Cow::Owned(Json::from(name.as_str()))).collect()
        }
        Cow::Owned(Json::Object(members)) => {
            members.into_iter().map(|(name, _)| Cow::Owned(Json::from(name))).collect()
        }
        _ => return Err(format!("a {kind} has no items")),
    })
}

fn compared(left: &Json, right: &Json) -> Option<Ordering> {
    match (left, right) {
        (Json::Number(a), Json::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Json::String(a), Json::String(b)) => Some(a.cmp(b)),
        (Json::Bool(a), Json::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn negated(number: &Number) -> Result<Json, Stop> {
    let negated = match number.as_i64() {
        Some(int) => int.checked_neg().map(Json::from),
        None => number.as_f64().and_then(|number| double(-number)),
    };
    negated.ok_or_else(|| Stop::Wrong("the number is too large".to_owned()))
}

fn computed(operator: Operator, left: &Number, right: &Number) -> Result<Json, Stop> {
    let computed = match (left.as_i64(), right.as_i64()) {
        (Some(a), Some(b)) => match operator {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b),
            Operator::Divide => a.checked_div(b),
            _ => a.checked_rem(b),
        }
        .map(Json::from),
        (None, None) => left.as_f64().zip(right.as_f64()).and_then(|(a, b)| match operator {
            Operator::Add => double(a + b),
            Operator::Subtract => double(a - b),
            Operator::Multiply => double(a * b),
            Operator::Divide => double(a / b),
            _ => None,
        }),
        _ => return Err(Stop::Wrong(format!("{} is not for int and double; convert one of them", operator.as_str()))),
    };
    computed.ok_or_else(|| Stop::Wrong(format!("{} of these numbers has no result", operator.as_str())))
}
