//! Whether an address is delivered to this machine itself, asked of the kernel's routing tables by
//! rtnetlink(7).
#![deny(clippy::indexing_slicing)]

use std::io;
use std::net::IpAddr;
#[cfg(target_os = "linux")]
use std::net::Ipv4Addr;
#[cfg(target_os = "linux")]
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;

/// Returns whether the system delivers what is sent to an address to this machine itself: addresses
/// of its interfaces, loopback, and whatever else its routing tables keep here.
///
/// # Errors
/// When nothing can tell.
pub(crate) fn is_local(address: SocketAddr) -> io::Result<bool> {
    let ip = address.ip().to_canonical();
    #[cfg(target_os = "linux")]
    if let Some(answer) = told_by(ip, |ip| question::is_local(ip, address.port())) {
        return Ok(answer);
    }
    can_be_bound_to(ip)
}

/// Returns the answer of routing tables that tell this machine's addresses from those of its
/// networks. Those of gVisor don't, and have no local routes, not even for loopback.
#[cfg(target_os = "linux")]
fn told_by(ip: IpAddr, ask: impl Fn(IpAddr) -> io::Result<bool>) -> Option<bool> {
    let loopback = match ip {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    let answer = ask(ip).ok()?;
    let is_known = answer || ask(loopback).is_ok_and(|is_local| is_local);
    is_known.then_some(answer)
}

/// Returns whether a socket can be bound to an address, which a system allows for its own only. Of
/// IPv6 networks that are routed here as a whole Linux allows it for the addresses of interfaces
/// alone.
///
/// # Errors
/// When binding fails for another reason.
fn can_be_bound_to(ip: IpAddr) -> io::Result<bool> {
    match UdpSocket::bind((ip, 0)) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error() {
            // Without a family there is nothing of it that could be reached.
            Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT) => Ok(false),
            _ => Err(error),
        },
    }
}

/// The question to the kernel.
#[cfg(target_os = "linux")]
mod question {
    use std::io;
    use std::net::IpAddr;

    use crate::sys::netlink::ERROR;
    use crate::sys::netlink::HEADER;
    use crate::sys::netlink::Netlink;
    use crate::sys::netlink::REQUEST;

    /// RTA_IP_PROTO of linux/rtnetlink.h.
    const IP_PROTO: u16 = 27;
    /// RTA_DPORT of linux/rtnetlink.h.
    const DPORT: u16 = 29;
    /// Where rtm_type stands in an answer: the eighth byte of its rtmsg.
    const TYPE: usize = HEADER + 7;

    /// Returns whether the route of an address ends at this machine.
    ///
    /// # Errors
    /// When netlink isn't available, or doesn't answer this question.
    pub(super) fn is_local(ip: IpAddr, port: u16) -> io::Result<bool> {
        let socket = Netlink::open(libc::NETLINK_ROUTE)?;
        socket.send(&question(ip, port))?;
        read(&socket.receive()?)
    }

    /// Returns an RTM_GETROUTE for TCP to an address (rtnetlink(7)): a nlmsghdr, a rtmsg, and
    /// attributes.
    pub(super) fn question(ip: IpAddr, port: u16) -> Vec<u8> {
        let (family, octets) = match ip {
            IpAddr::V4(ip) => (libc::AF_INET, ip.octets().to_vec()),
            IpAddr::V6(ip) => (libc::AF_INET6, ip.octets().to_vec()),
        };
        let byte = |number: i32| u8::try_from(number).unwrap_or(0);
        let bits = u8::try_from(octets.len() * 8).unwrap_or(0);
        let mut rest = vec![byte(family), bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        // Rules of routing may be about protocols and ports, too.
        attribute(&mut rest, libc::RTA_DST, &octets);
        attribute(&mut rest, IP_PROTO, &[byte(libc::IPPROTO_TCP)]);
        attribute(&mut rest, DPORT, &port.to_be_bytes());
        let length = u32::try_from(HEADER + rest.len()).unwrap_or(0);
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(libc::RTM_GETROUTE.to_ne_bytes());
        bytes.extend(REQUEST.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(rest);
        bytes
    }

    /// Adds an rtattr, with what fills it up to four bytes.
    fn attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(0);
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }

    /// Reads an answer: an RTM_NEWROUTE, or an error.
    pub(super) fn read(answer: &[u8]) -> io::Result<bool> {
        let unclear = || io::Error::other("the kernel's answer can't be read");
        let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok());
        let kind = u16::from_ne_bytes(kind.ok_or_else(unclear)?);
        if kind == ERROR {
            let code = answer.get(HEADER..HEADER + 4);
            let code = code.and_then(|bytes| bytes.try_into().ok());
            let code = i32::from_ne_bytes(code.ok_or_else(unclear)?).wrapping_neg();
            // No route: connecting fails, too.
            return match code {
                libc::ENETUNREACH | libc::EHOSTUNREACH => Ok(false),
                _ => Err(io::Error::from_raw_os_error(code)),
            };
        }
        if kind != libc::RTM_NEWROUTE {
            return Err(unclear());
        }
        let found = answer.get(TYPE).copied().ok_or_else(unclear)?;
        Ok(matches!(
            found,
            libc::RTN_LOCAL | libc::RTN_BROADCAST | libc::RTN_ANYCAST | libc::RTN_MULTICAST
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found out about an address, at port 443.
    fn local(text: &str) -> bool {
        is_local(SocketAddr::new(text.parse().unwrap(), 443)).unwrap()
    }

    #[test]
    fn loopback_is_this_machine_s_in_every_form_and_the_documentation_s_addresses_are_not() {
        for text in ["127.0.0.1", "127.1.2.3", "::ffff:127.0.0.1"] {
            assert!(local(text), "{text}");
        }
        for text in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"] {
            assert!(!local(text), "{text}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn routing_tables_that_know_no_loopback_tell_nothing() {
        for text in ["192.0.2.1", "2001:db8::1"] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(told_by(ip, |_| Ok(false)), None);
            assert_eq!(told_by(ip, |ip| Ok(ip.is_loopback())), Some(false));
            assert_eq!(told_by(ip, |_| Ok(true)), Some(true));
            assert_eq!(told_by(ip, |_| Err(io::ErrorKind::Other.into())), None);
        }
    }

    #[test]
    fn without_netlink_it_is_told_by_binding() {
        assert!(can_be_bound_to([127, 0, 0, 1].into()).unwrap());
        assert!(!can_be_bound_to([192, 0, 2, 1].into()).unwrap());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_answer_that_is_none_tells_nothing() {
        let message = |kind: u16, rest: &[u8]| {
            let mut bytes = vec![0; 4];
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([0; 10]);
            bytes.extend(rest);
            bytes
        };
        let route = |kind| message(libc::RTM_NEWROUTE, &[2, 32, 0, 0, 255, 0, 0, kind]);
        assert!(question::read(&route(libc::RTN_LOCAL)).unwrap());
        assert!(question::read(&route(libc::RTN_ANYCAST)).unwrap());
        assert!(!question::read(&route(libc::RTN_UNICAST)).unwrap());
        let error = |code: i32| message(2, &(-code).to_ne_bytes());
        assert!(!question::read(&error(libc::ENETUNREACH)).unwrap());
        assert!(question::read(&error(libc::EOPNOTSUPP)).is_err());
        let whole = route(libc::RTN_LOCAL);
        for cut in 0..whole.len() {
            assert!(question::read(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(question::read(&message(3, &[0; 8])).is_err());
    }
}
