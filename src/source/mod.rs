//! Where a credential comes from when it is not stored: a variable, a file, a command. Read at use.

mod command;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use crate::credential;
use crate::credential::Credential;
use crate::environment::Environment;
use crate::files;
use crate::files::Stamp;
use crate::program;
use crate::program::Failed;
use crate::program::LineError;
use crate::program::MAX_OUTPUT;
use command::CommandSource;

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

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Command(line) => write!(f, "command:{line}"),
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
    Line(LineError),
    /// The command can't be started, took too long or failed.
    Command(Failed),
    /// What it gave is no credential.
    Invalid(String, credential::Invalid),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVariable(name) => write!(f, "the environment variable {name} is not set"),
            Self::File(path, why) => write!(f, "cannot read {}: {why}", path.display()),
            Self::Line(why) => why.fmt(f),
            Self::Command(failed) => failed.fmt(f),
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
    /// `variables` is where variables are looked up, `commands` what commands run in, `ttl` how long a command's answer is used.
    ///
    /// # Errors
    /// When it can be seen now that it gives nothing.
    pub(crate) fn open(
        spec: &Spec,
        variables: &Environment,
        commands: &Environment,
        ttl: Duration,
    ) -> Result<Self, Error> {
        match spec {
            Spec::Variable(name) => {
                let value = variables
                    .get(name)
                    .ok_or_else(|| Error::NoVariable(name.clone()))?;
                Self::held(&format!("the variable {name}"), value.as_encoded_bytes())
            }
            Spec::File(path) if files::is_own_descriptor(path) => {
                files::keep_own(path);
                let bytes = files::read(path, MAX_OUTPUT)
                    .map_err(|error| Error::File(path.clone(), error.to_string()))?;
                Self::held(&format!("the file {}", path.display()), &bytes)
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
                program::split_words(line).map_err(Error::Line)?,
                commands,
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
        let stamp = files::stamp(&self.path).map_err(unreadable)?;
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

/// Locks, even where another thread has panicked: what these locks guard is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

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
            &parent(),
            Duration::from_secs(ttl),
        )
    }

    /// A directory for a test's files.
    fn folder() -> (files::RunDirectory, PathBuf) {
        let run = files::RunDirectory::create(&std::env::temp_dir()).unwrap();
        let path = run.write_public("f", b"one\n").unwrap();
        (run, path)
    }

    #[test]
    fn a_source_has_its_form() {
        assert!(Spec::parse("file:").is_none());
        assert!(Spec::parse("sk-123").is_none());
        for text in ["env:NAME", "file:/a b", "command:op read 'x y'"] {
            assert_eq!(Spec::parse(text).unwrap().to_string(), text);
        }
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
