//! `logs`: what the hooks of a release and its pods that do not work have written.

use std::collections::BTreeSet;

use clap::Args;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt};

use super::requests;
use super::revisions::{ClusterArgument, Release, objects};
use super::screen::{Screen, Tone};
use super::selection::{Chosen, SelectionArguments};
use super::session::Session;
use super::{Error, Outcome};
use crate::cluster::pages::all;
use crate::cluster::{ApiError, runs_pods};
use crate::value::message::without_controls;

/// How many pods one page of a list has.
const PAGE: u32 = 250;

/// The flags of `logs`.
#[derive(Clone, Debug, Args)]
pub struct LogsArguments {
    /// Of which requests.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Where the release is.
    #[command(flatten)]
    pub cluster: ClusterArgument,
    /// All pods of the release, not only those that do not work and those of hooks
    #[arg(short, long)]
    pub all: bool,
    /// Only the last so many lines of each container
    #[arg(long, value_name = "LINES", default_value_t = 20)]
    pub tail: i64,
    /// The logs of containers that ended before the present ones
    #[arg(short, long)]
    pub previous: bool,
}

/// Whose pods are looked for.
struct Makers {
    hooks: BTreeSet<String>,
    workloads: BTreeSet<String>,
}

impl LogsArguments {
    /// Prints the logs.
    ///
    /// # Errors
    /// There is no such request, or pods or records cannot be read.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let mut shown = 0;
        for Chosen { session, name } in self.selection.find(session).await? {
            shown += self.of_request(&session, &name).await?;
        }
        if shown == 0 {
            session.screen.tell("no pods of hooks, and none that does not work; --all shows the others");
        }
        Ok(Outcome::Done)
    }

    /// Prints the logs of a request; tells of how many pods.
    async fn of_request(&self, session: &Session, name: &str) -> Result<usize, Error> {
        let release = Release::of(session, requests::find(session, name).await?, &self.cluster).await?;
        let session = &release.session;
        let record = release.record(release.request.as_ref().and_then(newest)).await?;
        let workloads = objects(session, &record).await?.into_iter().map(|object| object.key).filter(runs_pods);
        let makers = Makers {
            hooks: record.hooks.iter().map(|hook| hook.name.clone()).collect(),
            workloads: workloads.map(|key| key.name).collect(),
        };
        let pods: Api<Pod> = Api::namespaced(session.cluster.client(), &release.namespace);
        let what = || format!("list Pods in namespace {:?}", release.namespace);
        let listed = all(&pods, ListParams::default().limit(PAGE)).await;
        let listed = listed.map_err(|error| Error::api(what(), "Pod", error))?;
        let mut shown = 0;
        for pod in listed.iter().filter(|pod| self.wants(pod, &makers)) {
            shown += 1;
            self.print(session, &pods, pod).await?;
        }
        Ok(shown)
    }

    fn wants(&self, pod: &Pod, makers: &Makers) -> bool {
        let name = pod.name_any();
        let owner = pod.owner_references().iter().find(|owner| owner.controller == Some(true));
        let maker = owner.map_or(name.as_str(), |owner| match owner.kind.as_str() {
            // Made for a Deployment, whose name it has before its own hash.
            "ReplicaSet" => owner.name.rsplit_once('-').map_or(owner.name.as_str(), |(deployment, _)| deployment),
            _ => owner.name.as_str(),
        });
        makers.hooks.contains(maker) || (makers.workloads.contains(maker) && (self.all || !works(pod)))
    }

    async fn print(&self, session: &Session, pods: &Api<Pod>, pod: &Pod) -> Result<(), Error> {
        let name = pod.name_any();
        let containers = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
        for container in containers {
            let parameters = LogParams {
                container: Some(container.name.clone()),
                tail_lines: Some(self.tail),
                previous: self.previous,
                ..LogParams::default()
            };
            let text = match pods.logs(&name, &parameters).await.map_err(ApiError::from) {
                Ok(text) => without_controls(&text).into_owned(),
                Err(error) => format!("no log: {error}\n"),
            };
            session.screen.print(&section(&name, pod, &container.name, &text, &session.screen))?;
        }
        Ok(())
    }
}

/// The revision that an operation is or was about last.
fn newest(request: &crate::api::HelmRequest) -> Option<i64> {
    request.status.as_ref()?.history.iter().map(|entry| entry.revision).max()
}

/// Whether every container of a pod runs and is ready, or has ended well.
fn works(pod: &Pod) -> bool {
    let status = pod.status.clone().unwrap_or_default();
    let is_done = status.phase.as_deref() == Some("Succeeded");
    let containers = status.container_statuses.unwrap_or_default();
    is_done || (!containers.is_empty() && containers.iter().all(|container: &ContainerStatus| container.ready))
}

fn section(name: &str, pod: &Pod, container: &str, log: &str, screen: &Screen) -> String {
    let phase = pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
    let tone = if works(pod) { Tone::Faint } else { Tone::Uneasy };
    let head = format!("==> Pod/{name} {container} ({phase})");
    let end = if log.is_empty() || log.ends_with('\n') { "" } else { "\n" };
    format!("{}\n{log}{end}", screen.paint(tone, &head))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(owner: &str, name: &str, ready: bool) -> Pod {
        let owners = json!([{"apiVersion": "v1", "kind": owner, "name": name, "uid": "1", "controller": true}]);
        let containers = json!([{"name": "main", "ready": ready, "image": "", "imageID": "", "restartCount": 0}]);
        let pod =
            json!({"metadata": {"name": "p", "ownerReferences": owners}, "status": {"containerStatuses": containers}});
        serde_json::from_value(pod).expect("a pod")
    }

    #[test]
    fn pods_of_hooks_and_those_that_do_not_work_are_shown() {
        let makers = Makers { hooks: ["seed".to_owned()].into(), workloads: ["web".to_owned()].into() };
        let arguments = |all| LogsArguments {
            selection: SelectionArguments::default(),
            cluster: ClusterArgument::default(),
            all,
            tail: 20,
            previous: false,
        };
        for (pod, all, expected) in [
            (pod("Job", "seed", true), false, true),
            (pod("ReplicaSet", "web-5d8f", false), false, true),
            (pod("ReplicaSet", "web-5d8f", true), false, false),
            (pod("ReplicaSet", "web-5d8f", true), true, true),
            (pod("StatefulSet", "web", false), false, true),
            (pod("StatefulSet", "other", false), true, false),
        ] {
            assert_eq!(arguments(all).wants(&pod, &makers), expected, "{:?}", pod.metadata.owner_references);
        }
    }
}
