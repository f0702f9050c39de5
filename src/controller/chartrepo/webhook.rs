//! What a webhook of a ChartRepo has to know: the token of the Secret that `spec.webhookSecret` names.

use std::fmt;

use kube::{Client, ResourceExt};

use super::Failure;
use super::connection::Surroundings;
use crate::api::Reason;
use crate::api::chart_repo::ChartRepo;
use crate::source::Reach;

/// What those who send webhooks know; debug output does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// How it stands with the webhook of a ChartRepo that has a secret for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is taken.
    Ready,
    /// There is no token, so nobody can prove to know it.
    Broken {
        /// Why, in a word.
        reason: Reason,
        /// Why, in a sentence.
        message: String,
    },
}

impl Token {
    /// The token's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self(token)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Where the webhooks of a ChartRepo are sent to.
pub fn path(object: &ChartRepo) -> String {
    format!("/hooks/{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// The token of a ChartRepo; nothing where it takes no webhooks or its Secret cannot be used, which its status tells.
pub async fn token(client: &Client, object: &ChartRepo, operator_namespace: &str) -> Option<Token> {
    let surroundings =
        Surroundings { client, operator_namespace, reach: Reach::default(), writer: None, workshop: None };
    read(&surroundings, object).await?.ok()
}

/// How it stands; nothing where no webhook is wanted.
pub(super) async fn standing(surroundings: &Surroundings<'_>, object: &ChartRepo) -> Option<Standing> {
    Some(match read(surroundings, object).await? {
        Ok(_) => Standing::Ready,
        Err(Failure { reason, message, .. }) => Standing::Broken { reason, message },
    })
}

async fn read(surroundings: &Surroundings<'_>, object: &ChartRepo) -> Option<Result<Token, Failure>> {
    let reference = object.spec.webhook_secret.as_ref()?;
    let keys = surroundings.secret(object, "spec.webhookSecret", reference).await;
    Some(keys.and_then(|keys| Ok(Token(keys.needed_token()?))))
}
