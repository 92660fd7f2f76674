//! Resolving a name, and connecting to the first of its addresses that answers (RFC 8305).

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use super::Error;
use super::lookups::Answer;
use super::resolution::Resolution;
use crate::slot::Slot;
use crate::url::Authority;

/// How long an address has before the next is tried beside it (RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Attempts to connect beside another, at once and in all, at the most: whoever names the host decides how many addresses it has,
/// and each that does not answer holds a thread.
const MAX_ATTEMPTS: usize = 256;

/// The stack of an attempt's thread.
const STACK: usize = 64 * 1024;

/// A result from another thread.
pub(super) enum Event {
    /// The answer to the question of this number.
    Answer(usize, Answer),
    /// The result of an attempt to connect.
    Attempt(io::Result<TcpStream>),
}

/// Filters resolved addresses by the egress policy, or says why none may be connected to. Connections go
/// to exactly these addresses: a name is never resolved a second time.
pub(super) type Judge<'a> = &'a dyn Fn(Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Error>;

/// Attempts at the known addresses of an authority, while more addresses may still be found.
struct Race<'a> {
    /// The authority, for errors.
    what: String,
    /// The egress policy.
    judge: Judge<'a>,
    /// The source of more addresses; none for an IP address.
    resolution: Option<Resolution>,
    /// Addresses still to try, the next one last.
    queue: Vec<SocketAddr>,
    /// All resolved addresses, tried or not.
    known: Vec<SocketAddr>,
    /// Number of attempts under way.
    pending: usize,
    /// Time at which another attempt may start beside those.
    next_attempt: Instant,
    /// Failure of the last attempt.
    failure: Option<io::Error>,
    /// First refusal by the egress policy.
    refused: Option<Error>,
    /// Sending end for attempts.
    sender: Sender<Event>,
    /// Results of attempts and questions.
    receiver: Receiver<Event>,
    /// End of all attempts.
    deadline: Instant,
}

/// Connects to the first address of an authority that answers, for a client or for authsome itself. The
/// next address is tried when the last has failed or is slow.
///
/// # Errors
/// When no address is found in time or permitted, or none answers: then the last failure.
pub(super) fn connect(
    target: &Authority,
    client: Option<IpAddr>,
    deadline: Instant,
    judge: Judge<'_>,
) -> Result<TcpStream, Error> {
    Race::new(target, client, deadline, judge)?.run()
}

/// Resolves an authority to one permitted address, for a client or for authsome itself.
///
/// # Errors
/// When no address is found in time, or none is permitted.
pub(super) fn resolve(
    target: &Authority,
    client: Option<IpAddr>,
    deadline: Instant,
    judge: Judge<'_>,
) -> Result<SocketAddr, Error> {
    let mut race = Race::new(target, client, deadline, judge)?;
    loop {
        let now = Instant::now();
        race.learn(now);
        if let Some(first) = race.queue.pop() {
            return Ok(first);
        }
        if now >= deadline || !race.may_learn(now) {
            return Err(race.failed());
        }
        race.wait(now);
    }
}

impl<'a> Race<'a> {
    /// Starts with the address that the host is, or starts to resolve its name.
    fn new(
        target: &Authority,
        client: Option<IpAddr>,
        deadline: Instant,
        judge: Judge<'a>,
    ) -> Result<Self, Error> {
        let (sender, receiver) = mpsc::channel();
        let (known, resolution) = match target.host.ip() {
            Some(ip) => (vec![SocketAddr::new(ip, target.port)], None),
            None => {
                let begun = Resolution::begin(target, client, deadline, sender.clone())?;
                (Vec::new(), Some(begun))
            }
        };
        let mut race = Self {
            what: target.to_string(),
            judge,
            resolution,
            queue: Vec::new(),
            known: Vec::new(),
            pending: 0,
            next_attempt: Instant::now(),
            failure: None,
            refused: None,
            sender,
            receiver,
            deadline,
        };
        race.add(known);
        Ok(race)
    }

    /// Runs until a connection is made.
    fn run(mut self) -> Result<TcpStream, Error> {
        loop {
            let now = Instant::now();
            self.learn(now);
            let may_learn = self.may_learn(now);
            let is_over = self.queue.is_empty() && self.pending == 0 && !may_learn;
            if now >= self.deadline || is_over {
                return Err(self.failed());
            }
            let is_due = self.pending == 0 || now >= self.next_attempt;
            if let Some(address) = self.queue.pop_if(|_| is_due) {
                let is_last = self.queue.is_empty() && self.pending == 0 && !may_learn;
                if let Some(socket) = self.attempt(address, is_last) {
                    return Ok(socket);
                }
                continue;
            }
            if let Some(socket) = self.wait(now) {
                return Ok(socket);
            }
        }
    }

    /// Tries an address on a thread of its own; on this thread if it is the last hope, or no thread is
    /// free.
    fn attempt(&mut self, address: SocketAddr, is_last: bool) -> Option<TcpStream> {
        let left = self
            .deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        if !is_last && attempt(address, left, &self.sender) {
            self.pending += 1;
            self.next_attempt = Instant::now() + ATTEMPT_DELAY;
            return None;
        }
        if self.pending > 0 {
            self.queue.push(address);
            self.next_attempt = Instant::now() + ATTEMPT_DELAY;
            return None;
        }
        // Half the remaining time if others must follow on this thread.
        let time = if is_last { left } else { left / 2 };
        match TcpStream::connect_timeout(&address, time) {
            Ok(socket) => Some(socket),
            Err(error) => {
                self.failure = Some(error);
                None
            }
        }
    }

    /// Starts due questions, and queues the addresses found by now.
    fn learn(&mut self, now: Instant) {
        let mut found = Vec::new();
        if let Some(resolution) = &mut self.resolution {
            resolution.ask_further(now);
            while let Some(more) = resolution.take(now) {
                found.push(more);
            }
        }
        for more in found {
            self.add(more);
        }
    }

    /// Returns whether more addresses may be found.
    fn may_learn(&self, now: Instant) -> bool {
        let resolution = self.resolution.as_ref();
        resolution.is_some_and(|resolution| resolution.is_open(now))
    }

    /// Queues the addresses that are new and permitted.
    fn add(&mut self, mut found: Vec<SocketAddr>) {
        found.retain(|address| !self.known.contains(address));
        if found.is_empty() {
            return;
        }
        self.known.extend(&found);
        match (self.judge)(found) {
            Ok(permitted) => {
                let mut all: Vec<_> = self.queue.drain(..).rev().collect();
                all.extend(permitted);
                self.queue = interleaved(all);
                self.queue.reverse();
            }
            Err(error) => self.refused = self.refused.take().or(Some(error)),
        }
    }

    /// Waits for the next event or due step. Returns the connection if the event is one.
    fn wait(&mut self, now: Instant) -> Option<TcpStream> {
        let mut until = self.deadline;
        if !self.queue.is_empty() {
            until = until.min(self.next_attempt);
        }
        let resolution = self.resolution.as_ref();
        if let Some(time) = resolution.and_then(|resolution| resolution.next(now)) {
            until = until.min(time);
        }
        match self
            .receiver
            .recv_timeout(until.saturating_duration_since(now))
        {
            Ok(Event::Attempt(Ok(socket))) => return Some(socket),
            Ok(Event::Attempt(Err(error))) => {
                self.pending = self.pending.saturating_sub(1);
                self.failure = Some(error);
                self.next_attempt = Instant::now();
            }
            Ok(Event::Answer(index, answer)) => {
                if let Some(resolution) = &mut self.resolution {
                    resolution.note(index, answer);
                }
            }
            Err(_) => {}
        }
        None
    }

    /// Returns the reason for which there is no connection.
    fn failed(self) -> Error {
        let timeout = || io::Error::from(io::ErrorKind::TimedOut);
        let failure = if self.pending > 0 || !self.queue.is_empty() {
            Some(timeout())
        } else {
            self.failure
        };
        match (failure, self.refused, self.resolution) {
            (Some(error), _, _) => Error::of_connect(&self.what, &error),
            (None, Some(refused), _) => refused,
            (None, None, Some(resolution)) => resolution.failure(),
            (None, None, None) => Error::of_connect(&self.what, &timeout()),
        }
    }
}

/// The addresses with their families taking turns, in the resolver's order otherwise.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    one.reverse();
    other.reverse();
    let mut mixed = Vec::new();
    while !one.is_empty() || !other.is_empty() {
        mixed.extend(one.pop());
        mixed.extend(other.pop());
    }
    mixed
}

/// Tries an address on a thread of its own; tells whether there was one to be had.
fn attempt(address: SocketAddr, time: Duration, sender: &Sender<Event>) -> bool {
    /// Attempts under way.
    static ATTEMPTS: AtomicUsize = AtomicUsize::new(0);

    let Some(slot) = Slot::take(&ATTEMPTS, MAX_ATTEMPTS) else {
        return false;
    };
    let sender = sender.clone();
    let connect = move || {
        let _slot = slot;
        // Another may have been first; then this one is closed.
        let _ = sender.send(Event::Attempt(TcpStream::connect_timeout(&address, time)));
    };
    thread::Builder::new()
        .name("connect".into())
        .stack_size(STACK)
        .spawn(connect)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn families_take_turns() {
        let list = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"];
        let mixed = interleaved(list.iter().map(|text| text.parse().unwrap()).collect());
        let text: Vec<String> = mixed.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]);
    }

    /// Connects to the first of these addresses that answers.
    fn connect(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Error> {
        let any = Authority::parse(b"127.0.0.1:1", None).unwrap();
        let judge = |_| Ok(addresses.to_vec());
        super::connect(&any, None, deadline, &judge)
    }

    /// A listener, and an address that refuses.
    fn open_and_refused() -> (TcpListener, SocketAddr) {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        (open, closed.local_addr().unwrap())
    }

    #[test]
    fn an_address_that_refuses_gives_way_to_the_next() {
        let (open, refused) = open_and_refused();
        let addresses = [refused, open.local_addr().unwrap()];
        let deadline = Instant::now() + Duration::from_secs(10);
        let socket = connect(&addresses, deadline).unwrap();
        assert_eq!(socket.peer_addr().unwrap(), open.local_addr().unwrap());
        let error = connect(&[refused, refused], deadline).unwrap_err();
        assert_eq!(error.kind, super::super::Kind::Refused);
    }

    #[test]
    fn a_name_with_very_many_addresses_is_connected_to_all_the_same() {
        let (open, refused) = open_and_refused();
        let mut addresses = vec![refused; 2000];
        addresses.push(open.local_addr().unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        let socket = connect(&addresses, deadline).unwrap();
        assert_eq!(socket.peer_addr().unwrap(), open.local_addr().unwrap());
    }
}
