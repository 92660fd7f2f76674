//! The one door to credentials: which connections there are, and what each gives now.

pub(crate) mod record;
pub(crate) mod store;

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::credential;
use crate::credential::Credential;
use crate::environment::Environment;
use crate::provider::Name;
use crate::provider::Provider;
use crate::source;
use crate::source::Source;
use crate::vault;
use record::DEFAULT;
use record::Held;
use record::Record;
use store::Snapshot;
use store::Store;

/// Why a connection has no credential now. Nothing of the credential is in it.
#[derive(Debug)]
pub(crate) enum Error {
    /// Its source gives none.
    Source(source::Error),
    /// The vault can't be opened.
    Vault(vault::Error),
    /// It isn't in the vault any more.
    LoggedOut,
    /// What the vault has is no credential.
    Stored(credential::Invalid),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::Vault(error) => error.fmt(f),
            Self::LoggedOut => f.write_str("it was logged out meanwhile; log in again"),
            Self::Stored(why) => write!(f, "what is stored is none: {why}"),
        }
    }
}

/// What sources are read in.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// Where variables are looked up.
    pub(crate) variables: Environment,
    /// What commands run in.
    pub(crate) commands: Environment,
}

/// The credential of a record, as a source that is at work.
///
/// # Errors
/// When it can be seen now that there is none.
pub(crate) fn open(
    snapshot: &Snapshot,
    record: &Record,
    surroundings: &Surroundings,
) -> Result<Source, Error> {
    match &record.held {
        Held::Source { spec, ttl } => {
            Source::open(spec, &surroundings.variables, &surroundings.commands, *ttl)
                .map_err(Error::Source)
        }
        Held::Sealed => {
            let secret = snapshot.secret(record).map_err(Error::Vault)?;
            let secret = secret.ok_or(Error::LoggedOut)?;
            let credential = Credential::of(&secret).map_err(Error::Stored)?;
            Ok(Source::Held(Arc::new(credential)))
        }
    }
}

/// A record at work: what is done to it in the vault meanwhile counts.
pub(crate) struct Stored {
    /// Where it is.
    store: Arc<Store>,
    /// Whose it is.
    provider: Name,
    /// Which.
    connection: Name,
    /// What its source is read in, if it has one.
    surroundings: Surroundings,
    /// The record when it was last looked at, with its source.
    last: Mutex<Option<Opened>>,
}

/// A record's source, opened.
struct Opened {
    /// The vault then.
    snapshot: Arc<Snapshot>,
    /// The record then.
    record: Record,
    /// Its source.
    source: Arc<Source>,
}

impl Stored {
    /// A record of the store.
    pub(crate) fn new(store: &Arc<Store>, record: &Record, surroundings: &Surroundings) -> Self {
        Self {
            store: Arc::clone(store),
            provider: record.provider.clone(),
            connection: record.connection.clone(),
            surroundings: surroundings.clone(),
            last: Mutex::default(),
        }
    }

    /// Its source as the vault has it now.
    fn source(&self) -> Result<Arc<Source>, Error> {
        let snapshot = self.store.snapshot().map_err(Error::Vault)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*last
            && Arc::ptr_eq(&opened.snapshot, &snapshot)
        {
            return Ok(Arc::clone(&opened.source));
        }
        let record = snapshot
            .find(&self.provider, Some(&self.connection))
            .map_err(|_| Error::LoggedOut)?;
        if let Some(opened) = &mut *last
            && opened.record == record
            && record.held != Held::Sealed
        {
            // Another record has changed: what this one's source remembers is still good.
            opened.snapshot = snapshot;
            return Ok(Arc::clone(&opened.source));
        }
        let source = Arc::new(open(&snapshot, &record, &self.surroundings)?);
        *last = Some(Opened {
            snapshot,
            record,
            source: Arc::clone(&source),
        });
        Ok(source)
    }
}

/// Where a connection's credential comes from.
enum Supply {
    /// A source that was given for this run.
    Given(Source),
    /// A record.
    Stored(Stored),
}

/// A login to a provider.
pub(crate) struct Connection {
    /// The provider.
    pub(crate) provider: Provider,
    /// The connection's own name.
    pub(crate) name: Name,
    /// Where its credential comes from.
    supply: Supply,
}

impl Connection {
    /// A provider's default connection, whose credential comes from `source`.
    pub(crate) fn given(provider: Provider, source: Source) -> Self {
        Self {
            provider,
            name: Name::parse(DEFAULT).expect("a good name"),
            supply: Supply::Given(source),
        }
    }

    /// A connection that is in the vault.
    pub(crate) fn stored(provider: Provider, stored: Stored) -> Self {
        Self {
            provider,
            name: stored.connection.clone(),
            supply: Supply::Stored(stored),
        }
    }

    /// How it is called in messages: the provider, and its own name unless that is `default`.
    pub(crate) fn label(&self) -> String {
        match self.name.as_str() {
            DEFAULT => self.provider.name.to_string(),
            name => format!("{}/{name}", self.provider.name),
        }
    }

    /// The credential as it is now. May take as long as its source does.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn current(&self) -> Result<Arc<Credential>, Error> {
        match &self.supply {
            Supply::Given(source) => source.current(),
            Supply::Stored(stored) => stored.source()?.current(),
        }
        .map_err(Error::Source)
    }
}

/// Which connection: its place in [`Broker::connections`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnectionId(usize);

impl ConnectionId {
    /// The same as a plain number.
    pub(crate) fn number(self) -> usize {
        self.0
    }
}

/// All connections of a run.
pub(crate) struct Broker(Vec<Connection>);

impl Broker {
    /// A broker for these connections.
    pub(crate) fn new(connections: Vec<Connection>) -> Self {
        Self(connections)
    }

    /// Adds a connection.
    pub(crate) fn add(&mut self, connection: Connection) {
        self.0.push(connection);
    }

    /// The connections, each with its number.
    pub(crate) fn connections(&self) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        self.0
            .iter()
            .enumerate()
            .map(|(index, connection)| (ConnectionId(index), connection))
    }

    /// One of them.
    pub(crate) fn connection(&self, id: ConnectionId) -> &Connection {
        self.0
            .get(id.0)
            .expect("an id is made by connections() of the same broker")
    }

    /// The connection's credential as it is now. May take as long as its source does.
    ///
    /// # Errors
    /// Why there is none; nothing of the credential is in it.
    pub(crate) fn current(&self, id: ConnectionId) -> Result<Arc<Credential>, Error> {
        self.connection(id).current()
    }
}
