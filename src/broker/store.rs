//! The records in the vault: found, added, removed, and which of a provider's is its default.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::authority;
use super::authority::Authority;
use super::client::StoredClient;
use super::client::Which;
use super::grant::About;
use super::grant::Grant;
use super::record::Held;
use super::record::Record;
use super::under_way::UnderWay;
use crate::files::Stamp;
use crate::files::lock::Lock;
use crate::files::private;
use crate::provider::Name;
use crate::secret::Secret;
use crate::vault;
use crate::vault::Contents;
use crate::vault::NewKey;
use crate::vault::Vault;

/// How long a command waits for another process's refresh before it tells the user.
const SILENCE: Duration = Duration::from_secs(1);

/// What the names of kept files in the vault begin with.
const BACKUP: &str = "backup/";

/// Why the records can't be had or changed.
#[derive(Debug)]
pub(crate) enum Error {
    /// The vault can't be used.
    Vault(vault::Error),
    /// There is no such connection.
    NotConnected {
        /// Whose.
        provider: Name,
        /// Which, if one was asked for.
        connection: Option<Name>,
    },
    /// There is one of that name already.
    Exists(Box<Record>),
    /// Somebody else has changed it meanwhile.
    Changed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault(error) => error.fmt(f),
            Self::NotConnected {
                provider,
                connection: None,
            } => write!(f, "{provider} is not connected"),
            Self::NotConnected {
                provider,
                connection: Some(name),
            } => write!(f, "{provider} has no connection {name}"),
            Self::Exists(record) => write!(f, "{} is connected already", record.label()),
            Self::Changed => f.write_str("it was changed meanwhile"),
        }
    }
}

impl From<vault::Error> for Error {
    fn from(error: vault::Error) -> Self {
        Self::Vault(error)
    }
}

/// The vault as it was at one moment.
#[derive(Default)]
pub(crate) struct Snapshot {
    /// What is in it; nothing where there is no vault.
    contents: Option<Contents>,
}

impl Snapshot {
    /// All records, by provider and name.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.contents.as_ref().map(records).unwrap_or_default()
    }

    /// A provider's records, by name.
    pub(crate) fn of_provider(&self, provider: &Name) -> Vec<Record> {
        let mut found = self.records();
        found.retain(|record| record.provider == *provider);
        found
    }

    /// A provider's connection: the named one, else its default.
    ///
    /// # Errors
    /// `NotConnected`.
    pub(crate) fn find(&self, provider: &Name, connection: Option<&Name>) -> Result<Record, Error> {
        find(&self.of_provider(provider), provider, connection)
    }

    /// A record's secret, if it has one in the vault.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) fn secret(&self, record: &Record) -> Result<Option<Secret>, vault::Error> {
        match &self.contents {
            Some(contents) => contents.secret(&record.key()),
            None => Ok(None),
        }
    }

    /// The client that was entered or registered for a provider's installation.
    ///
    /// # Errors
    /// When its secrets can't be opened.
    pub(crate) fn client(&self, which: Which<'_>) -> Result<Option<StoredClient>, vault::Error> {
        let Some(contents) = &self.contents else {
            return Ok(None);
        };
        let key = which.key();
        let found = contents.iter().find(|(known, _)| *known == key);
        let Some((_, entry)) = found else {
            return Ok(None);
        };
        let secret = contents.secret(&key)?;
        Ok(StoredClient::read(&entry.about, secret.as_ref()))
    }

    /// The certificate authority, if there is one.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn authority(&self) -> Result<Option<Authority>, vault::Error> {
        self.contents.as_ref().map_or(Ok(None), authority_in)
    }

    /// The files that are kept, by path and number: the highest number is the latest.
    pub(crate) fn backups(&self) -> Vec<Backup> {
        let entries = self.contents.iter().flat_map(Contents::iter);
        let mut found: Vec<Backup> = entries
            .filter_map(|(key, entry)| Backup::from_json(key, &entry.about))
            .collect();
        found.sort_by(|a, b| (&a.path, a.number).cmp(&(&b.path, b.number)));
        found
    }
}

/// The certificate authority of a vault. One that can't be read is none that could be made anew in its place.
fn authority_in(contents: &Contents) -> Result<Option<Authority>, vault::Error> {
    let Some((_, entry)) = contents.iter().find(|(key, _)| *key == authority::KEY) else {
        return Ok(None);
    };
    let key = contents.secret(authority::KEY)?;
    let found = key.and_then(|key| Authority::read(&entry.about, key));
    let damaged = vault::Error::Damaged("the certificate authority in it can't be read");
    found.map(Some).ok_or(damaged)
}

/// The records of a vault.
fn records(contents: &Contents) -> Vec<Record> {
    let entries = contents.iter();
    let mut found: Vec<Record> = entries
        .filter_map(|(key, entry)| Record::from_json(key, &entry.about))
        .collect();
    found.sort_by(|a, b| (&a.provider, &a.connection).cmp(&(&b.provider, &b.connection)));
    found
}

/// The named one among a provider's records, else the default.
fn find(records: &[Record], provider: &Name, connection: Option<&Name>) -> Result<Record, Error> {
    let is_it = |record: &&Record| match connection {
        Some(name) => record.connection == *name,
        None => record.is_default,
    };
    let found = records.iter().find(is_it).cloned();
    found.ok_or_else(|| Error::NotConnected {
        provider: provider.clone(),
        connection: connection.cloned(),
    })
}

/// A record that was removed, with the secret that it had then.
pub(crate) struct Removed {
    /// The record.
    pub(crate) record: Record,
    /// Its secret, if it had one that could be read.
    pub(crate) secret: Option<Secret>,
}

impl Removed {
    /// Takes a record out. Its secret is read in the same step: a refresh may have changed it since anyone looked.
    fn from(contents: &mut Contents, record: Record) -> Self {
        let secret = contents.secret(&record.key()).ok().flatten();
        contents.remove(&record.key());
        Self { record, secret }
    }
}

/// A file's content that is kept in the vault, as it was before we changed the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backup {
    /// The file.
    pub(crate) path: String,
    /// Which of the path's.
    number: u64,
    /// When it was kept, in seconds since 1970.
    pub(crate) created: u64,
    /// The SHA-256 of what was put in its place, in hexadecimal digits.
    pub(crate) replaced_by: String,
}

impl Backup {
    /// What it is called in the vault.
    fn key(&self) -> String {
        format!("{BACKUP}{}/{}", self.number, self.path)
    }

    /// Reads an entry of the vault.
    fn from_json(key: &str, about: &Value) -> Option<Self> {
        let (number, path) = key.strip_prefix(BACKUP)?.split_once('/')?;
        Some(Self {
            path: path.to_owned(),
            number: number.parse().ok()?,
            created: about.get("created")?.as_u64()?,
            replaced_by: about.get("replaced_by")?.as_str()?.to_owned(),
        })
    }
}

/// The records of a home.
pub(crate) struct Store {
    /// Where they are.
    vault: Vault,
    /// The last snapshot that was taken, and the file's stamp then.
    last: Mutex<Option<(Stamp, Arc<Snapshot>)>>,
    /// The refreshes that this process is at.
    refreshes: UnderWay,
}

impl Store {
    /// The records in this vault.
    pub(crate) fn new(vault: Vault) -> Self {
        Self {
            vault,
            last: Mutex::default(),
            refreshes: UnderWay::default(),
        }
    }

    /// The refreshes that this process is at: their new tokens are not in the vault yet.
    pub(crate) fn refreshes(&self) -> &UnderWay {
        &self.refreshes
    }

    /// The vault itself.
    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The file whose lock is held while a connection's tokens are refreshed.
    pub(crate) fn refresh_lock(&self, provider: &Name, connection: &Name) -> PathBuf {
        self.vault
            .home()
            .refresh_lock(&format!("{provider}.{connection}"))
    }

    /// Waits until nobody refreshes the tokens of these connections, and keeps all from it until the locks are dropped. A lock that can't
    /// be had is done without: a home that can't be written to has none, and a server that never answers must not keep tokens here.
    /// Calls `waits` with a connection that has to be waited for.
    pub(crate) fn without_refreshes<'a>(
        &self,
        records: impl IntoIterator<Item = &'a Record>,
        waits: impl Fn(&Record),
    ) -> Vec<Lock> {
        let with_tokens = |record: &&Record| matches!(record.held, Held::Oauth(_));
        let records = records.into_iter().filter(with_tokens);
        records
            .filter_map(|record| {
                let path = self.refresh_lock(&record.provider, &record.connection);
                match Lock::within(&path, SILENCE) {
                    Err(private::Error::Busy { .. }) => {
                        waits(record);
                        Lock::acquire(&path).ok()
                    }
                    other => other.ok(),
                }
            })
            .collect()
    }

    /// What is there now.
    ///
    /// # Errors
    /// When the vault can't be opened.
    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, vault::Error> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the reading: what changes in between is then seen the next time.
        let stamp = self.vault.stamp().ok().flatten();
        if let (Some(stamp), Some((seen, snapshot))) = (stamp, &*last)
            && stamp == *seen
        {
            return Ok(Arc::clone(snapshot));
        }
        *last = None;
        let contents = self.vault.read()?;
        let snapshot = Arc::new(Snapshot { contents });
        *last = stamp.map(|stamp| (stamp, Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    /// Stores a record, with its secret if it is sealed. A provider's first is its default, whatever the record says.
    ///
    /// # Errors
    /// `Exists` where there is one of that name and `replace` isn't said; when the vault can't be changed.
    pub(crate) fn add(
        &self,
        mut record: Record,
        secret: Option<&Secret>,
        replace: bool,
    ) -> Result<Record, Error> {
        self.vault.update(|contents| {
            let others = others_of(contents, &record.provider);
            if let Some(old) = others
                .iter()
                .find(|old| old.connection == record.connection)
            {
                if !replace {
                    return Err(Error::Exists(Box::new(old.clone())));
                }
                record.created = old.created;
            }
            record.is_default = !others
                .iter()
                .any(|old| old.is_default && old.connection != record.connection);
            let secret = secret.map(Secret::expose);
            contents.put(&record.key(), record.to_json(), secret)?;
            Ok(record)
        })
    }

    /// Removes a provider's connection, the default where none is named; gives it, and the one that is the default in its place.
    ///
    /// # Errors
    /// `NotConnected`; when the vault can't be changed.
    pub(crate) fn remove(
        &self,
        provider: &Name,
        connection: Option<&Name>,
    ) -> Result<(Removed, Option<Record>), Error> {
        self.vault.update(|contents| {
            let mut others = others_of(contents, provider);
            let record = find(&others, provider, connection)?;
            others.retain(|other| other.connection != record.connection);
            let heir = others.into_iter().next().filter(|_| record.is_default);
            let heir = heir.map(|mut heir| {
                heir.is_default = true;
                contents.set_about(&heir.key(), heir.to_json());
                heir
            });
            Ok((Removed::from(contents, record), heir))
        })
    }

    /// Removes all connections of a provider, and gives them.
    ///
    /// # Errors
    /// `NotConnected`; when the vault can't be changed.
    pub(crate) fn remove_all(&self, provider: &Name) -> Result<Vec<Removed>, Error> {
        self.vault.update(|contents| {
            let found = others_of(contents, provider);
            if found.is_empty() {
                return Err(Error::NotConnected {
                    provider: provider.clone(),
                    connection: None,
                });
            }
            let removed = found.into_iter();
            Ok(removed
                .map(|record| Removed::from(contents, record))
                .collect())
        })
    }

    /// Makes a connection its provider's default.
    ///
    /// # Errors
    /// `NotConnected`; when the vault can't be changed.
    pub(crate) fn set_default(&self, provider: &Name, connection: &Name) -> Result<(), Error> {
        self.vault.update(|contents| {
            let all = others_of(contents, provider);
            find(&all, provider, Some(connection))?;
            for mut record in all {
                record.is_default = record.connection == *connection;
                contents.set_about(&record.key(), record.to_json());
            }
            Ok(())
        })
    }

    /// Changes the grant of a connection that still has this access token. What the vault has by then besides it, whether it is the
    /// default for example, stays.
    ///
    /// # Errors
    /// `NotConnected` and `Changed` where it is another one by now; when the vault can't be changed.
    pub(crate) fn set_grant(
        &self,
        record: &Record,
        old: &Secret,
        (about, grant): (&About, &Grant),
        now: u64,
    ) -> Result<Record, Error> {
        self.vault.update(|contents| {
            let all = others_of(contents, &record.provider);
            let mut found = find(&all, &record.provider, Some(&record.connection))?;
            let secret = contents.secret(&found.key())?;
            let current = secret.as_ref().and_then(Grant::of_secret);
            let current = current.filter(|current| current.access.same_as(old));
            let current = current.ok_or(Error::Changed)?;
            found.held = Held::Oauth(Box::new(about.clone()));
            found.updated = now;
            // A new secret of the client, which came meanwhile, stays.
            let secret = grant.to_secret_with(current.client_secret.as_ref());
            contents.put(&found.key(), found.to_json(), Some(secret.expose()))?;
            Ok(found)
        })
    }

    /// Keeps a client for a provider's installation. Where its secret is a new one, the connections that it has get that too.
    ///
    /// # Errors
    /// When the vault can't be changed.
    pub(crate) fn set_client(&self, which: Which<'_>, client: &StoredClient) -> Result<(), Error> {
        self.vault.update(|contents| {
            let secret = client.to_secret();
            contents.put(&which.key(), client.to_json(), Some(secret.expose()))?;
            for record in others_of(contents, which.provider) {
                let Held::Oauth(about) = &record.held else {
                    continue;
                };
                let secret = contents.secret(&record.key())?;
                let grant = secret.as_ref().and_then(Grant::of_secret);
                // A grant that was made for another client, or by another server, keeps its secret.
                let endpoints = [Some(&about.token_url), about.revocation_url.as_ref()];
                let hosts: Vec<String> = endpoints
                    .into_iter()
                    .flatten()
                    .map(|endpoint| endpoint.authority.to_string())
                    .collect();
                let is_its = about.client_id == client.client.id
                    && hosts.iter().all(|host| client.hosts.contains(host));
                if let (true, Some(grant), Some(new)) = (is_its, grant, &client.client.secret)
                    && !grant
                        .client_secret
                        .as_ref()
                        .is_some_and(|old| old.same_as(new))
                {
                    let secret = grant.to_secret_with(Some(new));
                    contents.put(&record.key(), record.to_json(), Some(secret.expose()))?;
                }
            }
            Ok(())
        })
    }

    /// Keeps a file's content, which is about to be replaced by one with this SHA-256.
    ///
    /// # Errors
    /// When the vault can't be changed.
    pub(crate) fn keep(
        &self,
        path: &str,
        content: &[u8],
        replaced_by: &str,
        now: u64,
    ) -> Result<(), Error> {
        self.vault.update(|contents| {
            let backups = contents
                .iter()
                .filter_map(|(key, entry)| Backup::from_json(key, &entry.about))
                .filter(|backup| backup.path == path);
            let backup = Backup {
                path: path.to_owned(),
                number: backups.map(|backup| backup.number + 1).max().unwrap_or(1),
                created: now,
                replaced_by: replaced_by.to_owned(),
            };
            let about = json!({"created": now, "replaced_by": replaced_by});
            contents.put(&backup.key(), about, Some(content))?;
            Ok(())
        })
    }

    /// The content that was kept last for a file; `None` when there is none.
    ///
    /// # Errors
    /// When the vault can't be opened.
    pub(crate) fn kept(&self, path: &str) -> Result<Option<(Backup, Secret)>, Error> {
        let snapshot = self.snapshot()?;
        let backups = snapshot.backups();
        let latest = backups.into_iter().rev().find(|backup| backup.path == path);
        let (Some(backup), Some(contents)) = (latest, &snapshot.contents) else {
            return Ok(None);
        };
        let content = contents.secret(&backup.key())?;
        Ok(content.map(|content| (backup, content)))
    }

    /// Lets a kept content go.
    ///
    /// # Errors
    /// When the vault can't be changed.
    pub(crate) fn forget(&self, backup: &Backup) -> Result<(), Error> {
        self.vault.update(|contents| {
            contents.remove(&backup.key());
            Ok(())
        })
    }

    /// Puts what the change gives in the place of the certificate authority that is there, as one step for everyone else. When the
    /// change fails nothing is written.
    ///
    /// # Errors
    /// When the vault can't be changed, and what the change gives.
    pub(crate) fn change_authority<E: From<vault::Error>>(
        &self,
        change: impl FnOnce(Option<Authority>) -> Result<Option<Authority>, E>,
    ) -> Result<(), E> {
        self.vault.update(|contents| {
            match change(authority_in(contents)?)? {
                Some(new) => {
                    contents.put(authority::KEY, new.to_json(), Some(new.key.expose()))?;
                }
                None => {
                    contents.remove(authority::KEY);
                }
            }
            Ok(())
        })
    }

    /// Does something about the certificate authority while nobody can change it.
    ///
    /// # Errors
    /// When it can't be read, and what is done gives.
    pub(crate) fn hold_authority<T, E: From<vault::Error>>(
        &self,
        look: impl FnOnce(Option<Authority>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.vault
            .hold(|contents| look(contents.map_or(Ok(None), authority_in)?))
    }

    /// Seals everything with another key.
    ///
    /// # Errors
    /// When the vault can't be opened or written.
    pub(crate) fn rekey(&self, to: NewKey) -> Result<(), vault::Error> {
        self.vault.rekey(to)
    }
}

/// A provider's records.
fn others_of(contents: &Contents, provider: &Name) -> Vec<Record> {
    let mut found = records(contents);
    found.retain(|record| record.provider == *provider);
    found
}
