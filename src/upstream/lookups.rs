//! Lookups of names that are under way, and who may begin another. A lookup holds a thread until
//! the system's resolver gives up, and whoever chooses the name can let its name server be silent;
//! so nobody takes all places.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Instant;

use super::address;
use crate::url::Host;

/// Lookups at once, at the most.
const ALL: usize = 256;

/// Lookups of all clients together: what is left is for authsome's own requests, for tokens.
const CLIENTS: usize = 192;

/// Lookups of one client.
const CLIENT: usize = 64;

/// Lookups of clients for names that end in the same two labels: such names most likely have the
/// same name servers.
const ZONE: usize = 32;

/// The lookups under way.
pub(super) struct Lookups {
    /// Lookups that hold a thread, at most [`ALL`].
    under_way: Mutex<VecDeque<Lookup>>,
    /// Wakes those that wait for a place.
    ended: Condvar,
}

/// A lookup.
#[derive(Clone, PartialEq, Eq)]
struct Lookup {
    /// The client that asks; none for authsome itself.
    client: Option<IpAddr>,
    /// The last two labels of the name.
    zone: String,
}

/// A place for a lookup; given back when this is dropped, so when its thread ends.
pub(super) struct Place {
    /// The set that it is in.
    all: &'static Lookups,
    /// What it is for.
    lookup: Lookup,
}

impl Lookups {
    /// Returns an empty set.
    pub(super) const fn new() -> Self {
        Self {
            under_way: Mutex::new(VecDeque::new()),
            ended: Condvar::new(),
        }
    }

    /// Takes a place for the lookup of a name that the client at this address wants, or authsome
    /// itself; waits for one until the deadline.
    pub(super) fn take(
        &'static self,
        client: Option<IpAddr>,
        host: &Host,
        deadline: Instant,
    ) -> Option<Place> {
        let lookup = Lookup {
            client: client.map(identity),
            zone: zone(host.as_str()).to_owned(),
        };
        let mut under_way = self.lock();
        while !lookup.may_begin(&under_way) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.ended.wait_timeout(under_way, left);
            under_way = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        under_way.push_back(lookup.clone());
        Some(Place { all: self, lookup })
    }

    /// Returns the lookups under way.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Lookup>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lookup {
    /// Returns whether there is a place for this one beside those that are under way.
    fn may_begin(&self, under_way: &VecDeque<Self>) -> bool {
        if self.client.is_none() {
            return under_way.len() < ALL;
        }
        let (mut clients, mut of_client, mut of_zone) = (0, 0, 0);
        for other in under_way.iter().filter(|other| other.client.is_some()) {
            clients += 1;
            of_client += usize::from(other.client == self.client);
            of_zone += usize::from(other.zone == self.zone);
        }
        under_way.len() < ALL && clients < CLIENTS && of_client < CLIENT && of_zone < ZONE
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.all.lock();
        let index = under_way.iter().position(|other| *other == self.lookup);
        index.and_then(|index| under_way.remove(index));
        drop(under_way);
        self.all.ended.notify_all();
    }
}

/// Returns what stands for a client: its neighborhood. All of loopback is one, since a program
/// there takes any address of it.
fn identity(client: IpAddr) -> IpAddr {
    if client.to_canonical().is_loopback() {
        return Ipv4Addr::LOCALHOST.into();
    }
    address::neighborhood(client)
}

/// Returns the last two labels of a name.
fn zone(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.').skip(1);
    dots.next()
        .and_then(|(dot, _)| name.get(dot + 1..))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty set that lasts.
    fn lookups() -> &'static Lookups {
        Box::leak(Box::new(Lookups::new()))
    }

    /// Takes as many places as there are for names below these zones in turn, of a client or of
    /// authsome itself.
    fn fill(lookups: &'static Lookups, client: Option<&str>, zones: &[&str]) -> Vec<Place> {
        let client = client.map(|client| client.parse().unwrap());
        let mut places = Vec::new();
        for zone in zones {
            let host = |number| Host::parse(format!("x{number}.{zone}").as_bytes()).unwrap();
            let all = (0..).map(|number| lookups.take(client, &host(number), Instant::now()));
            places.extend(all.take_while(Option::is_some).flatten());
        }
        places
    }

    #[test]
    fn no_client_and_no_zone_takes_more_than_its_part() {
        let lookups = lookups();
        let silent = fill(lookups, Some("10.0.0.1"), &["silent.test"]);
        assert_eq!(silent.len(), ZONE);
        // Neither another client nor another name of the zone helps.
        assert!(fill(lookups, Some("10.0.0.2"), &["a.b.silent.test"]).is_empty());
        let more = fill(lookups, Some("::ffff:10.0.0.1"), &["b.test", "c.test"]);
        assert_eq!(more.len(), CLIENT - ZONE);
        // Another client, and authsome itself, find places.
        let others = fill(lookups, Some("10.0.0.2"), &["d.test", "e.test", "f.test"]);
        assert_eq!(others.len(), CLIENT);
        let zones = ["g.test", "h.test", "i.test"];
        let last = fill(lookups, Some("2001:db8::1"), &zones);
        assert_eq!(last.len(), CLIENT);
        assert!(fill(lookups, Some("2001:db8::ffff:2"), &["k.test"]).is_empty());
        assert!(fill(lookups, Some("10.0.0.3"), &["k.test"]).is_empty());
        let own = fill(lookups, None, &["silent.test"]);
        assert_eq!(own.len(), ALL - CLIENTS);
        // A place that is given back is taken again.
        drop(others);
        let again = fill(lookups, Some("10.0.0.3"), &["k.test"]);
        assert_eq!(again.len(), ZONE);
    }

    #[test]
    fn all_of_loopback_is_one_client() {
        let lookups = lookups();
        let mut places = Vec::new();
        for (client, zone) in [("127.0.0.1", "a.test"), ("127.9.9.9", "b.test")] {
            places.extend(fill(lookups, Some(client), &[zone]));
        }
        for client in ["::1", "::ffff:127.0.0.1", "127.0.0.2"] {
            assert!(
                fill(lookups, Some(client), &["c.test"]).is_empty(),
                "{client}"
            );
        }
        assert_eq!(places.len(), CLIENT);
    }

    #[test]
    fn a_place_that_is_given_back_wakes_who_waits_for_it() {
        let lookups = lookups();
        let mut places = fill(lookups, Some("10.0.0.1"), &["silent.test"]);
        let waits = std::thread::Builder::new().spawn(|| {
            let host = Host::parse(b"late.silent.test").unwrap();
            let deadline = Instant::now() + std::time::Duration::from_secs(600);
            lookups.take(Some([10, 0, 0, 2].into()), &host, deadline)
        });
        places.pop();
        assert!(waits.unwrap().join().unwrap().is_some());
    }

    #[test]
    fn a_zone_is_the_last_two_labels() {
        for (name, expected) in [
            ("a.b.c.test", "c.test"),
            ("c.test", "c.test"),
            ("test", "test"),
            ("", ""),
        ] {
            assert_eq!(zone(name), expected);
        }
    }
}
