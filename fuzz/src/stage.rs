//! The whole proxy between a client and origins that are a target's own.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::thread;
use std::time::Duration;

use authsome::fuzzing::proxied::Logins;
use authsome::fuzzing::proxied::Origin;
use authsome::fuzzing::proxied::Proxied;
use rustls::ServerConfig;
use rustls::ServerConnection;

/// How long a client holds bytes back for answers that don't come.
const HOLD: Duration = Duration::from_millis(50);

/// Host, provider's definition and credential of an origin.
pub type About = [&'static str; 3];

/// An origin's behaviour on one connection.
pub trait Peer: Send {
    /// Something has arrived behind what was there, or the end has: takes from `buffer` what it is done with, adds to `answer`,
    /// and tells whether the connection goes on.
    fn turn(&mut self, buffer: &mut Vec<u8>, is_end: bool, answer: &mut Vec<u8>) -> Next;

    /// Whether it waits for another request, and for nothing of the last.
    fn is_between(&self) -> bool;
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    Open,
    /// It ends in order.
    End,
    /// It ends as if it had been cut.
    Cut,
}

/// What an origin does with a connection to the origin at this place.
pub type Serve = fn(usize) -> Box<dyn Peer>;

/// Everything that lasts: setting it up takes longer than hundreds of inputs.
pub struct Stage {
    /// The proxy.
    proxied: Proxied,
    /// Where its clients connect.
    clients: TcpListener,
    /// The connections to the origins.
    connections: Arc<Mutex<Vec<Shared>>>,
}

/// What came back to a client.
pub struct Came {
    /// The bytes.
    pub output: Vec<u8>,
    /// Whether they ended in a reset, as opposed to an end in order.
    pub is_cut: bool,
    /// Whether a connection to an origin is open still.
    pub is_kept: bool,
}

/// A connection, and its socket for those who look whether something waits there.
struct Shared {
    /// The connection. Locked while what has arrived is worked at.
    connection: Arc<Mutex<Connection>>,
    /// Its socket.
    socket: TcpStream,
}

impl Stage {
    /// Starts origins, and a proxy to them.
    ///
    /// # Panics
    /// When there is no loopback.
    #[must_use]
    pub fn new(origins: &[About], serve: Serve) -> Self {
        let listeners: Vec<TcpListener> = origins.iter().map(|_| listen()).collect();
        let known: Vec<Origin<'_>> = origins
            .iter()
            .zip(&listeners)
            .map(|([host, definition, credential], listener)| Origin {
                host,
                address: listener.local_addr().expect("it listens"),
                definition,
                credential,
            })
            .collect();
        let (proxied, configs) = Proxied::new(&known);
        let connections = Arc::new(Mutex::new(Vec::new()));
        for (place, (listener, config)) in listeners.into_iter().zip(configs).enumerate() {
            let connections = Arc::clone(&connections);
            thread::spawn(move || {
                for socket in listener.incoming() {
                    let socket = socket.expect("the proxy connects");
                    accept(socket, &config, serve(place), &connections);
                }
            });
        }
        Self {
            proxied,
            clients: listen(),
            connections,
        }
    }

    /// Returns the logins that can be replaced meanwhile.
    #[must_use]
    pub fn logins(&self) -> Arc<Logins> {
        self.proxied.logins()
    }

    /// Sends `bytes` on a connection of a client to this host, then `rest` once what has come back is enough, ends it, and gives what
    /// comes back. The origins have seen then all that was sent to them.
    ///
    /// The proxy works on this thread, and if there is no rest nobody reads before it is done: there must not be more of it than
    /// sockets hold.
    ///
    /// # Panics
    /// When there is no connection to be had, or an origin waits for the rest of a request on a connection that is kept.
    pub fn exchange(
        &self,
        host: &str,
        bytes: &[u8],
        rest: &[u8],
        is_enough: impl Fn(&[u8]) -> bool + Send,
    ) -> Came {
        let address = self.clients.local_addr().expect("it listens");
        let mut client = TcpStream::connect(address).expect("a connection");
        let (other, _) = self.clients.accept().expect("a connection");
        client.write_all(bytes).expect("room for the input");
        let mut output = Vec::new();
        if rest.is_empty() {
            client
                .shutdown(Shutdown::Write)
                .expect("an open connection");
            self.proxied.serve(other, host);
        } else {
            let _ = client.set_read_timeout(Some(HOLD));
            let mut client = &client;
            thread::scope(|scope| {
                let output = &mut output;
                scope.spawn(move || {
                    let mut space = [0; 4096];
                    while !is_enough(output)
                        && let Ok(count @ 1..) = client.read(&mut space)
                    {
                        output.extend_from_slice(&space[..count]);
                    }
                    // It may be closed by now.
                    let _ = client.write_all(rest);
                    let _ = client.shutdown(Shutdown::Write);
                });
                self.proxied.serve(other, host);
            });
            let _ = client.set_read_timeout(None);
        }
        let is_cut = client.read_to_end(&mut output).is_err();
        let mut connections = lock(&self.connections);
        connections.retain(Shared::settle);
        Came {
            output,
            is_cut,
            is_kept: !connections.is_empty(),
        }
    }
}

impl Shared {
    /// Waits until all that has been sent was worked at; tells whether the connection is open.
    fn settle(&self) -> bool {
        loop {
            let connection = lock(&self.connection);
            if connection.is_over {
                return false;
            }
            // Whoever waits there meanwhile tries again.
            self.socket.set_nonblocking(true).expect("an open socket");
            let found = self.socket.peek(&mut [0]);
            self.socket.set_nonblocking(false).expect("an open socket");
            if found.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                let is_between = connection.peer.is_between() && connection.buffer.is_empty();
                assert!(is_between, "a connection that is kept within a request");
                return true;
            }
            drop(connection);
            thread::yield_now();
        }
    }
}

/// An origin's side of a connection.
struct Connection {
    /// TLS.
    tls: ServerConnection,
    /// The socket below.
    socket: TcpStream,
    /// What the origin does.
    peer: Box<dyn Peer>,
    /// What has arrived, and is not done with.
    buffer: Vec<u8>,
    /// Whether it has ended.
    is_over: bool,
}

/// Serves a connection to an origin, on a thread of its own.
fn accept(
    socket: TcpStream,
    config: &Arc<ServerConfig>,
    peer: Box<dyn Peer>,
    connections: &Mutex<Vec<Shared>>,
) {
    socket.set_nodelay(true).expect("a TCP socket");
    let clone = || socket.try_clone().expect("a descriptor");
    let connection = Arc::new(Mutex::new(Connection {
        tls: ServerConnection::new(Arc::clone(config)).expect("a good name"),
        socket: clone(),
        peer,
        buffer: Vec::new(),
        is_over: false,
    }));
    lock(connections).push(Shared {
        connection: Arc::clone(&connection),
        socket: clone(),
    });
    thread::spawn(move || {
        while !lock(&connection).is_over {
            let waited = socket.peek(&mut [0]);
            if waited.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                continue;
            }
            lock(&connection).turn();
        }
    });
}

impl Connection {
    /// Works at what waits in the socket.
    fn turn(&mut self) {
        let is_end = self.receive().is_err();
        let mut answer = Vec::new();
        let next = self.peer.turn(&mut self.buffer, is_end, &mut answer);
        let is_sent = self.send(&answer, next).is_ok();
        self.is_over = is_end || !is_sent || next != Next::Open;
        if self.is_over {
            let _ = self.socket.shutdown(Shutdown::Both);
        }
    }

    /// Takes in what is there, and goes on with the handshake.
    fn receive(&mut self) -> io::Result<()> {
        self.tls.read_tls(&mut self.socket)?;
        let state = self.tls.process_new_packets().map_err(io::Error::other)?;
        self.flush()?;
        let at = self.buffer.len();
        self.buffer.resize(at + state.plaintext_bytes_to_read(), 0);
        self.tls.reader().read_exact(&mut self.buffer[at..])?;
        match self.tls.reader().read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Sends an answer.
    fn send(&mut self, answer: &[u8], next: Next) -> io::Result<()> {
        self.tls.writer().write_all(answer)?;
        if next == Next::End {
            self.tls.send_close_notify();
        }
        self.flush()
    }

    /// Sends what is to be sent.
    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}

/// A listener on loopback.
fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback")
}

/// The lock. A panic of its holder ends the process.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("a panic ends the process")
}
