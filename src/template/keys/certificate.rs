//! X.509 certificates as Sprig has Go make them (`crypto/x509` CreateCertificate).

use std::net::IpAddr;

use ring::digest::{SHA256, digest};

use super::der::{self, Reader};
use super::pem;
use super::private_key::{PrivateKey, Signer};
use crate::template::time::Time;

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct Request {
    /// The subject's common name; may be empty.
    pub common_name: String,
    /// Alternative names.
    pub dns_names: Vec<String>,
    /// Alternative addresses.
    pub addresses: Vec<IpAddr>,
    /// First and last instant of validity.
    pub validity: (Time, Time),
    /// Whether it may sign others.
    pub is_authority: bool,
    /// 16 random bytes.
    pub serial: Vec<u8>,
}

/// Who signs.
pub enum Authority<'a> {
    /// The certificate's own key.
    Itself,
    /// Another certificate, in DER, and its key.
    Other(&'a [u8], &'a PrivateKey),
}

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const SERVER_AUTHENTICATION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const CLIENT_AUTHENTICATION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

/// Digital signature and key encipherment, as a BIT STRING's content.
const LEAF_USAGE: &[u8] = &[5, 0xa0];
/// The same and signing certificates.
const AUTHORITY_USAGE: &[u8] = &[2, 0xa4];

/// What is needed of a certificate to sign in its name.
pub struct Parsed<'a> {
    subject: &'a [u8],
    public_key_info: &'a [u8],
    subject_key_identifier: Option<&'a [u8]>,
}

/// Reads a certificate in DER as far as its structure goes.
pub fn parse_certificate(bytes: &[u8]) -> Option<Parsed<'_>> {
    let mut certificate = Reader::only_sequence(bytes)?;
    let mut body = Reader::new(certificate.expect(der::SEQUENCE)?.content);
    certificate.expect(der::SEQUENCE)?;
    certificate.expect(der::BIT_STRING)?;
    body.optional(der::explicit(0));
    body.expect(der::INTEGER)?;
    body.expect(der::SEQUENCE)?;
    body.expect(der::SEQUENCE)?;
    body.expect(der::SEQUENCE)?;
    let subject = body.expect(der::SEQUENCE)?.whole;
    let public_key_info = body.expect(der::SEQUENCE)?.whole;
    let mut subject_key_identifier = None;
    while let Some(part) = body.next() {
        if part.tag == der::explicit(3) {
            subject_key_identifier = key_identifier(part.content);
        }
    }
    (body.is_at_end() && certificate.is_at_end()).then_some(Parsed { subject, public_key_info, subject_key_identifier })
}

fn key_identifier(extensions: &[u8]) -> Option<&[u8]> {
    let mut extensions = Reader::only_sequence(extensions)?;
    while let Some(extension) = extensions.expect(der::SEQUENCE) {
        let mut parts = Reader::new(extension.content);
        if parts.expect(der::OBJECT_IDENTIFIER)?.content == SUBJECT_KEY_IDENTIFIER {
            parts.optional(der::BOOLEAN);
            let value = parts.expect(der::OCTET_STRING)?.content;
            return Reader::new(value).expect(der::OCTET_STRING).map(|identifier| identifier.content);
        }
    }
    None
}

impl Request {
    /// Makes the certificate of a key, in PEM.
    ///
    /// # Errors
    /// Go's texts, without the prefix that Sprig puts before them.
    pub fn issue(&self, key: &PrivateKey, authority: &Authority<'_>) -> Result<String, String> {
        let subject_key = key.signer()?;
        match authority {
            Authority::Itself => self.signed(&subject_key, &subject_key, None),
            Authority::Other(certificate, signing_key) => {
                let parent = parse_certificate(certificate).ok_or("x509: malformed certificate")?;
                let signer = signing_key.signer()?;
                if signer.public_key_info != parent.public_key_info {
                    return Err("x509: provided PrivateKey doesn't match parent's PublicKey".to_owned());
                }
                self.signed(&subject_key, &signer, Some(&parent))
            }
        }
    }

    fn signed(&self, subject_key: &Signer, signer: &Signer, parent: Option<&Parsed<'_>>) -> Result<String, String> {
        let subject = self.subject();
        let issuer = parent.map_or(subject.as_slice(), |parent| parent.subject);
        let authority_key = parent.filter(|_| issuer != subject).and_then(|parent| parent.subject_key_identifier);
        let body = der::sequence(&[
            &der::element(der::explicit(0), &der::integer(&[2])),
            &der::integer(&self.serial),
            &signer.signature_algorithm,
            issuer,
            &der::sequence(&[&instant(&self.validity.0)?, &instant(&self.validity.1)?]),
            &subject,
            &subject_key.public_key_info,
            &self.extensions(&subject_key.public_key, authority_key)?,
        ]);
        let signature = signer.sign(&body)?;
        let certificate = der::sequence(&[&body, &signer.signature_algorithm, &der::bit_string(&signature)]);
        Ok(pem::encode("CERTIFICATE", &certificate))
    }

    fn subject(&self) -> Vec<u8> {
        if self.common_name.is_empty() {
            return der::sequence(&[]);
        }
        let name = self.common_name.as_bytes();
        let printable = |byte: &u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(byte);
        let tag = if name.iter().all(printable) { der::PRINTABLE_STRING } else { der::UTF8_STRING };
        let attribute = der::sequence(&[&der::object_identifier(COMMON_NAME), &der::element(tag, name)]);
        der::sequence(&[&der::element(der::SET, &attribute)])
    }

    /// The extensions in Go's order.
    fn extensions(&self, public_key: &[u8], authority_key: Option<&[u8]>) -> Result<Vec<u8>, String> {
        let usage = if self.is_authority { AUTHORITY_USAGE } else { LEAF_USAGE };
        let purposes = [SERVER_AUTHENTICATION, CLIENT_AUTHENTICATION].map(der::object_identifier).concat();
        let authority: &[u8] = if self.is_authority { &[der::BOOLEAN, 1, 0xff] } else { &[] };
        let mut extensions = vec![
            extension(KEY_USAGE, true, &der::element(der::BIT_STRING, usage)),
            extension(EXTENDED_KEY_USAGE, false, &der::element(der::SEQUENCE, &purposes)),
            extension(BASIC_CONSTRAINTS, true, &der::element(der::SEQUENCE, authority)),
        ];
        if self.is_authority {
            let identifier = der::element(der::OCTET_STRING, &digest(&SHA256, public_key).as_ref()[..20]);
            extensions.push(extension(SUBJECT_KEY_IDENTIFIER, false, &identifier));
        }
        if let Some(identifier) = authority_key {
            let identifier = der::sequence(&[&der::element(der::implicit(0), identifier)]);
            extensions.push(extension(AUTHORITY_KEY_IDENTIFIER, false, &identifier));
        }
        if !self.dns_names.is_empty() || !self.addresses.is_empty() {
            let names = self.alternative_names()?;
            extensions.push(extension(SUBJECT_ALTERNATIVE_NAME, self.common_name.is_empty(), &names));
        }
        Ok(der::element(der::explicit(3), &der::element(der::SEQUENCE, &extensions.concat())))
    }

    fn alternative_names(&self) -> Result<Vec<u8>, String> {
        let mut names = Vec::new();
        for name in &self.dns_names {
            if !name.is_ascii() {
                let quoted = crate::yaml::quote::quote(name);
                return Err(format!("x509: {quoted} cannot be encoded as an IA5String"));
            }
            names.extend(der::element(der::implicit(2), name.as_bytes()));
        }
        for address in &self.addresses {
            let octets = match address.to_canonical() {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            names.extend(der::element(der::implicit(7), &octets));
        }
        Ok(der::element(der::SEQUENCE, &names))
    }
}

fn extension(identifier: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[der::BOOLEAN, 1, 0xff] } else { &[] };
    der::sequence(&[&der::object_identifier(identifier), critical, &der::element(der::OCTET_STRING, value)])
}

/// UTCTime up to 2049, GeneralizedTime after.
fn instant(time: &Time) -> Result<Vec<u8>, String> {
    let year: i64 = String::from_utf8_lossy(&time.format(b"2006")).parse().unwrap_or(-1);
    match year {
        1950..=2049 => Ok(der::element(der::UTC_TIME, &time.format(b"060102150405Z"))),
        0..=9999 => Ok(der::element(der::GENERALIZED_TIME, &time.format(b"20060102150405Z"))),
        _ => Err("asn1: structure error: cannot represent time as GeneralizedTime".to_owned()),
    }
}
