//! A client of an authorization server, as the vault keeps it for the next login: entered by the person, or registered.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use zeroize::Zeroizing;

use crate::oauth::client::Client;
use crate::provider::Name;
use crate::provider::oauth::ClientAuth;
use crate::secret::Secret;
use crate::url::Url;

/// What the names of clients in the vault begin with.
const PREFIX: &str = "client/";

/// A client that is kept.
pub(crate) struct StoredClient {
    /// The client.
    pub(crate) client: Client,
    /// The hosts of the endpoints that it was entered or registered for (token, device, revocation), that of the token endpoint first:
    /// its secret goes nowhere else.
    pub(crate) hosts: Vec<String>,
    /// Of one that was registered: for which redirect URI.
    pub(crate) redirect_uri: Option<String>,
    /// Where the server can be asked whether it still knows it, and with what.
    pub(crate) management: Option<(Url, Secret)>,
}

/// Its secrets as the vault has them.
#[derive(Default, Serialize, Deserialize)]
struct Sealed {
    /// The client's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// The token for asking about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration_token: Option<String>,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        for secret in [&mut self.client_secret, &mut self.registration_token] {
            drop(secret.take().map(Zeroizing::new));
        }
    }
}

/// Which client of a provider's installation.
#[derive(Clone, Copy)]
pub(crate) struct Which<'a> {
    /// The provider.
    pub(crate) provider: &'a Name,
    /// The URL of the installation.
    pub(crate) base_url: Option<&'a str>,
    /// Whether it was registered for a login, and not entered by the person.
    pub(crate) registered: bool,
}

impl Which<'_> {
    /// What it is called in the vault.
    pub(super) fn key(self) -> String {
        let kind = if self.registered {
            "registered"
        } else {
            "entered"
        };
        let base_url = self.base_url.unwrap_or("-");
        format!("{PREFIX}{kind}/{}/{base_url}", self.provider)
    }
}

impl StoredClient {
    /// Returns the first of these hosts, that of the token endpoint first, that the client isn't for. Without a secret only the token
    /// endpoint's counts: an id alone is none.
    pub(crate) fn first_stranger<'a>(&self, hosts: &'a [String]) -> Option<&'a String> {
        let counting = match self.client.secret {
            Some(_) => hosts.len(),
            None => 1,
        };
        let mut counting = hosts.iter().take(counting);
        counting.find(|host| !self.hosts.contains(host))
    }

    /// What the vault is told of it.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "client_id": self.client.id,
            "client_auth": self.client.auth.as_str(),
            "token_host": self.hosts.first(),
            "hosts": self.hosts,
            "redirect_uri": self.redirect_uri,
            "management_url": self.management.as_ref().map(|(url, _)| url.to_string()),
        })
    }

    /// Its secrets as one.
    pub(super) fn to_secret(&self) -> Secret {
        let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
        let sealed = Sealed {
            client_secret: self.client.secret.as_ref().map(text),
            registration_token: self.management.as_ref().map(|(_, token)| text(token)),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        serde_json::to_writer(&mut *bytes, &sealed).expect("texts are always JSON");
        Secret::from(bytes)
    }

    /// Reads an entry of the vault; `None` when it is of a form not known here.
    pub(super) fn read(about: &Value, secret: Option<&Secret>) -> Option<Self> {
        let text = |name: &str| about.get(name).and_then(Value::as_str);
        let mut sealed: Sealed = match secret {
            Some(secret) => serde_json::from_slice(secret.expose()).ok()?,
            None => Sealed::default(),
        };
        let taken = |text: Option<String>| text.map(|text| Secret::new(text.into_bytes()));
        // An entry of an older version names the token endpoint's host alone.
        let hosts: Vec<String> = match about.get("hosts").and_then(Value::as_array) {
            Some(hosts) => {
                let hosts = hosts.iter().map(|host| host.as_str().map(str::to_owned));
                hosts.collect::<Option<_>>()?
            }
            None => vec![text("token_host")?.to_owned()],
        };
        let place = text("management_url").and_then(|url| Url::parse(url.as_bytes()).ok());
        Some(Self {
            client: Client {
                id: text("client_id")?.to_owned(),
                secret: taken(sealed.client_secret.take()),
                auth: ClientAuth::parse(text("client_auth")?)?,
            },
            hosts,
            redirect_uri: text("redirect_uri").map(str::to_owned),
            management: place.zip(taken(sealed.registration_token.take())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_survives_the_vault() {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let client = StoredClient {
            client: Client {
                id: "id".into(),
                secret: Some(secret("s")),
                auth: ClientAuth::Basic,
            },
            hosts: vec!["idp.test:443".into(), "revoke.test:443".into()],
            redirect_uri: Some("http://127.0.0.1:7999/callback".into()),
            management: Some((Url::parse(b"https://idp.test/reg/id").unwrap(), secret("t"))),
        };
        let read = StoredClient::read(&client.to_json(), Some(&client.to_secret())).unwrap();
        assert_eq!(
            (&*read.client.id, read.client.auth),
            ("id", ClientAuth::Basic)
        );
        assert!(read.client.secret.unwrap().same_as(&secret("s")));
        assert_eq!(read.redirect_uri, client.redirect_uri);
        assert_eq!(read.hosts, client.hosts);
        assert!(read.management.unwrap().1.same_as(&secret("t")));
        assert!(StoredClient::read(&json!({}), None).is_none());
    }

    #[test]
    fn a_client_is_for_the_hosts_that_it_was_kept_for() {
        let hosts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (one, two): (Vec<String>, Vec<String>) =
            (hosts(&["a:443"]), hosts(&["a:443", "b:443"]));
        let stored = |fields: &Value, secret: Option<&str>| {
            let mut about = json!({"client_id": "id", "client_auth": "body"});
            for (name, value) in fields.as_object().unwrap() {
                about[name] = value.clone();
            }
            let secret = secret.map(|text| Secret::new(text.as_bytes().to_vec()));
            StoredClient::read(&about, secret.as_ref()).unwrap()
        };
        let sealed = Some(r#"{"client_secret": "s"}"#);
        // An entry of an older version, and those of this one.
        for (fields, secret, used_for, stranger) in [
            (json!({"token_host": "a:443"}), sealed, &one, None),
            (json!({"token_host": "a:443"}), sealed, &two, Some("b:443")),
            (json!({"token_host": "a:443"}), None, &two, None),
            (json!({"token_host": "c:443"}), None, &two, Some("a:443")),
            (json!({"hosts": ["a:443", "b:443"]}), sealed, &two, None),
            (json!({"hosts": ["a:443", "b:443"]}), sealed, &one, None),
            (json!({"hosts": ["b:443"]}), sealed, &one, Some("a:443")),
            (json!({"hosts": []}), sealed, &one, Some("a:443")),
        ] {
            let found = stored(&fields, secret);
            let found = found.first_stranger(used_for);
            assert_eq!(found.map(String::as_str), stranger, "{fields} {used_for:?}");
        }
    }

    #[test]
    fn each_installation_has_a_client_of_its_own() {
        let name = Name::parse("gitlab").unwrap();
        let key = |base_url, registered| {
            let provider = &name;
            let which = Which {
                provider,
                base_url,
                registered,
            };
            which.key()
        };
        assert_eq!(key(None, false), "client/entered/gitlab/-");
        let url = Some("https://git.example");
        assert_eq!(
            key(url, true),
            "client/registered/gitlab/https://git.example"
        );
    }
}
