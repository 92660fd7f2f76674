//! The device authorization grant (RFC 8628): the person types a code in elsewhere, and we ask until they have.

use std::time::Duration;

use super::Error;
use super::client::Client;
use super::client::Form;
use super::token;
use super::token::Fields;
use super::token::Tokens;
use crate::provider::oauth::Oauth;
use crate::secret::Secret;
use crate::upstream::dial::Dialer;
use crate::url::Authority;
use crate::url::Scheme;
use crate::url::Url;

/// Seconds between two questions, where the server says nothing (section 3.2).
const INTERVAL: u64 = 5;

/// Seconds that are added when the server finds us too quick (section 3.5).
const SLOW_DOWN: u64 = 5;

/// Seconds between two questions, at the most, after the server could not be reached.
const MAX_INTERVAL: u64 = 60;

/// Seconds that a code is good for, where the server says nothing, and at the most.
const LIFETIME: u64 = 900;

/// A code that waits for the person.
pub(crate) struct Pending {
    /// What the person types in.
    pub(crate) user_code: String,
    /// Where.
    pub(crate) verification_uri: String,
    /// The same with the code in it, where the server gives one.
    pub(crate) complete_uri: Option<String>,
    /// How long the code is good for.
    pub(crate) lifetime: Duration,
    /// The resource that tokens are for (RFC 8707).
    resource: Option<String>,
    /// What we ask with.
    device_code: Secret,
    /// Seconds between two questions.
    interval: u64,
}

/// What a question brought.
pub(crate) enum Asked {
    /// The person has agreed.
    Tokens(Tokens),
    /// Not yet.
    NotYet,
}

/// Asks for a code, for tokens that are for a resource, where one is named (RFC 8707): whoever refreshes them for it must have asked for
/// it here.
///
/// # Errors
/// Why the server gives none.
pub(crate) fn start(
    dialer: &Dialer,
    oauth: &Oauth,
    client: &Client,
    scopes: &[String],
    resource: Option<&str>,
) -> Result<Pending, Error> {
    let endpoint = oauth.endpoints.device.as_ref();
    let endpoint = endpoint.ok_or(Error::Missing("the device authorization endpoint"))?;
    let mut form = Form::default();
    if !scopes.is_empty() {
        form.add("scope", scopes.join(" "));
    }
    if let Some(resource) = resource {
        form.add("resource", resource);
    }
    let answer = token::send(dialer, endpoint, client, form)?;
    let host = &endpoint.authority;
    if !(200..300).contains(&answer.status) {
        return Err(token::refusal(&answer, host));
    }
    let fields = Fields::of(&answer, host)?;
    if let Some(error) = fields.refusal() {
        return Err(error);
    }
    let wrong = |why: String| Error::Answer {
        host: host.clone(),
        why,
    };
    let needed = |name: &str| {
        let text = fields.text(name, host)?;
        text.filter(|text| !text.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| wrong(format!("has no {name}")))
    };
    // What a terminal would take for a command is no code and no URL.
    let shown = |name: &str| {
        let text = needed(name)?;
        match text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
            true => Ok(text),
            false => Err(wrong(format!("has a {name} that can't be shown"))),
        }
    };
    // Google calls it a URL.
    let uri = match fields.get("verification_url") {
        Some(_) => shown("verification_url")?,
        None => shown("verification_uri")?,
    };
    let lifetime = fields.seconds("expires_in", host)?.unwrap_or(LIFETIME);
    Ok(Pending {
        user_code: shown("user_code")?,
        verification_uri: uri,
        complete_uri: fields
            .text("verification_uri_complete", host)?
            .filter(is_page)
            .map(str::to_owned),
        lifetime: Duration::from_secs(lifetime.min(LIFETIME)),
        resource: resource.map(str::to_owned),
        device_code: Secret::new(needed("device_code")?.into_bytes()),
        interval: fields
            .seconds("interval", host)?
            .unwrap_or(INTERVAL)
            .min(LIFETIME),
    })
}

/// Whether the text is a URL that a browser may be sent to.
fn is_page(text: &&str) -> bool {
    Url::parse(text.as_bytes()).is_ok_and(|url| url.scheme == Scheme::Https)
}

impl Pending {
    /// Returns the host of the page where the person enters the code, if its address is a URL.
    pub(crate) fn page_host(&self) -> Option<Authority> {
        let url = Url::parse(self.verification_uri.as_bytes()).ok()?;
        Some(url.authority)
    }

    /// Checks that the page is at the host of the issuer whose metadata was used: the code that a hostile server shows could be one of
    /// an honest server's, whose tokens it would get.
    ///
    /// # Errors
    /// `Foreign` for a page elsewhere.
    pub(crate) fn check_page(&self, issuer: &Authority) -> Result<(), Error> {
        for page in [Some(&self.verification_uri), self.complete_uri.as_ref()] {
            let Some(page) = page else { continue };
            let url = Url::parse(page.as_bytes()).map_err(|_| Error::Answer {
                host: issuer.clone(),
                why: "has a verification_uri that is no URL".into(),
            })?;
            if url.authority != *issuer {
                return Err(Error::Foreign {
                    issuer: issuer.clone(),
                    endpoint: "page for codes",
                    host: url.authority,
                });
            }
        }
        Ok(())
    }

    /// How long to wait before the next question.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs(self.interval)
    }

    /// Asks whether the person has agreed.
    ///
    /// # Errors
    /// When they haven't and won't; when the server says something else. A server that can't be reached for once, or is in
    /// trouble, is asked again.
    pub(crate) fn ask(
        &mut self,
        dialer: &Dialer,
        oauth: &Oauth,
        client: &Client,
    ) -> Result<Asked, Error> {
        let endpoint = oauth.endpoints.token.as_ref();
        let endpoint = endpoint.ok_or(Error::Missing("the token endpoint"))?;
        let mut form = Form::default();
        form.add("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        form.add_secret("device_code", &self.device_code);
        if let Some(resource) = &self.resource {
            form.add("resource", resource);
        }
        match token::request(dialer, endpoint, client, form) {
            Ok(tokens) => Ok(Asked::Tokens(tokens)),
            Err(error) if error.code() == Some("authorization_pending") => Ok(Asked::NotYet),
            Err(error) if error.code() == Some("slow_down") => {
                self.interval = (self.interval + SLOW_DOWN).min(LIFETIME);
                Ok(Asked::NotYet)
            }
            Err(error) if error.is_passing() => {
                // As section 3.5 has it: less often after a time-out.
                self.interval = (self.interval * 2).min(MAX_INTERVAL.max(self.interval));
                Ok(Asked::NotYet)
            }
            Err(error) => Err(error),
        }
    }
}
