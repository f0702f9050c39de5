//! The command line of `coxswain`: arguments and subcommands.
//!
//! Every flag of the operator has an environment variable of the same name in capitals with the prefix `COXSWAIN_`. The
//! flags of `template` are those of `helm template`, and so are the few variables that it reads.

mod controller;
mod logging;
mod template;

pub use controller::ControllerArguments;
pub use logging::{LogFormat, LoggingArguments};
pub use template::{Failure, TemplateArguments};

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::value::message::presentable;

/// Installs Helm charts from custom resources and keeps them as declared.
#[derive(Debug, Parser)]
#[command(name = "coxswain", version, about, propagate_version = true, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Why a subcommand ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log level cannot be read.
    #[error("--log-level {level:?} is not a level or a list of module=level: {cause}")]
    LogLevel {
        /// What was given.
        level: String,
        /// What is wrong with it.
        cause: tracing_subscriber::filter::ParseError,
    },
    /// The runtime could not be started.
    #[error("the asynchronous runtime could not be started")]
    Runtime(#[source] std::io::Error),
    /// The operator ended.
    #[error(transparent)]
    Operator(#[from] crate::controller::RunError),
    /// Nothing was rendered.
    #[error(transparent)]
    Template(#[from] Failure),
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator against the current kubeconfig or, inside a cluster, its service account.
    Controller(Box<ControllerArguments>),
    /// Render a chart and print its manifests, as `helm template` does.
    Template(Box<TemplateArguments>),
}

impl Arguments {
    /// Runs the chosen subcommand to its end.
    ///
    /// # Errors
    /// Whatever ended it early, with its causes.
    pub fn run(self) -> Result<(), Error> {
        match self.command {
            Command::Controller(arguments) => arguments.run(),
            Command::Template(arguments) => Ok(arguments.run()?),
        }
    }
}

/// Runs the command line to its end: the program's name, then its arguments. Failures are told on standard error; the
/// status is 1 for them and, as usual, 2 for a command line that cannot be read, except that of `template`, where it is
/// 1 as in Helm.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let of_template = arguments.get(1).is_some_and(|subcommand| subcommand == "template");
    let last = arguments.last().map(|last| last.to_string_lossy().into_owned()).unwrap_or_default();
    let failure = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => match arguments.run() {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => chain(&error),
        },
        Err(error) if of_template && error.use_stderr() => {
            template::usage_message(&error, &last).unwrap_or_else(|| error.to_string())
        }
        Err(error) => error.exit(),
    };
    // That even this cannot be written is no reason for another status.
    let _ = writeln!(std::io::stderr(), "Error: {}", presentable(&failure));
    ExitCode::FAILURE
}

/// An error with its causes.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    if matches!(error, Error::Template(_)) {
        return text;
    }
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_flag_of_the_controller_has_an_environment_variable_and_a_help_text() {
        let command = Arguments::command();
        let controller = command.find_subcommand("controller").expect("there is a controller subcommand");
        for argument in controller.get_arguments().filter(|a| !["help", "version"].contains(&a.get_id().as_str())) {
            let name = argument.get_id();
            assert!(argument.get_help().is_some(), "{name} has no help text");
            let variable = format!("COXSWAIN_{}", name.as_str().to_uppercase());
            assert_eq!(argument.get_env().and_then(|env| env.to_str()), Some(variable.as_str()), "{name}");
        }
    }
}
