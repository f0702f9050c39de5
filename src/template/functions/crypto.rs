//! Passwords, keys and ciphers (Sprig's `crypto.go`). Whatever is random asks the source of chance for a fixed result
//! first.

use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::arguments::Arguments;
use super::encodings::{Corrupt, base64_decoded};
use super::{CallError, Function, Host};
use crate::template::keys::{KeyType, PrivateKey};
use crate::value::Parameter::{Int, String as Text, Uint32};
use crate::value::{Value, hex};

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("bcrypt", &[Text], bcrypt),
    Function::new("htpasswd", &[Text, Text], htpasswd),
    Function::new("derivePassword", &[Uint32, Text, Text, Text, Text], derive_password),
    Function::new("genPrivateKey", &[Text], generate_private_key),
    Function::new("encryptAES", &[Text, Text], encrypt_aes),
    Function::new("decryptAES", &[Text, Text], decrypt_aes),
    Function::new("randBytes", &[Int], random_bytes),
    Function::new("uuidv4", &[], uuid),
];

type Outcome = Result<Value, CallError>;

/// What these functions count as work, in steps: roughly their time next to that of ordinary steps.
mod cost {
    pub const BCRYPT: u64 = 50_000;
    pub const SCRYPT: u64 = 100_000;
    pub const KEY: u64 = 500_000;
}

fn bcrypt(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    if let Some(fixed) = host.chance().stub("bcrypt", arguments) {
        return Ok(fixed?);
    }
    Ok(hashed(host, arguments.bytes(0))?.into())
}

/// A bcrypt hash of cost 10, or Sprig's message in its place.
fn hashed(host: &mut dyn Host, password: &[u8]) -> Result<String, CallError> {
    const COST: u32 = 10;
    const LONGEST: usize = 72;
    host.charge(cost::BCRYPT, 100)?;
    if password.len() > LONGEST {
        return Ok("failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned());
    }
    let mut salt = [0; 16];
    salt.copy_from_slice(&random(host, 16)?);
    match bcrypt::hash_with_salt(password, COST, salt) {
        Ok(parts) => Ok(parts.format_for_version(bcrypt::Version::TwoA)),
        Err(error) => Ok(format!("failed to encrypt string with bcrypt: {error}")),
    }
}

/// Random bytes from the source of chance.
pub(super) fn random(host: &dyn Host, count: usize) -> Result<Vec<u8>, CallError> {
    let bytes = host.chance().bytes(count);
    if bytes.len() == count { Ok(bytes) } else { Err("no randomness is available".into()) }
}

fn htpasswd(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    if let Some(fixed) = host.chance().stub("htpasswd", arguments) {
        return Ok(fixed?);
    }
    let user = arguments.bytes(0);
    if user.contains(&b':') {
        return Ok(Value::Str([b"invalid username: ", user].concat().into()));
    }
    let hash = hashed(host, arguments.bytes(1))?;
    Ok(Value::Str([user, b":", hash.as_bytes()].concat().into()))
}

/// The templates of the Master Password algorithm, by the class of each character.
fn password_templates(kind: &[u8]) -> Option<&'static [&'static str]> {
    Some(match kind {
        b"maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        b"long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        b"medium" => &["CvcnoCvc", "CvcCvcno"],
        b"short" => &["Cvcn"],
        b"basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        b"pin" => &["nnnn"],
        _ => return None,
    })
}

/// The characters of a class.
fn password_characters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// The Master Password algorithm: a key from the master password and the user by scrypt, a seed from key, site and
/// counter by HMAC, and of the seed one byte a character.
fn derive_password(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    const PURPOSE: &[u8] = b"com.lyndir.masterpassword";
    let [kind, password, user, site] = [1, 2, 3, 4].map(|index| arguments.bytes(index));
    let Some(templates) = password_templates(kind) else {
        return Ok(Value::Str([b"cannot find password template ", kind].concat().into()));
    };
    host.charge(cost::SCRYPT, 64 << 20)?;
    let counter = match arguments.first() {
        Some(Value::Uint64(counter)) => *counter as u32,
        _ => 0,
    };
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    let salt = [PURPOSE, &length(user), user].concat();
    let failed = |error: String| CallError::from(format!("failed to derive password: {error}"));
    let parameters = scrypt::Params::new(15, 8, 2).map_err(|error| failed(error.to_string()))?;
    let mut key = [0; 64];
    scrypt::scrypt(password, &salt, &parameters, &mut key).map_err(|error| failed(error.to_string()))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| failed(error.to_string()))?;
    mac.update(&[PURPOSE, &length(site), site, &counter.to_be_bytes()].concat());
    let seed = mac.finalize().into_bytes();
    let template = templates[usize::from(seed[0]) % templates.len()];
    let derived: String = template
        .bytes()
        .zip(&seed[1..])
        .map(|(class, byte)| {
            let characters = password_characters(class);
            char::from(characters[usize::from(*byte) % characters.len()])
        })
        .collect();
    Ok(derived.into())
}

fn generate_private_key(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    if let Some(fixed) = host.chance().stub("genPrivateKey", arguments) {
        return Ok(fixed?);
    }
    let key_type = match arguments.bytes(0) {
        b"" | b"rsa" => KeyType::Rsa4096,
        b"dsa" => KeyType::Dsa,
        b"ecdsa" => KeyType::Ecdsa,
        b"ed25519" => KeyType::Ed25519,
        unknown => return Ok(Value::Str([b"Unknown type ", unknown].concat().into())),
    };
    host.charge(cost::KEY, 1 << 20)?;
    Ok(match PrivateKey::generate(key_type) {
        Ok(key) => key.to_pem().into(),
        Err(error) => format!("failed to generate private key: {error}").into(),
    })
}

/// AES-256's key: the password, filled up with zeros or cut off.
fn aes_key(password: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let used = password.len().min(32);
    key[..used].copy_from_slice(&password[..used]);
    key
}

const AES_BLOCK: usize = 16;

/// AES-256-CBC with PKCS#7 padding, the random start vector before the text, in base64.
fn encrypt_aes(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    if let Some(fixed) = host.chance().stub("encryptAES", arguments) {
        return Ok(fixed?);
    }
    let (password, plain) = (arguments.bytes(0), arguments.bytes(1));
    if plain.is_empty() {
        return Ok("".into());
    }
    host.charge(plain.len() as u64, 3 * plain.len() as u64)?;
    let mut vector = [0; AES_BLOCK];
    vector.copy_from_slice(&random(host, AES_BLOCK)?);
    let padding = AES_BLOCK - plain.len() % AES_BLOCK;
    let mut text = plain.to_vec();
    text.resize(plain.len() + padding, u8::try_from(padding).unwrap_or(0));
    let encrypted =
        cbc::Encryptor::<Aes256>::new(&aes_key(password).into(), &vector.into()).encrypt_padded_vec::<NoPadding>(&text);
    Ok(STANDARD.encode([vector.as_slice(), &encrypted].concat()).into())
}

/// The reverse. Nothing is checked: what is no such text fails as Go's slices do.
fn decrypt_aes(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let (password, text) = (arguments.bytes(0), arguments.bytes(1));
    if text.is_empty() {
        return Ok("".into());
    }
    host.charge(text.len() as u64, 2 * text.len() as u64)?;
    let decoded = base64_decoded(text).map_err(|Corrupt(at)| format!("illegal base64 data at input byte {at}"))?;
    let capacity = text.len() / 4 * 3;
    let Some((vector, encrypted)) = decoded.split_at_checked(AES_BLOCK) else {
        return Err(if capacity < AES_BLOCK {
            format!("runtime error: slice bounds out of range [:16] with capacity {capacity}").into()
        } else {
            format!("runtime error: slice bounds out of range [16:{}]", decoded.len()).into()
        });
    };
    if encrypted.len() % AES_BLOCK != 0 {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let mut start = [0; AES_BLOCK];
    start.copy_from_slice(vector);
    let decrypted = cbc::Decryptor::<Aes256>::new(&aes_key(password).into(), &start.into())
        .decrypt_padded_vec::<NoPadding>(encrypted)
        .map_err(|error| error.to_string())?;
    let Some(padding) = decrypted.last().map(|padding| usize::from(*padding)) else {
        return Err("runtime error: index out of range [-1]".into());
    };
    match decrypted.len().checked_sub(padding) {
        Some(length) => Ok(Value::Str(decrypted[..length].into())),
        None => Err(format!("runtime error: slice bounds out of range [:-{}]", padding - decrypted.len()).into()),
    }
}

fn random_bytes(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let Ok(count) = usize::try_from(arguments.int(0)) else {
        return Err("runtime error: makeslice: len out of range".into());
    };
    host.charge(count as u64, (count as u64).saturating_mul(3))?;
    if let Some(fixed) = host.chance().stub("randBytes", arguments) {
        return Ok(fixed?);
    }
    Ok(STANDARD.encode(random(host, count)?).into())
}

fn uuid(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    if let Some(fixed) = host.chance().stub("uuidv4", arguments) {
        return Ok(fixed?);
    }
    let mut bytes = random(host, 16)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex(&bytes);
    let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(groups.join("-").into())
}
