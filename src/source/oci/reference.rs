//! References to what a registry holds, `oci://HOST/PATH:TAG@sha256:DIGEST`, and tags as versions.

use reqwest::Url;

use crate::chart::version::Version;
use crate::source::{Digest, SourceError};

/// Where Docker Hub's registry is; its references say another host.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A registry, and what is meant of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The registry as it was written: host and port.
    pub(super) host: String,
    /// Where its interface is, for example `https://registry.example.com/`.
    pub(super) base: Url,
    /// The repository, or a path above repositories; may be empty.
    pub(super) path: String,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<Digest>,
}

impl Reference {
    /// Reads a reference, with or without `oci://`.
    pub(super) fn parse(text: &str, plain_http: bool) -> Result<Self, SourceError> {
        let text = text.trim();
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let shown = || format!("oci://{}", rest.rsplit_once('@').map_or(rest, |(_, end)| end));
        let invalid = |reason: &str| SourceError::InvalidReference { url: shown(), reason: reason.to_owned() };
        if text.len() != rest.len() && !text.to_lowercase().starts_with("oci://") {
            return Err(invalid("it does not begin with oci://"));
        }
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.contains('@') {
            return Err(invalid("credentials in it are not used, put them into a Secret"));
        }
        let (path, digest) = match path.split_once('@') {
            None => (path, None),
            Some((path, digest)) => {
                let digest = digest.starts_with("sha256:").then(|| Digest::parse(digest)).flatten();
                (path, Some(digest.ok_or_else(|| invalid("its digest is not sha256: and 64 digits"))?))
            }
        };
        let (path, tag) = match path.rsplit_once(':') {
            Some((path, tag)) if is_tag(tag) => (path, Some(tag.to_owned())),
            Some(_) => return Err(invalid("its tag has characters that no tag has")),
            None => (path, None),
        };
        let path = path.trim_matches('/');
        if !path.is_empty() && !path.split('/').all(is_component) {
            return Err(invalid("repositories have names of lower-case letters, digits, dots, dashes and underscores"));
        }
        let scheme = if plain_http { "http" } else { "https" };
        let server = if host == DOCKER_HUB.0 { DOCKER_HUB.1 } else { host };
        let base = Url::parse(&format!("{scheme}://{server}/")).ok().filter(Url::has_host);
        let base = base.ok_or_else(|| invalid("it has no valid host"))?;
        Ok(Self { host: host.to_owned(), base, path: path.to_owned(), tag, digest })
    }

    /// The reference of a version below the same registry.
    pub(super) fn of(&self, path: &str, tag: &str, digest: Option<Digest>) -> String {
        let digest = digest.map(|digest| format!("@sha256:{digest}")).unwrap_or_default();
        format!("oci://{}/{path}:{tag}{digest}", self.host)
    }

    /// What to ask the registry for: the digest, else the tag.
    pub(super) fn wanted(&self) -> String {
        let pinned = self.digest.map(|digest| format!("sha256:{digest}"));
        pinned.or(self.tag.clone()).unwrap_or_default()
    }

    /// The repository for messages.
    pub(super) fn shown(&self, path: &str) -> String {
        format!("oci://{}/{path}", self.host)
    }
}

/// The version that a tag stands for; tags cannot have `+`, so Helm writes `_`. As with Helm, only a complete version
/// counts, with the one addition that a `v` may precede it.
pub(super) fn version_of(tag: &str) -> Option<String> {
    let version = tag.replace('_', "+");
    Version::parse_strict(version.strip_prefix('v').unwrap_or(&version)).ok()?;
    Some(version)
}

/// The tag of a version.
pub(super) fn tag_of(version: &str) -> String {
    version.replace('+', "_")
}

/// Whether a text has the form of a tag.
pub(super) fn is_tag(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['.', '-'])
}

fn is_component(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-');
    !text.is_empty() && text.bytes().all(inner) && text.as_bytes()[0].is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_a_host_a_path_and_what_is_pinned() {
        let digest = format!("sha256:{}", Digest::of(b"x"));
        let table = [
            ("oci://x.org/charts/web", "https://x.org/", "charts/web", None, false),
            ("OCI://x.org:5000/web:1.0.0_b-1", "https://x.org:5000/", "web", Some("1.0.0_b-1"), false),
            ("x.org/charts/", "https://x.org/", "charts", None, false),
            ("oci://x.org", "https://x.org/", "", None, false),
            ("oci://docker.io/ann/web", "https://registry-1.docker.io/", "ann/web", None, false),
            (&format!("oci://x.org/web:1.0.0@{digest}"), "https://x.org/", "web", Some("1.0.0"), true),
            (&format!("x.org/web@{digest}"), "https://x.org/", "web", None, true),
        ];
        for (text, base, path, tag, pinned) in table {
            let read = Reference::parse(text, false).expect(text);
            assert_eq!((read.base.as_str(), read.path.as_str(), read.tag.as_deref()), (base, path, tag), "{text}");
            assert_eq!(read.digest.is_some(), pinned, "{text}");
        }
        assert_eq!(Reference::parse("oci://x.org/web", true).expect("one").base.as_str(), "http://x.org/");
    }

    #[test]
    fn what_is_no_reference_is_told_without_its_secrets() {
        for text in [
            "https://x.org/web",
            "oci://ann:secret@x.org/web",
            "oci://x.org/Web",
            "oci://x.org/web@sha512:12",
            "oci://x.org/web@sha256:12",
            "oci://x.org/a//b",
            "oci://x.org/web:a?token=secret",
            "oci:///web",
        ] {
            let error = Reference::parse(text, false).expect_err(text).to_string();
            assert!(!error.contains("secret@") && !error.contains("ann:"), "{error}");
        }
    }

    #[test]
    fn tags_that_are_complete_versions_are_versions() {
        let table = [
            ("1.2.3", Some("1.2.3")),
            ("1.2.3_build.5", Some("1.2.3+build.5")),
            ("v1.2.3-rc.1", Some("v1.2.3-rc.1")),
            ("1.2", None),
            ("latest", None),
            ("sha256-0123.sig", None),
        ];
        for (tag, version) in table {
            assert_eq!(version_of(tag).as_deref(), version, "{tag}");
        }
        assert_eq!(tag_of("1.2.3+build.5"), "1.2.3_build.5");
    }
}
