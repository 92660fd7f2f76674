//! What servers say of themselves: authorization servers (RFC 8414, OpenID Connect Discovery) and the resources that name them
//! (RFC 9728).

use super::Error;
use super::token::Fields;
use crate::path::path_is_below;
use crate::provider::oauth::Endpoints;
use crate::provider::oauth::Flow;
use crate::provider::oauth::Oauth;
use crate::upstream::dial::Dialer;
use crate::upstream::fetch::Call;
use crate::upstream::fetch::fetch;
use crate::url::Authority;
use crate::url::Scheme;
use crate::url::Url;

/// Name of the authorization endpoint in errors.
const AUTHORIZATION: &str = "authorization endpoint";

/// Name of the token endpoint in errors.
const TOKEN: &str = "token endpoint";

/// Name of the device authorization endpoint in errors.
const DEVICE: &str = "device authorization endpoint";

/// What was found of an authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// Who it is.
    pub(crate) issuer: String,
    /// The issuer's host; metadata counts for no other.
    pub(crate) host: Authority,
    /// Its endpoints.
    pub(crate) endpoints: Endpoints,
    /// Whether it says who it is when it answers an authorization request (RFC 9207 section 3).
    pub(crate) says_issuer: bool,
    /// The resource that tokens are for, as it names itself, where it was asked.
    pub(crate) resource: Option<String>,
}

/// Finds the authorization server of a provider: by its issuer, or else by asking the resource itself.
///
/// # Errors
/// When nothing is found.
pub(crate) fn find(dialer: &Dialer, oauth: &Oauth) -> Result<Metadata, Error> {
    if let Some(issuer) = &oauth.issuer {
        return of_issuer(dialer, issuer);
    }
    let resource = oauth.resource.as_ref();
    let resource = resource.ok_or(Error::Missing("the authorization server"))?;
    let (server, name) = of_resource(dialer, resource)?;
    let mut metadata = of_issuer(dialer, &server)?;
    metadata.resource = Some(name);
    Ok(metadata)
}

/// The authorization server that a resource names, and what it calls itself (RFC 9728 section 3). Without such a document the
/// resource's own origin is taken for its authorization server, as early MCP servers had it.
fn of_resource(dialer: &Dialer, resource: &Url) -> Result<(String, String), Error> {
    let host = &resource.authority;
    let path = resource.path().trim_end_matches('/');
    let own = format!("https://{}", host.to_header(Scheme::Https));
    let mut places = vec![format!("{own}/.well-known/oauth-protected-resource{path}")];
    if !path.is_empty() {
        places.push(format!("{own}/.well-known/oauth-protected-resource"));
    }
    places.extend(challenged(dialer, resource));
    for place in places {
        let Some(fields) = document(dialer, &place, host)? else {
            continue;
        };
        let servers = fields
            .get("authorization_servers")
            .and_then(|list| list.as_array());
        let first = servers.and_then(|list| list.first()?.as_str());
        let name = fields.text("resource", host)?.unwrap_or(&own).to_owned();
        // A document that speaks for another host would have our tokens made for that one (section 3.3).
        let is_own = Url::parse(name.as_bytes()).is_ok_and(|url| {
            url.scheme == Scheme::Https
                && url.authority == *host
                && path_is_below(resource.path(), url.path().trim_end_matches('/'))
        });
        match first {
            Some(server) if is_own => return Ok((server.to_owned(), name)),
            _ => {
                return Err(Error::Answer {
                    host: host.clone(),
                    why: "names no authorization server, or speaks for another host".into(),
                });
            }
        }
    }
    Ok((own, resource.to_string()))
}

/// Where the resource says its document is, when it is asked without a token (RFC 9728 section 5.1).
fn challenged(dialer: &Dialer, resource: &Url) -> Option<String> {
    let call = Call {
        url: resource,
        fields: Vec::new(),
        body: None,
    };
    let answer = fetch(dialer, &call)
        .ok()
        .filter(|answer| answer.status == 401)?;
    let marked = |challenge: &String| {
        let name = "resource_metadata=";
        let at = challenge.to_ascii_lowercase().find(name)?;
        let value = challenge.get(at + name.len()..)?;
        // The RFC has it in quotes; not all servers do (RFC 9110 section 11.2 would have them for a URL).
        let url = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?.0,
            None => value.split([',', ' ', '\t']).next()?,
        };
        Some(url.to_owned())
    };
    let found = answer.challenges.iter().find_map(marked)?;
    let url = Url::parse(found.as_bytes()).ok()?;
    (url.authority == resource.authority).then_some(found)
}

/// What an authorization server says of itself.
///
/// # Errors
/// When it says nothing, or is someone else.
pub(crate) fn of_issuer(dialer: &Dialer, issuer: &str) -> Result<Metadata, Error> {
    let url = Url::parse(issuer.as_bytes()).ok();
    let url = url.filter(|url| url.scheme == Scheme::Https);
    let url = url.ok_or(Error::Missing("the issuer's https URL"))?;
    let host = &url.authority;
    let origin = format!("https://{}", host.to_header(Scheme::Https));
    let path = url.path().trim_end_matches('/');
    let mut places = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}{path}/.well-known/openid-configuration"),
    ];
    if !path.is_empty() {
        places.push(format!("{origin}/.well-known/openid-configuration{path}"));
    }
    for place in places {
        if let Some(fields) = document(dialer, &place, host)? {
            return read(&fields, host, issuer);
        }
    }
    Err(Error::Answer {
        host: host.clone(),
        why: "says nothing about an authorization server there".into(),
    })
}

/// A document, if it is there. A page in its place (some answer 200 to everything) is none.
fn document(dialer: &Dialer, place: &str, host: &Authority) -> Result<Option<Fields>, Error> {
    let url = Url::parse(place.as_bytes()).map_err(|_| Error::Missing("a URL for it"))?;
    let call = Call {
        url: &url,
        fields: Vec::new(),
        body: None,
    };
    let answer = fetch(dialer, &call)?;
    if answer.status != 200 || !answer.body.trim_ascii_start().starts_with(b"{") {
        return Ok(None);
    }
    Fields::of(&answer, host).map(Some)
}

/// Reads a server's metadata.
fn read(fields: &Fields, host: &Authority, issuer: &str) -> Result<Metadata, Error> {
    let said = fields.text("issuer", host)?.unwrap_or_default();
    // RFC 8414 section 3.3: a document of another issuer must not be used.
    if said.trim_end_matches('/') != issuer.trim_end_matches('/') {
        return Err(Error::Answer {
            host: host.clone(),
            why: "is that of another issuer".into(),
        });
    }
    let url = |name: &str| match fields.text(name, host)? {
        None => Ok(None),
        Some(text) => match Url::parse(text.as_bytes()) {
            Ok(url) if url.scheme == Scheme::Https => Ok(Some(url)),
            _ => Err(Error::Answer {
                host: host.clone(),
                why: format!("has no https URL as its {name}"),
            }),
        },
    };
    let says = fields.get("authorization_response_iss_parameter_supported");
    Ok(Metadata {
        issuer: said.to_owned(),
        host: host.clone(),
        endpoints: Endpoints {
            authorization: url("authorization_endpoint")?,
            token: url("token_endpoint")?,
            revocation: url("revocation_endpoint")?,
            device: url("device_authorization_endpoint")?,
            registration: url("registration_endpoint")?,
        },
        says_issuer: says.and_then(|says| says.as_bool()) == Some(true),
        resource: None,
    })
}

/// Returns the definition with the server's endpoints where it names none. Metadata speaks for its issuer's host alone: an endpoint
/// elsewhere that the flow needs is an error, any other is left out.
///
/// # Errors
/// `Foreign` for such an endpoint; `Apart` when metadata names the page where the person agrees, or the token endpoint, and the
/// definition has the other one at another host.
pub(crate) fn merged(oauth: &Oauth, metadata: &Metadata, flow: Flow) -> Result<Oauth, Error> {
    let mut merged = oauth.clone();
    let own = &mut merged.endpoints;
    let found = &metadata.endpoints;
    let is_device = flow == Flow::DeviceCode;
    let fill = |own: &mut Option<Url>, found: &Option<Url>, endpoint, is_needed: bool| match found {
        _ if own.is_some() => Ok(()),
        Some(url) if url.authority == metadata.host => {
            *own = Some(url.clone());
            Ok(())
        }
        Some(url) if is_needed => Err(Error::Foreign {
            issuer: metadata.host.clone(),
            endpoint,
            host: url.authority.clone(),
        }),
        _ => Ok(()),
    };
    fill(
        &mut own.authorization,
        &found.authorization,
        AUTHORIZATION,
        !is_device,
    )?;
    fill(&mut own.token, &found.token, TOKEN, true)?;
    fill(&mut own.device, &found.device, DEVICE, is_device)?;
    let is_registering = flow == Flow::DcrPkce;
    fill(
        &mut own.registration,
        &found.registration,
        "registration endpoint",
        is_registering,
    )?;
    fill(
        &mut own.revocation,
        &found.revocation,
        "revocation endpoint",
        false,
    )?;
    check_pair(&oauth.endpoints, own, &metadata.host, is_device)?;
    // These get tokens, and the client's secret: not those of a token endpoint elsewhere.
    let token = own.token.as_ref();
    if token.is_none_or(|token| token.authority != metadata.host) {
        own.revocation.clone_from(&oauth.endpoints.revocation);
        own.device.clone_from(&oauth.endpoints.device);
    }
    merged.issuer = Some(metadata.issuer.clone());
    Ok(merged)
}

/// Checks that the page where the person agrees and the token endpoint are both at the issuer's host, unless the definition writes both
/// out.
fn check_pair(
    written: &Endpoints,
    merged: &Endpoints,
    issuer: &Authority,
    is_device: bool,
) -> Result<(), Error> {
    let page = |endpoints: &Endpoints| match is_device {
        true => endpoints.device.clone(),
        false => endpoints.authorization.clone(),
    };
    if page(written).is_some() && written.token.is_some() {
        return Ok(());
    }
    let name = if is_device { DEVICE } else { AUTHORIZATION };
    for (url, endpoint) in [(page(merged), name), (merged.token.clone(), TOKEN)] {
        if let Some(url) = url.filter(|url| url.authority != *issuer) {
            return Err(Error::Apart {
                issuer: issuer.clone(),
                endpoint,
                host: url.authority,
            });
        }
    }
    Ok(())
}
