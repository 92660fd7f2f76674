//! The system's resolver, asked for addresses of one family: std asks for both at once.

use std::ffi::CString;
use std::net::Ipv4Addr;
use std::ptr;

/// The IPv4 addresses of a name; none where it can't be resolved.
pub(crate) fn ipv4(host: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let Ok(name) = CString::new(host) else {
        return found;
    };
    let hints = libc::addrinfo {
        ai_flags: 0,
        ai_family: libc::AF_INET,
        ai_socktype: libc::SOCK_STREAM,
        ai_protocol: 0,
        ai_addrlen: 0,
        ai_addr: ptr::null_mut(),
        ai_canonname: ptr::null_mut(),
        ai_next: ptr::null_mut(),
    };
    let mut list = ptr::null_mut();
    // SAFETY: name ends in NUL, hints names no memory, and list is written to only where the result is 0.
    if unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &raw const hints, &raw mut list) }
        != 0
    {
        return found;
    }
    let mut next = list;
    // SAFETY: the list ends in NULL, and nobody changes or frees it before freeaddrinfo below.
    while let Some(entry) = unsafe { next.as_ref() } {
        if entry.ai_family == libc::AF_INET && !entry.ai_addr.is_null() {
            // SAFETY: an address of this family is a sockaddr_in (POSIX getaddrinfo), wherever it stands.
            let address = unsafe { entry.ai_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            found.push(Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr)));
        }
        next = entry.ai_next;
    }
    // SAFETY: the list is from getaddrinfo, and nothing of it is used any more.
    unsafe { libc::freeaddrinfo(list) };
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written_and_those_of_the_other_family_are_none() {
        assert_eq!(ipv4("192.0.2.10"), [Ipv4Addr::new(192, 0, 2, 10)]);
        assert!(ipv4("2001:db8::1").is_empty());
        assert!(ipv4("a\0b").is_empty());
    }
}
