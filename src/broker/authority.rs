//! The certificate authority that is kept, and its form in the vault: the certificate with what it says, and the sealed private key.

use std::time::Duration;
use std::time::SystemTime;

use serde_json::Map;
use serde_json::Value;

use super::record::seconds;
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
    /// What the vault is told of it.
    pub(super) fn to_json(&self) -> Value {
        let Certificate {
            name,
            serial,
            scope,
            good,
            der,
        } = &self.certificate;
        let der = String::from_utf8_lossy(&encoding::base64(der)).into_owned();
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        set("certificate", der.into());
        set("name", name.clone().into());
        set("serial", encoding::hex(serial).into());
        set("from", seconds(good.start).into());
        set("until", seconds(good.end).into());
        if let Scope::Hosts(hosts) = scope {
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            set("hosts", hosts.into());
        }
        fields.into()
    }

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
