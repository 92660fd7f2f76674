//! Whose the other side of a connection on loopback is. Any user of this machine can connect to it, and the address of a page may be
//! seen by all (in the arguments of the program that opens it); so on Linux the system is asked whose socket it is.

use std::io;
use std::net::SocketAddr;

#[cfg(target_os = "linux")]
use std::fs::File;
#[cfg(target_os = "linux")]
use std::io::Read;
#[cfg(target_os = "linux")]
use std::io::Seek;
#[cfg(target_os = "linux")]
use std::net::SocketAddrV4;
#[cfg(target_os = "linux")]
use std::sync::Mutex;
#[cfg(target_os = "linux")]
use std::sync::PoisonError;

#[cfg(target_os = "linux")]
use crate::sys::process;

/// The system's tables of connections: those of IPv4, and those of sockets for both that are used for IPv4.
#[cfg(target_os = "linux")]
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// The tables, open: when no further file can be opened, it must still be told whose a connection is.
#[cfg(target_os = "linux")]
pub(super) struct Owners(Vec<Mutex<File>>);

#[cfg(target_os = "linux")]
impl Owners {
    /// Opens the tables.
    ///
    /// # Errors
    /// When that of IPv4 can't be read: nobody would be heard. A system without IPv6 has none for that.
    pub(super) fn open() -> io::Result<Self> {
        let [first, second] = TABLES;
        let table = File::open(first).map_err(|error| {
            let text =
                format!("{first}, which tells whose connections are, can't be read: {error}");
            io::Error::new(error.kind(), text)
        })?;
        let tables = [Some(table), File::open(second).ok()];
        Ok(Self(tables.into_iter().flatten().map(Mutex::new).collect()))
    }

    /// Whether the other side is a process of this user, or of root: a port that is forwarded to this machine comes from a server of
    /// root's. What can't be found is somebody else's.
    pub(super) fn are_we(&self, peer: SocketAddr, own: SocketAddr) -> bool {
        let (SocketAddr::V4(peer), SocketAddr::V4(own)) = (peer, own) else {
            return false;
        };
        // A second time, since the table is no picture of one moment.
        let found = self.user_of(peer, own).or_else(|| self.user_of(peer, own));
        found.is_some_and(|user| user == 0 || user == process::user())
    }

    /// The user whose socket has these addresses as its own and its peer's.
    fn user_of(&self, own: SocketAddrV4, peer: SocketAddrV4) -> Option<u32> {
        self.0.iter().zip(["", MAPPED]).find_map(|(table, mapped)| {
            let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
            let mut text = String::new();
            // From its beginning: the system writes it anew.
            table.rewind().ok()?;
            table.read_to_string(&mut text).ok()?;
            drop(table);
            let (own, peer) = (shown(mapped, own), shown(mapped, peer));
            text.lines().find_map(|line| user_in(line, &own, &peer))
        })
    }
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

/// The user in a line of a table, if it is about this connection: `sl local remote st queues timer retransmits uid timeout inode`.
/// A socket that its process has closed (it has no inode any more) is shown as root's, whoever's it was.
#[cfg(target_os = "linux")]
fn user_in(line: &str, own: &str, peer: &str) -> Option<u32> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let is_it = words.next()? == own && words.next()? == peer;
    let user = words.nth(4).filter(|_| is_it)?;
    let inode = words.nth(1)?;
    user.parse().ok().filter(|_| inode != "0")
}

/// Elsewhere there is no such table.
#[cfg(not(target_os = "linux"))]
pub(super) struct Owners;

#[cfg(not(target_os = "linux"))]
impl Owners {
    /// Nothing to open.
    ///
    /// # Errors
    /// None.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self)
    }

    /// Nothing is known of it, and the unguessable path or state is what a stranger would have to know.
    pub(super) fn are_we(&self, _: SocketAddr, _: SocketAddr) -> bool {
        true
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

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
        let other = format!("{peer} {own}");
        assert_eq!(user_in(&line(&other, 1000, 7), &own, &peer), None);
        for cut in 0..line(&ours, 1000, 7).len() {
            let text: String = line(&ours, 1000, 7).chars().take(cut).collect();
            let _ = user_in(&text, &own, &peer);
        }
        assert_eq!(user_in("", &own, &peer), None);
    }
}
