//! Release records in Secrets, as Helm stores them (`helm.sh/helm/v4/pkg/storage/driver/secrets.go`).
//!
//! A record is one Secret, written whole each time. Which revisions there are and how they stand is told by labels, so
//! a listing is of metadata alone and only the records that are really wanted are read and decoded. A record that does
//! not fit one Secret even without the chart's files and templates has further parts in Secrets of their own, which
//! Helm's selectors do not see and which go when the first part goes. A part is named by its content and written before
//! the Secret that names it, so a reader never meets parts of different states.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::FIELD_MANAGER;
use super::client::Cluster;
use super::discovery::Kind;
use super::error::ApiError;
use super::fence::Epoch;
use super::request::core_kind;
use crate::release::secret::{self, Write};
use crate::release::{DecodeError, EncodeError, Omitted, Packed, Record, Revision, last, pack, surplus, unpack};
use crate::value::{Json, hex};

/// The annotation that names the Secrets of a record's further parts in their order, comma-separated.
const PARTS_ANNOTATION: &str = "coxswain.dev/parts";
/// The label of further parts: their release.
const PART_LABEL: &str = "coxswain.dev/part-of";
/// The type of the Secrets of further parts.
const PART_TYPE: &str = "coxswain.dev/release-part.v1";

/// The annotation that tells under which lease, and which of its holders, wrote the record last.
const EPOCH_ANNOTATION: &str = "coxswain.dev/epoch";

/// How often a record is written over that others change at the same time.
const WRITES: usize = 5;

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The API server refused.
    #[error("release record {secret} in namespace {namespace:?}: {error}")]
    Api {
        /// The namespace.
        namespace: String,
        /// The Secret.
        secret: String,
        /// Why.
        error: ApiError,
    },
    /// The Secret does not hold a record.
    #[error("release record {secret} in namespace {namespace:?} cannot be read: {error}")]
    Decode {
        /// The namespace.
        namespace: String,
        /// The Secret.
        secret: String,
        /// Why.
        error: DecodeError,
    },
    /// The record has no text form.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The work was cut off because the program ends.
    #[error("the program is ending")]
    Ending,
}

/// A record that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The resource version that the write made.
    pub resource_version: String,
    /// What did not fit and was left out.
    pub omitted: Omitted,
}

/// What the metadata of a record's Secret tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMeta {
    /// Number and status.
    pub revision: Revision,
    /// The labels, Helm's own included.
    pub labels: BTreeMap<String, String>,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
    /// The Secret's resource version.
    pub resource_version: String,
}

impl Cluster {
    /// Stores a new revision.
    ///
    /// # Errors
    /// [`ApiError::AlreadyExists`] where the revision exists: another writer was faster.
    pub async fn create_record(
        &self,
        record: &Record,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Stored, StorageError> {
        self.write_record(record, annotations, Write::Create(Timestamp::now()), None).await
    }

    /// Replaces a stored revision, its labels and annotations included. `known` is the resource version that it has as
    /// far as is known; it keeps this write from going over that of a later holder of our lease.
    ///
    /// # Errors
    /// Why it could not be written; [`ApiError::NotFound`] where the revision is gone, [`ApiError::Fenced`] where a later
    /// holder of the lease has written it.
    pub async fn update_record(
        &self,
        record: &Record,
        annotations: &BTreeMap<String, String>,
        known: Option<u64>,
    ) -> Result<Stored, StorageError> {
        self.write_record(record, annotations, Write::Update(Timestamp::now()), known).await
    }

    /// Reads a revision; nothing where it does not exist.
    ///
    /// # Errors
    /// Why it could not be read or decoded.
    pub async fn record(&self, namespace: &str, release: &str, revision: i64) -> Result<Option<Record>, StorageError> {
        let place = Place { namespace, secret: secret::name(release, revision) };
        let live = match self.get_secret(&place).await {
            Err(StorageError::Api { error: ApiError::NotFound, .. }) => return Ok(None),
            live => live?,
        };
        let mut parts = vec![part_of(&live)];
        for secret in names_of_parts(&live) {
            parts.push(part_of(&self.get_secret(&Place { namespace, secret }).await?));
        }
        let decoded = blocking(move || unpack(&parts)).await?;
        let mut record = decoded.map_err(|error| place.decode(error))?;
        record.labels = secret::user_labels(&texts(&live, "labels"));
        Ok(Some(record))
    }

    /// When a revision's record was created, by the clock of the API server; nothing where it is gone.
    ///
    /// # Errors
    /// Why it could not be read.
    pub async fn record_created(
        &self,
        namespace: &str,
        release: &str,
        revision: i64,
    ) -> Result<Option<Timestamp>, StorageError> {
        let place = Place { namespace, secret: secret::name(release, revision) };
        match self.get_secret(&place).await {
            Err(StorageError::Api { error: ApiError::NotFound, .. }) => Ok(None),
            live => Ok(metadata_text(&live?, "creationTimestamp").parse().ok()),
        }
    }

    /// What revisions a release has, oldest first, without reading the records.
    ///
    /// # Errors
    /// Why the Secrets could not be listed.
    pub async fn revisions(&self, namespace: &str, release: &str) -> Result<Vec<RecordMeta>, StorageError> {
        let parameters = ListParams::default().labels(&secret::selector(release));
        let listed = self.call::<Json>(self.collection(&secrets(), namespace).list_metadata(&parameters)).await;
        let place = Place { namespace, secret: secret::name(release, 0).replace(".v0", ".v*") };
        let listed = listed.map_err(|error| place.api(error))?;
        let items = listed.get("items").and_then(Json::as_array).into_iter().flatten();
        let mut revisions: Vec<RecordMeta> = items.filter_map(read_meta).collect();
        revisions.sort_by_key(|meta| meta.revision.number);
        Ok(revisions)
    }

    /// Reads the newest revision; nothing where there is none.
    ///
    /// # Errors
    /// As [`Cluster::record`].
    pub async fn last_record(&self, namespace: &str, release: &str) -> Result<Option<Record>, StorageError> {
        let revisions: Vec<Revision> =
            self.revisions(namespace, release).await?.iter().map(|meta| meta.revision).collect();
        match last(&revisions) {
            Some(newest) => self.record(namespace, release, newest.number).await,
            None => Ok(None),
        }
    }

    /// Deletes a revision; one that is gone already is fine.
    ///
    /// # Errors
    /// Why it could not be deleted.
    pub async fn delete_record(&self, namespace: &str, release: &str, revision: i64) -> Result<(), StorageError> {
        let place = Place { namespace, secret: secret::name(release, revision) };
        let request = self.collection(&secrets(), namespace).delete(&place.secret, &DeleteParams::background());
        match self.call::<Json>(request).await {
            Ok(_) | Err(ApiError::NotFound) => Ok(()),
            Err(error) => Err(place.api(error)),
        }
    }

    /// Deletes the revisions that are too many before a new one is created, so that with it at most `maximum` are
    /// left (0 keeps all), and tells which went. The deployed one never does.
    ///
    /// # Errors
    /// Why one could not be deleted.
    pub async fn prune_history(
        &self,
        namespace: &str,
        release: &str,
        revisions: &[Revision],
        maximum: usize,
    ) -> Result<Vec<i64>, StorageError> {
        let too_many = surplus(revisions, maximum);
        for revision in &too_many {
            self.delete_record(namespace, release, *revision).await?;
        }
        Ok(too_many)
    }

    async fn write_record(
        &self,
        record: &Record,
        annotations: &BTreeMap<String, String>,
        write: Write,
        known: Option<u64>,
    ) -> Result<Stored, StorageError> {
        let place = Place { namespace: &record.namespace, secret: secret::name(&record.name, record.version) };
        let labels = secret::labels(record, write);
        let whole = record.clone();
        let Packed { omitted, parts } = blocking(move || pack(&whole)).await??;
        let further: Vec<Part<'_>> = parts[1..].iter().map(|text| Part::new(&place, &record.name, text)).collect();
        let mut loose = Vec::new();
        for part in &further {
            if self.keep_part(part, write).await? == Tie::Loose {
                loose.push(part);
            }
        }
        let mut annotations = annotations.clone();
        if !further.is_empty() {
            let names: Vec<&str> = further.iter().map(|part| part.place.secret.as_str()).collect();
            annotations.insert(PARTS_ANNOTATION.to_owned(), names.join(","));
        }
        if let Some(epoch) = self.epoch() {
            annotations.insert(EPOCH_ANNOTATION.to_owned(), epoch.to_string());
        }
        let first = json!({
            "apiVersion": "v1", "kind": "Secret", "type": secret::TYPE,
            "metadata": {
                "name": place.secret, "namespace": place.namespace, "labels": labels, "annotations": annotations,
            },
            "data": {secret::KEY: STANDARD.encode(&parts[0])},
        });
        let written = match write {
            Write::Create(_) => self.create_secret(&place, &first).await?,
            Write::Update(_) => self.replace_first(&place, first, known).await?,
        };
        let owner = json!({
            "apiVersion": "v1", "kind": "Secret", "name": place.secret, "uid": metadata_text(&written, "uid"),
        });
        for part in loose {
            self.replace_secret(&part.place, &part.tied_to(&owner)).await?;
        }
        Ok(Stored { resource_version: metadata_text(&written, "resourceVersion"), omitted })
    }

    /// Writes the first Secret of a record over the version that is known. Other writers are written over, but not a later
    /// holder of our lease.
    async fn replace_first(
        &self,
        place: &Place<'_>,
        mut secret: Json,
        known: Option<u64>,
    ) -> Result<Json, StorageError> {
        let Some(epoch) = self.epoch() else { return self.replace_secret(place, &secret).await };
        let mut version = known.filter(|version| *version > 0).map(|version| version.to_string());
        for _ in 0..WRITES {
            if let Some(version) = version.take() {
                secret["metadata"]["resourceVersion"] = version.into();
                match self.replace_secret(place, &secret).await {
                    Err(StorageError::Api { error: ApiError::Conflict { .. }, .. }) => {}
                    written => return written,
                }
            }
            let live = self.get_secret(place).await?;
            let writer = texts(&live, "annotations").remove(EPOCH_ANNOTATION);
            if writer.and_then(|text| Epoch::parse(&text)).is_some_and(|writer| writer.is_after(epoch)) {
                return Err(place.api(ApiError::Fenced));
            }
            version = Some(metadata_text(&live, "resourceVersion"));
        }
        Err(place.api(ApiError::Conflict { message: "others keep changing it".to_owned() }))
    }

    /// Writes a part unless it is there: its name is its content.
    async fn keep_part(&self, part: &Part<'_>, write: Write) -> Result<Tie, StorageError> {
        if matches!(write, Write::Update(_)) {
            match self.get_secret(&part.place).await {
                Err(StorageError::Api { error: ApiError::NotFound, .. }) => {}
                live => return live.map(|live| Tie::of(&live)),
            }
        }
        match self.create_secret(&part.place, &part.secret).await {
            Err(StorageError::Api { error: ApiError::AlreadyExists, .. }) => Ok(Tie::Loose),
            written => written.map(|_| Tie::Loose),
        }
    }

    async fn get_secret(&self, place: &Place<'_>) -> Result<Json, StorageError> {
        let request = self.collection(&secrets(), place.namespace).get(&place.secret);
        self.call(request).await.map_err(|error| place.api(error))
    }

    async fn create_secret(&self, place: &Place<'_>, secret: &Json) -> Result<Json, StorageError> {
        let request = self.collection(&secrets(), place.namespace).create(&by_us(), secret);
        self.call(request).await.map_err(|error| place.api(error))
    }

    async fn replace_secret(&self, place: &Place<'_>, secret: &Json) -> Result<Json, StorageError> {
        let request = self.collection(&secrets(), place.namespace).replace(&place.secret, &by_us(), secret);
        self.call(request).await.map_err(|error| place.api(error))
    }
}

/// A further part of a record.
struct Part<'a> {
    place: Place<'a>,
    secret: Json,
}

impl<'a> Part<'a> {
    fn new(first: &Place<'a>, release: &str, text: &str) -> Self {
        let place = first.part(text);
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": PART_TYPE,
            "metadata": {"name": place.secret, "namespace": place.namespace, "labels": {PART_LABEL: release}},
            "data": {secret::KEY: STANDARD.encode(text)},
        });
        Self { place, secret }
    }

    /// The part as it goes when its owner, the first Secret, is deleted, whoever deletes it. It is written whole: an
    /// account that may deploy has the right to replace a Secret, but need not have that to patch one.
    fn tied_to(&self, owner: &Json) -> Json {
        let mut secret = self.secret.clone();
        secret["metadata"]["ownerReferences"] = json!([owner]);
        secret
    }
}

/// Whether a part goes with the first one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tie {
    Tied,
    Loose,
}

impl Tie {
    fn of(part: &Json) -> Self {
        let owners = part.pointer("/metadata/ownerReferences").and_then(Json::as_array);
        if owners.is_some_and(|owners| !owners.is_empty()) { Self::Tied } else { Self::Loose }
    }
}

/// Where a Secret is.
struct Place<'a> {
    namespace: &'a str,
    secret: String,
}

impl Place<'_> {
    /// The Secret of a further part.
    fn part(&self, text: &str) -> Self {
        let digest = hex(&Sha256::digest(text)[..8]);
        Self { namespace: self.namespace, secret: format!("{}.{digest}", self.secret) }
    }

    fn api(&self, error: ApiError) -> StorageError {
        let error = match error {
            ApiError::KindNotServed => ApiError::NotFound,
            other => other,
        };
        StorageError::Api { namespace: self.namespace.to_owned(), secret: self.secret.clone(), error }
    }

    fn decode(&self, error: DecodeError) -> StorageError {
        StorageError::Decode { namespace: self.namespace.to_owned(), secret: self.secret.clone(), error }
    }
}

/// Runs work that would hold up the runtime's worker.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StorageError::Ending)
}

fn secrets() -> Kind {
    core_kind("Secret", "secrets", true)
}

fn by_us() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run: false }
}

/// The text in a Secret; empty where it is missing or damaged, which decoding then reports.
fn part_of(secret: &Json) -> Vec<u8> {
    let text = secret.get("data").and_then(|data| data.get(secret::KEY)).and_then(Json::as_str);
    text.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default()
}

fn names_of_parts(live: &Json) -> Vec<String> {
    let names = texts(live, "annotations").remove(PARTS_ANNOTATION).unwrap_or_default();
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn read_meta(item: &Json) -> Option<RecordMeta> {
    let labels = texts(item, "labels");
    let revision = Revision::from_labels(&labels)?;
    let annotations = texts(item, "annotations");
    Some(RecordMeta { revision, labels, annotations, resource_version: metadata_text(item, "resourceVersion") })
}

fn metadata_text(object: &Json, name: &str) -> String {
    object.get("metadata").and_then(|metadata| metadata.get(name)).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn texts(object: &Json, map: &str) -> BTreeMap<String, String> {
    let map = object.get("metadata").and_then(|metadata| metadata.get(map)).and_then(Json::as_object);
    let text = |(name, text): (&String, &Json)| Some((name.clone(), text.as_str()?.to_owned()));
    map.into_iter().flatten().filter_map(text).collect()
}

#[cfg(test)]
#[path = "storage_tests.rs"]
mod tests;
