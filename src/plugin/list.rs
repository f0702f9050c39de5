//! `list`: many requests, a line each.

use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::arguments::{Format, OutputArgument};
use super::moment::age;
use super::requests;
use super::screen::{Screen, Tone};
use super::session::Session;
use super::table::{Cell, Table};
use super::{Error, Outcome};
use crate::api::HelmRequest;
use crate::api::conditions::{self, Condition, ConditionStatus, ConditionType};
use crate::api::helm_request::Phase;

/// The flags of `list`.
#[derive(Clone, Debug, Default, Args)]
pub struct ListArguments {
    /// Look in all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only requests with these labels, for example team=shop,tier!=test
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Only requests in this phase: Synced, PartialSynced, Failed, Pending or Unknown. May be given several times
    #[arg(long, value_name = "PHASE", value_parser = phase)]
    pub phase: Vec<Phase>,
    /// Only requests that are not ready
    #[arg(long)]
    pub not_ready: bool,
    /// Only requests of this chart, as repository/name or name
    #[arg(long, value_name = "CHART")]
    pub chart: Option<String>,
    /// Only requests that are installed into this Cluster
    #[arg(long, value_name = "CLUSTER")]
    pub cluster: Option<String>,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

impl ListArguments {
    /// Lists requests.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let mut found = Vec::new();
        for object in requests::list(session, self.all_namespaces, self.selector.as_deref()).await? {
            let request = requests::typed(&object)?;
            if self.wants(&request) {
                found.push((object, request));
            }
        }
        found.sort_by_cached_key(|(_, request)| (request.namespace(), request.name_any()));
        let (objects, requests): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let all = || json!({"apiVersion": "v1", "kind": "List", "items": objects});
        match self.output.output {
            Format::Json => session.screen.print_json(&all())?,
            Format::Yaml => session.screen.print_yaml(&all())?,
            Format::Name => session.screen.print(&names(&requests))?,
            Format::Table | Format::Wide if requests.is_empty() => {
                let place = requests::place(session, self.all_namespaces);
                session.screen.tell(&format!("no {}s found{place}", requests::KIND));
            }
            form => {
                let columns = Columns { namespace: self.all_namespaces, wide: form == Format::Wide };
                session.screen.print(&text(&requests, columns, Timestamp::now(), &session.screen))?;
            }
        }
        Ok(Outcome::Done)
    }

    fn wants(&self, request: &HelmRequest) -> bool {
        let chart = chart_of(request);
        let of_chart = |wanted: &str| chart == wanted || chart.rsplit('/').next() == Some(wanted);
        let into = |wanted: &str| {
            let synced = request.status.as_ref().is_some_and(|s| s.synced_clusters.iter().any(|name| name == wanted));
            synced || request.spec.cluster_name.as_deref() == Some(wanted)
        };
        (self.phase.is_empty() || self.phase.contains(&phase_of(request)))
            && (!self.not_ready || !is_ready(request))
            && self.chart.as_deref().is_none_or(of_chart)
            && self.cluster.as_deref().is_none_or(into)
    }
}

/// Which columns a list has beside the usual ones.
#[derive(Clone, Copy, Debug, Default)]
struct Columns {
    namespace: bool,
    wide: bool,
}

fn phase(text: &str) -> Result<Phase, String> {
    let all = [Phase::Synced, Phase::PartialSynced, Phase::Failed, Phase::Pending, Phase::Unknown];
    let found = all.into_iter().find(|phase| phase.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| "it is none of Synced, PartialSynced, Failed, Pending, Unknown".to_owned())
}

/// The phase of a request; one that nobody has looked at is unknown.
pub fn phase_of(request: &HelmRequest) -> Phase {
    request.status.as_ref().and_then(|status| status.phase).unwrap_or_default()
}

/// A condition of a request.
pub fn condition(request: &HelmRequest, type_: ConditionType) -> Option<&Condition> {
    conditions::find(&request.status.as_ref()?.conditions, type_)
}

/// Whether the present generation of a request is deployed and healthy.
pub fn is_ready(request: &HelmRequest) -> bool {
    let holds = |ready: &Condition| ready.status == ConditionStatus::True;
    is_observed(request) && condition(request, ConditionType::Ready).is_some_and(holds)
}

/// Whether the status is about the present generation.
pub fn is_observed(request: &HelmRequest) -> bool {
    let observed = request.status.as_ref().and_then(|status| status.observed_generation);
    observed.is_some() && observed >= request.metadata.generation
}

/// The chart as it is named: `repository/name`, or the address of its source.
pub fn chart_of(request: &HelmRequest) -> String {
    let source = request.spec.source.as_ref();
    let http = source.and_then(|source| source.http.as_ref()).map(|http| http.url.clone());
    let oci = source.and_then(|source| source.oci.as_ref()).map(|oci| oci.repo.clone());
    let git = source.and_then(|source| source.git.as_ref()).map(|git| git.url.clone());
    let map = source.and_then(|source| source.config_map.as_ref()).map(|map| format!("configmap:{}", map.name));
    http.or(oci).or(git).or(map).or_else(|| request.spec.chart.clone()).unwrap_or_default()
}

/// The version of the chart that is deployed, else the one that is wanted.
pub fn version_of(request: &HelmRequest) -> &str {
    let deployed = request.status.as_ref().and_then(|status| status.version.as_deref());
    deployed.or(request.spec.version.as_deref()).unwrap_or_default()
}

/// How it stands, in one word, and how bad that is.
pub fn state_of(request: &HelmRequest) -> (&str, Tone) {
    let ready = condition(request, ConditionType::Ready);
    let bad = phase_of(request) == Phase::Failed
        || condition(request, ConditionType::Stalled).is_some_and(|stalled| stalled.status == ConditionStatus::True);
    match ready {
        Some(ready) if is_ready(request) => (&ready.reason, Tone::Good),
        Some(_) if !is_observed(request) => ("Changed", Tone::Uneasy),
        Some(ready) if bad => (&ready.reason, Tone::Bad),
        Some(ready) => (&ready.reason, Tone::Uneasy),
        None => ("", Tone::Plain),
    }
}

fn names(requests: &[HelmRequest]) -> String {
    requests.iter().map(|request| format!("helmrequest.app.alauda.io/{}\n", request.name_any())).collect()
}

/// The list for people.
fn text(requests: &[HelmRequest], columns: Columns, now: Timestamp, screen: &Screen) -> String {
    let mut head = vec!["NAME", "CHART", "VERSION", "REVISION", "PHASE", "STATE", "OBJECTS", "AGE"];
    if columns.namespace {
        head.insert(0, "NAMESPACE");
    }
    if columns.wide {
        head.extend(["RELEASE", "CLUSTER", "DRIFT", "MESSAGE"]);
    }
    let mut table = Table::new(head);
    for request in requests {
        table.push(row(request, columns, now));
    }
    table.text(screen)
}

fn row(request: &HelmRequest, columns: Columns, now: Timestamp) -> Vec<Cell> {
    let status = request.status.clone().unwrap_or_default();
    let (state, tone) = state_of(request);
    let objects = status.objects.as_ref().map(|objects| format!("{}/{}", objects.ready, objects.total));
    let created = request.metadata.creation_timestamp.as_ref().map(|time| age(time.0, now));
    let phase = phase_of(request);
    let mut row: Vec<Cell> = vec![
        request.name_any().into(),
        chart_of(request).into(),
        version_of(request).into(),
        status.revision.map(|revision| revision.to_string()).unwrap_or_default().into(),
        Cell::new(phase.as_str(), if phase == Phase::Failed { Tone::Bad } else { Tone::Plain }),
        Cell::new(state, tone),
        objects.unwrap_or_default().into(),
        created.unwrap_or_default().into(),
    ];
    if columns.namespace {
        row.insert(0, request.namespace().unwrap_or_default().into());
    }
    if columns.wide {
        let all = if request.spec.install_to_all_clusters { Some("all") } else { None };
        let message = condition(request, ConditionType::Ready).map(|ready| ready.message.as_str());
        row.extend([
            format!("{}/{}", request.release_namespace(), request.release_name()).into(),
            all.or(request.spec.cluster_name.as_deref()).unwrap_or_default().into(),
            status.drift.map(|drift| drift.total.to_string()).unwrap_or_default().into(),
            message.unwrap_or_default().into(),
        ]);
    }
    row
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request(spec: Value, status: Value) -> HelmRequest {
        let object = json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "spec": spec, "status": status,
            "metadata": {"name": "web", "namespace": "shop", "generation": 2,
                         "creationTimestamp": "2026-11-21T04:50:02Z"},
        });
        serde_json::from_value(object).expect("a request")
    }

    fn ready(status: &str, reason: &str) -> Value {
        json!({"phase": "Synced", "observedGeneration": 2, "version": "1.2.3", "revision": 4,
               "objects": {"ready": 3, "total": 4},
               "conditions": [{"type": "Ready", "status": status, "reason": reason, "message": "why"}]})
    }

    #[test]
    fn filters_choose_by_phase_readiness_chart_and_cluster() {
        let web = request(json!({"chart": "charts/hello", "clusterName": "west"}), ready("True", "Ready"));
        let all = ListArguments::default;
        let table = [
            (all(), true),
            (ListArguments { phase: vec![Phase::Failed], ..all() }, false),
            (ListArguments { phase: vec![Phase::Failed, Phase::Synced], ..all() }, true),
            (ListArguments { not_ready: true, ..all() }, false),
            (ListArguments { chart: Some("hello".into()), ..all() }, true),
            (ListArguments { chart: Some("charts/hello".into()), ..all() }, true),
            (ListArguments { chart: Some("charts".into()), ..all() }, false),
            (ListArguments { cluster: Some("west".into()), ..all() }, true),
            (ListArguments { cluster: Some("east".into()), ..all() }, false),
        ];
        for (arguments, expected) in table {
            assert_eq!(arguments.wants(&web), expected, "{arguments:?}");
        }
    }

    #[test]
    fn a_chart_is_named_by_its_repository_or_by_the_address_of_its_source() {
        for (spec, expected) in [
            (json!({"chart": "charts/hello"}), "charts/hello"),
            (json!({"source": {"http": {"url": "https://x.org/web.tgz"}}}), "https://x.org/web.tgz"),
            (json!({"source": {"oci": {"repo": "x.org/charts/web"}}}), "x.org/charts/web"),
            (json!({"source": {"git": {"url": "https://x.org/web.git", "path": "a"}}}), "https://x.org/web.git"),
            (json!({"source": {"configMap": {"name": "web"}}}), "configmap:web"),
            (json!({}), ""),
        ] {
            assert_eq!(chart_of(&request(spec.clone(), json!({}))), expected, "{spec}");
        }
    }

    #[test]
    fn phases_are_read_in_any_case_and_others_are_refused_with_those_that_exist() {
        assert_eq!(phase("failed"), Ok(Phase::Failed));
        assert!(phase("broken").is_err_and(|error| error.contains("PartialSynced")));
    }

    #[test]
    fn the_state_is_the_reason_unless_the_spec_is_newer() {
        let changed = json!({"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]});
        for (status, expected) in [
            (ready("True", "Ready"), ("Ready", Tone::Good)),
            (ready("False", "NotReady"), ("NotReady", Tone::Uneasy)),
            (changed, ("Changed", Tone::Uneasy)),
            (json!({}), ("", Tone::Plain)),
        ] {
            assert_eq!(state_of(&request(json!({}), status)), expected);
        }
    }

    #[test]
    fn a_list_is_read_from_left_to_right() {
        let requests = [request(json!({"chart": "charts/hello"}), ready("False", "NotReady"))];
        let now = Timestamp::from_second(1_795_236_602 + 300).expect("a time");
        let columns = Columns { namespace: true, wide: true };
        let expected = "\
NAMESPACE   NAME   CHART          VERSION   REVISION   PHASE    STATE      OBJECTS   AGE   RELEASE    CLUSTER   DRIFT   MESSAGE
shop        web    charts/hello   1.2.3     4          Synced   NotReady   3/4       5m    shop/web   -         -       why
";
        assert_eq!(text(&requests, columns, now, &Screen::of_process()), expected);
    }
}
