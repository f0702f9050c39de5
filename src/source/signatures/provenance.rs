//! Helm's provenance files (`pkg/provenance/sign.go`): a text signed in the clear with OpenPGP, the metadata of the
//! chart and then the SHA-256 of its archive under the archive's file name.

use jiff::Timestamp as Moment;
use pgp::composed::CleartextSignedMessage;
use pgp::packet::Signature;

use super::openpgp::Candidate;
use super::{Keyring, Refusal, Signer};
use crate::source::Digest;
use crate::value::Json;
use crate::yaml;

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
/// What is between the metadata and the digests.
const SEPARATOR: &str = "\n...\n";
/// The most signatures of one file.
const SIGNATURES: usize = 16;

/// Verifies that a provenance file is signed by a key of the keyring, and is for the archive of this name and digest.
///
/// # Errors
/// [`Refusal`], one kind for each cause.
pub(in crate::source) fn verify(
    keyring: &Keyring,
    provenance: &[u8],
    file: &str,
    digest: Digest,
    now: Moment,
) -> Result<Signer, Refusal> {
    let message = parse(provenance)?;
    let text = message.signed_text();
    let signer = signer(keyring, &message, &text, now)?;
    check_files(&text.replace("\r\n", "\n"), file, digest, &signer.key)?;
    Ok(signer)
}

fn parse(provenance: &[u8]) -> Result<CleartextSignedMessage, Refusal> {
    let unreadable = |reason: String| Refusal::Unreadable { reason };
    let text = std::str::from_utf8(provenance).ok().and_then(|text| Some(&text[text.find(BEGIN)?..]));
    let text = text.ok_or_else(|| unreadable("the provenance file is not signed in the clear".to_owned()))?;
    let (message, _) = CleartextSignedMessage::from_string(text).map_err(|error| unreadable(error.to_string()))?;
    match message.signatures().len() {
        0 => Err(unreadable("there is no signature below its text".to_owned())),
        more if more > SIGNATURES => Err(unreadable(format!("it has {more} signatures, more than {SIGNATURES}"))),
        _ => Ok(message),
    }
}

/// Who signed the text: of several signatures one that counts is enough.
fn signer(keyring: &Keyring, message: &CleartextSignedMessage, text: &str, now: Moment) -> Result<Signer, Refusal> {
    let mut refusal = None;
    for signature in message.signatures() {
        match signed_by(keyring, signature, text, now) {
            Ok(signer) => return Ok(signer),
            // That a key is not known says least.
            Err(unknown @ Refusal::UnknownKey { .. }) => refusal = refusal.or(Some(unknown)),
            Err(other) => refusal = Some(other),
        }
    }
    Err(refusal.unwrap_or_else(|| Refusal::Unreadable { reason: "there is no signature".to_owned() }))
}

fn signed_by(keyring: &Keyring, signature: &Signature, text: &str, now: Moment) -> Result<Signer, Refusal> {
    let candidates: Vec<Candidate<'_>> =
        keyring.certificates().iter().flat_map(|certificate| Candidate::of(certificate, signature)).collect();
    let Some(first) = candidates.first() else { return Err(keyring.unknown(issuer(signature))) };
    let Some(candidate) = candidates.iter().find(|candidate| candidate.has_signed(signature, text)) else {
        return Err(Refusal::WrongSignature { keys: first.fingerprint() });
    };
    let end = candidate.counts(signature, now)?;
    let until = end.map(|second| std::time::UNIX_EPOCH + std::time::Duration::from_secs(second));
    Ok(Signer { key: candidate.fingerprint(), until })
}

/// The key that a signature names as its own.
fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|fingerprint| format!("{fingerprint:X}"));
    let id = || signature.issuer_key_id().first().map(|id| id.to_string().to_uppercase());
    fingerprint.or_else(id).unwrap_or_else(|| "that is not named".to_owned())
}

/// Whether the signed text has the archive's digest under its exact name.
fn check_files(text: &str, file: &str, digest: Digest, key: &str) -> Result<(), Refusal> {
    let unreadable = |reason: String| Refusal::Unreadable { reason };
    let sums = text.split(SEPARATOR).nth(1);
    let sums = sums.ok_or_else(|| unreadable("its text has no digests after the metadata".to_owned()))?;
    let sums = yaml::parse(sums).map_err(|error| unreadable(format!("its digests are no YAML: {error}")))?;
    let files = sums["files"].as_object();
    let Some(signed) = files.and_then(|files| files.get(file)).and_then(Json::as_str) else {
        let mut names: Vec<&str> = files.into_iter().flat_map(|files| files.keys().map(String::as_str)).collect();
        names.truncate(5);
        let signed = if names.is_empty() { "no file".to_owned() } else { names.join(", ") };
        return Err(Refusal::OtherFile { file: file.to_owned(), signed });
    };
    let actual = format!("sha256:{digest}");
    if signed != actual {
        return Err(Refusal::OtherDigest { key: key.to_owned(), signed: signed.to_owned(), actual });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::signatures::testing::{Claim, MADE, Person};

    const ARCHIVE: &[u8] = b"archive";
    const FILE: &str = "web-1.0.0.tgz";

    fn keyring(files: &[&[u8]]) -> Keyring {
        let files = files.iter().map(|content| ("pubring.gpg", *content));
        Keyring::read("Secret \"keys\"", files).expect("a keyring")
    }

    fn moment(second: u32) -> Moment {
        Moment::from_second(i64::from(second)).expect("a time")
    }

    /// Why an archive is refused, some seconds after the key was made.
    fn refusal(keyring: &Keyring, signed: &str, later: u32) -> Refusal {
        let verified = verify(keyring, signed.as_bytes(), FILE, Digest::of(ARCHIVE), moment(MADE + later));
        verified.expect_err("it is refused")
    }

    #[test]
    fn an_archive_that_is_signed_under_its_name_passes_with_any_key_of_the_ring() -> anyhow::Result<()> {
        let (ann, ben) = (Person::new()?, Person::new()?);
        let (of_ann, of_ben) = (ann.certificate(Claim::default())?, ben.certificate(Claim::default())?);
        let armored = format!("{}\n{}", ben.armored()?, ann.armored()?);
        let signed = ann.provenance(FILE, ARCHIVE)?;
        for ring in [
            keyring(&[&of_ann]),
            keyring(&[&of_ben, &of_ann]),
            keyring(&[&[of_ben, of_ann].concat()]),
            keyring(&[armored.as_bytes()]),
        ] {
            for written in [signed.clone(), signed.replace('\n', "\r\n"), format!("some words\n{signed}")] {
                let signer = verify(&ring, written.as_bytes(), FILE, Digest::of(ARCHIVE), moment(MADE + 60));
                assert_eq!(signer.map(|signer| (signer.key, signer.until)), Ok((ann.fingerprint(), None)));
            }
        }
        Ok(())
    }

    #[test]
    fn what_gnupg_has_signed_with_a_subkey_is_verified_as_helm_does() {
        let signed = include_bytes!("recorded/signed-1.0.0.tgz.prov");
        let digest = Digest::of(include_bytes!("recorded/signed-1.0.0.tgz"));
        let [binary, armored, revoked]: [&[u8]; 3] = [
            include_bytes!("recorded/pubring.gpg"),
            include_bytes!("recorded/pubring.asc"),
            include_bytes!("recorded/revoked.gpg"),
        ];
        let key = "11FC6AC752228ECAE98A5110F3934B1578621AD7".to_owned();
        let verified = |ring: &[u8]| verify(&keyring(&[ring]), signed, "signed-1.0.0.tgz", digest, Moment::now());
        for ring in [binary, armored] {
            assert_eq!(verified(ring), Ok(Signer { key: key.clone(), until: None }));
        }
        assert_eq!(verified(revoked), Err(Refusal::Revoked { key }));
    }

    #[test]
    fn what_a_signature_does_not_speak_for_is_refused_by_its_cause() -> anyhow::Result<()> {
        let (ann, ben) = (Person::new()?, Person::new()?);
        let ring = keyring(&[&ann.certificate(Claim::default())?]);
        let signed = ann.provenance(FILE, ARCHIVE)?;
        let unknown = refusal(&ring, &ben.provenance(FILE, ARCHIVE)?, 60);
        assert_eq!(unknown, Refusal::UnknownKey { key: ben.fingerprint(), known: ann.fingerprint() });
        let changed = refusal(&ring, &signed.replace("version: 1.0.0", "version: 2.0.0"), 60);
        assert_eq!(changed, Refusal::WrongSignature { keys: ann.fingerprint() });
        let other_file = refusal(&ring, &ann.provenance("web-0.9.0.tgz", ARCHIVE)?, 60);
        assert_eq!(other_file, Refusal::OtherFile { file: FILE.to_owned(), signed: "web-0.9.0.tgz".to_owned() });
        let other_digest = refusal(&ring, &ann.provenance(FILE, b"other")?, 60);
        let actual = format!("sha256:{}", Digest::of(ARCHIVE));
        assert!(
            matches!(&other_digest, Refusal::OtherDigest { actual: told, .. } if *told == actual),
            "{other_digest}"
        );
        assert!(matches!(refusal(&ring, &signed, 5), Refusal::NotYetValid { .. }), "it was signed after 10 s");
        let unsigned = signed.split_once("-----BEGIN PGP SIGNATURE").expect("a signature").0;
        for unreadable in ["", "files: {}", unsigned, &ann.sign("name: web\n", MADE + 10)?] {
            let refusal = refusal(&ring, unreadable, 60);
            assert!(matches!(refusal, Refusal::Unreadable { .. }), "{unreadable}: {refusal}");
        }
        Ok(())
    }

    #[test]
    fn text_outside_of_what_is_signed_says_nothing() -> anyhow::Result<()> {
        let ann = Person::new()?;
        let ring = keyring(&[&ann.certificate(Claim::default())?]);
        let forged = format!("a: b\n...\nfiles:\n  {FILE}: sha256:{}\n", Digest::of(ARCHIVE));
        let signed = ann.provenance(FILE, b"other")?;
        let before = refusal(&ring, &format!("{forged}{signed}"), 60);
        assert!(matches!(before, Refusal::OtherDigest { .. }), "{before}");
        let after = refusal(&ring, &format!("{signed}\n{forged}"), 60);
        assert!(matches!(after, Refusal::Unreadable { .. }), "{after}");
        Ok(())
    }

    #[test]
    fn keys_that_do_not_count_now_are_refused_by_their_cause() -> anyhow::Result<()> {
        let ann = Person::new()?;
        let signed = ann.provenance(FILE, ARCHIVE)?;
        let key = ann.fingerprint();
        let with = |claim: Claim| anyhow::Ok(keyring(&[&ann.certificate(claim)?]));
        let mortal = with(Claim { life: 100, ..Claim::default() })?;
        let until = verify(&mortal, signed.as_bytes(), FILE, Digest::of(ARCHIVE), moment(MADE + 60))?.until;
        assert_eq!(until, Some(std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(MADE) + 100)));
        let at = moment(MADE + 100);
        assert_eq!(refusal(&mortal, &signed, 101), Refusal::KeyExpired { key: key.clone(), at });
        let revoked = with(Claim { revoked: true, ..Claim::default() })?;
        assert_eq!(refusal(&revoked, &signed, 60), Refusal::Revoked { key: key.clone() });
        let other = with(Claim { signs: false, ..Claim::default() })?;
        assert_eq!(refusal(&other, &signed, 60), Refusal::NotForSigning { key });
        Ok(())
    }

    #[test]
    fn what_is_no_keyring_is_told_with_its_place() {
        let read = |content: &[u8]| Keyring::read("Secret \"keys\"", [("pubring.kbx", content)]).map(drop);
        for (content, word) in [
            (&b"\0\0\0\x20\x01\x01\0\x02KBXf"[..], "gpg --export"),
            (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n-----END PGP PRIVATE KEY BLOCK-----", "no public key"),
            (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA", "no keyring"),
            (b"words", "pubring.kbx"),
        ] {
            let error = read(content).expect_err("no keyring").to_string();
            assert!(error.contains(word) && error.contains("of Secret \"keys\" cannot be used"), "{error}");
        }
        assert!(Keyring::read("Secret \"keys\"", []).is_err_and(|error| error.reason.contains("no keyring")));
    }
}
