//! The certificate authority that is kept, and its form in the vault: the certificate with what it says, and the sealed private key.

use std::time::Duration;
use std::time::SystemTime;

use serde_json::Value;

use crate::encoding;
use crate::secret::Secret;
use crate::tls::root::Certificate;
use crate::tls::root::Scope;
use crate::url::Host;

/// What it is called in the vault.
pub(super) const KEY: &str = "ca/root";

/// The last second that a certificate can name.
const LATEST: u64 = 253_402_300_799;

/// A certificate authority that is kept.
pub(crate) struct Authority {
    /// Its certificate.
    pub(crate) certificate: Certificate,
    /// Its private key, PKCS#8.
    pub(crate) key: Secret,
}

impl Authority {
    /// Reads an entry of the vault; `None` when it is of a form not known here.
    pub(super) fn read(about: &Value, key: Secret) -> Option<Self> {
        let text = |name: &str| about.get(name).and_then(Value::as_str);
        let time = |name: &str| {
            let seconds = about.get(name)?.as_u64()?;
            (seconds <= LATEST).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        };
        let host = |host: &Value| Host::parse(host.as_str()?.as_bytes()).ok();
        let scope = match about.get("hosts") {
            None => Scope::AnyName,
            Some(hosts) => Scope::Hosts(hosts.as_array()?.iter().map(host).collect::<Option<_>>()?),
        };
        Some(Self {
            certificate: Certificate {
                name: text("name")?.to_owned(),
                serial: encoding::hex_decode(text("serial")?.as_bytes())?,
                scope,
                good: time("from")?..time("until")?,
                der: encoding::base64_decode(text("certificate")?.as_bytes())?.into(),
            },
            key,
        })
    }
}
