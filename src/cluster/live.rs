//! Reading live objects: the marks of those that stand in an operation's way, and the content of one that drifted.

use futures::FutureExt;

use super::client::Cluster;
use super::error::{ApiError, ObjectError};
use super::object::{Object, ObjectKey};
use super::ownership::Marks;
use super::parallel::in_parallel;
use crate::value::Json;

impl Cluster {
    /// Reads the marks of each object; those that do not exist are left out.
    ///
    /// # Errors
    /// Why an object could not be read.
    pub async fn read_marks(&self, objects: &[Object]) -> Result<Vec<(ObjectKey, Marks)>, ObjectError> {
        let mut marks = Vec::new();
        for read in in_parallel(objects.iter().map(|object| self.marks_of(object).boxed())).await {
            marks.extend(read?);
        }
        Ok(marks)
    }

    async fn marks_of(&self, object: &Object) -> Result<Option<(ObjectKey, Marks)>, ObjectError> {
        match self.read_metadata(object).await {
            Ok(live) => Ok(Some((object.key.clone(), Marks::of(&live)))),
            Err(ApiError::NotFound | ApiError::KindNotServed) => Ok(None),
            Err(error) => Err(ObjectError { object: object.key.clone(), error }),
        }
    }

    /// The live object of a manifest's object, or nothing where it does not exist.
    ///
    /// # Errors
    /// Why it could not be read, with the object.
    pub async fn live(&self, object: &Object) -> Result<Option<Json>, ObjectError> {
        let request = self.collection(&object.kind, &object.key.namespace).get(&object.key.name);
        match self.call::<Json>(request).await {
            Ok(live) => Ok(Some(live)),
            Err(ApiError::NotFound | ApiError::KindNotServed | ApiError::NamespaceNotFound { .. }) => Ok(None),
            Err(error) => Err(ObjectError { object: object.key.clone(), error }),
        }
    }
}
