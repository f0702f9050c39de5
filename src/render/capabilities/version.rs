//! A Kubernetes version given by hand (`k8s.io/apimachinery/pkg/util/version`, `pkg/chart/common/capabilities.go`).

use super::KubeVersion;
use crate::yaml::quote::quote;

/// Why a text is no Kubernetes version. The texts are Helm's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeVersionError {
    /// It does not start with a number.
    #[error("could not parse {} as version", quote(.0))]
    NoNumber(String),
    /// It has a major version only.
    #[error("illegal version string {}", quote(.0))]
    NoMinor(String),
    /// The major version starts with a zero.
    #[error("illegal zero-prefixed version component {} in {}", quote(.component), quote(.text))]
    ZeroPrefix {
        /// The component.
        component: String,
        /// The whole text.
        text: String,
    },
    /// A component is too large.
    #[error(
        "illegal non-numeric version component {component} in {}: strconv.ParseUint: parsing {component}: value out of \
         range", quote(.text), component = quote(.component)
    )]
    OutOfRange {
        /// The component.
        component: String,
        /// The whole text.
        text: String,
    },
}

impl KubeVersion {
    /// Reads a version given by hand, such as `1.33`, `v1.33.4` or `v1.33.4-gke.1245000`. Charts' `kubeVersion` is
    /// compared with its numbers alone.
    ///
    /// # Errors
    /// [`KubeVersionError`].
    pub fn parse(text: &str) -> Result<Self, KubeVersionError> {
        let trimmed = text.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
        let numbers = leading_numbers(trimmed.strip_prefix('v').unwrap_or(trimmed));
        if numbers.is_empty() {
            return Err(KubeVersionError::NoNumber(text.to_owned()));
        }
        let components: Vec<&str> = numbers.split('.').collect();
        if components.len() < 2 {
            return Err(KubeVersionError::NoMinor(text.to_owned()));
        }
        let mut parsed = Vec::with_capacity(components.len());
        for (index, &component) in components.iter().enumerate() {
            let named = || (component.to_owned(), text.to_owned());
            if index == 0 && component.starts_with('0') && component != "0" {
                let (component, text) = named();
                return Err(KubeVersionError::ZeroPrefix { component, text });
            }
            let number: u64 = component.parse().map_err(|_| {
                let (component, text) = named();
                KubeVersionError::OutOfRange { component, text }
            })?;
            parsed.push(number.to_string());
        }
        Ok(Self {
            version: if text.starts_with('v') { text.to_owned() } else { format!("v{text}") },
            normalized: format!("v{}", parsed.join(".")),
            major: parsed[0].clone(),
            minor: parsed[1].clone(),
        })
    }
}

/// The longest start of the text that is numbers with dots between them.
fn leading_numbers(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let numbers = &text[..end];
    let end = numbers.find("..").unwrap_or(numbers.len());
    let numbers = numbers[..end].trim_end_matches('.');
    if numbers.starts_with('.') { "" } else { numbers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_in_helm() {
        for (text, version, normalized, minor) in [
            ("1.20", "v1.20", "v1.20", "20"),
            ("v1.33.4-gke.1245000", "v1.33.4-gke.1245000", "v1.33.4", "33"),
            ("1.07.x", "v1.07.x", "v1.7", "7"),
            ("1.2..3", "v1.2..3", "v1.2", "2"),
        ] {
            let read = KubeVersion::parse(text).expect(text);
            assert_eq!((&*read.version, &*read.normalized, &*read.minor), (version, normalized, minor), "{text}");
        }
    }

    #[test]
    fn what_is_no_version_gets_helms_words() {
        for (text, expected) in [
            ("abc", "could not parse \"abc\" as version"),
            ("", "could not parse \"\" as version"),
            ("1", "illegal version string \"1\""),
            ("01.2", "illegal zero-prefixed version component \"01\" in \"01.2\""),
        ] {
            assert_eq!(KubeVersion::parse(text).map_err(|error| error.to_string()), Err(expected.to_owned()));
        }
    }
}
