//! Whose a socket is, asked of the kernel by sock_diag(7): one exact question and its answer, however many sockets there are.
#![deny(clippy::indexing_slicing)]

use std::io;
use std::net::SocketAddrV4;

use super::netlink::ERROR;
use super::netlink::HEADER;
use super::netlink::Netlink;
use super::netlink::REQUEST;

/// NETLINK_SOCK_DIAG of linux/netlink.h.
const SOCK_DIAG: libc::c_int = 4;
/// SOCK_DIAG_BY_FAMILY of linux/sock_diag.h: the type of questions and of their answers.
const BY_FAMILY: u16 = 20;
/// TCP_SYN_SENT of net/tcp_states.h.
const SYN_SENT: u8 = 2;

/// Bytes of a question: the header and an inet_diag_req_v2.
const QUESTION: usize = HEADER + 56;
/// Where an inet_diag_sockid stands in an answer, behind family, state, timer and retransmits.
const ID: usize = HEADER + 4;
/// Where expires, two queues, uid and inode stand in an answer: behind the inet_diag_sockid.
const REST: usize = ID + 48;

/// Whose a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The user that made it; whoever that was, root for some whose process has closed them.
    pub(crate) user: u32,
    /// Its file's number; none once its process has closed it.
    pub(crate) inode: u32,
}

/// A socket to the kernel, open as long as it may be needed: there may be no other descriptor then.
pub(crate) struct SockDiag {
    /// It.
    socket: Netlink,
    /// The number of the last question.
    last: u32,
}

impl SockDiag {
    /// Opens it.
    ///
    /// # Errors
    /// When the kernel has no such thing, or it is forbidden. That it can be opened doesn't say that it answers.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = Netlink::open(SOCK_DIAG)?;
        Ok(Self { socket, last: 0 })
    }

    /// The owner of the TCP socket with these addresses as its own and its peer's; of a listening one where the peer's are all zero.
    ///
    /// # Errors
    /// `NotFound` when there is none (or the kernel knows nothing of TCP here); those of asking.
    pub(crate) fn owner(&mut self, own: SocketAddrV4, peer: SocketAddrV4) -> io::Result<Owner> {
        self.last = self.last.wrapping_add(1);
        let question = question(self.last, own, peer);
        self.socket.send(&question)?;
        loop {
            let answer = self.socket.receive()?;
            // One to an earlier question, whose reading failed, is passed over.
            if number(&answer, 8) == Some(self.last) {
                return read(&answer, own, peer);
            }
        }
    }
}

/// A nlmsghdr and an inet_diag_req_v2 (linux/inet_diag.h).
fn question(number: u32, own: SocketAddrV4, peer: SocketAddrV4) -> [u8; QUESTION] {
    let mut bytes = Vec::with_capacity(QUESTION);
    let length = u32::try_from(QUESTION).unwrap_or(0);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST.to_ne_bytes());
    bytes.extend(number.to_ne_bytes());
    bytes.extend([0; 4]);
    let byte = |number: libc::c_int| u8::try_from(number).unwrap_or(0);
    bytes.extend([byte(libc::AF_INET), byte(libc::IPPROTO_TCP), 0, 0]);
    // In any state.
    bytes.extend([0xff; 4]);
    bytes.extend(ports(own, peer));
    for address in [own, peer] {
        bytes.extend(address.ip().octets());
        bytes.extend([0; 12]);
    }
    // On any interface; INET_DIAG_NOCOOKIE.
    bytes.extend([0; 4]);
    bytes.extend([0xff; 8]);
    let mut question = [0; QUESTION];
    for (to, from) in question.iter_mut().zip(bytes) {
        *to = from;
    }
    question
}

/// Both ports as an inet_diag_sockid begins.
fn ports(own: SocketAddrV4, peer: SocketAddrV4) -> impl Iterator<Item = u8> {
    let ports = [own.port(), peer.port()];
    ports.into_iter().flat_map(u16::to_be_bytes)
}

/// Reads an answer: an inet_diag_msg about these addresses, or an error.
fn read(answer: &[u8], own: SocketAddrV4, peer: SocketAddrV4) -> io::Result<Owner> {
    let unclear = || io::Error::other("the kernel's answer can't be read");
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok());
    let kind = u16::from_ne_bytes(kind.ok_or_else(unclear)?);
    if kind == ERROR {
        let code = number(answer, HEADER).ok_or_else(unclear)?;
        return Err(io::Error::from_raw_os_error(
            code.cast_signed().wrapping_neg(),
        ));
    }
    let state = *answer.get(HEADER + 1).ok_or_else(unclear)?;
    let id = answer.get(ID..REST).ok_or_else(unclear)?;
    // A listening socket is answered where no connected one is found: only what was asked for counts.
    let is_it = kind == BY_FAMILY
        && id.iter().take(4).copied().eq(ports(own, peer))
        && [(4, own), (20, peer)].iter().all(|(at, address)| {
            let bytes = id.get(*at..*at + 16).unwrap_or_default();
            is_address(bytes, *address)
        });
    if !is_it || state == SYN_SENT {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(Owner {
        user: number(answer, REST + 12).ok_or_else(unclear)?,
        inode: number(answer, REST + 16).ok_or_else(unclear)?,
    })
}

/// Whether the sixteen bytes are this address: as it is, or mapped into IPv6 where the socket is one for both (RFC 4291 section
/// 2.5.5.2).
fn is_address(bytes: &[u8], address: SocketAddrV4) -> bool {
    let mapped = address.ip().to_ipv6_mapped().octets();
    let plain = address.ip().octets();
    bytes == mapped || bytes.starts_with(&plain) && bytes.iter().skip(4).all(|byte| *byte == 0)
}

/// A number of 32 bits, as this machine has it.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(four.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::net::SocketAddr;
    use std::net::TcpListener;
    use std::net::TcpStream;

    use super::*;
    use crate::sys::process;

    /// An address of a socket.
    fn v4(address: io::Result<SocketAddr>) -> SocketAddrV4 {
        match address.unwrap() {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(address) => SocketAddrV4::new(
                address.ip().to_ipv4_mapped().expect("one of IPv4"),
                address.port(),
            ),
        }
    }

    /// Addresses for answers that are made up.
    fn addresses() -> [SocketAddrV4; 2] {
        [(1, 4660), (2, 80)]
            .map(|(last, port)| SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), port))
    }

    /// An answer about them.
    fn answer(kind: u16, state: u8, mapped: bool) -> Vec<u8> {
        let [own, peer] = addresses();
        let mut bytes = question(1, own, peer);
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        let mut bytes = bytes[..HEADER].to_vec();
        bytes.extend([2, state, 0, 0]);
        bytes.extend(ports(own, peer));
        for address in [own, peer] {
            if mapped {
                bytes.extend(address.ip().to_ipv6_mapped().octets());
            } else {
                bytes.extend(address.ip().octets());
                bytes.extend([0; 12]);
            }
        }
        bytes.extend([0; 24]);
        bytes.extend(1000_u32.to_ne_bytes());
        bytes.extend(7_u32.to_ne_bytes());
        bytes
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "loopback, in a test")]
    fn the_kernel_tells_whose_each_end_is_and_nothing_of_what_is_not_there() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let Ok(mut diag) = SockDiag::open() else {
            return; // where it is forbidden
        };
        for address in ["127.0.0.1", "::ffff:127.0.0.1"] {
            let client = TcpStream::connect((address, port)).unwrap();
            let (own, peer) = (v4(client.local_addr()), v4(client.peer_addr()));
            let found = diag.owner(own, peer).unwrap();
            assert_eq!(found.user, process::user(), "{address}");
            assert!(found.inode > 0, "{address}");
            let other = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 9), own.port());
            let error = diag.owner(other, peer).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{address}");
        }
        // Where nobody is connected from it, the listener itself must not be taken for what was asked.
        let own = v4(listener.local_addr());
        let error = diag.owner(own, addresses()[0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn an_answer_counts_only_for_what_was_asked() {
        let [own, peer] = addresses();
        let owner = Owner {
            user: 1000,
            inode: 7,
        };
        for mapped in [false, true] {
            let good = answer(BY_FAMILY, 1, mapped);
            assert_eq!(read(&good, own, peer).unwrap(), owner);
            assert!(read(&good, peer, own).is_err());
            for cut in 0..good.len() {
                assert!(read(&good[..cut], own, peer).is_err(), "{cut}");
            }
            // One that has only begun to connect is no other end of a connection.
            assert!(read(&answer(BY_FAMILY, SYN_SENT, mapped), own, peer).is_err());
        }
        assert!(read(&answer(3, 1, false), own, peer).is_err());
    }
}
