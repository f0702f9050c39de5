//! The revisions of a release, from the records that the operator and the helm CLI keep in Secrets.

use super::Error;
use super::requests;
use super::session::Session;
use crate::api::HelmRequest;
use crate::cluster::Object;
use crate::cluster::storage::RecordMeta;
use crate::release::{Record, Revision, deployed, last};

/// A release: where its records are, and of which request it is.
#[derive(Clone, Debug)]
pub struct Release {
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

impl Release {
    /// The release of a request.
    pub fn of(request: HelmRequest) -> Self {
        Self { namespace: request.release_namespace(), name: request.release_name(), request: Some(request) }
    }

    /// The release of the request of this name or, where there is none, the release of this name.
    ///
    /// # Errors
    /// There is neither.
    pub async fn find(session: &Session, name: &str) -> Result<Self, Error> {
        let absent = match requests::find(session, name).await {
            Ok(request) => return Ok(Self::of(request)),
            Err(error @ Error::Absent { .. }) => error,
            Err(error) => return Err(error),
        };
        let name = requests::bare(name).to_owned();
        let release = Self { namespace: session.namespace.clone(), name, request: None };
        match session.cluster.revisions(&release.namespace, &release.name).await {
            Ok(revisions) if !revisions.is_empty() => Ok(release),
            _ => Err(absent),
        }
    }

    /// What revisions there are, oldest first.
    ///
    /// # Errors
    /// There is none, or the records cannot be listed.
    pub async fn revisions(&self, session: &Session) -> Result<Vec<RecordMeta>, Error> {
        let revisions = session.cluster.revisions(&self.namespace, &self.name).await?;
        if revisions.is_empty() { Err(self.never_installed()) } else { Ok(revisions) }
    }

    /// Reads a revision: the one of the number or, without one, the deployed one, else the last one.
    ///
    /// # Errors
    /// There is no such revision; those that exist are told.
    pub async fn record(&self, session: &Session, number: Option<i64>) -> Result<Record, Error> {
        let known: Vec<Revision> = self.revisions(session).await?.iter().map(|meta| meta.revision).collect();
        let chosen = number.or_else(|| deployed(&known).or_else(|| last(&known)).map(|revision| revision.number));
        let record = match chosen.filter(|number| known.iter().any(|revision| revision.number == *number)) {
            Some(number) => session.cluster.record(&self.namespace, &self.name, number).await?,
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
        let cluster = self.request.as_ref().and_then(|request| request.spec.cluster_name.as_deref());
        let next = match (cluster, &self.request) {
            (Some(cluster), _) => {
                format!("it is installed into cluster {cluster:?}: choose its context with --context")
            }
            (None, Some(request)) => {
                let name = request.metadata.name.as_deref().unwrap_or_default();
                format!("see why: kubectl captain status {name}")
            }
            (None, None) => "see what there is: kubectl captain list".to_owned(),
        };
        Error::NoRelease { release: self.name.clone(), namespace: self.namespace.clone(), next }
    }
}
