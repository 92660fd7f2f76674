//! A command as a source: run when it is needed, once for all that wait.

use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use super::Error;
use super::lock;
use crate::credential::Credential;
use crate::environment::Environment;
use crate::program::Failed;
use crate::program::LineError;
use crate::program::Program;
use crate::sys::uptime;

/// A command line of nothing.
const NO_WORDS: Error = Error::Line(LineError("no words"));

/// A command whose output is a credential.
pub(crate) struct CommandSource {
    /// The program, with its arguments and what it runs in.
    program: Program,
    /// How long an answer is used.
    ttl: Duration,
    /// The last run.
    state: Mutex<Run>,
    /// Wakes those that wait for one.
    ended: Condvar,
}

/// The last run of a command.
#[derive(Default)]
struct Run {
    /// Whether it is going on.
    running: bool,
    /// How many have ended.
    count: u64,
    /// What the last gave, and when: by the clock that goes on while the machine is suspended, since the credential grows old then, too.
    last: Option<(Duration, Result<Arc<Credential>, Error>)>,
}

impl CommandSource {
    /// A command that has not run yet. That its program is there is checked now.
    pub(super) fn new(
        words: Vec<String>,
        environment: &Environment,
        ttl: Duration,
    ) -> Result<Self, Error> {
        if words.is_empty() {
            return Err(NO_WORDS);
        }
        let program = Program::new(words, environment).map_err(Error::Command)?;
        if !program.is_found() {
            return Err(Error::Command(Failed {
                program: program.name().to_owned(),
                why: "was not found".into(),
            }));
        }
        Ok(Self {
            program,
            ttl,
            state: Mutex::default(),
            ended: Condvar::new(),
        })
    }

    /// The last answer if it is fresh, else that of a new run. Whoever comes while it runs waits for it and shares its end,
    /// good or bad.
    pub(super) fn current(&self) -> Result<Arc<Credential>, Error> {
        let mut state = lock(&self.state);
        if let Some((when, Ok(credential))) = &state.last
            && uptime::since_boot().saturating_sub(*when) < self.ttl
        {
            return Ok(Arc::clone(credential));
        }
        if state.running {
            let before = state.count;
            while state.count == before {
                state = self
                    .ended
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            let (_, shared) = state.last.clone().ok_or(NO_WORDS)?;
            return shared;
        }
        state.running = true;
        drop(state);
        let found = self.run();
        let mut state = lock(&self.state);
        state.running = false;
        state.count += 1;
        state.last = Some((uptime::since_boot(), found.clone()));
        self.ended.notify_all();
        found
    }

    /// Runs the command.
    fn run(&self) -> Result<Arc<Credential>, Error> {
        let bytes = self.program.output().map_err(Error::Command)?;
        let what = format!("the command {}", self.program.name());
        let credential =
            Credential::new(bytes.to_vec()).map_err(|why| Error::Invalid(what, why))?;
        Ok(Arc::new(credential))
    }
}
