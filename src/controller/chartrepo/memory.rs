//! What is remembered of a repository from one reconcile to the next, and when it is due by that.

use std::time::{Duration, Instant};

use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::Failure;
use super::charts::Published;
use super::status::Outcome;
use super::webhook::Standing;
use crate::api::chart_repo::{ChartRepo, RepositoryPhase};
use crate::api::{Reason, names};
use crate::controller::backoff::pause;
use crate::source::{Options, Repository, SourceError, Validators};

/// How old what is known must be before it is read again because a request does not find its chart.
const NEW_LOOK: Duration = Duration::from_secs(5);

/// What is remembered of a repository from one reconcile to the next.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) uid: Option<String>,
    pub(super) connection: Option<(Options, Repository)>,
    pub(super) validators: Validators,
    pub(super) wishes: Wishes,
    /// The token of the last wish that was acted on.
    pub(super) handled: Option<String>,
    /// How it stands with the webhook, where there is to be one.
    pub(super) webhook: Option<Standing>,
    pub(super) published: Published,
    /// Another replica was to write what was read last.
    pub(super) unpublished: bool,
    /// What the status does not say yet, because the object changed while it was read.
    pub(super) unreported: Option<Outcome>,
    pub(super) next: Option<Instant>,
    pub(super) read_at: Option<Instant>,
    pub(super) failures: u32,
}

/// The annotations by which people and programs ask for a refresh, as they were when the repository was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    refresh: Option<String>,
    last_sync_at: Option<String>,
}

impl Memory {
    /// How long there is still nothing to do; nothing where the repository is due now.
    pub(super) fn is_due(&self, object: &ChartRepo, options: Option<&Options>, now: Instant) -> Option<Duration> {
        let same_connection = self.connection.as_ref().map(|(options, _)| options) == options;
        if !same_connection || self.is_wished(object) {
            return None;
        }
        self.next.and_then(|next| next.checked_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Whether somebody asks for a refresh: by a new token in an annotation, or by the phase Pending.
    pub(super) fn is_wished(&self, object: &ChartRepo) -> bool {
        let pending = object.status.as_ref().is_some_and(|status| status.phase == Some(RepositoryPhase::Pending));
        pending || self.wishes.token(object).is_some()
    }

    /// Notes which wishes a read has answered that began when the object was like this.
    pub(super) fn answer(&mut self, object: &ChartRepo) {
        let now = Wishes::of(object);
        if self.read_at.is_none() {
            // The time that an earlier process wrote is nobody's wish.
            self.wishes.last_sync_at.clone_from(&now.last_sync_at);
        }
        self.handled = self.wishes.token(object).or(self.handled.take());
        self.wishes = now;
    }

    /// Notes what was written of an object.
    pub(super) fn wrote(&mut self, written: &ChartRepo) {
        self.wishes.last_sync_at = Wishes::of(written).last_sync_at;
    }

    /// Brings the next read forward, for a request that does not find its chart; a repository that fails has its own
    /// pauses.
    pub(super) fn hurry(&mut self) {
        if self.failures == 0
            && let (Some(next), Some(read_at)) = (self.next, self.read_at)
        {
            self.next = Some(next.min(read_at + NEW_LOOK));
        }
    }

    /// When to reconcile again without an event.
    pub(super) fn come_back(&self) -> Action {
        if self.unreported.is_some() {
            return Action::requeue(pause(1));
        }
        let wait = |next: Instant| Action::requeue(next.saturating_duration_since(Instant::now()));
        self.next.map_or_else(Action::await_change, wait)
    }

    /// Whether charts are no longer to be had through the handle that there is: they must now be signed by others, or it
    /// cannot be known by whom.
    pub(super) fn loses_trust(&self, object: &ChartRepo, options: Result<&Options, &Failure>) -> bool {
        let Some((known, _)) = &self.connection else { return false };
        match options {
            Ok(options) => options.trust() != known.trust(),
            // While the API server does not answer, who was trusted still is.
            Err(Failure { reason: Reason::ClusterUnreachable, .. }) if known.trust().is_some() => false,
            Err(_) => object.spec.verify.is_some(),
        }
    }

    /// Gives the handle up, and with it what was read: the repository is due at once.
    pub(super) fn give_up(&mut self) {
        self.disconnect();
        self.next = None;
    }

    fn disconnect(&mut self) {
        self.connection = None;
        self.validators = Validators::default();
    }

    /// The handle for the given options; the same as before while they stay the same.
    pub(super) fn connect(&mut self, options: Options) -> Result<Repository, SourceError> {
        if let Some((known, repository)) = &self.connection
            && *known == options
        {
            return Ok(repository.clone());
        }
        self.disconnect();
        let repository = Repository::new(options.clone())?;
        self.connection = Some((options, repository.clone()));
        Ok(repository)
    }
}

impl Wishes {
    pub(super) fn of(object: &ChartRepo) -> Self {
        let annotation = |name: &str| object.annotations().get(name).cloned();
        Self { refresh: annotation(names::REFRESH), last_sync_at: annotation(names::LAST_SYNC_AT) }
    }

    /// The token of an annotation that is another one than before, and was not the last to be acted on either.
    fn token(&self, object: &ChartRepo) -> Option<String> {
        let handled = object.status.as_ref().and_then(|status| status.last_handled_refresh.as_ref());
        let Self { refresh, last_sync_at } = Self::of(object);
        let is_new = |token: &String, before: &Option<String>| Some(token) != before.as_ref() && Some(token) != handled;
        let refresh = refresh.filter(|token| is_new(token, &self.refresh));
        refresh.or_else(|| last_sync_at.filter(|token| is_new(token, &self.last_sync_at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Verification;
    use crate::source::{InvalidKeys, PublicKeys, Trust, http, oci};
    use serde_json::json;

    fn object(status: serde_json::Value, annotations: serde_json::Value) -> ChartRepo {
        let object = json!({
            "apiVersion": "app.alauda.io/v1beta1", "kind": "ChartRepo",
            "metadata": {"name": "stable", "namespace": "captain", "annotations": annotations},
            "spec": {"url": "http://127.0.0.1:1"}, "status": status,
        });
        serde_json::from_value(object).expect("a ChartRepo")
    }

    fn options(url: &str) -> Options {
        Options::Http(http::Options { url: url.to_owned(), ..http::Options::default() })
    }

    #[test]
    fn a_handle_that_trusts_others_than_wanted_is_given_up() -> Result<(), Box<dyn std::error::Error>> {
        let signed = |key: &str| {
            let keys = PublicKeys::read("Secret \"keys\"", [("cosign.pub", key.as_bytes())])?;
            let url = "oci://127.0.0.1:1/charts".to_owned();
            let trust = Some(Trust::Cosign(keys));
            Ok::<_, InvalidKeys>(Options::Oci(oci::Options { url, trust, ..oci::Options::default() }))
        };
        let (ours, theirs) =
            (rcgen::KeyPair::generate()?.public_key_pem(), rcgen::KeyPair::generate()?.public_key_pem());
        let careless = object(json!({}), json!({}));
        let mut careful = careless.clone();
        careful.spec.verify = Some(Verification::default());
        let missing = Failure::new(Reason::CredentialsMissing, "there is no Secret");
        let away = Failure::new(Reason::ClusterUnreachable, "no answer");
        let mut memory = Memory::default();
        assert!(!memory.loses_trust(&careful, Ok(&signed(&ours)?)), "there is none yet");
        memory.connect(signed(&ours)?)?;
        for (options, expected) in [
            (Ok(signed(&ours)?), false),
            (Ok(signed(&theirs)?), true),
            (Err(missing.clone()), true),
            (Err(away.clone()), false),
        ] {
            assert_eq!(memory.loses_trust(&careful, options.as_ref()), expected, "{options:?}");
        }
        memory.connect(options("http://127.0.0.1:1"))?;
        assert!(memory.loses_trust(&careful, Err(&away)), "nobody had to sign yet");
        assert!(!memory.loses_trust(&careless, Err(&missing)));
        memory.next = Some(Instant::now() + NEW_LOOK);
        memory.give_up();
        assert!(!memory.loses_trust(&careful, Err(&missing)), "there is none any more");
        assert_eq!(memory.is_due(&careful, None, Instant::now()), None, "and that is told at once");
        Ok(())
    }

    #[test]
    fn a_repository_is_due_by_time_change_or_wish() {
        let now = Instant::now();
        let plain = object(json!({"phase": "Synced"}), json!({}));
        let read = options("http://127.0.0.1:1");
        let mut memory = Memory { next: Some(now + Duration::from_secs(60)), ..Memory::default() };
        memory.connect(read.clone()).expect("a repository");
        let due = |object: &ChartRepo, options: &Options, now| memory.is_due(object, Some(options), now).is_none();

        assert!(!due(&plain, &read, now));
        assert!(due(&plain, &read, now + Duration::from_secs(61)), "the interval is over");
        assert!(due(&plain, &options("http://127.0.0.1:2"), now), "the spec or a Secret changed");
        assert!(due(&object(json!({"phase": "Pending"}), json!({})), &read, now), "a client wrote Pending");
        let refresh = object(json!({"phase": "Synced"}), json!({"coxswain.dev/refresh": "1"}));
        assert!(due(&refresh, &read, now), "the refresh annotation changed");
        let captains = object(json!({"phase": "Synced"}), json!({"cpaas.io/last-sync-at": "1"}));
        assert!(due(&captains, &read, now), "and so with Captain's annotation");
        let handled = json!({"phase": "Synced", "lastHandledRefresh": "1"});
        assert!(!due(&object(handled, json!({"coxswain.dev/refresh": "1"})), &read, now), "the same token again");
        assert!(Memory::default().is_due(&plain, None, now).is_none(), "it was never read");
        memory.read_at = Some(now);
        memory.hurry();
        assert_eq!(memory.next, Some(now + NEW_LOOK), "a request misses its chart");
    }

    #[test]
    fn the_token_that_was_acted_on_is_that_of_the_wish_and_not_the_time_that_we_wrote() {
        let annotated = |refresh: &str, last_sync_at: &str| {
            object(json!({}), json!({"coxswain.dev/refresh": refresh, "cpaas.io/last-sync-at": last_sync_at}))
        };
        let mut memory = Memory::default();
        memory.answer(&object(json!({}), json!({"cpaas.io/last-sync-at": "yesterday"})));
        assert_eq!(memory.handled, None, "an earlier process wrote it");
        memory.read_at = Some(Instant::now());
        memory.answer(&annotated("1", "yesterday"));
        assert_eq!(memory.handled.as_deref(), Some("1"));
        memory.wrote(&annotated("2", "today"));
        assert!(memory.is_wished(&annotated("2", "today")), "the wish came while the repository was read");
        memory.answer(&annotated("1", "mine"));
        assert_eq!(memory.handled.as_deref(), Some("mine"));
        memory.answer(&object(json!({}), json!({})));
        assert_eq!(memory.handled.as_deref(), Some("mine"), "nothing is no wish");
    }

    #[test]
    fn a_connection_is_kept_while_its_options_stay() {
        let mut memory = Memory::default();
        memory.connect(options("http://127.0.0.1:1")).expect("a repository");
        memory.validators.etag = Some("x".to_owned());
        memory.connect(options("http://127.0.0.1:1")).expect("a repository");
        assert!(memory.validators.etag.is_some());
        memory.connect(options("http://127.0.0.1:2")).expect("a repository");
        assert!(memory.validators.etag.is_none(), "another address has another index");
        assert!(memory.connect(options("ftp://x")).is_err() && memory.connection.is_none());
    }
}
