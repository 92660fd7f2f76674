//! A server with a P-521 key. Neither side can use it here, but a client that offers the kind sees the certificate.

use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use rustls::sign::Signer;
use rustls::sign::SigningKey;
use rustls::sign::SingleCertAndKey;

/// An authority's own certificate for api.acme.test, good until 2120. Nobody has its key.
pub(super) const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBxDCCASWgAwIBAgIBATAKBggqhkjOPQQDBDAPMQ0wCwYDVQQDDARwNTIxMCAX
DTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAPMQ0wCwYDVQQDDARwNTIx
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBem8eHx6+so1IZUoYRn7I7MmdgsBC
/qgF5LOsyZvJK8SgxYUgLFt6uHJm+r2nFpamvzvphmIh/sd4yh/jys8uhqMBwc7Z
HOwr/iGu3zlVu5clod2LdRMTkavgmG1sBt9VGZ12KFo07WaaiZmYqAV5O+rfTBLp
qYaLBdhNoVrgkJtAA4qjLTArMBgGA1UdEQQRMA+CDWFwaS5hY21lLnRlc3QwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDBAOBjAAwgYgCQgF8/APd7cOl4SBWRz1w
z7lWG1Oow+k9TisXejQK3SYgHwJoeBJI8g4oVI6si8loo1FNhrJqmz5VKpp0tFLl
eA48aQJCAXc7Vy4s7NGaPpEtSNnmErDCvv+vVjU7QfV57EBMv7oNfgwuBTsOo2uf
E8QripWHPAqpsqqbablAg4TA5JJyrWfm
-----END CERTIFICATE-----
";

/// The scheme of such keys.
const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP521_SHA512;

/// Its key, as far as there is one.
#[derive(Debug)]
struct Key;

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SCHEME)
            .then(|| Box::new(Self) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Key {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(vec![0; 132])
    }

    fn scheme(&self) -> SignatureScheme {
        SCHEME
    }
}

/// What gives such a server its certificate.
pub(super) fn resolver() -> Arc<SingleCertAndKey> {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes());
    let chain = vec![certificate.expect("a certificate")];
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(
        chain,
        Arc::new(Key),
    )))
}
