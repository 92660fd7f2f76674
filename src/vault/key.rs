//! Where the vault's key comes from: a variable, a file, a command, a passphrase, or the file beside the vault.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::Error;
use super::format::Head;
use super::format::MasterKey;
use super::format::PassphraseKdf;
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

/// Bytes of a file with a key or a passphrase, at the most.
const MAX_FILE: u64 = 16 * 1024;

/// Asks a person for the passphrase; the error says why nobody could be asked.
pub(crate) type Ask = Box<dyn Fn() -> Result<Secret, String> + Send + Sync>;

/// Where keys are looked for.
pub(crate) struct KeyRing {
    /// With `master.key` in it.
    home: Home,
    /// What the environment names.
    given: Given,
    /// A file with the passphrase.
    passphrase_file: Option<PathBuf>,
    /// Asks for the passphrase.
    ask: Ask,
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
}

impl KeyRing {
    /// The keys that this environment and home lead to.
    pub(crate) fn new(parent: &Environment, home: &Home, ask: Ask) -> Self {
        let path = |name| parent.get(name).map(PathBuf::from);
        let given = if let Some(text) = parent.get(KEY) {
            Given::Text(Secret::new(text.as_encoded_bytes().to_vec()))
        } else if let Some(path) = path(KEY_FILE) {
            Given::File(path)
        } else if let Some(line) = parent.text(KEY_COMMAND) {
            let mut environment = parent.clone();
            environment.remove_where(super::is_own_secret);
            Given::Command(line.to_owned(), environment)
        } else {
            Given::Nothing
        };
        Self {
            home: home.clone(),
            given,
            passphrase_file: path(PASSPHRASE_FILE),
            ask,
            last: Mutex::default(),
        }
    }

    /// Where the key comes from, in words.
    pub(crate) fn origin(&self, has_passphrase: bool) -> String {
        match (&self.given, &self.passphrase_file) {
            (_, Some(path)) if has_passphrase => format!("the passphrase in {}", path.display()),
            (_, None) if has_passphrase => "a passphrase, asked for".into(),
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

    /// The key for a vault that isn't there yet. `master.key` is made where nothing else gives one.
    ///
    /// # Errors
    /// When a source of keys fails, or the file can't be written.
    pub(super) fn new_key(&self) -> Result<(MasterKey, Option<PassphraseKdf>), Error> {
        if let Some(key) = self.given_key()? {
            return Ok((key, None));
        }
        if self.passphrase_file.is_some() {
            let kdf = PassphraseKdf::random().map_err(|error| no_randomness(&error))?;
            let key = kdf.derive(&self.passphrase()?);
            return Ok((key, Some(kdf)));
        }
        let path = self.home.master_key();
        if let Some(key) = read_kept(&path)? {
            return Ok((key, None));
        }
        let key = MasterKey::random().map_err(|error| no_randomness(&error))?;
        key.keep(&path)?;
        Ok((key, None))
    }

    /// The key that the environment names, if it names one.
    fn given_key(&self) -> Result<Option<MasterKey>, Error> {
        let text = match &self.given {
            Given::Nothing => return Ok(None),
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
        // One that can't be read never sealed anything: it is written before it is used.
        let next = read_kept(&path).ok().flatten();
        if next.is_some_and(|key| key.id() == head.key_id) {
            return Ok(private::rename(&path, &self.home.master_key())?);
        }
        Ok(private::remove(&path)?)
    }

    /// The passphrase.
    fn passphrase(&self) -> Result<Secret, Error> {
        let Some(path) = &self.passphrase_file else {
            return (self.ask)().map_err(Error::Key);
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
