//! Taking over from Captain: its Release objects become records of Helm, which are then adopted like those of any other
//! writer.
//!
//! A request tells by its status that Captain has deployed it, so only then, and only until it is adopted, its Release
//! objects are asked for: where Captain never was, this costs nothing. The objects stay as they are.

use kube::api::{Api, ListParams};
use serde_json::json;

use super::deploy::Deployment;
use super::journal::Journal;
use crate::api::HelmRequest;
use crate::api::release::Release;
use crate::cluster::ApiError;
use crate::cluster::notes::Notes;
use crate::cluster::storage::StorageError;
use crate::controller::failure::{Failure, reason_of};
use crate::release::{DecodeError, Record, Status, decode_json, secret};
use crate::value::Json;

impl Deployment<'_> {
    /// Writes the history that Captain kept of the release as records of Helm, where that was not done before.
    ///
    /// # Errors
    /// Captain's objects cannot be read, or the records cannot be written.
    pub async fn import_from_captain(&self) -> Result<(), Failure> {
        let known = self.context.records.revisions(self.release);
        if !was_deployed_by_captain(self.request) || known.iter().any(|meta| meta.notes.inputs.is_some()) {
            return Ok(());
        }
        let mut imported: Vec<Record> = self.captain_releases().await?.iter().filter_map(read).collect();
        imported.retain(|record| known.iter().all(|meta| meta.revision != record.version));
        // The newest first: whoever reads the history meanwhile sees what is deployed.
        imported.sort_by_key(|record| std::cmp::Reverse(record.version));
        for record in imported {
            let journal = Journal::new(self.cluster, &self.context.records, record, Notes::default());
            match journal.create().await {
                Ok(()) | Err(StorageError::Api { error: ApiError::AlreadyExists, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn captain_releases(&self) -> Result<Vec<Release>, Failure> {
        let api: Api<Release> = Api::namespaced(self.context.cluster().client(), &self.release.namespace);
        match api.list(&ListParams::default().labels(&secret::selector(&self.release.name))).await {
            Ok(listed) => Ok(listed.items),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Vec::new()),
            Err(error) => {
                let error = ApiError::from(error);
                let namespace = &self.release.namespace;
                let message = format!("Captain's Release objects in namespace {namespace:?} cannot be listed: {error}");
                Err(Failure::new(reason_of(&error), message))
            }
        }
    }
}

/// Whether Captain has deployed a request and nobody has taken it over since: it leaves a hash and no revision.
fn was_deployed_by_captain(request: &HelmRequest) -> bool {
    request.status.as_ref().is_some_and(|status| status.revision.is_none() && status.last_spec_hash.is_some())
}

/// The record that a Release object is; one that cannot be read is left out of the history.
fn read(release: &Release) -> Option<Record> {
    let name = release.metadata.name.as_deref().unwrap_or_default();
    match record_of(release) {
        Ok(record) => Some(record).filter(|record| record.version > 0),
        Err(error) => {
            let namespace = release.metadata.namespace.as_deref().unwrap_or_default();
            tracing::warn!(namespace, name, %error, "a Release object of Captain cannot be read");
            None
        }
    }
}

/// A Release object as Helm has it.
fn record_of(release: &Release) -> Result<Record, DecodeError> {
    let spec = &release.spec;
    let status = release.status.clone().unwrap_or_default();
    let part = |text: &str| if text.is_empty() { Ok(Json::Null) } else { decode_json::<Json>(text.as_bytes()) };
    let manifest = part(&spec.manifest_data)?;
    let record = json!({
        "name": spec.name,
        "namespace": release.metadata.namespace,
        "version": spec.version.unwrap_or_default(),
        "info": {
            "first_deployed": status.first_deployed,
            "last_deployed": status.last_deployed,
            "deleted": status.deleted,
            "description": status.description,
            "status": Status::parse(&status.status).name(),
            "notes": status.notes,
        },
        "chart": part(&spec.chart_data)?,
        "config": part(&spec.config_data)?,
        "manifest": manifest.as_str().unwrap_or_default(),
        "hooks": part(&spec.hooks_data)?,
    });
    Ok(serde_json::from_value(record)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::Value;

    fn release(status: &str) -> Release {
        let plain = |part: Value| STANDARD.encode(part.to_string());
        let hook = json!({"name": "web-test", "kind": "Pod", "manifest": "kind: Pod", "events": ["test", "crd-install"],
                          "last_run": {"started_at": "", "completed_at": "", "phase": ""}});
        serde_json::from_value(json!({
            "apiVersion": "app.alauda.io/v1alpha1", "kind": "Release",
            "metadata": {"name": "sh.helm.release.v1.web.v2", "namespace": "shop"},
            "spec": {
                "name": "web", "version": 2,
                "chartData": plain(json!({"metadata": {"name": "hello", "version": "0.1.0"}, "templates": []})),
                "configData": plain(json!({"replicas": 2})),
                "manifestData": plain(json!("---\n# Source: hello/templates/x.yaml\nkind: X\n")),
                "hooksData": plain(json!([hook])),
            },
            "status": {
                "status": status, "first_deployed": "2023-03-13T02:11:12.5Z", "last_deployed": "2023-03-14T02:11:12Z",
                "deleted": "", "Description": "Upgrade complete", "notes": "hello",
            },
        }))
        .expect("a Release object")
    }

    #[test]
    fn a_release_object_becomes_a_record_of_helm() -> anyhow::Result<()> {
        let record = record_of(&release("deployed"))?;
        assert_eq!((record.name.as_str(), record.namespace.as_str(), record.version), ("web", "shop", 2));
        assert_eq!((record.info.status, record.info.deleted), (Status::Deployed, None));
        assert_eq!(record.info.first_deployed, Some("2023-03-13T02:11:12.5Z".parse()?));
        assert_eq!((record.info.description.as_str(), record.info.notes.as_str()), ("Upgrade complete", "hello"));
        assert_eq!((record.chart.metadata.name.as_str(), &record.config["replicas"]), ("hello", &json!(2.0)));
        assert!(record.manifest.contains("kind: X") && record.apply_method.is_client_side());
        assert_eq!((record.hooks[0].name.as_str(), record.hooks[0].events.len()), ("web-test", 1));
        assert_eq!(record_of(&release("pending-upgrade"))?.info.status, Status::PendingUpgrade);
        Ok(())
    }

    #[test]
    fn a_damaged_release_object_is_no_record_and_an_empty_part_is_none() -> anyhow::Result<()> {
        let mut damaged = release("superseded");
        damaged.spec.manifest_data = "%".to_owned();
        assert!(record_of(&damaged).is_err() && read(&damaged).is_none());
        damaged.spec.manifest_data.clear();
        damaged.spec.hooks_data = STANDARD.encode("null");
        let record = record_of(&damaged)?;
        assert!(record.manifest.is_empty() && record.hooks.is_empty());
        Ok(())
    }

    #[test]
    fn captain_is_asked_only_about_what_it_has_deployed_and_we_have_not() -> anyhow::Result<()> {
        for (status, expected) in [
            (json!({"phase": "Synced", "lastSpecHash": "4281660189866827659", "version": "6.14.1"}), true),
            (json!({"phase": "Synced", "lastSpecHash": "428", "revision": 1}), false),
            (json!({"phase": "Pending"}), false),
            (json!(null), false),
        ] {
            let request: HelmRequest = serde_json::from_value(json!({
                "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "metadata": {"name": "web"}, "spec": {},
                "status": status,
            }))?;
            assert_eq!(was_deployed_by_captain(&request), expected, "{status}");
        }
        Ok(())
    }
}
