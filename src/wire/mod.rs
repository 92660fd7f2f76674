//! One side of a connection: a non-blocking socket, TLS on it or not, and what has been read and not yet used.
//!
//! A rustls connection encrypts and decrypts in one object that two threads can't share, so a thread drives both of its sides by
//! itself: it waits with [`wait`] until one of them is ready, then receives and flushes without ever blocking. Nothing here knows
//! HTTP.

mod buffer;
mod records;
mod under;

use std::io;
use std::io::ErrorKind;
use std::io::Write;
use std::mem;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Shutdown;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use zeroize::Zeroize;
use zeroize::Zeroizing;

use buffer::Buffer;
use records::Records;
use records::Role;
use under::Reader;
use under::Under;

use crate::sys::poll;
use crate::sys::socket;
use crate::sys::stack;

/// Input that may wait to be used before reading pauses, unless said otherwise: a request's head fits, so that one which doesn't
/// is seen to be too large.
const INPUT_LIMIT: usize = 80 * 1024;

/// Output whose memory is kept while the connection is idle, at the most.
const KEPT: usize = 16 * 1024;

/// Reads of a TLS connection at one go, at the most: records may be empty, and who sends those without a pause would keep it for itself.
const READS: usize = 16;

/// Reads of an idle connection, at the most: a peer that has more to say that is no message isn't idle.
const IDLE_READS: usize = 4;

/// How long a wait may take before memory is given back for it: it comes back with a page fault for each page of it.
const BRIEF: Duration = Duration::from_millis(100);

/// How many connections there were.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// How a peer's sending ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As the protocol wants it: a close_notify, or on a plain connection the end of the stream.
    Clean,
    /// The stream ended without a close_notify: someone may have cut it (RFC 8446 section 6.1).
    Cut,
}

/// One side of a connection.
pub(crate) struct Wire {
    /// The socket; non-blocking. Another thread may shut it down.
    socket: Arc<TcpStream>,
    /// Who is at the other end.
    peer: IpAddr,
    /// TLS on it.
    tls: Option<Box<Records>>,
    /// The outer TLS of a tunnel through an https proxy.
    under: Option<Box<Under>>,
    /// What was received, decrypted.
    input: Buffer,
    /// Input at which reading pauses.
    limit: usize,
    /// What is to be sent, before encryption. Sent up to `sent`.
    output: Zeroizing<Vec<u8>>,
    /// Whether something of it is secret, and it is wiped as soon as it is gone.
    is_secret: bool,
    /// Bytes of `output` that are gone.
    sent: usize,
    /// Whether what TLS has to send leaves with the next output only: nobody waits for it.
    is_patient: bool,
    /// Whether TLS is that of a proxy only, and carries a tunnel.
    is_tunnel: bool,
    /// How the peer's sending ended, once it has.
    end: Option<End>,
    /// Whether our sending has ended.
    finished: bool,
    /// Whether nothing can be sent any more: what TLS still holds is not waited for.
    broken: bool,
    /// Which connection this is.
    number: u64,
}

impl Wire {
    /// A plain connection.
    ///
    /// # Errors
    /// When the socket can't be made non-blocking.
    pub(crate) fn plain(socket: impl Into<Arc<TcpStream>>) -> io::Result<Self> {
        let socket = socket.into();
        let peer = socket.peer_addr();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        Self::accepted(socket, peer)
    }

    /// A plain connection from this address; a socket doesn't tell it any more once the peer is gone.
    ///
    /// # Errors
    /// When the socket can't be made non-blocking.
    pub(crate) fn accepted(socket: Arc<TcpStream>, peer: IpAddr) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Head and body leave together anyhow; what waits for an acknowledgement would wait 40 ms.
        socket.set_nodelay(true)?;
        socket::keep_alive(&socket);
        Ok(Self {
            socket,
            peer,
            tls: None,
            under: None,
            input: Buffer::default(),
            limit: INPUT_LIMIT,
            output: Zeroizing::default(),
            is_secret: false,
            sent: 0,
            is_patient: false,
            is_tunnel: false,
            end: None,
            finished: false,
            broken: false,
            number: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// The same connection with TLS begun on it, as the server. What was received already is the start of the handshake.
    ///
    /// # Errors
    /// When those bytes aren't.
    pub(crate) fn accept_tls(mut self, tls: UnbufferedServerConnection) -> io::Result<Self> {
        let early = mem::take(&mut self.input);
        self.begin_tls(Role::Server(tls), early)
    }

    /// The same connection with TLS begun on it, as the client. If TLS runs on it already, the new TLS goes inside.
    ///
    /// # Errors
    /// When the peer has said something already: a server has nothing to say before the handshake, and what came in the clear
    /// must never be read as if it had come over TLS.
    pub(crate) fn connect_tls(self, tls: UnbufferedClientConnection) -> io::Result<Self> {
        if !self.input().is_empty() {
            let error = rustls::Error::General("bytes before the handshake".into());
            return Err(tls_error(error));
        }
        self.begin_tls(Role::Client(tls), Buffer::default())
    }

    /// Puts TLS on the connection.
    fn begin_tls(mut self, role: Role, early: Buffer) -> io::Result<Self> {
        let below = self.tls.replace(Box::new(Records::new(role, early)));
        self.under = below.map(|below| Box::new(Under::new(*below)));
        self.is_tunnel = false;
        self.open()?;
        Ok(self)
    }

    /// Takes what comes next as that of a tunnel. A proxy's TLS that ends without a close_notify then counts as the end of a
    /// stream: the proxy only passes bytes on, and what they belong to tells itself whether it is whole.
    pub(crate) fn begin_tunnel(&mut self) {
        self.is_tunnel = true;
        if self.end == Some(End::Cut) {
            self.end = Some(End::Clean);
        }
    }

    /// Completes the handshake. The last that it has to say may be left to be sent: with the first message, or when it is waited for.
    ///
    /// # Errors
    /// `TimedOut` at the deadline; `InvalidData` with a [`rustls::Error`] inside when TLS failed.
    pub(crate) fn handshake(&mut self, deadline: Instant) -> io::Result<()> {
        loop {
            let tls = self.tls.as_ref();
            if !tls.is_some_and(|tls| tls.is_handshaking()) {
                self.is_patient = tls.is_some_and(|tls| tls.has_only_tickets());
                if tls.is_some_and(|tls| tls.is_server()) && !self.is_patient {
                    // Some clients send a request before they have this (RFC 7918), and wait for it all the same.
                    self.flush()?;
                }
                return Ok(());
            }
            self.flush()?;
            if self.end.is_some() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.wait_for_input(deadline)?;
        }
    }

    /// Waits until something was received, or the peer has ended; sends what is to be sent meanwhile.
    ///
    /// # Errors
    /// `TimedOut` at the deadline; those of receiving and sending.
    pub(crate) fn wait_for_input(&mut self, deadline: Instant) -> io::Result<()> {
        self.wait_for_input_or(None, deadline).map(|_| ())
    }

    /// The same where something else may end the wait: tells whether it did, and nothing was received.
    ///
    /// # Errors
    /// `TimedOut` at the deadline; those of receiving and sending.
    pub(crate) fn wait_for_input_or(
        &mut self,
        other: Option<BorrowedFd<'_>>,
        deadline: Instant,
    ) -> io::Result<bool> {
        let before = self.input().len();
        if self.end.is_some() {
            return Ok(false);
        }
        loop {
            self.flush()?;
            let interest = Interest {
                read: true,
                write: self.wants_flush(),
            };
            // Before reading: mostly nothing is there yet, since the answer to what was sent is to come.
            let is_other = self.wait(interest, other, deadline)?;
            let has_news = self.receive()?;
            if self.input().len() > before || self.end.is_some() {
                return Ok(false);
            }
            if is_other {
                return Ok(!has_news);
            }
            // Before news that are no input: they could go on for ever.
            if Instant::now() >= deadline {
                return Err(ErrorKind::TimedOut.into());
            }
            if has_news {
                return Ok(false);
            }
        }
    }

    /// Returns the peer's address; that of nobody where it was gone from the start.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Returns the application protocol that both sides of TLS agreed on.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.tls.as_ref()?.protocol()
    }

    /// Returns whether the socket uses TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns a number that no other connection has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// What was received and not used.
    pub(crate) fn input(&self) -> &[u8] {
        self.input.filled()
    }

    /// Sets how much input may wait to be used before reading pauses; `None` for the usual.
    pub(crate) fn set_input_limit(&mut self, limit: Option<usize>) {
        self.limit = limit.unwrap_or(INPUT_LIMIT);
    }

    /// Marks bytes of the input as used.
    pub(crate) fn consume(&mut self, count: usize) {
        self.input.consume(count);
    }

    /// Gives back the memory of buffers that hold nothing, where it is much: an idle connection may be one of many, for long.
    pub(crate) fn give_memory_back(&mut self) {
        self.input.shrink();
        if self.output.is_empty() && self.output.capacity() > KEPT {
            self.output = Zeroizing::default();
        }
        if let Some(tls) = &mut self.tls {
            tls.shrink();
        }
        if let Some(under) = &mut self.under {
            under.rest();
        }
    }

    /// Gives back the memory of all buffers that hold nothing: nothing seems to come soon.
    fn rest(&mut self) {
        self.input.rest();
        if self.output.is_empty() {
            self.output = Zeroizing::default();
        }
        if let Some(tls) = &mut self.tls {
            tls.rest();
        }
        if let Some(under) = &mut self.under {
            under.rest();
        }
    }

    /// Waits until the socket can be read, or written to where that is wanted, or the deadline has passed; or until the other can be
    /// read, and tells whether it can.
    fn wait(
        &mut self,
        interest: Interest,
        other: Option<BorrowedFd<'_>>,
        deadline: Instant,
    ) -> io::Result<bool> {
        if self.is_readable(interest) {
            return Ok(false);
        }
        let brief = deadline.min(Instant::now() + BRIEF);
        let watches = [self.watch(interest), self.watch_other(other)];
        let ready = poll::wait(watches, Some(brief))?;
        if ready != [false; 2] || brief == deadline {
            return Ok(ready == [false, true]);
        }
        self.rest();
        stack::give_back();
        let watches = [self.watch(interest), self.watch_other(other)];
        Ok(poll::wait(watches, Some(deadline))? == [false, true])
    }

    /// Something else, watched for reading, if there is something.
    fn watch_other<'a>(&'a self, other: Option<BorrowedFd<'a>>) -> poll::Watch<'a> {
        poll::Watch {
            fd: other.unwrap_or_else(|| self.socket.as_fd()),
            read: other.is_some(),
            write: false,
        }
    }

    /// Returns whether decrypted bytes wait to be read, which poll(2) can't know of.
    fn is_readable(&self, interest: Interest) -> bool {
        let under = self.under.as_ref();
        interest.read && under.is_some_and(|under| under.is_readable())
    }

    /// The socket, watched.
    fn watch(&self, interest: Interest) -> poll::Watch<'_> {
        poll::Watch {
            fd: self.socket.as_fd(),
            read: interest.read,
            write: interest.write,
        }
    }

    /// How the peer's sending ended, once all that came before has been received.
    pub(crate) fn end(&self) -> Option<End> {
        self.end
    }

    /// Takes the peer's sending as ended: the connection has failed.
    pub(crate) fn cut(&mut self) {
        self.end = self.end.or(Some(End::Cut));
    }

    /// Gives up sending: nobody takes it any more. What the peer has sent can still be received.
    pub(crate) fn give_up_sending(&mut self) {
        self.clear_output();
        self.broken = true;
    }

    /// Whether there is room for more input.
    pub(crate) fn has_room(&self) -> bool {
        self.end.is_none() && self.input().len() < self.limit
    }

    /// Receives what is there, without waiting. Tells whether anything changed: input, the end, or the state of TLS.
    ///
    /// # Errors
    /// A reset connection; `InvalidData` when TLS failed.
    pub(crate) fn receive(&mut self) -> io::Result<bool> {
        if self.end.is_some() {
            return Ok(false);
        }
        if self.tls.is_some() {
            self.receive_tls()
        } else {
            self.receive_plain()
        }
    }

    /// One read of a plain socket.
    fn receive_plain(&mut self) -> io::Result<bool> {
        match self.input.read_from(&*self.socket) {
            Ok((0, _)) => self.end = Some(End::Clean),
            Ok(_) => {}
            Err(error) if is_retry(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Reads TLS records until there is content, or the socket seems to have no more.
    fn receive_tls(&mut self) -> io::Result<bool> {
        let mut changed = false;
        for _ in 0..READS {
            let Some(tls) = &mut self.tls else { break };
            let received = match &mut self.under {
                None => tls.read_from(&*self.socket),
                Some(under) => {
                    let socket = &*self.socket;
                    tls.read_from(Reader { under, socket })
                }
            };
            let may_be_more = match received {
                Ok((0, _)) => {
                    let end = if self.is_tunnel { End::Clean } else { End::Cut };
                    self.end = Some(end);
                    return Ok(true);
                }
                Ok((_, may_be_more)) => may_be_more,
                Err(error) if is_retry(&error) => break,
                Err(error) => return Err(error),
            };
            changed = true;
            self.open()?;
            if !may_be_more || !self.is_clear() {
                break;
            }
        }
        Ok(changed)
    }

    /// Moves the content of all records that are whole to the input.
    fn open(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        match tls.open(&mut self.input) {
            Ok(false) => Ok(()),
            Ok(true) => {
                self.end = Some(End::Clean);
                Ok(())
            }
            Err(error) => {
                // The peer shall hear why, if it still listens.
                let alert = tls.sealed().filled();
                if let Ok(count) = write(&self.socket, self.under.as_mut(), alert) {
                    tls.sealed().consume(count);
                }
                Err(tls_error(error))
            }
        }
    }

    /// The bytes to be sent, for more to be added. Nothing leaves before [`Wire::flush`].
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Sends bytes from where they are, as far as the socket takes them now; the rest goes behind the output, and so does all of it where
    /// something is to be sent before, or where sending fails: flushing tells of that.
    pub(crate) fn send_or_keep(&mut self, mut bytes: &[u8]) {
        let is_ready = self.output.is_empty() && !self.wants_flush() && !self.broken;
        if is_ready && !bytes.is_empty() {
            match &mut self.tls {
                Some(tls) if tls.is_handshaking() => {}
                Some(tls) => {
                    if tls.seal(bytes).is_ok() {
                        self.is_patient = false;
                        let _ = self.flush();
                        return;
                    }
                }
                None => {
                    if let Ok(count) = self.socket.as_ref().write(bytes) {
                        bytes = bytes.get(count..).unwrap_or_default();
                    }
                }
            }
        }
        self.output.extend_from_slice(bytes);
    }

    /// Adds bytes that are secret. To be flushed before more is added: what grows leaves a copy behind.
    pub(crate) fn push_secret(&mut self, bytes: &[u8]) {
        self.output.reserve(bytes.len());
        self.output.extend_from_slice(bytes);
        self.is_secret = true;
    }

    /// Forgets what was to be sent.
    fn clear_output(&mut self) {
        if mem::take(&mut self.is_secret) {
            self.output.zeroize();
        }
        self.output.clear();
        self.sent = 0;
    }

    /// Sends what is to be sent, as far as the socket takes it. Tells whether anything left.
    ///
    /// # Errors
    /// A reset connection.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        let mut moved = false;
        while !self.broken {
            if let Some(tls) = &mut self.tls
                && !self.output.is_empty()
                && !tls.is_handshaking()
            {
                tls.seal(&self.output).map_err(tls_error)?;
                self.clear_output();
                self.is_patient = false;
            }
            if self.is_patient {
                return Ok(moved);
            }
            let pending = match &mut self.tls {
                Some(tls) => tls.sealed().filled(),
                None => self.output.get(self.sent..).unwrap_or_default(),
            };
            if pending.is_empty() {
                if let Some(under) = &mut self.under {
                    moved |= under.flush(&self.socket)?;
                }
                return Ok(moved);
            }
            match write(&self.socket, self.under.as_mut(), pending) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    moved = true;
                    self.mark_sent(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_retry(&error) => return Ok(moved),
                Err(error) => return Err(error),
            }
        }
        Ok(moved)
    }

    /// Takes bytes as sent.
    fn mark_sent(&mut self, count: usize) {
        match &mut self.tls {
            Some(tls) => tls.sealed().consume(count),
            None => {
                self.sent += count;
                if self.sent == self.output.len() {
                    self.clear_output();
                }
            }
        }
    }

    /// Whether something is still to be sent.
    pub(crate) fn wants_flush(&self) -> bool {
        if self.broken {
            return false;
        }
        if self.under.as_ref().is_some_and(|under| under.wants_flush()) {
            return true;
        }
        match &self.tls {
            Some(tls) => {
                (tls.has_sealed() && !self.is_patient)
                    || (!self.output.is_empty() && !tls.is_handshaking())
            }
            None => !self.output.is_empty(),
        }
    }

    /// Sends everything; waits while the socket is full.
    ///
    /// # Errors
    /// `TimedOut` at the deadline; a reset connection.
    pub(crate) fn flush_all(&mut self, deadline: Instant) -> io::Result<()> {
        loop {
            self.flush()?;
            if !self.wants_flush() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ErrorKind::TimedOut.into());
            }
            let interest = Interest {
                read: false,
                write: true,
            };
            self.wait(interest, None, deadline)?;
        }
    }

    /// Ends our sending, as the protocol wants it; the peer may go on. Only once everything is flushed.
    ///
    /// # Errors
    /// A reset connection.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if self.finished {
            return Ok(());
        }
        self.finished = true;
        self.say_end()?;
        self.socket.shutdown(Shutdown::Write)
    }

    /// Says that nothing more will be sent, where TLS is to say so.
    fn say_end(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.seal_end().map_err(tls_error)?;
            self.is_patient = false;
            self.flush()?;
        }
        let is_said = self.tls.as_ref().is_some_and(|tls| !tls.has_sealed());
        if let Some(under) = self.under.as_mut().filter(|_| is_said) {
            under.say_end(&self.socket)?;
        }
        Ok(())
    }

    /// Ends our sending, then reads and drops what the peer still sends, for a short while: closing a socket with unread input
    /// resets the connection, and the peer would lose our last answer (RFC 9112 section 9.6).
    pub(crate) fn close_gracefully(mut self) {
        let deadline = Instant::now() + Duration::from_secs(2);
        let said = self
            .flush_all(deadline)
            .and_then(|()| self.say_end())
            .and_then(|()| self.flush_all(deadline));
        // Where the peer has ended, too, closing the socket does the rest.
        if said.is_err() || self.end.is_some() || self.finish().is_err() {
            return;
        }
        let mut dropped = 0;
        while self.end.is_none() && dropped < 4 * 1024 * 1024 {
            dropped += self.input().len();
            self.consume(self.input().len());
            if self.wait_for_input(deadline).is_err() {
                return;
            }
        }
    }

    /// Ends the connection so that what was sent does not look whole: with TLS there is no close_notify, without TLS a reset.
    pub(crate) fn abort(self) {
        if self.tls.is_none() {
            socket::reset_on_close(&self.socket);
        }
    }

    /// Ends the connection by a reset: nothing else says that what was sent isn't whole, to peers that ask for no close_notify.
    pub(crate) fn reset(self) {
        socket::reset_on_close(&self.socket);
    }

    /// Whether the peer went away rather than only stopped sending: it ended TLS without saying so.
    pub(crate) fn is_gone(&self) -> bool {
        self.tls.is_some() && self.end == Some(End::Cut)
    }

    /// Whether so much waits to be used that reading pauses: then an end behind it is not seen by reading.
    pub(crate) fn is_full(&self) -> bool {
        self.end.is_none() && !self.has_room()
    }

    /// Whether the peer's sending has ended, be it behind input for which there is no room.
    pub(crate) fn has_ended(&self) -> bool {
        self.end.is_some() || self.is_full() && poll::has_ended(self.socket.as_fd())
    }

    /// Whether the peer has ended the connection itself, not just what it sends over it. Who ends TLS and only then its sending is done;
    /// without TLS, an end may be that of a request, whose answer is waited for.
    pub(crate) fn has_hung_up(&self) -> bool {
        self.tls.is_some() && self.has_ended() && poll::has_ended(self.socket.as_fd())
    }

    /// Whether the connection has failed, or the peer is gone without a word, although nothing is read from it for now.
    pub(crate) fn is_lost(&self) -> bool {
        poll::has_failed(self.socket.as_fd()) || socket::is_unanswered(&self.socket)
    }

    /// Whether the peer has, as far as it was read, neither ended nor sent anything that isn't used.
    pub(crate) fn is_clear(&self) -> bool {
        self.input().is_empty() && self.end.is_none()
    }

    /// Whether the peer has, as far as it was read, neither ended nor sent anything that isn't used, not even the beginning of a TLS record:
    /// its content would belong to no answer that was asked for.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.is_clear()
            && !self.tls.as_ref().is_some_and(|tls| tls.has_received())
            && !self
                .under
                .as_ref()
                .is_some_and(|under| under.has_received())
    }

    /// Whether an idle connection is good for another message: the peer has neither ended nor sent anything. A whole TLS record that
    /// is no data (a session ticket) is taken in.
    pub(crate) fn is_idle(&mut self) -> bool {
        for _ in 0..IDLE_READS {
            match self.receive() {
                Ok(true) if self.is_clear() => {}
                received => return received.is_ok() && self.is_at_rest(),
            }
        }
        false
    }
}

/// What to wait for on one side.
#[derive(Clone, Copy)]
pub(crate) struct Interest {
    /// More input.
    pub(crate) read: bool,
    /// Room for output.
    pub(crate) write: bool,
}

/// Waits until one of two sides is ready, something else can be read, or the deadline has passed; tells which.
///
/// # Errors
/// Those of poll(2).
pub(crate) fn wait(
    sides: [(&mut Wire, Interest); 2],
    other: Option<BorrowedFd<'_>>,
    deadline: Option<Instant>,
) -> io::Result<[bool; 3]> {
    let [(one, of_one), (two, of_two)] = sides;
    let readable = [one.is_readable(of_one), two.is_readable(of_two), false];
    let is_readable = readable != [false; 3];
    let brief = Instant::now() + if is_readable { Duration::ZERO } else { BRIEF };
    let brief = deadline.map_or(brief, |deadline| deadline.min(brief));
    let watches = [one.watch(of_one), two.watch(of_two), one.watch_other(other)];
    let ready = poll::wait(watches, Some(brief))?;
    if is_readable {
        let ([is_one, is_two, _], [one, two, other]) = (readable, ready);
        return Ok([is_one || one, is_two || two, other]);
    }
    if ready != [false; 3] || deadline == Some(brief) {
        return Ok(ready);
    }
    one.rest();
    two.rest();
    stack::give_back();
    let watches = [one.watch(of_one), two.watch(of_two), one.watch_other(other)];
    poll::wait(watches, deadline)
}

/// Sends bytes without blocking, through the outer TLS if there is one. Returns how many were taken.
fn write(
    mut socket: &TcpStream,
    under: Option<&mut Box<Under>>,
    bytes: &[u8],
) -> io::Result<usize> {
    match under {
        None => socket.write(bytes),
        Some(under) => under.write(socket, bytes),
    }
}

/// Whether the error only says "not now".
fn is_retry(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// A TLS failure as an I/O error.
fn tls_error(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// The TLS failure inside an I/O error.
pub(crate) fn tls_failure(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "loopback, in a test")]
    fn a_peer_that_has_reset_the_connection_is_who_it_was() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, from) = listener.accept().unwrap();
        let mut wire = Wire::accepted(Arc::new(socket), from.ip()).unwrap();
        socket::reset_on_close(&client);
        drop(client);
        let deadline = Instant::now() + Duration::from_secs(60);
        assert!(wire.wait_for_input(deadline).is_err() || wire.end.is_some());
        assert!(wire.socket.peer_addr().is_err());
        assert_eq!(wire.peer(), from.ip());
    }
}
