//! Resolving a name, and connecting to the first of its addresses that answers (RFC 8305).

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::ToSocketAddrs;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use super::Error;
use super::Kind;
use super::lookups::Lookups;
use crate::slot::Slot;
use crate::sys::resolver;
use crate::url::Authority;

/// How long an address has before the next is tried beside it (RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Attempts to connect beside another, at once and in all, at the most: whoever names the host decides how many addresses it has,
/// and each that does not answer holds a thread.
const MAX_ATTEMPTS: usize = 256;

/// The stack of an attempt's thread.
const STACK: usize = 64 * 1024;

/// The addresses of an authority that this client wants, or authsome itself, families interleaved
/// (RFC 8305 section 4). Names are resolved on a thread of their own, since the system's resolver
/// has no deadline.
///
/// # Errors
/// When there are none, or not in time.
pub(super) fn resolve(
    target: &Authority,
    client: Option<IpAddr>,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, Error> {
    /// Lookups under way.
    static LOOKUPS: Lookups = Lookups::new();

    if let Some(ip) = target.host.ip() {
        return Ok(vec![SocketAddr::new(ip, target.port)]);
    }
    let failed = |kind, why: &str| Error::new(kind, format!("{}: {why}", target.host));
    let Some(place) = LOOKUPS.take(client, &target.host, deadline) else {
        let why = "too many names are being resolved";
        return Err(failed(Kind::DnsTimeout, why));
    };
    let (sender, receiver) = mpsc::channel();
    let query = (target.host.as_str().to_owned(), target.port);
    let lookup = move || {
        let _place = place;
        let found = of_either_family(&query.0, query.1);
        // Nobody listens any more when it took too long.
        let _ = sender.send(found);
    };
    if thread::Builder::new()
        .name("resolve".into())
        .spawn(lookup)
        .is_err()
    {
        return Err(failed(Kind::DnsError, "no thread to resolve it"));
    }
    let left = deadline.saturating_duration_since(Instant::now());
    match receiver.recv_timeout(left) {
        Ok(Ok(found)) if !found.is_empty() => Ok(interleaved(found)),
        Ok(Ok(_)) => Err(failed(Kind::DnsError, "the name has no address")),
        Ok(Err(error)) => Err(failed(
            Kind::DnsError,
            &format!("cannot be resolved: {error}"),
        )),
        Err(_) => Err(failed(Kind::DnsTimeout, "resolving it took too long")),
    }
}

/// What the system's resolver knows of a name.
fn of_either_family(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = (host, port).to_socket_addrs().map(Iterator::collect);
    if !cfg!(target_env = "musl") || found.is_ok() {
        return found;
    }
    // musl's takes one name server's word that the name isn't there, asked for IPv6, for both families, and some say that of names that
    // have IPv4 addresses only.
    let fours: Vec<_> = resolver::ipv4(host)
        .into_iter()
        .map(|ip| SocketAddr::new(ip.into(), port))
        .collect();
    if fours.is_empty() { found } else { Ok(fours) }
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

/// Connects to the first address that answers, starting a further one whenever the last has failed or had its time.
///
/// # Errors
/// The last failure, when none answers; `TimedOut` at the deadline.
pub(super) fn connect(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let left = || {
        deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1))
    };
    if let [only] = addresses {
        return TcpStream::connect_timeout(only, left());
    }
    let (sender, receiver) = mpsc::channel();
    let mut pending = 0;
    let mut queue = addresses.iter().copied().peekable();
    let mut failure = io::Error::from(io::ErrorKind::TimedOut);
    loop {
        let is_last = match queue.peek() {
            Some(address) if attempt(*address, left(), &sender) => {
                queue.next();
                pending += 1;
                false
            }
            Some(_) if pending == 0 && Instant::now() >= deadline => return Err(failure),
            // No thread is to be had: on this one, in turn. Half the time that is left, since it can't be tried beside others.
            Some(address) if pending == 0 => {
                match TcpStream::connect_timeout(address, left() / 2) {
                    Ok(socket) => return Ok(socket),
                    Err(error) => failure = error,
                }
                queue.next();
                continue;
            }
            None if pending == 0 => return Err(failure),
            Some(_) => false,
            None => true,
        };
        let wait = if is_last {
            left()
        } else {
            ATTEMPT_DELAY.min(left())
        };
        match receiver.recv_timeout(wait) {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => {
                pending -= 1;
                failure = error;
            }
            Err(_) if Instant::now() >= deadline => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(_) => {}
        }
    }
}

/// Tries an address on a thread of its own; tells whether there was one to be had.
fn attempt(address: SocketAddr, time: Duration, sender: &Sender<io::Result<TcpStream>>) -> bool {
    /// Attempts under way.
    static ATTEMPTS: AtomicUsize = AtomicUsize::new(0);

    let Some(slot) = Slot::take(&ATTEMPTS, MAX_ATTEMPTS) else {
        return false;
    };
    let sender = sender.clone();
    let connect = move || {
        let _slot = slot;
        // Another may have been first; then this one is closed.
        let _ = sender.send(TcpStream::connect_timeout(&address, time));
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
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
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
