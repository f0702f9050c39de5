//! Private keys: generated, read from PEM and written as Go writes them.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RsaKeyPair,
};

use super::der::{self, Reader};
use super::random::fill;
use super::{dsa, pem, rsa};

/// The kinds of keys that Sprig generates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// RSA of 2048 bits, for certificates.
    Rsa2048,
    /// RSA of 4096 bits.
    Rsa4096,
    /// ECDSA on P-256.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// DSA of 2048 and 256 bits.
    Dsa,
}

/// A private key: its standard DER form, and what is needed to sign with it.
#[derive(Clone, Debug)]
pub struct PrivateKey {
    form: Form,
    /// PKCS#1, SEC 1, a seed or DSA's sequence, by form.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Rsa,
    Ec(Curve),
    Ed25519,
    Dsa,
}

/// The curves that can sign here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    /// P-224, P-521: read and written back, but not signed with.
    Other,
}

/// A public key and its signatures as X.509 names them.
pub struct Signer {
    /// SubjectPublicKeyInfo.
    pub public_key_info: Vec<u8>,
    /// The key itself, without its algorithm.
    pub public_key: Vec<u8>,
    /// The AlgorithmIdentifier of signatures.
    pub signature_algorithm: Vec<u8>,
    key: SigningKey,
}

enum SigningKey {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ECDSA_WITH_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P224: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x21];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

impl Curve {
    fn of(identifier: &[u8]) -> Option<Self> {
        match identifier {
            P256 => Some(Self::P256),
            P384 => Some(Self::P384),
            P224 | P521 => Some(Self::Other),
            _ => None,
        }
    }
}

impl PrivateKey {
    /// Generates a key from the randomness of the operating system.
    ///
    /// # Errors
    /// Where the operating system has no randomness.
    pub fn generate(key_type: KeyType) -> Result<Self, String> {
        match key_type {
            // The primes have half of the bits; a limb has 64.
            KeyType::Rsa2048 => Ok(Self { form: Form::Rsa, bytes: rsa::generate::<16>()? }),
            KeyType::Rsa4096 => Ok(Self { form: Form::Rsa, bytes: rsa::generate::<32>()? }),
            KeyType::Ecdsa => generate_ecdsa(),
            KeyType::Ed25519 => {
                let mut seed = vec![0; 32];
                fill(&mut seed)?;
                Ok(Self { form: Form::Ed25519, bytes: seed })
            }
            KeyType::Dsa => Ok(Self { form: Form::Dsa, bytes: dsa::generate()? }),
        }
    }

    /// Sprig's `parsePrivateKeyPEM`, with its errors.
    ///
    /// # Errors
    /// When the text holds no PEM, or its first block no private key.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        let block = pem::decode(text).ok_or("no PEM data in input")?;
        if block.label == "PRIVATE KEY" {
            return from_pkcs8(&block.bytes).ok_or_else(|| "decoding PEM as PKCS#8: asn1: structure error".to_owned());
        }
        let Some(kind) = block.label.strip_suffix(" PRIVATE KEY") else {
            return Err(format!("no private key data in PEM block of type {}", block.label));
        };
        let (key, what) = match kind {
            "RSA" => (from_pkcs1(&block.bytes), "RSA"),
            "EC" => (from_sec1(&block.bytes, None), "EC"),
            "DSA" => (from_dsa(&block.bytes), "DSA"),
            _ => return Err(format!("invalid private key type {kind}")),
        };
        key.ok_or_else(|| format!("parsing {what} private key from PEM: asn1: structure error"))
    }

    /// PEM in the form that Sprig chooses for the kind of key.
    pub fn to_pem(&self) -> String {
        match self.form {
            Form::Rsa => pem::encode("RSA PRIVATE KEY", &self.bytes),
            Form::Dsa => pem::encode("DSA PRIVATE KEY", &self.bytes),
            Form::Ec(_) => pem::encode("EC PRIVATE KEY", &self.bytes),
            Form::Ed25519 => {
                let algorithm = der::sequence(&[&der::object_identifier(ED25519)]);
                let seed = der::element(der::OCTET_STRING, &self.bytes);
                let key = der::element(der::OCTET_STRING, &seed);
                pem::encode("PRIVATE KEY", &der::sequence(&[&der::integer(&[0]), &algorithm, &key]))
            }
        }
    }

    /// The key ready to sign certificates.
    ///
    /// # Errors
    /// For keys that cannot sign certificates: DSA, RSA outside of 2048 to 4096 bits, rare curves.
    pub(super) fn signer(&self) -> Result<Signer, String> {
        match self.form {
            Form::Rsa => self.rsa_signer(),
            Form::Ec(curve) => self.ec_signer(curve),
            Form::Ed25519 => {
                let key = Ed25519KeyPair::from_seed_unchecked(&self.bytes).map_err(|error| error.to_string())?;
                let algorithm = der::sequence(&[&der::object_identifier(ED25519)]);
                let public_key = key.public_key().as_ref().to_vec();
                Ok(signer(algorithm.clone(), public_key, algorithm, SigningKey::Ed25519(key)))
            }
            Form::Dsa => Err("x509: certificate private key does not implement crypto.Signer".to_owned()),
        }
    }

    fn rsa_signer(&self) -> Result<Signer, String> {
        let key = RsaKeyPair::from_der(&self.bytes).map_err(|error| format!("rsa: {error}"))?;
        let algorithm = |identifier| der::sequence(&[&der::object_identifier(identifier), der::NULL]);
        let public_key = key.public_key().as_ref().to_vec();
        Ok(signer(algorithm(RSA_ENCRYPTION), public_key, algorithm(SHA256_WITH_RSA), SigningKey::Rsa(key)))
    }

    fn ec_signer(&self, curve: Curve) -> Result<Signer, String> {
        let (scheme, identifier, signature) = match curve {
            Curve::P256 => (&ECDSA_P256_SHA256_ASN1_SIGNING, P256, ECDSA_WITH_SHA256),
            Curve::P384 => (&ECDSA_P384_SHA384_ASN1_SIGNING, P384, ECDSA_WITH_SHA384),
            Curve::Other => return Err("x509: unsupported elliptic curve".to_owned()),
        };
        let malformed = || "x509: the EC private key holds no public key".to_owned();
        let (scalar, point) = sec1_parts(&self.bytes).ok_or_else(malformed)?;
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_private_key_and_public_key(scheme, scalar, point.ok_or_else(malformed)?, &random)
            .map_err(|error| format!("x509: {error}"))?;
        let algorithm = der::sequence(&[&der::object_identifier(EC_PUBLIC_KEY), &der::object_identifier(identifier)]);
        let public_key = key.public_key().as_ref().to_vec();
        let signature = der::sequence(&[&der::object_identifier(signature)]);
        Ok(signer(algorithm, public_key, signature, SigningKey::Ec(key)))
    }
}

fn signer(algorithm: Vec<u8>, public_key: Vec<u8>, signature_algorithm: Vec<u8>, key: SigningKey) -> Signer {
    let public_key_info = der::sequence(&[&algorithm, &der::bit_string(&public_key)]);
    Signer { public_key_info, public_key, signature_algorithm, key }
}

impl Signer {
    /// The signature of a message.
    ///
    /// # Errors
    /// Where the operating system has no randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let random = SystemRandom::new();
        match &self.key {
            SigningKey::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(|error| error.to_string())?;
                Ok(signature)
            }
            SigningKey::Ec(key) => key
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|error| error.to_string()),
            SigningKey::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }
}

fn generate_ecdsa() -> Result<PrivateKey, String> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
        .map_err(|error| error.to_string())?;
    from_pkcs8(document.as_ref()).ok_or_else(|| "the library gave a malformed key".to_owned())
}

/// So many INTEGERs in a SEQUENCE, the first of them a version.
fn is_integer_sequence(bytes: &[u8], count: usize) -> bool {
    let Some(mut reader) = Reader::only_sequence(bytes) else { return false };
    let found = std::iter::from_fn(|| reader.expect(der::INTEGER)).count();
    found == count && reader.is_at_end()
}

fn from_pkcs1(bytes: &[u8]) -> Option<PrivateKey> {
    is_integer_sequence(bytes, 9).then(|| PrivateKey { form: Form::Rsa, bytes: bytes.to_vec() })
}

fn from_dsa(bytes: &[u8]) -> Option<PrivateKey> {
    is_integer_sequence(bytes, 6).then(|| PrivateKey { form: Form::Dsa, bytes: bytes.to_vec() })
}

/// A SEC 1 key: scalar and, where it is there, public point.
fn sec1_parts(bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut reader = Reader::only_sequence(bytes)?;
    (reader.expect(der::INTEGER)?.content == [1]).then_some(())?;
    let scalar = reader.expect(der::OCTET_STRING)?.content;
    reader.optional(der::explicit(0));
    let point = reader.optional(der::explicit(1)).and_then(|point| {
        let bits = Reader::new(point.content).expect(der::BIT_STRING)?;
        bits.content.strip_prefix(&[0])
    });
    Some((scalar, point))
}

/// A SEC 1 key, whose curve PKCS#8 may have named outside of it. It is kept with its curve inside, as Go writes it.
fn from_sec1(bytes: &[u8], outer_curve: Option<&[u8]>) -> Option<PrivateKey> {
    let (scalar, point) = sec1_parts(bytes)?;
    let mut reader = Reader::only_sequence(bytes)?;
    reader.next()?;
    reader.next()?;
    let inner = reader.optional(der::explicit(0));
    let inner = inner.and_then(|curve| Reader::new(curve.content).expect(der::OBJECT_IDENTIFIER));
    let identifier = outer_curve.or(inner.map(|curve| curve.content))?;
    let curve = Curve::of(identifier)?;
    let mut parts = vec![
        der::integer(&[1]),
        der::element(der::OCTET_STRING, scalar),
        der::element(der::explicit(0), &der::object_identifier(identifier)),
    ];
    if let Some(point) = point {
        parts.push(der::element(der::explicit(1), &der::bit_string(point)));
    }
    Some(PrivateKey { form: Form::Ec(curve), bytes: der::element(der::SEQUENCE, &parts.concat()) })
}

fn from_pkcs8(bytes: &[u8]) -> Option<PrivateKey> {
    let mut reader = Reader::only_sequence(bytes)?;
    reader.expect(der::INTEGER)?;
    let mut algorithm = Reader::new(reader.expect(der::SEQUENCE)?.content);
    let key = reader.expect(der::OCTET_STRING)?.content;
    match algorithm.expect(der::OBJECT_IDENTIFIER)?.content {
        RSA_ENCRYPTION => from_pkcs1(key),
        EC_PUBLIC_KEY => from_sec1(key, algorithm.optional(der::OBJECT_IDENTIFIER).map(|curve| curve.content)),
        ED25519 => {
            let seed = Reader::new(key).expect(der::OCTET_STRING)?.content;
            (seed.len() == 32).then(|| PrivateKey { form: Form::Ed25519, bytes: seed.to_vec() })
        }
        _ => None,
    }
}
