//! Whom to trust and who we are.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::ConfigError;

/// TLS settings of a client; by default the platform's roots and no client certificate.
#[derive(Clone, Default)]
pub struct Tls {
    /// Accepts exactly this server certificate (PEM), whatever names and dates it holds, and no other: how
    /// self-signed servers (Incus) are trusted. Excludes `extra_roots`.
    pub pinned_server_pem: Option<Vec<u8>>,
    /// The client's certificate chain and private key (both PEM), shown to servers that ask.
    pub client_identity_pem: Option<(Vec<u8>, Vec<u8>)>,
    /// Root certificates (PEM, one or more each) trusted besides the platform's.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Tls {
    /// Whether anything was set.
    pub(crate) const fn has_certificates(&self) -> bool {
        self.pinned_server_pem.is_some() || self.client_identity_pem.is_some() || !self.extra_roots.is_empty()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("pinned", &self.pinned_server_pem.is_some())
            .field("client_identity", &self.client_identity_pem.is_some())
            .field("extra_roots", &self.extra_roots.len())
            .finish()
    }
}

/// The rustls configuration of a client; the platform's roots are read only when TLS is `used`.
pub(crate) fn client_config(tls: &Tls, used: bool) -> Result<ClientConfig, ConfigError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Client(Box::new(error)))?;
    let builder = if let Some(pem) = &tls.pinned_server_pem {
        let pinned = one_certificate("the pinned server certificate", pem)?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Pinned { pinned, provider }))
    } else if used {
        let mut roots = Vec::new();
        for pem in &tls.extra_roots {
            roots.extend(certificates("an extra root certificate", pem)?);
        }
        let verifier =
            Verifier::new_with_extra_roots(roots, provider).map_err(|error| ConfigError::Certificate {
                what: "the platform's set of root certificates",
                why: error.to_string(),
            })?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    let Some((chain, key)) = &tls.client_identity_pem else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates("the client certificate", chain)?;
    let refuse = |why: String| ConfigError::Certificate { what: "the client's private key", why };
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| refuse(error.to_string()))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| refuse(error.to_string()))
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let refuse = |why: String| ConfigError::Certificate { what, why };
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| refuse(error.to_string()))?;
    if all.is_empty() { Err(refuse("it holds no PEM certificate".to_owned())) } else { Ok(all) }
}

fn one_certificate(what: &'static str, pem: &[u8]) -> Result<CertificateDer<'static>, ConfigError> {
    let mut all = certificates(what, pem)?;
    match (all.pop(), all.len()) {
        (Some(only), 0) => Ok(only),
        (_, more) => Err(ConfigError::Certificate {
            what,
            why: format!("it holds {} certificates, exactly one is needed", more + 1),
        }),
    }
}

/// Accepts one certificate by its bytes; that the server holds its key is still proven by the handshake.
#[derive(Debug)]
struct Pinned {
    pinned: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.pinned {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
