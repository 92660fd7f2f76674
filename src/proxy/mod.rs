//! The proxy: accepts connections on loopback and serves each on a thread of its own.

mod access;
pub(crate) mod client;
pub(crate) mod demo;
mod exchange;
mod forms;
mod inject;
mod lane;
pub(crate) mod mask;
mod refusal;
mod relay;
pub(crate) mod route;
mod sending;
mod target;

use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::broker::Broker;
use crate::notice::Notices;
use crate::tls::leaf::LeafCache;
use crate::upstream::dial::Dialer;
use crate::upstream::pool::Pool;
pub(crate) use access::Access;
use route::Router;

/// The stack of a connection's thread. Untouched pages cost nothing; the deepest use is a TLS handshake.
const STACK: usize = 512 * 1024;

/// How long accepting pauses when the system has no more descriptors or threads to give.
const BACK_OFF: Duration = Duration::from_millis(20);

/// Connections beyond the limit that are told so at once, at the most; more are closed without a word.
const TURNED_AWAY: usize = 64;

/// What all connections share.
pub(crate) struct Shared {
    /// Who is served.
    pub(crate) access: Access,
    /// Which requests get whose credential.
    pub(crate) router: Router,
    /// The credentials.
    pub(crate) broker: Broker,
    /// Certificates for clients.
    pub(crate) leaves: LeafCache,
    /// The way to origins.
    pub(crate) dialer: Dialer,
    /// Idle connections to them.
    pub(crate) pool: Pool,
    /// The key by which credentials are found in what comes back.
    pub(crate) masking: Arc<mask::Key>,
    /// What the person should hear.
    pub(crate) notices: Arc<Notices>,
    /// How long an origin may take to begin its response.
    pub(crate) patience: Duration,
    /// Connections at once, at the most.
    pub(crate) max_connections: usize,
}

/// A listener on loopback that accepts nothing yet.
pub(crate) struct Listener {
    /// The socket.
    socket: TcpListener,
    /// Where it listens.
    address: SocketAddr,
}

impl Listener {
    /// Binds to a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no loopback, or no free port.
    pub(crate) fn bind() -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(Self {
            address: socket.local_addr()?,
            socket,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who may use it, and its URL for the child.
    ///
    /// # Errors
    /// When it can't be found out who connects, or there is no randomness.
    pub(crate) fn access(
        &self,
        child: Option<u32>,
        wants_password: bool,
    ) -> io::Result<(Access, String)> {
        Access::to(&self.socket, self.address, child, wants_password)
    }

    /// Serves connections from now on, on threads of their own, until the process ends.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn serve(self, shared: Arc<Shared>) -> io::Result<()> {
        let accept = move || accept_all(&self.socket, &shared);
        thread::Builder::new()
            .name("accept".into())
            .stack_size(STACK)
            .spawn(accept)?;
        Ok(())
    }
}

/// Accepts connections for ever. No failure ends it: a lack of descriptors or threads passes.
fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((socket, _)) = listener.accept() else {
            thread::sleep(BACK_OFF);
            continue;
        };
        let slot = Slot::take(&open);
        let excess = slot.number.saturating_sub(shared.max_connections);
        if excess > TURNED_AWAY {
            continue;
        }
        let shared = Arc::clone(shared);
        let serve = move || {
            let _slot = slot;
            if excess > 0 {
                client::turn_away(socket, &shared);
            } else {
                client::serve(socket, &shared);
            }
        };
        let name = "connection".to_owned();
        if thread::Builder::new()
            .name(name)
            .stack_size(STACK)
            .spawn(serve)
            .is_err()
        {
            thread::sleep(BACK_OFF);
        }
    }
}

/// A place among the open connections; given back however the connection's thread ends.
struct Slot {
    /// How many are taken.
    open: Arc<AtomicUsize>,
    /// Which one this was.
    number: usize,
}

impl Slot {
    /// Takes a place.
    fn take(open: &Arc<AtomicUsize>) -> Self {
        let number = open.fetch_add(1, Ordering::Relaxed) + 1;
        Self {
            open: Arc::clone(open),
            number,
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_comes_back_even_from_a_panic() {
        let open = Arc::new(AtomicUsize::new(0));
        let slot = Slot::take(&open);
        assert_eq!((slot.number, open.load(Ordering::Relaxed)), (1, 1));
        let thread = thread::Builder::new().spawn(move || {
            let _slot = slot;
            panic!("a connection's thread may end like this");
        });
        assert!(thread.unwrap().join().is_err());
        assert_eq!(open.load(Ordering::Relaxed), 0);
    }
}
