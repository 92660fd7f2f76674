//! The server side of intercepted connections: one TLS configuration a host, with a leaf for just that host.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::ClientHello;
use rustls::server::ResolvesServerCert;
use rustls::server::ServerSessionMemoryCache;
use rustls::sign::CertifiedKey;
use rustls::sign::SigningKey;

use super::root::Root;
use crate::clock;
use crate::url::Host;

/// Hosts that have a configuration, at the most. Patterns could make a child ask for any number.
const MAX_HOSTS: usize = 1024;

/// Sessions of a host that its clients may resume, at the most. There may be as many hosts as there are leaves.
const MAX_SESSIONS: usize = 32;

/// A leaf that ends sooner than this is made anew.
const RENEW: Duration = Duration::from_secs(60 * 60);

/// Why there is no configuration for a host.
#[derive(Debug)]
pub(crate) struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A configuration, and when its leaf is good for a client.
type Made = (Arc<ServerConfig>, Range<SystemTime>);

/// Configurations by host.
pub(crate) struct LeafCache {
    /// Makes the leaves.
    root: Root,
    /// Their key.
    key: Arc<dyn SigningKey>,
    /// What signs and encrypts.
    crypto: Arc<CryptoProvider>,
    /// Those that were made.
    made: Mutex<HashMap<Host, Made>>,
}

impl LeafCache {
    /// A cache of leaves below this root.
    ///
    /// # Errors
    /// When the root's leaf key can't be used, which it always can.
    pub(crate) fn new(root: Root, crypto: Arc<CryptoProvider>) -> Result<Self, Error> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(root.leaf_key().to_vec()));
        let key = rustls::crypto::ring::sign::any_ecdsa_type(&key)
            .map_err(|error| Error(error.to_string()))?;
        Ok(Self {
            root,
            key,
            crypto,
            made: Mutex::default(),
        })
    }

    /// What the leaves lead to.
    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// The configuration for connections to this host.
    ///
    /// # Errors
    /// When no leaf can be made for it.
    pub(crate) fn config(&self, host: &Host) -> Result<Arc<ServerConfig>, Error> {
        self.config_at(host, clock::now())
    }

    /// The same at this time of day. It may be before that of the last call: clocks are set, and suspended machines wake up.
    fn config_at(&self, host: &Host, now: SystemTime) -> Result<Arc<ServerConfig>, Error> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((config, good)) = made.get(host)
            && good.contains(&now)
        {
            return Ok(Arc::clone(config));
        }
        if made.len() >= MAX_HOSTS {
            made.clear();
        }
        let (config, good) = self.make(host, now)?;
        let good = good.start..good.end - RENEW;
        made.insert(host.clone(), (Arc::clone(&config), good));
        Ok(config)
    }

    /// Makes a leaf and a configuration around it: TLS 1.2 and 1.3, HTTP/1.x wherever it is offered, no early data, no client certificates.
    fn make(&self, host: &Host, now: SystemTime) -> Result<Made, Error> {
        let failed =
            |error: &dyn fmt::Display| Error(format!("no certificate for {host}: {error}"));
        let (leaf, good) = self.root.leaf(host, now).map_err(|error| failed(&error))?;
        let resolver = OneHost {
            host: host.clone(),
            key: Arc::new(CertifiedKey::new(vec![leaf], Arc::clone(&self.key))),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.crypto))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        // `curl -0` offers only the second, clients of gRPC only the last, which is spoken just to refuse them.
        config.alpn_protocols = [&b"http/1.1"[..], b"http/1.0", b"h2"]
            .map(<[u8]>::to_vec)
            .into();
        config.ignore_client_order = true;
        // One is enough: a connection that resumes gets another.
        config.send_tls13_tickets = 1;
        config.session_storage = ServerSessionMemoryCache::new(MAX_SESSIONS);
        Ok((Arc::new(config), good))
    }
}

/// Serves one host's leaf, and refuses a client that asks for another name (SNI, RFC 6066 section 3). Clients that ask for none
/// get it too: the CONNECT has named the host.
#[derive(Debug)]
struct OneHost {
    /// The host of the CONNECT.
    host: Host,
    /// Leaf and key.
    key: Arc<CertifiedKey>,
}

impl ResolvesServerCert for OneHost {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_other = hello
            .server_name()
            .is_some_and(|name| Host::parse(name.as_bytes()).as_ref() != Ok(&self.host));
        (!is_other).then(|| Arc::clone(&self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::crypto;
    use crate::tls::root::Scope;

    /// A cache below a root of so many hours, and the time at which it was made.
    fn cache(hours: u32) -> (LeafCache, SystemTime) {
        let now = clock::now();
        let root = Root::make("test root", &Scope::AnyName, now, HOUR * hours).unwrap();
        (LeafCache::new(root, crypto()).unwrap(), now)
    }

    /// An hour.
    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// A host.
    fn host(name: &str) -> Host {
        Host::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn a_leaf_is_made_anew_once_it_is_good_no_more_or_not_yet() {
        let (cache, start) = cache(100);
        let config = |time| cache.config_at(&host("api.x.com"), time).unwrap();
        let later = start + 48 * HOUR;
        let first = config(later);
        assert!(Arc::ptr_eq(&first, &config(later + 22 * HOUR)));
        assert!(Arc::ptr_eq(&first, &config(later - HOUR / 2)));
        // The clock was set back: the first leaf is not valid yet.
        let second = config(start);
        assert!(!Arc::ptr_eq(&first, &second));
        // And forward again.
        assert!(!Arc::ptr_eq(&second, &config(later)));
    }

    #[test]
    fn a_root_of_a_year_has_good_leaves_to_its_end_and_says_when_that_comes() {
        let (cache, start) = cache(24 * 365);
        let day = 24 * HOUR;
        let certificate = cache.root().certificate();
        for (time, words) in [
            (start - 2 * HOUR, "check this machine's clock"),
            (start, ""),
            (start + 40 * day, ""),
            (start + 363 * day, ""),
            (start + 364 * day, "ends at"),
            (start + 365 * day, "has ended"),
            (start + 4000 * day, "has ended"),
        ] {
            let warning = certificate.warning(time).unwrap_or_default();
            assert_eq!(warning.is_empty(), words.is_empty(), "{warning}");
            assert!(warning.contains(words), "{warning}");
            let (_, good) = cache.root().leaf(&host("api.x.com"), time).unwrap();
            let is_good = good.contains(&time) && certificate.good.contains(&time);
            let is_refused = words.contains("clock") || words.contains("has");
            assert_eq!(is_good, !is_refused, "{words}");
            // Clients refuse one that is longer than the root, or than some hundred days.
            assert!(good.end <= certificate.good.end && good.end <= time.max(start) + day);
        }
        // One that lasts for an hour is not told of from the start on.
        let short = Root::make("short", &Scope::AnyName, start, HOUR).unwrap();
        assert_eq!(short.certificate().warning(start), None);
    }

    #[test]
    fn many_hosts_are_not_all_kept() {
        let (cache, now) = cache(24);
        for number in 0..MAX_HOSTS + 10 {
            cache
                .config_at(&host(&format!("a{number}.x.com")), now)
                .unwrap();
        }
        assert!(cache.made.lock().unwrap().len() <= MAX_HOSTS);
    }
}
