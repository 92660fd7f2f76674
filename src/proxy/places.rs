//! How many connections may be open at once, and which of them give way: those that are served, and
//! strangers to a service, on which nothing has shown its password yet. Anyone on the network can
//! be one, so they have a set of their own, in which a newcomer always finds a place: the oldest is
//! closed for it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use super::capacity::Capacity;
use super::service;
use crate::slot::Slot;
use crate::sys::poll;
use crate::upstream::address;

/// The part of the strangers' places that one network may take: a quarter.
const SHARE: usize = 4;

/// Strangers that are looked at for one that has nothing to say, at the most.
const LOOKS: usize = 64;

/// Connections of clients that are open.
pub(super) struct Places {
    /// Connections that are served.
    served: Arc<AtomicUsize>,
    /// Connections that are told that there are too many. Counted apart, so that those who stay
    /// take no place from those who come when there is room.
    turned_away: Arc<AtomicUsize>,
    /// How many there may be of each.
    limits: Limits,
    /// Strangers, where there can be some.
    strangers: Option<Arc<Strangers>>,
}

/// How many connections there may be.
#[derive(Clone, Copy)]
struct Limits {
    /// Connections that are served.
    served: usize,
    /// Connections that are turned away; of a service, those of closed strangers that are still to
    /// be let go.
    turned_away: usize,
}

/// The place of a connection; given back when this is dropped.
pub(super) enum Place {
    /// The connection is served.
    Served(Counted),
    /// The client is told that there are too many.
    TurnedAway(Counted),
    /// The client is a stranger.
    Stranger(Stranger),
}

impl Place {
    /// Returns whether nothing on the connection had the password so far, and anyone may be there.
    pub(super) fn is_stranger(&self) -> bool {
        matches!(self, Self::Stranger(_))
    }

    /// Returns whether another connection was closed for this one.
    pub(super) fn has_closed(&self) -> bool {
        matches!(self, Self::Stranger(stranger) if stranger.has_closed)
    }

    /// Returns whether the connection was closed for another.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Stranger(stranger) if stranger.is_closed())
    }

    /// Keeps the connection from being closed for others; returns whether it was not closed before.
    pub(super) fn leave(&self) -> bool {
        match self {
            Self::Stranger(stranger) => stranger.leave(),
            Self::Served(_) | Self::TurnedAway(_) => true,
        }
    }

    /// Lets a stranger's connection give way to others again, as the youngest.
    pub(super) fn come_back(&self) {
        if let Self::Stranger(stranger) = self {
            stranger.come_back();
        }
    }

    /// Takes a place among those that are served, where the connection has none.
    pub(super) fn admit(self) -> Admission {
        match self {
            Self::Served(slot) | Self::TurnedAway(slot) => Admission::Served(slot),
            Self::Stranger(stranger) => stranger.admit(),
        }
    }
}

/// A place of which only the number counts.
type Counted = Slot<Arc<AtomicUsize>>;

/// What becomes of a stranger that has shown the password.
pub(super) enum Admission {
    /// The connection has a place among those that are served.
    Served(Counted),
    /// There is no such place, and the connection stays a stranger's.
    Full(Stranger),
    /// The connection was closed before.
    Closed,
}

impl Places {
    /// No connections yet, of a service or of a run.
    pub(super) fn new(capacity: &Capacity, is_service: bool) -> Self {
        let limits = Limits {
            served: capacity.connections,
            turned_away: capacity.turned_away,
        };
        let served = Arc::default();
        let strangers = is_service.then(|| {
            Arc::new(Strangers {
                served: Arc::clone(&served),
                limits,
                limit: capacity.strangers,
                state: Mutex::default(),
                gone: Condvar::new(),
            })
        });
        Self {
            served,
            turned_away: Arc::default(),
            limits,
            strangers,
        }
    }

    /// Returns a place for a new connection; none where too many are being turned away already.
    pub(super) fn take(&self, socket: &Arc<TcpStream>, from: SocketAddr) -> Option<Place> {
        if let Some(strangers) = &self.strangers {
            return Some(Place::Stranger(strangers.enter(socket, from.ip())));
        }
        let slot = Slot::take(Arc::clone(&self.served), self.limits.served);
        slot.map(Place::Served).or_else(|| {
            let slot = Slot::take(Arc::clone(&self.turned_away), self.limits.turned_away);
            slot.map(Place::TurnedAway)
        })
    }
}

/// Strangers to a service.
struct Strangers {
    /// Connections that are served, which a stranger may become.
    served: Arc<AtomicUsize>,
    /// How many there may be of other kinds.
    limits: Limits,
    /// How many strangers there may be.
    limit: usize,
    /// The strangers.
    state: Mutex<State>,
    /// Wakes the one that accepts, when a socket is gone.
    gone: Condvar,
}

/// The strangers that are there.
#[derive(Default)]
struct State {
    /// Strangers that give way to newcomers, the oldest first.
    waiting: VecDeque<Waiting>,
    /// Sockets that are open: of these strangers, of closed ones whose threads have not seen it,
    /// and of those that are being answered.
    open: usize,
    /// The number of the last.
    last: u64,
}

/// A stranger that gives way.
struct Waiting {
    /// Its number, which no other has.
    number: u64,
    /// Whose share it counts in.
    network: IpAddr,
    /// Its socket, which its thread reads from.
    socket: Arc<TcpStream>,
}

/// A stranger's place.
pub(super) struct Stranger {
    /// The set that it is in.
    strangers: Arc<Strangers>,
    /// Its number there.
    number: u64,
    /// Whose share it counts in.
    network: IpAddr,
    /// Its socket.
    socket: Arc<TcpStream>,
    /// Whether another was closed for it.
    has_closed: bool,
}

impl Strangers {
    /// Takes a newcomer in; others are closed for it where it needs that.
    fn enter(self: &Arc<Self>, socket: &Arc<TcpStream>, address: IpAddr) -> Stranger {
        let network = address::neighborhood(address);
        let mut state = self.lock();
        // Threads see at once that their sockets were closed, but on a busy machine others may come
        // faster still.
        let most = self.limit + self.limits.turned_away.max(1);
        while state.open >= most {
            let waited = self.gone.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.last += 1;
        state.open += 1;
        let number = state.last;
        let newcomer = Waiting {
            number,
            network,
            socket: Arc::clone(socket),
        };
        Stranger {
            strangers: Arc::clone(self),
            number,
            network,
            socket: Arc::clone(socket),
            has_closed: state.put(newcomer, self.limit),
        }
    }

    /// Returns the strangers that are there.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts a stranger behind all others, of which the oldest is closed if they are too many: of
    /// its network, else of all. Returns whether one was closed.
    fn put(&mut self, stranger: Waiting, limit: usize) -> bool {
        let network = stranger.network;
        let is_neighbor = |other: &&Waiting| other.network == network;
        let neighbors = self.waiting.iter().filter(is_neighbor).count();
        let has_share = neighbors >= (limit / SHARE).max(1);
        let is_full = self.waiting.len() >= limit;
        if has_share {
            self.close_oldest(|other| other.network == network);
        } else if is_full {
            self.close_oldest(|_| true);
        }
        self.waiting.push_back(stranger);
        has_share || is_full
    }

    /// Closes the oldest of these that has said nothing its thread has not read: a thread may not
    /// have had its turn yet.
    fn close_oldest(&mut self, is_candidate: impl Fn(&Waiting) -> bool) {
        let candidates = || {
            let waiting = self.waiting.iter().enumerate();
            waiting.filter(|(_, one)| is_candidate(one))
        };
        let is_silent = |(_, one): &(usize, &Waiting)| !has_something_to_read(&one.socket);
        let silent = candidates().take(LOOKS).find(is_silent);
        let oldest = silent.or_else(|| candidates().next());
        let index = oldest.map(|(index, _)| index);
        let Some(found) = index.and_then(|index| self.waiting.remove(index)) else {
            return;
        };
        // Its thread wakes, and ends.
        let _ = found.socket.shutdown(Shutdown::Both);
    }

    /// Takes a stranger out, unless it was closed.
    fn take(&mut self, number: u64) -> bool {
        let index = self.waiting.iter().position(|one| one.number == number);
        index.is_some_and(|index| self.waiting.remove(index).is_some())
    }
}

impl Stranger {
    /// See [`Place::leave`].
    fn leave(&self) -> bool {
        self.strangers.lock().take(self.number)
    }

    /// See [`Place::come_back`].
    fn come_back(&self) {
        let stranger = Waiting {
            number: self.number,
            network: self.network,
            socket: Arc::clone(&self.socket),
        };
        self.strangers.lock().put(stranger, self.strangers.limit);
    }

    /// Returns whether the connection was closed for another.
    fn is_closed(&self) -> bool {
        let state = self.strangers.lock();
        !state.waiting.iter().any(|one| one.number == self.number)
    }

    /// Takes a place among those that are served.
    fn admit(self) -> Admission {
        if !self.leave() {
            return Admission::Closed;
        }
        let strangers = &self.strangers;
        match Slot::take(Arc::clone(&strangers.served), strangers.limits.served) {
            Some(slot) => Admission::Served(slot),
            None => {
                self.come_back();
                Admission::Full(self)
            }
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut state = self.strangers.lock();
        state.take(self.number);
        state.open -= 1;
        drop(state);
        self.strangers.gone.notify_one();
    }
}

/// Returns whether reading from a socket would not wait.
fn has_something_to_read(socket: &TcpStream) -> bool {
    let watches = [service::readable(socket.as_fd())];
    poll::wait(watches, Some(Instant::now())).is_ok_and(|[is_readable]| is_readable)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    /// Places of a service for so many strangers, of which this many may be served.
    fn places(strangers: usize, served: usize) -> Places {
        let capacity = Capacity {
            connections: served,
            turned_away: 100,
            idle: 0,
            strangers,
        };
        Places::new(&capacity, true)
    }

    /// A client's side of a connection, and the place of the other side.
    struct Client {
        socket: TcpStream,
        place: Stranger,
    }

    impl Client {
        /// One that comes from this address.
        #[expect(clippy::disallowed_methods, reason = "loopback, in a test")]
        fn new(places: &Places, from: &str) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let other = Arc::new(listener.accept().unwrap().0);
            let from = SocketAddr::new(from.parse().unwrap(), 1);
            let Some(Place::Stranger(place)) = places.take(&other, from) else {
                panic!("a service's newcomer is a stranger");
            };
            Self { socket, place }
        }

        /// Whether its connection was closed.
        fn is_closed(&mut self) -> bool {
            let is_closed = self.place.is_closed();
            if is_closed {
                assert_eq!(self.socket.read(&mut [0]).unwrap(), 0);
            }
            is_closed
        }
    }

    /// Which of them were closed.
    fn closed(clients: &mut [Client]) -> Vec<usize> {
        let all = clients.iter_mut().enumerate();
        all.filter_map(|(index, client)| client.is_closed().then_some(index))
            .collect()
    }

    #[test]
    fn the_oldest_of_a_network_that_has_its_share_gives_way_else_the_oldest_of_all() {
        let places = places(8, 1);
        let from = ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2", "10.0.0.1"];
        let mut clients: Vec<Client> = from.map(|from| Client::new(&places, from)).into();
        assert_eq!(closed(&mut clients), [0]);
        for from in ["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"] {
            clients.push(Client::new(&places, from));
        }
        assert_eq!(closed(&mut clients), [0]);
        clients.push(Client::new(&places, "2001:db8::3"));
        assert_eq!(closed(&mut clients), [0, 4]);
        // Six are left.
        for from in ["10.0.0.3", "10.0.0.4", "10.0.0.5"] {
            clients.push(Client::new(&places, from));
        }
        assert_eq!(closed(&mut clients), [0, 1, 4]);
    }

    #[test]
    fn one_that_has_spoken_and_was_not_heard_is_passed_over() {
        let places = places(4, 1);
        let mut clients = Vec::new();
        for number in 0..4 {
            clients.push(Client::new(&places, &format!("10.0.0.{number}")));
        }
        clients[0].socket.write_all(b"G").unwrap();
        while !has_something_to_read(&clients[0].place.socket) {}
        clients.push(Client::new(&places, "10.0.0.9"));
        assert_eq!(closed(&mut clients), [1]);
        // Where all have, the oldest goes.
        for index in [2, 3, 4] {
            clients[index].socket.write_all(b"G").unwrap();
            while !has_something_to_read(&clients[index].place.socket) {}
        }
        clients.push(Client::new(&places, "10.0.0.10"));
        assert_eq!(closed(&mut clients), [0, 1]);
    }

    #[test]
    fn one_that_is_answered_or_served_is_closed_for_nobody() {
        let places = places(2, 1);
        let mut first = Client::new(&places, "10.0.0.1");
        assert!(first.place.leave());
        let mut others: Vec<Client> = (2..5)
            .map(|number| Client::new(&places, &format!("10.0.0.{number}")))
            .collect();
        assert_eq!(closed(&mut others), [0]);
        first.place.come_back();
        assert!(!first.is_closed());
        assert_eq!(closed(&mut others), [0, 1]);
        let Client { socket, place } = first;
        let Admission::Served(served) = place.admit() else {
            panic!("there is a place");
        };
        others.push(Client::new(&places, "10.0.0.6"));
        assert_eq!(closed(&mut others), [0, 1]);
        let last = others.pop().unwrap();
        let Admission::Full(last) = last.place.admit() else {
            panic!("one is served already");
        };
        drop(served);
        assert!(matches!(last.admit(), Admission::Served(_)));
        let gone = others.swap_remove(0);
        assert!(matches!(gone.place.admit(), Admission::Closed));
        drop(socket);
    }
}
