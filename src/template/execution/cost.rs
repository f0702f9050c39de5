//! What a call costs: steps for the texts that it is given, steps and memory for what it made. A function whose work is
//! of another order than the length of its texts charges the rest itself ([`Host::charge`]).
//!
//! [`Host::charge`]: crate::template::functions::Host::charge

use super::{Execution, Failure, Frame};
use crate::template::parse::NodeId;
use crate::value::Value;

/// How many bytes of text go through a function in the time of one step.
const BYTES_PER_STEP: usize = 32;
/// How many arguments are passed in the time of one step.
const ARGUMENTS_PER_STEP: usize = 16;
/// What an entry of a map takes up besides its key's text.
const ENTRY_BYTES: usize = size_of::<Value>() + 48;

impl Execution<'_> {
    /// Accounts for a function's arguments.
    pub(super) fn spend_on_arguments(&mut self, frame: Frame<'_>, values: &[Value]) -> Result<(), Failure> {
        let texts: usize = values.iter().map(|value| text_length(value) / BYTES_PER_STEP).sum();
        self.spend(frame, (texts + values.len() / ARGUMENTS_PER_STEP) as u64, 0)
    }

    /// Accounts for the words of a call that is no function's.
    pub(super) fn spend_on_words(&mut self, frame: Frame<'_>, words: &[NodeId]) -> Result<(), Failure> {
        self.spend(frame, 1 + (words.len() / ARGUMENTS_PER_STEP) as u64, 0)
    }

    /// Accounts for a text that is made.
    pub(super) fn spend_on_text(&mut self, frame: Frame<'_>, text: &str) -> Result<(), Failure> {
        self.spend(frame, (text.len() / BYTES_PER_STEP) as u64, 0)
    }

    /// Accounts for what a function returned. What others hold too was not made by it.
    pub(super) fn spend_on_result(&mut self, frame: Frame<'_>, value: &Value) -> Result<(), Failure> {
        let bytes = match value {
            Value::List(list) if list.is_sole() => list.len() * size_of::<Value>(),
            Value::Map(map) if map.is_sole() => map.len() * ENTRY_BYTES,
            other => text_length(other),
        };
        self.spend(frame, (bytes / BYTES_PER_STEP) as u64, bytes as u64)
    }
}

fn text_length(value: &Value) -> usize {
    match value {
        Value::Str(text) | Value::Bytes(text) => text.len(),
        _ => 0,
    }
}
