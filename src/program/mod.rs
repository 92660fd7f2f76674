//! Programs that are run for what they print: a credential's source, the vault's key.

mod search_path;
pub(crate) mod variables;
mod words;

use std::fmt;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::environment::Environment;
use crate::files::trusted;
use crate::files::trusted::Purpose;
use crate::sys::process;
pub(crate) use search_path::SearchPath;
pub(crate) use words::split_words;

/// How long a program may take.
const TIME: Duration = Duration::from_secs(30);

/// Bytes that a program, a file or standard input may give, at the most; more than a credential may have, so that the error can say which.
pub(crate) const MAX_OUTPUT: u64 = 64 * 1024;

/// Room for all of them, and for seeing that there is no more: what grows leaves copies behind.
const ROOM: usize = 64 * 1024 + 64;

/// What is wrong with a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineError(pub(crate) &'static str);

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the command line has {}", self.0)
    }
}

/// A program that gave nothing usable: which, and why. Nothing of what it printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// The program.
    pub(crate) program: String,
    /// What it did, as the rest of a sentence.
    pub(crate) why: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the command {} {}", self.program, self.why)
    }
}

/// A program that is run for what it prints, as often as that is needed.
///
/// Where the user of a run's program must not have a say in what root runs ([`trusted`]), it is found once, in folders that are root's
/// alone; these are its PATH, too, it gets no variable that leads to what that user could change, and its working directory is `/` unless
/// the present one is such a folder.
pub(crate) struct Program {
    /// The words of the command line.
    words: Vec<String>,
    /// The path to execute: the first word, or where that was found.
    path: PathBuf,
    /// The program's environment.
    environment: Environment,
    /// The working directory, if that isn't the present one.
    folder: Option<&'static str>,
}

impl Program {
    /// Finds the program of a command line.
    ///
    /// # Errors
    /// When there are no words; where it has to be found once, when it isn't, or others than root could have changed it.
    pub(crate) fn new(words: Vec<String>, environment: &Environment) -> Result<Self, Failed> {
        let Some(program) = words.first() else {
            let (program, why) = (String::new(), "has no words".into());
            return Err(Failed { program, why });
        };
        let mut environment = environment.clone();
        let (mut path, mut folder) = (PathBuf::from(program), None);
        if let Some(other) = trusted::kept_from() {
            let search = SearchPath::of(&environment);
            path = search.find(program).map_err(|why| Failed {
                program: program.clone(),
                why,
            })?;
            environment.set("PATH", search.joined());
            let names = variables::leading_to(&environment, other);
            variables::take_out(&mut environment, &names);
            let present = std::env::current_dir().ok();
            let is_trusted = |folder: &PathBuf| trusted::folder(folder, Purpose::Run).is_ok();
            folder = (!present.as_ref().is_some_and(is_trusted)).then_some("/");
        }
        Ok(Self {
            words,
            path,
            environment,
            folder,
        })
    }

    /// Returns the program's name, as the command line has it.
    pub(crate) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Returns whether the program can be found now.
    pub(crate) fn is_found(&self) -> bool {
        is_found(self.name(), &self.environment)
    }

    /// Runs the program to its end and returns what it printed. Standard error is the user's: that is where such programs say what
    /// they lack.
    ///
    /// # Errors
    /// When it can't be started, takes longer than 30 s, or fails.
    pub(crate) fn output(&self) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let failed = |why: String| Failed {
            program: self.name().to_owned(),
            why,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "this is one of the places that start programs"
        )]
        let mut command = Command::new(&self.path);
        command.arg0(self.name());
        if let Some(folder) = self.folder {
            command.current_dir(folder);
        }
        let mut child = command
            .args(self.words.iter().skip(1))
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
            let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
            let read = output.map(|output| output.take(MAX_OUTPUT).read_to_end(&mut bytes));
            let ended = child.wait();
            // Nobody listens any more when it took too long.
            let _ = sender.send((bytes, read, ended));
        };
        thread::Builder::new()
            .name("program".into())
            .spawn(reader)
            .map_err(|error| failed(format!("cannot be waited for: {error}")))?;
        let Ok((bytes, read, ended)) = receiver.recv_timeout(TIME) else {
            process::send(pid, libc::SIGKILL);
            return Err(failed(format!("took longer than {} s", TIME.as_secs())));
        };
        match (read, ended) {
            (Some(Ok(_)), Ok(status)) if status.success() => Ok(bytes),
            (_, Ok(status)) if !status.success() => Err(failed(format!("failed: {status}"))),
            _ => Err(failed("gave no output that could be read".into())),
        }
    }
}

/// Runs the program of a command line once: [`Program::output`].
///
/// # Errors
/// When it can't be found or started, takes longer than 30 s, or fails.
pub(crate) fn output_of(
    words: &[String],
    environment: &Environment,
) -> Result<Zeroizing<Vec<u8>>, Failed> {
    Program::new(words.to_vec(), environment)?.output()
}

/// Starts a program that goes on by itself, without our streams. What becomes of it is not asked.
///
/// # Errors
/// When it can't be started.
pub(crate) fn start_detached(
    program: &str,
    argument: &str,
    environment: &Environment,
) -> std::io::Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is one of the places that start programs"
    )]
    let mut child = Command::new(program)
        .arg(argument)
        .env_clear()
        .envs(environment.iter())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Someone has to wait for it, or it stays a zombie as long as we live.
    thread::Builder::new()
        .name("opener".into())
        .spawn(move || child.wait())
        .map(drop)
}

/// Whether the program is there: at its path, or in a folder of PATH.
pub(crate) fn is_found(program: &str, environment: &Environment) -> bool {
    if program.contains('/') {
        return Path::new(program).exists();
    }
    let path = environment.get("PATH").map(std::ffi::OsStr::to_owned);
    let path = path.unwrap_or_else(|| "/bin:/usr/bin".into());
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
