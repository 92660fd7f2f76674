//! What the origins of a stage know of the case that is played: what shall arrive, what they answer, and what has arrived.

use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::thread::ThreadId;
use std::time::Duration;

use super::case::Arrival;
use super::case::Case;
use super::case::Ending;
use super::case::Side;
use super::normal::normal;
use crate::support::origin::Conn;
use crate::support::queue::Queue;
use crate::support::wire::Filled;

/// How long something may take. A play that needs it has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What is known, and the news of it.
#[derive(Default)]
pub(super) struct Board {
    /// What is known.
    state: Mutex<State>,
    /// Something has changed.
    news: Condvar,
}

/// What is known.
#[derive(Default)]
struct State {
    /// All that shall arrive up to the end of each message.
    messages: Vec<Vec<u8>>,
    /// All that may arrive.
    whole: Vec<u8>,
    /// The answer to each message, in its pieces.
    answers: Vec<Vec<Vec<u8>>>,
    /// How the origin ends behind the last.
    ending: Option<Ending>,
    /// What has arrived.
    arrived: Vec<u8>,
    /// The thread of the connection on which the last of it arrived: no other answers.
    receiver: Option<ThreadId>,
    /// Messages that were answered.
    answered: usize,
    /// Whether an answer is being sent.
    answering: bool,
    /// Whether the client has all that it waits for.
    concluded: bool,
}

/// What an origin does next.
enum Next {
    /// It waits for more.
    Wait,
    /// It ends: something else arrives than shall.
    Stop,
    /// It sends these pieces, and then ends like this.
    Answer(Vec<Vec<u8>>, Ending),
}

impl Board {
    /// Begins a play: the origin's answer is cut at these places, where it is the origin's bytes that come in pieces. What arrived since
    /// the last one ended is given back; it is nobody's.
    pub(super) fn begin(&self, case: &Case, cuts: &[usize]) -> Vec<u8> {
        let mut state = self.lock();
        let late = std::mem::take(&mut state.arrived);
        let cuts = if case.side == Side::Origin { cuts } else { &[] };
        let mut whole = Vec::new();
        state.messages.clear();
        if let Arrival::Messages(messages) = &case.arrival {
            for message in messages {
                whole.extend_from_slice(message);
                state.messages.push(whole.clone());
            }
        }
        if let Arrival::Part(part) = &case.arrival {
            whole.clone_from(part);
        }
        state.whole = whole;
        state.answers = case
            .answers
            .iter()
            .map(|answer| pieces(answer, cuts))
            .collect();
        state.ending = Some(case.ending);
        state.answered = 0;
        state.concluded = false;
        late
    }

    /// Tells that the client has all that it waits for. Gives what arrived, once all is there that shall be, and whether it is that.
    pub(super) fn conclude(&self, case: &Case) -> (Vec<u8>, bool) {
        self.change(|state| state.concluded = true);
        let is_part = matches!(case.arrival, Arrival::Part(_));
        let is_under_way = |state: &mut State| {
            let is_all = is_part || normal(&state.arrived) == state.whole;
            state.answering || !(is_all || state.is_wrong())
        };
        let waited = self
            .news
            .wait_timeout_while(self.lock(), PATIENCE, is_under_way);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_right = !state.answering && !state.is_wrong();
        let arrived = normal(&std::mem::take(&mut state.arrived));
        let is_all = is_part || arrived == state.whole;
        (arrived, is_right && is_all)
    }

    /// What arrived since the last play.
    pub(super) fn rest(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock().arrived)
    }

    /// Serves a connection of an origin.
    pub(super) fn serve(&self, conn: &mut Conn) {
        let mut queue = Queue::of_peer(&conn.channel.socket());
        loop {
            match conn.channel.try_fill() {
                Filled::More => {}
                // A connection that is kept may be idle for long.
                Filled::Nothing => continue,
                Filled::Ended(_) => return,
            }
            self.change(|state| {
                state.arrived.extend(conn.channel.received());
                state.receiver = Some(thread::current().id());
            });
            loop {
                match self.next() {
                    Next::Wait => break,
                    Next::Stop => return,
                    Next::Answer(pieces, ending) => {
                        self.answer(conn, &mut queue, &pieces);
                        match ending {
                            Ending::Not => {}
                            Ending::Clean => conn.channel.end_sending(),
                            Ending::Cut => conn.cut(),
                        }
                        self.change(|state| state.answering = false);
                        if ending != Ending::Not {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// What is to be done now.
    fn next(&self) -> Next {
        let mut state = self.lock();
        if state.is_wrong() {
            return Next::Stop;
        }
        if state.receiver != Some(thread::current().id()) {
            return Next::Wait;
        }
        let arrived = normal(&state.arrived);
        let index = state.answered;
        let is_whole = |message: &Vec<u8>| arrived.starts_with(message);
        if !state.messages.get(index).is_some_and(is_whole) {
            return Next::Wait;
        }
        state.answered += 1;
        state.answering = true;
        let ending = if state.answered == state.messages.len() {
            state.ending.unwrap_or(Ending::Not)
        } else {
            Ending::Not
        };
        let pieces = state.answers.get(index).cloned();
        Next::Answer(pieces.unwrap_or_default(), ending)
    }

    /// Sends an answer, each piece when the one before was read.
    fn answer(&self, conn: &mut Conn, queue: &mut Queue, pieces: &[Vec<u8>]) {
        for (index, piece) in pieces.iter().enumerate() {
            // Whether somebody reads behind what the client waits for is not known.
            if index > 0 {
                queue.wait_until_read(|| self.lock().concluded);
            }
            // The proxy may have had enough.
            if !conn.channel.try_send(piece) {
                break;
            }
        }
    }

    /// Changes what is known.
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.news.notify_all();
    }

    /// What is known.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether something else arrives than shall.
    fn is_wrong(&self) -> bool {
        !self.whole.starts_with(&normal(&self.arrived))
    }
}

/// The bytes cut at these places.
pub(super) fn pieces(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut start = 0;
    let ends = cuts.iter().copied().chain([bytes.len()]);
    let pieces = ends.map(|end| bytes[std::mem::replace(&mut start, end)..end].to_vec());
    pieces.collect()
}
