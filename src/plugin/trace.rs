//! `trace`: which request an object belongs to, and at which revision, from what made it up to who wished for it.

use clap::Args;
use kube::api::DynamicObject;
use kube::{Api, ResourceExt};
use serde::Serialize;

use super::arguments::{Format, OutputArgument};
use super::list::phase_of;
use super::requests::{self, KIND};
use super::session::Session;
use super::{Error, Outcome};
use crate::api::HelmRequest;
use crate::api::helm_request::Destination;
use crate::cluster::object::{RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION};
use crate::cluster::{ApiError, Kind, ObjectKey};
use crate::value::Json;

/// How many makers are followed.
const DEPTH: usize = 8;

/// The flags of `trace`.
#[derive(Clone, Debug, Args)]
pub struct TraceArguments {
    /// The object, as KIND/NAME or KIND NAME; the kind as kubectl takes it, for example pod, deployments.apps
    #[arg(required = true, num_args = 1..=2, value_name = "OBJECT")]
    pub object: Vec<String>,
    /// The registered cluster that the object is in; that of the context unless given
    #[arg(long, value_name = "CLUSTER")]
    pub cluster: Option<String>,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

/// The way from an object to its request.
#[derive(Clone, Debug, Serialize)]
struct Way {
    /// The object, and what it was made for.
    objects: Vec<Step>,
    /// The release of the last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<Traced>,
}

/// An object on the way.
#[derive(Clone, Debug, Serialize)]
struct Step {
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    name: String,
}

/// A release, and the request that it is of.
#[derive(Clone, Debug, Serialize)]
struct Traced {
    namespace: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Requested>,
}

/// How it stands with the request.
#[derive(Clone, Debug, Serialize)]
struct Requested {
    namespace: String,
    name: String,
    revision: i64,
    phase: &'static str,
}

impl Step {
    fn of(found: &Found) -> Self {
        let ObjectKey { kind, namespace, name, .. } = found.key();
        Self { kind, namespace, name }
    }
}

/// An object in the cluster: which release it says that it is of, and what it was made for.
pub struct Found {
    /// Its kind.
    pub kind: Kind,
    /// The object.
    pub live: Json,
    /// Namespace and name of its release.
    pub release: Option<(String, String)>,
    /// What made it: group, kind and name.
    pub maker: Option<(String, String, String)>,
}

impl Found {
    fn new(kind: Kind, object: &DynamicObject) -> Result<Self, Error> {
        let annotation = |name: &str| object.annotations().get(name).cloned();
        let release = annotation(RELEASE_NAMESPACE_ANNOTATION).zip(annotation(RELEASE_NAME_ANNOTATION));
        let owners = object.metadata.owner_references.iter().flatten();
        let mut makers = owners.filter(|owner| owner.controller == Some(true)).map(|owner| {
            let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
            (group.to_owned(), owner.kind.clone(), owner.name.clone())
        });
        let maker = makers.next();
        let live = serde_json::to_value(object).map_err(|error| Error::Output(error.into()))?;
        Ok(Self { kind, live, release, maker })
    }

    /// Its identity.
    pub fn key(&self) -> ObjectKey {
        let text = |pointer: &str| self.live.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned();
        let resource = &self.kind.resource;
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        ObjectKey { group: resource.group.clone(), kind: resource.kind.clone(), namespace, name }
    }

    /// Kind, name and namespace, for people.
    pub fn shown(&self) -> String {
        let ObjectKey { kind, namespace, name, .. } = self.key();
        if namespace.is_empty() { format!("{kind}/{name}") } else { format!("{kind}/{name} in namespace {namespace}") }
    }
}

impl TraceArguments {
    /// Shows the way from the object to the request.
    ///
    /// # Errors
    /// There is no such object, or it belongs to no release.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let cluster = self.cluster.as_deref();
        let place = session.at(cluster).await?;
        let mut found = find_object(&place, kind_and_name(&self.object)?).await?;
        let (mut objects, mut release) = (vec![Step::of(&found)], found.release.clone());
        let snapshot = place.cluster.discovery().snapshot().await.map_err(Error::discovery)?;
        for _ in 1..DEPTH {
            let Some((group, made_by, maker)) = &found.maker else { break };
            let Some(kind) = snapshot.preferred(group, made_by) else { break };
            found = look(&place, kind.clone(), maker).await?;
            objects.push(Step::of(&found));
            // What a workload makes often has a copy of its annotations, so the way is gone to its end.
            release = found.release.clone().or(release);
        }
        let end = found.shown();
        let release = match release {
            Some((namespace, name)) => Some(Traced::of(session, cluster, namespace, name).await?),
            None => None,
        };
        let (way, screen) = (Way { objects, release }, &session.screen);
        match self.output.output {
            Format::Json => screen.print_json(&way)?,
            Format::Yaml => screen.print_yaml(&way)?,
            Format::Name => screen.print(&way.request_name())?,
            Format::Table | Format::Wide => screen.print(&ladder(&way.lines()))?,
        }
        way.release.map(|_| Outcome::Done).ok_or_else(|| Error::Unmet(format!("{end} belongs to no release")))
    }
}

/// Kind and name of an object in one word or two.
///
/// # Errors
/// They are not.
pub fn kind_and_name(words: &[String]) -> Result<(String, String), Error> {
    let parts: Vec<&str> = words.iter().flat_map(|part| part.split('/')).collect();
    match parts.as_slice() {
        [kind, name] if !kind.is_empty() && !name.is_empty() => Ok(((*kind).to_owned(), (*name).to_owned())),
        _ => Err(Error::Usage(format!("{:?} is no object; write KIND/NAME", words.join(" ")))),
    }
}

/// Reads an object of the session's namespace, or of none.
///
/// # Errors
/// There is no such kind, or no such object.
pub async fn find_object(session: &Session, (word, name): (String, String)) -> Result<Found, Error> {
    let snapshot = session.cluster.discovery().snapshot().await.map_err(Error::discovery)?;
    let unknown = || Error::Usage(format!("the API server serves no kind {word:?}; see kubectl api-resources"));
    look(session, snapshot.named(&word).cloned().ok_or_else(unknown)?, &name).await
}

async fn look(session: &Session, kind: Kind, name: &str) -> Result<Found, Error> {
    let client = session.cluster.client();
    let api: Api<DynamicObject> = match kind.namespaced {
        true => Api::namespaced_with(client, &session.namespace, &kind.resource),
        false => Api::all_with(client, &kind.resource),
    };
    let place = if kind.namespaced { format!(" in namespace {}", session.namespace) } else { String::new() };
    let word = kind.resource.kind.clone();
    match api.get_opt(name).await.map_err(ApiError::from) {
        Ok(Some(object)) => Found::new(kind, &object),
        Ok(None) => Err(Error::Usage(format!("no {word} {name:?}{place}; name its namespace with -n"))),
        Err(error) => Err(Error::Api { what: format!("get {word} {name:?}"), error: Box::new(error) }),
    }
}

/// The request of a release of a registered cluster, or of the request's own, where there is one.
///
/// # Errors
/// Requests cannot be listed.
pub async fn request_of(
    session: &Session,
    cluster: Option<&str>,
    namespace: &str,
    release: &str,
) -> Result<Option<HelmRequest>, Error> {
    let of_release = |request: &HelmRequest| {
        let is_there = match (cluster, request.destination()) {
            (None, destination) => destination == Destination::Own,
            (Some(_), Destination::Own) => false,
            (Some(cluster), Destination::One(name)) => name == cluster,
            (Some(cluster), Destination::Several(_)) => {
                request.status.iter().flat_map(|status| &status.clusters).any(|entry| entry.name == cluster)
            }
        };
        is_there && request.release_name() == release && request.release_namespace() == namespace
    };
    // Who may not look everywhere looks where most requests are: beside their release.
    let objects = match requests::list(session, true, None).await {
        Err(error) if error.is_forbidden() => requests::list(&session.within(namespace), false, None).await?,
        objects => objects?,
    };
    for object in objects {
        let request = requests::typed(&object)?;
        if of_release(&request) {
            return Ok(Some(request));
        }
    }
    Ok(None)
}

impl Traced {
    async fn of(session: &Session, cluster: Option<&str>, namespace: String, name: String) -> Result<Self, Error> {
        let found = request_of(session, cluster, &namespace, &name).await?;
        let request = found.map(|request| Requested {
            namespace: request.namespace().unwrap_or_default(),
            name: request.name_any(),
            revision: request.status.as_ref().and_then(|status| status.revision).unwrap_or_default(),
            phase: phase_of(&request).as_str(),
        });
        Ok(Self { namespace, name, request })
    }

    /// The release with its request, one line.
    fn line(&self) -> String {
        let Self { namespace, name, request } = self;
        match request {
            None => format!("release {name} in namespace {namespace}, of no {KIND}"),
            Some(Requested { namespace, name: request, revision, phase }) => {
                format!("{KIND}/{request} in namespace {namespace}: release {name}, revision {revision}, {phase}")
            }
        }
    }
}

impl Way {
    fn lines(&self) -> Vec<String> {
        let object = |Step { kind, namespace, name }: &Step| match namespace.as_str() {
            "" => format!("{kind}/{name}"),
            _ => format!("{kind}/{name} in namespace {namespace}"),
        };
        self.objects.iter().map(object).chain(self.release.iter().map(Traced::line)).collect()
    }

    /// The request by kind and name, as other commands take it.
    fn request_name(&self) -> String {
        let request = self.release.as_ref().and_then(|release| release.request.as_ref());
        request.map(|request| format!("{}\n", requests::shown(&request.name))).unwrap_or_default()
    }
}

/// Lines, each a step further in.
fn ladder(way: &[String]) -> String {
    let rung = |(depth, line): (usize, &String)| match depth {
        0 => format!("{line}\n"),
        _ => format!("{}└─ {line}\n", "   ".repeat(depth - 1)),
    };
    way.iter().enumerate().map(rung).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_a_ladder() {
        let way = ["Pod/a", "ReplicaSet/b", "Deployment/c"].map(str::to_owned);
        assert_eq!(ladder(&way), "Pod/a\n└─ ReplicaSet/b\n   └─ Deployment/c\n");
    }

    #[test]
    fn an_object_is_named_in_one_word_or_two() {
        let read = |parts: &[&str]| {
            let words: Vec<String> = parts.iter().map(|&part| part.to_owned()).collect();
            kind_and_name(&words).ok()
        };
        let expected = Some(("pod".to_owned(), "web".to_owned()));
        assert_eq!((read(&["pod/web"]), read(&["pod", "web"])), (expected.clone(), expected));
        assert_eq!((read(&["web"]), read(&["pod/"])), (None, None));
    }
}
