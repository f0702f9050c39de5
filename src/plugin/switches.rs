//! `suspend`, `resume` and `uninstall`.

use clap::Args;
use kube::api::DeleteParams;
use tokio::time::{Duration, Instant, sleep};

use super::create::switch;
use super::edit::{WriteArguments, annotate, change, remove};
use super::requests::{self, KIND};
use super::selection::{Chosen, SelectionArguments};
use super::session::Session;
use super::waiting::{Commentary, WaitArguments, why};
use super::{Error, Outcome};
use crate::api::names;
use crate::cluster::ApiError;
use crate::value::Json;

/// The pause between looks whether a request is gone.
const PAUSE: Duration = Duration::from_millis(300);

/// The flags of `suspend` and `resume`.
#[derive(Clone, Debug, Args)]
pub struct SwitchArguments {
    /// Which requests.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// How it is changed and told.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// The flags of `uninstall`.
#[derive(Clone, Debug, Args)]
pub struct UninstallArguments {
    /// Which requests.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Leave the objects and remove only the records
    #[arg(long)]
    pub keep_resources: bool,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// How it is changed and told.
    #[command(flatten)]
    pub write: WriteArguments,
}

impl SwitchArguments {
    /// Has nothing more written for requests.
    ///
    /// # Errors
    /// One is not there, or the API server refuses the change.
    pub async fn suspend(&self, session: &Session) -> Result<Outcome, Error> {
        let edit = |object: &mut Json| object["spec"]["suspend"] = true.into();
        self.each(session, edit, "suspended").await
    }

    /// Ends suspensions, also those by Captain's annotation.
    ///
    /// # Errors
    /// One is not there, or the API server refuses the change.
    pub async fn resume(&self, session: &Session) -> Result<Outcome, Error> {
        let edit = |object: &mut Json| {
            remove(object, "/spec", "suspend");
            remove(object, "/metadata/annotations", names::NO_SYNC);
        };
        self.each(session, edit, "resumed").await
    }

    async fn each(&self, session: &Session, edit: impl Fn(&mut Json), done: &str) -> Result<Outcome, Error> {
        let mut outcome = Outcome::Done;
        for Chosen { session, name } in self.selection.find(session).await? {
            let edit = |_: &_, object: &mut Json| {
                edit(object);
                Ok(())
            };
            outcome = outcome.and(switch(&session, &name, self.write, edit, done).await?);
        }
        Ok(outcome)
    }
}

impl UninstallArguments {
    /// Deletes requests; the operator then uninstalls their releases.
    ///
    /// # Errors
    /// One is not there, the API server refuses, or what was waited for failed.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        if self.selection.all_namespaces && self.selection.selector.is_none() {
            return Err(Error::Usage(
                "this would uninstall everything everywhere; say what with --selector".to_owned(),
            ));
        }
        let chosen = self.selection.find(session).await?;
        for Chosen { session, name } in &chosen {
            self.delete(session, name).await?;
        }
        if self.write.dry_run && !chosen.is_empty() {
            return Ok(Outcome::WouldChange);
        }
        for Chosen { session, name } in chosen.iter().filter(|_| self.wait.wait) {
            self.until_gone(session, name).await?;
        }
        Ok(Outcome::Done)
    }

    async fn delete(&self, session: &Session, name: &str) -> Result<(), Error> {
        let request = requests::find(session, name).await?;
        if self.keep_resources {
            let keep = |_: &_, object: &mut Json| {
                annotate(object, names::KEEP_RESOURCES, "true");
                Ok(())
            };
            change(session, name, self.write, keep).await?;
        }
        let parameters = DeleteParams { dry_run: self.write.dry_run, ..DeleteParams::default() };
        let deleted = session.requests().delete(name, &parameters).await;
        deleted.map_err(|error| Error::api(format!("delete {KIND} {name:?}"), KIND, error.into()))?;
        let done = if self.write.dry_run { "uninstalled" } else { "is being uninstalled" };
        self.write.tell(&session.screen, &requests::shown(name), done)?;
        self.write.show(session, &session.requests(), &request).await
    }

    async fn until_gone(&self, session: &Session, name: &str) -> Result<(), Error> {
        let (begun, limit) = (Instant::now(), self.wait.limit);
        let mut commentary = Commentary::new(&session.screen, name);
        loop {
            let request = match session.requests().get(name).await.map_err(ApiError::from) {
                Ok(request) => request,
                Err(ApiError::NotFound) => return Ok(()),
                Err(error) => return Err(Error::api(format!("get {KIND} {name:?}"), KIND, error)),
            };
            let progress = why(&request);
            if limit.is_over(begun) {
                let message = format!("{KIND} {name:?} is still there after {}: {progress}", limit.timeout);
                return Err(Error::Unmet(message));
            }
            commentary.tell(progress);
            sleep(PAUSE).await;
        }
    }
}
