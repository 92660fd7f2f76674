//! Whether the other side of a connection on this machine has read what it was sent: two writes that wait there together are read as
//! one. Only Linux tells; elsewhere nothing is waited for.

use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// How long the other side may take to read. A test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_micros(20);

/// What the other side of a connection has not read yet.
pub(crate) struct Queue {
    /// The kernel, where it can be asked.
    kernel: Option<File>,
    /// The other side's address and that of its peer, which is this side. Nothing where it has gone.
    addresses: Option<(SocketAddr, SocketAddr)>,
}

impl Queue {
    /// Of the other side of this connection.
    pub(crate) fn of_peer(socket: &TcpStream) -> Self {
        Self {
            kernel: kernel::open(),
            addresses: socket.peer_addr().ok().zip(socket.local_addr().ok()),
        }
    }

    /// Waits until all of it has been read, or until something else is so. False when neither comes in time.
    pub(crate) fn wait_until_read(&mut self, or: impl Fn() -> bool) -> bool {
        let start = Instant::now();
        while self.unread() > 0 && !or() {
            if start.elapsed() > PATIENCE {
                return false;
            }
            thread::sleep(PAUSE);
        }
        true
    }

    /// The bytes that have not been read. A connection that is gone has none.
    fn unread(&mut self) -> u32 {
        let Some((SocketAddr::V4(local), SocketAddr::V4(remote))) = self.addresses else {
            return 0;
        };
        let Some(kernel) = &mut self.kernel else {
            return 0;
        };
        let mut answer = [0; 1024];
        kernel
            .write_all(&kernel::question(local, remote))
            .expect("a question to the kernel");
        let count = kernel.read(&mut answer).expect("the kernel's answer");
        kernel::unread(answer.get(..count).unwrap_or_default()).unwrap_or(0)
    }
}

/// The questions that Linux answers about sockets: sock_diag(7).
mod kernel {
    use std::fs::File;
    use std::net::SocketAddrV4;

    /// The type of a question about sockets, and of its answer.
    const SOCK_DIAG_BY_FAMILY: u16 = 20;

    /// A netlink socket for such questions.
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "std has no netlink sockets")]
    pub(super) fn open() -> Option<File> {
        use std::os::fd::FromRawFd;

        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        // SAFETY: the call takes three numbers and no memory.
        let number = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG) };
        // SAFETY: the number is of a descriptor that was opened just now, and that nobody else has.
        (number >= 0).then(|| unsafe { File::from_raw_fd(number) })
    }

    /// Elsewhere there are none.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn open() -> Option<File> {
        None
    }

    /// The question about one socket: `nlmsghdr` and `inet_diag_req_v2`.
    pub(super) fn question(local: SocketAddrV4, remote: SocketAddrV4) -> Vec<u8> {
        /// IPv4.
        const AF_INET: u8 = 2;
        /// TCP.
        const IPPROTO_TCP: u8 = 6;
        /// A question.
        const NLM_F_REQUEST: u16 = 1;

        let mut bytes = Vec::with_capacity(72);
        bytes.extend(72_u32.to_ne_bytes());
        bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes.extend(NLM_F_REQUEST.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([AF_INET, IPPROTO_TCP, 0, 0]);
        // In every state.
        bytes.extend(u32::MAX.to_ne_bytes());
        bytes.extend(local.port().to_be_bytes());
        bytes.extend(remote.port().to_be_bytes());
        for address in [local.ip(), remote.ip()] {
            bytes.extend(address.octets());
            bytes.extend([0; 12]);
        }
        bytes.extend([0; 4]);
        // No cookie: whichever socket has these addresses.
        bytes.extend([0xff; 8]);
        bytes
    }

    /// What the answer says: `nlmsghdr` and `inet_diag_msg`. Nothing where there is no such socket.
    pub(super) fn unread(answer: &[u8]) -> Option<u32> {
        let kind = answer.get(4..6)?.try_into().ok().map(u16::from_ne_bytes);
        let queue = answer.get(72..76)?.try_into().ok().map(u32::from_ne_bytes);
        queue.filter(|_| kind == Some(SOCK_DIAG_BY_FAMILY))
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_kernel_tells_what_was_not_read() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut client = super::client::connect(port);
    let (mut server, _) = listener.accept().expect("a connection");
    let mut queue = Queue::of_peer(&client);
    assert_eq!(queue.unread(), 0);
    client.write_all(b"seven b").expect("a write");
    super::wait_until("they have arrived", || {
        server.peek(&mut [0; 8]).is_ok_and(|count| count == 7)
    });
    assert_eq!(queue.unread(), 7);
    server.read_exact(&mut [0; 4]).expect("four");
    assert_eq!(queue.unread(), 3);
    assert!(queue.wait_until_read(|| true));
    server.read_exact(&mut [0; 3]).expect("three");
    assert!(queue.wait_until_read(|| false));
}
