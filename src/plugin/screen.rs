//! Where a command writes: results to standard output, progress to standard error, colours only on a terminal.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};

use serde::Serialize;

use super::Error;
use crate::value::Json;
use crate::value::message::without_controls;
use crate::yaml;

/// How a text is meant, which a terminal shows as a colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// On its way, or to be looked at.
    Uneasy,
    /// Wrong.
    Bad,
    /// Beside the point.
    Faint,
}

impl Tone {
    /// The code of the colour (ECMA-48).
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Uneasy => Some("33"),
            Self::Bad => Some("31"),
            Self::Faint => Some("2"),
        }
    }
}

/// The terminal, the pipe or the file behind standard output.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    colours: bool,
}

impl Screen {
    /// Standard output; coloured where it is a terminal, unless `NO_COLOR` is set.
    pub fn of_process() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: !unwanted && std::io::stdout().is_terminal() }
    }

    /// A text in the colour of a tone.
    pub fn paint<'a>(&self, tone: Tone, text: &'a str) -> Cow<'a, str> {
        match tone.code().filter(|_| self.colours && !text.is_empty()) {
            Some(code) => Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m")),
            None => Cow::Borrowed(text),
        }
    }

    /// Writes a result. That its reader has gone (`| head`) is no failure.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn print(&self, text: &str) -> Result<(), Error> {
        let mut output = std::io::stdout().lock();
        match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Output(error)),
            _ => Ok(()),
        }
    }

    /// Writes a line of progress; that it cannot be written changes nothing.
    pub fn tell(&self, line: &str) {
        let _ = writeln!(std::io::stderr(), "{}", without_controls(line));
    }

    /// Writes data as JSON.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn print_json(&self, data: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(data).map_err(|error| Error::Output(error.into()))?;
        self.print(&format!("{text}\n"))
    }

    /// Writes data as YAML.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn print_yaml(&self, data: &impl Serialize) -> Result<(), Error> {
        let data: Json = serde_json::to_value(data).map_err(|error| Error::Output(error.into()))?;
        self.print(&yaml_text(&data)?)
    }
}

/// Data as the text of a YAML file; an empty map is `{}`.
///
/// # Errors
/// The data is too large or too deep for YAML.
pub fn yaml_text(data: &Json) -> Result<String, Error> {
    yaml::to_string(data).map_err(|error| Error::Output(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_is_given_colours() {
        let (terminal, file) = (Screen { colours: true }, Screen { colours: false });
        assert_eq!(terminal.paint(Tone::Bad, "Failed"), "\x1b[31mFailed\x1b[0m");
        assert_eq!(file.paint(Tone::Bad, "Failed"), "Failed");
        assert_eq!(terminal.paint(Tone::Plain, "web"), "web");
    }
}
