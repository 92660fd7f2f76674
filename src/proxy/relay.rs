//! Both directions of a connection, driven by one thread: a request's body up while its response comes down, or bytes both ways.
//!
//! ```text
//!            client input ── up lane ──▶ upstream output
//!           client output ◀── down ───── upstream input
//! ```
//! Each turn moves what can be moved, then waits until a socket is ready. A lane moves nothing while its far side still has
//! something to send, so memory does not depend on a body's length or on a slow reader.

use std::io::ErrorKind;
use std::time::Duration;
use std::time::Instant;

use rustls::AlertDescription;

use super::lane::Lane;
use super::lane::TrailerFilter;
use super::mask::Masker;
use super::mask::Sent;
use super::service::Service;
use super::stray;
use super::stray::Placeholders;
use crate::encoding;
use crate::http1;
use crate::http1::body::BodyWriter;
use crate::http1::framing::Framing;
use crate::http1::framing::decimal;
use crate::http1::framing::is_content_usual;
use crate::http1::head::Fields;
use crate::http1::head::HeadScanner;
use crate::http1::head::MAX_RESPONSE_HEAD;
use crate::http1::head::ResponseHead;
use crate::http1::mend::Tolerance;
use crate::tls::hello;
use crate::tls::hello::NameCheck;
use crate::wire;
use crate::wire::Interest;
use crate::wire::Wire;

/// How long the origin may be silent once the client has ended TLS and its sending: it may still read. Most have gone, and the origin
/// works for nobody. Without TLS more of them still read, and the system tells which do (see [`LOOK_AT_BOTH`]).
const HUNG_UP: Duration = Duration::from_secs(30);

/// How often it is looked whether a client has ended from which nothing can be read for now.
const LOOK: Duration = Duration::from_secs(10);

/// How often the relay checks whether a side is gone that it doesn't read from, or that acknowledges nothing. Nothing else
/// ends the wait for a peer that is at work: the client decides how long that may take.
const LOOK_AT_BOTH: Duration = Duration::from_secs(30);

/// Why an exchange ended before its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The client is gone, or takes nothing any more.
    ClientGone,
    /// The request's body is malformed or was cut.
    RequestBody(http1::Error),
    /// The origin's connection ended before any byte of a response.
    NoResponse,
    /// The origin wants a certificate of its client. In TLS 1.3 it says so behind the handshake only.
    WantsCertificate,
    /// The origin's response is malformed, or ended before its end.
    Response(http1::Error),
    /// The origin ended TLS without close_notify, behind content that ends with the connection: whether it is whole is for the client to
    /// judge, whose connection ends the same way.
    NoCloseNotify,
    /// The origin changed to a protocol that nobody asked for.
    Upgrade,
    /// The origin did not begin a response in the time that the user set, or took nothing for that long.
    Timeout(Duration),
    /// The origin vanished: it acknowledges nothing any more.
    Lost,
    /// The origin wants another credential; its answer is held back.
    Unauthorized,
    /// The proxy has stopped.
    Stopped,
    /// The client of a tunnel asks by TLS for another server than the tunnel is for.
    ServerName(hello::Refused),
}

/// What an exchange has come to.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The response's status; 0 before there was one.
    pub(crate) status: u16,
    /// Whether a byte of a response, an interim one among them, has gone to the client.
    pub(crate) begun: bool,
    /// Whether the upstream connection is good for another request.
    pub(crate) upstream_reusable: bool,
    /// How long the origin says that it will wait for that.
    pub(crate) upstream_waits: Option<Duration>,
    /// Whether the client's connection is good for another request.
    pub(crate) client_reusable: bool,
    /// Whether the end of the client's connection is the end of the content.
    pub(crate) is_close_delimited: bool,
    /// Whether the origin sent the credential back, and it was masked.
    pub(crate) was_masked: bool,
    /// The coding of a body that could not be looked through for it.
    pub(crate) coding: Option<String>,
    /// Whether the answer was a part of a whole (RFC 9110 section 15.3.7): parts can cut a credential.
    pub(crate) is_partial: bool,
    /// The placeholder in the request's body, if there was one.
    pub(super) stray: Option<stray::Number>,
    /// Bytes of content that went up.
    pub(crate) sent: u64,
    /// Bytes of content that came down.
    pub(crate) received: u64,
}

/// What a relay needs to know of a request.
pub(crate) struct Request<'a> {
    /// Its method.
    pub(crate) method: &'a str,
    /// Its framing.
    pub(crate) framing: Framing,
    /// Whether the client speaks HTTP/1.1, and so takes interim responses and the chunked coding.
    pub(crate) is_http11: bool,
    /// Whether the client wants its connection kept.
    pub(crate) keep_alive: bool,
    /// The protocol that it wants to change to.
    pub(crate) upgrade: Option<&'a str>,
    /// Which of its trailers go on.
    pub(crate) keep_trailer: TrailerFilter<'a>,
    /// How long the origin may take to begin its response, and take nothing of the request, where that is limited.
    pub(crate) patience: Option<Duration>,
    /// Whether an answer with status 401 is held back, and ends the exchange as [`Failure::Unauthorized`]: a further relay on the same
    /// connection passes it on.
    pub(crate) holds_unauthorized: bool,
    /// How much of the response is mended. The origin socket isn't used again after a mended response.
    pub(crate) tolerance: Tolerance,
    /// The credentials that were sent to the same place, to be masked in what comes back.
    pub(crate) secret: Option<&'a Sent>,
    /// What to look for in the body.
    pub(super) placeholders: Option<&'a Placeholders>,
    /// What may stop meanwhile.
    pub(crate) service: Option<&'a Service>,
}

/// Where the response stands.
enum Down<'a> {
    /// Its head is to come.
    Head(HeadScanner),
    /// Its body comes.
    Body(Lane<'a>),
}

/// An exchange under way.
pub(crate) struct Relay<'a> {
    /// The client's side.
    client: &'a mut Wire,
    /// The origin's side.
    upstream: &'a mut Wire,
    /// The request it is about.
    request: &'a Request<'a>,
    /// The request's body.
    up: Lane<'a>,
    /// The response.
    down: Down<'a>,
    /// Whether the origin takes no more of the request; its response may still come.
    up_broken: bool,
    /// Whether something of a final response may have come before the whole request was sent.
    is_early: bool,
    /// Whether the end of the origin's connection is the end of the response.
    is_until_close: bool,
    /// Whether the origin's connection has failed, rather than ended.
    is_reset: bool,
    /// Whether it failed because the origin wants a client certificate.
    wants_certificate: bool,
    /// Whether a head was mended.
    is_mended: bool,
    /// Whether bytes go both ways until both sides end.
    is_tunnel: bool,
    /// Holds back what asks for another server than a tunnel is for.
    names: Option<NameCheck<'a>>,
    /// Bytes of interim responses so far.
    interim: usize,
    /// When something last moved, by direction.
    last_up: Instant,
    /// When something last moved, by direction.
    last_down: Instant,
    /// The fields of the response whose body comes.
    response: Fields,
    /// What it has come to.
    outcome: Outcome,
}

impl<'a> Relay<'a> {
    /// An exchange whose request head is in the upstream side's output already.
    pub(crate) fn new(
        client: &'a mut Wire,
        upstream: &'a mut Wire,
        request: &'a Request<'a>,
    ) -> Self {
        let writer = match request.framing {
            Framing::Chunked => BodyWriter::Chunked,
            _ => BodyWriter::Plain,
        };
        let watch = request.placeholders.map(Placeholders::watch);
        let up = Lane::new(request.framing, writer).watched(watch);
        let now = Instant::now();
        Self {
            outcome: Outcome::default(),
            client,
            upstream,
            request,
            up,
            down: Down::Head(HeadScanner::tolerant(request.tolerance)),
            up_broken: false,
            is_early: false,
            is_until_close: false,
            is_reset: false,
            wants_certificate: false,
            is_mended: false,
            is_tunnel: false,
            names: None,
            interim: 0,
            response: Fields::default(),
            last_up: now,
            last_down: now,
        }
    }

    /// Makes it a tunnel: bytes both ways from here on. With a check, TLS that doesn't pass it ends the tunnel before anything of that
    /// reaches the origin.
    pub(crate) fn into_tunnel(mut self, names: Option<NameCheck<'a>>) -> Self {
        self.become_tunnel();
        self.names = names;
        self
    }

    /// Bytes both ways from here on.
    fn become_tunnel(&mut self) {
        self.is_tunnel = true;
        self.upstream.set_input_limit(None);
        self.up = Lane::raw();
        // What nobody looks through isn't read.
        self.down = Down::Body(match self.request.secret {
            Some(sent) => Lane::frames(sent.masker(), sent.masker()),
            None => Lane::raw(),
        });
    }

    /// What masks credentials in what comes back.
    fn masker(&self) -> Masker<'a> {
        self.request.secret.map(Sent::masker).unwrap_or_default()
    }

    /// Returns whether a credential could be in what comes back.
    fn is_searched(&self) -> bool {
        self.request.secret.is_some_and(|sent| !sent.is_empty())
    }

    /// Runs the exchange to its end.
    ///
    /// # Errors
    /// Why it ended before; the outcome says what the client has seen by then.
    pub(crate) fn run(mut self) -> (Outcome, Result<(), Failure>) {
        let result = loop {
            match self.turn() {
                Ok(true) => break Ok(()),
                Ok(false) => {}
                Err(failure) => break Err(failure),
            }
        };
        let clean = result.is_ok() && self.up.finished && !self.is_tunnel;
        if let Down::Body(lane) = &self.down {
            self.is_mended |= lane.is_mended();
            self.outcome.was_masked |= lane.has_masked();
            self.outcome.received = lane.content;
            if self.outcome.coding.is_none() && lane.has_passed_compressed() {
                self.outcome.coding = Some("permessage-deflate".to_owned());
            }
        }
        self.outcome.sent = self.up.content;
        self.outcome.stray = self.up.stray();
        self.outcome.client_reusable &= clean;
        self.outcome.upstream_reusable &= clean
            && !self.is_mended
            && !self.is_early
            && !self.up_broken
            && !self.upstream.wants_flush()
            && self.upstream.input().is_empty()
            && self.upstream.end().is_none();
        (self.outcome, result)
    }

    /// One turn: move what can be moved, else wait. Tells whether the exchange is over.
    fn turn(&mut self) -> Result<bool, Failure> {
        let waits = !self.is_tunnel && !self.is_sent() && self.has_answer();
        let up = self.move_up()?;
        let down = self.move_down()?;
        let sent = self.flush()?;
        self.is_early |= waits && self.is_sent();
        if self.is_over() {
            return Ok(true);
        }
        if !(up || down || sent) {
            self.wait()?;
        }
        Ok(false)
    }

    /// Returns whether the system has all of the request.
    fn is_sent(&self) -> bool {
        self.up.finished && !self.upstream.wants_flush()
    }

    /// Returns whether something of an answer is there. Content is about to be sent, unless something else is to be sent before it: the
    /// socket is looked at once more, since the answer must not come to light behind that content.
    fn has_answer(&mut self) -> bool {
        let is_next = !self.up.finished && !self.upstream.wants_flush();
        if is_next && self.upstream.has_room() && self.receive_down().is_err() {
            self.upstream.cut();
        }
        !self.upstream.input().is_empty()
    }

    /// Receives from the origin; a failure is its end.
    fn receive_down(&mut self) -> Result<(), Failure> {
        let Err(error) = self.upstream.receive() else {
            return Ok(());
        };
        let is_silence = matches!(
            error.kind(),
            ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
        );
        if is_silence && !self.outcome.begun {
            return Err(Failure::Lost);
        }
        self.is_reset = true;
        self.upstream.cut();
        self.wants_certificate |= matches!(
            wire::tls_failure(&error),
            Some(rustls::Error::AlertReceived(
                AlertDescription::CertificateRequired
            ))
        );
        Ok(())
    }

    /// Whether all that the client is to get has left.
    fn is_over(&self) -> bool {
        let down = matches!(&self.down, Down::Body(lane) if lane.finished);
        let up = !self.is_tunnel || self.up.finished;
        down && up
            && !self.client.wants_flush()
            && (!self.is_tunnel || !self.upstream.wants_flush())
    }

    /// Moves the request's body.
    fn move_up(&mut self) -> Result<bool, Failure> {
        if self.up_broken {
            return Ok(false);
        }
        if self.names.is_some() && !self.check_names()? {
            return self.move_cleared();
        }
        let moved = self
            .up
            .pump(self.client, self.upstream, self.request.keep_trailer)
            .map_err(|error| match error {
                http1::Error::Incomplete => Failure::ClientGone,
                other => Failure::RequestBody(other),
            })?;
        if moved {
            self.last_up = Instant::now();
        }
        Ok(moved)
    }

    /// Shows what is new of a tunnel's client to the check of server names. Returns whether all of it may go on.
    fn check_names(&mut self) -> Result<bool, Failure> {
        let Some(names) = &mut self.names else {
            return Ok(true);
        };
        let known = names.seen().saturating_sub(self.up.content);
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        let new = self.client.input().get(known..).unwrap_or_default();
        names.see(new).map_err(Failure::ServerName)?;
        let is_cleared = names.cleared() == names.seen();
        if names.is_over() {
            self.names = None;
        }
        Ok(is_cleared)
    }

    /// Moves what comes before a ClientHello that isn't whole. Returns whether anything moved.
    fn move_cleared(&mut self) -> Result<bool, Failure> {
        let cleared = self.names.as_ref().map_or(0, NameCheck::cleared);
        let count = usize::try_from(cleared.saturating_sub(self.up.content)).unwrap_or(0);
        if count > 0 {
            if self.upstream.wants_flush() {
                return Ok(false);
            }
            let input = self.client.input();
            self.upstream
                .send_or_keep(input.get(..count).unwrap_or_default());
            self.client.consume(count);
            self.up.content += count as u64;
            self.last_up = Instant::now();
            return Ok(true);
        }
        // The rest of it comes no more, or there is no room for it.
        if self.client.end().is_some() || self.client.is_full() {
            return Err(Failure::ServerName(hello::Refused::Unreadable));
        }
        Ok(false)
    }

    /// Moves the response.
    fn move_down(&mut self) -> Result<bool, Failure> {
        let moved = match &mut self.down {
            Down::Head(_) => self.read_head()?,
            Down::Body(lane) => {
                let keep = |name: &[u8], _: &[u8]| goes_on(&self.response, name);
                let pumped = lane.pump(self.upstream, self.client, &keep);
                pumped.map_err(|error| match error {
                    http1::Error::Incomplete if self.ends_like_the_origin() => {
                        Failure::NoCloseNotify
                    }
                    error => Failure::Response(error),
                })?
            }
        };
        if moved {
            self.last_down = Instant::now();
        }
        Ok(moved)
    }

    /// Returns whether the client's connection can end as the origin's did, and means the same.
    fn ends_like_the_origin(&self) -> bool {
        self.is_until_close && self.outcome.is_close_delimited && !self.is_reset
    }

    /// Reads the response's head once it is whole, or an interim one.
    fn read_head(&mut self) -> Result<bool, Failure> {
        let Down::Head(scanner) = &mut self.down else {
            return Ok(false);
        };
        let found = scanner
            .scan(self.upstream.input(), MAX_RESPONSE_HEAD)
            .map_err(Failure::Response)?;
        let Some(range) = found else {
            return match (self.upstream.end(), self.upstream.input().is_empty()) {
                (None, _) => {
                    // Only for a head that needs it: behind a short one a body would come, and wait in memory for its reader.
                    if !self.upstream.has_room() {
                        self.upstream.set_input_limit(Some(MAX_RESPONSE_HEAD + 1));
                    }
                    Ok(false)
                }
                (Some(_), true) if self.wants_certificate => Err(Failure::WantsCertificate),
                (Some(_), true) => Err(Failure::NoResponse),
                (Some(_), false) => Err(Failure::Response(http1::Error::Incomplete)),
            };
        };
        let bytes = self.upstream.input().get(range.clone()).unwrap_or_default();
        let head =
            ResponseHead::parse_mended(bytes, self.request.tolerance).map_err(Failure::Response)?;
        if head.status == 401 && self.request.holds_unauthorized && !self.outcome.begun {
            return Err(Failure::Unauthorized);
        }
        self.upstream.consume(range.end);
        self.is_mended |= head.is_mended;
        match (head.status, self.request.upgrade) {
            (101, Some(protocol)) if head.fields.has_member("upgrade", protocol) => {
                self.outcome.status = 101;
                self.outcome.begun = true;
                self.write_head(&head, &[("Connection", "Upgrade"), ("Upgrade", protocol)]);
                self.become_tunnel();
            }
            (101, _) => return Err(Failure::Upgrade),
            (100..=199, _) => {
                self.interim += range.len();
                if self.interim > MAX_RESPONSE_HEAD {
                    return Err(Failure::Response(http1::Error::HeadTooLarge));
                }
                if self.request.is_http11 {
                    self.outcome.begun = true;
                    self.write_head(&head, &[]);
                }
                self.down = Down::Head(HeadScanner::tolerant(self.request.tolerance));
            }
            _ => self.begin_response(head)?,
        }
        Ok(true)
    }

    /// Writes the final response's head, framed for the client.
    fn begin_response(&mut self, head: ResponseHead) -> Result<(), Failure> {
        self.upstream.set_input_limit(None);
        let framing = self.framing(&head)?;
        // Over TLS the end of a connection says whether the content is whole, without it the chunked coding alone does.
        let is_delimited = match framing {
            Framing::None | Framing::Length(_) => true,
            Framing::Chunked => self.request.is_http11,
            Framing::UntilClose => self.request.is_http11 && !self.client.is_tls(),
        };
        let writer = match framing {
            Framing::Chunked | Framing::UntilClose if is_delimited => BodyWriter::Chunked,
            _ => BodyWriter::Plain,
        };
        // An answer that comes before the whole request is in ends the connection: the rest of the request may never come.
        let is_draining = self.request.service.is_some_and(Service::is_draining);
        let keep = self.request.keep_alive && is_delimited && self.up.finished && !is_draining;
        let length = framing
            .announced(&head, self.request.method)
            .map_err(Failure::Response)?
            .map(|length| length.to_string());
        let mut added = Vec::with_capacity(3);
        if let Some(length) = &length {
            added.push(("Content-Length", length.as_str()));
        }
        if writer == BodyWriter::Chunked {
            added.push(("Transfer-Encoding", "chunked"));
        }
        if !keep {
            added.push(("Connection", "close"));
        }
        self.write_head(&head, &added);
        self.outcome.status = head.status;
        self.outcome.begun = true;
        self.outcome.client_reusable = keep;
        self.outcome.is_close_delimited = !is_delimited;
        self.is_until_close = framing == Framing::UntilClose;
        self.outcome.upstream_reusable = framing != Framing::UntilClose
            && head.version == http1::head::Version::Http11
            && !head.fields.has_member("connection", "close")
            && self.stands_at_beginning(&head);
        self.outcome.upstream_waits = keep_alive_timeout(&head.fields);
        let lane = Lane::of_response(framing, writer, self.request.tolerance);
        if !lane.finished && self.is_searched() {
            self.outcome.coding = coding(&head);
            self.outcome.is_partial = head.status == 206;
        }
        self.down = Down::Body(lane.masked(self.masker()));
        self.response = head.fields;
        Ok(())
    }

    /// Returns how long a response's body is.
    fn framing(&mut self, head: &ResponseHead) -> Result<Framing, Failure> {
        let method = self.request.method;
        let strict = Framing::of_response(head, method);
        let framing = match self.request.tolerance {
            Tolerance::Lenient if strict.is_err() => {
                self.is_mended = true;
                Framing::of_response_mended(head, method)
            }
            _ => strict,
        };
        framing.map_err(Failure::Response)
    }

    /// Returns whether the origin surely reads what comes behind this response's request as the next one, and sends nothing behind the
    /// response.
    ///
    /// Many servers read no content with methods that usually have none, and others answer an error before they read it: the content then
    /// stands where the next request would.
    fn stands_at_beginning(&self, head: &ResponseHead) -> bool {
        let has_read = self.request.framing.is_empty()
            || is_content_usual(self.request.method) && (200..400).contains(&head.status);
        // Servers that answer HEAD like GET send the body behind the head, be it later than the next request: one that is announced or, where
        // nothing is said of it, one that ends with the connection. A 204 that announces a body has no business to (RFC 9110 section 8.6), and
        // a 304 has.
        let is_head = self.request.method == "HEAD";
        let is_said = matches!(head.status, 204 | 304) || head.fields.has("content-length");
        let mut lengths = head.fields.all("content-length");
        let announces =
            head.fields.has("transfer-encoding") || lengths.any(|length| length != b"0");
        let may_go_on = is_head && !is_said || (is_head || head.status == 204) && announces;
        has_read && !may_go_on && self.is_sent()
    }

    /// Writes a response's head, with our own version, its fields that go on, and `added` ones. The credential isn't in it.
    fn write_head(&mut self, head: &ResponseHead, added: &[(&str, &str)]) {
        let mut masker = self.masker();
        let out = self.client.output();
        for part in ["HTTP/1.1 ", head.status.to_string().as_str(), " "] {
            out.extend_from_slice(part.as_bytes());
        }
        let start = out.len();
        out.extend_from_slice(head.reason.as_bytes());
        out.extend_from_slice(b"\r\n");
        for (name, value) in head.fields.iter() {
            if goes_on(&head.fields, name) {
                http1::head::write_field(out, name, value);
            }
        }
        masker.mask(out.get_mut(start..).unwrap_or_default());
        for (name, value) in added {
            http1::head::write_field(out, name.as_bytes(), value.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        self.outcome.was_masked |= masker.has_found();
    }

    /// Sends what is to be sent on both sides; ends a tunnel's directions that are through.
    fn flush(&mut self) -> Result<bool, Failure> {
        let down = self.client.flush().map_err(|_| Failure::ClientGone)?;
        let up = match self.upstream.flush() {
            Ok(moved) => moved,
            Err(_) if self.is_tunnel => return Err(Failure::NoResponse),
            Err(_) => {
                // It takes no more, but may have answered: a 413 and a closed connection, for example.
                self.upstream.give_up_sending();
                let news = !self.up_broken;
                self.up_broken = true;
                news
            }
        };
        if up {
            self.last_up = Instant::now();
        }
        if down {
            self.last_down = Instant::now();
        }
        if self.is_tunnel {
            if self.up.finished && !self.upstream.wants_flush() {
                let _ = self.upstream.finish();
            }
            if matches!(&self.down, Down::Body(lane) if lane.finished) && !self.client.wants_flush()
            {
                let _ = self.client.finish();
            }
        }
        Ok(up || down)
    }

    /// Waits until a side is ready, and receives from it.
    fn wait(&mut self) -> Result<(), Failure> {
        if self.client.is_gone() {
            return Err(Failure::ClientGone);
        }
        let deadline = self.deadline();
        let held = match &self.down {
            Down::Body(lane) if !self.client.wants_flush() => lane.holds_until(),
            Down::Body(_) | Down::Head(_) => None,
        };
        // A client that ends behind input for which there is no room wakes nobody: it is looked after.
        let look = Instant::now()
            + if self.client.is_full() {
                LOOK
            } else {
                LOOK_AT_BOTH
            };
        let limit = deadline.as_ref().map(|(when, _)| *when);
        let until = [limit, held, Some(look)].into_iter().flatten().min();
        let client = Interest {
            read: self.client.has_room(),
            write: self.client.wants_flush(),
        };
        let upstream = Interest {
            read: self.upstream.has_room(),
            write: self.upstream.wants_flush(),
        };
        let sides = [(&mut *self.client, client), (&mut *self.upstream, upstream)];
        let cut = self.request.service.map(Service::cutting);
        let [client_ready, upstream_ready, is_cut] =
            wire::wait(sides, cut, until).map_err(|_| Failure::ClientGone)?;
        if is_cut {
            return Err(Failure::Stopped);
        }
        if client_ready && client.read && self.client.receive().is_err() {
            // A reset: nobody is there to be answered.
            return Err(Failure::ClientGone);
        }
        if upstream_ready && upstream.read {
            self.receive_down()?;
        }
        if client_ready || upstream_ready {
            return Ok(());
        }
        match deadline {
            Some((when, failure)) if Instant::now() >= when => Err(failure),
            _ if Instant::now() >= look => self.look_at_both(),
            _ => Ok(()),
        }
    }

    /// Ends the exchange where a side is gone and nothing else shows it.
    fn look_at_both(&self) -> Result<(), Failure> {
        if self.client.is_lost() {
            return Err(Failure::ClientGone);
        }
        match self.upstream.is_lost() {
            true => Err(Failure::Lost),
            false => Ok(()),
        }
    }

    /// Until when something must move, and what it means if nothing does. A response that has begun may pause for ever.
    fn deadline(&self) -> Option<(Instant, Failure)> {
        let last = self.last_up.max(self.last_down);
        let takes = self.upstream.wants_flush() && !self.is_tunnel;
        let answers = matches!(&self.down, Down::Head(_)) && (self.up.finished || self.up_broken);
        let since = match (takes, answers) {
            (true, _) => Some(self.last_up),
            (false, true) => Some(last),
            (false, false) => None,
        };
        let patience = since
            .zip(self.request.patience)
            .map(|(since, patience)| (since + patience, Failure::Timeout(patience)));
        // Behind a body that the origin is slow to take, an end is only an end.
        let client_ended = if self.is_tunnel || self.up.finished {
            self.client.has_ended()
        } else {
            self.client.end().is_some()
        };
        let hung_up = (client_ended && self.client.has_hung_up())
            .then(|| (last + HUNG_UP, Failure::ClientGone));
        let limits = [patience, hung_up].into_iter().flatten();
        limits.min_by_key(|(when, _)| *when)
    }
}

/// Fields of a response that end here beside the hop-by-hop ones: `Alt-Svc` would lead the client past the proxy, and the length
/// is written anew.
const NOT_FORWARDED: [&str; 2] = ["alt-svc", "content-length"];

/// How long an origin says that it keeps an idle connection: `Keep-Alive: timeout=5` (draft-thomson-hybi-http-timeout), in seconds.
fn keep_alive_timeout(fields: &Fields) -> Option<Duration> {
    let mut parameters = fields.members("keep-alive");
    let timeout = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_at_checked("timeout=".len())?;
        name.eq_ignore_ascii_case(b"timeout=").then_some(value)
    })?;
    decimal(timeout).ok().map(Duration::from_secs)
}

/// The content coding of a response, if it has one (RFC 9110 section 8.4).
fn coding(head: &ResponseHead) -> Option<String> {
    let mut codings = head.fields.members("content-encoding");
    let coding = codings.find(|coding| !coding.eq_ignore_ascii_case(b"identity"))?;
    Some(encoding::printable(coding, 16))
}

/// Whether a field of a response, or of its trailers, goes on to the client; the response's own fields say which end here.
fn goes_on(response: &Fields, name: &[u8]) -> bool {
    let ends_here = NOT_FORWARDED
        .iter()
        .any(|listed| name.eq_ignore_ascii_case(listed.as_bytes()));
    !ends_here && !http1::head::is_hop_by_hop(response, name)
}
