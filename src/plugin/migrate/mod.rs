//! `migrate --check`: what taking over from Captain will do to each request, and what stands in its way.
//!
//! Only what the cluster holds is read ([`stock`]), with the caller's rights. What runs of Captain ([`captain`]), what
//! becomes of each request ([`requests`]) and of each repository ([`repositories`]), and which fields would be lost
//! ([`fields`]) is found by plain functions; a [`Report`] is what they found, in words or as data.

mod captain;
mod fields;
mod report;
mod repositories;
mod requests;
mod stock;

use clap::Args;

use self::report::Report;
use self::stock::Stock;
use super::arguments::{Format, OutputArgument};
use super::session::Session;
use super::{Error, Outcome};

/// The flags of `migrate`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct MigrateArguments {
    /// Look only, and tell what will happen; the steps themselves are yours (docs/migrating-from-captain.md)
    #[arg(long, required = true)]
    pub check: bool,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

impl MigrateArguments {
    /// Looks at what Captain left, and tells what becomes of it.
    ///
    /// # Errors
    /// It cannot be read, or something stands in the way.
    pub async fn run(self, session: &Session) -> Result<Outcome, Error> {
        let report = Report::of(&Stock::read(session).await?);
        match self.output.output {
            Format::Json => session.screen.print_json(&report)?,
            Format::Yaml => session.screen.print_yaml(&report)?,
            Format::Name => session.screen.print(&report.names())?,
            Format::Table | Format::Wide => session.screen.print(&report.text(&session.screen))?,
        }
        match report.problems() {
            0 => Ok(Outcome::Done),
            1 => Err(Error::Unmet("1 problem has to be solved before Captain is replaced".to_owned())),
            count => Err(Error::Unmet(format!("{count} problems have to be solved before Captain is replaced"))),
        }
    }
}
