//! Charts that cannot be had, loaded or rendered, and values that do not fit them.

use anyhow::Result;
use coxswain::api::Reason;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::bad_input::{
    CONFIG_MAP, SECRET, ask, cured, draft, list, open_store, pack, promptly_cured, publish_plain, refused,
};
use crate::support::Fault;
use crate::support::charts::{self, Packed, digest};
use crate::world::{Place, world};

#[tokio::test]
async fn bad_chart_or_version_that_the_index_does_not_have() -> Result<()> {
    let place = world().bare_place("not-published").await?;
    let plain = publish_plain(&place)?;
    open_store(&place)?;
    ask(&place, "web", "store/plian", &json!({}))?;
    ask(&place, "next", "store/plain", &json!({"version": "0.2.0"}))?;
    refused(&place, "web", Reason::ChartNotFound, &["\"plian\"", "it has plain", "correct spec.chart"])?;
    let words = ["\"plain\" has no version \"0.2.0\"", "it has 0.1.0", "correct spec.version"];
    refused(&place, "next", Reason::ChartVersionNotFound, &words)?;

    // The interval of the repository is far longer than the test waits.
    let files = [("templates/configmap.yaml", CONFIG_MAP)];
    let published = [plain, pack(&place, "plain", "0.2.0", &files)?, pack(&place, "plian", "0.1.0", &files)?];
    list(&place, &published)?;
    cured(&place, "web")?;
    cured(&place, "next").map(drop)
}

#[tokio::test]
async fn bad_archive_that_is_not_what_the_index_says() -> Result<()> {
    let place = world().bare_place("digest").await?;
    let plain = publish_plain(&place)?;
    place.server.fail(".tgz", Fault::WrongDigest);
    open_store(&place)?;
    ask(&place, "web", "store/plain", &json!({}))?;
    let words = ["plain-0.1.0.tgz has digest", &plain.digest, "publish both again"];
    refused(&place, "web", Reason::DigestMismatch, &words)?;
    place.server.fail(".tgz", Fault::NotFound);
    refused(&place, "web", Reason::NotFound, &["plain-0.1.0.tgz answered 404", "the index names it"])?;
    place.server.heal();
    cured(&place, "web").map(drop)
}

#[tokio::test]
async fn bad_archive_that_cannot_be_loaded() -> Result<()> {
    let place = world().bare_place("archives").await?;
    let files = [("templates/configmap.yaml", CONFIG_MAP)];
    let large = draft(&place, "large", "0.1.0", &files)?;
    std::fs::write(large.join("zeros"), vec![0; 6 << 20])?;
    let large = charts::pack(&large, place.folder.path())?;
    let text = replaced(pack(&place, "text", "0.1.0", &files)?, SECRET.as_bytes())?;
    let escaping = replaced(pack(&place, "escaping", "0.1.0", &files)?, &escaping_archive()?)?;
    list(&place, &[large, text, escaping])?;
    open_store(&place)?;
    for name in ["large", "text", "escaping"] {
        ask(&place, name, &format!("store/{name}"), &json!({}))?;
    }
    let words = ["text-0.1.0.tgz is not a chart", "gzip: invalid header", "publish it again"];
    refused(&place, "text", Reason::ChartInvalid, &words)?;
    let words = ["large-0.1.0.tgz", "\"zeros\" is larger than the maximum file size 5242880", "make it smaller"];
    refused(&place, "large", Reason::ChartTooLarge, &words)?;
    let words = ["escaping-0.1.0.tgz", "chart illegally references parent directory", "publish it again"];
    refused(&place, "escaping", Reason::ChartInvalid, &words)?;

    std::fs::remove_file(place.folder.path().join("drafts/large-0.1.0/zeros"))?;
    let names = ["large", "text", "escaping"];
    let corrected: Result<Vec<Packed>> = names.iter().map(|name| pack(&place, name, "0.1.0", &files)).collect();
    list(&place, &corrected?)?;
    for name in names {
        cured(&place, name)?;
    }
    Ok(())
}

/// The chart with another archive, which the index names as it is.
fn replaced(mut chart: Packed, archive: &[u8]) -> Result<Packed> {
    std::fs::write(&chart.path, archive)?;
    chart.digest = digest(archive);
    Ok(chart)
}

/// An archive with a file outside of the chart's folder, which no honest tool writes.
fn escaping_archive() -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let content = b"apiVersion: v2\nname: escaping\nversion: 0.1.0\n";
    for path in ["escaping/Chart.yaml", "escaping/../../outside.yaml"] {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, &content[..])?;
    }
    Ok(archive.into_inner()?.finish()?)
}

/// A ConfigMap and a Secret that hold a values file each, and the fields of a request that takes its values from them.
fn sources(place: &Place<'_>, tuning: &str, login: &str) -> Result<Value> {
    place.kubectl(&["create", "configmap", "tuning", &format!("--from-literal=values.yaml={tuning}")])?;
    place.kubectl(&["create", "secret", "generic", "login", &format!("--from-literal=values.yaml={login}")])?;
    Ok(json!({"valuesFrom": [{"configMapKeyRef": {"name": "tuning"}}, {"secretKeyRef": {"name": "login"}}]}))
}

#[tokio::test]
async fn bad_template() -> Result<()> {
    let place = world().bare_place("template").await?;
    let check = "{{ if ne .Values.mode \"fast\" }}{{ fail (printf \"mode %s with %s is slow\" .Values.mode .Values.password) }}{{ end }}\n";
    let strict = pack(&place, "strict", "0.1.0", &[("templates/configmap.yaml", &format!("{check}{CONFIG_MAP}"))])?;
    list(&place, &[strict])?;
    open_store(&place)?;
    let sources = sources(&place, "mode: slow", &format!("password: {SECRET}"))?;
    ask(&place, "web", "store/strict", &sources)?;
    let words = [
        "execution error at (strict/templates/configmap.yaml:1:34): mode slow with … is slow",
        "correct the values or the template",
    ];
    refused(&place, "web", Reason::TemplateError, &words)?;
    place.merge("configmap", "tuning", &json!({"data": {"values.yaml": "mode: fast"}}))?;
    promptly_cured(&place, "web")
}

#[tokio::test]
async fn bad_values_that_break_the_schema() -> Result<()> {
    let place = world().bare_place("schema").await?;
    let schema = json!({"properties": {"replicas": {"type": "integer"}, "password": {"pattern": "^[0-9]+$"}}});
    let files = [("templates/configmap.yaml", CONFIG_MAP), ("values.schema.json", &schema.to_string())];
    list(&place, &[pack(&place, "checked", "0.1.0", &files)?])?;
    open_store(&place)?;
    let sources = sources(&place, "replicas: three", &format!("password: {SECRET}"))?;
    ask(&place, "web", "store/checked", &sources)?;
    let words = [
        "checked: ",
        "at '/replicas': got string, want integer",
        "at '/password': the value does not match pattern '^[0-9]+$'",
        "correct the values",
    ];
    refused(&place, "web", Reason::SchemaViolation, &words)?;
    place.merge("configmap", "tuning", &json!({"data": {"values.yaml": "replicas: 3"}}))?;
    place.merge("secret", "login", &json!({"stringData": {"values.yaml": "password: \"1234\""}}))?;
    promptly_cured(&place, "web")
}

#[tokio::test]
async fn bad_references_to_values() -> Result<()> {
    let place = world().bare_place("references").await?;
    publish_plain(&place)?;
    open_store(&place)?;
    let sources = json!([
        {"configMapKeyRef": {"name": "tuning"}},
        {"secretKeyRef": {"name": "login", "key": "extra"}},
    ]);
    ask(&place, "web", "store/plain", &json!({"valuesFrom": sources}))?;
    let missing = Reason::ValuesSourceMissing;
    refused(&place, "web", missing, &["ConfigMap \"tuning\" does not exist", &place.namespace, "create it"])?;
    place.kubectl(&["create", "configmap", "tuning", "--from-literal=values.yaml=message: tuned"])?;
    refused(&place, "web", missing, &["Secret \"login\" does not exist", &place.namespace, "create it"])?;
    place.kubectl(&["create", "secret", "generic", "login", &format!("--from-literal=other={SECRET}")])?;
    refused(&place, "web", missing, &["Secret \"login\"", "has no key \"extra\"", "add the key"])?;
    place.merge("secret", "login", &json!({"stringData": {"extra": format!("- {SECRET}")}}))?;
    refused(&place, "web", Reason::ValuesInvalid, &["login key extra is not a YAML map", "correct the values file"])?;
    place.merge("secret", "login", &json!({"stringData": {"extra": format!("password: {SECRET}")}}))?;
    promptly_cured(&place, "web")
}
