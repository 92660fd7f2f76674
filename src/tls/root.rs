//! The root of a run: made in memory, its key never on disk, good for just the hosts that have routes.

use std::ops::Range;
use std::time::Duration;
use std::time::SystemTime;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::CidrSubnet;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::GeneralSubtree;
use rcgen::IsCa;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::NameConstraints;
use rcgen::SanType;
use rcgen::SerialNumber;
use rustls::pki_types::CertificateDer;

use crate::encoding;
use crate::url::Host;

/// How far clocks may be behind ours.
const CLOCK_SKEW: Duration = Duration::from_secs(60 * 60);

/// How long a leaf lasts, unless its root ends before.
const LEAF_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Which hosts a root may vouch for.
pub(crate) enum Scope {
    /// These and the names below them: the name constraints of RFC 5280 section 4.2.1.10 know no narrower form.
    Hosts(Vec<Host>),
    /// Any name; there are patterns among the routes. No addresses.
    AnyName,
}

/// A certificate authority that lives as long as this value.
pub(crate) struct Root {
    /// Certificate and key.
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The one key that all leaves share.
    leaf_key: KeyPair,
    /// When the root ends.
    ends: SystemTime,
}

impl Root {
    /// Makes a root that is called `name` and ends `lifetime` after `now`: ECDSA P-256, for certificates only, with no further
    /// authority below it.
    ///
    /// # Errors
    /// When keys can't be made, for want of randomness.
    pub(crate) fn make(
        name: &str,
        scope: &Scope,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<Self, rcgen::Error> {
        let ends = now + lifetime;
        let mut params = params(name, now - CLOCK_SKEW, ends)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.name_constraints = Some(constraints(scope));
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
            leaf_key: KeyPair::generate()?,
            ends,
        })
    }

    /// A certificate for the host, and when it is good.
    ///
    /// # Errors
    /// When the host can't stand in a certificate, or for want of randomness.
    pub(crate) fn leaf(
        &self,
        host: &Host,
        now: SystemTime,
    ) -> Result<(CertificateDer<'static>, Range<SystemTime>), rcgen::Error> {
        let good = now - CLOCK_SKEW..(now + LEAF_LIFETIME).min(self.ends);
        let mut params = params("authsome leaf", good.start, good.end)?;
        params.subject_alt_names = vec![match host.ip() {
            Some(ip) => SanType::IpAddress(ip),
            None => SanType::DnsName(host.as_str().try_into()?),
        }];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Python 3.13 and later refuse a leaf without it (RFC 5280 section 4.2.1.1).
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&self.leaf_key, &self.issuer)?;
        Ok((leaf.der().clone(), good))
    }

    /// The leaves' private key, PKCS#8.
    pub(crate) fn leaf_key(&self) -> &[u8] {
        self.leaf_key.serialized_der()
    }

    /// The root's certificate.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        self.issuer.der()
    }

    /// The root's certificate as PEM.
    pub(crate) fn pem(&self) -> String {
        encoding::pem("CERTIFICATE", self.certificate())
    }
}

/// What all our certificates have: a name, a time, a random serial number.
fn params(
    name: &str,
    from: SystemTime,
    until: SystemTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut serial = [0; 16];
    getrandom::getrandom(&mut serial).map_err(|_| rcgen::Error::RingUnspecified)?;
    // Positive and without leading zeros: 127 bits with the highest set (RFC 5280 section 4.1.2.2).
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = from.into();
    params.not_after = until.into();
    Ok(params)
}

/// The scope as name constraints. Addresses are excluded but for those in scope.
fn constraints(scope: &Scope) -> NameConstraints {
    let hosts = match scope {
        Scope::Hosts(hosts) => hosts.as_slice(),
        Scope::AnyName => &[],
    };
    let subtree = |host: &Host| match host.ip() {
        Some(ip) => {
            let whole = if ip.is_ipv4() { 32 } else { 128 };
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(ip, whole))
        }
        None => GeneralSubtree::DnsName(host.as_str().to_owned()),
    };
    let has_addresses = hosts.iter().any(|host| host.ip().is_some());
    let every_address = vec![
        GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
        GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
    ];
    NameConstraints {
        permitted_subtrees: hosts.iter().map(subtree).collect(),
        excluded_subtrees: if has_addresses {
            Vec::new()
        } else {
            every_address
        },
    }
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::ServerName;
    use rustls::pki_types::UnixTime;

    use super::*;
    use crate::clock;
    use crate::tls::crypto;

    /// A root for api.x.com, a day long.
    fn root() -> Root {
        let host = Host::parse(b"api.x.com").unwrap();
        let day = Duration::from_secs(24 * 60 * 60);
        Root::make("test root", &Scope::Hosts(vec![host]), clock::now(), day).unwrap()
    }

    /// Whether webpki takes the leaf for the host at that time.
    fn is_good(root: &Root, host: &str, at: SystemTime) -> bool {
        let (leaf, _) = root
            .leaf(&Host::parse(host.as_bytes()).unwrap(), clock::now())
            .unwrap();
        let mut store = RootCertStore::empty();
        store.add(root.certificate().clone()).unwrap();
        let verifier = WebPkiServerVerifier::builder_with_provider(store.into(), crypto());
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let at = UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap());
        verifier
            .build()
            .unwrap()
            .verify_server_cert(&leaf, &[], &name, &[], at)
            .is_ok()
    }

    #[test]
    fn a_leaf_is_good_for_its_host_within_its_time() {
        let root = root();
        let hour = Duration::from_secs(60 * 60);
        assert!(is_good(&root, "api.x.com", clock::now()));
        assert!(is_good(&root, "api.x.com", clock::now() - hour / 2));
        assert!(!is_good(&root, "api.x.com", clock::now() - 2 * hour));
        assert!(!is_good(&root, "api.x.com", clock::now() + 25 * hour));
    }

    #[test]
    fn the_root_cannot_vouch_for_other_hosts() {
        let root = root();
        assert!(!is_good(&root, "api.y.com", clock::now()));
        assert!(!is_good(&root, "192.0.2.1", clock::now()));
    }

    #[test]
    fn serial_numbers_differ_although_the_key_does_not() {
        let root = root();
        let host = Host::parse(b"api.x.com").unwrap();
        let (one, two) = (
            root.leaf(&host, clock::now()),
            root.leaf(&host, clock::now()),
        );
        assert_ne!(one.unwrap().0, two.unwrap().0);
    }
}
