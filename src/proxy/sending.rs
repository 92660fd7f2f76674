//! Sending a request on, once it is known where to and with what: over verified TLS or in the clear, on a kept connection or a new one,
//! and once more where that is safe.

use std::cell::Cell;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use super::Shared;
use super::beside;
use super::beside::Place;
use super::inject::Armed;
use super::inject::Outgoing;
use super::mask::Sent;
use super::refusal::Refusal;
use super::relay::Failure;
use super::relay::Outcome;
use super::relay::Relay;
use super::relay::Request;
use super::route;
use super::route::Match;
use super::state::State;
use super::stray;
use super::stray::About;
use super::target::Destination;
use crate::broker::Means;
use crate::credential::Credential;
use crate::http1;
use crate::http1::head::RequestHead;
use crate::http1::head::Version;
use crate::http1::mend::Tolerance;
use crate::upstream;
use crate::upstream::dial::SecureStream;
use crate::upstream::pool::Key;
use crate::upstream::pool::Need;
use crate::upstream::pool::Rest;
use crate::upstream::pool::Taken;
use crate::url::Scheme;
use crate::wire::Wire;

/// Why a request has no answer from the origin, or not a whole one.
pub(super) enum Stop {
    /// The proxy answers.
    Refuse(Refusal),
    /// A part of the answer is with the client, or the client is gone.
    Abort(&'static str),
    /// Like `Abort`, but by a reset: an orderly end would make the response look complete.
    Reset(&'static str),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

/// What went over the connection to an origin, whatever the request has come to.
#[derive(Clone, Copy, Default)]
pub(super) struct Traffic {
    /// The answer's status; 0 where there was none.
    pub(super) status: u16,
    /// Bytes of content to the origin.
    pub(super) sent: u64,
    /// Bytes of content from it.
    pub(super) received: u64,
    /// Whether the connection had been used before.
    pub(super) is_reused: bool,
    /// Where in the request a placeholder was left.
    pub(super) stray: Option<stray::Place>,
}

/// A request for an https origin.
pub(super) struct Sending<'a> {
    /// Its head.
    pub(super) outgoing: &'a Outgoing<'a>,
    /// The route that it met.
    pub(super) found: Option<&'a Match>,
    /// Whether it gets that route's credential, rather than keep one of the child's own.
    pub(super) gets_credential: bool,
    /// What its connection is kept under.
    pub(super) key: Key,
    /// The credentials that its authority was sent in this run.
    pub(super) sent: Arc<Sent>,
    /// The number of the client's connection that it came on.
    pub(super) client: u64,
}

/// What sending a request has come to.
enum Relayed {
    /// An end, good or bad.
    Ended(Outcome, Result<(), Failure>),
    /// The origin wants another credential than this. Its answer waits on the connection.
    Refused(Box<SecureStream>, Used),
    /// Nothing was sent: something came on the idle connection, or its end did.
    Stale,
}

/// The credential that a request was sent with.
struct Used(Arc<Credential>);

impl Relayed {
    /// What it means for the client.
    fn conclude(self) -> Result<Outcome, Stop> {
        match self {
            Self::Ended(outcome, result) => conclude(outcome, result),
            Self::Refused(..) => conclude(Outcome::default(), Err(Failure::Unauthorized)),
            Self::Stale => conclude(Outcome::default(), Err(Failure::NoResponse)),
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

/// Sends one request.
pub(super) struct Sender<'a> {
    /// Its head.
    pub(super) head: &'a RequestHead,
    /// What all connections share.
    pub(super) shared: &'a Shared,
    /// What it is judged by.
    pub(super) state: &'a State,
    /// What went over the connection: of the last one, where the request was sent more than once.
    pub(super) traffic: &'a Cell<Traffic>,
}

impl Sender<'_> {
    /// Sends the request over verified TLS. Where the origin refuses an access token and another can be had, it is sent once more
    /// with that; where not, the origin's answer is the client's.
    pub(super) fn over_tls(
        &self,
        client: &mut Wire,
        sending: &Sending<'_>,
    ) -> Result<Outcome, Stop> {
        // Nothing of the request's body must be gone.
        let can_renew = sending.outgoing.framing.is_empty() && self.has_tokens(sending);
        let first = self.once(client, sending, None, can_renew)?;
        let Relayed::Refused(mut stream, Used(credential)) = first else {
            return first.conclude();
        };
        match self.other_than(sending, &credential) {
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
        let armed = sending.found.filter(|_| sending.gets_credential);
        armed.is_some_and(|found| {
            let connection = self.state.broker.connection(found.connection());
            connection.provider.oauth.is_some()
        })
    }

    /// Another credential than this one, if there is one to be had.
    fn other_than(&self, sending: &Sending<'_>, used: &Credential) -> Option<Arc<Credential>> {
        let found = sending.found?;
        let connection = self.state.broker.connection(found.connection());
        match connection.other_than(used, self.place(sending), &self.means()) {
            Ok(other) => other,
            Err(error) => {
                let label = connection.label();
                let why = error.reason();
                let text = format!("{label} was refused, and there is no other token: {why}");
                self.shared.notices.warn(text);
                None
            }
        }
    }

    /// Notes that the origin took a token, where it did.
    fn note_success(&self, sending: &Sending<'_>, outcome: &Outcome) {
        let is_taken = (200..500).contains(&outcome.status) && outcome.status != 401;
        if is_taken
            && self.has_tokens(sending)
            && let Some(found) = sending.found
        {
            let connection = self.state.broker.connection(found.connection());
            connection.note_success(self.place(sending));
        }
    }

    /// Returns a hash of what the request asks for.
    fn place(&self, sending: &Sending<'_>) -> u64 {
        let mut hasher = DefaultHasher::new();
        let what = (
            &self.head.method,
            &sending.key.authority,
            sending.outgoing.target,
        );
        what.hash(&mut hasher);
        hasher.finish()
    }

    /// Sends the request: on an idle connection if there is one, and once more on a new one if that turned out to be dead. Nothing is asked
    /// of the origin before the credential is there.
    fn once(
        &self,
        client: &mut Wire,
        sending: &Sending<'_>,
        given: Option<&Arc<Credential>>,
        holds_unauthorized: bool,
    ) -> Result<Relayed, Stop> {
        let mut prepared = self.prepare(sending, given)?;
        while let Some(Taken { stream, rest }) = self.idle(sending, prepared.1.as_ref()) {
            self.takes(true);
            let how = (sending, holds_unauthorized);
            let relayed = self.send_and_relay(client, stream, prepared, how)?;
            let is_stale = matches!(relayed, Relayed::Stale);
            if let Some(end) = self.judge(relayed, &rest, sending) {
                return end;
            }
            prepared = self.prepare(sending, given)?;
            if !is_stale {
                break;
            }
        }
        self.takes(false);
        let authority = &sending.key.authority;
        let stream = self
            .shared
            .dialer
            .secure(authority, client.peer())
            .map_err(|error| {
                if error.kind.is_tls() {
                    self.shared.notices.warn(error.text.as_str());
                }
                Refusal::Upstream(error)
            })?;
        self.send_and_relay(client, stream, prepared, (sending, holds_unauthorized))
    }

    /// Judges what sending a request on a kept connection has come to, and notes what that says of how long the origin keeps them.
    /// Returns the outcome, or nothing if the request is to be sent again.
    fn judge(
        &self,
        relayed: Relayed,
        rest: &Rest,
        sending: &Sending<'_>,
    ) -> Option<Result<Relayed, Stop>> {
        let (pool, authority) = (&self.shared.pool, &sending.key.authority);
        match relayed {
            Relayed::Stale => {
                pool.was_closed(authority, rest);
                None
            }
            Relayed::Ended(outcome, Err(failure @ (Failure::NoResponse | Failure::Lost)))
                if !outcome.begun =>
            {
                pool.was_closed(authority, rest);
                if self.can_repeat(sending) {
                    return None;
                }
                // The client would have used its own connection once more, as it did here, and have seen it end. Some clients send the
                // request again then, which is theirs to decide; an answer of ours would keep them from it.
                if rest.is_own && failure == Failure::NoResponse {
                    let why = "the origin ended the connection that was kept for the client";
                    return Some(Err(Stop::Abort(why)));
                }
                Some(Ok(Relayed::Ended(outcome, Err(failure))))
            }
            relayed => {
                pool.was_open(authority, rest);
                Some(Ok(relayed))
            }
        }
    }

    /// Returns whether the request may be sent again: it has no content, and its method is idempotent.
    fn can_repeat(&self, sending: &Sending<'_>) -> bool {
        sending.outgoing.framing.is_empty() && is_idempotent(&self.head.method)
    }

    /// Returns an idle connection for the request. A connection that carried another credential is closed: its
    /// server may still attribute requests to that credential's owner.
    fn idle(&self, sending: &Sending<'_>, used: Option<&Used>) -> Option<Taken> {
        if sending.outgoing.upgrade.is_some() {
            return None;
        }
        let need = match self.can_repeat(sending) {
            true => Need::Any,
            false => Need::Sure {
                client: sending.client,
            },
        };
        let mark = used.map(|Used(credential)| credential.mark());
        loop {
            let taken = self.shared.pool.take(&sending.key, need)?;
            if taken.stream.mark() == mark {
                return Some(taken);
            }
        }
    }

    /// Notes which connection the request goes on.
    fn takes(&self, is_reused: bool) {
        self.traffic.set(Traffic {
            is_reused,
            ..Traffic::default()
        });
    }

    /// Notes what went over it.
    fn count(&self, outcome: &Outcome) {
        self.traffic.set(Traffic {
            status: outcome.status,
            sent: outcome.sent,
            received: outcome.received,
            ..self.traffic.get()
        });
    }

    /// The head to send, with its credential if it gets one, and that.
    fn prepare(
        &self,
        sending: &Sending<'_>,
        given: Option<&Arc<Credential>>,
    ) -> Result<(Prepared, Option<Used>), Refusal> {
        match sending.found {
            Some(found) if !sending.gets_credential => {
                let provider = &self.state.broker.connection(found.connection()).provider;
                let mut head = Vec::with_capacity(1024);
                let is_searched = !sending.sent.is_empty();
                sending
                    .outgoing
                    .left_alone(provider, is_searched, &mut head);
                Ok((Prepared::Unarmed(head), None))
            }
            Some(found) => {
                let (armed, credential) = self.arm(sending.outgoing, found, given)?;
                Ok((Prepared::Armed(armed), Some(Used(credential))))
            }
            None => {
                let mut head = Vec::with_capacity(1024);
                match sending.sent.is_empty() {
                    true => sending.outgoing.unarmed(&[], &mut head),
                    false => sending.outgoing.unarmed_searched(&mut head),
                }
                Ok((Prepared::Unarmed(head), None))
            }
        }
    }

    /// The head with its credential: the one that is given, else the one that the connection has now.
    fn arm(
        &self,
        outgoing: &Outgoing<'_>,
        found: &Match,
        given: Option<&Arc<Credential>>,
    ) -> Result<(Armed, Arc<Credential>), Refusal> {
        let connection = self.state.broker.connection(found.connection());
        let credential = match given {
            Some(given) => Arc::clone(given),
            None => connection.current(&self.means()).map_err(|error| {
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
                is_lasting: true,
            }),
        }
    }

    /// How new tokens are had.
    fn means(&self) -> Means<'_> {
        Means {
            dialer: &self.shared.dialer,
            notices: &self.shared.notices,
            audit: &self.shared.audit,
        }
    }

    /// Sends the request on a verified connection, relays, and keeps the connection if it is good for more.
    fn send_and_relay(
        &self,
        client: &mut Wire,
        mut stream: SecureStream,
        (head, used): (Prepared, Option<Used>),
        (sending, holds_unauthorized): (&Sending<'_>, bool),
    ) -> Result<Relayed, Stop> {
        if let Some(Used(credential)) = &used {
            stream.set_mark(credential.mark());
            self.note_sent(credential, sending);
        }
        match head {
            Prepared::Armed(armed) => armed
                .send(&mut stream)
                .map_err(|_| Refusal::Internal("the connection is for another host"))?,
            Prepared::Unarmed(head) => stream.wire().output().extend_from_slice(&head),
        }
        // At the last moment: what has come on a kept connection would be read as the answer to this request.
        if self.traffic.get().is_reused && !stream.wire().is_idle() {
            return Ok(Relayed::Stale);
        }
        let (outcome, result) = self.relay(client, &mut stream, sending, holds_unauthorized);
        let Some(used) = used else {
            self.keep(stream, &outcome, sending);
            return Ok(Relayed::Ended(outcome, result));
        };
        if result == Err(Failure::Unauthorized) {
            return Ok(Relayed::Refused(Box::new(stream), used));
        }
        self.keep(stream, &outcome, sending);
        self.note_success(sending, &outcome);
        if outcome.status == 401 && !sending.outgoing.framing.is_empty() && self.has_tokens(sending)
        {
            // The body is gone, and the answer is the client's: another token is for the next request.
            let _ = self.other_than(sending, &used.0);
        }
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
        let place = match sending.found {
            Some(_) => Place::TrailersWithCredential,
            None => Place::Trailers,
        };
        let keep_trailer =
            |name: &[u8], value: &[u8]| beside::goes_on(&self.head.fields, name, value, place);
        let request = Request {
            holds_unauthorized,
            tolerance: self.tolerance(sending),
            secret: Some(&sending.sent),
            ..self.request(sending.outgoing, &keep_trailer)
        };
        let (outcome, result) = Relay::new(client, stream.wire(), &request).run();
        self.count(&outcome);
        self.tell(&outcome, sending);
        self.warn_of_stray(&About {
            head: self.head,
            scheme: Scheme::Https,
            authority: &sending.key.authority,
            target: sending.outgoing.target,
            armed: sending.found.filter(|_| sending.gets_credential),
            met: sending.found,
            in_body: outcome.stray,
        });
        (outcome, result)
    }

    /// Warns the user about a placeholder that was sent in the request.
    fn warn_of_stray(&self, about: &About<'_>) {
        let placeholders = &self.state.placeholders;
        let stray = placeholders.warn(about, &self.state.broker, &self.shared.notices);
        self.traffic.set(Traffic {
            stray,
            ..self.traffic.get()
        });
    }

    /// Returns how much of the response to mend: where a credential is at stake, only what everyone reads the same way.
    fn tolerance(&self, sending: &Sending<'_>) -> Tolerance {
        let authority = &sending.key.authority;
        let is_claimed = sending.found.is_some()
            || !sending.sent.is_empty()
            || self.state.router.claims(authority);
        if is_claimed {
            Tolerance::Folds
        } else {
            Tolerance::Lenient
        }
    }

    /// Has all further answers of the authority searched for a credential, before that leaves. Warns where it can't be masked, unless
    /// the login has said so.
    fn note_sent(&self, credential: &Arc<Credential>, sending: &Sending<'_>) {
        let Some(found) = sending.found else { return };
        let connection = self.state.broker.connection(found.connection());
        let readable = sending
            .sent
            .add(credential, found.placement(), || connection.label());
        if let Some(why) = readable.filter(|_| connection.is_given()) {
            self.shared.notices.warn(format!(
                "the credential of {} is {why}: it is not masked in answers that repeat it",
                connection.label()
            ));
        }
    }

    /// Tells the person what became of credentials in an answer.
    fn tell(&self, outcome: &Outcome, sending: &Sending<'_>) {
        let label = || sending.sent.labels();
        let host = &sending.key.authority.host;
        if outcome.was_masked {
            self.shared.notices.warn(format!(
                "{host} sent the credential of {} back; it was masked",
                label()
            ));
        }
        if let Some(coding) = &outcome.coding {
            self.shared.notices.warn(format!(
                "{host} answers in {coding} although it was asked not to: such answers are not looked through for the credential of {}",
                label()
            ));
        }
        if outcome.is_partial {
            self.shared.notices.warn(format!(
                "{host} answers with parts of files (206): the credential of {} is not found in one that cuts it in two",
                label()
            ));
        }
    }

    /// Keeps a connection if it is good for more.
    fn keep(&self, stream: SecureStream, outcome: &Outcome, sending: &Sending<'_>) {
        if outcome.upstream_reusable {
            let (key, announced) = (sending.key.clone(), outcome.upstream_waits);
            self.shared.pool.put(key, stream, announced, sending.client);
        }
    }

    /// Sends the request in the clear, without a credential.
    pub(super) fn over_plain(
        &self,
        client: &mut Wire,
        destination: &Destination,
        outgoing: &Outgoing<'_>,
    ) -> Result<Outcome, Stop> {
        let dialer = &self.shared.dialer;
        let plain = dialer.plain(&destination.authority, client.peer());
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
        let keep_trailer = |name: &[u8], value: &[u8]| {
            beside::goes_on(&self.head.fields, name, value, Place::Trailers)
        };
        // A proxy's own pages quote what it was sent.
        let password = via.and_then(|via| via.authorization.as_ref());
        let secret = password.map(|secret| self.shared.masking.at_proxy(secret.expose()));
        let request = Request {
            tolerance: Tolerance::Lenient,
            secret: secret.as_deref(),
            ..self.request(outgoing, &keep_trailer)
        };
        let (outcome, result) = Relay::new(client, &mut wire, &request).run();
        self.count(&outcome);
        self.warn_of_stray(&About {
            head: self.head,
            scheme: Scheme::Http,
            authority: &destination.authority,
            target: &destination.target,
            armed: None,
            met: None,
            in_body: outcome.stray,
        });
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
            tolerance: Tolerance::Exact,
            secret: None,
            placeholders: Some(&self.state.placeholders),
            service: self.shared.service.as_ref(),
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
    let stop = match outcome.is_close_delimited {
        true => Stop::Reset,
        false => Stop::Abort,
    };
    Err(match failure {
        Failure::ClientGone => stop("the client is gone"),
        Failure::Stopped => stop("the proxy has stopped"),
        Failure::NoCloseNotify => Stop::Abort(
            "the origin ended TLS without close_notify: the client's connection ends like that, too",
        ),
        _ if begun => stop("the answer was cut short"),
        Failure::RequestBody(error) => Refusal::Malformed(error).into(),
        Failure::NoResponse => Refusal::NoResponse.into(),
        Failure::WantsCertificate => {
            Refusal::Upstream(upstream::Error::of_client_certificate("the origin")).into()
        }
        Failure::Response(http1::Error::Incomplete) => Refusal::NoResponse.into(),
        Failure::Response(error) => Refusal::BadResponse(error).into(),
        Failure::Upgrade => Refusal::Upgrade.into(),
        Failure::Timeout(limit) => Refusal::ResponseTimeout(limit).into(),
        Failure::Lost => Refusal::Lost.into(),
        Failure::Unauthorized => Refusal::Internal("an answer was held back").into(),
        Failure::ServerName(_) => Refusal::Internal("a request was checked as a tunnel").into(),
    })
}

/// Whether the client's connection outlives the request (RFC 9112 section 9.3): never with HTTP/1.0.
pub(super) fn keeps_alive(head: &RequestHead) -> bool {
    head.version == Version::Http11
        && !head.fields.has_member("connection", "close")
        && !head.fields.has_member("proxy-connection", "close")
}

/// Whether sending the request twice is the same as once (RFC 9110 section 9.2.2).
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE")
}
