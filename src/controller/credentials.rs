//! Credentials as Secrets hold them: user and password, or Docker's configuration.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;

use crate::source::{Credentials, oci};

/// The key of Secrets of the type `kubernetes.io/dockerconfigjson`.
pub const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// The data of a Secret.
pub type Data = BTreeMap<String, ByteString>;

/// User and password, or what Docker's configuration has for the address; nothing where that has none.
///
/// # Errors
/// A sentence that names the Secret and the field, and says what is missing.
pub fn credentials(data: &Data, secret: &str, field: &str, url: &str) -> Result<Option<Credentials>, String> {
    if let Some(config) = text(data, DOCKER_CONFIG) {
        return oci::docker_credentials(&config, url).map_err(|reason| {
            format!("key {DOCKER_CONFIG} of Secret {secret:?} of {field} cannot be used: {reason}; correct it")
        });
    }
    match (text(data, "username"), text(data, "password")) {
        (Some(username), Some(password)) => Ok(Some(Credentials { username, password })),
        _ => Err(format!("Secret {secret:?} of {field} needs the keys username and password: add what is missing")),
    }
}

/// A key that is there and not empty, without the line break that files end with.
pub fn text(data: &Data, key: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&data.get(key)?.0).trim_end_matches(['\r', '\n']).to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> Data {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect()
    }

    #[test]
    fn both_parts_of_credentials_are_needed() {
        let read = |pairs| credentials(&data(pairs), "login", "spec.secret", "https://x.org");
        let complete = read(&[("username", "ann\n"), ("password", "s3cret")]);
        let complete = complete.map(|found| found.map(|found| (found.username, found.password)));
        assert_eq!(complete, Ok(Some(("ann".to_owned(), "s3cret".to_owned()))));
        for incomplete in [&[][..], &[("username", "ann")], &[("username", ""), ("password", "s3cret")]] {
            let failure = read(incomplete).expect_err("incomplete");
            assert!(failure.contains("spec.secret") && !failure.contains("s3cret"), "{failure}");
        }
    }

    #[test]
    fn dockers_configuration_is_read_for_the_host() {
        let config = r#"{"auths": {"x.org": {"username": "ann", "password": "s3cret"}}}"#;
        let read = |config, url| credentials(&data(&[(DOCKER_CONFIG, config)]), "login", "spec.secret", url);
        let found = read(config, "oci://x.org/charts").map(|found| found.map(|found| found.username));
        assert_eq!(found, Ok(Some("ann".to_owned())));
        assert!(read(config, "oci://y.org/charts").is_ok_and(|found| found.is_none()), "as nobody");
        let failure = read("{s3cret", "oci://x.org").expect_err("no JSON");
        assert!(failure.contains(DOCKER_CONFIG) && !failure.contains("s3cret"), "{failure}");
    }
}
