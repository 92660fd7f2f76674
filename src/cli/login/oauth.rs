//! Logging in by OAuth: who asks (the client), how the person agrees, and what is stored of it.

use std::thread;
use std::time::Instant;

use super::Login;
use super::callback;
use super::client;
use super::grantor::Grantor;
use super::grantor::Trouble;
use super::open_page;
use crate::broker::client::StoredClient;
use crate::broker::record::Record;
use crate::cli::error::Error;
use crate::cli::output;
use crate::cli::output::Colour;
use crate::cli::output::Paint;
use crate::cli::syntax::Parsed;
use crate::oauth;
use crate::oauth::client::Client;
use crate::oauth::device;
use crate::oauth::device::Asked;
use crate::oauth::registration;
use crate::oauth::registration::Standing;
use crate::provider::oauth::Flow;
use crate::provider::oauth::Oauth;
use crate::source::Spec;
use crate::url::Scheme;

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
    pub(super) port: u16,
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
        issuer_host: None,
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

/// Whether the server doesn't know the client.
fn is_about_client(error: &oauth::Error) -> bool {
    matches!(error.code(), Some("invalid_client" | "unauthorized_client"))
}

impl Grantor<'_> {
    /// One attempt, with the client that is kept or with a new one.
    fn attempt(&self, new_client: bool) -> Result<Record, Trouble> {
        let redirect_uri = self.redirect_uri();
        let client = match self.flow {
            Flow::DcrPkce => self.registered(&redirect_uri, new_client)?,
            Flow::Pkce | Flow::DeviceCode => client::find(self, new_client)?,
        };
        match self.flow {
            Flow::DeviceCode => self.by_device(&client),
            Flow::Pkce | Flow::DcrPkce => callback::log_in(self, &client),
        }
    }

    /// A client that is registered for this redirect URI: the one that is kept if the server still knows it, else a new one.
    fn registered(&self, redirect_uri: &str, new_client: bool) -> Result<Client, Trouble> {
        if !new_client {
            let kept = self.kept(true)?;
            let fitting = kept.filter(|kept| kept.redirect_uri.as_deref() == Some(redirect_uri));
            if let Some(kept) = fitting
                && let Some(client) = self.known_still(kept, redirect_uri)?
            {
                return Ok(client);
            }
        }
        let endpoint = self.oauth.endpoints.registration.as_ref();
        let endpoint = endpoint.ok_or(oauth::Error::Missing("the registration endpoint"))?;
        let registered =
            registration::register(&self.dialer, endpoint, redirect_uri, &self.scopes)?;
        self.keep(
            &registered.client,
            Some(redirect_uri),
            registered.management,
        )?;
        Ok(registered.client)
    }

    /// The client that is kept, as the server knows it now; nothing where it has forgotten it.
    fn known_still(
        &self,
        kept: StoredClient,
        redirect_uri: &str,
    ) -> Result<Option<Client>, Trouble> {
        let Some((place, token)) = &kept.management else {
            return Ok(Some(kept.client));
        };
        match registration::ask(&self.dialer, place, token) {
            Standing::Forgotten => Ok(None),
            Standing::Unknown => Ok(Some(kept.client)),
            Standing::Known(renewed) => {
                let mut client = kept.client;
                client.secret = renewed.secret.or(client.secret);
                let token = renewed.token.unwrap_or_else(|| token.copy());
                self.keep(&client, Some(redirect_uri), Some((place.clone(), token)))?;
                Ok(Some(client))
            }
        }
    }

    /// The person types a code in elsewhere.
    fn by_device(&self, client: &Client) -> Result<Record, Trouble> {
        let resource = self.resource.as_deref();
        let mut pending = device::start(&self.dialer, &self.oauth, client, &self.scopes, resource)?;
        if let Some(issuer) = &self.issuer_host {
            pending.check_page(issuer)?;
        }
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

    /// Says which code, where to enter it, and who gets the tokens.
    fn show_code(&self, pending: &device::Pending) {
        let app = self.login.app;
        let (uri, code) = (&pending.verification_uri, &pending.user_code);
        let agree_at = pending.page_host();
        let agree_at = agree_at.map(|host| host.to_header(Scheme::Https));
        let token = self.oauth.endpoints.token.as_ref();
        let code_goes_to = token.map(|url| url.authority.to_header(Scheme::Https));
        let resource = agree_at.as_ref();
        let resource = resource.and_then(|host| self.resource_beside(host));
        if app.verbosity.json {
            let mut event = serde_json::json!({
                "version": 1,
                "open": pending.complete_uri.as_ref().unwrap_or(uri),
                "verification_uri": uri,
                "user_code": code,
                "seconds": pending.lifetime.as_secs(),
                "agree_at": agree_at,
                "code_goes_to": code_goes_to,
            });
            if let Some(resource) = resource {
                event["tokens_go_to"] = resource.into();
            }
            output::always(&event.to_string());
            return;
        }
        let paint = Paint::of_errors(&app.parent);
        let spaced: String = code.chars().flat_map(|letter| [letter, ' ']).collect();
        let hosts = match (agree_at, code_goes_to, resource) {
            (Some(page), _, Some(resource)) => {
                format!(" Agree at {page}{}.", super::who_gets_tokens(&resource))
            }
            (Some(page), Some(token), None) if page != token => {
                format!(" Agree at {page}; the tokens come from {token}.")
            }
            _ => String::new(),
        };
        output::always(&format!(
            "To connect {}, open this page on any device:\n\n    {uri}\n\nand enter the code\n\n    {}\n\nas {code}. \
             It is good for {} minutes.{hosts}",
            self.login.provider.display_name,
            paint.paint(Colour::Bold, spaced.trim_end()),
            pending.lifetime.as_secs().div_ceil(60)
        ));
        // Without the code: who knows it could agree in the user's place, and every user can read a program's arguments.
        if uri.starts_with("https://") {
            open_page(app, uri);
        }
    }
}
