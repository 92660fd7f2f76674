//! Where a credential comes from when it is not stored: a variable, a file, a command. Read at use.

use std::fmt;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::credential;
use crate::credential::Credential;
use crate::environment::Environment;
use crate::files;
use crate::sys::process;

/// How long a command may take.
const COMMAND_TIME: Duration = Duration::from_secs(30);

/// Bytes that a file or a command may give, at the most; more than a credential may have, so that the error can say which.
const MAX_OUTPUT: u64 = 64 * 1024;

/// A source as a person writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spec {
    /// `env:NAME`
    Variable(String),
    /// `file:PATH`
    File(PathBuf),
    /// `command:LINE`
    Command(String),
}

impl Spec {
    /// Reads `env:NAME`, `file:PATH` or `command:LINE`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':').filter(|(_, rest)| !rest.is_empty())?;
        match kind {
            "env" => Some(Self::Variable(rest.to_owned())),
            "file" => Some(Self::File(PathBuf::from(rest))),
            "command" => Some(Self::Command(rest.to_owned())),
            _ => None,
        }
    }
}

/// Why a source gave no credential. Nothing of what it did give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The variable isn't set.
    NoVariable(String),
    /// The file can't be read.
    File(PathBuf, String),
    /// The command's line can't be split into words.
    Line(&'static str),
    /// The command can't be started, took too long or failed.
    Command(String, String),
    /// What it gave is no credential.
    Invalid(String, credential::Invalid),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVariable(name) => write!(f, "the environment variable {name} is not set"),
            Self::File(path, why) => write!(f, "cannot read {}: {why}", path.display()),
            Self::Line(why) => write!(f, "the command line has {why}"),
            Self::Command(program, why) => write!(f, "the command {program} {why}"),
            Self::Invalid(what, why) => write!(f, "{what} gives no credential: {why}"),
        }
    }
}

/// A source at work.
pub(crate) enum Source {
    /// A credential that is there already.
    Held(Arc<Credential>),
    /// A file, read again when it has changed.
    File(FileSource),
    /// A command, run again when its answer is too old.
    Command(CommandSource),
}

impl Source {
    /// Makes the source, and reads it once if that costs nothing: a wrong name or path is told before the child runs.
    ///
    /// `ttl` is how long a command's answer is used.
    ///
    /// # Errors
    /// When it can be seen now that it gives nothing.
    pub(crate) fn open(spec: &Spec, parent: &Environment, ttl: Duration) -> Result<Self, Error> {
        match spec {
            Spec::Variable(name) => {
                let value = parent
                    .get(name)
                    .ok_or_else(|| Error::NoVariable(name.clone()))?;
                Self::held(&format!("the variable {name}"), value.as_encoded_bytes())
            }
            Spec::File(path) => {
                let source = FileSource {
                    path: path.clone(),
                    last: Mutex::new(None),
                };
                source.current()?;
                Ok(Self::File(source))
            }
            Spec::Command(line) => Ok(Self::Command(CommandSource::new(
                split_words(line)?,
                parent.clone(),
                ttl,
            )?)),
        }
    }

    /// A source that always gives these bytes; `what` names them in an error.
    ///
    /// # Errors
    /// When they are no credential.
    pub(crate) fn held(what: &str, bytes: &[u8]) -> Result<Self, Error> {
        Credential::new(bytes.to_vec())
            .map(|credential| Self::Held(Arc::new(credential)))
            .map_err(|why| Error::Invalid(what.to_owned(), why))
    }

    /// The credential as it is now.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn current(&self) -> Result<Arc<Credential>, Error> {
        match self {
            Self::Held(credential) => Ok(Arc::clone(credential)),
            Self::File(source) => source.current(),
            Self::Command(source) => source.current(),
        }
    }
}

/// What tells whether a file has changed: device, inode, size, and the times of content and inode to the nanosecond.
type Stamp = [i64; 7];

/// A file with a credential.
pub(crate) struct FileSource {
    /// Where it is.
    path: PathBuf,
    /// What it gave when it last changed.
    last: Mutex<Option<(Stamp, Arc<Credential>)>>,
}

impl FileSource {
    /// What the file holds now.
    fn current(&self) -> Result<Arc<Credential>, Error> {
        let unreadable = |error: std::io::Error| Error::File(self.path.clone(), error.to_string());
        let stamp = stamp(&self.path).map_err(unreadable)?;
        let mut last = lock(&self.last);
        if let Some((seen, credential)) = &*last
            && *seen == stamp
        {
            return Ok(Arc::clone(credential));
        }
        *last = None;
        let bytes = files::read(&self.path, MAX_OUTPUT).map_err(unreadable)?;
        let what = format!("the file {}", self.path.display());
        let credential = Credential::new(bytes).map_err(|why| Error::Invalid(what, why))?;
        let credential = Arc::new(credential);
        *last = Some((stamp, Arc::clone(&credential)));
        Ok(credential)
    }
}

/// The file's stamp, links followed: secrets mounted into containers are links that are moved over.
fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let found = fs::metadata(path)?;
    let number = |n: u64| i64::from_ne_bytes(n.to_ne_bytes());
    Ok([
        number(found.dev()),
        number(found.ino()),
        number(found.size()),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ])
}

/// A command whose output is a credential.
pub(crate) struct CommandSource {
    /// Program and arguments.
    words: Vec<String>,
    /// What it runs in: the parent's environment, since such programs need logins of their own.
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
    fn new(words: Vec<String>, environment: Environment, ttl: Duration) -> Result<Self, Error> {
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
    fn current(&self) -> Result<Arc<Credential>, Error> {
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

/// Locks, even where another thread has panicked: what these locks guard is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command line in words, as a POSIX shell splits them: quotes and backslashes, nothing else. Behind `sh -c`, what isn't quoted
/// as one word is the script as it stands.
///
/// # Errors
/// A quote that isn't closed, a backslash at the end.
fn split_words(line: &str) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    let mut letters = line.chars().peekable();
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        if letters.peek().is_none() {
            break;
        }
        let mut word = String::new();
        while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace()) {
            match letter {
                '\'' => quoted(&mut letters, &mut word)?,
                '"' => double_quoted(&mut letters, &mut word)?,
                '\\' => word.push(
                    letters
                        .next()
                        .ok_or(Error::Line("a backslash at its end"))?,
                ),
                other => word.push(other),
            }
        }
        words.push(word);
    }
    let is_script = matches!(&*words, [shell, flag, _, _, ..] if shell == "sh" && flag == "-c");
    if is_script && let Some((_, script)) = line.split_once("-c") {
        return Ok(vec!["sh".into(), "-c".into(), script.trim().to_owned()]);
    }
    Ok(words)
}

/// The letters of a command line.
type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Everything up to the closing single quote.
fn quoted(letters: &mut Letters<'_>, word: &mut String) -> Result<(), Error> {
    loop {
        match letters.next() {
            Some('\'') => return Ok(()),
            Some(letter) => word.push(letter),
            None => return Err(Error::Line("a quote that is not closed")),
        }
    }
}

/// Everything up to the closing double quote; a backslash counts before `"`, `\`, `$` and a backquote.
fn double_quoted(letters: &mut Letters<'_>, word: &mut String) -> Result<(), Error> {
    loop {
        match letters.next() {
            Some('"') => return Ok(()),
            Some('\\') => match letters.next() {
                Some(letter @ ('"' | '\\' | '$' | '`')) => word.push(letter),
                Some(letter) => word.extend(['\\', letter]),
                None => return Err(Error::Line("a quote that is not closed")),
            },
            Some(letter) => word.push(letter),
            None => return Err(Error::Line("a quote that is not closed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An environment with the PATH of this process.
    fn parent() -> Environment {
        Environment::of_process()
    }

    /// A source from its text.
    fn open(text: &str, ttl: u64) -> Result<Source, Error> {
        Source::open(
            &Spec::parse(text).unwrap(),
            &parent(),
            Duration::from_secs(ttl),
        )
    }

    /// A directory for a test's files.
    fn folder() -> (files::RunDirectory, PathBuf) {
        let run = files::RunDirectory::create(&[std::env::temp_dir()]).unwrap();
        let path = run.write_public("f", b"one\n").unwrap();
        (run, path)
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        let words = |line: &str| split_words(line).unwrap();
        assert_eq!(words("op read 'a b'"), ["op", "read", "a b"]);
        assert_eq!(
            words(r#"a "b \"c\" $d" e\ f '' g"h"i"#),
            ["a", r#"b "c" $d"#, "e f", "", "ghi"]
        );
        assert_eq!(words("sh -c 'echo x | cat'"), ["sh", "-c", "echo x | cat"]);
        assert_eq!(words("sh -c echo x | cat"), ["sh", "-c", "echo x | cat"]);
        assert!(split_words("a 'b").is_err());
        assert!(split_words("a \"b").is_err());
        assert!(split_words("a \\").is_err());
        assert!(Spec::parse("file:").is_none());
        assert!(Spec::parse("sk-123").is_none());
    }

    #[test]
    fn a_file_is_read_again_when_it_changes() {
        let (_run, path) = folder();
        let source = open(&format!("file:{}", path.display()), 0).unwrap();
        assert_eq!(source.current().unwrap().expose(), b"one");
        let other = path.with_file_name("g");
        fs::copy(&path, &other).unwrap();
        fs::OpenOptions::new()
            .write(true)
            .open(&other)
            .and_then(|mut file| std::io::Write::write_all(&mut file, b"two"))
            .unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(source.current().unwrap().expose(), b"two");
        fs::remove_file(&path).unwrap();
        assert!(matches!(source.current(), Err(Error::File(..))));
    }

    #[test]
    fn a_command_is_run_once_for_all_that_wait() {
        let (_run, path) = folder();
        let line = format!(
            "command:sh -c 'echo run >>{0}; sleep 0.2; echo key'",
            path.display()
        );
        let source = open(&line, 60).unwrap();
        thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| assert_eq!(source.current().unwrap().expose(), b"key"));
            }
        });
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\nrun\n");
    }

    #[test]
    fn a_failure_is_shared_by_all_that_wait_and_not_kept() {
        let (_run, path) = folder();
        let line = format!(
            "command:sh -c 'echo run >>{0}; sleep 0.2; exit 3'",
            path.display()
        );
        let source = open(&line, 60).unwrap();
        thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| assert!(matches!(source.current(), Err(Error::Command(..)))));
            }
        });
        let before = fs::read_to_string(&path).unwrap().matches("run").count();
        assert!(before < 10, "{before} runs");
        assert!(source.current().is_err());
        assert_eq!(
            fs::read_to_string(&path).unwrap().matches("run").count(),
            before + 1
        );
    }

    #[test]
    fn an_answer_past_its_ttl_is_asked_for_again() {
        let (_run, path) = folder();
        let source = open(
            &format!("command:sh -c 'echo run >>{0}; echo k'", path.display()),
            0,
        );
        let source = source.unwrap();
        source.current().unwrap();
        source.current().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().matches("run").count(), 2);
    }

    #[test]
    fn what_can_be_seen_now_is_told_now() {
        assert!(matches!(
            open("env:NO_SUCH_VARIABLE", 0),
            Err(Error::NoVariable(_))
        ));
        assert!(matches!(open("file:/nonexistent", 0), Err(Error::File(..))));
        assert!(matches!(
            open("command:no-such-program x", 0),
            Err(Error::Command(..))
        ));
        assert!(matches!(open("command:'", 0), Err(Error::Line(_))));
    }
}
