//! What a definition says of logging in by OAuth 2.0 (RFC 6749).

use super::reader::Invalid;
use super::reader::Reader;
use super::reader::filled;
use crate::url::Scheme;
use crate::url::Url;

/// How a provider's tokens are had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Oauth {
    /// The way that is taken where the person says none.
    pub(crate) flow: Flow,
    /// The URL of the installation, which tells its client from those of others.
    pub(crate) base_url: Option<String>,
    /// Who the authorization server says it is (RFC 8414 section 2).
    pub(crate) issuer: Option<String>,
    /// Its endpoints.
    pub(crate) endpoints: Endpoints,
    /// What is asked for.
    pub(crate) scopes: Vec<String>,
    /// Whether PKCE is used (RFC 7636): unless the definition says no, it is.
    pub(crate) pkce: bool,
    /// Further parameters of the authorization request.
    pub(crate) authorization_params: Vec<(String, String)>,
    /// How a client with a secret shows it.
    pub(crate) client_auth: ClientAuth,
    /// The id of a public client that anyone may use. No secret (RFC 8252 section 8.4).
    pub(crate) client_id: Option<String>,
    /// The resource that tokens are for, where it is a server that says itself who may give them (RFC 9728): the first of `api_url`.
    pub(crate) resource: Option<Url>,
}

/// Where an authorization server does what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// Where a person agrees (RFC 6749 section 3.1).
    pub(crate) authorization: Option<Url>,
    /// Where tokens are given (section 3.2).
    pub(crate) token: Option<Url>,
    /// Where they are taken back (RFC 7009).
    pub(crate) revocation: Option<Url>,
    /// Where devices ask for codes (RFC 8628).
    pub(crate) device: Option<Url>,
    /// Where clients register (RFC 7591).
    pub(crate) registration: Option<Url>,
}

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// In the browser, back to a page on loopback (RFC 8252).
    Pkce,
    /// With a code that is typed in elsewhere (RFC 8628).
    DeviceCode,
    /// As the first, with a client that is registered for it (RFC 7591).
    DcrPkce,
}

impl Flow {
    /// Reads its name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "pkce" => Some(Self::Pkce),
            "device_code" => Some(Self::DeviceCode),
            "dcr_pkce" => Some(Self::DcrPkce),
            _ => None,
        }
    }

    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pkce => "pkce",
            Self::DeviceCode => "device_code",
            Self::DcrPkce => "dcr_pkce",
        }
    }
}

/// How a client with a secret shows it (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    /// In the request's body.
    Body,
    /// By HTTP basic authentication.
    Basic,
}

impl ClientAuth {
    /// Reads its name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "body" => Some(Self::Body),
            "basic" => Some(Self::Basic),
            _ => None,
        }
    }

    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Basic => "basic",
        }
    }
}

/// Reads `oauth`. URLs that need a base URL which isn't there are left out.
///
/// # Errors
/// The first field that is wrong.
pub(super) fn read(
    top: &Reader<'_>,
    oauth: &Reader<'_>,
    base: Option<&str>,
) -> Result<Oauth, Invalid> {
    let flow = match top.text("flow")? {
        Some("device_code") => Flow::DeviceCode,
        Some("dcr_pkce") => Flow::DcrPkce,
        _ => Flow::Pkce,
    };
    let url = |field: &str| url(oauth, field, base);
    let auth = oauth
        .text("client_auth")?
        .or(oauth.text("authorization_method")?);
    let client_auth = match auth {
        None => ClientAuth::Body,
        Some(name) => ClientAuth::parse(name)
            .ok_or_else(|| oauth.invalid("client_auth", "neither body nor basic", "use one"))?,
    };
    Ok(Oauth {
        flow,
        base_url: base.map(str::to_owned),
        issuer: oauth.text("issuer")?.and_then(|text| filled(text, base)),
        endpoints: Endpoints {
            authorization: url("authorization_url")?,
            token: url("token_url")?,
            revocation: url("revocation_url")?,
            device: url("device_authorization_url")?,
            registration: url("registration_endpoint")?,
        },
        scopes: oauth.words("scopes")?,
        pkce: oauth.flag("pkce")?.unwrap_or(true),
        authorization_params: oauth.pairs("authorization_params")?,
        client_auth,
        client_id: oauth.text("client_id")?.map(str::to_owned),
        resource: None,
    })
}

/// One URL. Tokens and secrets go there, so only https will do.
fn url(oauth: &Reader<'_>, field: &str, base: Option<&str>) -> Result<Option<Url>, Invalid> {
    let Some(text) = oauth.text(field)?.and_then(|text| filled(text, base)) else {
        return Ok(None);
    };
    match Url::parse(text.as_bytes()) {
        Ok(url) if url.scheme == Scheme::Https => Ok(Some(url)),
        Ok(_) => Err(oauth.invalid(field, "not an https URL", "give an https URL")),
        Err(why) => Err(oauth.invalid(field, why, "give an https URL")),
    }
}
