//! Putting the credential on a request. Pure, but for [`Armed::send`], the one place that writes a credential to the wire.

use std::fmt;

use zeroize::Zeroizing;

use super::beside;
use super::beside::Place;
use super::beside::contains;
use super::hops;
use super::route::Match;
use crate::credential::Credential;
use crate::encoding;
use crate::http1::framing::Framing;
use crate::http1::framing::is_content_usual;
use crate::http1::head::RequestHead;
use crate::http1::head::write_field;
use crate::provider::BasicUser;
use crate::provider::Inject;
use crate::provider::Placement;
use crate::provider::Provider;
use crate::upstream::dial::SecureStream;
use crate::url;
use crate::url::Authority;

/// The field that lists WebSocket subprotocols (RFC 6455 section 11.3.4).
const PROTOCOLS: &str = "Sec-WebSocket-Protocol";

/// An answer that can be looked through is asked for (RFC 9110 section 12.5.3). Without the field an origin may take any coding.
const IDENTITY: (&[u8], &[u8]) = (b"Accept-Encoding", b"identity");

/// A request's head as it is sent on, and what of the client's is not.
pub(crate) struct Outgoing<'a> {
    /// The head that came.
    pub(crate) head: &'a RequestHead,
    /// The target to send.
    pub(crate) target: &'a str,
    /// The value of Host.
    pub(crate) host: &'a str,
    /// How its body is framed.
    pub(crate) framing: Framing,
    /// The protocol that the client wants to change to, if that is passed on.
    pub(crate) upgrade: Option<&'a str>,
}

impl Outgoing<'_> {
    /// Writes the head: request line, Host, the client's fields that go on in this place, in their order, then `added`, then the framing
    /// (RFC 9110 section 5.3 asks for the order to be kept).
    fn write(&self, target: &[u8], place: Place<'_>, added: &[(&[u8], &[u8])], out: &mut Vec<u8>) {
        for part in [self.head.method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"] {
            out.extend_from_slice(part);
        }
        write_field(out, b"Host", self.host.as_bytes());
        let fields = &self.head.fields;
        for (name, value) in fields.iter() {
            if beside::goes_on(fields, name, value, place) {
                let less = hops::one_less(self.head, name, value);
                write_field(out, name, less.as_deref().map_or(value, str::as_bytes));
            }
        }
        for (name, value) in added {
            write_field(out, name, value);
        }
        if let Some(protocol) = self.upgrade {
            write_field(out, b"Connection", b"Upgrade");
            write_field(out, b"Upgrade", protocol.as_bytes());
        } else if self.ends_connection() {
            write_field(out, b"Connection", b"close");
        }
        match self.framing {
            Framing::Length(length) => {
                write_field(out, b"Content-Length", length.to_string().as_bytes());
            }
            Framing::Chunked => write_field(out, b"Transfer-Encoding", b"chunked"),
            Framing::None | Framing::UntilClose => {}
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Returns whether the origin is asked to end its connection: the request has content where many servers read none, and would take it
    /// for the next request.
    fn ends_connection(&self) -> bool {
        !self.framing.is_empty() && !is_content_usual(&self.head.method)
    }

    /// Bytes of a head that is written with these, at the most.
    fn written_len(&self, target: &[u8], added: &[(&[u8], &[u8])]) -> usize {
        /// The words of the request line, the framing and the upgrade.
        const AROUND: usize = 256;
        let added = added
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4);
        let own = self.head.method.len() + target.len() + self.host.len();
        own + self.head.fields.written_len() + added.sum::<usize>() + AROUND
    }

    /// The head without a credential.
    pub(crate) fn unarmed(&self, added: &[(&[u8], &[u8])], out: &mut Vec<u8>) {
        let place = Place::Head {
            placeholder: None,
            is_searched: false,
        };
        self.write(self.target.as_bytes(), place, added, out);
    }

    /// The head without a credential, for an authority that was sent one in this run: asks for an answer that can be looked through.
    pub(crate) fn unarmed_searched(&self, out: &mut Vec<u8>) {
        let place = Place::Head {
            placeholder: None,
            is_searched: true,
        };
        self.write(self.target.as_bytes(), place, &[IDENTITY], out);
    }

    /// The head of a request that keeps a credential of the child's own. The placeholder doesn't leave beside it. Where the answer is
    /// searched for a credential that was sent earlier, one is asked for that can be looked through.
    pub(crate) fn left_alone(&self, provider: &Provider, is_searched: bool, out: &mut Vec<u8>) {
        let placeholder = provider.placeholder.as_bytes();
        let protocols = self.protocols_without(placeholder);
        let kept = (PROTOCOLS.as_bytes(), protocols.as_slice());
        let mut added = Vec::with_capacity(2);
        added.extend(Some(kept).filter(|_| !protocols.is_empty()));
        added.extend(Some(IDENTITY).filter(|_| is_searched));
        let place = Place::Head {
            placeholder: Some(placeholder),
            is_searched,
        };
        self.write(self.target.as_bytes(), place, &added, out);
    }

    /// The head with the credential of a match.
    ///
    /// # Errors
    /// When the credential can't be put where the match wants it.
    pub(crate) fn arm(
        &self,
        found: &Match,
        provider: &Provider,
        credential: &Credential,
    ) -> Result<Armed, Unfit> {
        let placeholder = provider.placeholder.as_bytes();
        let field = field(found.placement(), credential)?;
        let target = match found.placement() {
            Placement::Query { param } => self.with_parameter(param.as_bytes(), credential),
            Placement::Header { .. } | Placement::Basic(_) => {
                Zeroizing::new(self.target.as_bytes().to_vec())
            }
        };
        let protocols = self.protocols_without(placeholder);
        let mut added: Vec<(&[u8], &[u8])> = Vec::with_capacity(4);
        added.extend(
            field
                .as_ref()
                .map(|(name, value)| (name.as_bytes(), value.as_slice())),
        );
        let extra = provider.extra_headers.iter();
        added.extend(extra.map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        added.push(IDENTITY);
        let names: Vec<&[u8]> = added.iter().map(|(name, _)| *name).collect();
        let place = Place::HeadWithCredential {
            added: &names,
            placeholder,
        };
        if !protocols.is_empty() {
            added.push((PROTOCOLS.as_bytes(), &protocols));
        }
        // All of it, at once: what grows leaves a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.written_len(&target, &added)));
        self.write(&target, place, &added, &mut bytes);
        Ok(Armed {
            bytes,
            authority: found.authority().clone(),
        })
    }

    /// The WebSocket subprotocols that the child offers beside one with the placeholder: browsers can send a key in no other way, and
    /// the server must still find one of the others to choose. Nothing where no field holds the placeholder.
    fn protocols_without(&self, placeholder: &[u8]) -> Vec<u8> {
        let fields = &self.head.fields;
        let affected = fields
            .all(PROTOCOLS)
            .filter(|value| contains(value, placeholder));
        let kept: Vec<&[u8]> = affected
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|member| !member.is_empty() && !contains(member, placeholder))
            .collect();
        kept.join(&b", "[..])
    }

    /// Whether the request gets the credential: always, unless the definition says to leave a value of the child's own.
    pub(crate) fn wants(&self, placement: &Placement, provider: &Provider) -> bool {
        let placeholder = provider.placeholder.as_bytes();
        let is_own = |value: &[u8]| !sent_placeholder(value, placeholder);
        let fields = &self.head.fields;
        provider.inject == Inject::Always
            || !match placement {
                Placement::Header { name, .. } => fields.all(name).any(is_own),
                Placement::Basic(_) => fields.all("authorization").any(is_own),
                Placement::Query { param } => self
                    .parameters()
                    .filter_map(|pair| parameter(pair, param.as_bytes()))
                    .any(|value| value != placeholder),
            }
    }

    /// The parameters of the query, as they came.
    fn parameters(&self) -> impl Iterator<Item = &[u8]> {
        let (_, query) = url::split_query(self.target.as_bytes());
        let pairs = query.unwrap_or_default().split(|byte| *byte == b'&');
        pairs.filter(|pair| !pair.is_empty())
    }

    /// The target with the query's parameter set: all of the child's own are taken out.
    fn with_parameter(&self, param: &[u8], credential: &Credential) -> Zeroizing<Vec<u8>> {
        let (path, _) = url::split_query(self.target.as_bytes());
        let length = self.target.len() + 3 * (param.len() + credential.expose().len()) + 3;
        let mut target = Zeroizing::new(Vec::with_capacity(length));
        target.extend_from_slice(path);
        target.push(b'?');
        for pair in self
            .parameters()
            .filter(|pair| parameter(pair, param).is_none())
        {
            target.extend_from_slice(pair);
            target.push(b'&');
        }
        target.extend(encoding::percent_encode(param));
        target.push(b'=');
        target.extend(Zeroizing::new(encoding::percent_encode(credential.expose())).iter());
        target
    }
}

/// The value of a parameter, if it is of this name.
fn parameter(pair: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    let own = encoding::query_decode(parts.next().unwrap_or_default());
    (own == name).then(|| encoding::query_decode(parts.next().unwrap_or_default()))
}

/// The credential can't be put where its provider wants it: basic authentication wants `user:password`, and it has no colon.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfit;

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("basic authentication needs it in the form user:password")
    }
}

/// A field's name and value, the value being secret.
type SecretField = (String, Zeroizing<Vec<u8>>);

/// The field that carries the credential; `None` where the query does.
fn field(placement: &Placement, credential: &Credential) -> Result<Option<SecretField>, Unfit> {
    let secret = credential.expose();
    let (name, value) = match placement {
        Placement::Query { .. } => return Ok(None),
        Placement::Header { name, prefix: None } => (name.clone(), secret.to_vec()),
        Placement::Header {
            name,
            prefix: Some(prefix),
        } => (name.clone(), [prefix.as_bytes(), b" ", secret].concat()),
        Placement::Basic(user) => {
            let pair = basic_pair(user, secret).ok_or(Unfit)?;
            let text = Zeroizing::new(encoding::base64(&pair));
            (
                "Authorization".to_owned(),
                [b"Basic ", text.as_slice()].concat(),
            )
        }
    };
    Ok(Some((name, Zeroizing::new(value))))
}

/// The user and the password of basic authentication (RFC 7617), if the credential can be one of them, or both.
pub(super) fn basic_pair(user: &BasicUser, secret: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let pair = match user {
        BasicUser::Fixed(user) => [user.as_bytes(), b":", secret].concat(),
        BasicUser::Credential => [secret, b":"].concat(),
        BasicUser::InCredential if secret.contains(&b':') => secret.to_vec(),
        BasicUser::InCredential => return None,
    };
    Some(Zeroizing::new(pair))
}

/// Whether the value is empty or holds the placeholder: as it is, or as the password or the user of basic authentication.
fn sent_placeholder(value: &[u8], placeholder: &[u8]) -> bool {
    let pair = value
        .split_at_checked(6)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"basic "))
        .and_then(|(_, pair)| encoding::base64_decode(pair));
    value.is_empty()
        || contains(value, placeholder)
        || pair.is_some_and(|pair| contains(&pair, placeholder))
}

/// A request's head with a credential in it, and the only authority that it may go to. No `Debug`; wiped when dropped.
pub(crate) struct Armed {
    /// The head, ready to be sent.
    bytes: Zeroizing<Vec<u8>>,
    /// What it is for.
    authority: Authority,
}

impl Armed {
    /// Puts the head into what the connection sends next. The connection was verified for an authority; should it not be the
    /// request's, nothing is sent.
    ///
    /// # Errors
    /// When the authorities differ, which no path through the program leads to.
    pub(crate) fn send(self, stream: &mut SecureStream) -> Result<(), WrongAuthority> {
        if *stream.authority() != self.authority {
            return Err(WrongAuthority);
        }
        stream.wire().push_secret(&self.bytes);
        Ok(())
    }
}

/// A credential was about to leave for an authority that it isn't for.
#[derive(Debug)]
pub(crate) struct WrongAuthority;
