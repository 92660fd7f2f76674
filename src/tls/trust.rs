//! What origins are verified against. There is no switch that turns it off.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;

use super::bundle;
use super::verifier::Verifier;

/// Which roots an origin's certificate may lead to.
pub(crate) struct Trust {
    /// What the parent's programs trust, as PEM, where it counts.
    bundle: Option<Arc<[u8]>>,
    /// Roots that the person named.
    extra: Vec<CertificateDer<'static>>,
    /// What verifies and encrypts.
    crypto: Arc<CryptoProvider>,
    /// Made when first needed: reading certificates takes longer than starting the child.
    config: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// Mozilla's roots, those in `bundle` (PEM), and `extra` ones.
    pub(crate) fn new(
        bundle: Option<Arc<[u8]>>,
        extra: Vec<CertificateDer<'static>>,
        crypto: Arc<CryptoProvider>,
    ) -> Self {
        Self {
            bundle,
            extra,
            crypto,
            config: OnceLock::new(),
        }
    }

    /// The configuration of connections to origins: TLS 1.2 and 1.3, HTTP/1.1 only, no early data, no client certificate, no
    /// key log whatever SSLKEYLOGFILE says.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(self.config.get_or_init(|| Arc::new(self.make(false))))
    }

    /// A configuration for a handshake that finds out why an origin refuses ours: an origin with a kind of key that can't be verified shows
    /// it then, and the flag says whether it has asked for a certificate of its client.
    pub(crate) fn probe(&self) -> (Arc<ClientConfig>, Arc<AtomicBool>) {
        let is_asked = Arc::new(AtomicBool::new(false));
        let mut config = self.make(true);
        config.client_auth_cert_resolver = Arc::new(Asked(Arc::clone(&is_asked)));
        (Arc::new(config), is_asked)
    }

    /// Reads the roots. A certificate that can't be used is passed over, as every TLS library does with a bundle.
    fn make(&self, is_probe: bool) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let bundle = self.bundle.as_deref().unwrap_or_default();
        let bundled: Vec<_> = CertificateDer::pem_slice_iter(bundle).flatten().collect();
        let named = || bundled.iter().chain(&self.extra).cloned();
        roots.add_parsable_certificates(named());
        let verifier = Verifier::new(roots, named(), Arc::clone(&self.crypto), is_probe);
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.crypto))
            .with_safe_default_protocol_versions()
            .expect("ring has suites for TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }
}

/// Notes that an origin has asked for a certificate of its client, and has none.
#[derive(Debug)]
struct Asked(Arc<AtomicBool>);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Reads the certificates of a PEM file that the person named.
///
/// # Errors
/// Why it can't be used; all of it must be good.
pub(crate) fn read_roots(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = bundle::read_pem(path).map_err(|error| error.to_string())?;
    let mut store = RootCertStore::empty();
    let mut roots = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        store
            .add(certificate.clone())
            .map_err(|error| error.to_string())?;
        roots.push(certificate);
    }
    Ok(roots)
}
