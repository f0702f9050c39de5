//! Charts that requests name by the addresses of their archives.

use anyhow::Result;
use coxswain::api::Reason;
use serde_json::{Value, json};

use crate::bad_input::{CONFIG_MAP, SECRET, pack, promptly_cured, refused};
use crate::support::{Fault, wait};
use crate::world::{LIMIT, Place, world};

/// Puts a version of the chart `plain` at `/web.tgz`; gives its digest.
fn publish(place: &Place<'_>, version: &str) -> Result<String> {
    let packed = pack(place, "plain", version, &[("templates/configmap.yaml", CONFIG_MAP)])?;
    let unfinished = place.folder.path().join("unfinished");
    std::fs::copy(place.folder.path().join(format!("plain-{version}.tgz")), &unfinished)?;
    std::fs::rename(unfinished, place.folder.path().join("web.tgz"))?;
    Ok(packed.digest)
}

fn ask(place: &Place<'_>, name: &str, version: Option<&str>, more: &Value) -> Result<()> {
    let mut http = json!({"url": format!("{}/web.tgz?key={SECRET}", place.server.url())});
    for (field, value) in more.as_object().into_iter().flatten() {
        http[field] = value.clone();
    }
    let mut spec = json!({"source": {"http": http}});
    if let Some(version) = version {
        spec["version"] = json!(version);
    }
    place.apply(&place.request(name, spec))
}

#[tokio::test]
async fn a_chart_at_an_address_is_deployed_and_another_archive_there_is_noticed() -> Result<()> {
    let place = world().bare_place("direct").await?;
    publish(&place, "0.1.0")?;
    place.server.require_token(SECRET);
    ask(&place, "web", Some("0.x"), &json!({"interval": "1s", "secretRef": "login"}))?;
    refused(&place, "web", Reason::CredentialsMissing, &["spec.source.http.secretRef", "\"login\"", "create it"])?;
    place.kubectl(&["create", "secret", "generic", "login", &format!("--from-literal=token={SECRET}")])?;
    promptly_cured(&place, "web")?;

    let is_unchanged = || Ok(place.server.served().last().is_some_and(|served| served.status == 304).then_some(()));
    wait::until(LIMIT, "a look that finds nothing new", is_unchanged)?;
    place.server.fail("web.tgz", Fault::Broken);
    place.until_event("web", "FailedSync", "answered 500")?;
    place.until_ready("web")?;
    publish(&place, "0.2.0")?;
    place.server.heal();
    place.until("helmrequest", "web", "the new version", |request| request["status"]["version"] == "0.2.0")?;
    place.until_ready("web").map(drop)
}

#[tokio::test]
async fn an_address_that_cannot_serve_is_told_with_the_field_to_correct() -> Result<()> {
    let place = world().bare_place("indirect").await?;
    let digest = publish(&place, "0.1.0")?;
    let other = "0".repeat(64);
    ask(&place, "digest", None, &json!({"digest": other}))?;
    ask(&place, "version", Some("^2"), &json!({"digest": digest}))?;
    ask(&place, "metadata", None, &json!({"url": "http://169.254.169.254/web.tgz"}))?;
    ask(&place, "file", None, &json!({"url": "file:///etc/passwd"}))?;
    place.apply(&place.request("registry", json!({"source": {"oci": {"repo": "169.254.169.254/charts/web"}}})))?;
    place.apply(&place.repository("store", "http://[fd00:ec2::254]/charts"))?;
    place.apply(&place.repository("mirror", "oci://169.254.169.254/charts"))?;
    refused(&place, "digest", Reason::DigestMismatch, &["spec.source.http.digest", &other])?;
    refused(&place, "version", Reason::ChartVersionNotFound, &["0.1.0", "\"^2\"", "spec.version"])?;
    for name in ["metadata", "registry"] {
        refused(&place, name, Reason::InvalidAddress, &["169.254.169.254", "--allow-metadata-addresses"])?;
    }
    refused(&place, "file", Reason::InvalidAddress, &["\"file\"", "spec.source.http"])?;
    for name in ["store", "mirror"] {
        place.until("chartrepo", name, "the repository to be refused", |repository| {
            repository["status"]["reason"].as_str().is_some_and(|told| told.contains("--allow-metadata-addresses"))
        })?;
    }
    place.merge("helmrequest", "version", &json!({"spec": {"version": "0.1.0"}}))?;
    place.until_ready("version").map(drop)
}
