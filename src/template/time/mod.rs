//! Go's `time`: instants, durations, layouts and zones, as templates see them.
//!
//! A [`Time`] is an instant in seconds since 1970 and nanoseconds, with the [`Zone`] that it is shown in. Calendar
//! arithmetic wraps as Go's does, far beyond the years that zone data covers.

mod calendar;
mod duration;
mod format;
mod instant;
mod layout;
mod names;
mod object;
mod parse;
mod zone;

#[cfg(test)]
mod tests;

pub use duration::Duration;
pub use instant::Time;
pub use zone::Zone;
