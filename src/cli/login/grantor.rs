//! A login by OAuth under way: what every way to log in needs of it.

use super::Login;
use crate::broker::client::StoredClient;
use crate::broker::client::Which;
use crate::broker::grant::About;
use crate::broker::grant::Grant;
use crate::broker::record;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::cli::error::Error;
use crate::clock;
use crate::loopback;
use crate::oauth;
use crate::oauth::client::Client;
use crate::oauth::code;
use crate::oauth::discovery;
use crate::oauth::token::Tokens;
use crate::provider::oauth::Flow;
use crate::provider::oauth::Oauth;
use crate::secret::Secret;
use crate::upstream::dial::Dialer;
use crate::url::Authority;
use crate::url::Scheme;
use crate::url::Url;

/// The path that providers have been told.
const PATH: &str = "/callback";

/// A login by OAuth under way.
pub(super) struct Grantor<'a> {
    /// The login.
    pub(super) login: &'a Login<'a>,
    /// The way to the authorization server.
    pub(super) dialer: Dialer,
    /// What the definition, and the server, say.
    pub(super) oauth: Oauth,
    /// How the person agrees.
    pub(super) flow: Flow,
    /// What is asked for.
    pub(super) scopes: Vec<String>,
    /// The resource that tokens are for.
    pub(super) resource: Option<String>,
    /// Whether the server promised to say who it is.
    pub(super) says_issuer: bool,
    /// The host of the issuer whose metadata says where the person agrees or where tokens are given; `None` where the definition does.
    pub(super) issuer_host: Option<Authority>,
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

impl Grantor<'_> {
    /// The trouble, for the person.
    pub(super) fn told(&self, trouble: Trouble) -> Error {
        match trouble {
            Trouble::Own(error) => error,
            Trouble::Server(error) => {
                let remedy = error.remedy();
                let what = format!("cannot log in to {}", self.login.provider.name);
                Error::new(&what, error).hint(remedy)
            }
        }
    }

    /// Which client of the provider's.
    fn which(&self, registered: bool) -> Which<'_> {
        Which {
            provider: &self.login.provider.name,
            base_url: self.oauth.base_url.as_deref(),
            registered,
        }
    }

    /// Returns the hosts where clients show themselves: that of the token endpoint first.
    fn client_hosts(&self) -> Vec<String> {
        let endpoints = &self.oauth.endpoints;
        let all = [&endpoints.token, &endpoints.device, &endpoints.revocation];
        let mut hosts: Vec<String> = Vec::new();
        for url in all.into_iter().flatten() {
            let host = url.authority.to_string();
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }

    /// Returns the client that is kept, if it may show itself at all endpoints that there are now.
    ///
    /// # Errors
    /// When the vault can't be opened.
    pub(super) fn kept(&self, registered: bool) -> Result<Option<StoredClient>, Error> {
        let snapshot = self.login.app.store.snapshot().map_err(Error::from)?;
        let kept = snapshot
            .client(self.which(registered))
            .map_err(Error::from)?;
        let hosts = self.client_hosts();
        Ok(kept.filter(|kept| {
            let stranger = kept.first_stranger(&hosts);
            if let Some(host) = stranger {
                self.login.app.notices.warn(format!(
                    "the stored client is for {}: it is not used for {host}",
                    kept.hosts.join(" and ")
                ));
            }
            stranger.is_none()
        }))
    }

    /// Keeps a client for the next login.
    ///
    /// # Errors
    /// When the vault can't be changed.
    pub(super) fn keep(
        &self,
        client: &Client,
        redirect_uri: Option<&str>,
        management: Option<(Url, Secret)>,
    ) -> Result<(), Error> {
        let kept = StoredClient {
            client: client.copy(),
            hosts: self.client_hosts(),
            redirect_uri: redirect_uri.map(str::to_owned),
            management,
        };
        let which = self.which(redirect_uri.is_some());
        let store = &self.login.app.store;
        store.set_client(which, &kept).map_err(Error::from)
    }

    /// Returns the path that browsers come back to. A server that doesn't promise to name itself there (RFC 9207) has a path of its own,
    /// if its client is registered by us: an answer of another server comes to another path, or is not sent. Clients that people have
    /// registered keep the path that they were told.
    pub(super) fn redirect_path(&self) -> String {
        match &self.oauth.issuer {
            Some(issuer) if self.flow == Flow::DcrPkce && !self.says_issuer => {
                format!("{PATH}/{}", code::mark_of_issuer(issuer))
            }
            _ => PATH.to_owned(),
        }
    }

    /// Returns the URI that browsers come back to.
    pub(super) fn redirect_uri(&self) -> String {
        loopback::url(self.login.args.oauth.port, &self.redirect_path())
    }

    /// Asks the server, or the resource, for endpoints that the definition doesn't name.
    pub(super) fn discover(&mut self) -> Result<(), Error> {
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
        let told = |error| self.told(Trouble::Server(error));
        let metadata = discovery::find(&self.dialer, &self.oauth).map_err(told)?;
        let merged = discovery::merged(&self.oauth, &metadata, self.flow).map_err(told)?;
        if let (None, Some(left_out)) =
            (&merged.endpoints.revocation, &metadata.endpoints.revocation)
        {
            self.login.app.notices.warn(format!(
                "{} names a revocation endpoint at {}, which is not used: logging out will not reach the service",
                metadata.host.to_header(Scheme::Https),
                left_out.authority.to_header(Scheme::Https)
            ));
        }
        let is_discovered = known.token.is_none()
            || match self.flow {
                Flow::DeviceCode => known.device.is_none(),
                Flow::Pkce | Flow::DcrPkce => known.authorization.is_none(),
            };
        self.issuer_host = is_discovered.then(|| metadata.host.clone());
        self.oauth = merged;
        self.resource.clone_from(&metadata.resource);
        self.says_issuer = metadata.says_issuer;
        Ok(())
    }

    /// Returns the host of the resource that named the authorization server, where the person agrees at another: the tokens go there,
    /// and a server that ignores which resource they are for makes them good for itself.
    pub(super) fn resource_beside(&self, agree_at: &str) -> Option<String> {
        self.resource.as_ref()?;
        let host = self
            .oauth
            .resource
            .as_ref()?
            .authority
            .to_header(Scheme::Https);
        (host != agree_at).then_some(host)
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
        // One that anyone may use is in the definition.
        let is_public =
            self.oauth.client_id.as_ref() == Some(&client.id) && client.secret.is_none();
        if self.flow != Flow::DcrPkce && !is_public {
            self.keep(client, None, None)?;
        }
        let secret = grant.to_secret();
        self.login
            .put(Held::Oauth(Box::new(about)), Some(&secret), None, None)
    }
}
