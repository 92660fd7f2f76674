//! Whose the other side of a connection on loopback is. Any user of this machine can connect to a port there, and a port or an address
//! may be seen by all (in the arguments of a program that gets it); so on Linux the system is asked whose socket it is.

use std::io;
use std::net::TcpListener;
use std::net::TcpStream;

use crate::notice::Notices;
use crate::sys::process;

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

/// The OS users that a listener serves: the one it is for, and root only where that was asked for. Root connects on behalf of others
/// too (a proxy started with `--user`, a port forwarder, a setuid program), so no listener of another user's admits it by default.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "only Linux says whose a connection is")
)]
pub(crate) struct Admission {
    /// The uid that the listener is for.
    pub(crate) user: u32,
    /// Whether root is admitted beside it (`--admit-root`).
    pub(crate) root: bool,
}

impl Admission {
    /// Returns the admission of this process's own user; of root too where `root` says so.
    pub(crate) fn own(root: bool) -> Self {
        let user = process::user();
        Self { user, root }
    }

    /// Returns whether this user is admitted.
    #[cfg(target_os = "linux")]
    fn includes(self, user: u32) -> bool {
        user == self.user || self.root && user == 0
    }

    /// Returns whether other users could look like an admitted one.
    #[cfg(target_os = "linux")]
    fn is_ambiguous(self) -> bool {
        is_shared(self.user) || self.root && is_shared(0)
    }

    /// Returns the warning for a user who tried to use `place` and isn't admitted.
    #[cfg(target_os = "linux")]
    fn refusal(self, user: u32, place: &str) -> String {
        let name = if user == 0 { " (root)" } else { "" };
        let beside = if self.root && self.user != 0 {
            " and root"
        } else {
            ""
        };
        let remedy = match user {
            0 => {
                "; --admit-root (`run`, `login`) admits root, for a port that is forwarded here, a browser on Windows (WSL) or a root shell"
            }
            _ => "",
        };
        format!(
            "a program of user {user}{name} tried to use {place} and was refused: it is for user {}{beside} only{remedy}",
            self.user
        )
    }
}

/// The other side of a connection, as far as the system knows it.
#[derive(Debug)]
#[cfg(target_os = "linux")]
enum Peer {
    /// One of those who may connect.
    Admitted,
    /// Another user, of this number.
    Stranger(u32),
    /// Nobody any more: the socket was closed, and nothing can be answered.
    Gone,
    /// It can't be found out, for this reason.
    Unknown(io::Error),
}

/// Finds out who connects to a listener, and admits those whom it serves.
///
/// Whatever tells whose a connection is stays open: it must be told also when no further file can be opened.
#[cfg(target_os = "linux")]
pub(crate) struct Peers {
    /// Answers at once.
    diag: Option<Mutex<SockDiag>>,
    /// The system's tables, for where that isn't to be had. Each is written anew, as a whole, for each look at it.
    tables: Vec<(Mutex<File>, &'static str)>,
    /// Who may connect.
    admission: Admission,
}

/// The system's tables of connections, and what stands before an address there: those of IPv4, and those of sockets for both that are
/// used for IPv4.
#[cfg(target_os = "linux")]
const TABLES: [(&str, &str); 2] = [("/proc/net/tcp", ""), ("/proc/net/tcp6", MAPPED)];

#[cfg(target_os = "linux")]
impl Peers {
    /// Those of a listener on 127.0.0.1.
    ///
    /// # Errors
    /// When there is no way to find out who connects: nobody would be heard. `Unsupported` where the system has none, or others look
    /// like those who may.
    pub(crate) fn of(listener: &TcpListener, admission: Admission) -> io::Result<Self> {
        if admission.is_ambiguous() {
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
            admission,
        })
    }

    /// Returns whether an accepted connection may be served; a warning says why one isn't. `place` names the listener in it. To be
    /// asked before anything is read or sent.
    pub(crate) fn admit(&self, socket: &TcpStream, place: &str, notices: &Notices) -> bool {
        match self.judge(socket) {
            Peer::Admitted => true,
            Peer::Stranger(user) => {
                notices.warn(self.admission.refusal(user, place));
                false
            }
            // Nobody would get an answer.
            Peer::Gone => false,
            Peer::Unknown(error) => {
                notices.warn(format!(
                    "a connection to {place} was closed, since it can't be found out whose it is: {error}"
                ));
                false
            }
        }
    }

    /// Whose the other side is of a connection that the listener has accepted.
    fn judge(&self, socket: &TcpStream) -> Peer {
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
            Ok(Some(user)) if self.admission.includes(user) => Peer::Admitted,
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
    pub(crate) fn of(_: &TcpListener, _: Admission) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Returns false: nothing is known of the connection.
    pub(crate) fn admit(&self, _: &TcpStream, _: &str, _: &Notices) -> bool {
        false
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
        let own = Admission::own(false);
        let diag = Peers::of(&listener, own).unwrap();
        // Where it can be opened at all it is what is used.
        assert_eq!(diag.diag.is_some(), SockDiag::open().is_ok());
        let tables = Peers {
            diag: None,
            ..Peers::of(&listener, own).unwrap()
        };
        let other = Admission {
            user: own.user + 1,
            root: own.user != 0,
        };
        let nobody = Peers::of(&listener, other).unwrap();
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
                // A program that another test has just started holds the socket, too, until it is that program.
                while !matches!(peers.judge(&accepted), Peer::Gone) {
                    std::thread::yield_now();
                }
            }
        }
    }

    #[test]
    fn root_is_admitted_only_where_that_was_asked_for() {
        let admission = |root| Admission { user: 1000, root };
        for (user, by_default, with_root) in [
            (1000, true, true),
            (0, false, true),
            (1001, false, false),
            (65_534, false, false),
        ] {
            assert_eq!(admission(false).includes(user), by_default, "{user}");
            assert_eq!(admission(true).includes(user), with_root, "{user}");
        }
        let text = admission(false).refusal(0, "the proxy");
        assert!(text.starts_with("a program of user 0 (root) tried to use the proxy"));
        assert!(text.contains("for user 1000 only; --admit-root"), "{text}");
        let text = admission(true).refusal(1001, "the proxy");
        assert!(text.ends_with("for user 1000 and root only"), "{text}");
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
