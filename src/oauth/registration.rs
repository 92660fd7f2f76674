//! Registering a client (RFC 7591), and asking whether it is still known (RFC 7592).

use serde_json::json;
use zeroize::Zeroizing;

use super::Error;
use super::client::Client;
use super::token;
use super::token::Fields;
use crate::provider::oauth::ClientAuth;
use crate::secret::Secret;
use crate::upstream::dial::Dialer;
use crate::upstream::fetch::Call;
use crate::upstream::fetch::fetch;
use crate::url::Url;

/// What clients of ours are called.
const NAME: &str = "authsome";

/// A client that was registered.
pub(crate) struct Registered {
    /// The client.
    pub(crate) client: Client,
    /// Where it can be asked for, and with what.
    pub(crate) management: Option<(Url, Secret)>,
}

/// Registers a client for this redirect URI.
///
/// # Errors
/// Why the server doesn't.
pub(crate) fn register(
    dialer: &Dialer,
    endpoint: &Url,
    redirect_uri: &str,
    scopes: &[String],
) -> Result<Registered, Error> {
    let mut request = json!({
        "client_name": NAME,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "native",
        "token_endpoint_auth_method": "none",
    });
    if !scopes.is_empty() {
        request["scope"] = scopes.join(" ").into();
    }
    let answer = fetch(
        dialer,
        &Call {
            url: endpoint,
            fields: Vec::new(),
            body: Some((
                "application/json",
                Zeroizing::new(request.to_string().into_bytes()),
            )),
        },
    )?;
    let host = &endpoint.authority;
    if !(200..300).contains(&answer.status) {
        return Err(token::refusal(&answer, host));
    }
    let fields = Fields::of(&answer, host)?;
    let text = |name| fields.text(name, host).map(|text| text.map(str::to_owned));
    let secret = |name| text(name).map(|text| text.map(|text| Secret::new(text.into_bytes())));
    let id = text("client_id")?
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Error::Answer {
            host: host.clone(),
            why: "has no client_id".into(),
        })?;
    let method = text("token_endpoint_auth_method")?;
    let is_secretless = method.as_deref() == Some("none");
    let auth = match method.as_deref() {
        Some("client_secret_post") => ClientAuth::Body,
        // What the RFC has where nothing is said (section 2).
        _ => ClientAuth::Basic,
    };
    let place = text("registration_client_uri")?;
    let place = place.and_then(|place| Url::parse(place.as_bytes()).ok());
    let token = secret("registration_access_token")?;
    Ok(Registered {
        client: Client {
            id,
            secret: secret("client_secret")?.filter(|_| !is_secretless),
            auth,
        },
        // Only where the server itself is: the token for it is a secret.
        management: place.filter(|place| place.authority == *host).zip(token),
    })
}

/// How a client that was registered stands with its server.
pub(crate) enum Standing {
    /// The server has forgotten it.
    Forgotten,
    /// It is known; what the server has changed of it by telling so.
    Known(Renewed),
    /// The server can't be asked now.
    Unknown,
}

/// What takes the place of what is kept (RFC 7592 section 2.1: the old ones are good no more).
pub(crate) struct Renewed {
    /// The client's secret.
    pub(crate) secret: Option<Secret>,
    /// The token for asking about it.
    pub(crate) token: Option<Secret>,
}

/// Asks how a client stands.
pub(crate) fn ask(dialer: &Dialer, place: &Url, token: &Secret) -> Standing {
    let mut field = Zeroizing::new(b"Bearer ".to_vec());
    field.extend_from_slice(token.expose());
    let call = Call {
        url: place,
        fields: vec![("Authorization", field)],
        body: None,
    };
    let Ok(answer) = fetch(dialer, &call) else {
        return Standing::Unknown;
    };
    match answer.status {
        200 => {
            let fields = Fields::of(&answer, &place.authority).ok();
            let secret = |name| {
                let text = fields.as_ref()?.text(name, &place.authority).ok()??;
                Some(Secret::new(text.as_bytes().to_vec()))
            };
            Standing::Known(Renewed {
                secret: secret("client_secret"),
                token: secret("registration_access_token"),
            })
        }
        401 | 403 | 404 => Standing::Forgotten,
        _ => Standing::Unknown,
    }
}
