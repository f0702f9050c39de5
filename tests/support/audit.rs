//! Reading the API server's audit log: who asked for what.
//!
//! The log holds every request of the programs under test; of the control plane's own parts only what changes
//! something. A line appears a moment after the answer, so count with [`super::wait`] rather than at once.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `ResponseComplete`, or `ResponseStarted` for a watch that has begun.
    pub stage: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Who asked.
    pub user: String,
    /// As whom, if impersonating; else empty.
    pub impersonated: String,
    /// The asking program.
    pub user_agent: String,
    /// Path and query.
    pub uri: String,
    /// API group; empty for the core group.
    pub group: String,
    /// Plural resource name; empty for a path that is not a resource.
    pub resource: String,
    /// `status` and the like, else empty.
    pub subresource: String,
    /// Namespace, else empty.
    pub namespace: String,
    /// Object name, else empty. A `create` names none where the name was in the body only.
    pub name: String,
    /// HTTP status of the answer.
    pub code: u64,
}

impl Request {
    /// Whether it asked for a change.
    pub fn writes(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    fn from_line(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Self {
            stage: text("/stage"),
            verb: text("/verb"),
            user: text("/user/username"),
            impersonated: text("/impersonatedUser/username"),
            user_agent: text("/userAgent"),
            uri: text("/requestURI"),
            group: text("/objectRef/apiGroup"),
            resource: text("/objectRef/resource"),
            subresource: text("/objectRef/subresource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            code: line.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default(),
        })
    }
}

/// A place in the audit log; reads what came after it.
#[derive(Debug, Clone)]
pub struct Mark {
    log: PathBuf,
    offset: usize,
}

impl Mark {
    /// The present end of the log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn here(log: &Path) -> Result<Self> {
        let offset = std::fs::metadata(log).with_context(|| format!("cannot read {}", log.display()))?.len();
        Ok(Self { log: log.to_owned(), offset: usize::try_from(offset)? })
    }

    /// All requests after the mark, oldest first. The line still being written is left out.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn requests(&self) -> Result<Vec<Request>> {
        let content = std::fs::read(&self.log).with_context(|| format!("cannot read {}", self.log.display()))?;
        let new = content.get(self.offset..).unwrap_or_default();
        let whole = new.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        Ok(String::from_utf8_lossy(&new[..whole]).lines().filter_map(Request::from_line).collect())
    }
}
