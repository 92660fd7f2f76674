//! The proxy: accepts connections on loopback and serves each on a thread of its own.

mod access;
mod beside;
pub(crate) mod capacity;
pub(crate) mod client;
pub(crate) mod demo;
mod exchange;
mod forms;
mod frames;
pub(crate) mod health;
mod hops;
pub(crate) mod http2;
mod inject;
mod lane;
pub(crate) mod mask;
mod places;
mod refusal;
mod relay;
pub(crate) mod route;
mod search;
mod sending;
pub(crate) mod service;
pub(crate) mod state;
mod stray;
mod target;
mod workers;

use std::io;
use std::io::PipeReader;
use std::io::PipeWriter;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::audit::Audit;
use crate::notice::Notices;
use crate::peer::Admission;
use crate::sys::poll;
use crate::tls::leaf::LeafCache;
use crate::upstream::dial::Dialer;
use crate::upstream::pool::Pool;
pub(crate) use access::Access;
pub(crate) use access::Door;
pub(crate) use access::Password;
use capacity::Capacity;
use places::Places;
use service::Service;
use state::Current;
use workers::Workers;

/// The stack of a connection's thread. Untouched pages cost nothing; the deepest use is a TLS handshake.
const STACK: usize = 512 * 1024;

/// How long a thread waits for another connection.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long accepting pauses when the system has no more descriptors or threads to give.
const BACK_OFF: Duration = Duration::from_millis(20);

/// Connections that are still let in when the service is to stop, at the most: those that were there before, of which the system keeps
/// about so many. Others may come without end.
const LAST_ROUNDS: usize = 128;

/// What all connections share.
pub(crate) struct Shared {
    /// Whose connections are served.
    pub(crate) access: Access,
    /// Which requests are served, and which of them get whose credential.
    pub(crate) current: Current,
    /// Certificates for clients.
    pub(crate) leaves: LeafCache,
    /// The way to origins.
    pub(crate) dialer: Dialer,
    /// Idle connections to them.
    pub(crate) pool: Pool,
    /// What to look for in what comes back.
    pub(crate) masking: mask::Known,
    /// What the person should hear.
    pub(crate) notices: Arc<Notices>,
    /// Where it is told what was done.
    pub(crate) audit: Arc<Audit>,
    /// How long an origin may take to begin its response, if the user has set a limit.
    pub(crate) patience: Option<Duration>,
    /// How much is held open at once.
    pub(crate) capacity: Capacity,
    /// What stops it; nothing where it goes on as long as the process does.
    pub(crate) service: Option<Service>,
}

impl Shared {
    /// Whether nothing new is to begin.
    fn is_draining(&self) -> bool {
        self.service.as_ref().is_some_and(Service::is_draining)
    }
}

/// A listener that accepts nothing yet.
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
        Self::at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Binds to this address; port 0 is a free one.
    ///
    /// # Errors
    /// When it is in use, not one of this machine's, or not for this user.
    pub(crate) fn at(address: SocketAddr) -> io::Result<Self> {
        Self::given(TcpListener::bind(address)?)
    }

    /// Takes a socket that listens already.
    ///
    /// # Errors
    /// When it is none of TCP.
    pub(crate) fn given(socket: TcpListener) -> io::Result<Self> {
        Ok(Self {
            address: socket.local_addr()?,
            socket,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How those who are admitted come to it.
    ///
    /// # Errors
    /// When it can't be found out who connects, or there is no randomness.
    pub(crate) fn door(&self, admission: Admission, wants_password: bool) -> io::Result<Door> {
        Access::to(&self.socket, self.address, admission, wants_password)
    }

    /// Serves connections from now on, on threads of their own, until the process ends or the service is to stop. Gives a pipe that
    /// ends when the last of them has ended.
    ///
    /// # Errors
    /// When there is no thread to be had, or no descriptor.
    pub(crate) fn serve(self, shared: Arc<Shared>) -> io::Result<PipeReader> {
        // It is asked before it is waited for, so that another process which has the socket too keeps nobody waiting.
        self.socket.set_nonblocking(shared.service.is_some())?;
        let (ended, last) = io::pipe()?;
        let last = Arc::new(last);
        let accept = move || accept_all(&self.socket, &shared, &last);
        thread::Builder::new()
            .name("accept".into())
            .stack_size(STACK)
            .spawn(accept)?;
        Ok(ended)
    }
}

/// Accepts connections, for ever or until the service is to stop. No failure ends it: a lack of descriptors or threads passes. Each
/// connection keeps hold of `last`.
fn accept_all(listener: &TcpListener, shared: &Arc<Shared>, last: &Arc<PipeWriter>) {
    let places = Places::new(&shared.capacity, shared.service.is_some());
    let workers = Workers::new(STACK, PATIENCE);
    let mut rounds_left = LAST_ROUNDS;
    while rounds_left > 0 {
        let is_draining = shared
            .service
            .as_ref()
            .is_some_and(|service| wait_for(listener, service));
        rounds_left -= usize::from(is_draining);
        let (socket, from) = match listener.accept() {
            Ok((socket, from)) => (Arc::new(socket), from),
            // Whoever was there before the end has been let in.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && is_draining => return,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(_) => {
                // Idle connections are the first to go when there is no descriptor left.
                shared.pool.clear();
                thread::sleep(BACK_OFF);
                continue;
            }
        };
        let Some(place) = places.take(&socket, from) else {
            continue;
        };
        if place.has_closed() {
            shared.notices.warn(
                "many connections show no password: the oldest of them are closed for newcomers",
            );
        }
        let (shared, last) = (Arc::clone(shared), Arc::clone(last));
        let serve = move || {
            let _last = last;
            client::serve(socket, from.ip(), place, &shared);
        };
        if workers.run(serve).is_err() {
            thread::sleep(BACK_OFF);
        }
    }
}

/// Waits for a connection, or for the service to stop; tells whether it is to.
fn wait_for(listener: &TcpListener, service: &Service) -> bool {
    let watches = [
        service::readable(listener.as_fd()),
        service::readable(service.draining()),
    ];
    match poll::wait(watches, None) {
        Ok([_, is_draining]) => is_draining,
        Err(_) => {
            thread::sleep(BACK_OFF);
            false
        }
    }
}

/// Whether accept(2) failed for a connection that has gone already, or was interrupted: the next may be there.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}
