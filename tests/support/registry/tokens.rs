//! A token server for the registry: for a user with the right password it signs what he may read (JSON Web Tokens with
//! ES256, as the token specification of the distribution project has it).

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::super::background::Background;

const SERVICE: &str = "registry";
const ISSUER: &str = "tests";
const KEY: &str = "key";

/// A running token server; ends on drop.
#[derive(Debug)]
pub struct TokenServer {
    server: Background,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    key: EcdsaKeyPair,
    /// The `Authorization` header that is asked for.
    authorization: String,
    granted: AtomicUsize,
}

impl TokenServer {
    /// Starts it on a thread of its own.
    pub fn start(user: &str, password: &str) -> Result<Self> {
        let random = SystemRandom::new();
        let unspecified = |_| anyhow::anyhow!("no key could be made");
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(unspecified)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
        let key = key.map_err(|_| anyhow::anyhow!("the key cannot be read"))?;
        let authorization = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let shared = Arc::new(Shared { key, authorization, granted: AtomicUsize::new(0) });
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let server = Background::start(0, move |listener| async move { axum::serve(listener, routes).await })?;
        Ok(Self { server, shared })
    }

    /// How many tokens were given out.
    pub fn granted(&self) -> usize {
        self.shared.granted.load(Ordering::Relaxed)
    }

    /// The public key, as the registry reads it.
    pub fn keys(&self) -> Value {
        let point = self.shared.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let key = json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KEY, "x": encode(x), "y": encode(y)});
        json!({"keys": [key]})
    }

    /// What the registry is told of it.
    pub fn configuration(&self, keys: &Path) -> Value {
        let realm = format!("http://{}/token", self.server.address());
        json!({"token": {
            "realm": realm, "service": SERVICE, "issuer": ISSUER, "jwks": keys, "signingalgorithms": ["ES256"],
        }})
    }
}

impl Shared {
    /// A token for reading repositories; it allows nothing else.
    fn token(&self, scope: &str) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let access: Vec<Value> = match scope.split(':').collect::<Vec<_>>()[..] {
            ["repository", name, _] => vec![json!({"type": "repository", "name": name, "actions": ["pull"]})],
            _ => Vec::new(),
        };
        let claims = json!({
            "iss": ISSUER, "sub": "reader", "aud": SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now,
            "jti": now.to_string(), "access": access,
        });
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", encode(&json!({"alg": "ES256", "typ": "JWT", "kid": KEY})), encode(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

async fn answer(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    if given != Some(shared.authorization.as_str()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let query = reqwest::Url::parse(&format!("http://x{uri}")).ok();
    let query: HashMap<String, String> = query.iter().flat_map(|url| url.query_pairs().into_owned()).collect();
    match shared.token(query.get("scope").map_or("", String::as_str)) {
        Some(token) => {
            shared.granted.fetch_add(1, Ordering::Relaxed);
            json!({"token": token, "expires_in": 300}).to_string().into_response()
        }
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
