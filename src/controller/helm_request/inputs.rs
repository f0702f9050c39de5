//! The inputs of a request: everything that decides what is deployed, and one digest over it.

use std::sync::Arc;
use std::time::Duration;

use crate::api::conditions::{self, ConditionType};
use crate::api::helm_request::{Phase, PostRender};
use crate::api::names::RESOLVE_VERSION_ONCE;
use crate::api::{HelmRequest, Reason};
use crate::cluster::Cluster;
use crate::cluster::observe::SourceRead;
use crate::controller::context::Context;
use crate::controller::failure::Failure;
use crate::controller::helm_request::direct;
use crate::controller::helm_request::report::spec_hash;
use crate::controller::helm_request::values::{self, Values};
use crate::controller::repositories::Resolved;
use crate::plan::Digest;
use crate::render::Program;
use crate::value::Json;

/// What a request is rendered from.
pub struct Inputs {
    /// The chosen chart.
    choice: Choice,
    /// The chart with its templates parsed, where it had to be fetched to know its digest.
    program: Option<Arc<Program>>,
    /// The merged values, where they were read; they are not while it is known that nothing changed.
    values: Option<Values>,
    /// The digest over all of it.
    pub digest: Digest,
}

/// The chart of a request.
struct Choice {
    chart: Resolved,
    /// What was read to find it.
    sources: Vec<SourceRead>,
    /// When to look again whether it is another one, where nobody tells.
    look_again: Option<Duration>,
    /// The field of the address, where the request itself names one.
    place: Option<&'static str>,
}

/// What inputs depend on, without their content: as long as it is the same, so is their digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Basis {
    generation: Option<i64>,
    resync: String,
    chart: String,
    sources: Vec<SourceRead>,
}

impl Inputs {
    /// Finds the chart and reads the values of a request; sources that are known not to have changed are not read.
    ///
    /// # Errors
    /// The repository, the chart, its version or a value source is missing or wrong.
    pub async fn gather(context: &Context, cluster: &Cluster, request: &HelmRequest) -> Result<Self, Failure> {
        let cluster = &context.cluster_of_sources(cluster, request)?;
        let choice = choose_chart(context, cluster, request).await?;
        let (content, program) = match &choice.chart.entry.digest {
            Some(digest) => (digest.to_string(), None),
            // An index without digests does not tell whether an archive changed, so the archive itself does.
            None => {
                let program = choice.program(context).await?;
                (program.chart().digest.to_string(), Some(program))
            }
        };
        if let Some((basis, digest)) = context.with_memory(request, |memory| memory.gathered.clone())
            && basis.generation == request.metadata.generation
            && basis.resync == request.resync_token().unwrap_or_default()
            && basis.chart == content
            && context.are_unchanged(&basis.sources)
        {
            return Ok(Self { choice, program, values: None, digest });
        }
        let (values, sources) = read_values(context, cluster, request, &choice.sources).await?;
        let digest = digest_of(request, &content, &values.merged);
        let resync = request.resync_token().unwrap_or_default().to_owned();
        let basis = Basis { generation: request.metadata.generation, resync, chart: content, sources };
        context.with_memory(request, |memory| memory.gathered = Some((basis, digest.clone())));
        Ok(Self { choice, program, values: Some(values), digest })
    }

    /// The values of the request.
    ///
    /// # Errors
    /// A value source is missing or wrong.
    pub async fn values(&self, context: &Context, cluster: &Cluster, request: &HelmRequest) -> Result<Values, Failure> {
        match &self.values {
            Some(values) => Ok(values.clone()),
            None => {
                let cluster = &context.cluster_of_sources(cluster, request)?;
                Ok(read_values(context, cluster, request, &self.choice.sources).await?.0)
            }
        }
    }

    /// The chart with its templates parsed; fetched at most once for all requests that use it.
    ///
    /// # Errors
    /// It cannot be fetched, or is not a chart.
    pub async fn program(&self, context: &Context) -> Result<Arc<Program>, Failure> {
        match &self.program {
            Some(program) => Ok(Arc::clone(program)),
            None => self.choice.program(context).await,
        }
    }

    /// The chosen chart.
    pub fn chart(&self) -> &Resolved {
        &self.choice.chart
    }

    /// When to look again whether the chart is another one, where nobody tells.
    pub fn look_again(&self) -> Option<Duration> {
        self.choice.look_again
    }
}

impl Choice {
    async fn program(&self, context: &Context) -> Result<Arc<Program>, Failure> {
        let Resolved { entry, repository } = &self.chart;
        let program = context.charts.program(repository, entry).await;
        program.map_err(|error| match self.place {
            Some(field) => direct::failure(field, &error),
            None => error.into(),
        })
    }
}

/// Reads the values and follows their sources and the chart's from then on, those that are missing too.
async fn read_values(
    context: &Context,
    cluster: &Cluster,
    request: &HelmRequest,
    of_chart: &[SourceRead],
) -> Result<(Values, Vec<SourceRead>), Failure> {
    let sources = values::read_sources(cluster, request).await;
    let reads: Vec<SourceRead> = of_chart.iter().cloned().chain(sources.reads).collect();
    context.follow_sources(request, reads.clone()).await?;
    Ok((values::merged(request, sources.content?), reads))
}

fn digest_of(request: &HelmRequest, chart: &str, values: &Json) -> Digest {
    let parts = [
        chart.to_owned(),
        serde_json::to_string(values).unwrap_or_default(),
        request.release_namespace(),
        request.release_name(),
        request.resync_token().unwrap_or_default().to_owned(),
    ];
    // Without rules nothing is added, so that a release of a request that never had any keeps its digest.
    let rules = request.spec.post_render.as_ref().filter(|rules| **rules != PostRender::default());
    let rules = rules.map(|rules| serde_json::to_string(rules).unwrap_or_default());
    Digest::of(parts.into_iter().chain(rules))
}

async fn choose_chart(context: &Context, cluster: &Cluster, request: &HelmRequest) -> Result<Choice, Failure> {
    if let Some(source) = &request.spec.source {
        let found = direct::find(context, cluster, request, source).await?;
        let (look_again, place) = (found.look_again(), found.field());
        return Ok(Choice { chart: found.chart, sources: found.sources, look_again, place });
    }
    let Some((repository, chart)) = request.spec.chart_reference() else {
        let chart = request.spec.chart.as_deref().unwrap_or_default();
        let message = format!("spec.chart {chart:?} does not name a chart; write REPOSITORY/CHART");
        return Err(Failure::new(Reason::InvalidRequest, message));
    };
    let namespace = request.metadata.namespace.as_deref().unwrap_or_default();
    let version = match &request.spec.version {
        None if context.repositories.has_one_state(namespace, repository) => "",
        _ => wanted_version(request),
    };
    let chart = context.repositories.resolve(namespace, repository, chart, version)?;
    Ok(Choice { chart, sources: Vec::new(), look_again: None, place: None })
}

/// The version to look for: the spec's, or without one the version that is deployed already, else the newest.
///
/// This is Captain's rule (`pkg/helmrequest/types.go`): a request without any annotation, or with
/// `auto-resolve-version-once: "false"`, takes the newest version at each deploy, and a deploy needs a changed spec.
/// What Captain itself has deployed names no generation; to take it over is no deploy.
pub fn wanted_version(request: &HelmRequest) -> &str {
    if let Some(version) = &request.spec.version {
        return version;
    }
    let status = request.status.as_ref();
    let deployed = status.and_then(|status| status.version.as_deref()).unwrap_or_default();
    let annotations = request.metadata.annotations.as_ref();
    let follows =
        annotations.is_none_or(|annotations| annotations.get(RESOLVE_VERSION_ONCE).is_some_and(|once| once == "false"));
    let observed = status.and_then(|status| status.observed_generation);
    let by_captain = observed.is_none() && status.is_some_and(|status| status.phase == Some(Phase::Synced));
    let spec_changed = (observed != request.metadata.generation || waits_with_a_change(request)) && !by_captain;
    if follows && spec_changed { "" } else { deployed }
}

/// Whether a change of the spec was seen and waits for a dependency.
fn waits_with_a_change(request: &HelmRequest) -> bool {
    let Some(status) = &request.status else { return false };
    let ready = conditions::find(&status.conditions, ConditionType::Ready);
    let waits = ready.is_some_and(|ready| ready.reason == Reason::DependencyNotReady.as_str());
    waits && status.last_spec_hash != Some(spec_hash(request))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn request(annotations: &Value, spec: &Value, generation: i64) -> HelmRequest {
        serde_json::from_value(json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest",
            "metadata": {"name": "web", "namespace": "demo", "generation": generation, "annotations": annotations},
            "spec": spec,
            "status": {"version": "1.0.0", "observedGeneration": 1},
        }))
        .expect("a request")
    }

    #[test]
    fn what_captain_has_deployed_stays_at_its_version_until_the_spec_changes() {
        let mut taken_over = request(&Value::Null, &json!({}), 1);
        let status = json!({"version": "1.0.0", "phase": "Synced", "lastSpecHash": "7"});
        taken_over.status = serde_json::from_value(status).expect("Captain's status");
        assert_eq!(wanted_version(&taken_over), "1.0.0");
        taken_over.status.as_mut().expect("a status").phase = Some(Phase::Failed);
        assert_eq!(wanted_version(&taken_over), "", "Captain would deploy it anew");
    }

    #[test]
    fn an_empty_version_stays_at_what_is_deployed_unless_captain_would_have_moved() {
        let any = json!({"a": "b"});
        let follow = json!({"auto-resolve-version-once": "false"});
        let cases = [
            (&any, json!({"version": "2.0.0"}), 2, "2.0.0"),
            (&any, json!({}), 2, "1.0.0"),
            (&follow, json!({}), 2, ""),
            (&follow, json!({}), 1, "1.0.0"),
            (&Value::Null, json!({}), 2, ""),
        ];
        for (annotations, spec, generation, expected) in cases {
            assert_eq!(wanted_version(&request(annotations, &spec, generation)), expected, "{annotations} {spec}");
        }
    }
}
