//! A record: a connection as the vault keeps it, and its form there.

use std::time::Duration;
use std::time::SystemTime;

use serde_json::Map;
use serde_json::Value;

use super::grant::About;
use crate::provider::Name;
use crate::source::Spec;

/// The name of a provider's connection where none is said.
pub(crate) const DEFAULT: &str = "default";

/// What the names of records in the vault begin with.
const PREFIX: &str = "connection/";

/// A stored connection, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Whose.
    pub(crate) provider: Name,
    /// The connection's own name.
    pub(crate) connection: Name,
    /// Whether it is the one that the provider's routes use.
    pub(crate) is_default: bool,
    /// Where its credential is.
    pub(crate) held: Held,
    /// The URL of the provider's own installation.
    pub(crate) base_url: Option<String>,
    /// The user in basic authentication, where the definition takes it from outside.
    pub(crate) username: Option<String>,
    /// What its credential was stored for ([`claim`]), sorted; `None` where that isn't known.
    pub(crate) routes: Option<Vec<String>>,
    /// When it was first stored, in seconds since 1970.
    pub(crate) created: u64,
    /// When its credential was last stored.
    pub(crate) updated: u64,
}

/// Where a record's credential is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Sealed in the vault.
    Sealed,
    /// Where this says; read when it is used.
    Source {
        /// The source.
        spec: Spec,
        /// How long a command's answer is used.
        ttl: Duration,
    },
    /// Sealed in the vault: tokens that an authorization server gave.
    Oauth(Box<About>),
}

/// What stands between the parts of a claim: neither has one.
const BETWEEN: char = '\t';

/// What a credential is stored for: a rule, and its place in requests that meet it.
pub(crate) fn claim(rule: &str, placement: &str) -> String {
    format!("{rule}{BETWEEN}{placement}")
}

impl Record {
    /// What it is called in the vault.
    pub(crate) fn key(&self) -> String {
        key(&self.provider, &self.connection)
    }

    /// How it is called in messages: the provider, and its own name unless that is `default`.
    pub(crate) fn label(&self) -> String {
        label(&self.provider, &self.connection)
    }

    /// Where its credential is read from, if it isn't in the vault.
    pub(crate) fn source(&self) -> Option<&Spec> {
        match &self.held {
            Held::Source { spec, .. } => Some(spec),
            Held::Sealed | Held::Oauth(_) => None,
        }
    }

    /// Those of the claims that its credential was not stored for. What an older version stored names the rules alone, and goes to
    /// them in whatever way.
    pub(crate) fn new_claims(&self, claims: &[String]) -> Vec<String> {
        let Some(known) = &self.routes else {
            return Vec::new();
        };
        let is_known = |claim: &str| {
            let rule = claim.split(BETWEEN).next().unwrap_or_default();
            known.iter().any(|known| known == claim || known == rule)
        };
        let new = claims.iter().filter(|claim| !is_known(claim));
        new.map(|claim| claim.replace(BETWEEN, ", as ")).collect()
    }

    /// What the vault is told of it.
    pub(super) fn to_json(&self) -> Value {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        set("default", self.is_default.into());
        set("created", self.created.into());
        set("updated", self.updated.into());
        if let Held::Source { spec, ttl } = &self.held {
            set("source", spec.to_string().into());
            set("ttl", ttl.as_secs().into());
        }
        for (name, value) in [("base_url", &self.base_url), ("username", &self.username)] {
            if let Some(value) = value {
                set(name, value.clone().into());
            }
        }
        if let Some(routes) = &self.routes {
            set("routes", routes.clone().into());
        }
        if let Held::Oauth(about) = &self.held {
            about.write(&mut fields);
        }
        fields.into()
    }

    /// Reads an entry of the vault; `None` when it is none of a connection, or of a form not known here.
    pub(super) fn from_json(key: &str, about: &Value) -> Option<Self> {
        let (provider, connection) = key.strip_prefix(PREFIX)?.split_once('/')?;
        let text = |name: &str| about.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| about.get(name).and_then(Value::as_u64);
        let held = match text("source") {
            None if about.get("flow").is_some() => Held::Oauth(Box::new(About::read(about)?)),
            None => Held::Sealed,
            Some(source) => Held::Source {
                spec: Spec::parse(&source)?,
                ttl: Duration::from_secs(number("ttl")?),
            },
        };
        Some(Self {
            provider: Name::parse(provider)?,
            connection: Name::parse(connection)?,
            is_default: about.get("default")?.as_bool()?,
            held,
            base_url: text("base_url"),
            username: text("username"),
            routes: routes(about)?,
            created: number("created")?,
            updated: number("updated")?,
        })
    }
}

/// The rules in an entry; `None` where they are there but can't be read: then nothing is known of where the credential may go.
#[expect(
    clippy::option_option,
    reason = "not there, and not readable, are two things"
)]
fn routes(about: &Value) -> Option<Option<Vec<String>>> {
    let Some(value) = about.get("routes") else {
        return Some(None);
    };
    let rules = value.as_array()?.iter();
    let rules: Option<Vec<String>> = rules.map(|rule| rule.as_str().map(str::to_owned)).collect();
    rules.map(Some)
}

/// How a connection is called in messages.
pub(super) fn label(provider: &Name, connection: &Name) -> String {
    match connection.as_str() {
        DEFAULT => provider.to_string(),
        name => format!("{provider}/{name}"),
    }
}

/// The command that logs a connection in again.
pub(crate) fn login_again(provider: &Name, connection: &Name) -> String {
    match connection.as_str() {
        DEFAULT => format!("authsome login {provider} --force"),
        name => format!("authsome login {provider} --connection {name} --force"),
    }
}

/// What a connection is called in the vault.
pub(super) fn key(provider: &Name, connection: &Name) -> String {
    format!("{PREFIX}{provider}/{connection}")
}

/// Milliseconds since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_vault() {
        let mut record = Record {
            provider: Name::parse("acme").unwrap(),
            connection: Name::parse("work").unwrap(),
            is_default: true,
            held: Held::Sealed,
            base_url: Some("https://acme.example".into()),
            username: None,
            routes: Some(vec!["https://a.example".into(), "https://b.example".into()]),
            created: 1,
            updated: 2,
        };
        for held in [
            Held::Sealed,
            Held::Source {
                spec: Spec::parse("command:op read 'x y'").unwrap(),
                ttl: Duration::from_secs(60),
            },
        ] {
            record.held = held;
            let read = Record::from_json(&record.key(), &record.to_json());
            assert_eq!(read.as_ref(), Some(&record));
        }
        let rules = ["https://b.example", "https://c.example"].map(str::to_owned);
        assert_eq!(record.new_claims(&rules), ["https://c.example"]);
        // An older version stored the rules alone; this one the place in a request, too.
        let placed = |place| vec![claim("https://a.example", place)];
        assert!(record.new_claims(&placed("X-Key: ********")).is_empty());
        record.routes = Some(placed("X-Key: ********"));
        assert!(record.new_claims(&placed("X-Key: ********")).is_empty());
        let new = record.new_claims(&placed("query parameter key=********"));
        assert_eq!(new, ["https://a.example, as query parameter key=********"]);
        // One of an older version says nothing of routes, and goes where it went.
        record.routes = None;
        let read = Record::from_json(&record.key(), &record.to_json());
        assert_eq!(read.as_ref(), Some(&record));
        assert!(record.new_claims(&rules).is_empty());
        assert_eq!(record.key(), "connection/acme/work");
        assert_eq!(record.label(), "acme/work");
        for key in ["", "backup/x", "connection/acme", "connection/../x"] {
            assert_eq!(Record::from_json(key, &record.to_json()), None, "{key}");
        }
    }
}
