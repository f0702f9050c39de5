//! The revisions of a release, from the records that the operator and the helm CLI keep in Secrets.

use clap::Args;

use super::Error;
use super::requests::{self, KIND};
use super::session::Session;
use crate::api::HelmRequest;
use crate::api::helm_request::Destination;
use crate::cluster::Object;
use crate::cluster::storage::RecordMeta;
use crate::release::{Record, Revision, deployed, last};

/// Which of the clusters of a request.
#[derive(Clone, Debug, Default, Args)]
pub struct ClusterArgument {
    /// The cluster whose release is meant, where the HelmRequest is installed into several
    #[arg(long, value_name = "CLUSTER")]
    pub cluster: Option<String>,
}

/// A release: where its records are, and of which request it is.
#[derive(Clone, Debug)]
pub struct Release {
    /// The cluster and the namespace of the records.
    pub session: Session,
    /// The namespace of the records.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its request; nothing for a release that only the helm CLI knows.
    pub request: Option<HelmRequest>,
}

/// The objects of a revision, as they were recorded.
///
/// # Errors
/// What the API server serves cannot be learned.
pub async fn objects(session: &Session, record: &Record) -> Result<Vec<Object>, Error> {
    objects_of(session, &record.manifest, &record.namespace).await
}

/// The objects of a manifest of a release in a namespace.
///
/// # Errors
/// What the API server serves cannot be learned.
pub async fn objects_of(session: &Session, manifest: &str, namespace: &str) -> Result<Vec<Object>, Error> {
    Ok(session.cluster.read_recorded(manifest, namespace).await.map_err(Error::discovery)?.objects)
}

impl ClusterArgument {
    /// The cluster that the release of a request is in; nothing for the request's own.
    ///
    /// # Errors
    /// It has several, and none of them was named, or another.
    fn of(&self, request: &HelmRequest) -> Result<Option<String>, Error> {
        let status = request.status.clone().unwrap_or_default();
        let known: Vec<String> = match request.destination() {
            Destination::Own => Vec::new(),
            Destination::One(name) => vec![name.to_owned()],
            Destination::Several(_) => status.clusters.into_iter().map(|entry| entry.name).collect(),
        };
        match (&self.cluster, known.as_slice()) {
            (None, []) if request.destination() == Destination::Own => Ok(None),
            (None, [only]) => Ok(Some(only.clone())),
            (Some(named), _) if known.contains(named) => Ok(Some(named.clone())),
            _ => Err(self.cannot_choose(request, &known)),
        }
    }

    fn cannot_choose(&self, request: &HelmRequest, known: &[String]) -> Error {
        let name = request.metadata.name.as_deref().unwrap_or_default();
        let quoted: Vec<String> = known.iter().map(|name| format!("{name:?}")).collect();
        Error::Usage(match (&self.cluster, known) {
            (Some(cluster), []) => format!("{KIND} {name:?} is in no other cluster; leave --cluster {cluster} out"),
            (Some(cluster), _) => {
                format!("{KIND} {name:?} is not installed into cluster {cluster:?}; it is in {}", quoted.join(", "))
            }
            (None, []) => format!("{KIND} {name:?} is in no cluster yet; see why: kubectl captain status {name}"),
            (None, _) => {
                format!("{KIND} {name:?} is in several clusters; choose with --cluster: {}", quoted.join(", "))
            }
        })
    }
}

impl Release {
    /// The release of a request.
    ///
    /// # Errors
    /// Its cluster is not chosen, or cannot be reached.
    pub async fn of(session: &Session, request: HelmRequest, chosen: &ClusterArgument) -> Result<Self, Error> {
        let session = session.at(chosen.of(&request)?.as_deref()).await?;
        let (namespace, name) = (request.release_namespace(), request.release_name());
        Ok(Self { session, namespace, name, request: Some(request) })
    }

    /// The release of the request of this name or, where there is none, the release of this name.
    ///
    /// # Errors
    /// There is neither, or its cluster cannot be reached.
    pub async fn find(session: &Session, name: &str, chosen: &ClusterArgument) -> Result<Self, Error> {
        let absent = match requests::find(session, name).await {
            Ok(request) => return Self::of(session, request, chosen).await,
            Err(error @ (Error::Absent { .. } | Error::NotInstalled { .. })) => error,
            Err(error) => return Err(error),
        };
        let name = requests::bare(name).to_owned();
        let release = Self { session: session.clone(), namespace: session.namespace.clone(), name, request: None };
        match session.cluster.revisions(&release.namespace, &release.name).await {
            Ok(revisions) if !revisions.is_empty() => Ok(release),
            _ => Err(absent),
        }
    }

    /// What revisions there are, oldest first.
    ///
    /// # Errors
    /// There is none, or the records cannot be listed.
    pub async fn revisions(&self) -> Result<Vec<RecordMeta>, Error> {
        let revisions = self.session.cluster.revisions(&self.namespace, &self.name).await?;
        if revisions.is_empty() { Err(self.never_installed()) } else { Ok(revisions) }
    }

    /// Reads a revision: the one of the number or, without one, the deployed one, else the last one.
    ///
    /// # Errors
    /// There is no such revision; those that exist are told.
    pub async fn record(&self, number: Option<i64>) -> Result<Record, Error> {
        let known: Vec<Revision> = self.revisions().await?.iter().map(|meta| meta.revision).collect();
        let chosen = number.or_else(|| deployed(&known).or_else(|| last(&known)).map(|revision| revision.number));
        let record = match chosen.filter(|number| known.iter().any(|revision| revision.number == *number)) {
            Some(number) => self.session.cluster.record(&self.namespace, &self.name, number).await?,
            None => None,
        };
        record.ok_or_else(|| Error::NoRevision {
            release: self.name.clone(),
            namespace: self.namespace.clone(),
            revision: chosen.unwrap_or_default(),
            known: known.iter().map(|revision| revision.number).collect(),
        })
    }

    fn never_installed(&self) -> Error {
        let next = match &self.request {
            Some(request) => {
                let name = request.metadata.name.as_deref().unwrap_or_default();
                format!("see why: kubectl captain status {name}")
            }
            None => "see what there is: kubectl captain list".to_owned(),
        };
        Error::NoRelease { release: self.name.clone(), namespace: self.namespace.clone(), next }
    }
}
