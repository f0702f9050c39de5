//! `kubectl captain`: requests, releases and repositories from the command line, with the caller's own rights.
//!
//! A command line becomes [`Arguments`]; a [`Session`] is the one way to the API server (kubeconfig, context,
//! namespace, told requests) and to the terminal ([`Screen`]). Each command is one module: its flags, what it reads,
//! what it writes. It finds requests through `requests`, records of revisions through `revisions`, changes a request by
//! reading, editing and replacing the whole object, so that nothing is lost that this version does not know, and waits
//! through `waiting`. What it finds is turned into text by plain functions that know no cluster, held by golden files.
//! A command ends in an [`Outcome`] or an [`Error`], which are the exit status. The operator is never asked: everything
//! is in the API.

mod arguments;
mod charts;
mod comparison;
mod complete;
mod completion;
mod create;
mod diff;
mod download;
mod draft;
mod edit;
mod error;
mod events;
mod explain;
mod get;
mod history;
mod import;
mod inputs;
mod layers;
mod lint;
mod list;
mod logs;
mod made;
mod migrate;
mod moment;
mod rbac;
mod repositories;
mod requests;
mod revisions;
mod screen;
mod selection;
mod session;
mod status;
mod switches;
mod table;
mod template;
mod test;
mod trace;
mod tree;
mod values;
mod waiting;

pub use arguments::{Arguments, Command, Format, GlobalArguments, command};
pub use error::Error;
pub use screen::Screen;
pub use session::Session;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use crate::value::message::presentable;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it was to do, or there was nothing to change. Status 0.
    Done,
    /// It changed nothing because it was a dry run, and would have. Status 2.
    WouldChange,
}

impl Outcome {
    /// How two things ended that belong together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == Self::WouldChange { self } else { other }
    }
}

/// Runs a command line to its end: the program's name, then its arguments. Failures are told on standard error; the
/// status is 1 for them and for a command line that cannot be read, because 2 means that something would change.
pub fn main(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line: Vec<OsString> = line.into_iter().collect();
    let words: Vec<String> = line.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let asked = match words.as_slice() {
        [program, rest @ ..] if complete::is_wanted(program) => Some(rest),
        [_, ask, rest @ ..] if ask == completion::ASK => Some(rest),
        _ => None,
    };
    if let Some(begun) = asked {
        let completed = runtime().and_then(|runtime| runtime.block_on(complete::run(begun)));
        return ExitCode::from(u8::from(completed.is_err()));
    }
    let arguments = match arguments::parse(line) {
        Ok(arguments) => arguments,
        Err(error) => {
            // That it cannot be written changes nothing.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match arguments.run() {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::WouldChange) => ExitCode::from(2),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "Error: {}", presentable(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// Why it failed.
    pub fn run(self) -> Result<Outcome, Error> {
        runtime()?.block_on(self.command.run(&self.global))
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)
}

impl Command {
    async fn run(self, global: &GlobalArguments) -> Result<Outcome, Error> {
        // What needs no cluster.
        match &self {
            Self::Version => {
                Screen::of_process().print(concat!("v", env!("CARGO_PKG_VERSION"), "\n"))?;
                return Ok(Outcome::Done);
            }
            Self::Completion(arguments) => return arguments.run(),
            Self::Template(arguments) if arguments.name.is_none() => return arguments.run_alone(global).await,
            Self::Lint(arguments) if arguments.name.is_none() => return arguments.run_alone(global).await,
            _ => {}
        }
        let session = Session::connect(global).await?;
        match self {
            Self::List(arguments) => arguments.run(&session).await,
            Self::Status(arguments) => arguments.run(&session).await,
            Self::History(arguments) => arguments.run(&session).await,
            Self::Get(arguments) => arguments.run(&session).await,
            Self::GetManifest(arguments) => get::manifest(&session, &arguments).await,
            Self::Create(arguments) => arguments.run(&session).await,
            Self::Upgrade(arguments) => arguments.run(&session).await,
            Self::TriggerUpdate(arguments) => arguments.run(&session).await,
            Self::Rollback(arguments) => arguments.run(&session).await,
            Self::Import(arguments) => arguments.run(&session).await,
            Self::CreateRepo(arguments) => arguments.run(&session).await,
            Self::ResyncRepo(arguments) => arguments.run(&session).await,
            Self::Uninstall(arguments) => arguments.run(&session).await,
            Self::Test(arguments) => arguments.run(&session).await,
            Self::Suspend(arguments) => arguments.suspend(&session).await,
            Self::Resume(arguments) => arguments.resume(&session).await,
            Self::Wait(arguments) => arguments.run(&session).await,
            Self::Events(arguments) => arguments.run(&session).await,
            Self::Logs(arguments) => arguments.run(&session).await,
            Self::Trace(arguments) => arguments.run(&session).await,
            Self::Diff(arguments) => arguments.run(&session).await,
            Self::Migrate(arguments) => arguments.run(&session).await,
            Self::Search(arguments) => arguments.run(&session).await,
            Self::Show(arguments) => arguments.run(&session).await,
            Self::Values(arguments) => arguments.run(&session).await,
            Self::Template(arguments) => arguments.run(&session).await,
            Self::Rbac(arguments) => arguments.run(&session).await,
            Self::Lint(arguments) => arguments.run(&session).await,
            Self::Explain(arguments) => arguments.run(&session).await,
            Self::Version | Self::Completion(_) => Ok(Outcome::Done),
        }
    }
}
