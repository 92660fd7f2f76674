//! One request, from its head to the end of its response.

use std::borrow::Cow;
use std::cell::Cell;
use std::time::Duration;
use std::time::Instant;

use super::Shared;
use super::beside;
use super::hops;
use super::inject::Outgoing;
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
use super::sending::Sender;
use super::sending::Sending;
use super::sending::Stop;
use super::sending::Traffic;
use super::sending::keeps_alive;
use super::state::State;
use super::target::Destination;
use super::target::Scope;
use crate::audit::Event;
use crate::audit::Kind;
use crate::audit::event;
use crate::broker::ConnectionId;
use crate::http1::framing::Framing;
use crate::http1::framing::is_content_usual;
use crate::http1::head::Fields;
use crate::http1::head::RequestHead;
use crate::http1::head::Version;
use crate::http1::mend::Tolerance;
use crate::notice::Step;
use crate::tls::hello::NameCheck;
use crate::upstream;
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
    /// Like `Abort`, but by a reset: nothing else in the response shows that it is incomplete.
    Reset,
}

/// Handles a request whose head has been read, and tells what becomes of the connection.
pub(crate) fn handle(
    client: &mut Wire,
    head: &RequestHead,
    scope: Scope<'_>,
    (shared, state): (&Shared, &State),
) -> After {
    let start = Instant::now();
    let _under_way = shared.audit.under_way();
    let mut exchange = Exchange {
        head,
        shared,
        state,
        destination: None,
        met: None,
        claimed_by: None,
        traffic: Cell::default(),
        can_keep: false,
    };
    let result = exchange.attempt(client, scope);
    let after = match &result {
        Ok(outcome) if outcome.client_reusable => After::KeepOpen,
        Ok(_) => After::Close,
        Err(Stop::Refuse(refusal)) => {
            let close = !exchange.can_keep;
            refusal.write(close, head.method != "HEAD", client.output());
            if close { After::Close } else { After::KeepOpen }
        }
        Err(Stop::Abort(_)) => After::Abort,
        Err(Stop::Reset(_)) => After::Reset,
    };
    if shared.audit.is_on() {
        // Nobody waits for what is told: the answer goes first. Where it can't go, that is seen by who does with the connection what is
        // to be done.
        if !matches!(after, After::Abort | After::Reset) {
            let _ = client.flush_all(Instant::now() + ANSWER_TIME);
        }
        exchange.tell(&result, start.elapsed());
    }
    after
}

/// How long an answer of our own may take to leave.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(30);

/// A request under way.
struct Exchange<'a> {
    /// Its head.
    head: &'a RequestHead,
    /// What all connections share.
    shared: &'a Shared,
    /// What it is judged by.
    state: &'a State,
    /// What it is for, once that is known and the request was handled.
    destination: Option<Destination>,
    /// Whose route it met.
    met: Option<ConnectionId>,
    /// The connections that claim it, where they are several.
    claimed_by: Option<String>,
    /// What went over the connection to the origin.
    traffic: Cell<Traffic>,
    /// Whether the connection can be kept after an answer of our own: no part of a body is left in it.
    can_keep: bool,
}

impl Exchange<'_> {
    /// Tells what was asked for and what came of it. Without the query even where the target could not be read: that is where some keep
    /// keys.
    fn tell(&self, result: &Result<Outcome, Stop>, took: Duration) {
        let connection = self.met.map(|id| self.state.broker.connection(id));
        let traffic = self.traffic.get();
        let is_clear = self
            .destination
            .as_ref()
            .is_some_and(|destination| destination.scheme == Scheme::Http);
        let (kind, status, error, hint) = match result {
            Ok(outcome) => (self.kind(is_clear), outcome.status, None, None),
            Err(Stop::Abort(why) | Stop::Reset(why)) => {
                let why = Some((*why).into());
                (self.kind(is_clear), traffic.status, why, None)
            }
            Err(Stop::Refuse(refusal)) => {
                let kind = match refusal.is_failure() {
                    true => self.kind(is_clear),
                    false => Kind::Refused,
                };
                let why = Some(event::error(refusal.text()));
                (kind, refusal.status(), why, Some(refusal.hint()))
            }
        };
        let claimed_by = self.claimed_by.as_deref().map(Cow::Borrowed);
        let (host, path) = match &self.destination {
            Some(destination) => (Some(destination.named()), event::path(&destination.target)),
            None => (None, event::path(&self.head.target)),
        };
        let is_sent = kind != Kind::Refused;
        self.shared.audit.record(Event {
            provider: connection.map(|found| found.provider.name.as_str().into()),
            connection: connection.map(|found| found.name.as_str().into()),
            method: Some(event::method(&self.head.method)),
            host,
            path,
            status: (status > 0).then_some(status),
            sent: is_sent.then_some(traffic.sent),
            received: is_sent.then_some(traffic.received),
            ms: u64::try_from(took.as_millis()).ok(),
            reused: is_sent.then_some(traffic.is_reused),
            placeholder: traffic.stray.map(|place| place.word().into()),
            error: error.or(claimed_by),
            hint,
            is_clear,
            ..Event::of(kind)
        });
    }

    /// What it is where the proxy has let it pass.
    fn kind(&self, is_clear: bool) -> Kind {
        match &self.claimed_by {
            Some(_) => Kind::Ambiguous,
            None if is_clear => Kind::Passed,
            None => Kind::Request,
        }
    }

    /// The steps that lead to what the request is for; then the others.
    fn attempt(&mut self, client: &mut Wire, scope: Scope<'_>) -> Result<Outcome, Stop> {
        check_method(&self.head.method)?;
        let framing = Framing::of_request(self.head).map_err(Refusal::Malformed)?;
        let destination = Destination::of(self.head, scope)?;
        let result = self.attempt_for(client, scope, framing, &destination);
        self.destination = Some(destination);
        result
    }

    /// The other steps, in order.
    fn attempt_for(
        &mut self,
        client: &mut Wire,
        scope: Scope<'_>,
        framing: Framing,
        destination: &Destination,
    ) -> Result<Outcome, Stop> {
        // Of one that came through a CONNECT that was told then.
        if matches!(scope, Scope::Proxy) {
            let step = match destination.scheme {
                Scheme::Https => Step::Asked,
                Scheme::Http => Step::AskedInTheClear,
            };
            let host = destination.authority.host.as_str();
            self.shared.notices.step(step, host);
        }
        self.can_keep = framing.is_empty() && keeps_alive(self.head) && !self.shared.is_draining();
        // A CONNECT was judged when it came.
        if matches!(scope, Scope::Proxy) {
            self.check_egress(destination)?;
        }
        let found = self.find_match(destination, framing)?;
        // Servers differ about any other expectation: one waits for content that another has answered already. The connection to the
        // origin is kept for others.
        if destination.scheme == Scheme::Https && !beside::is_expectation_known(&self.head.fields) {
            return Err(Refusal::Expectation.into());
        }
        if hops::are_over(self.head) {
            return self.answer_here(client);
        }
        let outgoing = Outgoing {
            head: self.head,
            target: &destination.target,
            host: &destination.host,
            framing,
            upgrade: upgrade(self.head).filter(|_| framing.is_empty()),
        };
        match destination.scheme {
            Scheme::Https => {
                let (found, client_number) = (found.as_ref(), client.number());
                // A request that keeps a credential of its own is nobody's here.
                let gets_credential = found.is_some_and(|found| {
                    let connection = self.state.broker.connection(found.connection());
                    outgoing.wants(found.placement(), &connection.provider)
                });
                let armed = found.filter(|_| gets_credential);
                let identity = armed.map(|found| {
                    let connection = self.state.broker.connection(found.connection());
                    connection.identity()
                });
                // Beside a credential in another field, too.
                let is_own = authenticates_connection(&self.head.fields);
                let key = Key {
                    authority: destination.authority.clone(),
                    identity,
                    client: is_own.then_some(client_number),
                };
                self.sender().over_tls(
                    client,
                    &Sending {
                        outgoing: &outgoing,
                        found,
                        gets_credential,
                        sent: self.shared.masking.at(&key.authority),
                        key,
                        client: client_number,
                    },
                )
            }
            Scheme::Http => self.sender().over_plain(client, destination, &outgoing),
        }
    }

    /// Refuses a request for a host that the child may not go to.
    fn check_egress(&self, destination: &Destination) -> Result<(), Refusal> {
        let authority = &destination.authority;
        let is_claimed = destination.scheme == Scheme::Https && self.state.router.claims(authority);
        let egress = self.shared.dialer.egress();
        egress.admit(authority, is_claimed).map_err(Refusal::Egress)
    }

    /// The request's method, and those that some frameworks would take for it.
    fn methods(&self) -> impl Iterator<Item = &str> {
        let overriding = overriding(&self.head.fields);
        let named = overriding.filter_map(|value| str::from_utf8(value).ok());
        [self.head.method.as_str()].into_iter().chain(named)
    }

    /// Answers a request that may not be passed on any more, as its last recipient (RFC 9110 section 7.6.2).
    fn answer_here(&self, client: &mut Wire) -> Result<Outcome, Stop> {
        if route::is_refused_method(&self.head.method) {
            return Err(Refusal::TraceHere.into());
        }
        let close = if self.can_keep {
            ""
        } else {
            "Connection: close\r\n"
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nProxy-Status: authsome\r\nContent-Length: 0\r\n{close}\r\n"
        );
        client.output().extend_from_slice(answer.as_bytes());
        Ok(Outcome {
            status: 200,
            begun: true,
            client_reusable: self.can_keep,
            ..Outcome::default()
        })
    }

    /// Refuses content where rules apply to the request, and servers may take it for a request of its own, which no rule has judged.
    fn check_content(&self, found: &Match, framing: Framing) -> Result<(), Refusal> {
        let connection = self.state.broker.connection(found.connection());
        let is_judged = !connection.provider.policy.is_empty();
        if is_judged && !framing.is_empty() && !is_content_usual(&self.head.method) {
            return Err(Refusal::Content {
                label: connection.label(),
            });
        }
        Ok(())
    }

    /// Sends it on.
    fn sender(&self) -> Sender<'_> {
        Sender {
            head: self.head,
            shared: self.shared,
            state: self.state,
            traffic: &self.traffic,
        }
    }

    /// The route that the request meets.
    fn find_match(
        &mut self,
        destination: &Destination,
        framing: Framing,
    ) -> Result<Option<Match>, Refusal> {
        let target = Target {
            scheme: destination.scheme,
            authority: &destination.authority,
            path: &destination.target,
            method: &self.head.method,
            overrides_method: overriding(&self.head.fields).next().is_some(),
        };
        match self.state.router.decide(target) {
            Decision::Inject(found) => {
                self.met = Some(found.connection());
                if self.methods().any(route::is_refused_method) {
                    let label = self.state.broker.connection(found.connection()).label();
                    return Err(Refusal::Trace(Some(label)));
                }
                self.check_content(&found, framing)?;
                Ok(Some(found))
            }
            Decision::RefusePath => Err(Refusal::AmbiguousPath),
            Decision::Deny(denial) => {
                self.met = Some(denial.connection);
                let label = self.state.broker.connection(denial.connection).label();
                let host = destination.authority.host.as_str();
                Err(Refusal::rules(label, denial.why, host))
            }
            Decision::Forward(Why::Ambiguous(connections)) => {
                let labels: Vec<String> = connections
                    .iter()
                    .map(|id| self.state.broker.connection(*id).label())
                    .collect();
                let labels = labels.join(" and ");
                self.shared.notices.warn(format!(
                    "{} is claimed by {labels}: requests go there without a credential (connect one of them only)",
                    destination.authority.host
                ));
                self.claimed_by = Some(format!("claimed by {labels}"));
                Ok(None)
            }
            Decision::Forward(_) => Ok(None),
        }
    }
}

/// Relays a blind tunnel to its end, which asks for no other servers by TLS than the check accepts.
///
/// # Errors
/// Why it ended before both sides had ended in order.
pub(crate) fn tunnel(
    client: &mut Wire,
    upstream: &mut Wire,
    names: Option<NameCheck<'_>>,
    shared: &Shared,
) -> Result<(), Failure> {
    let request = Request {
        method: "CONNECT",
        framing: Framing::None,
        is_http11: true,
        keep_alive: false,
        upgrade: None,
        keep_trailer: &|_, _| true,
        patience: shared.patience,
        holds_unauthorized: false,
        tolerance: Tolerance::Exact,
        secret: None,
        placeholders: None,
        service: shared.service.as_ref(),
    };
    Relay::new(client, upstream, &request)
        .into_tunnel(names)
        .run()
        .1
}

/// Opens a blind tunnel for a client to an authority that no route claims.
///
/// # Errors
/// When it can't be reached.
pub(crate) fn dial_tunnel(
    client: &Wire,
    authority: &url::Authority,
    shared: &Shared,
) -> Result<Wire, upstream::Error> {
    let dialer = &shared.dialer;
    dialer.tunnel(Scheme::Https, authority, client.peer())
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

/// Returns whether a client logs in by itself with a scheme that takes several requests, and authenticates the connection (RFC 4559 section
/// 6). All others authenticate each request.
fn authenticates_connection(fields: &Fields) -> bool {
    let mut found = fields
        .iter()
        .filter(|(name, _)| beside::is_same_field(name, b"authorization"));
    found.any(|(_, value)| {
        let mut words = value.split(|byte| *byte == b' ');
        let scheme = words.next().unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate")
    })
}

/// The values of fields that ask for another method than the request's, as frameworks have it for clients that can't send all.
fn overriding(fields: &Fields) -> impl Iterator<Item = &[u8]> {
    let found = fields
        .iter()
        .filter(|(name, _)| beside::overrides_method(name));
    found.map(|(_, value)| value)
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
