//! Where the vault's key comes from: a variable, a file, a command, a passphrase, or the file beside the vault.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use super::Error;
use super::format::Head;
use super::master::MasterKey;
use super::master::PassphraseKdf;
use crate::environment::Environment;
use crate::files;
use crate::files::Home;
use crate::files::private;
use crate::program;
use crate::secret::Secret;

/// The key itself.
pub(crate) const KEY: &str = "AUTHSOME_MASTER_KEY";
/// A file with it.
pub(crate) const KEY_FILE: &str = "AUTHSOME_MASTER_KEY_FILE";
/// A command that prints it.
pub(crate) const KEY_COMMAND: &str = "AUTHSOME_MASTER_KEY_COMMAND";
/// A file with the passphrase.
pub(crate) const PASSPHRASE_FILE: &str = "AUTHSOME_PASSPHRASE_FILE";

/// What is wrong with a variable that is there without a value.
const SET_TO_NOTHING: &str = "is set, but empty";

/// Bytes of a file with a key or a passphrase, at the most.
const MAX_FILE: u64 = 16 * 1024;

/// Asks a person for the passphrase.
pub(crate) type Ask = Box<dyn Fn() -> Result<Secret, NoAnswer> + Send + Sync>;

/// Why there is no passphrase.
pub(crate) enum NoAnswer {
    /// Nobody could be asked, or would answer; this says why.
    Nobody(String),
    /// This signal came meanwhile.
    Interrupted(i32),
}

/// Where keys are looked for.
pub(crate) struct KeyRing {
    /// With `master.key` in it.
    home: Home,
    /// What the environment names.
    given: Given,
    /// A file with the passphrase.
    passphrase_file: PassphraseFile,
    /// Asks for the passphrase.
    ask: Ask,
    /// Whether the time for asking is over.
    is_asking_over: AtomicBool,
    /// The key that was used last: a command or a passphrase is not asked for twice.
    last: Mutex<Option<Arc<MasterKey>>>,
}

/// A key that the environment names.
enum Given {
    /// It names none.
    Nothing,
    /// The key's text.
    Text(Secret),
    /// A file with it.
    File(PathBuf),
    /// A command that prints it, and what that runs in.
    Command(String, Environment),
    /// A variable that is set, but to nothing of use: its name, and what is wrong with it. That it was meant to be a key is plain, and
    /// none takes its place.
    Unusable(&'static str, &'static str),
}

/// A file with the passphrase, as the environment names it.
enum PassphraseFile {
    /// It names none.
    Nothing,
    /// This one.
    Path(PathBuf),
    /// The variable is set to nothing.
    Unusable,
}

impl Given {
    /// What this environment names: the first variable that is set.
    fn by(parent: &Environment) -> Self {
        for name in [KEY, KEY_FILE, KEY_COMMAND] {
            let Some(value) = parent.get(name) else {
                if parent.has(name) {
                    return Self::Unusable(name, SET_TO_NOTHING);
                }
                continue;
            };
            return match name {
                KEY => Self::Text(Secret::new(value.as_encoded_bytes().to_vec())),
                KEY_FILE => Self::File(PathBuf::from(value)),
                _ => Self::by_command(value, parent),
            };
        }
        Self::Nothing
    }

    /// The command of this line.
    fn by_command(line: &OsStr, parent: &Environment) -> Self {
        let Some(line) = line.to_str() else {
            return Self::Unusable(KEY_COMMAND, "is not UTF-8");
        };
        let mut environment = parent.clone();
        environment.remove_where(super::is_own_secret);
        Self::Command(line.to_owned(), environment)
    }
}

/// The key for a vault that isn't there yet.
pub(super) struct Fresh {
    /// It.
    pub(super) key: MasterKey,
    /// How it comes from a passphrase, if it does.
    pub(super) passphrase: Option<PassphraseKdf>,
    /// Whether it is new, and nowhere yet.
    pub(super) is_to_keep: bool,
}

impl KeyRing {
    /// The keys that this environment and home lead to.
    pub(crate) fn new(parent: &Environment, home: &Home, ask: Ask) -> Self {
        let passphrase_file = match parent.get(PASSPHRASE_FILE) {
            Some(path) => PassphraseFile::Path(PathBuf::from(path)),
            None if parent.has(PASSPHRASE_FILE) => PassphraseFile::Unusable,
            None => PassphraseFile::Nothing,
        };
        let given = Given::by(parent);
        // Whether they are read or not, they are no program's.
        if let Given::File(path) = &given {
            files::keep_own(path);
        }
        if let PassphraseFile::Path(path) = &passphrase_file {
            files::keep_own(path);
        }
        Self {
            home: home.clone(),
            given,
            passphrase_file,
            ask,
            is_asking_over: AtomicBool::new(false),
            last: Mutex::default(),
        }
    }

    /// From here on nobody is asked.
    pub(super) fn ask_no_more(&self) {
        self.is_asking_over.store(true, Ordering::SeqCst);
    }

    /// Whether the key that opens a vault with this head is known already.
    pub(super) fn knows(&self, head: &Head) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().is_some_and(|key| key.id() == head.key_id)
    }

    /// Checks that the variable which is to name the key of a vault can do so. Whether that has a passphrase isn't known where it isn't
    /// there.
    ///
    /// # Errors
    /// `Key`, with the variable's name.
    pub(super) fn check(&self, has_passphrase: Option<bool>) -> Result<(), Error> {
        let (name, why) = match (has_passphrase, &self.given, &self.passphrase_file) {
            (None | Some(false), Given::Unusable(name, why), _) => (*name, *why),
            (Some(true), _, PassphraseFile::Unusable)
            | (None, Given::Nothing, PassphraseFile::Unusable) => (PASSPHRASE_FILE, SET_TO_NOTHING),
            _ => return Ok(()),
        };
        Err(Error::Key(format!("{name} {why}")))
    }

    /// Where the key comes from, in words.
    pub(crate) fn origin(&self, has_passphrase: bool) -> String {
        match (&self.given, &self.passphrase_file) {
            (_, PassphraseFile::Path(path)) if has_passphrase => {
                format!("the passphrase in {}", path.display())
            }
            (_, PassphraseFile::Unusable) if has_passphrase => {
                format!("the variable {PASSPHRASE_FILE}")
            }
            (_, PassphraseFile::Nothing) if has_passphrase => "a passphrase, asked for".into(),
            (Given::Unusable(name, _), _) => format!("the variable {name}"),
            (Given::Text(_), _) => format!("the variable {KEY}"),
            (Given::File(path), _) => format!("the file {} ({KEY_FILE})", path.display()),
            (Given::Command(..), _) => format!("the command in {KEY_COMMAND}"),
            (Given::Nothing, _) => format!("the file {}", self.home.master_key().display()),
        }
    }

    /// Whether the environment names a key.
    pub(crate) fn is_given(&self) -> bool {
        !matches!(self.given, Given::Nothing)
    }

    /// The key that opens a vault with this head.
    ///
    /// # Errors
    /// `NoKey`, `WrongKey`, and `Key` where a source of keys fails.
    pub(super) fn key_for(&self, head: &Head) -> Result<Arc<MasterKey>, Error> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*last
            && key.id() == head.key_id
        {
            return Ok(Arc::clone(key));
        }
        let key = match &head.passphrase {
            Some(kdf) => Some(kdf.derive(&self.passphrase()?)),
            None => match self.given_key()? {
                Some(key) => Some(key),
                None => self.kept_key(&head.key_id)?,
            },
        };
        let whence = self.origin(head.passphrase.is_some());
        let key = key.ok_or_else(|| Error::NoKey(format!("{whence} is not there")))?;
        if key.id() != head.key_id {
            return Err(Error::WrongKey(whence));
        }
        let key = Arc::new(key);
        *last = Some(Arc::clone(&key));
        Ok(key)
    }

    /// The key for a vault that isn't there yet. One that nothing else gives is to be kept in `master.key` before the vault is written.
    ///
    /// # Errors
    /// When a source of keys fails, or there is no randomness.
    pub(super) fn new_key(&self) -> Result<Fresh, Error> {
        let elsewhere = |key| Fresh {
            key,
            passphrase: None,
            is_to_keep: false,
        };
        if let Some(key) = self.given_key()? {
            return Ok(elsewhere(key));
        }
        if !matches!(self.passphrase_file, PassphraseFile::Nothing) {
            let kdf = PassphraseKdf::random().map_err(|error| no_randomness(&error))?;
            return Ok(Fresh {
                key: kdf.derive(&self.passphrase()?),
                passphrase: Some(kdf),
                is_to_keep: false,
            });
        }
        if let Some(key) = read_kept(&self.home.master_key())? {
            return Ok(elsewhere(key));
        }
        Ok(Fresh {
            key: MasterKey::random().map_err(|error| no_randomness(&error))?,
            passphrase: None,
            is_to_keep: true,
        })
    }

    /// The key that the environment names, if it names one.
    fn given_key(&self) -> Result<Option<MasterKey>, Error> {
        let text = match &self.given {
            Given::Nothing => return Ok(None),
            Given::Unusable(name, why) => return Err(Error::Key(format!("{name} {why}"))),
            Given::Text(text) => return parsed(text, KEY).map(Some),
            Given::File(path) => files::read(path, MAX_FILE)
                .map(Secret::new)
                .map_err(|error| Error::Key(format!("cannot read {}: {error}", path.display())))?,
            Given::Command(line, environment) => {
                let failed =
                    |why: &dyn std::fmt::Display| Error::Key(format!("{KEY_COMMAND}: {why}"));
                let words = program::split_words(line).map_err(|error| failed(&error))?;
                program::output_of(&words, environment)
                    .map(Secret::from)
                    .map_err(|error| failed(&error))?
            }
        };
        parsed(&text, &self.origin(false)).map(Some)
    }

    /// The key beside the vault: `master.key`, or the one that is to take its place if that is the one with this id.
    fn kept_key(&self, id: &str) -> Result<Option<MasterKey>, Error> {
        let kept = read_kept(&self.home.master_key())?;
        if kept.as_ref().is_some_and(|key| key.id() == id) {
            return Ok(kept);
        }
        let next = read_kept(&self.home.next_master_key())?;
        Ok(next.filter(|key| key.id() == id).or(kept))
    }

    /// Ends what an interrupted change of the kept key began: the prepared one takes its place if it is the vault's, and goes
    /// away if it isn't. Under the vault's lock.
    ///
    /// # Errors
    /// Those of the files.
    pub(super) fn settle(&self, head: &Head) -> Result<(), Error> {
        let path = self.home.next_master_key();
        match read_kept(&path) {
            Ok(Some(next)) if next.id() == head.key_id => {
                Ok(private::rename(&path, &self.home.master_key())?)
            }
            Ok(Some(_)) => Ok(private::remove(&path)?),
            // One that holds no key never sealed anything, and isn't ours: a key is written before it gets this name.
            Ok(None) | Err(Error::Key(_)) => Ok(()),
            // It may be the vault's, and the only one.
            Err(error) => Err(error),
        }
    }

    /// Removes the kept key after the vault was sealed with this one, which is kept elsewhere: the old one opens nothing any more.
    ///
    /// # Errors
    /// Those of the file.
    pub(super) fn remove_kept(&self, new: &MasterKey) -> Result<(), Error> {
        let path = self.home.master_key();
        match read_kept(&path) {
            // The new one itself: a command may well read it there.
            Ok(Some(kept)) if kept.id() == new.id() => Ok(()),
            Ok(Some(_)) => Ok(private::remove(&path)?),
            // What holds no key is none of ours.
            Ok(None) | Err(Error::Key(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The passphrase.
    fn passphrase(&self) -> Result<Secret, Error> {
        let path = match &self.passphrase_file {
            PassphraseFile::Path(path) => path,
            PassphraseFile::Unusable => {
                return Err(Error::Key(format!("{PASSPHRASE_FILE} {SET_TO_NOTHING}")));
            }
            PassphraseFile::Nothing if self.is_asking_over.load(Ordering::SeqCst) => {
                return Err(Error::Key(
                    "it was sealed with a passphrase meanwhile, and nobody is asked during a run; start the run again".into(),
                ));
            }
            PassphraseFile::Nothing => {
                return (self.ask)().map_err(|none| match none {
                    NoAnswer::Nobody(why) => Error::Key(why),
                    NoAnswer::Interrupted(signal) => Error::Interrupted(signal),
                });
            }
        };
        let text = files::read(path, MAX_FILE)
            .map_err(|error| Error::Key(format!("cannot read {}: {error}", path.display())))?;
        let passphrase = Secret::new(text).first_line();
        if passphrase.is_empty() {
            return Err(Error::Key(format!("{} is empty", path.display())));
        }
        Ok(passphrase)
    }
}

/// A key kept beside the vault, if it is there.
fn read_kept(path: &std::path::Path) -> Result<Option<MasterKey>, Error> {
    let Some(text) = private::read(path, MAX_FILE)? else {
        return Ok(None);
    };
    let text = Secret::new(text);
    parsed(&text, &path.display().to_string()).map(Some)
}

/// A key from its text.
fn parsed(text: &Secret, whence: &str) -> Result<MasterKey, Error> {
    MasterKey::from_text(text).ok_or_else(|| {
        Error::Key(format!(
            "{whence} holds no key: that is 64 hexadecimal digits, or base64 of 32 bytes"
        ))
    })
}

/// There is no randomness.
pub(super) fn no_randomness(error: &std::io::Error) -> Error {
    Error::Randomness(error.to_string())
}
