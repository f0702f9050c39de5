//! How senders of webhooks prove that they know a token: by a signature of the body, or by saying it.
//!
//! GitHub, Gitea, Bitbucket and Flux's generic receiver sign the body with HMAC and send the signature in hexadecimal
//! digits; GitLab and Harbor send the token itself in a header. Everything is compared in constant time, and a body is
//! signed as it comes in, so that none is ever held in memory.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use ring::hmac::{self, Algorithm, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use ring::rand::SystemRandom;

use crate::value::hex;

/// The headers that have a signature, for example `sha256=0a1b…`; without a name it is SHA-256.
const SIGNATURES: [&str; 4] = ["x-hub-signature-256", "x-hub-signature", "x-signature", "x-gitea-signature"];
/// The header of GitLab, which has the token.
const GITLAB: &str = "x-gitlab-token";

/// What a sender says to prove that it knows the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A signature of the body.
    Signature {
        /// How it is made.
        algorithm: Algorithm,
        /// The hexadecimal digits.
        digits: String,
    },
    /// The token itself.
    Token(Vec<u8>),
}

/// A proof that is being verified.
#[derive(Debug)]
pub struct Verification {
    said: Vec<u8>,
    right: Right,
}

/// What is right to say.
#[derive(Debug)]
enum Right {
    /// The signature of what came in until now.
    Signature(Box<hmac::Context>),
    /// The token.
    Token(Vec<u8>),
}

impl Proof {
    /// The proof in the headers of a webhook, if there is one.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        for name in SIGNATURES {
            let signature = headers.get(name).and_then(|value| Self::signature(value.to_str().ok()?));
            if signature.is_some() {
                return signature;
            }
        }
        if let Some(token) = headers.get(GITLAB) {
            return Some(Self::Token(token.as_bytes().to_vec()));
        }
        let authorization = headers.get(AUTHORIZATION)?.as_bytes();
        Some(Self::Token(authorization.strip_prefix(b"Bearer ").unwrap_or(authorization).to_vec()))
    }

    fn signature(text: &str) -> Option<Self> {
        let (algorithm, digits) = match text.trim().split_once('=') {
            None => (HMAC_SHA256, text.trim()),
            Some(("sha256", digits)) => (HMAC_SHA256, digits),
            Some(("sha384", digits)) => (HMAC_SHA384, digits),
            Some(("sha512", digits)) => (HMAC_SHA512, digits),
            Some(_) => return None,
        };
        Some(Self::Signature { algorithm, digits: digits.to_ascii_lowercase() })
    }

    /// Begins to verify it; the body follows.
    pub fn verify(self, token: &[u8]) -> Verification {
        match self {
            Self::Signature { algorithm, digits } => {
                let context = hmac::Context::with_key(&hmac::Key::new(algorithm, token));
                Verification { said: digits.into_bytes(), right: Right::Signature(Box::new(context)) }
            }
            Self::Token(said) => Verification { said, right: Right::Token(token.to_vec()) },
        }
    }
}

impl Verification {
    /// Takes a piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        if let Right::Signature(context) = &mut self.right {
            context.update(piece);
        }
    }

    /// Whether the sender knows the token.
    pub fn finish(self) -> bool {
        let right = match self.right {
            Right::Signature(context) => hex(context.sign().as_ref()).into_bytes(),
            Right::Token(token) => token,
        };
        is_same(&self.said, &right)
    }
}

/// Compares in a time that does not depend on what is equal: not the texts but their signatures with a key that nobody
/// knows are compared.
fn is_same(said: &[u8], right: &[u8]) -> bool {
    let Ok(key) = hmac::Key::generate(HMAC_SHA256, &SystemRandom::new()) else { return false };
    hmac::verify(&key, right, hmac::sign(&key, said).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    /// The example of GitHub's documentation.
    const SECRET: &[u8] = b"It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn is_proved(header: &'static str, value: &str, body: &[u8]) -> bool {
        let value = HeaderValue::from_str(value).expect("a header");
        let headers = HeaderMap::from_iter([(HeaderName::from_static(header), value)]);
        Proof::of(&headers).is_some_and(|proof| {
            let mut verification = proof.verify(SECRET);
            body.chunks(3).for_each(|piece| verification.update(piece));
            verification.finish()
        })
    }

    #[test]
    fn a_signature_is_that_of_the_body_with_the_token() {
        for (header, value) in [
            ("x-hub-signature-256", format!("sha256={SIGNATURE}")),
            ("x-signature", format!("sha256={}", SIGNATURE.to_uppercase())),
            ("x-gitea-signature", SIGNATURE.to_owned()),
        ] {
            assert!(is_proved(header, &value, BODY), "{header}");
            assert!(!is_proved(header, &value, b"Hello, World"), "{header}");
        }
        let long = hex(hmac::sign(&hmac::Key::new(HMAC_SHA512, SECRET), BODY).as_ref());
        assert!(is_proved("x-signature", &format!("sha512={long}"), BODY));
    }

    #[test]
    fn a_token_is_said_as_gitlab_and_harbor_do() {
        let secret = std::str::from_utf8(SECRET).expect("text");
        assert!(is_proved("x-gitlab-token", secret, BODY));
        assert!(is_proved("authorization", secret, BODY));
        assert!(is_proved("authorization", &format!("Bearer {secret}"), BODY));
    }

    #[test]
    fn anything_else_proves_nothing() {
        for (header, value) in [
            ("x-hub-signature-256", "sha256=".to_owned()),
            ("x-hub-signature-256", format!("sha1={SIGNATURE}")),
            ("x-hub-signature-256", format!("sha512={SIGNATURE}")),
            ("x-signature", SIGNATURE[1..].to_owned()),
            ("x-gitlab-token", String::new()),
            ("x-gitlab-token", SIGNATURE.to_owned()),
            ("authorization", "Bearer It's a secret".to_owned()),
            ("x-token", "It's a Secret to Everybody".to_owned()),
        ] {
            assert!(!is_proved(header, &value, BODY), "{header}: {value}");
        }
    }
}
