//! The system's resolver, asked for addresses of one family or of both: std asks for both only.

use std::ffi::CStr;
use std::ffi::CString;
use std::io;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::SocketAddrV4;
use std::net::SocketAddrV6;
use std::ptr;

/// The address family of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Both families.
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// Returns the addresses of a name in the system's order, all with port 0.
///
/// # Errors
/// The resolver's reason when it finds none.
pub(crate) fn lookup(host: &str, family: Family) -> io::Result<Vec<SocketAddr>> {
    let name = CString::new(host)?;
    let hints = libc::addrinfo {
        ai_flags: 0,
        ai_family: match family {
            Family::Any => libc::AF_UNSPEC,
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
        },
        ai_socktype: libc::SOCK_STREAM,
        ai_protocol: 0,
        ai_addrlen: 0,
        ai_addr: ptr::null_mut(),
        ai_canonname: ptr::null_mut(),
        ai_next: ptr::null_mut(),
    };
    let mut list = ptr::null_mut();
    // SAFETY: name ends in NUL, hints names no memory, and list is written to only where the result is 0.
    let result =
        unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &raw const hints, &raw mut list) };
    match result {
        0 => {}
        libc::EAI_SYSTEM => return Err(io::Error::last_os_error()),
        code => {
            // SAFETY: it takes any number.
            let text = unsafe { libc::gai_strerror(code) };
            // SAFETY: the text is a constant of the library's and ends in NUL.
            let why = unsafe { CStr::from_ptr(text) };
            return Err(io::Error::other(why.to_string_lossy().into_owned()));
        }
    }
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: the list ends in NULL, and nobody changes or frees it before freeaddrinfo below.
    while let Some(entry) = unsafe { next.as_ref() } {
        found.extend(address(entry));
        next = entry.ai_next;
    }
    // SAFETY: the list is from getaddrinfo, and nothing of it is used any more.
    unsafe { libc::freeaddrinfo(list) };
    Ok(found)
}

/// Returns the address in an entry from getaddrinfo.
fn address(entry: &libc::addrinfo) -> Option<SocketAddr> {
    if entry.ai_addr.is_null() {
        return None;
    }
    match entry.ai_family {
        libc::AF_INET => {
            // SAFETY: an address of this family is a sockaddr_in (POSIX getaddrinfo), wherever it stands.
            let found = unsafe { entry.ai_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from_bits(u32::from_be(found.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, 0).into())
        }
        libc::AF_INET6 => {
            // SAFETY: an address of this family is a sockaddr_in6, as above.
            let found = unsafe { entry.ai_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(found.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, 0, found.sin6_flowinfo, found.sin6_scope_id).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses of a name, as text.
    fn found(host: &str, family: Family) -> Vec<String> {
        let found = lookup(host, family).unwrap_or_default();
        found.iter().map(|found| found.ip().to_string()).collect()
    }

    #[test]
    fn addresses_are_read_as_they_are_written_and_those_of_the_other_family_are_none() {
        for family in [Family::Any, Family::V4] {
            assert_eq!(found("192.0.2.10", family), ["192.0.2.10"]);
        }
        for family in [Family::Any, Family::V6] {
            assert_eq!(found("2001:db8::1", family), ["2001:db8::1"]);
        }
        assert!(found("2001:db8::1", Family::V4).is_empty());
        assert!(found("192.0.2.10", Family::V6).is_empty());
        assert!(lookup("a\0b", Family::Any).is_err());
    }
}
