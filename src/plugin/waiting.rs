//! Waiting until a request is as it is wished to be, telling on the way what it waits for.

use std::time::Duration;

use clap::{ArgAction, Args};
use jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::{Instant, sleep};

use super::Error;
use super::edit::Change;
use super::list::{condition, is_observed, is_ready, phase_of};
use super::moment::exact;
use super::requests::{self, KIND};
use super::screen::Screen;
use super::session::Session;
use crate::api::conditions::{ConditionStatus, ConditionType};
use crate::api::duration::DurationError;
use crate::api::helm_request::Phase;
use crate::api::{GoDuration, HelmRequest, names};

/// The pauses between looks: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a failure may last that may pass by itself; Captain's plugin looked 75 times, once a second.
pub const PATIENCE: Duration = Duration::from_secs(75);

/// The flags `-w` and `-t`.
#[derive(Clone, Debug, Default, Args)]
pub struct WaitArguments {
    /// Wait until it is done
    #[arg(short, long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false)]
    #[arg(default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL")]
    pub wait: bool,
    /// The flag `--timeout`.
    #[command(flatten)]
    pub limit: LimitArgument,
}

/// The flag `-t`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct LimitArgument {
    /// How long to wait: seconds, or a duration such as 5m; 0 waits for ever
    #[arg(short, long, value_name = "TIME", value_parser = limit, default_value = "0", hide_default_value = true)]
    pub timeout: GoDuration,
}

impl LimitArgument {
    /// Whether the time is over that began then.
    pub fn is_over(self, begun: Instant) -> bool {
        !self.timeout.0.is_zero() && begun.elapsed() >= self.timeout.0
    }
}

fn limit(text: &str) -> Result<GoDuration, String> {
    match text.parse() {
        Ok(seconds) => Ok(GoDuration(Duration::from_secs(seconds))),
        Err(_) => text.parse().map_err(|error: DurationError| error.to_string()),
    }
}

/// Tells what is waited for at the moment, whenever that is something else.
pub struct Commentary<'a> {
    screen: &'a Screen,
    name: &'a str,
    told: String,
}

impl<'a> Commentary<'a> {
    /// Of the wait for an object of this name.
    pub fn new(screen: &'a Screen, name: &'a str) -> Self {
        Self { screen, name, told: String::new() }
    }

    /// Tells it, unless it was told last.
    pub fn tell(&mut self, message: String) {
        if message != self.told {
            self.screen.tell(&format!("{} {}: {message}", exact(Timestamp::now()), self.name));
            self.told = message;
        }
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The spec is deployed: phase Synced, what Captain's plugin waits for.
    Deployed,
    /// It is deployed and every object is healthy.
    Ready,
}

/// When waiting ends.
#[derive(Clone, Debug)]
pub struct Goal {
    /// The state to reach.
    pub state: State,
    /// A deployment that was asked for by annotation, which must have taken place.
    pub resync: Option<String>,
    /// The least revision.
    pub revision: Option<i64>,
    /// How long a failure may last: it may be an old one, or pass by itself.
    pub patience: Duration,
    /// Whether what the status tells may be about what was before.
    pub may_be_old: bool,
}

impl Goal {
    /// That a change is deployed.
    pub fn of_change(change: &Change, patience: Duration) -> Self {
        let resync = change.after.annotations().get(names::RESYNC).cloned();
        let resync = resync.filter(|token| change.before.resync_token() != Some(token));
        Self { may_be_old: !change.is_of_spec(), ..Self::of_state(State::Deployed, patience) }.with_resync(resync)
    }

    /// That a state is reached.
    pub fn of_state(state: State, patience: Duration) -> Self {
        Self { state, resync: None, revision: None, patience, may_be_old: false }
    }

    fn with_resync(self, resync: Option<String>) -> Self {
        Self { resync, ..self }
    }
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    Reached,
    OnTheWay(String),
    /// It failed; where that lasts, waiting does not help.
    Failed {
        message: String,
        lasting: bool,
    },
}

/// Waits until a request has reached a goal.
///
/// # Errors
/// It failed, or the time is over; what is wrong is told.
pub async fn until(session: &Session, name: &str, goal: &Goal, limit: LimitArgument) -> Result<HelmRequest, Error> {
    let begun = Instant::now();
    let (mut commentary, mut pause) = (Commentary::new(&session.screen, name), FIRST_PAUSE);
    loop {
        let request = requests::find(session, name).await?;
        let progress = judge(&request, goal);
        let message = match &progress {
            Progress::Reached => return Ok(request),
            Progress::OnTheWay(message) | Progress::Failed { message, .. } => message.clone(),
        };
        if let Progress::Failed { message, lasting } = progress
            && ((lasting && !goal.may_be_old) || begun.elapsed() >= goal.patience)
        {
            return Err(Error::Unmet(format!("{KIND} {name:?} failed: {message}")));
        }
        if limit.is_over(begun) {
            let goal = format!("{:?}", goal.state).to_lowercase();
            return Err(Error::Unmet(format!("{KIND} {name:?} is not {goal} after {}: {message}", limit.timeout)));
        }
        commentary.tell(message);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn judge(request: &HelmRequest, goal: &Goal) -> Progress {
    let status = request.status.clone().unwrap_or_default();
    let message = why(request);
    if request.is_suspended() {
        let message = "it is suspended, so nothing will happen; kubectl captain resume ends that".to_owned();
        return Progress::Failed { message, lasting: true };
    }
    if !is_observed(request) {
        return Progress::OnTheWay("the operator has not looked at it yet".to_owned());
    }
    let is_stalled = condition(request, ConditionType::Stalled).is_some_and(|c| c.status == ConditionStatus::True);
    let is_handled = goal.resync.is_none() || goal.resync == status.last_handled_resync;
    let has_revision = goal.revision.is_none_or(|revision| status.revision >= Some(revision));
    let is_reached = match goal.state {
        State::Deployed => phase_of(request) == Phase::Synced,
        State::Ready => phase_of(request) == Phase::Synced && is_ready(request),
    };
    match phase_of(request) {
        _ if is_reached && is_handled && has_revision => Progress::Reached,
        _ if is_stalled => Progress::Failed { message, lasting: true },
        Phase::Failed => Progress::Failed { message, lasting: false },
        _ => Progress::OnTheWay(message),
    }
}

/// What the request itself says.
pub fn why(request: &HelmRequest) -> String {
    let ready = condition(request, ConditionType::Ready);
    let told = ready.map(|ready| format!("{}: {}", ready.reason, ready.message));
    let reason = request.status.as_ref().and_then(|status| status.reason.clone());
    told.or(reason).unwrap_or_else(|| phase_of(request).as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request(status: Value) -> HelmRequest {
        let object = json!({"apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "spec": {}, "status": status,
                            "metadata": {"name": "web", "generation": 2}});
        serde_json::from_value(object).expect("a request")
    }

    fn status(phase: &str, ready: &str, stalled: bool) -> Value {
        let stalled = json!({"type": "Stalled", "status": if stalled { "True" } else { "False" }});
        json!({"phase": phase, "observedGeneration": 2, "revision": 3, "lastHandledResync": "now",
               "conditions": [{"type": "Ready", "status": ready, "reason": "R", "message": "m"}, stalled]})
    }

    #[test]
    fn a_goal_is_reached_by_state_revision_and_resync() {
        let way = || Progress::OnTheWay("R: m".to_owned());
        let failed = |lasting| Progress::Failed { message: "R: m".to_owned(), lasting };
        let goal = |state| Goal::of_state(state, PATIENCE);
        let token = |token: &str| goal(State::Deployed).with_resync(Some(token.to_owned()));
        let revision = |number| Goal { revision: Some(number), ..goal(State::Deployed) };
        for (status, goal, expected) in [
            (status("Synced", "False", false), goal(State::Deployed), Progress::Reached),
            (status("Synced", "False", false), goal(State::Ready), way()),
            (status("Synced", "True", false), goal(State::Ready), Progress::Reached),
            (status("Synced", "True", false), token("now"), Progress::Reached),
            (status("Synced", "True", false), token("later"), way()),
            (status("Synced", "True", false), revision(3), Progress::Reached),
            (status("Synced", "True", false), revision(4), way()),
            (status("Failed", "False", false), goal(State::Deployed), failed(false)),
            (status("Failed", "False", true), goal(State::Deployed), failed(true)),
        ] {
            assert_eq!(judge(&request(status.clone()), &goal), expected, "{status} {goal:?}");
        }
        let new = Progress::OnTheWay("the operator has not looked at it yet".to_owned());
        assert_eq!(judge(&request(json!({"observedGeneration": 1})), &goal(State::Deployed)), new);
    }

    #[test]
    fn a_limit_is_seconds_or_a_duration() {
        for (text, seconds) in [("0", 0), ("90", 90), ("5m", 300)] {
            assert_eq!(limit(text), Ok(GoDuration(Duration::from_secs(seconds))));
        }
        assert!(limit("soon").is_err());
    }
}
