//! What a certificate of OpenPGP says of its keys: which of them signs, and until when.
//!
//! The rules are those of the library that Helm verifies with (`openpgp/read.go`, `openpgp/keys.go` of
//! ProtonMail/go-crypto): what counts is that the certificate is valid now, not that it was when the chart was signed.

use jiff::Timestamp as Moment;
use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::types::{KeyDetails, KeyVersion, Tag, Timestamp};

use super::Refusal;

/// A key that may have made a signature.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    certificate: &'a SignedPublicKey,
    /// Nothing for the primary key.
    subkey: Option<&'a SignedPublicSubKey>,
}

/// What the owner says of the primary key.
struct Standing<'a> {
    statement: &'a Signature,
    /// The user that it is said for is revoked.
    is_revoked: bool,
}

/// Seconds since 1970; nothing where it does not end.
type End = Option<u64>;

impl<'a> Candidate<'a> {
    /// The keys of a certificate that a signature names as its issuer.
    pub(super) fn of(certificate: &'a SignedPublicKey, signature: &Signature) -> Vec<Self> {
        let issued = |key: &dyn KeyDetails| {
            let fingerprints = signature.issuer_fingerprint();
            match fingerprints.is_empty() {
                true => signature.issuer_key_id().contains(&&key.legacy_key_id()),
                false => fingerprints.contains(&&key.fingerprint()),
            }
        };
        let primary = issued(&certificate.primary_key).then_some(Self { certificate, subkey: None });
        let subkeys = certificate.public_subkeys.iter().filter(|subkey| issued(&subkey.key));
        primary.into_iter().chain(subkeys.map(|subkey| Self { certificate, subkey: Some(subkey) })).collect()
    }

    /// Whether it made the signature over a text.
    pub(super) fn has_signed(&self, signature: &Signature, text: &str) -> bool {
        let is_over_text = matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary));
        let verified = match self.subkey {
            None => signature.verify(&self.certificate.primary_key, text.as_bytes()),
            Some(subkey) => signature.verify(&subkey.key, text.as_bytes()),
        };
        is_over_text && verified.is_ok()
    }

    /// When what it has signed ends to count.
    ///
    /// # Errors
    /// It does not count now.
    pub(super) fn counts(&self, signature: &Signature, now: Moment) -> Result<End, Refusal> {
        let key = fingerprint(self.certificate);
        if let Some(algorithm) = weakness(signature) {
            return Err(Refusal::WeakAlgorithm { key, algorithm });
        }
        let Some(standing) = standing(self.certificate) else { return Err(Refusal::NotForSigning { key }) };
        let binding = match self.subkey {
            None => standing.statement,
            Some(subkey) => binding(self.certificate, subkey).ok_or(Refusal::NotForSigning { key: key.clone() })?,
        };
        if !binding.key_flags().sign() {
            return Err(Refusal::NotForSigning { key });
        }
        if standing.is_revoked || is_revoked(self.certificate) || self.subkey.is_some_and(|sub| self.is_withdrawn(sub))
        {
            return Err(Refusal::Revoked { key });
        }
        let of_keys = self.spans(standing.statement, binding);
        let keys_end = check(&of_keys, now, &key, |key, at| Refusal::KeyExpired { key, at })?;
        let end = check(&[lifetime(signature)], now, &key, |key, at| Refusal::SignatureExpired { key, at })?;
        Ok(keys_end.into_iter().chain(end).min())
    }

    /// When the primary key, this key and what binds them count.
    fn spans(&self, statement: &Signature, binding: &Signature) -> [(u64, End); 4] {
        let primary = validity(self.certificate.primary_key.created_at(), statement.key_expiration_time());
        let own = self.subkey.map(|subkey| validity(subkey.key.created_at(), binding.key_expiration_time()));
        [primary, own.unwrap_or(primary), lifetime(statement), lifetime(binding)]
    }

    /// The fingerprint of the certificate.
    pub(super) fn fingerprint(&self) -> String {
        fingerprint(self.certificate)
    }

    fn is_withdrawn(&self, subkey: &SignedPublicSubKey) -> bool {
        let primary = &self.certificate.primary_key;
        let mut revocations = of_type(&subkey.signatures, SignatureType::SubkeyRevocation);
        revocations.any(|revocation| revocation.verify_subkey_binding(primary, &subkey.key).is_ok())
    }
}

/// The fingerprint of a certificate, as GnuPG and Helm show it.
pub(super) fn fingerprint(certificate: &SignedPublicKey) -> String {
    format!("{:X}", certificate.primary_key.fingerprint())
}

/// Fails where one of the spans has not begun or is over; else gives the first end.
fn check(
    spans: &[(u64, End)],
    now: Moment,
    key: &str,
    over: impl Fn(String, Moment) -> Refusal,
) -> Result<End, Refusal> {
    let second = u64::try_from(now.as_second()).unwrap_or_default();
    let moment = |second: u64| i64::try_from(second).ok().and_then(|second| Moment::from_second(second).ok());
    for (begin, end) in spans {
        if *begin > second {
            return Err(Refusal::NotYetValid { key: key.to_owned(), at: moment(*begin).unwrap_or(Moment::MAX) });
        }
        if let Some(end) = end.filter(|end| *end < second) {
            return Err(over(key.to_owned(), moment(end).unwrap_or(Moment::MAX)));
        }
    }
    Ok(spans.iter().filter_map(|(_, end)| *end).min())
}

/// From when until when; a length of zero has no end.
fn validity(begin: Timestamp, length: Option<pgp::types::Duration>) -> (u64, End) {
    let begin = u64::from(begin.as_secs());
    let length = length.map(|length| u64::from(length.as_secs())).filter(|length| *length != 0);
    (begin, length.map(|length| begin + length))
}

/// When a signature counts; one without a date is of the future.
fn lifetime(signature: &Signature) -> (u64, End) {
    let created = signature.created().unwrap_or(Timestamp::from_secs(u32::MAX));
    validity(created, signature.signature_expiration_time())
}

/// What the owner says of the primary key: with the main user in version 4, of the key itself since version 6.
fn standing(certificate: &SignedPublicKey) -> Option<Standing<'_>> {
    let primary = &certificate.primary_key;
    let direct = of_type(&certificate.details.direct_signatures, SignatureType::Key)
        .filter(|signature| signature.verify_key(primary).is_ok())
        .max_by_key(|signature| signature.created().map(Timestamp::as_secs))
        .map(|statement| Standing { statement, is_revoked: false });
    if primary.version() > KeyVersion::V4 {
        return direct;
    }
    let users = certificate.details.users.iter().filter_map(|user| {
        let by_owner = |signature: &&Signature| signature.verify_certification(primary, Tag::UserId, &user.id).is_ok();
        let own: Vec<&Signature> = user.signatures.iter().filter(by_owner).collect();
        let (revocations, statements): (Vec<&Signature>, Vec<&Signature>) =
            own.into_iter().partition(|signature| signature.typ() == Some(SignatureType::CertRevocation));
        let statement = statements.into_iter().max_by_key(|signature| signature.created().map(Timestamp::as_secs))?;
        Some(Standing { statement, is_revoked: !revocations.is_empty() })
    });
    users.max_by_key(|user| {
        (!user.is_revoked, user.statement.is_primary(), user.statement.created().map(Timestamp::as_secs))
    })
}

/// How a subkey belongs to its certificate; one that signs must have agreed to it.
fn binding<'a>(certificate: &SignedPublicKey, subkey: &'a SignedPublicSubKey) -> Option<&'a Signature> {
    let primary = &certificate.primary_key;
    let binds = |signature: &&Signature| {
        let agreed = signature.embedded_signature();
        signature.verify_subkey_binding(primary, &subkey.key).is_ok()
            && agreed.is_some_and(|agreed| agreed.verify_primary_key_binding(&subkey.key, primary).is_ok())
    };
    let bindings = of_type(&subkey.signatures, SignatureType::SubkeyBinding).filter(binds);
    bindings.max_by_key(|signature| signature.created().map(Timestamp::as_secs))
}

fn is_revoked(certificate: &SignedPublicKey) -> bool {
    let revocations = &certificate.details.revocation_signatures;
    revocations.iter().any(|revocation| revocation.verify_key(&certificate.primary_key).is_ok())
}

fn of_type(signatures: &[Signature], type_: SignatureType) -> impl Iterator<Item = &Signature> {
    signatures.iter().filter(move |signature| signature.typ() == Some(type_))
}

/// What is not safe in a signature: a digest that can be forged, or a condition that is not understood.
fn weakness(signature: &Signature) -> Option<String> {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha224, Sha256, Sha384, Sha512};
    let strong = [Sha224, Sha256, Sha384, Sha512, Sha3_256, Sha3_512];
    let Some(config) = signature.config() else { return Some("a version that is not known".to_owned()) };
    if !strong.contains(&config.hash_alg) {
        return Some(config.hash_alg.to_string());
    }
    let is_unknown = |data: &SubpacketData| {
        matches!(data, SubpacketData::Notation(_) | SubpacketData::Experimental(..) | SubpacketData::Other(..))
    };
    let unknown = config.hashed_subpackets().any(|packet| packet.is_critical && is_unknown(&packet.data));
    unknown.then(|| "a critical condition that is not known".to_owned())
}
