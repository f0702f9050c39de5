//! Charts and values behind URLs and in repositories (`pkg/repo/v1/chartrepo.go` FindChartInRepoURL, `pkg/getter`).

use super::{Failure, TemplateArguments};
use crate::source::index::Index;
use crate::source::{
    Credentials, Fetched, Identity, Options, Reach, Repository, SourceError, Tls, Validators, http, oci,
};
use crate::yaml::quote::quote;

/// Who runs the command reaches as far without it.
const REACH: Reach = Reach::Everywhere;

/// Whether the text is a URL that can be downloaded.
pub(super) fn is_url(text: &str) -> bool {
    let starts = |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    starts("http://") || starts("https://")
}

/// What was downloaded.
#[derive(Debug)]
pub(super) struct Downloaded {
    /// Where it came from, without credentials and query.
    pub(super) shown: String,
    pub(super) content: Vec<u8>,
}

/// Downloads what is at a URL.
pub(super) fn fetch(url: &str, arguments: &TemplateArguments) -> Result<Downloaded, Failure> {
    let repository = repository(url, arguments)?;
    let content = run(async { repository.download(url, None).await.map_err(|error| failure(error, url)) })?;
    Ok(Downloaded { shown: repository.shown_archive(url), content })
}

/// Downloads the chart of that name from the repository that the arguments name.
pub(super) fn fetch_from_repository(arguments: &TemplateArguments, chart: &str) -> Result<Downloaded, Failure> {
    let url = &arguments.repo;
    let repository = repository(url, arguments)?;
    run(async {
        let index_url = format!("{}/index.yaml", url.trim_end_matches('/'));
        let fetched = repository.fetch_index(&Validators::default()).await;
        let fetched = fetched.map_err(|error| Failure::Repository {
            repository: url.clone(),
            cause: Box::new(failure(error, &index_url)),
        })?;
        let index = match fetched {
            Fetched::Index { index, .. } => index,
            Fetched::Unchanged => Index::default(),
        };
        let wanted = arguments.wanted_version();
        let entry = index.choose(chart, wanted).map_err(|_| {
            let version = if wanted.is_empty() { String::new() } else { format!(" version {}", quote(wanted)) };
            Failure::NotInRepository { chart: format!("chart {}{version}", quote(chart)), repository: url.clone() }
        })?;
        let shown = repository.shown_archive(&entry.url);
        match repository.download(&entry.url, entry.digest).await {
            Ok(content) => Ok(Downloaded { shown, content }),
            Err(error) => Err(failure(error, &shown)),
        }
    })
}

/// Downloads a chart from a registry.
pub(super) fn fetch_from_registry(reference: &str, arguments: &TemplateArguments) -> Result<Downloaded, Failure> {
    let repository = oci::Repository::new(oci::Options {
        url: reference.to_owned(),
        credentials: credentials(arguments),
        tls: tls(arguments)?,
        plain_http: arguments.plain_http,
        reach: REACH,
        ..oci::Options::default()
    });
    let repository = repository.map_err(Failure::Source)?;
    run(async {
        let entry = repository.find(arguments.wanted_version()).await.map_err(Failure::Source)?;
        let content = repository.download(&entry.url, entry.digest).await.map_err(Failure::Source)?;
        Ok(Downloaded { shown: entry.url.into(), content })
    })
}

fn credentials(arguments: &TemplateArguments) -> Option<Credentials> {
    let TemplateArguments { username, password, .. } = arguments;
    let given = !username.is_empty() && !password.is_empty();
    given.then(|| Credentials::Basic { username: username.clone(), password: password.clone() })
}

fn repository(url: &str, arguments: &TemplateArguments) -> Result<Repository, Failure> {
    let options = http::Options {
        url: url.to_owned(),
        credentials: credentials(arguments),
        pass_credentials_all: arguments.pass_credentials,
        tls: tls(arguments)?,
        reach: REACH,
        ..http::Options::default()
    };
    Repository::new(Options::Http(options)).map_err(Failure::Source)
}

fn tls(arguments: &TemplateArguments) -> Result<Tls, Failure> {
    let TemplateArguments { ca_file, cert_file, key_file, .. } = arguments;
    let read = |path: &String| std::fs::read_to_string(path).map_err(|error| Failure::file("open", path, &error));
    let authorities = if ca_file.is_empty() { None } else { Some(read(ca_file)?) };
    let identity = if cert_file.is_empty() || key_file.is_empty() {
        None
    } else {
        Some(Identity { certificate: read(cert_file)?, key: read(key_file)? })
    };
    Ok(Tls { authorities, identity, insecure_skip_verify: arguments.insecure_skip_tls_verify })
}

fn run<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::Runtime)?.block_on(work)
}

/// A failed request in Helm's words, where it has words of its own.
fn failure(error: SourceError, url: &str) -> Failure {
    let status = match &error {
        SourceError::Unauthorized { .. } => 401,
        SourceError::Forbidden { .. } => 403,
        SourceError::NotFound { .. } | SourceError::ArchiveNotFound { .. } => 404,
        SourceError::RateLimited { .. } => 429,
        SourceError::Server { status, .. } | SourceError::Status { status, .. } => *status,
        SourceError::Refused { address } => {
            let cause = format!("dial tcp {address}: connect: connection refused");
            return Failure::Get { url: url.to_owned(), cause };
        }
        _ => return Failure::Source(error),
    };
    let phrase = ::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    Failure::Status { url: url.to_owned(), status: format!("{status} {}", phrase.unwrap_or_default()) }
}
