//! Lookups of names that are under way, and who may begin another. A lookup holds a thread until
//! the system's resolver gives up, and whoever chooses the name can let its name server be silent;
//! so nobody takes all places. Equal lookups are shared.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Instant;

use super::address;
use super::happy_eyeballs::Event;
use super::questions::Question;
use crate::sys::resolver;
use crate::sys::resolver::Family;
use crate::url::Host;

/// Lookups at once, at most. Each [`Purpose`] has these limits for itself.
const ALL: usize = 256;

/// Lookups of all clients together: what is left is for authsome's own requests, for tokens.
const CLIENTS: usize = 192;

/// Lookups of one client.
const CLIENT: usize = 64;

/// Lookups of clients for names that end in the same two labels: such names most likely have the
/// same name servers.
const ZONE: usize = 32;

/// Addresses, or the reason for which there are none.
pub(super) type Answer = Result<Vec<SocketAddr>, String>;

/// The lookups under way.
pub(super) struct Lookups {
    /// Lookups that hold a thread, at most [`ALL`] of each purpose.
    under_way: Mutex<VecDeque<Lookup>>,
    /// Wakes those that wait for a place.
    ended: Condvar,
}

/// A receiver of an answer.
pub(super) struct Waiting {
    /// The receiver's channel.
    pub(super) to: Sender<Event>,
    /// The receiver's number for the question.
    pub(super) question: usize,
}

/// A lookup.
struct Lookup {
    /// The owner whose limits apply.
    owner: Owner,
    /// The name, with a dot at its end if it isn't searched.
    name: String,
    /// The wanted addresses.
    family: Family,
    /// All receivers of the answer.
    waiting: Vec<Waiting>,
}

/// The owner of a lookup, for the limits.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// The client that asks; none for authsome itself.
    client: Option<IpAddr>,
    /// The last two labels of the name.
    zone: String,
    /// The purpose of the lookup.
    purpose: Purpose,
}

/// The purpose of a lookup: those of one purpose take no places of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To find a name's addresses.
    First,
    /// To find more, beside another lookup of the same name.
    Further,
    /// To find those of a name that the machine itself knows, where no place was free: silent name servers don't
    /// matter to it.
    Local,
}

impl Owner {
    /// Returns the owner of a lookup for the client at this address, or for authsome itself.
    pub(super) fn new(client: Option<IpAddr>, host: &Host, purpose: Purpose) -> Self {
        Self {
            client: client.map(identity),
            zone: zone(host.as_str()).to_owned(),
            purpose,
        }
    }

    /// Returns whether there is a place for a lookup beside those that are under way.
    fn may_begin(&self, under_way: &VecDeque<Lookup>) -> bool {
        let alike = under_way
            .iter()
            .map(|other| &other.owner)
            .filter(|other| other.purpose == self.purpose);
        let (mut all, mut clients, mut of_client, mut of_zone) = (0, 0, 0, 0);
        for other in alike {
            all += 1;
            if other.client.is_some() {
                clients += 1;
                of_client += usize::from(other.client == self.client);
                of_zone += usize::from(other.zone == self.zone);
            }
        }
        let is_ours = self.client.is_none();
        all < ALL && (is_ours || clients < CLIENTS && of_client < CLIENT && of_zone < ZONE)
    }
}

impl Lookups {
    /// Returns an empty set.
    pub(super) const fn new() -> Self {
        Self {
            under_way: Mutex::new(VecDeque::new()),
            ended: Condvar::new(),
        }
    }

    /// Asks the system's resolver on a thread of its own; waits for a place until the deadline.
    /// Returns whether an answer will come.
    pub(super) fn ask(
        &'static self,
        owner: Owner,
        question: &Question,
        waiting: Waiting,
        deadline: Instant,
    ) -> bool {
        match self.take(owner, question, waiting, deadline) {
            Some(true) => self.begin(question),
            Some(false) => {}
            None => return false,
        }
        true
    }

    /// Takes a place, waiting for one until the deadline. Returns whether the caller must start the
    /// lookup: not if an equal one is under way.
    fn take(
        &self,
        owner: Owner,
        question: &Question,
        waiting: Waiting,
        deadline: Instant,
    ) -> Option<bool> {
        let mut under_way = self.lock();
        loop {
            if let Some(same) = under_way.iter_mut().find(|other| other.asks(question)) {
                same.waiting.push(waiting);
                return Some(false);
            }
            if owner.may_begin(&under_way) {
                under_way.push_back(Lookup {
                    owner,
                    name: question.name.clone(),
                    family: question.family,
                    waiting: vec![waiting],
                });
                return Some(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.ended.wait_timeout(under_way, left);
            under_way = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Starts the lookup that has a place.
    fn begin(&'static self, question: &Question) {
        let asked = question.clone();
        let lookup = move || {
            let found = resolver::lookup(&asked.name, asked.family);
            self.end(&asked, &found.map_err(|error| error.to_string()));
        };
        let thread = thread::Builder::new().name("resolve".into()).spawn(lookup);
        if thread.is_err() {
            self.end(question, &Err("no thread to resolve it".to_owned()));
        }
    }

    /// Frees the place, and sends the answer to all that wait for it.
    fn end(&self, question: &Question, answer: &Answer) {
        let mut under_way = self.lock();
        let index = under_way.iter().position(|lookup| lookup.asks(question));
        let ended = index.and_then(|index| under_way.remove(index));
        drop(under_way);
        self.ended.notify_all();
        for waiting in ended.into_iter().flat_map(|ended| ended.waiting) {
            // A receiver that gave up is gone.
            let event = Event::Answer(waiting.question, answer.clone());
            let _ = waiting.to.send(event);
        }
    }

    /// Returns the lookups under way.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Lookup>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lookup {
    /// Returns whether the lookup answers the question.
    fn asks(&self, question: &Question) -> bool {
        self.name == question.name && self.family == question.family
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
    use std::sync::mpsc;

    use super::*;

    /// Takes a place for the lookup of a name that a client wants, or authsome itself, until the deadline.
    fn take(
        lookups: &Lookups,
        client: Option<IpAddr>,
        name: &str,
        deadline: Instant,
    ) -> Option<Question> {
        take_as(
            lookups,
            Owner::new(
                client,
                &Host::parse(name.as_bytes()).unwrap(),
                Purpose::First,
            ),
            name,
            deadline,
        )
    }

    /// The same for this owner.
    fn take_as(lookups: &Lookups, owner: Owner, name: &str, deadline: Instant) -> Option<Question> {
        let question = Question {
            name: name.to_owned(),
            family: Family::Any,
            after: std::time::Duration::ZERO,
        };
        let waiting = Waiting {
            to: mpsc::channel().0,
            question: 0,
        };
        let taken = lookups.take(owner, &question, waiting, deadline);
        taken.map(|is_new| {
            assert!(is_new);
            question
        })
    }

    /// Takes as many places as there are for names below these zones in turn, of a client or of
    /// authsome itself.
    fn fill(lookups: &Lookups, client: Option<&str>, zones: &[&str]) -> Vec<Question> {
        let client: Option<IpAddr> = client.map(|client| client.parse().unwrap());
        // No name twice.
        let start = lookups.lock().len();
        let mut places = Vec::new();
        for zone in zones {
            let name = |number| format!("x{number}.{zone}");
            let all = (start..).map(|number| take(lookups, client, &name(number), Instant::now()));
            places.extend(all.take_while(Option::is_some).flatten());
        }
        places
    }

    /// Gives places back.
    fn give_back(lookups: &Lookups, places: Vec<Question>) {
        for place in places {
            lookups.end(&place, &Err("over".to_owned()));
        }
    }

    #[test]
    fn no_client_and_no_zone_takes_more_than_its_part() {
        let lookups = Lookups::new();
        let silent = fill(&lookups, Some("10.0.0.1"), &["silent.test"]);
        assert_eq!(silent.len(), ZONE);
        // Neither another client nor another name of the zone helps.
        assert!(fill(&lookups, Some("10.0.0.2"), &["a.b.silent.test"]).is_empty());
        let more = fill(&lookups, Some("::ffff:10.0.0.1"), &["b.test", "c.test"]);
        assert_eq!(more.len(), CLIENT - ZONE);
        // Another client, and authsome itself, find places.
        let others = fill(&lookups, Some("10.0.0.2"), &["d.test", "e.test", "f.test"]);
        assert_eq!(others.len(), CLIENT);
        let zones = ["g.test", "h.test", "i.test"];
        let last = fill(&lookups, Some("2001:db8::1"), &zones);
        assert_eq!(last.len(), CLIENT);
        assert!(fill(&lookups, Some("2001:db8::ffff:2"), &["k.test"]).is_empty());
        assert!(fill(&lookups, Some("10.0.0.3"), &["k.test"]).is_empty());
        let own = fill(&lookups, None, &["silent.test"]);
        assert_eq!(own.len(), ALL - CLIENTS);
        // A place that is given back is taken again.
        give_back(&lookups, others);
        let again = fill(&lookups, Some("10.0.0.3"), &["k.test"]);
        assert_eq!(again.len(), ZONE);
    }

    #[test]
    fn all_of_loopback_is_one_client() {
        let lookups = Lookups::new();
        let mut places = Vec::new();
        for (client, zone) in [("127.0.0.1", "a.test"), ("127.9.9.9", "b.test")] {
            places.extend(fill(&lookups, Some(client), &[zone]));
        }
        for client in ["::1", "::ffff:127.0.0.1", "127.0.0.2"] {
            assert!(
                fill(&lookups, Some(client), &["c.test"]).is_empty(),
                "{client}"
            );
        }
        assert_eq!(places.len(), CLIENT);
    }

    #[test]
    fn a_place_that_is_given_back_wakes_who_waits_for_it() {
        let lookups = Lookups::new();
        let mut places = fill(&lookups, Some("10.0.0.1"), &["silent.test"]);
        thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let deadline = Instant::now() + std::time::Duration::from_secs(600);
                take(
                    &lookups,
                    Some([10, 0, 0, 2].into()),
                    "late.silent.test",
                    deadline,
                )
            });
            give_back(&lookups, places.pop().into_iter().collect());
            assert!(waits.join().unwrap().is_some());
        });
    }

    #[test]
    fn lookups_of_one_purpose_take_no_places_of_another() {
        let lookups = Lookups::new();
        let host = Host::parse(b"a.silent.test").unwrap();
        for purpose in [Purpose::Further, Purpose::Local] {
            let other = |number: usize| {
                let owner = Owner::new(Some([10, 0, 0, 1].into()), &host, purpose);
                let name = format!("{number}.{purpose:?}");
                take_as(&lookups, owner, &name, Instant::now())
            };
            assert_eq!((0..).map(other).take_while(Option::is_some).count(), ZONE);
        }
        let places = fill(&lookups, Some("10.0.0.1"), &["silent.test"]);
        assert_eq!(places.len(), ZONE);
    }

    #[test]
    fn who_asks_what_is_asked_already_gets_the_same_answer() {
        let lookups = Lookups::new();
        let asked = fill(&lookups, Some("10.0.0.1"), &["silent.test"]).remove(0);
        let (to, answers) = mpsc::channel();
        let owner = Owner::new(
            Some([10, 0, 0, 2].into()),
            &Host::parse(b"x0.silent.test").unwrap(),
            Purpose::First,
        );
        // There is no place left, and none is needed.
        let waiting = Waiting { to, question: 7 };
        assert_eq!(
            lookups.take(owner, &asked, waiting, Instant::now()),
            Some(false)
        );
        let found: Vec<SocketAddr> = vec!["192.0.2.1:0".parse().unwrap()];
        lookups.end(&asked, &Ok(found.clone()));
        let Ok(Event::Answer(7, Ok(answer))) = answers.try_recv() else {
            panic!("no answer");
        };
        assert_eq!(answer, found);
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
