//! A command as a source: run when it is needed, once for all that wait.

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use zeroize::Zeroizing;

use super::Error;
use super::MAX_OUTPUT;
use super::lock;
use crate::credential::Credential;
use crate::environment::Environment;
use crate::sys::process;

/// How long a command may take.
const COMMAND_TIME: Duration = Duration::from_secs(30);

/// A command whose output is a credential.
pub(crate) struct CommandSource {
    /// Program and arguments.
    words: Vec<String>,
    /// What it runs in.
    environment: Environment,
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
    /// What the last gave, and when.
    last: Option<(Instant, Result<Arc<Credential>, Error>)>,
}

impl CommandSource {
    /// A command that has not run yet. That its program is there is checked now.
    pub(super) fn new(
        words: Vec<String>,
        environment: Environment,
        ttl: Duration,
    ) -> Result<Self, Error> {
        let program = words.first().ok_or(Error::Line("no words"))?;
        if !is_found(program, &environment) {
            return Err(Error::Command(program.clone(), "was not found".into()));
        }
        Ok(Self {
            words,
            environment,
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
            && when.elapsed() < self.ttl
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
            let (_, shared) = state.last.clone().ok_or(Error::Line("no answer"))?;
            return shared;
        }
        state.running = true;
        drop(state);
        let found = self.run();
        let mut state = lock(&self.state);
        state.running = false;
        state.count += 1;
        state.last = Some((Instant::now(), found.clone()));
        self.ended.notify_all();
        found
    }

    /// Runs the command. Its standard error is the person's: that is where such programs say what they lack.
    fn run(&self) -> Result<Arc<Credential>, Error> {
        let (program, arguments) = self.words.split_first().ok_or(Error::Line("no words"))?;
        let failed = |why: String| Error::Command(program.clone(), why);
        #[expect(
            clippy::disallowed_methods,
            reason = "a source is one of the places that start programs"
        )]
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
        let output = child.stdout.take();
        let (sender, receiver) = mpsc::channel();
        let reader = move || {
            let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
            let read = output.map(|output| output.take(MAX_OUTPUT).read_to_end(&mut bytes));
            let ended = child.wait();
            // Nobody listens any more when it took too long.
            let _ = sender.send((bytes, read, ended));
        };
        thread::Builder::new()
            .name("source".into())
            .spawn(reader)
            .map_err(|error| failed(format!("cannot be waited for: {error}")))?;
        let Ok((bytes, read, ended)) = receiver.recv_timeout(COMMAND_TIME) else {
            process::send(pid, libc::SIGKILL);
            return Err(failed(format!(
                "took longer than {} s",
                COMMAND_TIME.as_secs()
            )));
        };
        match (read, ended) {
            (Some(Ok(_)), Ok(status)) if status.success() => {}
            (_, Ok(status)) if !status.success() => {
                return Err(failed(format!("failed: {status}")));
            }
            _ => return Err(failed("gave no output that could be read".into())),
        }
        let what = format!("the command {program}");
        let credential =
            Credential::new(bytes.to_vec()).map_err(|why| Error::Invalid(what, why))?;
        Ok(Arc::new(credential))
    }
}

/// Whether the program is there: at its path, or in a folder of PATH.
fn is_found(program: &str, environment: &Environment) -> bool {
    if program.contains('/') {
        return Path::new(program).exists();
    }
    let path = environment.get("PATH").map(std::ffi::OsStr::to_owned);
    let path = path.unwrap_or_else(|| "/bin:/usr/bin".into());
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
