//! The command line of `coxswain`: arguments and subcommands.
//!
//! Every flag has an environment variable of the same name in capitals with the prefix `COXSWAIN_`, and a help text
//! that says what it is for.

mod controller;
mod logging;

pub use controller::ControllerArguments;
pub use logging::{LogFormat, LoggingArguments};

use clap::{Parser, Subcommand};

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
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator against the current kubeconfig or, inside a cluster, its service account.
    Controller(Box<ControllerArguments>),
}

impl Arguments {
    /// Runs the chosen subcommand to its end.
    ///
    /// # Errors
    /// Whatever ended it early, with its causes.
    pub fn run(self) -> Result<(), Error> {
        match self.command {
            Command::Controller(arguments) => arguments.run(),
        }
    }
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
