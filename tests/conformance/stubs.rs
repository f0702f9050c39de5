//! The functions of chance and the clock as the recording replaced them.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use coxswain::template::functions::{Certificate, Chance};
use coxswain::value::Value;

/// Why there is neither certificate nor key.
const NO_PAIR: &str =
    "stub-cert.pem and stub-key.pem are not beside the recording; COXSWAIN_CONFORMANCE names its folder";

/// Fixed results in place of chance.
#[derive(Debug)]
pub struct Stubs {
    pair: Option<Certificate>,
}

impl Stubs {
    /// Reads the fixed certificate and key of the recording from the first of these folders that has them. Where none
    /// has, what does not make certificates or keys renders all the same.
    pub fn find<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Self {
        let read = |folder: &Path| {
            let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
            Some(Certificate { certificate: read("stub-cert.pem")?, key: read("stub-key.pem")? })
        };
        Self { pair: folders.into_iter().find_map(read) }
    }

    fn pair(&self) -> Result<Certificate, String> {
        self.pair.clone().ok_or_else(|| NO_PAIR.to_owned())
    }
}

impl Chance for Stubs {
    /// 2026-01-02T03:04:05Z.
    fn now(&self) -> i128 {
        1_767_323_045_000_000_000
    }

    fn bytes(&self, n: usize) -> Vec<u8> {
        vec![b'x'; n]
    }

    fn stub(&self, function: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let count = match arguments.first() {
            Some(Value::Int(n) | Value::Int64(n)) => usize::try_from(*n).unwrap_or(0),
            _ => 0,
        };
        let text = |index: usize| match arguments.get(index) {
            Some(Value::Str(text)) => text.to_text().into_owned(),
            _ => String::new(),
        };
        Some(Ok(match function {
            "randAlphaNum" | "randAscii" => repeated("aB3", count),
            "randAlpha" => repeated("aB", count),
            "randNumeric" => repeated("123", count),
            "randBytes" => STANDARD.encode(vec![b'x'; count]).into(),
            "randInt" | "shuffle" => arguments.first().cloned().unwrap_or_default(),
            "uuidv4" => "00000000-0000-4000-8000-000000000000".into(),
            "ago" => "1h0m0s".into(),
            "bcrypt" => "$2a$10$stub".into(),
            "htpasswd" => format!("{}:$2a$10$stub", text(0)).into(),
            "encryptAES" => "c3R1Yg==".into(),
            "genPrivateKey" => return Some(self.pair().map(|pair| pair.key.into())),
            "genCA"
            | "genCAWithKey"
            | "genSelfSignedCert"
            | "genSelfSignedCertWithKey"
            | "genSignedCert"
            | "genSignedCertWithKey" => return Some(self.pair().map(Value::object)),
            _ => return None,
        }))
    }
}

fn repeated(pattern: &str, count: usize) -> Value {
    pattern.chars().cycle().take(count).collect::<String>().into()
}
