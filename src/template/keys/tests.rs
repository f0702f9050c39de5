//! Keys and certificates that are read back, also by another implementation.

use super::*;
use crate::template::time::{Duration, Time, Zone};

fn request(common_name: &str, is_authority: bool) -> Request {
    let start = Time::unix(1_700_000_000).in_zone(Zone::Utc);
    Request {
        common_name: common_name.to_owned(),
        dns_names: Vec::new(),
        addresses: Vec::new(),
        validity: (start.clone(), start.add(Duration(86_400_000_000_000))),
        is_authority,
        serial: vec![1; 16],
    }
}

#[test]
fn every_kind_of_key_reads_back_as_it_was_written() {
    for key_type in [KeyType::Ecdsa, KeyType::Ed25519, KeyType::Rsa2048, KeyType::Dsa] {
        let text = PrivateKey::generate(key_type).expect("a key").to_pem();
        assert_eq!(PrivateKey::from_pem(&text).expect("the same key").to_pem(), text, "{key_type:?}");
    }
}

#[test]
fn another_implementation_signs_with_generated_rsa_keys() {
    // It checks the parts of a key, and each signature with the public key before it gives it away.
    // A debug build takes ten seconds for the larger key.
    let key_types = [KeyType::Rsa2048, KeyType::Rsa4096];
    for key_type in key_types.into_iter().take(if cfg!(debug_assertions) { 1 } else { 2 }) {
        let signer = PrivateKey::generate(key_type).and_then(|key| key.signer());
        let signature = signer.and_then(|signer| signer.sign(b"message"));
        assert!(signature.is_ok_and(|signature| signature.len() >= 256), "{key_type:?}");
    }
}

#[test]
fn what_is_no_private_key_is_named() {
    let refused = |text: &str| PrivateKey::from_pem(text).expect_err("no key");
    assert_eq!(refused("x"), "no PEM data in input");
    assert_eq!(refused(&encode("CERTIFICATE", b"x")), "no private key data in PEM block of type CERTIFICATE");
    assert_eq!(refused(&encode("OPENSSH PRIVATE KEY", b"x")), "invalid private key type OPENSSH");
    assert_eq!(refused(&encode("RSA PRIVATE KEY", b"x")), "parsing RSA private key from PEM: asn1: structure error");
}

#[test]
fn an_authority_signs_for_another_key_only_with_its_own() {
    let authority_key = PrivateKey::generate(KeyType::Ecdsa).expect("a key");
    let leaf_key = PrivateKey::generate(KeyType::Ed25519).expect("a key");
    let authority = request("authority", true).issue(&authority_key, &Authority::Itself).expect("a certificate");
    let authority = decode(&authority).expect("PEM").bytes;
    let mut leaf = request("leaf", false);
    leaf.dns_names = vec!["a.example".to_owned(), "*.b.example".to_owned()];
    leaf.addresses = vec!["10.0.0.1".parse().expect("an address"), "::1".parse().expect("an address")];
    let signed = leaf.issue(&leaf_key, &Authority::Other(&authority, &authority_key)).expect("a certificate");
    assert!(parse_certificate(&decode(&signed).expect("PEM").bytes).is_some());
    let error = leaf.issue(&leaf_key, &Authority::Other(&authority, &leaf_key)).expect_err("another key");
    assert_eq!(error, "x509: provided PrivateKey doesn't match parent's PublicKey");
    leaf.dns_names = vec!["ä".to_owned()];
    let error = leaf.issue(&leaf_key, &Authority::Itself).expect_err("a name that is not ASCII");
    assert_eq!(error, "x509: \"ä\" cannot be encoded as an IA5String");
}

#[test]
fn pem_is_found_in_other_text() {
    let block = encode("X Y", &[1; 100]);
    let text = format!("before\n-----BEGIN broken\n{block}after");
    assert_eq!(decode(&text), Some(Block { label: "X Y".to_owned(), bytes: vec![1; 100] }));
    assert_eq!(decode("-----BEGIN A-----\n!!\n-----END A-----\n"), None);
    assert_eq!(decode("-----BEGIN A-----\nk: v\n\nAQ==\n-----END A-----\n").map(|block| block.bytes), Some(vec![1]));
}
