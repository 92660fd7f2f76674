//! The one door to credentials: which connections there are, and what each gives now.

pub(crate) mod authority;
pub(crate) mod client;
pub(crate) mod grant;
mod pace;
pub(crate) mod record;
pub(crate) mod store;
mod stored;
pub(crate) mod take_back;
mod under_way;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::audit::Audit;
use crate::credential;
use crate::credential::Credential;
use crate::environment::Environment;
use crate::notice::Notices;
use crate::oauth;
use crate::provider::Name;
use crate::provider::Provider;
use crate::source;
use crate::source::Source;
use crate::upstream::dial::Dialer;
use crate::vault;
use grant::About;
use grant::Grant;
use record::DEFAULT;
use record::Held;
use record::Record;
use store::Snapshot;
pub(crate) use stored::Stored;

/// Why a connection has no credential now. Nothing of the credential is in it.
#[derive(Debug)]
pub(crate) enum Error {
    /// Its source gives none.
    Source(source::Error),
    /// The vault can't be opened.
    Vault(vault::Error),
    /// It isn't in the vault any more.
    LoggedOut,
    /// There was a login for other hosts meanwhile.
    ForOthers,
    /// What the vault has is no credential.
    Stored(credential::Invalid),
    /// Its tokens are good no more, and there are no others to be had.
    LoginNeeded,
    /// Its access token is over, and a new one can't be had now.
    Refresh(oauth::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::Vault(error) => error.fmt(f),
            Self::LoggedOut => f.write_str("it was logged out meanwhile; log in again"),
            Self::ForOthers => f.write_str(
                "there was a login for other hosts meanwhile; start authsome anew to use it",
            ),
            Self::Stored(why) => write!(f, "what is stored is none: {why}"),
            Self::LoginNeeded => f.write_str("the service takes its tokens no more; log in again"),
            Self::Refresh(error) => {
                write!(f, "its token is over, and there is no new one: {error}")
            }
        }
    }
}

impl Error {
    /// Why there is no other token, for whoever has said already what that means.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Refresh(error) => error.to_string(),
            other => other.to_string(),
        }
    }

    /// The whole without a word of anyone else's: what the child may read.
    pub(crate) fn brief(&self) -> String {
        match self {
            Self::Refresh(_) => "its token is over, and there is no new one now".into(),
            other => other.to_string(),
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

/// How a new token is had, and who is told of trouble with it.
pub(crate) struct Means<'a> {
    /// The way to the authorization server.
    pub(crate) dialer: &'a Dialer,
    /// Where warnings go.
    pub(crate) notices: &'a Notices,
    /// Where it is told that tokens were replaced.
    pub(crate) audit: &'a Audit,
}

/// A record's credential at work.
pub(crate) enum Material {
    /// A source.
    Source(Source),
    /// Tokens.
    Tokens(Tokens),
}

/// Tokens at work.
pub(crate) struct Tokens {
    /// What is known of them.
    about: About,
    /// The access token, as it is sent.
    access: Arc<Credential>,
    /// All of them.
    grant: Grant,
}

impl Tokens {
    /// A grant at work.
    fn of(about: About, grant: Grant) -> Result<Self, Error> {
        let access = Credential::of(&grant.access).map_err(Error::Stored)?;
        Ok(Self {
            about,
            access: Arc::new(access),
            grant,
        })
    }
}

/// The credential of a record, at work.
///
/// # Errors
/// When it can be seen now that there is none.
pub(crate) fn open(
    snapshot: &Snapshot,
    record: &Record,
    surroundings: &Surroundings,
) -> Result<Material, Error> {
    let secret = || {
        let secret = snapshot.secret(record).map_err(Error::Vault)?;
        secret.ok_or(Error::LoggedOut)
    };
    match &record.held {
        Held::Source { spec, ttl } => {
            Source::open(spec, &surroundings.variables, &surroundings.commands, *ttl)
                .map(Material::Source)
                .map_err(Error::Source)
        }
        Held::Sealed => {
            let credential = Credential::of(&secret()?).map_err(Error::Stored)?;
            Ok(Material::Source(Source::Held(Arc::new(credential))))
        }
        Held::Oauth(about) if about.needs_login => Err(Error::LoginNeeded),
        Held::Oauth(about) => {
            let grant = Grant::of_secret(&secret()?);
            let grant = grant.ok_or(Error::Stored(credential::Invalid::Empty))?;
            Tokens::of((**about).clone(), grant).map(Material::Tokens)
        }
    }
}

/// Where a connection's credential comes from.
enum Supply {
    /// A source that was given for this run.
    Given(Source),
    /// A record.
    Stored(Arc<Stored>),
}

/// A login to a provider.
pub(crate) struct Connection {
    /// The provider.
    pub(crate) provider: Provider,
    /// The connection's own name.
    pub(crate) name: Name,
    /// Where its credential comes from.
    supply: Supply,
    /// A number that no other connection of this process has, or will have.
    identity: u64,
}

/// How many connections there were in this process.
static COUNT: AtomicU64 = AtomicU64::new(0);

impl Connection {
    /// A provider's default connection, whose credential comes from `source`.
    pub(crate) fn given(provider: Provider, source: Source) -> Self {
        Self {
            provider,
            name: Name::parse(DEFAULT).expect("a good name"),
            supply: Supply::Given(source),
            identity: COUNT.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// A connection that is in the vault.
    pub(crate) fn stored(provider: Provider, stored: Arc<Stored>) -> Self {
        Self {
            provider,
            name: stored.name().clone(),
            supply: Supply::Stored(stored),
            identity: COUNT.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// A number that stands for this connection alone, as long as the process lives.
    pub(crate) fn identity(&self) -> u64 {
        self.identity
    }

    /// Returns whether its credential was given for this run, and no login has looked at it.
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.supply, Supply::Given(_))
    }

    /// How it is called in messages: the provider, and its own name unless that is `default`.
    pub(crate) fn label(&self) -> String {
        record::label(&self.provider.name, &self.name)
    }

    /// The credential as it is now. May take as long as its source does.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn current(&self, means: &Means<'_>) -> Result<Arc<Credential>, Error> {
        match &self.supply {
            Supply::Given(source) => source.current().map_err(Error::Source),
            Supply::Stored(stored) => stored.current(means),
        }
    }

    /// Another credential than this one, which the origin has refused; `None` where there can be none. `place` is a hash of what the
    /// request asked for.
    ///
    /// # Errors
    /// Why there is none now.
    pub(crate) fn other_than(
        &self,
        refused: &Credential,
        place: u64,
        means: &Means<'_>,
    ) -> Result<Option<Arc<Credential>>, Error> {
        match &self.supply {
            Supply::Given(_) => Ok(None),
            Supply::Stored(stored) => stored.other_than(refused, place, means),
        }
    }

    /// Notes that the origin took the credential, for what this is a hash of.
    pub(crate) fn note_success(&self, place: u64) {
        if let Supply::Stored(stored) = &self.supply {
            stored.note_success(place);
        }
    }
}

/// Which connection: its place in [`Broker::connections`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnectionId(usize);

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

    /// The tokens of this record at work, if one of them is it: new ones that could not be stored are nowhere else.
    pub(crate) fn tokens_of(&self, record: &Record) -> Option<Arc<Stored>> {
        if !matches!(record.held, Held::Oauth(_)) {
            return None;
        }
        self.0
            .iter()
            .find_map(|connection| match &connection.supply {
                Supply::Stored(stored) if stored.is_of(record) => Some(Arc::clone(stored)),
                Supply::Stored(_) | Supply::Given(_) => None,
            })
    }

    /// One of them.
    pub(crate) fn connection(&self, id: ConnectionId) -> &Connection {
        self.0
            .get(id.0)
            .expect("an id is made by connections() of the same broker")
    }
}
