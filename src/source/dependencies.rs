//! Charts that a chart in a folder depends on and does not hold: its lock says in which version, and the repositories
//! that are configured have them.

use std::fmt;

use super::folder::Found;
use super::index::Entry;
use super::workshop::Workshop;
use super::{Repository, SourceError};
use crate::chart::{self, Dependency, Limits};

/// Who knows the repositories that charts name.
pub trait Dependencies: fmt::Debug + Send + Sync {
    /// The version of a chart that a lock names, for a repository of this namespace.
    ///
    /// # Errors
    /// Why there is none, and what to do.
    fn find(&self, namespace: &str, dependency: &Dependency) -> Result<(Repository, Entry), String>;
}

/// The chart with all that it needs.
pub(super) async fn complete(found: Found, namespace: &str, workshop: &Workshop) -> Result<Found, SourceError> {
    if found.needed.is_empty() {
        return Ok(found);
    }
    let mut subcharts = Vec::new();
    for dependency in &found.needed {
        let incomplete = |reason| SourceError::Dependency {
            url: found.url.clone(),
            dependency: format!("{} {}", dependency.name, dependency.version),
            reason,
        };
        let (repository, entry) = workshop.dependencies().find(namespace, dependency).map_err(incomplete)?;
        // Else two repositories could need one another for ever.
        if repository.has_one_state() && entry.digest.is_none() {
            return Err(incomplete("it needs other charts itself: put them in its charts/".to_owned()));
        }
        subcharts.push(workshop.charts().archive(&repository, &entry).await?);
    }
    let url = found.url.clone();
    let packed = tokio::task::spawn_blocking(move || {
        let packed = chart::with_subcharts(&found.archive, subcharts, &Limits::default());
        packed.map(|packed| Found { archive: packed.archive, needed: Vec::new(), ..found })
    });
    let packed = packed.await.map_err(|_| SourceError::Interrupted { url: url.clone() })?;
    packed.map_err(|error| SourceError::chart(&url, &error))
}
