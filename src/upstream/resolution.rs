//! Resolution of one name: starts questions to the system's resolver until one is answered, and picks
//! the answers that count.

use std::mem;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::time::Duration;
use std::time::Instant;

use super::Error;
use super::Kind;
use super::happy_eyeballs::Event;
use super::lookups::Answer;
use super::lookups::Lookups;
use super::lookups::Owner;
use super::lookups::Purpose;
use super::lookups::Waiting;
use super::questions;
use super::questions::PATIENCE;
use super::questions::Question;
use crate::url::Authority;
use crate::url::Host;

/// Delay of an answer while a more important one is missing (RFC 8305 section 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Time from the first question on after which missing answers no longer count, if another came.
const LATEST: Duration = Duration::from_secs(2);

/// A name that is being resolved.
pub(super) struct Resolution {
    /// The name.
    host: Host,
    /// The port that addresses get.
    port: u16,
    /// The client that needs the name; none for authsome itself.
    client: Option<IpAddr>,
    /// The questions with their states, the most important first.
    questions: Vec<(Question, State)>,
    /// Start of the first question.
    begun: Instant,
    /// Channel for all answers.
    sender: Sender<Event>,
    /// Whether an answer was taken: no further question starts then.
    has_taken: bool,
}

/// State of a question.
enum State {
    /// Not started.
    Waiting,
    /// Started, without an answer.
    Asked,
    /// Failed for this reason.
    Failed(String),
    /// Answered; at this time the answer stops waiting for more important ones.
    Found(Vec<SocketAddr>, Instant),
    /// Answered, and the addresses are in use.
    Taken,
}

impl Resolution {
    /// Starts to resolve an authority for a client, or for authsome itself. Answers go to the sender.
    ///
    /// # Errors
    /// When too many lookups are under way until the deadline.
    pub(super) fn begin(
        target: &Authority,
        client: Option<IpAddr>,
        deadline: Instant,
        sender: Sender<Event>,
    ) -> Result<Self, Error> {
        let questions = questions::of(target.host.as_str()).into_iter();
        let mut new = Self {
            host: target.host.clone(),
            port: target.port,
            client,
            questions: questions
                .map(|question| (question, State::Waiting))
                .collect(),
            begun: Instant::now(),
            sender,
            has_taken: false,
        };
        let is_asked = new.ask(0, Purpose::First, Instant::now()) || {
            let is_local = questions::is_local(&new.host);
            let purpose = if is_local {
                Purpose::Local
            } else {
                Purpose::First
            };
            new.ask(0, purpose, deadline)
        };
        if !is_asked {
            let why = "too many names are being resolved";
            return Err(new.error(Kind::DnsTimeout, why));
        }
        // The wait for a place doesn't count.
        new.begun = Instant::now();
        Ok(new)
    }

    /// Starts a question, waiting for a place until the deadline. Returns whether it started.
    fn ask(&mut self, index: usize, purpose: Purpose, deadline: Instant) -> bool {
        /// Lookups under way.
        static LOOKUPS: Lookups = Lookups::new();

        let Some((question, state)) = self.questions.get_mut(index) else {
            return false;
        };
        let owner = Owner::new(self.client, &self.host, purpose);
        let waiting = Waiting {
            to: self.sender.clone(),
            question: index,
        };
        let is_asked = LOOKUPS.ask(owner, question, waiting, deadline);
        *state = if is_asked {
            State::Asked
        } else {
            State::Failed("too many names are being resolved".to_owned())
        };
        is_asked
    }

    /// Starts the questions whose delay is over, or whose predecessors have all failed.
    pub(super) fn ask_further(&mut self, now: Instant) {
        for index in 0..self.questions.len() {
            let Some((question, State::Waiting)) = self.questions.get(index) else {
                continue;
            };
            let mut sooner = self
                .questions
                .iter()
                .filter(|(other, _)| other.after < question.after);
            let is_due = now >= self.begun + question.after
                || sooner.all(|(_, state)| matches!(state, State::Failed(_)));
            if !self.has_taken && is_due {
                self.ask(index, Purpose::Further, now);
            }
        }
    }

    /// Records an answer.
    pub(super) fn note(&mut self, index: usize, answer: Answer) {
        let Some((_, state)) = self.questions.get_mut(index) else {
            return;
        };
        *state = match answer {
            Ok(found) if found.is_empty() => State::Failed("it has no address".to_owned()),
            Ok(mut found) => {
                for address in &mut found {
                    address.set_port(self.port);
                }
                let latest = Instant::now() + RESOLUTION_DELAY;
                State::Found(found, latest.max(self.begun + PATIENCE))
            }
            Err(why) => State::Failed(why),
        };
    }

    /// Takes an answer if all more important ones have failed, or its wait for them is over.
    pub(super) fn take(&mut self, now: Instant) -> Option<Vec<SocketAddr>> {
        let mut is_first = true;
        for (_, state) in &mut self.questions {
            match state {
                State::Found(_, latest) if is_first || self.has_taken || now >= *latest => {
                    self.has_taken = true;
                    return match mem::replace(state, State::Taken) {
                        State::Found(found, _) => Some(found),
                        _ => None,
                    };
                }
                State::Found(..) | State::Asked => is_first = false,
                State::Waiting | State::Failed(_) | State::Taken => {}
            }
        }
        None
    }

    /// Returns when the next step is due if no answer comes before.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let times = self
            .questions
            .iter()
            .filter_map(|(question, state)| match state {
                State::Waiting if !self.has_taken => Some(self.begun + question.after),
                State::Found(_, latest) => Some(*latest),
                State::Asked if self.has_taken => Some(self.begun + LATEST),
                _ => None,
            });
        times.filter(|time| *time > now).min()
    }

    /// Returns whether more addresses may come.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        if self.has_taken && now >= self.begun + LATEST {
            return false;
        }
        self.questions.iter().any(|(_, state)| match state {
            State::Waiting => !self.has_taken,
            State::Asked | State::Found(..) => true,
            State::Failed(_) | State::Taken => false,
        })
    }

    /// Returns the reason for which no address was found.
    pub(super) fn failure(&self) -> Error {
        let reasons = self.questions.iter().map(|(_, state)| match state {
            State::Failed(why) => Some(why),
            _ => None,
        });
        let reasons: Option<Vec<&String>> = reasons.collect();
        match reasons.as_deref().and_then(<[_]>::first) {
            Some(why) => self.error(Kind::DnsError, &format!("cannot be resolved: {why}")),
            None => self.error(Kind::DnsTimeout, "resolving it took too long"),
        }
    }

    /// Returns an error about the name.
    fn error(&self, kind: Kind, why: &str) -> Error {
        Error::new(kind, format!("{}: {why}", self.host))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::sys::resolver::Family;

    /// A resolution whose three questions wait for answers.
    fn resolution() -> Resolution {
        let question = |family, after| Question {
            name: "a.test".to_owned(),
            family,
            after,
        };
        Resolution {
            host: Host::parse(b"a.test").unwrap(),
            port: 443,
            client: None,
            questions: vec![
                (question(Family::Any, Duration::ZERO), State::Asked),
                (question(Family::V6, PATIENCE), State::Asked),
                (question(Family::V4, PATIENCE), State::Asked),
            ],
            begun: Instant::now(),
            sender: mpsc::channel().0,
            has_taken: false,
        }
    }

    /// An answer.
    fn found(ip: &str) -> Answer {
        Ok(vec![SocketAddr::new(ip.parse().unwrap(), 0)])
    }

    /// The first address of the answer taken at this time, as text.
    fn taken(resolution: &mut Resolution, now: Instant) -> Option<String> {
        resolution.take(now).map(|found| found[0].to_string())
    }

    #[test]
    fn an_answer_waits_a_moment_for_those_that_count_more() {
        let mut one = resolution();
        one.note(2, found("192.0.2.1"));
        let (soon, late) = (
            one.begun + PATIENCE - Duration::from_millis(1),
            Instant::now() + LATEST,
        );
        assert_eq!(taken(&mut one, soon), None);
        assert_eq!(taken(&mut one, late).as_deref(), Some("192.0.2.1:443"));
        // A later answer is taken at once.
        one.note(0, found("192.0.2.2"));
        assert_eq!(taken(&mut one, soon).as_deref(), Some("192.0.2.2:443"));
        assert!(one.is_open(soon) && !one.is_open(late));
    }

    #[test]
    fn an_answer_waits_for_nothing_that_has_failed() {
        let mut one = resolution();
        let now = one.begun;
        one.note(2, found("192.0.2.1"));
        one.note(1, Ok(Vec::new()));
        assert_eq!(taken(&mut one, now), None);
        one.note(0, Err("no".to_owned()));
        assert_eq!(taken(&mut one, now).as_deref(), Some("192.0.2.1:443"));
        assert!(!one.is_open(now));
    }

    #[test]
    fn it_has_failed_once_every_question_has() {
        let mut one = resolution();
        one.note(0, Err("first".to_owned()));
        one.note(1, Err("second".to_owned()));
        assert!(one.is_open(one.begun + Duration::from_secs(9)));
        assert_eq!(one.failure().kind, Kind::DnsTimeout);
        one.note(2, Err("third".to_owned()));
        assert!(!one.is_open(one.begun));
        assert_eq!(one.failure().text, "a.test: cannot be resolved: first");
    }
}
