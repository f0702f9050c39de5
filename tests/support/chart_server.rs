//! A chart repository over HTTP or HTTPS on the loopback address, with faults on demand.
//!
//! It serves the files of a folder with an ETag and can ask for a password. Git repositories in the folder, `NAME.git`,
//! are served by Git's own program. It notes every request.

mod git;
mod tls;

use std::io;
use std::net::Ipv4Addr;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, stream};
use tokio_rustls::TlsAcceptor;

use self::tls::TlsListener;
use super::background::Background;
use super::charts;

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 401, whatever the password.
    Unauthorized,
    /// 404, although the file is there.
    NotFound,
    /// 500.
    Broken,
    /// The right answer, that much later.
    Slow(Duration),
    /// 200 with the beginning of an index, and then nothing more.
    Stuck,
    /// 200 with bytes that are neither an index nor an archive.
    Garbage,
    /// 200 with other bytes of the same meaning: an archive still unpacks, its digest is another.
    WrongDigest,
}

/// A request the server has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// `GET` and the like.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The `User-Agent` header, else empty.
    pub user_agent: String,
    /// The status of the answer; 304 where the caller's copy was still good.
    pub status: u16,
}

/// A running chart server; ends on drop.
#[derive(Debug)]
pub struct ChartServer {
    server: Background,
    scheme: &'static str,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    state: Mutex<ServerState>,
}

#[derive(Debug, Default)]
struct ServerState {
    faults: Vec<(String, Fault)>,
    /// The `Authorization` header that is asked for.
    authorization: Option<String>,
    served: Vec<Served>,
}

impl ChartServer {
    /// Serves a folder, on a thread of its own, for as long as the value lives. Files may change meanwhile.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_at(folder, 0)
    }

    /// The same at a port of one's choice.
    ///
    /// # Errors
    /// When it cannot be listened on.
    pub fn start_at(folder: &Path, port: u16) -> Result<Self> {
        Self::run(folder, port, None)
    }

    /// The same over TLS, with a certificate that nobody signed; gives it too, as PEM.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub fn start_tls(folder: &Path) -> Result<(Self, String)> {
        let key = rcgen::generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()])?;
        let server = Self::run(folder, 0, Some(tls::acceptor(&key)?))?;
        Ok((server, key.cert.pem()))
    }

    fn run(folder: &Path, port: u16, tls: Option<TlsAcceptor>) -> Result<Self> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared { folder: folder.to_owned(), state: Mutex::default() });
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let server = Background::start(port, move |listener| async move {
            match tls {
                None => axum::serve(listener, routes).await,
                Some(acceptor) => axum::serve(TlsListener { listener, acceptor }, routes).await,
            }
        })?;
        Ok(Self { server, scheme, shared })
    }

    /// The address of the folder, without a slash at the end.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.server.address())
    }

    /// Asks for this user and password from now on.
    pub fn require_basic(&self, user: &str, password: &str) {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        self.shared.state().authorization = Some(format!("Basic {credentials}"));
    }

    /// Asks for this bearer token from now on.
    pub fn require_token(&self, token: &str) {
        self.shared.state().authorization = Some(format!("Bearer {token}"));
    }

    /// Lets everybody in again.
    pub fn require_nothing(&self) {
        self.shared.state().authorization = None;
    }

    /// Makes requests go wrong whose path ends so, such as `index.yaml`, `.tgz` or, for all of them, the empty text.
    /// The latest fault that fits a path counts.
    pub fn fail(&self, path_end: &str, fault: Fault) {
        self.shared.state().faults.push((path_end.to_owned(), fault));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.shared.state().faults.clear();
    }

    /// Every request so far, oldest first.
    pub fn served(&self) -> Vec<Served> {
        self.shared.state().served.clone()
    }

    /// How many requests so far had a path that ends so.
    pub fn count(&self, path_end: &str) -> usize {
        self.shared.state().served.iter().filter(|served| served.path.ends_with(path_end)).count()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        self.state().faults.iter().rev().find(|(end, _)| path.ends_with(end.as_str())).map(|(_, fault)| *fault)
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let state = self.state();
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        state.authorization.is_none() || state.authorization.as_deref() == given
    }

    /// The file at a path; nothing for a path that leads out of the folder.
    fn file(&self, path: &str) -> Option<Vec<u8>> {
        let relative = Path::new(path.trim_start_matches('/'));
        let inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if inside { std::fs::read(self.folder.join(relative)).ok() } else { None }
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    let fault = shared.fault(&path);
    if let Some(Fault::Slow(delay)) = fault {
        tokio::time::sleep(delay).await;
    }
    let response = if git::is_of_repository(&path) && fault.is_none() && shared.admits(&headers) {
        let request = git::Request { method: method.clone(), uri, headers: headers.clone(), body };
        git::respond(shared.folder.clone(), request).await
    } else {
        respond(&shared, &path, &headers, fault)
    };
    let user_agent = headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let status = response.status().as_u16();
    shared.state().served.push(Served { method: method.to_string(), path, user_agent, status });
    response
}

fn respond(shared: &Shared, path: &str, headers: &HeaderMap, fault: Option<Fault>) -> Response {
    if fault == Some(Fault::Unauthorized) || !shared.admits(headers) {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Basic realm=\"charts\"")]).into_response();
    }
    let found = shared.file(path);
    match (fault, found) {
        (Some(Fault::Broken), _) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        (Some(Fault::Stuck), _) => stuck().into_response(),
        (Some(Fault::NotFound), _) | (_, None) => StatusCode::NOT_FOUND.into_response(),
        (Some(Fault::Garbage), _) => content(path, b"\x00: [garbage".to_vec(), headers),
        (Some(Fault::WrongDigest), Some(bytes)) => content(path, with_other_digest(bytes), headers),
        (_, Some(bytes)) => content(path, bytes, headers),
    }
}

/// A body that begins and does not end.
fn stuck() -> Body {
    let begun = Bytes::from_static(b"apiVersion: v1\nentries:\n");
    Body::from_stream(stream::once(async { Ok::<_, io::Error>(begun) }).chain(stream::pending()))
}

/// In a gzip archive a byte of its time stamp is another, elsewhere there is a new line at the end.
fn with_other_digest(mut bytes: Vec<u8>) -> Vec<u8> {
    match bytes.get_mut(..8) {
        Some([0x1f, 0x8b, .., stamp]) => *stamp ^= 1,
        _ => bytes.push(b'\n'),
    }
    bytes
}

fn content(path: &str, bytes: Vec<u8>, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", &charts::digest(&bytes)[..16]);
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known == Some(tag.as_str()) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response();
    }
    let kind = if path.ends_with(".tgz") { "application/gzip" } else { "text/yaml" };
    ([(ETAG, tag), (CONTENT_TYPE, kind.to_owned())], bytes).into_response()
}
