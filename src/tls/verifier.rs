//! The verifier of origins' certificates: rustls' own, except that it accepts a certificate that the user has named itself,
//! and gives more precise reasons.

use std::error;
use std::fmt;
use std::sync::Arc;

use rustls::CertificateError;
use rustls::DigitallySignedStruct;
use rustls::Error;
use rustls::OtherError;
use rustls::RootCertStore;
use rustls::SignatureScheme;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use rustls::server::ParsedCertificate;

use super::certificate::Certificate;

/// The object identifier of subjectAltName in DER (RFC 5280 section 4.2.1.6).
const SUBJECT_ALT_NAME: &[u8] = b"\x06\x03\x55\x1d\x11";

/// What webpki says of a server's certificate that is an authority's. Its error type is not in reach; should the word change, such a
/// certificate is refused as any other.
const CA_AS_END_ENTITY: &str = "CaUsedAsEndEntity";

/// Why a certificate was not accepted, as the end of a sentence that begins with it.
#[derive(Debug)]
pub(crate) struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Fault {}

/// Verifies origins' certificates.
#[derive(Debug)]
pub(super) struct Verifier {
    /// rustls' verifier.
    inner: Arc<WebPkiServerVerifier>,
    /// Certificates that the user has named, of those that a server could have.
    named: Vec<CertificateDer<'static>>,
    /// Whether origins are asked for a kind of key that can't be verified: one that has no other shows it then.
    is_probe: bool,
}

impl Verifier {
    /// Creates a verifier with these roots. `named` are the certificates among them that the user or the machine has named.
    pub(super) fn new<'a>(
        roots: RootCertStore,
        named: impl Iterator<Item = CertificateDer<'a>>,
        crypto: Arc<CryptoProvider>,
        is_probe: bool,
    ) -> Self {
        // Those of public authorities have no name of a host.
        let has_name =
            |der: &CertificateDer<'_>| memchr::memmem::find(der, SUBJECT_ALT_NAME).is_some();
        Self {
            inner: WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crypto)
                .build()
                .expect("Mozilla's roots are there"),
            named: named
                .filter(has_name)
                .map(CertificateDer::into_owned)
                .collect(),
            is_probe,
        }
    }

    /// Verifies a CA certificate that a server uses as its own, as `openssl req -x509` makes them. Accepts it if the user named
    /// the same bytes and its name is the origin's; webpki has checked its dates before. This grants no new power: the owner of
    /// its key could sign a server certificate for the same name, which would be accepted.
    fn judge_authority(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<ServerCertVerified, Error> {
        if !self.named.iter().any(|named| named == certificate) {
            return Err(fault(
                "is an authority's, not a server's (make one with basicConstraints=CA:FALSE, or name this very one with --upstream-ca)",
            ));
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let Err(Error::InvalidCertificate(why)) = &judged else {
            return judged;
        };
        // Whatever else is mended, such a key can't be used.
        if let Some(unfit) = unfit_key(end_entity, "has") {
            return Err(unfit);
        }
        match why {
            CertificateError::Other(other) if other.to_string() == CA_AS_END_ENTITY => {
                self.judge_authority(end_entity, server_name)
            }
            CertificateError::UnknownIssuer
                if Certificate::parse(end_entity).is_some_and(|own| own.is_self_issued()) =>
            {
                Err(fault(
                    "is self-signed and leads to no trusted root (if it is the right one, name it with --upstream-ca)",
                ))
            }
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                let mut issuers = intermediates.iter();
                match issuers.find_map(|issuer| unfit_key(issuer, "was signed by")) {
                    Some(unfit) => Err(unfit),
                    None => judged,
                }
            }
            _ => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let inner = &self.inner;
        let verified = inner.verify_tls12_signature(message, certificate, signature);
        verified.map_err(|error| unfit_key(certificate, "has").unwrap_or(error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let inner = &self.inner;
        let verified = inner.verify_tls13_signature(message, certificate, signature);
        verified.map_err(|error| unfit_key(certificate, "has").unwrap_or(error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.inner.supported_verify_schemes();
        if self.is_probe {
            schemes.push(SignatureScheme::ECDSA_NISTP521_SHA512);
        }
        schemes
    }
}

/// Returns the fault of a certificate whose key is of a kind that can't be verified; `how` says what it is to the origin's own.
fn unfit_key(certificate: &CertificateDer<'_>, how: &str) -> Option<Error> {
    let key = Certificate::parse(certificate)?.unfit_key()?;
    Some(fault(&format!(
        "{how} {key}, which authsome can't verify (make one with RSA of 2048 bits or more, P-256, P-384 or Ed25519)"
    )))
}

/// An error about a certificate.
fn fault(text: &str) -> Error {
    let fault = Arc::new(Fault(text.to_owned()));
    CertificateError::Other(OtherError(fault)).into()
}
