//! Whom TLS connections trust.
//!
//! Without a bundle of its own, a repository is verified with the authorities of the system: the files that
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` name or the distribution's usual ones, so that an administrator can mount a
//! company's authority. An image without any such file has the authorities of the Mozilla list that are compiled in.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::SourceError;
use super::access::Tls;

/// The configuration for one repository.
pub(super) fn configuration(tls: &Tls) -> Result<ClientConfig, SourceError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| SourceError::InvalidCertificate { field: "TLS", reason: error.to_string() })?;
    let builder = if tls.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
    } else {
        builder.with_root_certificates(roots(tls.authorities.as_deref())?)
    };
    let Some(identity) = &tls.identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(&identity.certificate, "tls.crt of the Secret")?;
    let invalid_key = |reason: String| SourceError::InvalidCertificate { field: "tls.key of the Secret", reason };
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|error| invalid_key(error.to_string()))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| invalid_key(error.to_string()))
}

fn roots(authorities: Option<&str>) -> Result<Arc<RootCertStore>, SourceError> {
    let Some(pem) = authorities else { return Ok(system_roots()) };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(pem, "caBundle or ca.crt")?);
    if added == 0 {
        let reason = "its certificates cannot be parsed".to_owned();
        return Err(SourceError::InvalidCertificate { field: "caBundle or ca.crt", reason });
    }
    Ok(Arc::new(roots))
}

fn certificates(pem: &str, field: &'static str) -> Result<Vec<CertificateDer<'static>>, SourceError> {
    let invalid = |reason: String| SourceError::InvalidCertificate { field, reason };
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| invalid(error.to_string()))?;
    if certificates.is_empty() {
        return Err(invalid("it holds no PEM certificate (-----BEGIN CERTIFICATE-----)".to_owned()));
    }
    Ok(certificates)
}

/// Read once: they are the same for every repository.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Arc::new(roots)
    };
    Arc::clone(ROOTS.get_or_init(load))
}

/// Accepts every certificate: `insecureSkipTLSVerify`.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
