//! What an OAuth login leaves behind: tokens, and who may have new ones.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::oauth::client::Client;
use crate::oauth::token::Tokens;
use crate::provider::oauth::ClientAuth;
use crate::provider::oauth::Flow;
use crate::secret::Secret;
use crate::url::Url;

/// A token is replaced when it ends so soon (five minutes), or when this part of its life is left.
const MARGIN: Duration = Duration::from_secs(300);

/// The part: a third.
const PART: u32 = 3;

/// What is known of a grant without its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// How it was had.
    pub(crate) flow: Flow,
    /// When the access token ends, in milliseconds since 1970, where the server said so.
    pub(crate) expires_ms: Option<u64>,
    /// How long it lives, in milliseconds.
    pub(crate) lifetime_ms: Option<u64>,
    /// What was granted.
    pub(crate) scopes: Vec<String>,
    /// Whether there is a refresh token.
    pub(crate) is_refreshable: bool,
    /// Whether the server takes the refresh token no more: only the person can help.
    pub(crate) needs_login: bool,
    /// Where tokens are refreshed: where they came from, whatever the definition says by then.
    pub(crate) token_url: Url,
    /// Where they are taken back.
    pub(crate) revocation_url: Option<Url>,
    /// The resource that they are for (RFC 8707).
    pub(crate) resource: Option<String>,
    /// The client that they were given to.
    pub(crate) client_id: String,
    /// How it shows its secret.
    pub(crate) client_auth: ClientAuth,
}

/// The secrets of a grant.
pub(crate) struct Grant {
    /// The access token.
    pub(crate) access: Secret,
    /// The refresh token.
    pub(crate) refresh: Option<Secret>,
    /// The client's secret.
    pub(crate) client_secret: Option<Secret>,
}

/// A grant's secrets as the vault has them.
#[derive(Serialize, Deserialize)]
struct Sealed<'a> {
    /// The access token.
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    /// The refresh token.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Cow<'a, str>>,
    /// The client's secret.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<Cow<'a, str>>,
}

impl Grant {
    /// The secrets as one.
    pub(crate) fn to_secret(&self) -> Secret {
        self.to_secret_with(self.client_secret.as_ref())
    }

    /// Returns the grant as a secret, with this secret of the client in the place of its own.
    pub(super) fn to_secret_with(&self, client_secret: Option<&Secret>) -> Secret {
        /// A secret's text. What a server or a person gave as text is text.
        fn text(secret: &Secret) -> Cow<'_, str> {
            String::from_utf8_lossy(secret.expose())
        }

        let sealed = Sealed {
            access_token: text(&self.access),
            refresh_token: self.refresh.as_ref().map(text),
            client_secret: client_secret.map(text),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
        serde_json::to_writer(&mut *bytes, &sealed).expect("texts are always JSON");
        Secret::from(bytes)
    }

    /// Reads them; `None` when they are none.
    pub(crate) fn of_secret(secret: &Secret) -> Option<Self> {
        let sealed: Sealed<'_> = serde_json::from_slice(secret.expose()).ok()?;
        // What serde has copied is taken over, so that no copy of it is left.
        let taken = |text: Cow<'_, str>| Secret::new(text.into_owned().into_bytes());
        Some(Self {
            access: taken(sealed.access_token),
            refresh: sealed.refresh_token.map(taken),
            client_secret: sealed.client_secret.map(taken),
        })
    }

    /// The client that may have new tokens.
    pub(crate) fn client(&self, about: &About) -> Client {
        Client {
            id: about.client_id.clone(),
            secret: self.client_secret.as_ref().map(Secret::copy),
            auth: about.client_auth,
        }
    }
}

impl About {
    /// Takes new tokens in: what the server doesn't say again stays as it was.
    pub(crate) fn renew(&mut self, grant: &mut Grant, tokens: Tokens, now_ms: u64) {
        self.lifetime_ms = tokens.lifetime.map(|seconds| seconds * 1000);
        self.expires_ms = self.lifetime_ms.map(|lifetime| now_ms + lifetime);
        if let Some(scope) = tokens.scope {
            self.scopes = scope.split_whitespace().map(str::to_owned).collect();
        }
        grant.access = tokens.access;
        if tokens.refresh.is_some() {
            grant.refresh = tokens.refresh;
        }
        self.is_refreshable = grant.refresh.is_some();
        self.needs_login = false;
    }

    /// How the access token stands.
    pub(crate) fn standing(&self, now_ms: u64) -> Standing {
        let Some(expires) = self.expires_ms else {
            return Standing::Good;
        };
        let left = Duration::from_millis(expires.saturating_sub(now_ms));
        let lifetime = Duration::from_millis(self.lifetime_ms.unwrap_or(u64::MAX));
        if left.is_zero() {
            Standing::Over
        } else if left <= MARGIN.min(lifetime / PART) {
            Standing::Ending
        } else {
            Standing::Good
        }
    }

    /// Adds what the vault is told of it.
    pub(super) fn write(&self, fields: &mut Map<String, Value>) {
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        set("flow", self.flow.as_str().into());
        set("scopes", self.scopes.clone().into());
        set("refreshable", self.is_refreshable.into());
        set("needs_login", self.needs_login.into());
        set("token_url", self.token_url.to_string().into());
        set("client_id", self.client_id.clone().into());
        set("client_auth", self.client_auth.as_str().into());
        for (name, value) in [
            ("expires_ms", self.expires_ms),
            ("lifetime_ms", self.lifetime_ms),
        ] {
            if let Some(value) = value {
                set(name, value.into());
            }
        }
        let revocation = self.revocation_url.as_ref().map(Url::to_string);
        for (name, value) in [
            ("revocation_url", revocation),
            ("resource", self.resource.clone()),
        ] {
            if let Some(value) = value {
                set(name, value.into());
            }
        }
    }

    /// Reads it; `None` when it is none of OAuth.
    pub(super) fn read(about: &Value) -> Option<Self> {
        let text = |name: &str| about.get(name).and_then(Value::as_str);
        let url = |name: &str| Url::parse(text(name)?.as_bytes()).ok();
        let number = |name: &str| about.get(name).and_then(Value::as_u64);
        let flag = |name: &str| about.get(name).and_then(Value::as_bool);
        let scopes = about.get("scopes")?.as_array()?.iter();
        Some(Self {
            flow: Flow::parse(text("flow")?)?,
            expires_ms: number("expires_ms"),
            lifetime_ms: number("lifetime_ms"),
            scopes: scopes
                .filter_map(|scope| scope.as_str().map(str::to_owned))
                .collect(),
            is_refreshable: flag("refreshable")?,
            needs_login: flag("needs_login")?,
            token_url: url("token_url")?,
            revocation_url: url("revocation_url"),
            resource: text("resource").map(str::to_owned),
            client_id: text("client_id")?.to_owned(),
            client_auth: ClientAuth::parse(text("client_auth")?)?,
        })
    }
}

/// How an access token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is good.
    Good,
    /// It is good, and ends soon.
    Ending,
    /// It has ended.
    Over,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grant that is known of.
    pub(crate) fn about() -> About {
        About {
            flow: Flow::Pkce,
            expires_ms: Some(3_600_000),
            lifetime_ms: Some(3_600_000),
            scopes: vec!["a".into()],
            is_refreshable: true,
            needs_login: false,
            token_url: Url::parse(b"https://idp.test/token").unwrap(),
            revocation_url: None,
            resource: None,
            client_id: "id".into(),
            client_auth: ClientAuth::Body,
        }
    }

    #[test]
    fn a_token_is_replaced_five_minutes_or_a_third_of_its_life_before_it_ends() {
        let about = about();
        assert_eq!(about.standing(0), Standing::Good);
        assert_eq!(about.standing(3_299_999), Standing::Good);
        assert_eq!(about.standing(3_300_000), Standing::Ending);
        assert_eq!(about.standing(3_599_999), Standing::Ending);
        assert_eq!(about.standing(3_600_000), Standing::Over);
        let short = About {
            expires_ms: Some(3000),
            lifetime_ms: Some(3000),
            ..about
        };
        assert_eq!(short.standing(1999), Standing::Good);
        assert_eq!(short.standing(2000), Standing::Ending);
        let endless = About {
            expires_ms: None,
            ..short
        };
        assert_eq!(endless.standing(u64::MAX), Standing::Good);
    }

    #[test]
    fn a_grant_survives_the_vault() {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let grant = Grant {
            access: secret("a\"\\é"),
            refresh: Some(secret("r")),
            client_secret: None,
        };
        let read = Grant::of_secret(&grant.to_secret()).unwrap();
        assert!(read.access.same_as(&grant.access));
        assert!(read.refresh.unwrap().same_as(&secret("r")));
        assert!(read.client_secret.is_none());
        assert!(Grant::of_secret(&secret("sk-plain")).is_none());

        let mut fields = Map::new();
        about().write(&mut fields);
        assert_eq!(About::read(&fields.into()), Some(about()));
    }

    #[test]
    fn new_tokens_leave_what_they_do_not_say() {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let mut about = about();
        let mut grant = Grant {
            access: secret("old"),
            refresh: Some(secret("r")),
            client_secret: None,
        };
        let tokens = Tokens {
            access: secret("new"),
            refresh: None,
            lifetime: None,
            scope: None,
        };
        about.needs_login = true;
        about.renew(&mut grant, tokens, 0);
        assert!(grant.access.same_as(&secret("new")));
        assert!(grant.refresh.is_some() && about.is_refreshable && !about.needs_login);
        assert_eq!(
            (about.expires_ms, about.scopes),
            (None, vec!["a".to_owned()])
        );
    }
}
