//! The render that a thread is in.
//!
//! minijinja's functions and objects must be `'static` and thread-safe, a render's lookup, chance and objects are
//! neither. So the thread knows its render for as long as minijinja runs, and an object is only a number into it.

use std::cell::RefCell;
use std::rc::Rc;

use minijinja::{Error, ErrorKind};
use scoped_tls_hkt::scoped_thread_local;

use super::meter::Meter;
use crate::template;
use crate::template::functions::{CallError, Chance, Host};
use crate::value::{Map, Object, Str, Value};

/// What an object in the execution costs, in bytes.
const OBJECT_BYTES: u64 = 64;

scoped_thread_local!(static EXECUTION: for<'a> &'a Execution<'a>);

/// What the templates of one render share.
pub struct Execution<'a> {
    environment: template::Environment<'a>,
    meter: RefCell<Meter>,
    objects: RefCell<Vec<Rc<dyn Object>>>,
}

impl<'a> Execution<'a> {
    /// An execution with all of its limits left.
    pub fn new(environment: template::Environment<'a>) -> Self {
        let meter = RefCell::new(Meter::new(environment.limits));
        Self { environment, meter, objects: RefCell::default() }
    }

    /// Runs `work` with this execution as the thread's.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        EXECUTION.set(self, work)
    }

    /// Whether a limit is used up, which ends the render.
    pub fn is_exhausted(&self) -> bool {
        self.meter.borrow().is_exhausted()
    }
}

fn with<R>(work: impl FnOnce(&Execution<'_>) -> R) -> Option<R> {
    if EXECUTION.is_set() { Some(EXECUTION.with(work)) } else { None }
}

/// Accounts for steps and bytes.
///
/// # Errors
/// The limit that is used up.
pub fn charge(steps: u64, bytes: u64) -> Result<(), Error> {
    let charged = with(|execution| execution.meter.borrow_mut().charge(steps, bytes)).unwrap_or(Ok(()));
    charged.map_err(|message| Error::new(ErrorKind::InvalidOperation, message))
}

/// How many bytes the render may still make.
pub fn bytes_left() -> u64 {
    with(|execution| execution.meter.borrow().bytes_left()).unwrap_or_default()
}

/// Keeps an object for as long as the render runs and returns its number.
///
/// # Errors
/// The limit that is used up.
pub fn keep(object: &Rc<dyn Object>) -> Result<usize, Error> {
    charge(1, OBJECT_BYTES)?;
    let number = with(|execution| {
        let mut objects = execution.objects.borrow_mut();
        objects.push(Rc::clone(object));
        objects.len() - 1
    });
    Ok(number.unwrap_or_default())
}

/// The object of that number.
pub fn object(number: usize) -> Option<Rc<dyn Object>> {
    with(|execution| execution.objects.borrow().get(number).cloned()).flatten()
}

/// Runs a function of the Go engine for the render.
///
/// # Errors
/// The function's.
pub fn call(run: impl FnOnce(&mut dyn Host) -> Result<Value, CallError>) -> Result<Value, CallError> {
    let outside = || Err(CallError::from("no render is running"));
    with(|execution| run(&mut Caller { execution })).unwrap_or_else(outside)
}

/// The execution as functions see it.
struct Caller<'s> {
    execution: &'s Execution<'s>,
}

impl Host for Caller<'_> {
    fn chance(&self) -> &dyn Chance {
        self.execution.environment.chance
    }

    fn lookup(&mut self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value, CallError> {
        let found = self.execution.environment.lookup.lookup(api_version, kind, namespace, name)?;
        match Value::from(&found) {
            Value::Nil => Ok(Value::Map(Map::new())),
            value => Ok(value),
        }
    }

    fn include(&mut self, _name: &Str, _data: Value) -> Result<Value, CallError> {
        Err("a Jinja template cannot include a Go template".into())
    }

    fn tpl(&mut self, _text: &Str, _data: Value) -> Result<Value, CallError> {
        Err("a Jinja template cannot run a Go template".into())
    }

    fn charge(&mut self, steps: u64, bytes: u64) -> Result<(), CallError> {
        self.execution.meter.borrow_mut().charge(steps, bytes).map_err(CallError::limit)
    }
}
