//! The forms in which servers write a secret back: as it was sent, and as JSON, HTML and URLs have it.

use zeroize::Zeroizing;

use super::inject;
use crate::credential;
use crate::credential::Common;
use crate::credential::Credential;
use crate::encoding;
use crate::provider::Placement;

/// Bytes of a secret.
type Bytes = Zeroizing<Vec<u8>>;

/// How a byte is written, where it isn't written as it is.
type Escape = fn(u8) -> Option<&'static str>;

/// The ways of writing bytes, each of a kind of server or library.
const ESCAPES: [Escape; 10] = [
    // JSON (RFC 8259 section 7).
    |byte| match byte {
        b'"' => Some("\\\""),
        b'\\' => Some("\\\\"),
        _ => None,
    },
    // PHP's JSON.
    |byte| match byte {
        b'"' => Some("\\\""),
        b'\\' => Some("\\\\"),
        b'/' => Some("\\/"),
        _ => None,
    },
    // Go's JSON.
    |byte| match byte {
        b'"' => Some("\\\""),
        b'\\' => Some("\\\\"),
        b'&' => Some("\\u0026"),
        b'<' => Some("\\u003c"),
        b'>' => Some("\\u003e"),
        _ => None,
    },
    // Gson's JSON.
    |byte| match byte {
        b'"' => Some("\\\""),
        b'\\' => Some("\\\\"),
        b'&' => Some("\\u0026"),
        b'\'' => Some("\\u0027"),
        b'<' => Some("\\u003c"),
        b'=' => Some("\\u003d"),
        b'>' => Some("\\u003e"),
        _ => None,
    },
    // .NET's JSON.
    |byte| match byte {
        b'"' => Some("\\u0022"),
        b'&' => Some("\\u0026"),
        b'\'' => Some("\\u0027"),
        b'+' => Some("\\u002B"),
        b'<' => Some("\\u003C"),
        b'>' => Some("\\u003E"),
        b'\\' => Some("\\\\"),
        b'`' => Some("\\u0060"),
        _ => None,
    },
    // HTML, by names and by numbers.
    |byte| html(byte, "&quot;", "&#39;"),
    |byte| html(byte, "&quot;", "&#x27;"),
    |byte| html(byte, "&#34;", "&#39;"),
    // Go's HTML.
    |byte| match byte {
        b'+' => Some("&#43;"),
        other => html(other, "&#34;", "&#39;"),
    },
    // Handlebars and Mustache.
    |byte| match byte {
        b'/' => Some("&#x2F;"),
        b'=' => Some("&#x3D;"),
        b'`' => Some("&#x60;"),
        other => html(other, "&quot;", "&#x27;"),
    },
];

/// HTML with these quotes.
fn html(byte: u8, double: &'static str, single: &'static str) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some(double),
        b'\'' => Some(single),
        _ => None,
    }
}

/// The forms of a credential that is sent like this.
pub(super) fn of_credential(credential: &Credential, placement: &Placement) -> Vec<Bytes> {
    let (secret, pair) = parts(credential, placement);
    let mut forms = Vec::with_capacity(4);
    add(secret, &mut forms);
    if let Some(pair) = pair {
        add_pair(&pair, &mut forms);
    }
    forms
}

/// Returns why a credential that is sent like this stays readable in answers, as a whole or by its password, if it does.
pub(super) fn left_readable(credential: &Credential, placement: &Placement) -> Option<Common> {
    let (secret, pair) = parts(credential, placement);
    let of_pair = pair.and_then(|pair| credential::common(secret_of_pair(&pair)));
    credential::common(secret).or(of_pair)
}

/// Returns a credential, and the user and the password of basic authentication where it is sent by that.
fn parts<'a>(credential: &'a Credential, placement: &Placement) -> (&'a [u8], Option<Bytes>) {
    let secret = credential.expose();
    let pair = match placement {
        Placement::Basic(user) => inject::basic_pair(user, secret),
        Placement::Header { .. } | Placement::Query { .. } => None,
    };
    (secret, pair)
}

/// The forms of a field's value `Basic ...` (RFC 7617).
pub(super) fn of_basic(authorization: &[u8]) -> Vec<Bytes> {
    let mut forms = Vec::new();
    let text = authorization.strip_prefix(b"Basic ").unwrap_or_default();
    if let Some(pair) = encoding::base64_decode(text) {
        add_pair(&Zeroizing::new(pair), &mut forms);
    }
    forms
}

/// Adds those of a user and a password: as they are sent, as they are, and the password alone.
fn add_pair(pair: &[u8], forms: &mut Vec<Bytes>) {
    add(&Zeroizing::new(encoding::base64(pair)), forms);
    // Of a user alone, the colon behind it makes no other text.
    add(pair.strip_suffix(b":").unwrap_or(pair), forms);
    add(secret_of_pair(pair), forms);
}

/// Returns the password, or the user where there is no password.
fn secret_of_pair(pair: &[u8]) -> &[u8] {
    let mut parts = pair.splitn(2, |byte| *byte == b':');
    let user = parts.next().unwrap_or_default();
    let password = parts.next().filter(|password| !password.is_empty());
    password.unwrap_or(user)
}

/// Adds a secret and all ways of writing it, unless it is too common to be masked.
fn add(secret: &[u8], forms: &mut Vec<Bytes>) {
    if credential::common(secret).is_some() {
        return;
    }
    push(Zeroizing::new(secret.to_vec()), forms);
    if secret.iter().all(|byte| encoding::is_unreserved(*byte)) {
        return;
    }
    for escape in ESCAPES {
        push(escaped(secret, escape), forms);
    }
    // As a part of a query, and as a path.
    for keeps_slash in [false, true] {
        let mut upper = Zeroizing::new(Vec::with_capacity(3 * secret.len()));
        let mut lower = upper.clone();
        for byte in secret {
            match *byte {
                byte if encoding::is_unreserved(byte) => extend(&mut upper, &mut lower, &[byte]),
                b'/' if keeps_slash => extend(&mut upper, &mut lower, b"/"),
                byte => {
                    upper.extend_from_slice(format!("%{byte:02X}").as_bytes());
                    lower.extend_from_slice(format!("%{byte:02x}").as_bytes());
                }
            }
        }
        push(upper, forms);
        push(lower, forms);
    }
}

/// Adds a form, unless it is there: what looks for it takes 16 KiB.
fn push(form: Bytes, forms: &mut Vec<Bytes>) {
    if !forms.contains(&form) {
        forms.push(form);
    }
}

/// Extends both.
fn extend(one: &mut Vec<u8>, other: &mut Vec<u8>, by: &[u8]) {
    one.extend_from_slice(by);
    other.extend_from_slice(by);
}

/// The text with some bytes written in another way.
fn escaped(text: &[u8], escape: Escape) -> Bytes {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() * 6));
    for byte in text {
        match escape(*byte) {
            Some(other) => out.extend_from_slice(other.as_bytes()),
            None => out.push(*byte),
        }
    }
    out
}
