//! Git over HTTP by Git's own program for it, `git http-backend`, which speaks CGI (RFC 3875).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// A request to a repository.
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Whether a path leads into a repository.
pub fn is_of_repository(path: &str) -> bool {
    path.contains(".git/")
}

/// The answer for a repository in a folder.
pub async fn respond(folder: PathBuf, request: Request) -> Response {
    match tokio::task::spawn_blocking(move || serve(&folder, &request)).await {
        Ok(Ok(response)) => response,
        failed => {
            let cause = failed.map(|served| served.err()).ok().flatten();
            (StatusCode::INTERNAL_SERVER_ERROR, format!("git http-backend: {cause:?}")).into_response()
        }
    }
}

fn serve(folder: &Path, request: &Request) -> Result<Response> {
    let header = |name: HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", request.method.as_str())
        .env("PATH_INFO", request.uri.path())
        .env("QUERY_STRING", request.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header(CONTENT_TYPE))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header(CONTENT_ENCODING))
        .env("GIT_PROTOCOL", header(HeaderName::from_static("git-protocol")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start git")?;
    let mut input = child.stdin.take().context("it has an input")?;
    let body = request.body.clone();
    let writing = std::thread::spawn(move || input.write_all(&body));
    let output = child.wait_with_output()?.stdout;
    // A program that has enough closes its input.
    let _ = writing.join();
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").context("it gave no header")?;
    let mut response = output[end + 4..].to_vec().into_response();
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("status") {
            *response.status_mut() = value.split(' ').next().unwrap_or_default().parse()?;
        } else {
            response.headers_mut().insert(name.parse::<HeaderName>()?, value.parse()?);
        }
    }
    Ok(response)
}
