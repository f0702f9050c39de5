//! Control planes with the operator's manifest installed, lent to tests that need one to themselves: to kill the operator
//! in, to count its requests, to come between it and the API server. Starting one takes five seconds of the processor, as
//! much as many a test, so one that was given back in order is lent again. Of the tests before, namespaces and what runs
//! in them are left, and nothing that an operator would act on.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use serde_json::json;

use crate::support::{ControlPlane, Options, command};

/// Where the operator runs.
pub const HOME: &str = "captain-system";

static FREE: Mutex<Vec<Ground>> = Mutex::new(Vec::new());

/// A control plane, and the kubeconfig of the operator's service account.
struct Ground {
    cluster: ControlPlane,
    rights: PathBuf,
}

/// One that is lent; given back on drop, unless the test has failed or has spoilt it.
pub struct Lent {
    /// Nothing only while it is dropped.
    ground: Option<Ground>,
    spoilt: bool,
}

impl Lent {
    /// One that is free, or else a new one.
    ///
    /// # Errors
    /// When it does not start.
    pub fn take() -> Result<Self> {
        let found = free().pop();
        let ground = found.map_or_else(Ground::start, Ok)?;
        Ok(Self { ground: Some(ground), spoilt: false })
    }

    /// A new one in which nothing is installed, for this test only.
    ///
    /// # Errors
    /// When it does not start.
    pub fn bare() -> Result<Self> {
        let cluster = ControlPlane::start(Options::default())?;
        let rights = cluster.kubeconfig().to_owned();
        Ok(Self { ground: Some(Ground { cluster, rights }), spoilt: true })
    }

    /// Not lent to anyone after this test, because it leaves the control plane otherwise than it was.
    pub fn spoil(&mut self) {
        self.spoilt = true;
    }

    /// The kubeconfig of the operator's service account.
    pub fn rights(&self) -> &Path {
        &self.ground().rights
    }

    fn ground(&self) -> &Ground {
        self.ground.as_ref().expect("it is there until it is dropped")
    }
}

impl Deref for Lent {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        &self.ground().cluster
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(ground) = self.ground.take() else { return };
        if !self.spoilt && !std::thread::panicking() && ground.sweep().is_ok() {
            free().push(ground);
        }
    }
}

impl Ground {
    fn start() -> Result<Self> {
        let cluster = ControlPlane::start(Options::default())?;
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/install.yaml");
        command::output(cluster.kubectl().args(["apply", "--server-side", "-f"]).arg(manifest))?;
        let rights = cluster.service_account_kubeconfig(HOME, "coxswain")?;
        Ok(Self { cluster, rights })
    }

    /// Removes what the next operator would act on: requests, repositories, Captain's releases, records and leases.
    fn sweep(&self) -> Result<()> {
        let group = "app.alauda.io";
        for (kind, selector) in [
            (format!("helmrequests.{group}"), ""),
            (format!("chartrepos.{group}"), ""),
            (format!("releases.{group}"), ""),
            ("secrets".to_owned(), "owner=helm"),
        ] {
            self.remove_all(None, &kind, selector)?;
        }
        self.remove_all(Some(HOME), "leases.coordination.k8s.io", "")
    }

    fn remove_all(&self, namespace: Option<&str>, kind: &str, selector: &str) -> Result<()> {
        let objects = self.cluster.objects();
        for object in objects.list_metadata(namespace, kind, selector)? {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
            if !object["metadata"]["finalizers"].is_null() {
                let released = json!({"metadata": {"finalizers": null}});
                objects.merge(text("namespace"), kind, text("name"), &released)?;
            }
            objects.delete(text("namespace"), kind, text("name"))?;
        }
        Ok(())
    }
}

fn free() -> MutexGuard<'static, Vec<Ground>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}
