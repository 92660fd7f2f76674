//! PATH as root may search it while the program's user is another: without the folders in which somebody else could put a program.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use crate::environment::Environment;
use crate::files::private::Error;
use crate::files::trusted;
use crate::files::trusted::Purpose;

/// Where programs are looked for when PATH is not set.
const DEFAULT: &str = "/bin:/usr/bin";

/// What PATH becomes when nothing is left of it: an empty one would stand for the working directory.
const NOWHERE: &str = "/dev/null";

/// PATH, divided into folders that only root can change and those that others can.
pub(crate) struct SearchPath {
    /// Folders that only root can change, in the order of PATH.
    kept: Vec<PathBuf>,
    /// Why each of the others is left out, beginning with its path.
    pub(crate) left_out: Vec<String>,
}

impl SearchPath {
    /// Checks the PATH of an environment. Folders that don't exist are dropped without a reason.
    pub(crate) fn of(environment: &Environment) -> Self {
        let path = environment
            .get("PATH")
            .unwrap_or_else(|| OsStr::new(DEFAULT));
        let (mut kept, mut left_out) = (Vec::new(), Vec::new());
        for folder in std::env::split_paths(path) {
            if folder.is_relative() {
                let shown = match folder.as_os_str().is_empty() {
                    true => Path::new("."),
                    false => &folder,
                };
                left_out.push(format!("{} is not an absolute path", shown.display()));
                continue;
            }
            match trusted::folder(&folder, Purpose::Run) {
                Ok(_) => kept.push(folder),
                Err(Error::Io { error, .. })
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) => {}
                Err(error) => left_out.push(match error {
                    Error::NotPrivate { ref path, .. } if *path != folder => {
                        format!(
                            "{} leads through a folder of others: {error}",
                            folder.display()
                        )
                    }
                    other => other.to_string(),
                }),
            }
        }
        Self { kept, left_out }
    }

    /// Returns the remaining folders as a PATH.
    pub(super) fn joined(&self) -> OsString {
        match std::env::join_paths(&self.kept) {
            Ok(joined) if !joined.is_empty() => joined,
            _ => NOWHERE.into(),
        }
    }

    /// Finds a program: at its path, or in one of the remaining folders.
    ///
    /// # Errors
    /// Why there is none, as the rest of a sentence.
    pub(super) fn find(&self, program: &str) -> Result<PathBuf, String> {
        let is_missing = |error: &Error| matches!(error, Error::Io { error, .. } if error.kind() == io::ErrorKind::NotFound);
        if program.contains('/') {
            let path = std::path::absolute(program).unwrap_or_else(|_| program.into());
            return match trusted::check_program(&path) {
                Ok(()) => Ok(path),
                Err(error) if is_missing(&error) => Err("was not found".into()),
                Err(error) => Err(format!("is not run as root: {error}")),
            };
        }
        let mut refused = self.left_out.clone();
        for folder in &self.kept {
            let path = folder.join(program);
            match trusted::check_program(&path) {
                Ok(()) => return Ok(path),
                Err(error @ Error::NotPrivate { .. }) => refused.push(error.to_string()),
                Err(_) => {}
            }
        }
        Err(match refused.is_empty() {
            true => "was not found".into(),
            false => format!(
                "was not found in the folders of PATH that are root's alone (left out: {})",
                refused.join("; ")
            ),
        })
    }
}
