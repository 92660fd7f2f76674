//! One client's connection: its requests one after another, and what a CONNECT turns it into.

use std::borrow::Cow;
use std::mem;
use std::net::IpAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rustls::AlertDescription;
use rustls::server::UnbufferedServerConnection;

use super::Shared;
use super::exchange;
use super::exchange::ANSWER_TIME;
use super::exchange::After;
use super::health;
use super::http2;
use super::places::Admission;
use super::places::Place;
use super::refusal::Refusal;
use super::relay::Failure;
use super::sending::keeps_alive;
use super::service::Service;
use super::state::Pass;
use super::state::State;
use super::target::Scope;
use crate::audit::Event;
use crate::audit::Kind;
use crate::audit::event;
use crate::clock;
use crate::http1;
use crate::http1::framing::Framing;
use crate::http1::head::HeadScanner;
use crate::http1::head::MAX_REQUEST_HEAD;
use crate::http1::head::RequestHead;
use crate::notice::Step;
use crate::sys::socket;
use crate::tls::hello;
use crate::tls::hello::NameCheck;
use crate::url::Authority;
use crate::url::Host;
use crate::url::Scheme;
use crate::wire;
use crate::wire::Wire;

/// How long a connection may wait for a request.
const IDLE_TIME: Duration = Duration::from_secs(120);

/// How long a connection to a service may take for a request's head, from when it is waited for,
/// while nothing on it had the password: anyone can connect.
const STRANGER_TIME: Duration = Duration::from_secs(5);

/// How often a connection on which nothing had the password so far may ask whether the proxy is well before it is closed.
const MAX_HEALTH: usize = 8;

/// How long the first request of a connection is waited for once the proxy stops.
const FIRST_TIME: Duration = Duration::from_secs(1);

/// How long a request's head may take once it has begun.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How long the rest of it may take where it is begun when the proxy stops, on a connection of which nothing else is known.
const LAST_HEAD_TIME: Duration = Duration::from_secs(2);

/// How long the client may take for its TLS handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(15);

/// How often a connection may ask without the password, or with a wrong one.
const MAX_TRIES: usize = 4;

/// Serves a connection from this address to its end.
pub(super) fn serve(socket: Arc<TcpStream>, from: IpAddr, mut place: Place, shared: &Shared) {
    let Some(mut client) = admitted(socket, from, shared) else {
        return;
    };
    if matches!(place, Place::TurnedAway(_)) {
        return refuse(client, &Refusal::TooManyConnections, shared);
    }
    let (mut tries, mut healths, mut is_first) = (0, 0, true);
    loop {
        let wait = Wait::outer(mem::take(&mut is_first), &place);
        let head = match read_head(&mut client, wait, shared) {
            Ok(Some(head)) => head,
            // One that the client has not ended may have the next request on its way.
            Ok(None) if shared.is_draining() => return client.close_gracefully(),
            Ok(None) => return,
            // The rest of its head was kept from it.
            Err(_) if place.is_closed() => return,
            Err(refusal) => return refuse_of(client, &refusal, About::of(&place), shared),
        };
        let state = shared.current.get();
        if let Some(service) = &shared.service
            && health::is_asked(&head)
        {
            healths += 1;
            let answer = Health {
                head: &head,
                may_stay: !place.is_stranger() || healths <= MAX_HEALTH,
                service,
                state: &state,
            };
            match answer.tell(client, &place) {
                Some(open) => client = open,
                None => return,
            }
            continue;
        }
        if !state.allows(&head) {
            tries += 1;
            let asked = (&head, About::of(&place));
            match ask_for_password(client, asked, tries < MAX_TRIES, shared) {
                Some(open) => client = open,
                None => return,
            }
            continue;
        }
        place = match place.admit() {
            Admission::Served(slot) => Place::Served(slot),
            Admission::Full(stranger) => {
                // It gives way to others while it reads this.
                refuse(client, &Refusal::TooManyConnections, shared);
                return drop(stranger);
            }
            Admission::Closed => return,
        };
        if head.method == "CONNECT" {
            return connect(client, &head, state, shared);
        }
        let after = exchange::handle(&mut client, &head, Scope::Proxy, (shared, &state));
        match settle(client, after) {
            Some(open) => client = open,
            None => return,
        }
    }
}

/// A question whether the proxy is well.
struct Health<'a> {
    /// The request that asks.
    head: &'a RequestHead,
    /// Whether the connection may have another request.
    may_stay: bool,
    /// The service, which may be about to stop.
    service: &'a Service,
    /// Its connections, and how often they were read anew.
    state: &'a State,
}

impl Health<'_> {
    /// Answers; returns the connection if it stays open. However many strangers come, none is
    /// closed before it has the answer.
    fn tell(&self, mut client: Wire, place: &Place) -> Option<Wire> {
        if !place.leave() {
            return None;
        }
        let is_whole = Framing::of_request(self.head).is_ok_and(|framing| framing.is_empty());
        let may_stay = self.may_stay && !self.service.is_draining();
        let stays = may_stay && is_whole && keeps_alive(self.head);
        health::answer(self.head, self.service, self.state, !stays, client.output());
        let _ = client.flush_all(Instant::now() + ANSWER_TIME);
        place.come_back();
        let after = if stays { After::KeepOpen } else { After::Close };
        settle(client, after)
    }
}

/// The connection of somebody who may use the proxy. A stranger's is closed, with nothing read or said.
fn admitted(socket: Arc<TcpStream>, from: IpAddr, shared: &Shared) -> Option<Wire> {
    if !shared.access.admits(&socket, &shared.notices) {
        // An error, not an end: nobody shall take it for an answer.
        socket::reset_on_close(&socket);
        return None;
    }
    Wire::accepted(socket, from).ok()
}

/// Asks for the password; gives the connection back for a second try where that may come: a client without one in mind asks first and
/// is told the scheme (RFC 9110 section 11.7.1).
fn ask_for_password(
    mut client: Wire,
    (head, about): (&RequestHead, About<'_>),
    may_try: bool,
    shared: &Shared,
) -> Option<Wire> {
    let refusal = Refusal::Password;
    let is_whole = Framing::of_request(head).is_ok_and(|framing| framing.is_empty());
    let stays = may_try && is_whole && keeps_alive(head);
    let under_way = shared.audit.under_way();
    refusal.write(!stays, head.method != "HEAD", client.output());
    tell(&mut client, &refusal, about, shared);
    drop(under_way);
    let after = if stays { After::KeepOpen } else { After::Close };
    settle(client, after)
}

/// Serves a connection whose TLS ends here, to its end.
pub(crate) fn serve_intercepted(
    mut client: Wire,
    authority: &Authority,
    mut by: Pass,
    shared: &Shared,
) {
    // A run's end waits for what there is to tell of a client that hangs up on the certificate.
    let mut first = Some(shared.audit.under_way());
    loop {
        let head = match read_head(&mut client, Wait::inner(first.is_some()), shared) {
            Ok(Some(head)) => head,
            Ok(None) => {
                if first.is_some() {
                    tell_no_request(authority, shared);
                }
                return client.close_gracefully();
            }
            Err(refusal) => {
                return refuse_of(client, &refusal, About::within(authority), shared);
            }
        };
        if first.take().is_some() {
            let host = authority.host.as_str();
            shared.notices.step(Step::Trusted, host);
        }
        if head.method == "CONNECT" {
            let refusal = Refusal::Target("a CONNECT within a CONNECT");
            return refuse_of(client, &refusal, About::within(authority), shared);
        }
        let state = shared.current.get();
        if let Err(refusal) = judge_again(authority, &mut by, &state, shared) {
            return refuse(client, &refusal, shared);
        }
        let scope = Scope::Intercepted(authority);
        let after = exchange::handle(&mut client, &head, scope, (shared, &state));
        match settle(client, after) {
            Some(open) => client = open,
            None => return,
        }
    }
}

/// Holds the CONNECT of a connection against the state of now, where that is not the one that has let it through.
fn judge_again(
    authority: &Authority,
    by: &mut Pass,
    state: &State,
    shared: &Shared,
) -> Result<(), Refusal> {
    if state.has_given(by) {
        return Ok(());
    }
    if !state.still_allows(by) {
        return Err(Refusal::Password);
    }
    let is_claimed = state.router.claims(authority);
    let egress = shared.dialer.egress();
    egress
        .admit(authority, is_claimed)
        .map_err(Refusal::Egress)?;
    *by = state.pass();
    Ok(())
}

/// Does with the connection what the exchange asks for; gives it back if it stays open.
fn settle(mut client: Wire, after: After) -> Option<Wire> {
    match after {
        After::KeepOpen => {
            client.flush_all(Instant::now() + ANSWER_TIME).ok()?;
            client.give_memory_back();
            Some(client)
        }
        After::Close => {
            client.close_gracefully();
            None
        }
        After::Abort => {
            client.abort();
            None
        }
        After::Reset => {
            client.reset();
            None
        }
    }
}

/// Answers a request that can't be handled, and ends the connection: where its next one would begin is not known.
fn refuse(client: Wire, refusal: &Refusal, shared: &Shared) {
    refuse_of(client, refusal, About::default(), shared);
}

/// What is known of a request that isn't handled.
#[derive(Clone, Copy, Default)]
struct About<'a> {
    /// Its method.
    method: Option<&'a str>,
    /// Where it should go.
    authority: Option<&'a Authority>,
    /// Whether nothing on its connection had the password so far.
    is_strangers: bool,
}

impl<'a> About<'a> {
    /// A request on a connection that has this place.
    fn of(place: &Place) -> Self {
        Self {
            is_strangers: place.is_stranger(),
            ..Self::default()
        }
    }

    /// A CONNECT.
    fn connect(authority: &'a Authority) -> Self {
        Self {
            method: Some("CONNECT"),
            ..Self::within(authority)
        }
    }

    /// One that came through a CONNECT, and could not be read.
    fn within(authority: &'a Authority) -> Self {
        Self {
            authority: Some(authority),
            ..Self::default()
        }
    }

    /// An event about it.
    fn event(self, kind: Kind) -> Event<'a> {
        let host = self.authority.map(|found| found.to_header(Scheme::Https));
        Event {
            method: self.method.map(Cow::Borrowed),
            host: host.map(Cow::Owned),
            ..Event::of(kind)
        }
    }
}

/// The same for one of which something is known.
fn refuse_of(mut client: Wire, refusal: &Refusal, about: About<'_>, shared: &Shared) {
    let under_way = shared.audit.under_way();
    match about.method {
        Some("CONNECT") => refusal.write_to_connect(client.output()),
        _ => refusal.write(true, true, client.output()),
    }
    tell(&mut client, refusal, about, shared);
    drop(under_way);
    client.close_gracefully();
}

/// Tells of a request that was refused before it was one to an origin, once it was answered. That a tunnel couldn't be opened is no
/// refusal of ours.
fn tell(client: &mut Wire, refusal: &Refusal, about: About<'_>, shared: &Shared) {
    if !shared.audit.is_on() {
        return;
    }
    let untold = match &shared.service {
        Some(service) if about.is_strangers => match service.may_tell() {
            Some(untold) => untold,
            None => return,
        },
        _ => 0,
    };
    let _ = client.flush_all(Instant::now() + ANSWER_TIME);
    let kind = match refusal.is_failure() {
        true => Kind::Passed,
        false => Kind::Refused,
    };
    shared.audit.record(Event {
        status: Some(refusal.status()),
        error: Some(event::error(refusal.text())),
        hint: Some(refusal.hint()),
        count: (untold > 0).then_some(untold),
        ..about.event(kind)
    });
}

/// How a request is waited for.
#[derive(Clone, Copy)]
struct Wait {
    /// How long, until it has begun.
    idle: Duration,
    /// Whether it is the connection's first.
    is_first: bool,
    /// Whether it is one to the proxy itself, and not one through a CONNECT.
    is_outer: bool,
    /// How long it may take in all, once it has begun too, where that is limited.
    in_all: Option<Duration>,
}

impl Wait {
    /// One to the proxy itself.
    fn outer(is_first: bool, place: &Place) -> Self {
        let in_all = place.is_stranger().then_some(STRANGER_TIME);
        Self {
            idle: in_all.unwrap_or(IDLE_TIME),
            is_first,
            is_outer: true,
            in_all,
        }
    }

    /// One through a CONNECT.
    fn inner(is_first: bool) -> Self {
        Self {
            idle: IDLE_TIME,
            is_first,
            is_outer: false,
            in_all: None,
        }
    }
}

/// The next request's head. `None` when the client has ended instead of asking for more, or asked for nothing for too long; and when
/// the proxy stops before a request has begun. The first may be on its way then, and has some more time; what has begun has it too, which
/// is little where it may be anyone's.
fn read_head(
    client: &mut Wire,
    wait: Wait,
    shared: &Shared,
) -> Result<Option<RequestHead>, Refusal> {
    let mut scanner = HeadScanner::default();
    let mut begun: Option<Instant> = None;
    let mut idle = Instant::now() + wait.idle;
    let end = wait.in_all.map(|time| Instant::now() + time);
    let mut head_time = HEAD_TIME;
    let mut draining = shared.service.as_ref().map(Service::draining);
    loop {
        let input = client.input();
        if let Some(range) = scanner
            .scan(input, MAX_REQUEST_HEAD)
            .map_err(Refusal::Malformed)?
        {
            let bytes = input.get(range.clone()).unwrap_or_default();
            let head = RequestHead::parse(bytes).map_err(Refusal::Malformed)?;
            client.consume(range.end);
            return Ok(Some(head));
        }
        if begun.is_none() && scanner.has_begun(input) {
            begun = Some(Instant::now());
        }
        if client.end().is_some() {
            return match begun {
                None => Ok(None),
                Some(_) => Err(Refusal::Malformed(http1::Error::Incomplete)),
            };
        }
        let deadline = begun.map_or(idle, |begun| begun + head_time);
        let deadline = end.map_or(deadline, |end| end.min(deadline));
        let other = draining.filter(|_| begun.is_none() || wait.is_outer);
        match client.wait_for_input_or(other, deadline) {
            Ok(false) => {}
            Ok(true) if wait.is_first || begun.is_some() => {
                draining = None;
                idle = idle.min(Instant::now() + FIRST_TIME);
                if wait.is_outer {
                    let so_far = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
                    head_time = HEAD_TIME.min(so_far + LAST_HEAD_TIME);
                }
            }
            Ok(true) => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut && begun.is_some() => {
                return Err(Refusal::HeadTimeout(wait.in_all.unwrap_or(HEAD_TIME)));
            }
            Err(_) => return Ok(None),
        }
    }
}

/// Handles a CONNECT: its authority alone decides between a blind tunnel and interception.
fn connect(client: Wire, head: &RequestHead, state: Arc<State>, shared: &Shared) {
    // Some clients send a field that says the request has no body.
    if !Framing::of_request(head).is_ok_and(Framing::is_empty) {
        return refuse(client, &Refusal::Target("a CONNECT has no content"), shared);
    }
    let mut hosts = head.fields.all("host");
    let is_host = |host: &[u8]| host.is_empty() || Authority::parse(host, Some(443)).is_ok();
    if !hosts.next().is_none_or(is_host) || hosts.next().is_some() {
        return refuse(
            client,
            &Refusal::Target("the Host field is malformed, or there are two"),
            shared,
        );
    }
    let Ok(authority) = Authority::parse(head.target.as_bytes(), None) else {
        let why = "the target of a CONNECT must be host:port";
        return refuse(client, &Refusal::Target(why), shared);
    };
    shared.notices.step(Step::Asked, authority.host.as_str());
    let (is_claimed, by) = (state.router.claims(&authority), state.pass());
    let is_read = state.router.reads(&authority);
    // A tunnel may last for hours, and what the state holds shall not.
    drop(state);
    if let Err(refused) = shared.dialer.egress().admit(&authority, is_claimed) {
        let refusal = Refusal::Egress(refused);
        return refuse_of(client, &refusal, About::connect(&authority), shared);
    }
    if is_read {
        intercept(client, &authority, by, shared);
    } else {
        pass(client, &authority, shared);
    }
}

/// Opens a blind tunnel. The origin is reached before the client hears that it was.
fn pass(mut client: Wire, authority: &Authority, shared: &Shared) {
    let mut upstream = match exchange::dial_tunnel(&client, authority, shared) {
        Ok(upstream) => upstream,
        Err(error) => {
            let refusal = Refusal::Upstream(error);
            return refuse_of(client, &refusal, About::connect(authority), shared);
        }
    };
    if shared.audit.is_on() {
        shared
            .audit
            .record(About::connect(authority).event(Kind::Passed));
    }
    client.output().extend_from_slice(ESTABLISHED);
    let egress = shared.dialer.egress();
    // Behind an address any name may be meant that the program could ask for; a name is itself.
    let accepts = |name: &Host| {
        let host = &authority.host;
        let named = Authority {
            host: name.clone(),
            port: authority.port,
        };
        name == host || host.ip().is_some() && egress.admit(&named, false).is_ok()
    };
    let names = egress.is_restricted().then(|| NameCheck::new(&accepts));
    if let Err(failure) = exchange::tunnel(&mut client, &mut upstream, names, shared) {
        if let Failure::ServerName(refused) = failure {
            log_server_name(&refused, authority, shared);
        }
        client.abort();
        upstream.abort();
    }
}

/// Logs that a tunnel was ended for the server that its client asked for.
fn log_server_name(refused: &hello::Refused, authority: &Authority, shared: &Shared) {
    let why = match refused {
        hello::Refused::Name(name) => format!(
            "the client asked for {name} by TLS, in a tunnel to {}",
            authority.host
        ),
        hello::Refused::Unreadable => {
            "the client's TLS doesn't begin with a ClientHello that can be read".to_owned()
        }
    };
    shared.audit.record(Event {
        error: Some(event::error(why)),
        hint: Some(
            "while egress is restricted, the server name of TLS must be the host of the CONNECT",
        ),
        ..About::connect(authority).event(Kind::Refused)
    });
}

/// The answer to a CONNECT that has succeeded; it has neither length nor coding (RFC 9110 section 9.3.6).
const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Ends the client's TLS here, with a leaf for the host of the CONNECT.
fn intercept(mut client: Wire, authority: &Authority, by: Pass, shared: &Shared) {
    if let Some(warning) = shared.leaves.root().certificate().warning(clock::now()) {
        shared.notices.warn(warning);
    }
    let config = match shared.leaves.config(&authority.host) {
        Ok(config) => config,
        Err(error) => {
            shared.notices.warn(error.to_string());
            let refusal = Refusal::Internal("no certificate for this host");
            return refuse_of(client, &refusal, About::connect(authority), shared);
        }
    };
    let Ok(tls) = UnbufferedServerConnection::new(config) else {
        return;
    };
    client.output().extend_from_slice(ESTABLISHED);
    if client.flush_all(Instant::now() + HANDSHAKE_TIME).is_err() {
        return;
    }
    let under_way = shared.audit.under_way();
    let started = client.accept_tls(tls);
    let handshake = started.and_then(|mut client| {
        client
            .handshake(Instant::now() + HANDSHAKE_TIME)
            .map(|()| client)
    });
    match handshake {
        Ok(client) if client.protocol() == Some(http2::ALPN) => {
            drop(under_way);
            http2::serve(client, authority, shared);
        }
        Ok(client) => {
            drop(under_way);
            serve_intercepted(client, authority, by, shared);
        }
        Err(error) => tell_handshake_failure(&error, authority, shared),
    }
}

/// Tells of a client that has ended without a word: those that judge a certificate only once TLS is set up send no alert. It is no
/// warning, since others open connections in advance.
pub(super) fn tell_no_request(authority: &Authority, shared: &Shared) {
    let why = "the client ended without a request: it may not trust the certificate";
    shared.audit.record(Event {
        error: Some(event::error(why.to_owned())),
        ..About::connect(authority).event(Kind::Passed)
    });
}

/// Tells the person when a client does not trust our root: nothing else shows why its requests fail.
fn tell_handshake_failure(error: &std::io::Error, authority: &Authority, shared: &Shared) {
    let host = &authority.host;
    let tell = |why: String| {
        shared.audit.record(Event {
            error: Some(event::error(why)),
            ..About::connect(authority).event(Kind::Passed)
        });
    };
    match wire::tls_failure(error) {
        Some(rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown,
        )) => shared.notices.warn(format!(
            "a client did not accept the certificate for {host}: it reads none of the CA variables (SSL_CERT_FILE and the like), or pins its own"
        )),
        Some(failure) => tell(format!("TLS with the client failed: {failure}")),
        None => tell("the client ended before TLS was set up".to_owned()),
    }
}
