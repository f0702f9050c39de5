//! The catalog: what is in a version of a chart, for a store's page.
//!
//! `GET /charts/NAMESPACE/REPOSITORY/CHART/VERSION/PART` gives `readme`, `values`, `schema`, `questions` or the list of
//! `files`, of which `files/PATH` gives one. Whoever may get the Chart object may read them. They come out of the same
//! cache of archives as those that are installed, and share its downloads.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use kube::Client;
use serde_json::json;
use tokio::sync::Semaphore;

use super::callers::{Callers, Wanted};
use super::status::Refusal;
use crate::chart::File;
use crate::controller::chartrepo::chart_object_name;
use crate::controller::chartrepo::published::{Published, PublishedError};
use crate::controller::repositories::{Repositories, RepositoryKey, ResolveError, Resolved};
use crate::source::{Charts, Digest, SourceError};

/// How long a chart may take to be fetched; the download goes on, for whoever asks again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Charts that are looked into at the same time.
const PARALLEL: usize = 16;

/// The catalog; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    shared: Arc<Shared>,
}

struct Shared {
    callers: Callers,
    charts: Charts,
    /// What this replica reads itself.
    repositories: Repositories,
    /// What another one has read.
    published: Published,
    reading: Semaphore,
}

/// The part of a chart that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Readme,
    Values,
    Schema,
    Questions,
    Files,
    File(String),
}

/// A version of a chart.
struct Version {
    repository: RepositoryKey,
    chart: String,
    version: String,
}

impl Catalog {
    /// A catalog of the charts of repositories that this replica reads, and of others as their Chart objects tell.
    pub fn new(client: Client, charts: Charts, repositories: Repositories, published: Published) -> Self {
        let (callers, reading) = (Callers::new(client), Semaphore::new(PARALLEL));
        let shared = Shared { callers, charts, repositories, published, reading };
        Self { shared: Arc::new(shared) }
    }

    /// The routes.
    pub fn routes(&self) -> Router {
        let part: MethodRouter<Self> = get(part);
        let file: MethodRouter<Self> = get(file);
        Router::new()
            .route("/charts/{namespace}/{repository}/{chart}/{version}/{part}", part)
            .route("/charts/{namespace}/{repository}/{chart}/{version}/files/{*path}", file)
            .with_state(self.clone())
    }

    async fn answer(&self, headers: &HeaderMap, wanted: Version, part: &str, path: Option<String>) -> Response {
        self.find(headers, wanted, part, path).await.unwrap_or_else(|refusal| {
            let busy = refusal.code == StatusCode::SERVICE_UNAVAILABLE;
            let later = busy.then(|| [(RETRY_AFTER, HeaderValue::from_static("2"))]);
            let mut response = refusal.into_response();
            response.headers_mut().extend(later.into_iter().flatten());
            response
        })
    }

    async fn find(
        &self,
        headers: &HeaderMap,
        wanted: Version,
        part: &str,
        path: Option<String>,
    ) -> Result<Response, Refusal> {
        let RepositoryKey { namespace, name } = &wanted.repository;
        let object = Wanted { namespace: namespace.clone(), name: chart_object_name(&wanted.chart, name) };
        self.shared.callers.admit(headers, &object).await?;
        let part = Part::named(part, path)?;
        let resolved = self.resolve(&wanted).await?;
        let Ok(_permit) = self.shared.reading.try_acquire() else {
            return Err(unavailable("too many charts are looked into at the same time: ask again"));
        };
        let (digest, files) = self.files(resolved).await?;
        let tag = format!("\"{digest}\"");
        if headers.get(IF_NONE_MATCH).is_some_and(|known| is_known(known, &tag)) {
            return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
        }
        let (type_, body) = part.of(&files).ok_or_else(|| part.missing(&wanted))?;
        Ok(([(ETAG, tag)], safe(type_), body).into_response())
    }

    async fn resolve(&self, wanted: &Version) -> Result<Resolved, Refusal> {
        let Version { repository, chart, version } = wanted;
        match self.shared.repositories.version(repository, chart, version) {
            Ok(resolved) => Ok(resolved),
            // It waits for the lease, or has not read the repository yet.
            Err(ResolveError::NotRead { .. }) => {
                self.shared.published.version(repository, chart, version).await.map_err(|error| match error {
                    PublishedError::Missing(message) => Refusal::new(StatusCode::NOT_FOUND, message),
                    PublishedError::Unusable(message) => Refusal::new(StatusCode::BAD_GATEWAY, message),
                })
            }
            Err(error) => Err(Refusal::new(StatusCode::NOT_FOUND, error.to_string())),
        }
    }

    async fn files(&self, resolved: Resolved) -> Result<(Digest, Vec<File>), Refusal> {
        let charts = self.shared.charts.clone();
        let fetched = tokio::spawn(async move { charts.files(&resolved.repository, &resolved.entry).await });
        match tokio::time::timeout(PATIENCE, fetched).await {
            Ok(Ok(Ok(found))) => Ok(found),
            Ok(Ok(Err(error))) => Err(not_fetched(&error)),
            Ok(Err(_)) => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the chart cannot be read")),
            Err(_) => {
                let message = format!("fetching the chart takes longer than {} seconds: ask again", PATIENCE.as_secs());
                Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, message))
            }
        }
    }
}

impl Part {
    fn named(name: &str, path: Option<String>) -> Result<Self, Refusal> {
        Ok(match (name, path) {
            (_, Some(path)) => Self::File(path),
            ("readme", None) => Self::Readme,
            ("values", None) => Self::Values,
            ("schema", None) => Self::Schema,
            ("questions", None) => Self::Questions,
            ("files", None) => Self::Files,
            _ => {
                let message =
                    format!("{name:?} is no part of a chart: ask for readme, values, schema, questions or files");
                return Err(Refusal::new(StatusCode::NOT_FOUND, message));
            }
        })
    }

    /// The part's type and content; nothing where the chart does not have it.
    fn of(&self, files: &[File]) -> Option<(&'static str, Bytes)> {
        let named = |names: &[&str]| {
            let is_it = |file: &&File| names.iter().any(|name| file.name.eq_ignore_ascii_case(name));
            files.iter().find(is_it).map(|file| file.data.bytes())
        };
        Some(match self {
            Self::Readme => ("text/markdown; charset=utf-8", named(&["readme.md", "readme.txt", "readme"])?),
            Self::Values => ("application/yaml", named(&["values.yaml"])?),
            Self::Schema => ("application/schema+json", named(&["values.schema.json"])?),
            Self::Questions => ("application/yaml", named(&["questions.yaml", "questions.yml"])?),
            Self::Files => ("application/json", listed(files)),
            Self::File(path) => (type_of(path), files.iter().find(|file| file.name == *path)?.data.bytes()),
        })
    }

    fn missing(&self, wanted: &Version) -> Refusal {
        let what = match self {
            Self::Readme => "README.md",
            Self::Values => "values.yaml",
            Self::Schema => "values.schema.json",
            Self::Questions => "questions.yaml",
            Self::Files => "file",
            Self::File(path) => path,
        };
        let Version { chart, version, .. } = wanted;
        Refusal::new(StatusCode::NOT_FOUND, format!("chart {chart:?} {version} has no {what}"))
    }
}

async fn part(
    State(catalog): State<Catalog>,
    Path((namespace, name, chart, version, part)): Path<(String, String, String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let wanted = Version { repository: RepositoryKey { namespace, name }, chart, version };
    catalog.answer(&headers, wanted, &part, None).await
}

async fn file(
    State(catalog): State<Catalog>,
    Path((namespace, name, chart, version, path)): Path<(String, String, String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let wanted = Version { repository: RepositoryKey { namespace, name }, chart, version };
    catalog.answer(&headers, wanted, "files", Some(path)).await
}

fn listed(files: &[File]) -> Bytes {
    let entries: Vec<_> = files.iter().map(|file| json!({"path": file.name, "size": file.data.len()})).collect();
    format!("{}\n", json!({"files": entries})).into()
}

/// What a browser may take a file for: never for a page or a script, whatever the chart says.
fn type_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => "application/json",
        Some("yaml" | "yml") => "application/yaml",
        Some("md") => "text/markdown; charset=utf-8",
        Some("txt" | "tpl") | None => "text/plain; charset=utf-8",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some(_) => "application/octet-stream",
    }
}

fn safe(type_: &'static str) -> [(HeaderName, HeaderValue); 4] {
    [
        (CONTENT_TYPE, HeaderValue::from_static(type_)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
        // Only for who asked, and asked for again, so that a right that is taken away is.
        (CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ]
}

fn is_known(known: &HeaderValue, tag: &str) -> bool {
    let known = known.to_str().unwrap_or_default();
    known.split(',').any(|one| matches!(one.trim().trim_start_matches("W/"), "*") || one.trim().ends_with(tag))
}

fn not_fetched(error: &SourceError) -> Refusal {
    Refusal::new(StatusCode::BAD_GATEWAY, format!("the chart cannot be fetched: {error}"))
}

fn unavailable(message: &str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, data: &str) -> File {
        File { name: name.to_owned(), data: data.as_bytes().into(), modified: None }
    }

    #[test]
    fn each_part_is_a_file_with_its_type() {
        let files = [file("values.yaml", "a: 1"), file("README.md", "# Web"), file("ci/page.html", "<script>")];
        let of = |name: &str, path: Option<&str>| {
            let part = Part::named(name, path.map(str::to_owned)).expect("a part");
            part.of(&files).map(|(type_, body)| (type_, String::from_utf8_lossy(&body).into_owned()))
        };
        assert_eq!(of("values", None), Some(("application/yaml", "a: 1".to_owned())));
        assert_eq!(of("readme", None), Some(("text/markdown; charset=utf-8", "# Web".to_owned())));
        assert_eq!((of("schema", None), of("questions", None), of("files", Some("x"))), (None, None, None));
        assert_eq!(of("files", Some("ci/page.html")), Some(("application/octet-stream", "<script>".to_owned())));
        assert!(of("files", None).is_some_and(|(_, list)| list.contains(r#"{"path":"README.md","size":5}"#)));
        assert!(Part::named("secrets", None).is_err());
    }

    #[test]
    fn a_tag_is_known_among_others_and_weakly_too() {
        for (header, expected) in
            [("\"a\"", true), ("\"b\", W/\"a\"", true), ("*", true), ("\"b\"", false), ("", false)]
        {
            assert_eq!(is_known(&HeaderValue::from_static(header), "\"a\""), expected, "{header}");
        }
    }
}
