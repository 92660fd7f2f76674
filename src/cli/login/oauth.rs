//! Logging in by OAuth: who asks (the client), how the person agrees, and what is stored of it.

use std::thread;
use std::time::Instant;

use super::Login;
use super::callback;
use super::client;
use super::open_page;
use crate::broker::client::StoredClient;
use crate::broker::grant::About;
use crate::broker::grant::Grant;
use crate::broker::record;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::cli::error::Error;
use crate::cli::output;
use crate::cli::output::Colour;
use crate::cli::output::Paint;
use crate::cli::syntax::Parsed;
use crate::clock;
use crate::oauth;
use crate::oauth::client::Client;
use crate::oauth::device;
use crate::oauth::device::Asked;
use crate::oauth::discovery;
use crate::oauth::registration;
use crate::oauth::token::Tokens;
use crate::provider::oauth::Flow;
use crate::provider::oauth::Oauth;
use crate::secret::Secret;
use crate::source::Spec;
use crate::upstream::dial::Dialer;

/// The port that browsers come back to: the one that providers have been told.
const CALLBACK_PORT: u16 = 7999;

/// What the command line says of OAuth.
pub(super) struct OauthArgs {
    /// `--scopes S`
    scopes: Option<Vec<String>>,
    /// `--client-id ID`
    pub(super) client_id: Option<String>,
    /// `--client-secret-from SOURCE`
    pub(super) client_secret: Option<Spec>,
    /// `--new-client`
    pub(super) new_client: bool,
    /// `--callback-port PORT`
    port: u16,
}

impl OauthArgs {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with one.
    pub(super) fn read(parsed: &Parsed) -> Result<Self, Error> {
        let split = |text: &str| {
            let words = text.split([' ', ',']).filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        };
        let form = "env:NAME, file:PATH or command:LINE";
        let client_secret = parsed
            .parsed("client-secret-from", form, Spec::parse)
            .map_err(|error| error.hint("a secret itself never goes on the command line"))?;
        if client_secret.is_some() && !parsed.has("client-id") {
            return Err(parsed.usage("--client-secret-from goes with --client-id"));
        }
        let port = parsed.number("callback-port", "", 1..=65_535)?;
        Ok(Self {
            scopes: parsed.value("scopes")?.map(split),
            client_id: parsed.value("client-id")?.map(str::to_owned),
            client_secret,
            new_client: parsed.has("new-client"),
            port: port
                .and_then(|port| port.try_into().ok())
                .unwrap_or(CALLBACK_PORT),
        })
    }
}

/// A login by OAuth under way.
pub(super) struct Grantor<'a> {
    /// The login.
    pub(super) login: &'a Login<'a>,
    /// The way to the authorization server.
    pub(super) dialer: Dialer,
    /// What the definition, and the server, say.
    pub(super) oauth: Oauth,
    /// How the person agrees.
    flow: Flow,
    /// What is asked for.
    pub(super) scopes: Vec<String>,
    /// The resource that tokens are for.
    pub(super) resource: Option<String>,
    /// Whether the server promised to say who it is.
    pub(super) says_issuer: bool,
}

/// Logs in, and gives what was stored.
///
/// # Errors
/// Why there is no login.
pub(super) fn login(login: &Login<'_>, oauth: &Oauth, flow: Flow) -> Result<Record, Error> {
    if login.wanted.base_url {
        return Err(login.base_url_missing());
    }
    let dialer = login.args.origins.own_dialer(login.app)?;
    let mut grantor = Grantor {
        login,
        dialer,
        oauth: oauth.clone(),
        flow,
        scopes: login
            .args
            .oauth
            .scopes
            .clone()
            .unwrap_or_else(|| oauth.scopes.clone()),
        resource: None,
        says_issuer: false,
    };
    grantor.discover()?;
    match grantor.attempt(login.args.oauth.new_client) {
        // A server that has forgotten a client which was registered with it: once more with another.
        Err(Trouble::Server(error)) if flow == Flow::DcrPkce && is_about_client(&error) => grantor
            .attempt(true)
            .map_err(|trouble| grantor.told(trouble)),
        other => other.map_err(|trouble| grantor.told(trouble)),
    }
}

/// Why an attempt failed.
pub(super) enum Trouble {
    /// What the authorization server says, or that it can't be asked.
    Server(oauth::Error),
    /// Anything else.
    Own(Error),
}

impl From<oauth::Error> for Trouble {
    fn from(error: oauth::Error) -> Self {
        Self::Server(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Own(error)
    }
}

/// Whether the server doesn't know the client.
fn is_about_client(error: &oauth::Error) -> bool {
    matches!(error.code(), Some("invalid_client" | "unauthorized_client"))
}

impl Grantor<'_> {
    /// The trouble, for the person.
    fn told(&self, trouble: Trouble) -> Error {
        match trouble {
            Trouble::Own(error) => error,
            Trouble::Server(error) => {
                let remedy = error.remedy();
                let what = format!("cannot log in to {}", self.login.provider.name);
                Error::new(&what, error).hint(remedy)
            }
        }
    }

    /// Where browsers come back to.
    pub(super) fn redirect_uri(&self) -> String {
        callback::redirect_uri(self.login.args.oauth.port)
    }

    /// Asks the server, or the resource, for endpoints that the definition doesn't name.
    fn discover(&mut self) -> Result<(), Error> {
        let known = &self.oauth.endpoints;
        let is_known = known.token.is_some()
            && match self.flow {
                Flow::DeviceCode => known.device.is_some(),
                Flow::Pkce => known.authorization.is_some(),
                Flow::DcrPkce => known.authorization.is_some() && known.registration.is_some(),
            };
        if is_known {
            return Ok(());
        }
        let found = discovery::find(&self.dialer, &self.oauth);
        let metadata = found.map_err(|error| self.told(Trouble::Server(error)))?;
        self.oauth = discovery::merged(&self.oauth, &metadata);
        self.resource.clone_from(&metadata.resource);
        self.says_issuer = metadata.says_issuer;
        Ok(())
    }

    /// One attempt, with the client that is kept or with a new one.
    fn attempt(&self, new_client: bool) -> Result<Record, Trouble> {
        let redirect_uri = self.redirect_uri();
        let client = match self.flow {
            Flow::DcrPkce => self.registered(&redirect_uri, new_client)?,
            Flow::Pkce | Flow::DeviceCode => client::find(self, new_client)?,
        };
        match self.flow {
            Flow::DeviceCode => self.by_device(&client),
            Flow::Pkce | Flow::DcrPkce => {
                callback::log_in(self, &client, redirect_uri, self.login.args.oauth.port)
            }
        }
    }

    /// A client that is registered for this redirect URI: the one that is kept if the server still knows it, else a new one.
    fn registered(&self, redirect_uri: &str, new_client: bool) -> Result<Client, Trouble> {
        let name = &self.login.provider.name;
        let base_url = self.oauth.base_url.as_deref();
        let store = &self.login.app.store;
        if !new_client {
            let snapshot = store.snapshot().map_err(Error::from)?;
            let kept = snapshot.client(name, base_url).map_err(Error::from)?;
            let fitting = kept.filter(|kept| kept.redirect_uri.as_deref() == Some(redirect_uri));
            if let Some(kept) = fitting {
                let is_forgotten = kept.management.as_ref().is_some_and(|(place, token)| {
                    registration::is_forgotten(&self.dialer, place, token)
                });
                if !is_forgotten {
                    return Ok(kept.client);
                }
            }
        }
        let endpoint = self.oauth.endpoints.registration.as_ref();
        let endpoint = endpoint.ok_or(oauth::Error::Missing("the registration endpoint"))?;
        let registered =
            registration::register(&self.dialer, endpoint, redirect_uri, &self.scopes)?;
        let kept = StoredClient {
            client: registered.client,
            redirect_uri: Some(redirect_uri.to_owned()),
            management: registered.management,
        };
        store
            .set_client(name, base_url, &kept)
            .map_err(Error::from)?;
        Ok(kept.client)
    }

    /// The person types a code in elsewhere.
    fn by_device(&self, client: &Client) -> Result<Record, Trouble> {
        let resource = self.resource.as_deref();
        let mut pending = device::start(&self.dialer, &self.oauth, client, &self.scopes, resource)?;
        self.show_code(&pending);
        let deadline = Instant::now() + pending.lifetime;
        loop {
            // How long to wait is the server's to say (RFC 8628 section 3.5).
            thread::sleep(pending.interval());
            if Instant::now() >= deadline {
                return Err(oauth::Error::Expired.into());
            }
            match pending.ask(&self.dialer, &self.oauth, client)? {
                Asked::NotYet => {}
                Asked::Tokens(tokens) => return Ok(self.store(client, tokens)?),
            }
        }
    }

    /// Says which code, and where.
    fn show_code(&self, pending: &device::Pending) {
        let app = self.login.app;
        let (uri, code) = (&pending.verification_uri, &pending.user_code);
        let target = pending.complete_uri.as_ref().unwrap_or(uri);
        if app.verbosity.json {
            let event = serde_json::json!({
                "version": 1,
                "open": target,
                "verification_uri": uri,
                "user_code": code,
                "seconds": pending.lifetime.as_secs(),
            });
            output::always(&event.to_string());
            return;
        }
        let paint = Paint::of_errors(&app.parent);
        let spaced: String = code.chars().flat_map(|letter| [letter, ' ']).collect();
        output::always(&format!(
            "To connect {}, open this page on any device:\n\n    {uri}\n\nand enter the code\n\n    {}\n\nas {code}. \
             It is good for {} minutes.",
            self.login.provider.display_name,
            paint.paint(Colour::Bold, spaced.trim_end()),
            pending.lifetime.as_secs().div_ceil(60)
        ));
        if target.starts_with("https://") {
            open_page(app, target);
        }
    }

    /// Stores what the server gave.
    ///
    /// # Errors
    /// When it can't be stored.
    pub(super) fn store(&self, client: &Client, tokens: Tokens) -> Result<Record, Error> {
        let endpoints = &self.oauth.endpoints;
        let token_url = endpoints.token.clone();
        let token_url = token_url
            .ok_or_else(|| self.told(oauth::Error::Missing("the token endpoint").into()))?;
        let mut about = About {
            flow: self.flow,
            expires_ms: None,
            lifetime_ms: None,
            scopes: self.scopes.clone(),
            is_refreshable: false,
            needs_login: false,
            token_url,
            revocation_url: endpoints.revocation.clone(),
            resource: self.resource.clone(),
            client_id: client.id.clone(),
            client_auth: client.auth,
        };
        let mut grant = Grant {
            access: Secret::new(Vec::new()),
            refresh: None,
            client_secret: client.secret.as_ref().map(Secret::copy),
        };
        about.renew(&mut grant, tokens, record::milliseconds(clock::now()));
        if !about.is_refreshable && about.expires_ms.is_some() {
            self.login.app.notices.warn(format!(
                "{} gave no refresh token: you will have to log in again when this one ends",
                self.login.provider.display_name
            ));
        }
        let secret = grant.to_secret();
        self.login
            .put(Held::Oauth(Box::new(about)), Some(&secret), None, None)
    }
}
