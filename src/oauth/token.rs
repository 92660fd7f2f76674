//! The token endpoint: codes and refresh tokens for access tokens, and tokens taken back.
#![deny(clippy::indexing_slicing)]

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::Value;
use zeroize::Zeroize;

use super::Error;
use super::client::Client;
use super::client::Form;
use crate::credential::Credential;
use crate::secret::Secret;
use crate::upstream::dial::Dialer;
use crate::upstream::fetch::Answer;
use crate::upstream::fetch::Call;
use crate::upstream::fetch::fetch;
use crate::url::Authority;
use crate::url::Url;

/// The media type of forms.
const FORM: &str = "application/x-www-form-urlencoded";

/// A lifetime that is longer counts as this: ten years, in seconds.
const MAX_LIFETIME: u64 = 10 * 365 * 24 * 60 * 60;

/// What a token endpoint gives (RFC 6749 section 5.1).
#[derive(Debug)]
pub(crate) struct Tokens {
    /// The access token.
    pub(crate) access: Secret,
    /// The refresh token, if one was given.
    pub(crate) refresh: Option<Secret>,
    /// Seconds that the access token is good for, where the server says so.
    pub(crate) lifetime: Option<u64>,
    /// The scopes that were granted, where they are not those that were asked for.
    pub(crate) scope: Option<String>,
}

/// Asks the token endpoint.
///
/// # Errors
/// Why there are no tokens.
pub(crate) fn request(
    dialer: &Dialer,
    endpoint: &Url,
    client: &Client,
    form: Form,
) -> Result<Tokens, Error> {
    parse(&send(dialer, endpoint, client, form)?, &endpoint.authority)
}

/// Sends a form of a client's to one of the server's endpoints.
///
/// # Errors
/// Why there is no answer.
pub(super) fn send(
    dialer: &Dialer,
    endpoint: &Url,
    client: &Client,
    mut form: Form,
) -> Result<Answer, Error> {
    let fields = client.sign(&mut form).into_iter().collect();
    let body = Some((FORM, form.into_bytes()));
    let call = Call {
        url: endpoint,
        fields,
        body,
    };
    Ok(fetch(dialer, &call)?)
}

/// Has a refresh token give a new access token (RFC 6749 section 6).
///
/// # Errors
/// Why it doesn't.
pub(crate) fn refresh(
    dialer: &Dialer,
    endpoint: &Url,
    client: &Client,
    token: &Secret,
    resource: Option<&str>,
) -> Result<Tokens, Error> {
    let mut form = Form::default();
    form.add("grant_type", "refresh_token");
    form.add_secret("refresh_token", token);
    if let Some(resource) = resource {
        form.add("resource", resource);
    }
    request(dialer, endpoint, client, form)
}

/// Takes a token back (RFC 7009).
///
/// # Errors
/// Why the server doesn't.
pub(crate) fn revoke(
    dialer: &Dialer,
    endpoint: &Url,
    client: &Client,
    token: &Secret,
    hint: &str,
) -> Result<(), Error> {
    let mut form = Form::default();
    form.add_secret("token", token);
    form.add("token_type_hint", hint);
    let answer = send(dialer, endpoint, client, form)?;
    match answer.status {
        200..=299 => Ok(()),
        _ => Err(refusal(&answer, &endpoint.authority)),
    }
}

/// A JSON object's fields, each of them once: of two that differ nobody knows which counts.
pub(super) struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        /// Collects them.
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
                let mut fields: Vec<(String, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom("a field is there twice"));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }

        from.deserialize_map(Collect)
    }
}

impl Drop for Fields {
    /// Wipes the texts: tokens may be among them.
    fn drop(&mut self) {
        for (_, value) in &mut self.0 {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}

impl Fields {
    /// The fields of an answer.
    ///
    /// # Errors
    /// When it isn't a JSON object, or has a field twice. Nothing of it is in the error.
    pub(super) fn of(answer: &Answer, host: &Authority) -> Result<Self, Error> {
        serde_json::from_slice(&answer.body).map_err(|error| Error::Answer {
            host: host.clone(),
            why: match error.classify() {
                serde_json::error::Category::Data => {
                    "is no JSON object, or has a field twice".into()
                }
                serde_json::error::Category::Eof => "is cut short".into(),
                _ => format!("is no JSON (status {})", answer.status),
            },
        })
    }

    /// A field; null counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// A field that is text; `None` where it is absent.
    ///
    /// # Errors
    /// When it is of another type.
    pub(super) fn text(&self, name: &str, host: &Authority) -> Result<Option<&str>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::Answer {
                host: host.clone(),
                why: format!("has a field {name} that is no text"),
            }),
        }
    }

    /// What the server says is wrong, if it says so: with whatever status (GitHub: 200).
    pub(super) fn refusal(&self) -> Option<Error> {
        let error = self.get("error")?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let code = text(error).unwrap_or_default();
        Some(match code.as_str() {
            "access_denied" => Error::Denied,
            "expired_token" => Error::Expired,
            _ => Error::Server {
                code,
                description: self.get("error_description").and_then(text),
            },
        })
    }

    /// A number of seconds, in whatever form servers write it; `None` where there is none above zero.
    pub(super) fn seconds(&self, name: &str, host: &Authority) -> Result<Option<u64>, Error> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse::<f64>().ok(),
            Some(_) => None,
        };
        let number = number
            .filter(|number| number.is_finite())
            .ok_or_else(|| Error::Answer {
                host: host.clone(),
                why: format!("has a field {name} that is no number"),
            })?;
        // Some servers write 0 for a token that doesn't end.
        if number < 1.0 {
            return Ok(None);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within 1 and ten years of seconds by now"
        )]
        let seconds = number.min(MAX_LIFETIME as f64) as u64;
        Ok(Some(seconds))
    }
}

/// What an answer that isn't a success says.
pub(super) fn refusal(answer: &Answer, host: &Authority) -> Error {
    let said = Fields::of(answer, host)
        .ok()
        .and_then(|fields| fields.refusal());
    match answer.status {
        // Whatever it says with it, it is the server's trouble, but for what is final.
        status @ (429 | 500..) if !said.as_ref().is_some_and(Error::is_final) => {
            Error::Unavailable {
                host: host.clone(),
                status,
            }
        }
        status => said.unwrap_or_else(|| Error::Answer {
            host: host.clone(),
            why: format!("is status {status} without a reason"),
        }),
    }
}

/// Reads a token endpoint's answer.
///
/// # Errors
/// What it says instead of tokens, or what is wrong with it. Nothing of its tokens is in that.
pub(crate) fn parse(answer: &Answer, host: &Authority) -> Result<Tokens, Error> {
    if !(200..300).contains(&answer.status) {
        return Err(refusal(answer, host));
    }
    let fields = Fields::of(answer, host)?;
    if let Some(error) = fields.refusal() {
        return Err(error);
    }
    let wrong = |why: &str| Error::Answer {
        host: host.clone(),
        why: why.to_owned(),
    };
    let access = fields
        .text("access_token", host)?
        .ok_or_else(|| wrong("has no access_token"))?;
    let access = Secret::new(access.as_bytes().to_vec());
    // As it is: a line end behind it, which a file may have, is part of a token that came in JSON.
    if !Credential::of(&access).is_ok_and(|credential| credential.same_as(&access)) {
        return Err(wrong("has an access_token that can't be sent in a field"));
    }
    // A token that must be signed or bound to a key (RFC 9449) would be refused as a bearer token.
    let kind = fields.text("token_type", host)?.unwrap_or("bearer");
    if ["dpop", "mac", "pop"]
        .iter()
        .any(|bound| kind.eq_ignore_ascii_case(bound))
    {
        return Err(wrong("has a token of a type that is not known here"));
    }
    let refresh = fields
        .text("refresh_token", host)?
        .filter(|token| !token.is_empty());
    Ok(Tokens {
        access,
        refresh: refresh.map(|token| Secret::new(token.as_bytes().to_vec())),
        lifetime: fields.seconds("expires_in", host)?,
        scope: fields.text("scope", host).ok().flatten().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    /// Reads an answer.
    fn read(status: u16, body: &str) -> Result<Tokens, String> {
        let host = Authority::parse(b"idp.test", Some(443)).unwrap();
        let answer = Answer {
            status,
            challenges: Vec::new(),
            body: Zeroizing::new(body.as_bytes().to_vec()),
        };
        parse(&answer, &host).map_err(|error| error.to_string())
    }

    #[test]
    fn tokens_are_read_in_the_forms_that_servers_write() {
        for (expires, lifetime) in [
            ("3600", Some(3600)),
            ("\"3600\"", Some(3600)),
            ("3599.9", Some(3599)),
            ("0", None),
            ("-5", None),
            ("null", None),
            ("1e30", Some(MAX_LIFETIME)),
        ] {
            let body = format!(r#"{{"access_token": "a", "expires_in": {expires}}}"#);
            assert_eq!(read(200, &body).unwrap().lifetime, lifetime, "{expires}");
        }
        let body = r#"{"access_token":"a","refresh_token":"r","token_type":"Bearer","scope":"x y","id_token":{"a":1}}"#;
        let tokens = read(200, body).unwrap();
        assert!(tokens.access.same_as(&Secret::new(b"a".to_vec())));
        assert!(tokens.refresh.unwrap().same_as(&Secret::new(b"r".to_vec())));
        assert_eq!(
            (tokens.lifetime, tokens.scope.as_deref()),
            (None, Some("x y"))
        );
        assert!(
            read(201, r#"{"access_token":"a","refresh_token":""}"#)
                .unwrap()
                .refresh
                .is_none()
        );
    }

    #[test]
    fn what_is_no_token_is_an_error_that_shows_none() {
        for (status, body, words) in [
            (
                200,
                r#"{"error":"bad_verification_code","error_description":"It\u001b is old"}"#,
                "bad_verification_code",
            ),
            (400, r#"{"error":"invalid_grant"}"#, "invalid_grant"),
            (400, r#"{"error":"access_denied"}"#, "denied"),
            (500, "<html>", "status 500"),
            (302, "", "status 302"),
            (200, "<html>secret", "is no JSON"),
            (200, "", "is cut short"),
            (200, r#"{"access_token":"secre"#, "is cut short"),
            (200, r#"["secret"]"#, "no JSON object"),
            (
                200,
                r#"{"access_token":"secret","access_token":"secret2"}"#,
                "twice",
            ),
            (200, "{}", "no access_token"),
            (200, r#"{"access_token":5}"#, "no text"),
            (200, r#"{"access_token":"secret\nX: y"}"#, "can't be sent"),
            (200, r#"{"access_token":"secret\n"}"#, "can't be sent"),
            (200, r#"{"access_token":""}"#, "can't be sent"),
            (
                200,
                r#"{"access_token":"secret","expires_in":"soon"}"#,
                "no number",
            ),
            (
                200,
                r#"{"access_token":"secret","expires_in":[1]}"#,
                "no number",
            ),
            (
                200,
                r#"{"access_token":"secret","refresh_token":1}"#,
                "no text",
            ),
            (
                200,
                r#"{"access_token":"secret","token_type":"DPoP"}"#,
                "type",
            ),
            (
                200,
                r#"{"error":{"message":"x"},"access_token":"secret"}"#,
                "something is wrong",
            ),
        ] {
            let error = read(status, body).unwrap_err();
            assert!(error.contains(words), "{body}: {error}");
            assert!(
                !error.contains("secret") && !error.contains('\u{1b}'),
                "{error}"
            );
        }
    }
}
