//! `trace`: which request an object belongs to, and at which revision, from what made it up to who wished for it.

use clap::Args;
use kube::api::DynamicObject;
use kube::{Api, ResourceExt};

use super::list::phase_of;
use super::requests::{self, KIND};
use super::session::Session;
use super::{Error, Outcome};
use crate::api::HelmRequest;
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
        let mut found = find_object(session, kind_and_name(&self.object)?).await?;
        let (mut way, mut release) = (vec![found.shown()], found.release.clone());
        let snapshot = session.cluster.discovery().snapshot().await.map_err(Error::discovery)?;
        for _ in 1..DEPTH {
            let Some((group, made_by, maker)) = &found.maker else { break };
            let Some(kind) = snapshot.preferred(group, made_by) else { break };
            found = look(session, kind.clone(), maker).await?;
            way.push(found.shown());
            // What a workload makes often has a copy of its annotations, so the way is gone to its end.
            release = found.release.clone().or(release);
        }
        let end = found.shown();
        if let Some((namespace, release)) = &release {
            way.push(told(session, namespace, release).await?);
        }
        session.screen.print(&ladder(&way))?;
        release.map(|_| Outcome::Done).ok_or_else(|| Error::Unmet(format!("{end} belongs to no release")))
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

/// The request of a release, where there is one.
///
/// # Errors
/// Requests cannot be listed.
pub async fn request_of(session: &Session, namespace: &str, release: &str) -> Result<Option<HelmRequest>, Error> {
    let of_release =
        |request: &HelmRequest| request.release_name() == release && request.release_namespace() == namespace;
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

/// The release with its request, one line.
async fn told(session: &Session, namespace: &str, release: &str) -> Result<String, Error> {
    let Some(request) = request_of(session, namespace, release).await? else {
        return Ok(format!("release {release} in namespace {namespace}, of no {KIND}"));
    };
    let revision = request.status.as_ref().and_then(|status| status.revision).unwrap_or_default();
    let (name, home) = (request.name_any(), request.namespace().unwrap_or_default());
    let phase = phase_of(&request).as_str();
    Ok(format!("{KIND}/{name} in namespace {home}: release {release}, revision {revision}, {phase}"))
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
