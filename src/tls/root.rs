//! Roots: the one of a run, made in memory, its key never on disk, good for just the hosts that have routes; and the one that is kept.

use std::ops::Range;
use std::time::Duration;
use std::time::SystemTime;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CidrSubnet;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::GeneralSubtree;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::NameConstraints;
use rcgen::SanType;
use rcgen::SerialNumber;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::clock;
use crate::encoding;
use crate::secret::Secret;
use crate::url::Host;

/// How far clocks may be behind ours.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(60 * 60);

/// How long a leaf lasts, unless its root ends before: nothing is short of it, since it is made again, and no client finds it too long.
const LEAF_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How long before its end authsome warns about a root in use, unless that is much of the root's lifetime.
const ENDS_SOON: Duration = Duration::from_secs(24 * 60 * 60);

/// Which hosts a root may vouch for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// These and the names below them: the name constraints of RFC 5280 section 4.2.1.10 know no narrower form.
    Hosts(Vec<Host>),
    /// Any name; there are patterns among the routes that say too little of their hosts. No addresses.
    AnyName,
}

impl Scope {
    /// Whether a root of this scope may vouch for the host.
    pub(crate) fn has(&self, host: &Host) -> bool {
        match self {
            Self::AnyName => host.ip().is_none(),
            Self::Hosts(hosts) => hosts.iter().any(|known| {
                let above = host.as_str().strip_suffix(known.as_str());
                known == host
                    || host.ip().is_none() && above.is_some_and(|below| below.ends_with('.'))
            }),
        }
    }
}

/// A root's certificate, and what it says.
#[derive(Clone)]
pub(crate) struct Certificate {
    /// The common name of its subject.
    pub(crate) name: String,
    /// Its serial number.
    pub(crate) serial: Vec<u8>,
    /// Which hosts it may vouch for.
    pub(crate) scope: Scope,
    /// When it is good.
    pub(crate) good: Range<SystemTime>,
    /// The certificate itself.
    pub(crate) der: CertificateDer<'static>,
}

impl Certificate {
    /// As PEM.
    pub(crate) fn pem(&self) -> String {
        encoding::pem("CERTIFICATE", &self.der)
    }

    /// Returns a warning about the root's end if it is near at that time: a program may run for weeks unattended.
    pub(crate) fn warning(&self, now: SystemTime) -> Option<String> {
        let Range { start, end } = self.good;
        let lifetime = end.duration_since(start + CLOCK_SKEW).unwrap_or_default();
        let (from, until) = (text(start), text(end));
        let remedy = "start authsome again; if it uses the CA of `authsome ca`, run `authsome ca rotate` first";
        if now < start {
            return Some(format!(
                "the CA is valid only from {from} on, and programs refuse new connections: check this machine's clock"
            ));
        }
        if now >= end {
            return Some(format!(
                "the CA has ended, at {until}, and programs refuse new connections: {remedy}"
            ));
        }
        let is_soon = now + ENDS_SOON.min(lifetime / 10) >= end;
        is_soon.then(|| {
            format!("the CA ends at {until}, and programs refuse new connections then: {remedy}")
        })
    }
}

/// A certificate authority, with its key.
pub(crate) struct Root {
    /// Its certificate.
    certificate: Certificate,
    /// Signs the leaves.
    issuer: Issuer<'static, KeyPair>,
    /// The one key that all leaves share. It is of this process alone, whatever the root.
    leaf_key: KeyPair,
}

impl Root {
    /// Makes a root that is called `name` and ends `lifetime` after `now`: ECDSA P-256, for certificates of servers only, with no
    /// further authority below it.
    ///
    /// # Errors
    /// When keys can't be made, for want of randomness.
    pub(crate) fn make(
        name: &str,
        scope: &Scope,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<Self, rcgen::Error> {
        let good = now - CLOCK_SKEW..now + lifetime;
        let serial = serial_number()?;
        let params = root_params(name, &serial, scope, &good);
        let key = KeyPair::generate()?;
        let der = params.self_signed(&key)?.der().clone();
        Ok(Self {
            certificate: Certificate {
                name: name.to_owned(),
                serial,
                scope: scope.clone(),
                good,
                der,
            },
            issuer: Issuer::new(params, key),
            leaf_key: KeyPair::generate()?,
        })
    }

    /// The root of a certificate and its private key (PKCS#8) that were kept.
    ///
    /// # Errors
    /// When the key is none; when one for the leaves can't be made, for want of randomness.
    pub(crate) fn kept(certificate: Certificate, key: &Secret) -> Result<Self, rcgen::Error> {
        let Certificate {
            name,
            serial,
            scope,
            good,
            ..
        } = &certificate;
        let params = root_params(name, serial, scope, good);
        let key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(key.expose()))?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
            leaf_key: KeyPair::generate()?,
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
        let good = now - CLOCK_SKEW..(now + LEAF_LIFETIME).min(self.certificate.good.end);
        let mut params = params("authsome leaf", &serial_number()?, &good);
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

    /// The root's certificate and its private key (PKCS#8), to be kept.
    pub(crate) fn into_kept(self) -> (Certificate, Secret) {
        let key = Secret::new(self.issuer.key().serialize_der());
        (self.certificate, key)
    }

    /// The leaves' private key, PKCS#8.
    pub(crate) fn leaf_key(&self) -> &[u8] {
        self.leaf_key.serialized_der()
    }

    /// The root's certificate.
    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The root's certificate as PEM.
    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }
}

/// A time as people read it.
fn text(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    clock::rfc3339(since.unwrap_or_default().as_secs())
}

/// A serial number: positive and without leading zeros, 127 bits with the highest set (RFC 5280 section 4.1.2.2).
fn serial_number() -> Result<Vec<u8>, rcgen::Error> {
    let mut serial = [0; 16];
    getrandom::getrandom(&mut serial).map_err(|_| rcgen::Error::RingUnspecified)?;
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    Ok(serial.to_vec())
}

/// What all our certificates have: a name, a serial number, a time.
fn params(name: &str, serial: &[u8], good: &Range<SystemTime>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(serial));
    params.not_before = good.start.into();
    params.not_after = good.end.into();
    params
}

/// What roots have beside that. The usage keeps one that others trust from vouching for programs and mail.
fn root_params(
    name: &str,
    serial: &[u8],
    scope: &Scope,
    good: &Range<SystemTime>,
) -> CertificateParams {
    let mut params = params(name, serial, good);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.name_constraints = Some(constraints(scope));
    params
}

/// The scope as name constraints. What is permitted counts for its own kind alone: names are excluded where only addresses are in scope,
/// and the other way round.
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
    let has_names = hosts.iter().any(|host| host.ip().is_none());
    let mut excluded = Vec::new();
    if !has_addresses {
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
    } else if !has_names {
        // Every name is at or below the empty one.
        excluded.push(GeneralSubtree::DnsName(String::new()));
    }
    NameConstraints {
        permitted_subtrees: hosts.iter().map(subtree).collect(),
        excluded_subtrees: excluded,
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
        let bracketed = format!("[{host}]");
        let text = if host.contains(':') { &bracketed } else { host };
        let (leaf, _) = root
            .leaf(&Host::parse(text.as_bytes()).unwrap(), clock::now())
            .unwrap();
        let mut store = RootCertStore::empty();
        store.add(root.certificate().der.clone()).unwrap();
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
    fn what_is_permitted_of_one_kind_lets_nothing_of_the_other_in() {
        let scope = |hosts: &[&str]| {
            let hosts = hosts.iter().map(|host| Host::parse(host.as_bytes()));
            Scope::Hosts(hosts.collect::<Result<_, _>>().unwrap())
        };
        let day = Duration::from_secs(24 * 60 * 60);
        let hosts = [
            "api.x.com",
            "sub.api.x.com",
            "notapi.x.com",
            "x.com",
            "192.0.2.1",
            "192.0.2.2",
            "2001:db8::1",
        ];
        for scope in [
            scope(&["api.x.com"]),
            scope(&["192.0.2.1"]),
            scope(&["[2001:db8::1]"]),
            scope(&["api.x.com", "192.0.2.1"]),
            Scope::AnyName,
        ] {
            let root = Root::make("test root", &scope, clock::now(), day).unwrap();
            for host in hosts {
                let text = match host.contains(':') {
                    true => format!("[{host}]"),
                    false => host.to_owned(),
                };
                let expected = scope.has(&Host::parse(text.as_bytes()).unwrap());
                assert_eq!(
                    is_good(&root, host, clock::now()),
                    expected,
                    "{scope:?} {host}"
                );
            }
        }
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
