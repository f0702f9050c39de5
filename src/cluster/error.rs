//! Why the API server did not do what was asked, one cause per variant. How a reply becomes one of them is in
//! `refusal`.

use std::time::Duration;

use super::admission::Ground;
use super::object::ObjectKey;
use super::policy::is_replaceable;
use crate::render::is_builtin_group;

/// A failure with the object that it concerns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {error}{}", next_step(.object, .error))]
pub struct ObjectError {
    /// The object.
    pub object: ObjectKey,
    /// What happened.
    pub error: ApiError,
}

impl ObjectError {
    /// Whether the API server refused the object, and will again until somebody changes something. Where a custom
    /// resource is refused because of something that is not there, that may only be starting.
    pub fn is_final(&self) -> bool {
        match self.error.ground() {
            Ground::Object | Ground::Rules | Ground::Webhook => true,
            Ground::Absence | Ground::State => !self.error.is_transient() && is_builtin_group(&self.object.group),
        }
    }
}

/// One reason why an object is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The path of the field, as the server writes it; empty where the whole object is meant.
    pub field: String,
    /// What is wrong with it, without the value.
    pub message: String,
}

/// A field that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOwner {
    /// The name of the field manager.
    pub manager: String,
    /// The path of the field.
    pub field: String,
}

/// Why a call to the API server failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The object does not exist.
    #[error("not found")]
    NotFound,
    /// The server does not serve the kind at this version.
    #[error(
        "the API server does not serve this kind and version; install its custom resource definition or correct apiVersion"
    )]
    KindNotServed,
    /// The namespace does not exist.
    #[error("namespace {namespace:?} does not exist; create it or set createNamespace")]
    NamespaceNotFound {
        /// The namespace.
        namespace: String,
    },
    /// The namespace is being deleted and takes nothing new.
    #[error("namespace {namespace:?} is being deleted; wait until it is gone")]
    NamespaceTerminating {
        /// The namespace, empty where the server does not say.
        namespace: String,
    },
    /// An object of this name exists.
    #[error("already exists")]
    AlreadyExists,
    /// The object changed in between, or is not the one that was meant.
    #[error("the object changed meanwhile: {message}")]
    Conflict {
        /// The server's words.
        message: String,
    },
    /// Others own fields that were to be set.
    #[error("fields belong to others: {}", list_owners(.owners))]
    FieldConflict {
        /// The fields and their owners.
        owners: Vec<FieldOwner>,
    },
    /// A field that cannot be changed after creation.
    #[error("field {field} cannot be changed: {message}")]
    Immutable {
        /// The path of the field.
        field: String,
        /// The server's words.
        message: String,
    },
    /// A change of a definition that stored objects would be lost by.
    #[error("field {field} would be changed so that stored data is lost: {message}")]
    LosesData {
        /// The path of the field.
        field: String,
        /// What would be lost, and what to do.
        message: String,
    },
    /// The object was deleted to be made anew, and is still there.
    #[error("the old object is still being deleted; see what its finalizers wait for")]
    Lingering,
    /// Fields that the kind does not have.
    #[error("unknown field {}; correct the template or the values that write it", .fields.join(", "))]
    UnknownField {
        /// The paths of the fields, at least one.
        fields: Vec<String>,
    },
    /// The object is not valid.
    #[error("not valid: {}; correct the template or the values that write it", list_causes(.causes))]
    Invalid {
        /// What is wrong, at least one.
        causes: Vec<Cause>,
    },
    /// The user lacks a right.
    #[error("{user} may not {verb} {resource}{}; grant the right", in_namespace(.namespace))]
    Forbidden {
        /// The user that the server saw.
        user: String,
        /// The missing verb.
        verb: String,
        /// The resource, `resource.group`.
        resource: String,
        /// The namespace, empty for the whole cluster.
        namespace: String,
    },
    /// The credentials were not accepted.
    #[error("the API server does not accept the credentials")]
    Unauthorized,
    /// A quota would be exceeded.
    #[error("refused by a quota: {message}; raise the quota or ask for less")]
    Quota {
        /// The server's words.
        message: String,
        /// The quota was only being updated by another request; asking again helps.
        racing: bool,
    },
    /// An admission rule of the cluster (a policy, a limit range, pod security) refused the object.
    #[error("refused by an admission rule: {message}; correct the object or change the rule")]
    Rejected {
        /// The server's words.
        message: String,
    },
    /// An admission webhook refused the object.
    #[error("admission webhook {webhook:?} denied the request: {message}; correct the object or the webhook's rules")]
    WebhookDenied {
        /// The webhook.
        webhook: String,
        /// Its words.
        message: String,
    },
    /// An admission webhook must not be asked by a dry run, because it has effects of its own.
    #[error("admission webhook {webhook:?} cannot be asked by a dry run; declare its sideEffects as None")]
    DryRunUnsupported {
        /// The webhook.
        webhook: String,
    },
    /// An admission webhook could not be asked.
    #[error("admission webhook {webhook:?} cannot be reached: {message}; see whether its server runs")]
    WebhookUnavailable {
        /// The webhook.
        webhook: String,
        /// The server's words.
        message: String,
    },
    /// The object is larger than the server takes.
    #[error("larger than the API server takes: {message}; make it smaller or split it")]
    TooLarge {
        /// The server's words.
        message: String,
    },
    /// The server asks to come back later.
    #[error("the API server is busy: {message}")]
    Busy {
        /// How long it asks to wait.
        retry_after: Option<Duration>,
        /// Its words.
        message: String,
        /// Whether it may have carried the request out all the same.
        taken: bool,
    },
    /// No answer in time.
    #[error("no answer from the API server within {seconds} seconds")]
    Timeout {
        /// How long was waited.
        seconds: u64,
    },
    /// The resource version or continue token is too old.
    #[error("the resource version is too old")]
    Expired,
    /// The connection failed.
    #[error("the API server cannot be reached: {message}")]
    Transport {
        /// What the connection says.
        message: String,
        /// Whether the request may have reached the server.
        sent: bool,
    },
    /// The lease under which this replica writes may be held by another one, so nothing was sent.
    #[error("another replica may be in charge now, so this one writes nothing more")]
    Fenced,
    /// The reply is not what the API promises.
    #[error("the reply of the API server cannot be read: {message}")]
    Undecodable {
        /// Where it breaks.
        message: String,
    },
    /// Any other refusal.
    #[error("the API server answered {code}: {message}")]
    Server {
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
}

impl ApiError {
    /// How long the server asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same request may well succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::Timeout { .. }
                | Self::Transport { .. }
                | Self::WebhookUnavailable { .. }
                | Self::Conflict { .. }
                | Self::NamespaceTerminating { .. }
                | Self::Expired
                | Self::Lingering
                | Self::Quota { racing: true, .. }
                | Self::Server { code: 500.., .. }
        )
    }

    pub(super) fn undecodable(error: &serde_json::Error) -> Self {
        Self::Undecodable { message: format!("line {}, column {}", error.line(), error.column()) }
    }
}

/// What can be done about a refusal, where that depends on the object.
fn next_step(object: &ObjectKey, error: &ApiError) -> &'static str {
    match error {
        ApiError::Immutable { .. } if is_replaceable(object) => {
            "; take the change back, or allow to delete the object and make it anew (annotation \
             coxswain.dev/replace: \"true\" on it, or spec.replace)"
        }
        ApiError::Immutable { .. } => "; take the change back: objects of this kind are never deleted to be made anew",
        _ => "",
    }
}

fn list_owners(owners: &[FieldOwner]) -> String {
    let one = |owner: &FieldOwner| format!("{} of {:?}", owner.field, owner.manager);
    owners.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn list_causes(causes: &[Cause]) -> String {
    let one = |cause: &Cause| match cause.field.as_str() {
        "" => cause.message.clone(),
        field => format!("{field}: {}", cause.message),
    };
    causes.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn in_namespace(namespace: &str) -> String {
    if namespace.is_empty() { " in the cluster".to_owned() } else { format!(" in namespace {namespace:?}") }
}
