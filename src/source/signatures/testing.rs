//! Keys of OpenPGP, certificates and provenance files for tests, also such as GnuPG would not make.

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedKeyDetails, SignedPublicKey,
    SignedSecretKey,
};
use pgp::packet::{
    KeyFlags, RevocationCode, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData, UserId,
};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, PacketHeaderVersion, Password, SignedUser, Tag, Timestamp};

use crate::source::Digest;

/// When the keys of tests were made.
pub(super) const MADE: u32 = 1_700_000_000;

/// Somebody who signs.
pub(super) struct Person {
    secret: SignedSecretKey,
}

/// What somebody says of his key.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    /// The key is for signing.
    pub(super) signs: bool,
    /// Seconds after [`MADE`] when it expires; zero for never.
    pub(super) life: u32,
    /// It is revoked.
    pub(super) revoked: bool,
}

impl Default for Claim {
    fn default() -> Self {
        Self { signs: true, life: 0, revoked: false }
    }
}

impl Person {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut parameters = SecretKeyParamsBuilder::default();
        parameters.key_type(KeyType::Ed25519Legacy).can_sign(true).can_certify(true);
        parameters.created_at(Timestamp::from_secs(MADE)).primary_user_id("Ann <ann@example.com>".to_owned());
        Ok(Self { secret: parameters.build()?.generate(rand::thread_rng())? })
    }

    pub(super) fn fingerprint(&self) -> String {
        format!("{:X}", self.secret.primary_key.fingerprint())
    }

    /// The public key with what its owner says of it, as `gpg --export` would write it.
    pub(super) fn certificate(&self, claim: Claim) -> anyhow::Result<Vec<u8>> {
        Ok(self.public(claim)?.to_bytes()?)
    }

    /// The same armored.
    pub(super) fn armored(&self) -> anyhow::Result<String> {
        Ok(self.public(Claim::default())?.to_armored_string(ArmorOptions::default())?)
    }

    /// A provenance file for an archive.
    pub(super) fn provenance(&self, file: &str, archive: &[u8]) -> anyhow::Result<String> {
        let text = format!("name: web\nversion: 1.0.0\n\n...\nfiles:\n  {file}: sha256:{}\n", Digest::of(archive));
        self.sign(&text, MADE + 10)
    }

    /// A text signed in the clear at some second.
    pub(super) fn sign(&self, text: &str, at: u32) -> anyhow::Result<String> {
        let config = self.config(SignatureType::Text, at, Vec::new())?;
        let message = CleartextSignedMessage::new(text, config, &self.secret.primary_key, &Password::empty())?;
        Ok(message.to_armored_string(ArmorOptions::default())?)
    }

    fn public(&self, claim: Claim) -> anyhow::Result<SignedPublicKey> {
        let (key, public) = (&self.secret.primary_key, self.secret.primary_key.public_key());
        let mut flags = KeyFlags::default();
        flags.set_certify(true);
        flags.set_sign(claim.signs);
        let mut said = vec![SubpacketData::KeyFlags(flags), SubpacketData::IsPrimary(true)];
        if claim.life > 0 {
            said.push(SubpacketData::KeyExpirationTime(Duration::from_secs(claim.life)));
        }
        let user = UserId::from_str(PacketHeaderVersion::New, "Ann <ann@example.com>")?;
        let config = self.config(SignatureType::CertPositive, MADE, said)?;
        let own = config.sign_certification(key, public, &Password::empty(), Tag::UserId, &user)?;
        let revocations = if claim.revoked { vec![self.revocation()?] } else { Vec::new() };
        let details =
            SignedKeyDetails::new(revocations, Vec::new(), vec![SignedUser::new(user, vec![own])], Vec::new());
        Ok(SignedPublicKey::new(public.clone(), details, Vec::new()))
    }

    fn revocation(&self) -> anyhow::Result<Signature> {
        let key = &self.secret.primary_key;
        let why = SubpacketData::RevocationReason(RevocationCode::KeyCompromised, "lost".into());
        let config = self.config(SignatureType::KeyRevocation, MADE + 100, vec![why])?;
        Ok(config.sign_key(key, &Password::empty(), key.public_key())?)
    }

    fn config(&self, type_: SignatureType, at: u32, more: Vec<SubpacketData>) -> anyhow::Result<SignatureConfig> {
        let key = &self.secret.primary_key;
        let mut config = SignatureConfig::from_key(rand::thread_rng(), key, type_)?;
        let of_all = [
            SubpacketData::SignatureCreationTime(Timestamp::from_secs(at)),
            SubpacketData::IssuerFingerprint(key.fingerprint()),
        ];
        let packets = of_all.into_iter().chain(more).map(Subpacket::regular).collect::<Result<_, _>>()?;
        config.hashed_subpackets = packets;
        config.unhashed_subpackets = vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
        Ok(config)
    }
}
