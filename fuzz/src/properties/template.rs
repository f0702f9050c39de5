//! Lexer, parser and execution: any text parses or is an error, and renders or fails within its limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use coxswain::template::{Environment, Execution, Limits, NoLookup, Set, parse};
use coxswain::value::Value;

use super::Still;

/// Little enough that an endless template ends at once.
const LIMITS: Limits = Limits { steps: 20_000, bytes: 1 << 20, depth: 100, time: Duration::from_secs(2) };

/// What the templates find in their dot.
const VALUES: &str =
    "a: {b: [1, 2.5, x, null, true], c: \"text\\nof two lines\"}\ns: v1.2.3-rc.1+x\nn: -7\ne: {}\nl: []\n";

/// Parses the text as a template and runs it.
///
/// # Panics
/// Where the render takes much longer than it may.
pub fn check(data: &[u8]) {
    let Ok(parsed) = parse(&data.into()) else { return };
    let parsed = Arc::new(parsed);
    let mut set = Set::new();
    if set.add("fuzz/templates/t.yaml", &parsed).is_err() {
        return;
    }
    let Ok(values) = coxswain::yaml::parse_value(VALUES) else { return };
    let dot = Value::Map([("Values", values)].into_iter().collect());
    let environment = Environment { lookup: &NoLookup, chance: &Still, limits: LIMITS, lint: false };
    let started = Instant::now();
    let rendered = Execution::new(&set, environment).render("fuzz/templates/t.yaml", &dot);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "a render with a limit of {:?} took {took:?}", LIMITS.time);
    match rendered {
        Ok(output) => assert!(output.len() as u64 <= LIMITS.bytes, "{} bytes of output", output.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
