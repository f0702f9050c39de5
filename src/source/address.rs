//! URLs of repositories and of the archives that an index names (`pkg/repo/v1/chartrepo.go`, `pkg/getter`).

use reqwest::Url;

use super::SourceError;
use super::access::Credentials;

/// Reads an HTTP URL and takes the credentials out of it.
pub(super) fn parse(text: &str) -> Result<(Url, Option<Credentials>), SourceError> {
    let invalid = |reason: String| SourceError::InvalidUrl { url: displayable(text), reason };
    let url = Url::parse(text.trim()).map_err(|error| invalid(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid(format!("scheme {:?} is not http or https", url.scheme())));
    }
    Ok(without_credentials(url))
}

/// A URL with a host, and the credentials that were in it.
pub(super) fn without_credentials(mut url: Url) -> (Url, Option<Credentials>) {
    let credentials = credentials(&url);
    // Neither can fail for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    (url, credentials)
}

/// The URL of a file of the repository: below its path, with its query.
pub(super) fn below(repository: &Url, path: &str) -> Result<Url, SourceError> {
    let mut base = repository.clone();
    base.set_query(None);
    if !base.path().ends_with('/') {
        let folder = format!("{}/", base.path());
        base.set_path(&folder);
    }
    let mut url = base
        .join(path)
        .map_err(|error| SourceError::InvalidUrl { url: displayable(path), reason: error.to_string() })?;
    url.set_query(repository.query());
    Ok(url)
}

/// The URL of an archive as the index names it: relative ones are below the repository.
pub(super) fn archive(repository: &Url, named: &str) -> Result<(Url, Option<Credentials>), SourceError> {
    match Url::parse(named) {
        Err(_) => Ok((below(repository, named)?, None)),
        Ok(_) => parse(named),
    }
}

/// The name of the file at a URL.
pub(super) fn file_name(url: &Url) -> String {
    percent_decode(url.path().rsplit('/').next().unwrap_or_default().as_bytes())
}

/// The URL of the file beside that has the same name and a suffix.
pub(super) fn with_suffix(url: &Url, suffix: &str) -> Url {
    let mut beside = url.clone();
    beside.set_path(&format!("{}{suffix}", url.path()));
    beside
}

/// Whether both URLs have the same scheme, host and port.
pub(super) fn same_origin(left: &Url, right: &Url) -> bool {
    left.origin() == right.origin()
}

/// A URL for messages: without credentials, query and fragment.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// Host and port for messages.
pub(super) fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn credentials(url: &Url) -> Option<Credentials> {
    let decode = |text: &str| percent_decode(text.as_bytes());
    let password = url.password()?;
    Some(Credentials::Basic { username: decode(url.username()), password: decode(password) })
}

/// Text that may not be a URL, without anything that could be a credential.
pub(super) fn displayable(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let text = &text[..end];
    let Some(at) = text.rfind('@') else { return text.to_owned() };
    let start = text.find("//").map_or(0, |scheme| scheme + 2);
    format!("{}{}", &text[..start.min(at)], &text[at + 1..])
}

fn percent_decode(bytes: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok()));
        decoded.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        parse(text).expect("a URL").0
    }

    #[test]
    fn archives_are_below_the_repository_or_where_they_say() {
        for (repository, named, expected) in [
            ("https://x.org/charts", "web-1.tgz", "https://x.org/charts/web-1.tgz"),
            ("https://x.org/charts/", "a/web-1.tgz", "https://x.org/charts/a/web-1.tgz"),
            ("https://x.org/charts?token=t", "web-1.tgz", "https://x.org/charts/web-1.tgz?token=t"),
            ("https://x.org/charts?token=t", "web-1.tgz?x=y", "https://x.org/charts/web-1.tgz?token=t"),
            ("https://x.org/charts?token=t", "https://y.org/web-1.tgz?a=b", "https://y.org/web-1.tgz?a=b"),
            ("https://x.org/charts", "/top/web-1.tgz", "https://x.org/top/web-1.tgz"),
            ("https://x.org", "web-1.tgz", "https://x.org/web-1.tgz"),
        ] {
            let (archive, _) = archive(&url(repository), named).expect("a URL");
            assert_eq!(archive.as_str(), expected, "{named} of {repository}");
        }
    }

    #[test]
    fn credentials_leave_the_url() {
        let (url, credentials) = parse("https://ann:s%40cret@x.org:8443/charts").expect("a URL");
        assert_eq!(url.as_str(), "https://x.org:8443/charts");
        let credentials = credentials.expect("credentials");
        let expected = Credentials::Basic { username: "ann".to_owned(), password: "s@cret".to_owned() };
        assert!(credentials == expected);
    }

    #[test]
    fn origins_differ_by_scheme_host_and_port() {
        let base = url("https://x.org/charts");
        assert!(same_origin(&base, &url("https://x.org:443/other")));
        for other in ["http://x.org/charts", "https://x.org:8443/charts", "https://y.org/charts"] {
            assert!(!same_origin(&base, &url(other)), "{other}");
        }
    }

    #[test]
    fn messages_show_no_secret() {
        for text in ["ftp://ann:secret@x.org/?token=secret", "://ann:secret@x.org", "https://ann:secret@:x", "secret@"]
        {
            let error = parse(text).expect_err("not usable").to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(shown(&url("https://x.org/a?token=secret#secret")), "https://x.org/a");
    }
}
