//! Leaving `spec.replicas` of a live object to whoever scales it.
//!
//! A server-side apply that leaves a field out resets it if nobody but us owned it ("Transferring ownership" in the
//! documentation of server-side apply). So the field is first taken out of our entry in `managedFields`, which changes
//! nothing of the object, and only then left out; a field that we do not own is not touched, and its changes are no
//! drift. Only an object that does not exist gets the number that the chart says.

use super::apply::{Applied, ApplyOptions};
use super::client::Cluster;
use super::error::ApiError;
use super::migrate;
use super::object::Object;
use crate::value::Json;

/// How often ownership is given up while others keep writing in between.
const ATTEMPTS: usize = 5;
/// The field in the form of `managedFields`.
const REPLICAS: [&str; 2] = ["f:spec", "f:replicas"];

impl Cluster {
    /// Applies an object whose number of replicas belongs to others while it exists.
    pub(super) async fn apply_without_replicas(
        &self,
        object: &Object,
        options: ApplyOptions,
    ) -> Result<Applied, ApiError> {
        let live = match self.read_metadata(object).await {
            Ok(live) => Some(live),
            Err(ApiError::NotFound) => None,
            Err(error) => return Err(error),
        };
        let Some(live) = live else {
            let applied = self.apply_and_migrate(object, options).await?;
            if options.dry_run {
                return Ok(applied);
            }
            let json = self.let_go_of_replicas(object, applied.json).await?;
            return Ok(Applied { key: applied.key, json });
        };
        if !options.dry_run {
            self.let_go_of_replicas(object, live).await?;
        }
        self.apply_and_migrate(&without_replicas(object), options).await
    }

    /// Takes the field out of our entries; gives the object as it is then.
    async fn let_go_of_replicas(&self, object: &Object, mut live: Json) -> Result<Json, ApiError> {
        let collection = self.collection(&object.kind, &object.key.namespace);
        for _ in 0..ATTEMPTS {
            let Some(patch) = migrate::release(&live, &REPLICAS) else { return Ok(live) };
            match self.call::<Json>(collection.json_patch(&object.key.name, &patch)).await {
                Ok(released) => return Ok(released),
                // Somebody wrote in between: the entries are read as they are now.
                Err(ApiError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
            live = self.call(collection.get(&object.key.name)).await?;
        }
        let message = "others keep writing to it while spec.replicas is handed over".to_owned();
        Err(ApiError::Conflict { message })
    }
}

/// The object as it is applied where it exists.
fn without_replicas(object: &Object) -> Object {
    let mut object = object.clone();
    if let Some(spec) = object.json.get_mut("spec").and_then(Json::as_object_mut) {
        spec.remove("replicas");
    }
    object
}
