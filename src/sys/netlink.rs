//! A socket to the kernel (netlink(7)): a question is sent, and its answers are there when that returns.

use std::io;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

/// NLMSG_ERROR of linux/netlink.h: the type of an answer that is an error.
pub(super) const ERROR: u16 = 2;
/// NLM_F_REQUEST of linux/netlink.h. Without NLM_F_DUMP it is a question for one thing.
pub(super) const REQUEST: u16 = 1;
/// Bytes of a nlmsghdr.
pub(super) const HEADER: usize = 16;

/// Room for an answer; what doesn't fit is cut off.
const ROOM: usize = 512;

/// A socket that receives from the kernel alone.
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    /// Opens a socket of this netlink protocol.
    ///
    /// # Errors
    /// When the kernel has no such protocol, or it is forbidden. That it can be opened doesn't say that it answers.
    pub(super) fn open(protocol: libc::c_int) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: three plain numbers.
        let made = unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) };
        if made < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: made just now, and nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(made) };
        // SAFETY: all-zero is a valid sockaddr_nl.
        let mut kernel: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        kernel.nl_family = libc::AF_NETLINK.unsigned_abs().try_into().unwrap_or(0);
        let size = libc::socklen_t::try_from(size_of_val(&kernel)).unwrap_or(0);
        // Connected, so that another process's messages are not received.
        // SAFETY: reads `size` bytes of an address of ours.
        if unsafe { libc::connect(made, (&raw const kernel).cast(), size) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(socket))
    }

    /// Sends a question.
    ///
    /// # Errors
    /// Those of send(2).
    pub(super) fn send(&self, question: &[u8]) -> io::Result<()> {
        // SAFETY: reads the bytes of a slice of ours.
        let sent = unsafe {
            libc::send(
                self.0.as_raw_fd(),
                question.as_ptr().cast(),
                question.len(),
                0,
            )
        };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Receives an answer to what was sent, as far as 512 bytes go.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn receive(&self) -> io::Result<Vec<u8>> {
        let mut answer = vec![0; ROOM];
        // SAFETY: writes at most so many bytes to a vector of ours.
        let received = unsafe {
            libc::recv(
                self.0.as_raw_fd(),
                answer.as_mut_ptr().cast(),
                answer.len(),
                0,
            )
        };
        let length = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        answer.truncate(length);
        Ok(answer)
    }
}
