//! Leaving fields of a live object to others, such as `spec.replicas` to whoever scales it.
//!
//! A server-side apply that leaves a field out resets it if nobody but us owned it ("Transferring ownership" in the
//! documentation of server-side apply). So the field is first taken out of our entry in `managedFields`, which changes
//! nothing of the object, and only then left out; a field that we do not own is not touched, and its changes are no
//! drift. Only an object that does not exist gets what the chart says.

use super::apply::{Applied, ApplyOptions};
use super::client::Cluster;
use super::error::ApiError;
use super::migrate;
use super::object::Object;
use crate::value::Json;

/// How often ownership is given up while others keep writing in between.
const ATTEMPTS: usize = 5;

impl Cluster {
    /// Applies an object of which fields belong to others while it exists.
    pub(super) async fn apply_without_left(
        &self,
        object: &Object,
        options: ApplyOptions<'_>,
    ) -> Result<Applied, ApiError> {
        let live = match self.read_metadata(object).await {
            Ok(live) => Some(live),
            Err(ApiError::NotFound) => None,
            Err(error) => return Err(error),
        };
        let Some(live) = live else {
            let mut applied = self.apply_and_migrate(object, options).await?;
            if !options.dry_run {
                applied.json = self.let_go(object, applied.json).await?;
            }
            return Ok(applied);
        };
        let rest = without_left(object, &live);
        if !options.dry_run {
            self.let_go(object, live).await?;
        }
        self.apply_and_migrate(&rest, options).await
    }

    /// Takes the fields out of our entries; gives the object as it is then.
    async fn let_go(&self, object: &Object, mut live: Json) -> Result<Json, ApiError> {
        let collection = self.collection(&object.kind, &object.key.namespace);
        let let_go = |fields: &mut Json| object.policy.left.iter().for_each(|left| left.let_go(fields, &object.json));
        for _ in 0..ATTEMPTS {
            let Some(patch) = migrate::release(&live, let_go) else { return Ok(live) };
            match self.call::<Json>(collection.json_patch(&object.key.name, &patch)).await {
                Ok(released) => return Ok(released),
                // Somebody wrote in between: the entries are read as they are now.
                Err(ApiError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
            live = self.call(collection.get(&object.key.name)).await?;
        }
        let left: Vec<String> = object.policy.left.iter().map(ToString::to_string).collect();
        let message = format!("others keep writing to it while {} is handed over", left.join(", "));
        Err(ApiError::Conflict { message })
    }
}

/// The object as it is applied where it exists.
fn without_left(object: &Object, live: &Json) -> Object {
    let mut rest = object.clone();
    for left in &object.policy.left {
        left.take_out(&mut rest.json, live);
    }
    rest
}
