//! The one door to credentials: which connections there are, and what each gives now.

use std::sync::Arc;

use crate::credential::Credential;
use crate::provider::Name;
use crate::provider::Provider;
use crate::source;
use crate::source::Source;

/// A login to a provider.
pub(crate) struct Connection {
    /// The provider.
    pub(crate) provider: Provider,
    /// The connection's own name.
    pub(crate) name: Name,
    /// Where its credential comes from.
    source: Source,
}

impl Connection {
    /// A connection whose credential comes from `source`.
    pub(crate) fn new(provider: Provider, name: Name, source: Source) -> Self {
        Self {
            provider,
            name,
            source,
        }
    }

    /// How it is called in messages: the provider, and its own name unless that is `default`.
    pub(crate) fn label(&self) -> String {
        match self.name.as_str() {
            "default" => self.provider.name.to_string(),
            name => format!("{}/{name}", self.provider.name),
        }
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

    /// Adds a provider's default connection.
    pub(crate) fn add(&mut self, provider: Provider, source: Source) {
        let default = Name::parse("default").expect("a good name");
        self.0.push(Connection::new(provider, default, source));
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
    pub(crate) fn current(&self, id: ConnectionId) -> Result<Arc<Credential>, source::Error> {
        self.connection(id).source.current()
    }
}
