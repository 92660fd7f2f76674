//! Whose the other side of a connection on loopback is. Any user of this machine can connect to a port there, and a port or an address
//! may be seen by all (in the arguments of a program that gets it); so on Linux the system is asked whose socket it is.

use std::io;
use std::net::TcpListener;
use std::net::TcpStream;

#[cfg(target_os = "linux")]
use std::fs;
#[cfg(target_os = "linux")]
use std::fs::File;
#[cfg(target_os = "linux")]
use std::io::Read;
#[cfg(target_os = "linux")]
use std::io::Seek;
#[cfg(target_os = "linux")]
use std::net::Ipv4Addr;
#[cfg(target_os = "linux")]
use std::net::SocketAddr;
#[cfg(target_os = "linux")]
use std::net::SocketAddrV4;
#[cfg(target_os = "linux")]
use std::sync::Mutex;
#[cfg(target_os = "linux")]
use std::sync::PoisonError;

#[cfg(target_os = "linux")]
use crate::sys::diag::Owner;
#[cfg(target_os = "linux")]
use crate::sys::diag::SockDiag;
#[cfg(target_os = "linux")]
use crate::sys::process;

/// Who is at the other side of a connection.
#[derive(Debug)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nothing tells there who it is")
)]
pub(crate) enum Peer {
    /// One of those who may connect.
    Admitted,
    /// Another user, of this number.
    Stranger(u32),
    /// Nobody any more: the socket was closed, and nothing can be answered.
    Gone,
    /// It can't be found out, for this reason.
    Unknown(io::Error),
}

/// Who may connect to a listener: this user, root (a port that is forwarded to this machine comes from a server of root's), and those
/// that are named besides.
///
/// Whatever tells whose a connection is stays open: it must be told also when no further file can be opened.
#[cfg(target_os = "linux")]
pub(crate) struct Peers {
    /// Answers at once.
    diag: Option<Mutex<SockDiag>>,
    /// The system's tables, for where that isn't to be had. Each is written anew, as a whole, for each look at it.
    tables: Vec<(Mutex<File>, &'static str)>,
    /// Who may connect.
    admitted: Vec<u32>,
}

/// The system's tables of connections, and what stands before an address there: those of IPv4, and those of sockets for both that are
/// used for IPv4.
#[cfg(target_os = "linux")]
const TABLES: [(&str, &str); 2] = [("/proc/net/tcp", ""), ("/proc/net/tcp6", MAPPED)];

#[cfg(target_os = "linux")]
impl Peers {
    /// Those of a listener on 127.0.0.1; `besides` may connect, too.
    ///
    /// # Errors
    /// When there is no way to find out who connects: nobody would be heard. `Unsupported` where the system has none, or others look
    /// like those who may.
    pub(crate) fn of(listener: &TcpListener, besides: Option<u32>) -> io::Result<Self> {
        let own = [0, process::user()];
        let admitted: Vec<u32> = own.into_iter().chain(besides).collect();
        if admitted.iter().any(|user| is_shared(*user)) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let diag = SockDiag::open()
            .ok()
            .and_then(|diag| proven(diag, listener));
        let mut tables = Vec::new();
        for (path, mapped) in TABLES {
            match File::open(path) {
                Ok(table) => tables.push((Mutex::new(table), mapped)),
                // A system without IPv6 has no second one.
                Err(error) if diag.is_none() && tables.is_empty() => {
                    let text = format!(
                        "{path}, which tells whose connections are, can't be read: {error}"
                    );
                    return Err(io::Error::new(error.kind(), text));
                }
                Err(_) => break,
            }
        }
        Ok(Self {
            diag: diag.map(Mutex::new),
            tables,
            admitted,
        })
    }

    /// Whose the other side is of a connection that the listener has accepted.
    pub(crate) fn judge(&self, socket: &TcpStream) -> Peer {
        let addresses = (socket.peer_addr(), socket.local_addr());
        let (Ok(SocketAddr::V4(peer)), Ok(SocketAddr::V4(own))) = addresses else {
            return Peer::Gone; // reset already
        };
        // A second time, since a table is no picture of one moment.
        let found = match self.user_of(peer, own) {
            Ok(Some(user)) => Ok(Some(user)),
            _ => self.user_of(peer, own),
        };
        // What was reset meanwhile has left its addresses to whoever connects from them next.
        if socket.peer_addr().is_err() {
            return Peer::Gone;
        }
        match found {
            Ok(Some(user)) if self.admitted.contains(&user) => Peer::Admitted,
            Ok(Some(user)) => Peer::Stranger(user),
            Ok(None) => Peer::Gone,
            Err(error) => Peer::Unknown(error),
        }
    }

    /// The user whose socket has these addresses as its own and its peer's; `None` when there is no such socket that a process holds.
    fn user_of(&self, own: SocketAddrV4, peer: SocketAddrV4) -> io::Result<Option<u32>> {
        let mut failed = None;
        if let Some(diag) = &self.diag {
            let mut diag = diag.lock().unwrap_or_else(PoisonError::into_inner);
            match diag.owner(own, peer) {
                Ok(owner) => return Ok(holder(owner)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => failed = Some(error),
            }
        }
        for (table, mapped) in &self.tables {
            let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
            let mut text = String::new();
            // From its beginning: the system writes it anew.
            table.rewind()?;
            table.read_to_string(&mut text)?;
            drop(table);
            let (own, peer) = (shown(mapped, own), shown(mapped, peer));
            if let Some(owner) = text.lines().find_map(|line| owner_in(line, &own, &peer)) {
                return Ok(holder(owner));
            }
        }
        match failed {
            Some(error) if self.tables.is_empty() => Err(error),
            _ => Ok(None),
        }
    }
}

/// Whether others may look like this user: in a user namespace (user_namespaces(7)) all who have no number there are shown under one.
#[cfg(target_os = "linux")]
fn is_shared(user: u32) -> bool {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let overflow = read("/proc/sys/kernel/overflowuid");
    let overflow: u32 = overflow.trim().parse().unwrap_or(65_534);
    let map = read("/proc/self/uid_map");
    let maps_all = map.split_ascii_whitespace().eq(["0", "0", "4294967295"]);
    user == overflow && !maps_all
}

/// The socket to the kernel, if it tells whose the listener is: some systems have one that doesn't know TCP, and "not found" would be
/// its answer to everything.
#[cfg(target_os = "linux")]
fn proven(mut diag: SockDiag, listener: &TcpListener) -> Option<SockDiag> {
    let SocketAddr::V4(own) = listener.local_addr().ok()? else {
        return None;
    };
    let nobody = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    let found = diag.owner(own, nobody).ok()?;
    (holder(found) == Some(process::user())).then_some(diag)
}

/// The user whose process holds a socket. One that its process has closed (it has no inode any more) is shown as root's, whoever's it
/// was.
#[cfg(target_os = "linux")]
fn holder(owner: Owner) -> Option<u32> {
    (owner.inode != 0).then_some(owner.user)
}

/// What stands before an IPv4 address in the table for IPv6 (RFC 4291 section 2.5.5.2), as four-byte numbers of this machine.
#[cfg(all(target_os = "linux", target_endian = "little"))]
const MAPPED: &str = "0000000000000000FFFF0000";
/// What stands before an IPv4 address in the table for IPv6 (RFC 4291 section 2.5.5.2), as four-byte numbers of this machine.
#[cfg(all(target_os = "linux", target_endian = "big"))]
const MAPPED: &str = "00000000000000000000FFFF";

/// An address as a table has it: the bytes as one number of this machine, then the port.
#[cfg(target_os = "linux")]
fn shown(mapped: &str, address: SocketAddrV4) -> String {
    let number = u32::from_ne_bytes(address.ip().octets());
    format!("{mapped}{number:08X}:{:04X}", address.port())
}

/// A socket that has only begun to connect, in a table: no other end of a connection.
#[cfg(target_os = "linux")]
const SYN_SENT: &str = "02";

/// The socket in a line of a table, if it is that of this connection: `sl local remote st queues timer retransmits uid timeout inode`.
#[cfg(target_os = "linux")]
fn owner_in(line: &str, own: &str, peer: &str) -> Option<Owner> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let is_it = words.next()? == own && words.next()? == peer;
    words.next().filter(|state| is_it && *state != SYN_SENT)?;
    let user = words.nth(3)?.parse().ok()?;
    let inode = words.nth(1)?.parse().ok()?;
    Some(Owner { user, inode })
}

/// Elsewhere nothing tells.
#[cfg(not(target_os = "linux"))]
pub(crate) struct Peers;

#[cfg(not(target_os = "linux"))]
impl Peers {
    /// None.
    ///
    /// # Errors
    /// `Unsupported`.
    pub(crate) fn of(_: &TcpListener, _: Option<u32>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Nothing is known of it.
    pub(crate) fn judge(&self, _: &TcpStream) -> Peer {
        Peer::Unknown(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// The user in a line, if a process holds the socket.
    fn user_in(line: &str, own: &str, peer: &str) -> Option<u32> {
        owner_in(line, own, peer).and_then(holder)
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "loopback, in a test")]
    fn both_ways_of_finding_out_tell_the_same() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let diag = Peers::of(&listener, None).unwrap();
        // Where it can be opened at all it is what is used.
        assert_eq!(diag.diag.is_some(), SockDiag::open().is_ok());
        let tables = Peers {
            diag: None,
            ..Peers::of(&listener, None).unwrap()
        };
        let nobody = Peers {
            admitted: Vec::new(),
            ..Peers::of(&listener, None).unwrap()
        };
        for address in ["127.0.0.1", "::ffff:127.0.0.1"] {
            let client = TcpStream::connect((address, port)).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            for peers in [&diag, &tables] {
                let judged = peers.judge(&accepted);
                assert!(matches!(judged, Peer::Admitted), "{address} {judged:?}");
            }
            let judged = nobody.judge(&accepted);
            assert!(matches!(judged, Peer::Stranger(user) if user == process::user()));
            drop(client);
            for peers in [&diag, &tables] {
                let judged = peers.judge(&accepted);
                assert!(matches!(judged, Peer::Gone), "{address} {judged:?}");
            }
        }
    }

    #[test]
    fn a_line_tells_whose_the_socket_is_unless_it_was_closed() {
        let address = |text: &str| shown("", text.parse().unwrap());
        let (own, peer) = (address("127.0.0.1:4660"), address("127.0.0.1:80"));
        #[cfg(target_endian = "little")]
        assert_eq!((&*own, &*peer), ("0100007F:1234", "0100007F:0050"));
        let line = |addresses: &str, user: u32, inode: u32| {
            format!(
                "   1: {addresses} 01 00000000:00000000 00:00000000 00000000  {user}        0 {inode} 1 0000000000000000 20 4 0 10 -1"
            )
        };
        let ours = format!("{own} {peer}");
        assert_eq!(user_in(&line(&ours, 1000, 7), &own, &peer), Some(1000));
        assert_eq!(user_in(&line(&ours, 0, 7), &own, &peer), Some(0));
        assert_eq!(user_in(&line(&ours, 0, 0), &own, &peer), None);
        let begun = line(&ours, 1000, 7).replace(" 01 ", " 02 ");
        assert_eq!(user_in(&begun, &own, &peer), None);
        let other = format!("{peer} {own}");
        assert_eq!(user_in(&line(&other, 1000, 7), &own, &peer), None);
        for cut in 0..line(&ours, 1000, 7).len() {
            let text: String = line(&ours, 1000, 7).chars().take(cut).collect();
            let _ = user_in(&text, &own, &peer);
        }
        assert_eq!(user_in("", &own, &peer), None);
    }
}
