//! Which fields of the client's go on, in heads and in trailers, and which of them may stand beside a credential.
//!
//! Servers differ about which names are the same field: CGI and WSGI read `_` as `-`, others read a dot, or drop what is no letter.
//! Names are therefore compared by their letters and digits alone.
#![deny(clippy::indexing_slicing)]

use crate::http1::head::Fields;
use crate::http1::head::HOP_BY_HOP;
use crate::http1::head::is_hop_by_hop;

/// Fields that authsome writes itself in every request.
const WRITTEN_ANEW: [&[u8]; 4] = [
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"connection",
];

/// Fields that ask for answers that can't be searched for a credential: codings, other charsets, and compressed WebSocket messages
/// (RFC 7692).
const NOT_SEARCHABLE: [&[u8]; 3] = [
    b"accept-encoding",
    b"accept-charset",
    b"sec-websocket-extensions",
];

/// Fields that name another target to servers that route by them.
const ROUTING: [&[u8]; 2] = [b"x-original-url", b"x-rewrite-url"];

/// Fields that are never taken from a trailer section, besides the hop-by-hop ones: credentials, framing, routing (RFC 9110 section
/// 6.5.1).
const NOT_TRAILING: [&[u8]; 8] = [
    b"authorization",
    b"content-length",
    b"content-encoding",
    b"content-type",
    b"content-range",
    b"cookie",
    b"host",
    b"expect",
];

/// Where a field stands.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// The head of a request without a credential of authsome's.
    Head {
        /// The placeholder that must not leave, where the request met a route.
        placeholder: Option<&'a [u8]>,
        /// Whether the answer is searched for a credential that was sent to the authority before.
        is_searched: bool,
    },
    /// The head of a request with a credential.
    HeadWithCredential {
        /// Names of the fields that authsome adds.
        added: &'a [&'a [u8]],
        /// The placeholder that must not leave.
        placeholder: &'a [u8],
    },
    /// The trailer section of a request that met no route.
    Trailers,
    /// The trailer section of a request that met a route.
    TrailersWithCredential,
}

/// Returns whether a field of the client's goes on. `head` holds all fields of the request's head.
pub(super) fn goes_on(head: &Fields, name: &[u8], value: &[u8], place: Place<'_>) -> bool {
    let is_one_of = |list: &[&[u8]]| list.iter().any(|listed| is_same_field(name, listed));
    let is_like_hop_by_hop = || {
        let mut hop_by_hop = HOP_BY_HOP.iter();
        hop_by_hop.any(|listed| is_same_field(name, listed.as_bytes()))
            || head
                .members("connection")
                .any(|listed| is_same_field(name, listed))
    };
    match place {
        Place::Head {
            placeholder,
            is_searched,
        } => {
            let is_taken_out = is_one_of(&WRITTEN_ANEW)
                || (is_searched && is_one_of(&NOT_SEARCHABLE))
                || is_hop_by_hop(head, name)
                || placeholder.is_some_and(|placeholder| contains(value, placeholder));
            !is_taken_out
        }
        Place::HeadWithCredential { added, placeholder } => {
            let is_like_expect =
                is_same_field(name, b"expect") && !name.eq_ignore_ascii_case(b"expect");
            !is_one_of(&WRITTEN_ANEW)
                && !is_like_hop_by_hop()
                && !is_one_of(added)
                && !is_one_of(&NOT_SEARCHABLE)
                && !is_one_of(&ROUTING)
                && !is_like_expect
                && !contains(value, placeholder)
        }
        Place::Trailers => !is_one_of(&NOT_TRAILING) && !is_like_hop_by_hop(),
        // A server that merges trailers into the head would read any of them there.
        Place::TrailersWithCredential => false,
    }
}

/// Returns whether a field asks for another method than the request's own, as frameworks allow clients that can't send every method.
pub(super) fn overrides_method(name: &[u8]) -> bool {
    let folded: Vec<u8> = folded(name).collect();
    contains(&folded, b"methodoverride") || folded.ends_with(b"httpmethod")
}

/// Returns whether the head's `Expect` fields are none, or one that says `100-continue` (RFC 9110 section 10.1.1).
pub(super) fn is_expectation_known(head: &Fields) -> bool {
    let mut values = head.all("expect");
    values
        .next()
        .is_none_or(|value| value.eq_ignore_ascii_case(b"100-continue"))
        && values.next().is_none()
}

/// Returns whether two names have the same letters and digits, whatever their case.
pub(super) fn is_same_field(one: &[u8], other: &[u8]) -> bool {
    folded(one).eq(folded(other))
}

/// Returns a name's letters and digits, in lower case.
fn folded(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(u8::to_ascii_lowercase)
}

/// Returns whether `haystack` has `needle` in it.
pub(super) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a field with this name and value goes on beside `Authorization`.
    fn stands(name: &str, value: &str) -> bool {
        let head = Fields::parse(b"Connection: x-listed\r\n\r\n").unwrap();
        let place = Place::HeadWithCredential {
            added: &[b"Authorization", b"X-Api-Version"],
            placeholder: b"the-placeholder",
        };
        goes_on(&head, name.as_bytes(), value.as_bytes(), place)
    }

    #[test]
    fn no_spelling_of_a_field_that_counts_stands_beside_a_credential() {
        for name in [
            "authorization",
            "AUTHORIZATION",
            "Author_ization",
            "Authori.zation",
            "x_api.version",
            "Host",
            "H.o.s.t",
            "Content_Length",
            "Content.Length",
            "ContentLength",
            "Transfer_Encoding",
            "Transfer.Encoding",
            "Transfer-Encoding~",
            "Con'nection",
            "Keep_Alive",
            "Up.grade",
            "T_E",
            "Proxy.Authorization",
            "Trailer",
            "X_Listed",
            "Ex-pect",
            "X_Original_URL",
            "X.Rewrite.Url",
            "Accept_Charset",
            "Sec.WebSocket_Extensions",
        ] {
            assert!(!stands(name, "x"), "{name}");
        }
        for name in ["Accept", "X-Host", "Expect", "X-Request-Id", "!#$", "Hos"] {
            assert!(stands(name, "x"), "{name}");
        }
        assert!(!stands("Accept", "a the-placeholder"));
    }

    #[test]
    fn a_method_override_is_known_in_every_spelling() {
        for name in [
            "X-HTTP-Method-Override",
            "X.HTTP.Method.Override",
            "X_Http-Method~override",
            "XHTTPMETHODOVERRIDE",
            "X-HTTP-Method",
            "X.Http_Method",
            "X-Method-Override",
            "HTTP-Method-Override",
        ] {
            assert!(overrides_method(name.as_bytes()), "{name}");
        }
        for name in ["X-Method", "Access-Control-Request-Method", "Override", ""] {
            assert!(!overrides_method(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn trailers_go_on_only_without_a_credential_and_only_some() {
        let head = Fields::parse(b"Connection: x-listed\r\n\r\n").unwrap();
        let trails = |name: &str, place| goes_on(&head, name.as_bytes(), b"x", place);
        for name in [
            "Author.ization",
            "Content_Length",
            "x.listed",
            "T_E",
            "Cook~ie",
        ] {
            assert!(!trails(name, Place::Trailers), "{name}");
        }
        assert!(trails("X-Checksum", Place::Trailers));
        assert!(!trails("X-Checksum", Place::TrailersWithCredential));
    }

    #[test]
    fn only_one_expectation_is_known() {
        let is_known = |fields: &str| {
            let head = Fields::parse(format!("{fields}\r\n").as_bytes()).unwrap();
            is_expectation_known(&head)
        };
        for fields in ["", "Expect: 100-continue\r\n", "expect:  100-Continue \r\n"] {
            assert!(is_known(fields), "{fields}");
        }
        for fields in [
            "Expect:\r\n",
            "Expect: y 100-continue\r\n",
            "Expect: 100-continue, x\r\n",
            "Expect: 100-continue;a=b\r\n",
            "Expect: 100-continue\r\nExpect: 100-continue\r\n",
        ] {
            assert!(!is_known(fields), "{fields}");
        }
    }
}
