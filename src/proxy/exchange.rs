//! One request, from its head to the end of its response.

use std::sync::Arc;
use std::time::Instant;

use super::Shared;
use super::inject::Armed;
use super::inject::Outgoing;
use super::inject::is_trailer_allowed;
use super::refusal::Refusal;
use super::relay::Failure;
use super::relay::Outcome;
use super::relay::Relay;
use super::relay::Request;
use super::route;
use super::route::Decision;
use super::route::Match;
use super::route::Target;
use super::route::Why;
use super::target::Destination;
use super::target::Scope;
use crate::broker::Means;
use crate::credential::Credential;
use crate::encoding;
use crate::http1;
use crate::http1::framing::Framing;
use crate::http1::head::RequestHead;
use crate::http1::head::Version;
use crate::notice::Step;
use crate::upstream;
use crate::upstream::dial::SecureStream;
use crate::upstream::pool::Key;
use crate::url;
use crate::url::Scheme;
use crate::wire::Wire;

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It is good for another request.
    KeepOpen,
    /// It ends once the answer has been read.
    Close,
    /// It ends now: the answer is not whole and must not look so.
    Abort,
}

/// Why a request has no answer from the origin, or not a whole one.
enum Stop {
    /// The proxy answers.
    Refuse(Refusal),
    /// A part of the answer is with the client, or the client is gone.
    Abort(&'static str),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

/// Handles a request whose head has been read, and tells what becomes of the connection.
pub(crate) fn handle(
    client: &mut Wire,
    head: &RequestHead,
    scope: Scope<'_>,
    shared: &Shared,
) -> After {
    let start = Instant::now();
    let mut exchange = Exchange {
        head,
        shared,
        place: None,
        label: None,
        can_keep: false,
    };
    let result = exchange.attempt(client, scope);
    let (after, said) = match result {
        Ok(outcome) => {
            let after = if outcome.client_reusable {
                After::KeepOpen
            } else {
                After::Close
            };
            (after, outcome.status.to_string())
        }
        Err(Stop::Refuse(refusal)) => {
            let close = !exchange.can_keep;
            refusal.write(close, head.method != "HEAD", client.output());
            let after = if close { After::Close } else { After::KeepOpen };
            (after, format!("{} ({})", refusal.status(), refusal.text()))
        }
        Err(Stop::Abort(why)) => (After::Abort, format!("aborted ({why})")),
    };
    // Without its query even where the target could not be read: that is where some keep keys.
    let path = url::split_query(head.target.as_bytes()).0;
    let place = exchange
        .place
        .unwrap_or_else(|| encoding::printable(path, 64));
    let label = exchange.label.unwrap_or_else(|| "-".to_owned());
    let method = encoding::printable(head.method.as_bytes(), 16);
    let ms = start.elapsed().as_millis();
    shared
        .notices
        .request(format!("{method} {place} {said} {label} {ms} ms"));
    after
}

/// A request for an https origin.
struct Sending<'a> {
    /// Its head.
    outgoing: &'a Outgoing<'a>,
    /// The route that it met.
    found: Option<&'a Match>,
    /// What its connection is kept under.
    key: Key,
}

/// What sending a request has come to.
enum Relayed {
    /// An end, good or bad.
    Ended(Outcome, Result<(), Failure>),
    /// The origin wants another credential than this. Its answer waits on the connection.
    Refused(Box<SecureStream>, Arc<Credential>),
}

impl Relayed {
    /// What it means for the client.
    fn conclude(self) -> Result<Outcome, Stop> {
        match self {
            Self::Ended(outcome, result) => conclude(outcome, result),
            Self::Refused(..) => conclude(Outcome::default(), Err(Failure::Unauthorized)),
        }
    }
}

/// A head that is ready to be sent.
enum Prepared {
    /// With a credential.
    Armed(Armed),
    /// Without.
    Unarmed(Vec<u8>),
}

/// A request under way.
struct Exchange<'a> {
    /// Its head.
    head: &'a RequestHead,
    /// What all connections share.
    shared: &'a Shared,
    /// Its URL without the query, for the log.
    place: Option<String>,
    /// Whose credential it got, for the log.
    label: Option<String>,
    /// Whether the connection can be kept after an answer of our own: no part of a body is left in it.
    can_keep: bool,
}

impl Exchange<'_> {
    /// The steps, in order.
    fn attempt(&mut self, client: &mut Wire, scope: Scope<'_>) -> Result<Outcome, Stop> {
        check_method(&self.head.method)?;
        let framing = Framing::of_request(self.head).map_err(Refusal::Malformed)?;
        let destination = Destination::of(self.head, scope)?;
        let host = &destination.authority.host;
        // Of one that came through a CONNECT that was told then.
        if matches!(scope, Scope::Proxy) {
            let step = match destination.scheme {
                Scheme::Https => Step::Asked,
                Scheme::Http => Step::AskedInTheClear,
            };
            self.shared.notices.step(step, host.as_str());
        }
        self.place = Some(destination.shown());
        self.can_keep = framing.is_empty() && keeps_alive(self.head);
        let found = self.find_match(&destination)?;
        let outgoing = Outgoing {
            head: self.head,
            target: &destination.target,
            host: &destination.host,
            framing,
            upgrade: upgrade(self.head).filter(|_| framing.is_empty()),
        };
        match destination.scheme {
            Scheme::Https => {
                let found = found.as_ref();
                let identity = found.map(|found| found.connection().number());
                let key = Key {
                    authority: destination.authority.clone(),
                    identity,
                };
                self.over_tls(
                    client,
                    &Sending {
                        outgoing: &outgoing,
                        found,
                        key,
                    },
                )
            }
            Scheme::Http => self.over_plain(client, &destination, &outgoing),
        }
    }

    /// The route that the request meets.
    fn find_match(&mut self, destination: &Destination) -> Result<Option<Match>, Refusal> {
        let target = Target {
            scheme: destination.scheme,
            authority: &destination.authority,
            path: &destination.target,
        };
        match self.shared.router.decide(target) {
            Decision::Inject(found) => {
                let label = self.shared.broker.connection(found.connection()).label();
                if route::is_refused_method(&self.head.method) {
                    return Err(Refusal::Trace(Some(label)));
                }
                self.label = Some(label);
                Ok(Some(found))
            }
            Decision::RefusePath => Err(Refusal::AmbiguousPath),
            Decision::Forward(Why::Ambiguous(connections)) => {
                let labels: Vec<String> = connections
                    .iter()
                    .map(|id| self.shared.broker.connection(*id).label())
                    .collect();
                self.shared.notices.warn(format!(
                    "{} is claimed by {}: requests go there without a credential (connect one of them only)",
                    destination.authority.host,
                    labels.join(" and ")
                ));
                Ok(None)
            }
            Decision::Forward(_) => Ok(None),
        }
    }

    /// How new tokens are had.
    fn means(&self) -> Means<'_> {
        Means {
            dialer: &self.shared.dialer,
            notices: &self.shared.notices,
        }
    }

    /// The head with its credential: the one that is given, else the one that the connection has now.
    fn arm(
        &self,
        outgoing: &Outgoing<'_>,
        found: &Match,
        given: Option<&Arc<Credential>>,
    ) -> Result<(Armed, Arc<Credential>), Refusal> {
        let connection = self.shared.broker.connection(found.connection());
        let credential = match given {
            Some(given) => Arc::clone(given),
            None => self
                .shared
                .broker
                .current(found.connection(), &self.means())
                .map_err(|error| {
                    self.shared
                        .notices
                        .warn(format!("no credential for {}: {error}", connection.label()));
                    Refusal::no_credential(connection.label(), &error)
                })?,
        };
        let armed = outgoing.arm(found, &connection.provider, &credential);
        match armed {
            Ok(armed) => Ok((armed, credential)),
            Err(unfit) => Err(Refusal::NoCredential {
                label: connection.label(),
                why: unfit.to_string(),
            }),
        }
    }

    /// The head to send, with its credential if it gets one, and that.
    fn prepare(
        &self,
        sending: &Sending<'_>,
        given: Option<&Arc<Credential>>,
    ) -> Result<(Prepared, Option<Arc<Credential>>), Refusal> {
        match sending.found {
            Some(found) => {
                let (armed, credential) = self.arm(sending.outgoing, found, given)?;
                Ok((Prepared::Armed(armed), Some(credential)))
            }
            None => {
                let mut head = Vec::with_capacity(1024);
                sending.outgoing.unarmed(&[], &mut head);
                Ok((Prepared::Unarmed(head), None))
            }
        }
    }

    /// Sends the request over verified TLS. Where the origin refuses an access token and another can be had, it is sent once more
    /// with that; where not, the origin's answer is the client's.
    fn over_tls(&self, client: &mut Wire, sending: &Sending<'_>) -> Result<Outcome, Stop> {
        // Nothing of the request's body must be gone.
        let can_renew = sending.outgoing.framing.is_empty() && self.has_tokens(sending);
        let first = self.once(client, sending, None, can_renew)?;
        let Relayed::Refused(mut stream, used) = first else {
            return first.conclude();
        };
        match self.other_than(sending, &used) {
            Some(other) => {
                drop(stream);
                self.once(client, sending, Some(&other), false)?.conclude()
            }
            None => {
                let (outcome, result) = self.relay(client, &mut stream, sending, false);
                self.keep(*stream, &outcome, sending);
                conclude(outcome, result)
            }
        }
    }

    /// Whether the credential is a token that may be replaced.
    fn has_tokens(&self, sending: &Sending<'_>) -> bool {
        sending.found.is_some_and(|found| {
            let connection = self.shared.broker.connection(found.connection());
            connection.provider.oauth.is_some()
        })
    }

    /// Another credential than this one, if there is one to be had.
    fn other_than(&self, sending: &Sending<'_>, used: &Credential) -> Option<Arc<Credential>> {
        let found = sending.found?;
        let connection = self.shared.broker.connection(found.connection());
        match connection.other_than(used, &self.means()) {
            Ok(other) => other,
            Err(error) => {
                let label = connection.label();
                let text = format!("{label} was refused, and there is no other token: {error}");
                self.shared.notices.warn(text);
                None
            }
        }
    }

    /// Sends the request: on an idle connection if there is one, and once more on a new one if that was dead. Nothing is asked of the
    /// origin before the credential is there.
    fn once(
        &self,
        client: &mut Wire,
        sending: &Sending<'_>,
        given: Option<&Arc<Credential>>,
        holds_unauthorized: bool,
    ) -> Result<Relayed, Stop> {
        let outgoing = sending.outgoing;
        let mut prepared = self.prepare(sending, given)?;
        let can_repeat = outgoing.framing.is_empty() && is_idempotent(&self.head.method);
        let pooled = match outgoing.upgrade {
            None => self.shared.pool.take(&sending.key, can_repeat),
            Some(_) => None,
        };
        if let Some(stream) = pooled {
            match self.send_and_relay(client, stream, prepared, (sending, holds_unauthorized))? {
                Relayed::Ended(outcome, Err(Failure::NoResponse))
                    if can_repeat && !outcome.begun => {}
                relayed => return Ok(relayed),
            }
            prepared = self.prepare(sending, given)?;
        }
        let authority = &sending.key.authority;
        let stream = self
            .shared
            .dialer
            .secure(authority)
            .map_err(Refusal::Upstream)?;
        self.send_and_relay(client, stream, prepared, (sending, holds_unauthorized))
    }

    /// Sends the request on a verified connection, relays, and keeps the connection if it is good for more.
    fn send_and_relay(
        &self,
        client: &mut Wire,
        mut stream: SecureStream,
        (head, used): (Prepared, Option<Arc<Credential>>),
        (sending, holds_unauthorized): (&Sending<'_>, bool),
    ) -> Result<Relayed, Stop> {
        match head {
            Prepared::Armed(armed) => armed
                .send(&mut stream)
                .map_err(|_| Refusal::Internal("the connection is for another host"))?,
            Prepared::Unarmed(head) => stream.wire().output().extend_from_slice(&head),
        }
        let (outcome, result) = self.relay(client, &mut stream, sending, holds_unauthorized);
        if let (Err(Failure::Unauthorized), Some(used)) = (&result, used) {
            return Ok(Relayed::Refused(Box::new(stream), used));
        }
        self.keep(stream, &outcome, sending);
        Ok(Relayed::Ended(outcome, result))
    }

    /// Relays on a connection that the request's head was sent on.
    fn relay(
        &self,
        client: &mut Wire,
        stream: &mut SecureStream,
        sending: &Sending<'_>,
        holds_unauthorized: bool,
    ) -> (Outcome, Result<(), Failure>) {
        let found = sending.found;
        let provider =
            found.map(|found| &self.shared.broker.connection(found.connection()).provider);
        let keep_trailer = |name: &[u8], value: &[u8]| {
            is_trailer_allowed(&self.head.fields, name, value, found.zip(provider))
        };
        let request = Request {
            holds_unauthorized,
            ..self.request(sending.outgoing, &keep_trailer)
        };
        Relay::new(client, stream.wire(), &request).run()
    }

    /// Keeps a connection if it is good for more.
    fn keep(&self, stream: SecureStream, outcome: &Outcome, sending: &Sending<'_>) {
        if outcome.upstream_reusable {
            self.shared.pool.put(sending.key.clone(), stream);
        }
    }

    /// Sends the request in the clear, without a credential.
    fn over_plain(
        &self,
        client: &mut Wire,
        destination: &Destination,
        outgoing: &Outgoing<'_>,
    ) -> Result<Outcome, Stop> {
        let plain = self.shared.dialer.plain(&destination.authority);
        let (mut wire, via) = plain.map_err(Refusal::Upstream)?;
        match via {
            None => outgoing.unarmed(&[], wire.output()),
            Some(via)
                if via.authorization.is_some() && route::is_refused_method(&self.head.method) =>
            {
                return Err(Refusal::Trace(None).into());
            }
            Some(via) => {
                let absolute = match &*destination.target {
                    "*" => format!("http://{}", destination.host),
                    target => format!("http://{}{target}", destination.host),
                };
                let outgoing = Outgoing {
                    target: &absolute,
                    ..*outgoing
                };
                let authorization = via
                    .authorization
                    .as_ref()
                    .map(|secret| (b"Proxy-Authorization".as_slice(), secret.expose()));
                outgoing.unarmed(authorization.as_slice(), wire.output());
            }
        }
        let keep_trailer =
            |name: &[u8], value: &[u8]| is_trailer_allowed(&self.head.fields, name, value, None);
        let request = self.request(outgoing, &keep_trailer);
        let (outcome, result) = Relay::new(client, &mut wire, &request).run();
        conclude(outcome, result)
    }

    /// What the relay needs to know.
    fn request<'b>(
        &'b self,
        outgoing: &Outgoing<'b>,
        keep_trailer: &'b dyn Fn(&[u8], &[u8]) -> bool,
    ) -> Request<'b> {
        Request {
            method: &self.head.method,
            framing: outgoing.framing,
            is_http11: self.head.version == Version::Http11,
            keep_alive: keeps_alive(self.head),
            upgrade: outgoing.upgrade,
            keep_trailer,
            patience: self.shared.patience,
            holds_unauthorized: false,
        }
    }
}

/// What a relay's end means for the client.
fn conclude(outcome: Outcome, result: Result<(), Failure>) -> Result<Outcome, Stop> {
    let Err(failure) = result else {
        return Ok(outcome);
    };
    // A tunnel has no answer to cut short: when one side fails, both end.
    let begun = outcome.begun;
    Err(match failure {
        Failure::ClientGone => Stop::Abort("the client is gone"),
        _ if begun => Stop::Abort("the answer was cut short"),
        Failure::RequestBody(error) => Refusal::Malformed(error).into(),
        Failure::NoResponse => Refusal::NoResponse.into(),
        Failure::Response(http1::Error::Incomplete) => Refusal::NoResponse.into(),
        Failure::Response(error) => Refusal::BadResponse(error).into(),
        Failure::Upgrade => Refusal::Upgrade.into(),
        Failure::Timeout => Refusal::ResponseTimeout.into(),
        Failure::Unauthorized => Refusal::Internal("an answer was held back").into(),
    })
}

/// Relays a blind tunnel to its end; tells whether both sides have ended in order.
pub(crate) fn tunnel(client: &mut Wire, upstream: &mut Wire, shared: &Shared) -> bool {
    let request = Request {
        method: "CONNECT",
        framing: Framing::None,
        is_http11: true,
        keep_alive: false,
        upgrade: None,
        keep_trailer: &|_, _| true,
        patience: shared.patience,
        holds_unauthorized: false,
    };
    Relay::new(client, upstream, &request)
        .into_tunnel()
        .run()
        .1
        .is_ok()
}

/// Opens a blind tunnel to an authority that no route claims.
///
/// # Errors
/// When it can't be reached.
pub(crate) fn dial_tunnel(
    authority: &url::Authority,
    shared: &Shared,
) -> Result<Wire, upstream::Error> {
    shared.dialer.tunnel(Scheme::Https, authority)
}

/// Whether the client's connection outlives the request (RFC 9112 section 9.3): never with HTTP/1.0.
fn keeps_alive(head: &RequestHead) -> bool {
    head.version == Version::Http11
        && !head.fields.has_member("connection", "close")
        && !head.fields.has_member("proxy-connection", "close")
}

/// The protocol to change to, if it is one that is passed on: WebSocket. Others (h2c) are taken out, and the request is
/// answered as if they had not been there (RFC 9110 section 7.8).
fn upgrade(head: &RequestHead) -> Option<&'static str> {
    let mut protocols = head.fields.members("upgrade");
    let only = protocols.next().filter(|_| protocols.next().is_none())?;
    let wanted = only.eq_ignore_ascii_case(b"websocket")
        && head.version == Version::Http11
        && head.method == "GET"
        && head.fields.has_member("connection", "upgrade");
    wanted.then_some("websocket")
}

/// Refuses `head` and the like: what such a method's answer looks like depends on whether the origin folds case.
fn check_method(method: &str) -> Result<(), Refusal> {
    let is_folded = |known: &&str| method.eq_ignore_ascii_case(known) && method != *known;
    match ["HEAD", "CONNECT", "TRACE", "TRACK"]
        .iter()
        .find(|known| is_folded(known))
    {
        Some(_) => Err(Refusal::Method),
        None => Ok(()),
    }
}

/// Whether sending the request twice is the same as once (RFC 9110 section 9.2.2).
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE")
}
