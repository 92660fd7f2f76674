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
    /// The host of the token endpoint that it is for: its secret goes nowhere else.
    pub(crate) token_host: String,
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
    /// What the vault is told of it.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "client_id": self.client.id,
            "client_auth": self.client.auth.as_str(),
            "token_host": self.token_host,
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
        let place = text("management_url").and_then(|url| Url::parse(url.as_bytes()).ok());
        Some(Self {
            client: Client {
                id: text("client_id")?.to_owned(),
                secret: taken(sealed.client_secret.take()),
                auth: ClientAuth::parse(text("client_auth")?)?,
            },
            token_host: text("token_host")?.to_owned(),
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
            token_host: "idp.test:443".into(),
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
        assert!(read.management.unwrap().1.same_as(&secret("t")));
        assert!(StoredClient::read(&json!({}), None).is_none());
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
