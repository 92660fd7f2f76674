//! Reading everything anew while requests are served: when that is asked for, and when a file has changed.

use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;

use super::super::app;
use super::super::app::App;
use super::super::connect;
use super::super::connect::ConnectionArgs;
use super::super::error::Error;
use super::super::output;
use super::manager::Manager;
use super::password::PasswordSource;
use super::setup;
use crate::files;
use crate::files::Stamp;
use crate::notice::Notice;
use crate::proxy::Shared;
use crate::proxy::state::State;

/// How often it is looked whether a file has changed. Changes are seen by their stamps: what is mounted into containers is changed in
/// ways that nobody is told of.
const LOOK: Duration = Duration::from_secs(1);

/// How long after a reload that has failed it is tried again; twice as long each time that it fails in the same way.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long at the most.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Files, each with what tells whether it has changed.
pub(super) type Stamps = Vec<(PathBuf, Option<Stamp>)>;

/// What a state is made of.
pub(super) struct Sources {
    /// The home, the environment and all that.
    pub(super) app: App,
    /// Which connections.
    pub(super) connections: ConnectionArgs,
    /// The proxy's password.
    pub(super) password: PasswordSource,
}

impl Sources {
    /// The state that they make now; tokens at work in the one before stay.
    ///
    /// # Errors
    /// What can't be read or used.
    pub(super) fn state(&self, before: Option<&State>) -> Result<State, Error> {
        let password = self.password.current()?;
        let before = before.map(State::broker);
        let connected = connect::connect_again(&self.connections, &self.app, before)?;
        Ok(State::new(connected.broker, Some(password)).blind_to(connected.blind))
    }

    /// The same with the definitions as they are now. Where it fails, all is as it was.
    fn state_anew(&mut self, before: &State) -> Result<State, Error> {
        let definitions = app::definitions(&self.app.home)?;
        let old = mem::replace(&mut self.app.registry, definitions);
        let state = self.state(Some(before));
        if state.is_err() {
            self.app.registry = old;
        }
        state
    }

    /// The files that they are in, each with what tells whether it has changed.
    pub(super) fn stamps(&self) -> Stamps {
        let home = &self.app.home;
        let mut paths = vec![home.vault(), home.master_key(), home.providers()];
        paths.extend(self.password.file().map(PathBuf::from));
        // A folder that can't be read is told of when it is to be.
        let definitions = std::fs::read_dir(home.providers());
        let definitions = definitions.into_iter().flatten().flatten();
        paths.extend(definitions.map(|entry| entry.path()));
        paths.sort();
        let stamped = paths.into_iter().map(|path| {
            let stamp = files::stamp(&path).ok();
            (path, stamp)
        });
        stamped.collect()
    }
}

/// Reads everything anew.
pub(super) struct Reloader {
    /// From where.
    pub(super) sources: Sources,
    /// How it stood when it was read last.
    pub(super) seen: Stamps,
    /// The last reload, if it has failed.
    pub(super) failed: Option<Failure>,
    /// What is served.
    pub(super) shared: Arc<Shared>,
    /// Who is told besides the person.
    pub(super) manager: Arc<Manager>,
}

/// A reload that has failed. What has failed may be mended where no file shows it: it is tried again.
pub(super) struct Failure {
    /// Why, as it was told.
    text: String,
    /// How long it is waited until it is tried again.
    pause: Duration,
    /// When that is.
    again: Instant,
}

impl Failure {
    /// One for this reason, after another or none.
    fn after(last: Option<Self>, text: String) -> Self {
        let pause = match last {
            Some(last) if last.text == text => (last.pause * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        Self {
            text,
            pause,
            again: Instant::now() + pause,
        }
    }
}

impl Reloader {
    /// Reads everything anew each time that it is asked for, that a file has changed, or that it has failed a while ago, until nobody can
    /// ask any more.
    pub(super) fn run(mut self, asked: &mpsc::Receiver<()>) {
        loop {
            match asked.recv_timeout(LOOK) {
                Ok(()) => {
                    forget_others(asked);
                    self.reload(true);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if self.is_due() || self.sources.stamps() != self.seen {
                        self.reload(false);
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Whether what has failed is to be tried again.
    fn is_due(&self) -> bool {
        let failed = self.failed.as_ref();
        failed.is_some_and(|failed| Instant::now() >= failed.again)
    }

    /// Reads everything anew, and has requests judged by that from here on. Where it fails, all is as it was; who has asked for it is told
    /// each time, others once.
    fn reload(&mut self, is_asked: bool) {
        self.manager.reloading();
        // Before the reading: what changes meanwhile is seen the next time.
        self.seen = self.sources.stamps();
        let before = self.shared.current.get();
        match self.sources.state_anew(&before) {
            Ok(state) => {
                self.failed = None;
                setup::warn_of_outside(&self.sources.app, &self.shared.leaves, &state);
                let count = state.broker().connections().count();
                let generation = self.shared.current.replace(state);
                // They would be kept for nobody.
                self.shared.pool.clear();
                let text =
                    format!("authsome: reloaded: {count} connections (generation {generation})");
                output::note(self.sources.app.verbosity, &text);
            }
            Err(error) => self.fail(error, is_asked),
        }
        self.manager.ready();
    }

    /// Tells that nothing was read anew, where that is news or was asked for, and has it tried again.
    fn fail(&mut self, error: Error, is_asked: bool) {
        let hint = error.hint.map(|hint| format!(" ({hint})"));
        let text = format!(
            "nothing was reloaded, and all is as it was: {}{}",
            error.what,
            hint.unwrap_or_default()
        );
        let last = self.failed.take();
        if is_asked || last.as_ref().is_none_or(|last| last.text != text) {
            output::notice(self.sources.app.verbosity, &Notice::Warning(text.clone()));
        }
        self.failed = Some(Failure::after(last, text));
    }
}

/// Forgets who else has asked by now: one reading that begins afterwards is enough for all.
fn forget_others(asked: &mpsc::Receiver<()>) {
    while asked.try_recv().is_ok() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_have_asked_before_it_begins_are_one() {
        let (ask, asked) = mpsc::channel();
        for _ in 0..300 {
            ask.send(()).unwrap();
        }
        asked.recv().unwrap();
        forget_others(&asked);
        assert_eq!(asked.try_recv(), Err(mpsc::TryRecvError::Empty));
        ask.send(()).unwrap();
        assert_eq!(asked.try_recv(), Ok(()));
    }

    #[test]
    fn the_pause_grows_while_it_fails_in_the_same_way() {
        let mut last = None;
        for (text, seconds) in [("x", 1), ("x", 2), ("x", 4), ("y", 1), ("y", 2)] {
            let failed = Failure::after(last, text.to_owned());
            assert_eq!(failed.pause.as_secs(), seconds, "{text}");
            last = Some(failed);
        }
        for _ in 0..9 {
            last = Some(Failure::after(last, "y".to_owned()));
        }
        assert_eq!(last.map(|last| last.pause), Some(LONGEST_PAUSE));
    }
}
