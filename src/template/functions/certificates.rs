//! Certificates (Sprig's `crypto.go`): authorities, self-signed and signed ones, and given ones checked.

use std::any::Any;
use std::net::IpAddr;

use super::arguments::Arguments;
use super::crypto::random;
use super::dates::present;
use super::encodings::base64_decoded;
use super::{CallError, Function, Host};
use crate::template::keys::{Authority, KeyType, PrivateKey, Request, decode, parse_certificate};
use crate::template::print;
use crate::template::time::{Duration, Zone};
use crate::value::Parameter::{Int, List, Named, String as Text};
use crate::value::{Json, Object, Value};

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("buildCustomCert", &[Text, Text], build_custom),
    Function::new("genCA", &[Text, Int], |host, arguments| authority(host, "genCA", arguments, None)),
    Function::new("genCAWithKey", &[Text, Int, Text], |host, arguments| {
        authority(host, "genCAWithKey", arguments, Some(2))
    }),
    Function::new("genSelfSignedCert", &[Text, List, List, Int], |host, arguments| {
        self_signed(host, "genSelfSignedCert", arguments, None)
    }),
    Function::new("genSelfSignedCertWithKey", &[Text, List, List, Int, Text], |host, arguments| {
        self_signed(host, "genSelfSignedCertWithKey", arguments, Some(4))
    }),
    Function::new("genSignedCert", &[Text, List, List, Int, CERTIFICATE], |host, arguments| {
        signed(host, "genSignedCert", arguments, None)
    }),
    Function::new("genSignedCertWithKey", &[Text, List, List, Int, CERTIFICATE, Text], |host, arguments| {
        signed(host, "genSignedCertWithKey", arguments, Some(5))
    }),
];

const CERTIFICATE: crate::value::Parameter = Named("sprig.certificate");

type Outcome = Result<Value, CallError>;

/// What a generated key counts as work, in steps.
const KEY_COST: u64 = 500_000;

/// Sprig's `certificate`: a certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Object for Certificate {
    fn type_name(&self) -> &str {
        "sprig.certificate"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(self.certificate.as_str().into()),
            "Key" => Some(self.key.as_str().into()),
            _ => None,
        }
    }

    fn print(&self, _direct: bool) -> String {
        format!("{{{} {}}}", self.certificate, self.key)
    }

    fn fields(&self) -> Vec<(&str, Value)> {
        vec![("Cert", self.certificate.as_str().into()), ("Key", self.key.as_str().into())]
    }

    fn to_json(&self) -> Json {
        serde_json::json!({"Cert": self.certificate, "Key": self.key})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A given certificate and key, checked and decoded.
fn build_custom(_host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let decoded = |index: usize, what: &str| match base64_decoded(arguments.bytes(index)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(_) => Err(CallError::from(format!("unable to decode base64 {what}"))),
    };
    let certificate = decoded(0, "certificate")?;
    let key = decoded(1, "private key")?;
    let block = decode(&certificate).ok_or("unable to decode certificate")?;
    if parse_certificate(&block.bytes).is_none() {
        return Err("error parsing certificate: decodedCert.Bytes: x509: malformed certificate".into());
    }
    PrivateKey::from_pem(&key).map_err(|error| format!("error parsing private key: {error}"))?;
    Ok(Value::object(Certificate { certificate, key }))
}

/// The key in PEM that an argument gives, or a new one.
fn key(host: &mut dyn Host, arguments: &[Value], given: Option<usize>) -> Result<PrivateKey, CallError> {
    host.charge(KEY_COST, 1 << 16)?;
    match given {
        Some(index) => {
            let text = arguments.text(index);
            Ok(PrivateKey::from_pem(&text.to_text()).map_err(|error| format!("parsing private key: {error}"))?)
        }
        None => {
            Ok(PrivateKey::generate(KeyType::Rsa2048).map_err(|error| format!("error generating rsa key: {error}"))?)
        }
    }
}

/// What is common to all: name, days of validity from now, a random serial number.
fn request(host: &mut dyn Host, arguments: &[Value], days: usize) -> Result<Request, CallError> {
    const DAY: i64 = 24 * 3600 * 1_000_000_000;
    let start = present(host).in_zone(Zone::Utc);
    let end = start.add(Duration(arguments.int(days).wrapping_mul(DAY)));
    Ok(Request {
        common_name: arguments.text(0).to_text().into_owned(),
        dns_names: Vec::new(),
        addresses: Vec::new(),
        validity: (start, end),
        is_authority: false,
        serial: random(host, 16)?,
    })
}

/// A request with alternative names: addresses in the second argument, DNS names in the third.
fn request_with_names(host: &mut dyn Host, arguments: &[Value]) -> Result<Request, CallError> {
    let mut request = request(host, arguments, 3)?;
    let items = |index: usize| arguments.any(index).as_list().map(crate::value::List::items).unwrap_or_default();
    for item in items(1) {
        let Value::Str(text) = item else {
            return Err(format!("error parsing ip: {} is not a string", print::to_text(item)?.to_text()).into());
        };
        let address: Option<IpAddr> = text.as_utf8().and_then(|text| text.parse().ok());
        let address = address.ok_or_else(|| format!("error parsing ip: {}", text.to_text()))?;
        request.addresses.push(address);
    }
    for item in items(2) {
        let Value::Str(text) = item else {
            let shown = print::to_text(item)?;
            return Err(format!("error processing alternate dns name: {} is not a string", shown.to_text()).into());
        };
        request.dns_names.push(text.to_text().into_owned());
    }
    Ok(request)
}

fn issued(request: &Request, key: &PrivateKey, authority: &Authority<'_>) -> Outcome {
    let certificate = request.issue(key, authority).map_err(|error| format!("error creating certificate: {error}"))?;
    Ok(Value::object(Certificate { certificate, key: key.to_pem() }))
}

fn authority(host: &mut dyn Host, name: &str, arguments: &[Value], given_key: Option<usize>) -> Outcome {
    if let Some(fixed) = host.chance().stub(name, arguments) {
        return Ok(fixed?);
    }
    let key = key(host, arguments, given_key)?;
    let request = Request { is_authority: true, ..request(host, arguments, 1)? };
    issued(&request, &key, &Authority::Itself)
}

fn self_signed(host: &mut dyn Host, name: &str, arguments: &[Value], given_key: Option<usize>) -> Outcome {
    if let Some(fixed) = host.chance().stub(name, arguments) {
        return Ok(fixed?);
    }
    let key = key(host, arguments, given_key)?;
    let request = request_with_names(host, arguments)?;
    issued(&request, &key, &Authority::Itself)
}

fn signed(host: &mut dyn Host, name: &str, arguments: &[Value], given_key: Option<usize>) -> Outcome {
    if let Some(fixed) = host.chance().stub(name, arguments) {
        return Ok(fixed?);
    }
    let key = key(host, arguments, given_key)?;
    let field = |name: &str| match arguments.any(4) {
        Value::Object(object) => match object.field(name) {
            Some(Value::Str(text)) => text.to_text().into_owned(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let block = decode(&field("Cert")).ok_or("unable to decode certificate")?;
    if parse_certificate(&block.bytes).is_none() {
        return Err("error parsing certificate: decodedSignerCert.Bytes: x509: malformed certificate".into());
    }
    let signing_key =
        PrivateKey::from_pem(&field("Key")).map_err(|error| format!("error parsing private key: {error}"))?;
    let request = request_with_names(host, arguments)?;
    issued(&request, &key, &Authority::Other(&block.bytes, &signing_key))
}
