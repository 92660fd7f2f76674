//! Finding a name's addresses: questions for the system's resolver, asked as long as no answer has come, and the answers that count.

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
use super::lookups::Waiting;
use super::questions;
use super::questions::PATIENCE;
use super::questions::Question;
use crate::url::Authority;
use crate::url::Host;

/// How long an answer waits for one that counts more (RFC 8305 section 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// How long answers are waited for, from the first question on, where the addresses of another have failed.
const LATEST: Duration = Duration::from_secs(2);

/// A name whose addresses are being found.
pub(super) struct Resolution {
    /// The name.
    host: Host,
    /// The port.
    port: u16,
    /// The client that wants it; none for authsome itself.
    client: Option<IpAddr>,
    /// The questions, those first whose answers count most, and what became of them.
    questions: Vec<(Question, State)>,
    /// When the first was asked.
    begun: Instant,
    /// Where answers go.
    sender: Sender<Event>,
    /// Whether an answer was taken: nothing more is asked then.
    has_taken: bool,
}

/// What became of a question.
enum State {
    /// It is not asked yet.
    Waiting,
    /// It is asked.
    Asked,
    /// It has no answer, for this reason.
    Failed(String),
    /// It has an answer, which is taken at this time at the latest.
    Found(Vec<SocketAddr>, Instant),
    /// Its answer was taken.
    Taken,
}

impl Resolution {
    /// Begins to find the addresses of an authority that this client wants, or authsome itself. Answers go to the sender.
    ///
    /// # Errors
    /// When there is no place for another lookup until the deadline.
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
        if !new.ask(0, deadline) {
            let why = "too many names are being resolved";
            return Err(new.error(Kind::DnsTimeout, why));
        }
        // A place may have taken its time.
        new.begun = Instant::now();
        Ok(new)
    }

    /// Asks a question, once there is a place for it, until the deadline. Tells whether it is asked.
    fn ask(&mut self, index: usize, deadline: Instant) -> bool {
        /// Lookups under way.
        static LOOKUPS: Lookups = Lookups::new();

        let Some((question, state)) = self.questions.get_mut(index) else {
            return false;
        };
        let owner = Owner::new(self.client, &self.host, index > 0);
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

    /// Asks what is to be asked by now: what has waited long enough, and what has nothing to wait for.
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
                self.ask(index, now);
            }
        }
    }

    /// Notes an answer.
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

    /// Takes an answer that counts by now: all that would count more have failed, or it has waited for them long enough.
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

    /// Returns when something is to be done next, if no answer comes.
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

    /// Returns why there is no address.
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

    /// A name for which the first questions of two stages are asked, by nobody.
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

    /// What is taken at this time, as text.
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
        // What comes later is taken at once.
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
