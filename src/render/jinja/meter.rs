//! What a render has left of its limits.

use std::time::Instant;

use crate::template::{Limits, StackGuard};

/// How many steps pass between two looks at the clock.
const STEPS_PER_CLOCK: u64 = 4096;

/// The account of all Jinja templates of one render.
#[derive(Debug)]
pub struct Meter {
    limits: Limits,
    steps_left: u64,
    bytes_left: u64,
    steps_to_clock: u64,
    deadline: Option<Instant>,
    stack: StackGuard,
    /// Which limit is used up; it then stays so, whatever is asked for.
    exceeded: Option<String>,
}

impl Meter {
    /// A full account; the time runs from now on.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            steps_left: limits.steps,
            bytes_left: limits.bytes,
            steps_to_clock: 0,
            deadline: Instant::now().checked_add(limits.time),
            stack: StackGuard::new(),
            exceeded: None,
        }
    }

    /// Accounts for work and memory.
    ///
    /// # Errors
    /// What is used up, in the words of the Go engine.
    pub fn charge(&mut self, steps: u64, bytes: u64) -> Result<(), String> {
        if self.exceeded.is_none() {
            self.exceeded = self.spend(steps, bytes).err();
        }
        self.exceeded.clone().map_or(Ok(()), Err)
    }

    fn spend(&mut self, steps: u64, bytes: u64) -> Result<(), String> {
        self.steps_left = self.steps_left.checked_sub(steps).ok_or_else(|| self.limits.steps_message())?;
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or_else(|| self.limits.bytes_message())?;
        if self.stack.is_exhausted() {
            return Err("the templates call each other too deeply".to_owned());
        }
        self.check_clock(steps)
    }

    /// The largest value that the render may still make, in bytes.
    pub fn bytes_left(&self) -> u64 {
        self.bytes_left
    }

    /// Whether a limit is used up.
    pub fn is_exhausted(&self) -> bool {
        self.exceeded.is_some()
    }

    fn check_clock(&mut self, steps: u64) -> Result<(), String> {
        self.steps_to_clock = match self.steps_to_clock.checked_sub(steps) {
            Some(left) => left,
            None => {
                if self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
                    return Err(self.limits.time_message());
                }
                STEPS_PER_CLOCK
            }
        };
        Ok(())
    }
}
