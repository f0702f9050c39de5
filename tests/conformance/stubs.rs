//! The functions of chance and the clock as the recording replaced them.

use std::fs;
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use coxswain::template::functions::{Certificate, Chance};
use coxswain::value::Value;

/// Fixed results in place of chance.
#[derive(Debug)]
pub struct Stubs {
    certificate: String,
    key: String,
}

impl Stubs {
    /// Reads the fixed certificate and key of the recording's folder.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| fs::read_to_string(folder.join(name)).with_context(|| name.to_owned());
        Ok(Self { certificate: read("stub-cert.pem")?, key: read("stub-key.pem")? })
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
            "genPrivateKey" => self.key.as_str().into(),
            "genCA"
            | "genCAWithKey"
            | "genSelfSignedCert"
            | "genSelfSignedCertWithKey"
            | "genSignedCert"
            | "genSignedCertWithKey" => {
                Value::object(Certificate { certificate: self.certificate.clone(), key: self.key.clone() })
            }
            _ => return None,
        }))
    }
}

fn repeated(pattern: &str, count: usize) -> Value {
    pattern.chars().cycle().take(count).collect::<String>().into()
}
