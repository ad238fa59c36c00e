//! Whom to trust: the platform's roots, or a policy's own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use canary_tenants::probe::TryEnd;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

type Made = Result<Arc<ClientConfig>, String>;

/// TLS settings by the roots they trust; each is made once.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    made: Mutex<HashMap<Option<String>, Made>>,
}

impl Trust {
    /// The settings for these roots (PEM), or for the platform's.
    pub(crate) fn config(&self, roots: &Option<String>) -> Made {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.get(roots) {
            return made.clone();
        }
        made.entry(roots.clone()).or_insert_with(|| config(roots.as_ref()).map(Arc::new)).clone()
    }
}

fn config(roots: Option<&String>) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|why| format!("TLS cannot be set up: {why}"))?;
    let Some(pem) = roots else {
        let verifier = Verifier::new(provider)
            .map_err(|why| format!("the platform's root certificates cannot be used: {why}"))?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        return Ok(builder.with_no_client_auth());
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let added = certificate
            .map_err(|why| why.to_string())
            .and_then(|one| store.add(one).map_err(|why| why.to_string()));
        added.map_err(|why| format!("the policy's root certificates cannot be used: {why}"))?;
    }
    if store.is_empty() {
        return Err("the policy's root certificates cannot be used: the file has none".to_owned());
    }
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

/// What a failed handshake means.
///
/// A certificate that has expired or is for another name is the service's; whom it was issued by may be our own mistake.
pub(crate) fn meaning(error: &std::io::Error) -> TryEnd {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
            | CertificateError::NotValidForName
            | CertificateError::NotValidForNameContext { .. }
            | CertificateError::Revoked,
        )) => TryEnd::Certificate,
        Some(_) => TryEnd::Tls,
        None => TryEnd::Broken,
    }
}
