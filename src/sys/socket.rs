//! What std's sockets can't be told.

use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// Has closing the socket reset the connection instead of ending it in order (RFC 9293 section 3.10.7: the peer sees an error, not
/// an end). That it can't be set is no error: the connection then ends in order.
pub(crate) fn reset_on_close(socket: &TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let size = libc::socklen_t::try_from(size_of::<libc::linger>()).unwrap_or(0);
    // SAFETY: reads `size` bytes of a linger of ours, for a descriptor that is open.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size,
        );
    }
}
