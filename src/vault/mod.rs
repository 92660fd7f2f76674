//! The vault: one sealed file with named entries, each with a secret. What the entries mean is not known here.
//!
//! Writers hold the lock of a file beside it, read the vault, change it and put a new file in its place; so a reader needs no lock, and
//! whatever kills a writer leaves the old content or the new. A vault that can't be opened is an error that changes nothing.

mod error;
mod format;
mod key;
mod master;

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;

use crate::files;
use crate::files::Home;
use crate::files::Stamp;
use crate::files::lock::Lock;
use crate::files::private;
use crate::notice::Notices;
use crate::secret::Secret;
pub(crate) use error::Error;
pub(crate) use format::Contents;
use format::Head;
pub(crate) use key::KEY_COMMAND;
pub(crate) use key::KEY_FILE;
pub(crate) use key::KeyRing;
pub(crate) use key::NoAnswer;
pub(crate) use key::PASSPHRASE_FILE;
pub(crate) use master::MasterKey;
use master::PassphraseKdf;

/// Bytes of a vault's file, at the most.
const MAX_VAULT: u64 = 64 * 1024 * 1024;

/// How often a vault that changes while it is read is read again.
const READS: usize = 5;

/// Beginnings of the variables that hold secrets of authsome's own. No program that it starts gets them.
const OWN_SECRETS: [&str; 3] = [
    "AUTHSOME_MASTER_KEY",
    "AUTHSOME_PASSPHRASE",
    "AUTHSOME_PROXY_PASSWORD",
];

/// Whether the variable holds a secret of authsome's own, or leads to one.
pub(crate) fn is_own_secret(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    OWN_SECRETS.iter().any(|own| name.starts_with(own))
}

/// Opens a vault's file with a key that is there already.
///
/// # Errors
/// When it can't be opened.
#[cfg(fuzzing)]
pub(crate) fn open_file(file: &[u8], key: &MasterKey) -> Result<Contents, Error> {
    let (head, body) = Head::parse(file)?;
    Contents::open(&head, body, key)
}

/// A vault's file for a key that is given.
///
/// # Errors
/// When the operating system has no randomness to give.
#[cfg(fuzzing)]
pub(crate) fn sealed_file(contents: &Contents, key: &MasterKey) -> Result<Vec<u8>, Error> {
    contents.seal(&Head::new(key, None), key)
}

/// What `vault rekey` seals with.
pub(crate) enum NewKey {
    /// A new random key, kept in `master.key`.
    Kept,
    /// This one, which is kept elsewhere.
    Given(MasterKey),
    /// That of a passphrase.
    Passphrase(Secret),
}

/// A vault at its place. The file need not exist: it is made when something is put in.
pub(crate) struct Vault {
    /// Where it is.
    home: Home,
    /// What opens it.
    keys: KeyRing,
    /// Where it is told that a vault was made.
    notices: Arc<Notices>,
}

/// A vault that was opened.
struct Opened {
    /// What it says of itself.
    head: Head,
    /// What is in it.
    contents: Contents,
    /// What opened it.
    key: Arc<MasterKey>,
    /// Whether that is new, and nowhere yet.
    is_to_keep: bool,
    /// Whether there is no such vault yet.
    is_new: bool,
}

impl Vault {
    /// The vault of a home.
    pub(crate) fn new(home: Home, keys: KeyRing, notices: Arc<Notices>) -> Self {
        Self {
            home,
            keys,
            notices,
        }
    }

    /// From here on nobody is asked for a passphrase: a program runs, and the terminal is its own.
    pub(crate) fn ask_no_more(&self) {
        self.keys.ask_no_more();
    }

    /// Where it is.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// What changes when the file does; `None` when there is none.
    ///
    /// # Errors
    /// Those of looking.
    pub(crate) fn stamp(&self) -> io::Result<Option<Stamp>> {
        match files::stamp(&self.home.vault()) {
            Ok(stamp) => Ok(Some(stamp)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where its key comes from, in words.
    ///
    /// # Errors
    /// When there is a vault and its head can't be read, or a variable should name the key and doesn't.
    pub(crate) fn key_origin(&self) -> Result<String, Error> {
        let has_passphrase = self.has_passphrase()?;
        let is_there = self.home.vault().exists();
        self.keys.check(is_there.then_some(has_passphrase))?;
        Ok(self.keys.origin(has_passphrase))
    }

    /// Whether it is sealed with a passphrase.
    ///
    /// # Errors
    /// When there is a vault and its head can't be read.
    pub(crate) fn has_passphrase(&self) -> Result<bool, Error> {
        Ok(match private::read(&self.home.vault(), MAX_VAULT)? {
            Some(file) => Head::parse(&file)?.0.passphrase.is_some(),
            None => false,
        })
    }

    /// Whether the environment names the key.
    pub(crate) fn has_given_key(&self) -> bool {
        self.keys.is_given()
    }

    /// What is in it; `None` when there is no vault.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) fn read(&self) -> Result<Option<Contents>, Error> {
        private::check_folder(self.home.path())?;
        let mut last = None;
        for _ in 0..READS {
            let Some(file) = private::read(&self.home.vault(), MAX_VAULT)? else {
                return Ok(None);
            };
            match self.open(&file) {
                Ok(opened) => return Ok(Some(opened.contents)),
                // Sealed anew between the reading of the vault and that of its key.
                Err(error @ (Error::NoKey(_) | Error::WrongKey(_))) => {
                    // What the environment names, and a passphrase, don't change with the files: nobody is asked again for the
                    // same vault. Of a key that is kept both files were read: one may have become the other in between.
                    let is_asked = self.keys.is_given()
                        || Head::parse(&file).is_ok_and(|(head, _)| head.passphrase.is_some());
                    if (is_asked || last.as_ref() == Some(&file))
                        && private::read(&self.home.vault(), MAX_VAULT)?.as_ref() == Some(&file)
                    {
                        return Err(error);
                    }
                    if last.is_some() {
                        std::thread::yield_now();
                    }
                    last = Some(file);
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Unsettled("it changes faster than it can be read"))
    }

    /// Opens a file.
    fn open(&self, file: &[u8]) -> Result<Opened, Error> {
        let (head, body) = Head::parse(file)?;
        let key = self.keys.key_for(&head)?;
        let contents = Contents::open(&head, body, &key)?;
        Ok(Opened {
            head,
            contents,
            key,
            is_to_keep: false,
            is_new: false,
        })
    }

    /// Changes what is in it, as one step for everyone else. When the change fails nothing is written.
    ///
    /// # Errors
    /// When the vault can't be opened or written, and what the change gives. `Written` where it was written all the same.
    pub(crate) fn update<T, E: From<Error>>(
        &self,
        change: impl FnOnce(&mut Contents) -> Result<T, E>,
    ) -> Result<T, E> {
        let lock = self.lock_with_key()?;
        let mut opened = self.open_or_new()?;
        let value = change(&mut opened.contents)?;
        lock.check().map_err(Error::from)?;
        if opened.is_to_keep {
            // First of all: a vault without its key would be lost.
            opened.key.keep(&self.home.master_key())?;
        }
        self.write(&opened.contents, &opened.head, &opened.key)?;
        if opened.is_new {
            self.tell_of_new(&opened.head);
        }
        Ok(value)
    }

    /// Looks at what is in it while nobody else can change it.
    ///
    /// # Errors
    /// When the vault can't be opened, and what the look gives.
    pub(crate) fn hold<T, E: From<Error>>(
        &self,
        look: impl FnOnce(Option<&Contents>) -> Result<T, E>,
    ) -> Result<T, E> {
        let lock = self.lock_with_key()?;
        let contents = self.read()?;
        lock.check().map_err(Error::from)?;
        look(contents.as_ref())
    }

    /// Says where the key of a vault is that was made just now: without it the vault is lost.
    fn tell_of_new(&self, head: &Head) {
        let origin = self.keys.origin(head.passphrase.is_some());
        self.notices
            .tell(format!("made a vault; its key comes from {origin}"));
    }

    /// Seals everything with another key, as one step.
    ///
    /// A new `master.key` waits as `master.key.next` while the vault is replaced, and takes its name afterwards. Whatever comes
    /// between, the vault's key is there under one of the two names.
    ///
    /// # Errors
    /// When the vault can't be opened or written. `Written` where it was written all the same.
    pub(crate) fn rekey(&self, to: NewKey) -> Result<(), Error> {
        let lock = self.lock_with_key()?;
        let opened = self.open_or_new()?;
        lock.check()?;
        let (key, passphrase, is_kept) = match to {
            NewKey::Kept => {
                let key = MasterKey::random().map_err(|error| key::no_randomness(&error))?;
                key.keep(&self.home.next_master_key())?;
                (key, None, true)
            }
            NewKey::Given(key) => (key, None, false),
            NewKey::Passphrase(passphrase) => {
                let kdf = PassphraseKdf::random().map_err(|error| key::no_randomness(&error))?;
                (kdf.derive(&passphrase), Some(kdf), false)
            }
        };
        let contents = opened.contents.for_key(&key)?;
        self.write(&contents, &Head::new(&key, passphrase), &key)?;
        let ended = if is_kept {
            private::rename(&self.home.next_master_key(), &self.home.master_key())
                .map_err(Error::from)
        } else {
            self.keys.remove_kept(&key)
        };
        ended.map_err(Error::afterwards)
    }

    /// Takes the lock of writers when the vault's key is known: a person may take their time over a passphrase, and nobody else
    /// shall have to wait for them.
    fn lock_with_key(&self) -> Result<Lock, Error> {
        for _ in 0..READS {
            self.read()?;
            let lock = self.lock()?;
            if self.is_key_known()? {
                return Ok(lock);
            }
        }
        Err(Error::Unsettled(
            "its key changes faster than it can be had",
        ))
    }

    /// Whether nobody has to be asked for the key. Where there is no vault that can be read, the key is no matter.
    fn is_key_known(&self) -> Result<bool, Error> {
        let file = private::read(&self.home.vault(), MAX_VAULT)?;
        let head = file.as_deref().map(Head::parse);
        Ok(match head {
            Some(Ok((head, _))) => self.keys.knows(&head),
            Some(Err(_)) | None => true,
        })
    }

    /// Takes the lock of writers; makes the home if it isn't there.
    fn lock(&self) -> Result<Lock, Error> {
        let path = self.home.path();
        private::check_folder(path)?;
        self.home
            .create()
            .map_err(private::Error::io("make the folder", path))?;
        // Once more: somebody else may have made it meanwhile.
        private::check_folder(path)?;
        Ok(Lock::acquire(&self.home.vault_lock())?)
    }

    /// The vault, or a new empty one that isn't written yet. Under the lock; mends what an interrupted [`Vault::rekey`] left.
    fn open_or_new(&self) -> Result<Opened, Error> {
        let Some(file) = private::read(&self.home.vault(), MAX_VAULT)? else {
            let fresh = self.keys.new_key()?;
            return Ok(Opened {
                head: Head::new(&fresh.key, fresh.passphrase),
                contents: Contents::empty(&fresh.key),
                key: fresh.key.into(),
                is_to_keep: fresh.is_to_keep,
                is_new: true,
            });
        };
        let opened = self.open(&file)?;
        self.keys.settle(&opened.head)?;
        Ok(opened)
    }

    /// Puts a new file in the vault's place.
    fn write(&self, contents: &Contents, head: &Head, key: &MasterKey) -> Result<(), Error> {
        let file = contents.seal(head, key)?;
        if file.len() as u64 > MAX_VAULT {
            return Err(Error::TooLarge);
        }
        private::replace(&self.home.vault(), &file, 0o600).map_err(|error| match error {
            private::Error::NotOnDisk { .. } => Error::Written(error),
            other => Error::File(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use serde_json::json;

    use super::key::Ask;
    use super::*;
    use crate::environment::Environment;
    use crate::files::RunDirectory;
    use crate::vault::key::KEY;

    /// A home of its own, and what keeps it.
    fn home() -> (RunDirectory, Home) {
        let run = RunDirectory::create(&std::env::temp_dir()).unwrap();
        let marker = run.write_public("marker", b"").unwrap();
        let home = Home::at(marker.with_file_name("home"));
        (run, home)
    }

    /// The vault there, with these variables; a passphrase is asked for in vain.
    fn vault(home: &Home, variables: &[(&str, &str)]) -> Vault {
        let environment: Environment = variables.iter().copied().collect();
        let ask: Ask = Box::new(|| Err(NoAnswer::Nobody("nobody is there to be asked".into())));
        asking_vault(home, &environment, ask)
    }

    /// The vault there, where this is asked.
    fn asking_vault(home: &Home, environment: &Environment, ask: Ask) -> Vault {
        let keys = KeyRing::new(environment, home, ask);
        Vault::new(home.clone(), keys, Arc::new(Notices::new(|_| {})))
    }

    /// Puts an entry in.
    fn put(vault: &Vault, name: &str, secret: &str) -> Result<(), Error> {
        vault.update(|contents| contents.put(name, json!({}), Some(secret.as_bytes())))
    }

    /// The secret of an entry.
    fn secret(vault: &Vault, name: &str) -> Result<String, Error> {
        let contents = vault.read()?.expect("a vault");
        let secret = contents.secret(name)?.expect("an entry with a secret");
        Ok(String::from_utf8_lossy(secret.expose()).into_owned())
    }

    #[test]
    fn a_vault_is_made_with_its_key_when_something_is_put_in() {
        let (_run, home) = home();
        assert!(vault(&home, &[]).read().unwrap().is_none());
        assert!(!home.path().exists());
        put(&vault(&home, &[]), "a", "one").unwrap();
        assert_eq!(secret(&vault(&home, &[]), "a").unwrap(), "one");
        fs::remove_file(home.master_key()).unwrap();
        assert!(matches!(vault(&home, &[]).read(), Err(Error::NoKey(_))));
    }

    #[test]
    fn a_key_from_elsewhere_is_not_kept_beside_the_vault() {
        let (_run, home) = home();
        let key = "00".repeat(32);
        let variables = [(KEY, key.as_str())];
        put(&vault(&home, &variables), "a", "one").unwrap();
        assert!(!home.master_key().exists());
        assert_eq!(secret(&vault(&home, &variables), "a").unwrap(), "one");
        let line = format!("echo {key}");
        let by_command = vault(&home, &[(KEY_COMMAND, &line), ("PATH", "/bin:/usr/bin")]);
        assert_eq!(secret(&by_command, "a").unwrap(), "one");
        let other = "11".repeat(32);
        let before = fs::read(home.vault()).unwrap();
        let foreign = vault(&home, &[(KEY, &other)]);
        assert!(matches!(put(&foreign, "a", "two"), Err(Error::WrongKey(_))));
        let unusable = vault(&home, &[(KEY, "no key")]);
        assert!(matches!(put(&unusable, "a", "two"), Err(Error::Key(_))));
        assert!(matches!(vault(&home, &[]).read(), Err(Error::NoKey(_))));
        assert_eq!(fs::read(home.vault()).unwrap(), before);
    }

    #[test]
    fn a_change_that_fails_writes_nothing() {
        let (_run, home) = home();
        let vault = vault(&home, &[]);
        put(&vault, "a", "one").unwrap();
        let before = fs::read(home.vault()).unwrap();
        let failed = vault.update(|contents| {
            contents.remove("a");
            Err::<(), _>(Error::TooLarge)
        });
        assert!(matches!(failed, Err(Error::TooLarge)));
        assert_eq!(fs::read(home.vault()).unwrap(), before);
    }

    #[test]
    fn sealing_with_another_key_keeps_everything_and_shuts_the_old_key_out() {
        let (_run, home) = home();
        let running = vault(&home, &[]);
        put(&running, "a", "one").unwrap();
        let old = fs::read(home.master_key()).unwrap();
        vault(&home, &[]).rekey(NewKey::Kept).unwrap();
        assert_ne!(fs::read(home.master_key()).unwrap(), old);
        assert!(!home.next_master_key().exists());
        // One that had it open, too.
        assert_eq!(secret(&running, "a").unwrap(), "one");

        let file = home.path().join("passphrase");
        private::replace(&file, b"correct horse\n", 0o600).unwrap();
        let variables = [(PASSPHRASE_FILE, file.to_str().unwrap())];
        vault(&home, &[])
            .rekey(NewKey::Passphrase(Secret::new(b"correct horse".to_vec())))
            .unwrap();
        assert!(!home.master_key().exists());
        assert_eq!(secret(&vault(&home, &variables), "a").unwrap(), "one");
        assert!(matches!(vault(&home, &[]).read(), Err(Error::Key(_))));
        private::replace(&file, b"wrong horse", 0o600).unwrap();
        assert!(matches!(
            vault(&home, &variables).read(),
            Err(Error::WrongKey(_))
        ));
    }

    #[test]
    fn an_interrupted_change_of_the_key_is_ended_by_the_next_writer() {
        let (_run, home) = home();
        put(&vault(&home, &[]), "a", "one").unwrap();
        let old = fs::read(home.master_key()).unwrap();
        vault(&home, &[]).rekey(NewKey::Kept).unwrap();
        // As if it had been killed before the last step.
        fs::rename(home.master_key(), home.next_master_key()).unwrap();
        private::replace(&home.master_key(), &old, 0o600).unwrap();
        let reader = vault(&home, &[]);
        assert_eq!(secret(&reader, "a").unwrap(), "one");
        put(&reader, "b", "two").unwrap();
        assert!(!home.next_master_key().exists());
        assert_eq!(secret(&vault(&home, &[]), "b").unwrap(), "two");
        // And as if before the step before that: what was prepared goes.
        private::replace(&home.next_master_key(), &old, 0o600).unwrap();
        put(&vault(&home, &[]), "c", "three").unwrap();
        assert!(!home.next_master_key().exists());
        assert_eq!(secret(&vault(&home, &[]), "a").unwrap(), "one");
    }

    #[test]
    fn readers_never_see_a_vault_between_two_keys() {
        let (_run, home) = home();
        put(&vault(&home, &[]), "a", "one").unwrap();
        thread::scope(|scope| {
            let rekey = scope.spawn(|| {
                for _ in 0..20 {
                    vault(&home, &[]).rekey(NewKey::Kept).unwrap();
                }
            });
            while !rekey.is_finished() {
                assert_eq!(secret(&vault(&home, &[]), "a").unwrap(), "one");
            }
        });
    }

    /// A vault with an entry, sealed with a passphrase, where this is asked.
    fn with_passphrase(home: &Home, ask: Ask) -> Vault {
        let made = vault(home, &[]);
        put(&made, "a", "one").unwrap();
        let passphrase = Secret::new(b"correct horse".to_vec());
        made.rekey(NewKey::Passphrase(passphrase)).unwrap();
        asking_vault(home, &Environment::default(), ask)
    }

    #[test]
    fn a_prepared_key_that_cannot_be_read_stays() {
        let (_run, home) = home();
        let running = vault(&home, &[]);
        put(&running, "a", "one").unwrap();
        vault(&home, &[]).rekey(NewKey::Kept).unwrap();
        assert_eq!(secret(&running, "a").unwrap(), "one");
        // As if it had been killed before the last step; whoever has the key by heart gets as far as to tidy up.
        let next = home.next_master_key();
        fs::rename(home.master_key(), &next).unwrap();
        fs::set_permissions(&next, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(put(&running, "b", "two"), Err(Error::File(_))));
        fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(secret(&vault(&home, &[]), "a").unwrap(), "one");
        put(&running, "b", "two").unwrap();
        assert!(home.master_key().exists() && !next.exists());
        // What is no key is none of ours.
        private::replace(&next, b"no key", 0o600).unwrap();
        put(&running, "c", "three").unwrap();
        assert_eq!(fs::read(&next).unwrap(), b"no key");
    }

    #[test]
    fn who_has_lost_the_lock_writes_nothing() {
        let (_run, home) = home();
        let vault = vault(&home, &[]);
        put(&vault, "a", "one").unwrap();
        let before = fs::read(home.vault()).unwrap();
        let late = vault.update(|contents| {
            fs::remove_file(home.vault_lock()).unwrap();
            contents.put("a", json!({}), Some(b"two"))
        });
        assert!(matches!(
            late,
            Err(Error::File(private::Error::LockGone(_)))
        ));
        assert_eq!(fs::read(home.vault()).unwrap(), before);
    }

    #[test]
    fn nobody_else_has_to_wait_while_a_person_types_the_passphrase() {
        let (_run, home) = home();
        let lock = home.vault_lock();
        let ask = move || {
            fs::File::open(&lock)
                .unwrap()
                .try_lock()
                .expect("a free lock");
            Ok(Secret::new(b"correct horse".to_vec()))
        };
        let vault = with_passphrase(&home, Box::new(ask));
        put(&vault, "b", "two").unwrap();
        vault.rekey(NewKey::Kept).unwrap();
    }

    #[test]
    fn a_signal_at_the_question_is_kept() {
        let (_run, home) = home();
        let vault = with_passphrase(&home, Box::new(|| Err(NoAnswer::Interrupted(2))));
        assert!(matches!(vault.read(), Err(Error::Interrupted(2))));
    }

    #[test]
    fn during_a_run_nobody_is_asked() {
        let (_run, home) = home();
        let vault = with_passphrase(&home, Box::new(|| unreachable!("nobody is to be asked")));
        vault.ask_no_more();
        let error = vault.read().err().expect("no key");
        assert!(error.to_string().contains("start the run again"), "{error}");
    }
}
