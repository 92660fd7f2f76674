//! What every command stands on: the environment, the home, the definitions, the vault. Wired once.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::Error;
use super::error::UNKNOWN;
use super::output;
use super::output::Verbosity;
use super::programs;
use super::prompt;
use crate::audit::Audit;
use crate::audit::Event;
use crate::audit::Kind;
use crate::audit::Log;
use crate::broker::record::Record;
use crate::broker::store::Store;
use crate::encoding;
use crate::environment;
use crate::environment::Environment;
use crate::files::Home;
use crate::files::lock;
use crate::files::lock::Lock;
use crate::files::private;
use crate::files::trusted;
use crate::notice::Notices;
use crate::provider::Provider;
use crate::provider::definition::Definition;
use crate::provider::definition::Outside;
use crate::provider::registry::Registry;
use crate::sys::inherited::Inherited;
use crate::sys::process;
use crate::vault::KEY_COMMAND;
use crate::vault::KeyRing;
use crate::vault::Vault;

/// The services of one process.
pub(super) struct App {
    /// What this process was given.
    pub(super) parent: Environment,
    /// Where authsome keeps its things.
    pub(super) home: Home,
    /// What to print.
    pub(super) verbosity: Verbosity,
    /// Where warnings go.
    pub(super) notices: Arc<Notices>,
    /// Where it is told what is done.
    pub(super) audit: Arc<Audit>,
    /// What can be known of providers.
    pub(super) registry: Registry,
    /// The stored connections.
    pub(super) store: Arc<Store>,
}

impl App {
    /// The services, for a command that handles secrets: other processes are shut out of this one first.
    ///
    /// # Errors
    /// When this process can't be protected, or the home or the log in it can't be trusted.
    pub(super) fn open(verbosity: Verbosity) -> Result<Self, Error> {
        protect()?;
        let mut app = Self::new(verbosity)?;
        app.audit = Arc::new(Audit::off().logged(app.log()?));
        Ok(app)
    }

    /// The log in the home.
    ///
    /// # Errors
    /// When what is there can't be trusted.
    pub(super) fn log(&self) -> Result<Log, Error> {
        Log::in_home(&self.home, Arc::clone(&self.notices)).map_err(unusable_log)
    }

    /// The services, for a process that is protected already. It has no log yet.
    ///
    /// # Errors
    /// When the home can't be trusted, or the definitions in it can't be read.
    pub(super) fn new(verbosity: Verbosity) -> Result<Self, Error> {
        let parent = Environment::of_process();
        let home = home(&parent);
        if let Some(other) = trusted::kept_from()
            && trusted::could_be_made_by_others(home.path(), other)
        {
            // If it can't be made, or somebody was faster, that is what the check says.
            let _ = home.create();
        }
        private::check_folder(home.path()).map_err(unusable)?;
        let registry = definitions(&home)?;
        let notices = Arc::new(output::notices(verbosity));
        let store = Arc::new(store(&parent, &home, &registry, &notices));
        Ok(Self {
            parent,
            home,
            verbosity,
            notices,
            audit: Arc::new(Audit::off()),
            registry,
            store,
        })
    }

    /// The services of a home that may be anything but in order, for a command that only looks; and why the definitions in it are
    /// missing, where they can't be read.
    pub(super) fn to_look_at(verbosity: Verbosity) -> (Self, Option<io::Error>) {
        let parent = Environment::of_process();
        let home = home(&parent);
        let (registry, failure) = match Registry::load(&home.providers()) {
            Ok(registry) => (registry, None),
            Err(error) => (Registry::bundled(), Some(error)),
        };
        programs::forget_credentials(&registry);
        // What they would say is found by looking.
        let notices = Arc::new(Notices::new(|_| {}));
        let app = Self {
            store: Arc::new(store(&parent, &home, &registry, &notices)),
            parent,
            home,
            verbosity,
            notices,
            audit: Arc::new(Audit::off()),
            registry,
        };
        (app, failure)
    }

    /// The definition of a provider that the person names.
    ///
    /// # Errors
    /// When there is none, or it is broken.
    pub(super) fn definition(&self, name: &str) -> Result<&Definition, Error> {
        match self.registry.find(name) {
            Some(Ok(definition)) => Ok(definition),
            Some(Err(broken)) => Err(Error::from(&broken.invalid)),
            None => Err(self.unknown(name)),
        }
    }

    /// The provider of a definition, with what a record of it says.
    ///
    /// # Errors
    /// When the definition is broken.
    pub(super) fn provider(
        &self,
        definition: &Definition,
        record: Option<&Record>,
    ) -> Result<Provider, Error> {
        let base_url = record.and_then(|record| record.base_url.as_deref());
        let username = record.and_then(|record| record.username.as_deref());
        self.provider_with(definition, base_url, username)
    }

    /// The provider of a definition, with what the person says.
    ///
    /// # Errors
    /// When the definition is broken.
    pub(super) fn provider_with(
        &self,
        definition: &Definition,
        base_url: Option<&str>,
        username: Option<&str>,
    ) -> Result<Provider, Error> {
        let outside = Outside {
            base_url,
            username,
            variable: &|variable| self.parent.text(variable).map(str::to_owned),
        };
        definition
            .provider(&outside)
            .map_err(|invalid| Error::from(&invalid))
    }

    /// Keeps others from refreshing the tokens of these connections until the locks are dropped; says so when that takes a while.
    pub(super) fn without_refreshes<'a>(
        &self,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Vec<Lock> {
        self.store.without_refreshes(records, |record| {
            self.notices.tell(format!(
                "another process is getting new tokens of {}: waiting for it, for {} s at the most",
                record.label(),
                lock::PATIENCE.as_secs()
            ));
        })
    }

    /// Tells what was done with a connection.
    pub(super) fn tell(&self, kind: Kind, record: &Record) {
        let (provider, connection) = (record.provider.as_str(), record.connection.as_str());
        self.audit
            .record(Event::about(kind, provider, Some(connection)));
    }

    /// A provider that isn't there.
    fn unknown(&self, name: &str) -> Error {
        let shown = encoding::printable(name.as_bytes(), 64);
        let hint = match self.registry.nearest(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "see `authsome list --all`; a definition of your own is added by `authsome register FILE`".into(),
        };
        Error::new("there is no provider", shown)
            .code(UNKNOWN)
            .hint(hint)
    }
}

/// The definitions of a home, as they are now.
///
/// # Errors
/// When they can't be trusted or read.
pub(super) fn definitions(home: &Home) -> Result<Registry, Error> {
    let directory = home.providers();
    private::check_folder(&directory).map_err(unusable)?;
    let registry = Registry::load(&directory).map_err(|error| {
        Error::new(&format!("cannot read {}", directory.display()), error)
            .hint("check the folder and its permissions")
    })?;
    programs::forget_credentials(&registry);
    Ok(registry)
}

/// What is told of a home that can't be trusted.
fn unusable(error: private::Error) -> Error {
    let remedy = error.remedy();
    Error::new("the home can't be used", error).hint(remedy)
}

/// The log can't be used.
pub(super) fn unusable_log(error: private::Error) -> Error {
    let remedy = error.remedy();
    Error::new("the audit log can't be used", error).hint(remedy)
}

/// The vault of a home, with this environment's keys.
fn store(parent: &Environment, home: &Home, registry: &Registry, notices: &Arc<Notices>) -> Store {
    let ask = || prompt::passphrase("Passphrase of the vault: ");
    // A command for the key has no business with other credentials.
    let keys = match parent.has(KEY_COMMAND) {
        true => KeyRing::new(
            &programs::without_credentials(parent, registry),
            home,
            Box::new(ask),
        ),
        false => KeyRing::new(parent, home, Box::new(ask)),
    };
    Store::new(Vault::new(home.clone(), keys, Arc::clone(notices)))
}

/// Shuts other processes out of this one.
///
/// # Errors
/// When that can't be done.
pub(super) fn protect() -> Result<Inherited, Error> {
    process::harden().map_err(|error| Error::new("cannot protect this process", error))
}

/// Where authsome keeps its things: AUTHSOME_HOME, else `.authsome` in HOME. A process without a home (a bare container) has the
/// root directory for one.
pub(super) fn home(parent: &Environment) -> Home {
    let of_person = || {
        parent
            .get("HOME")
            .map_or_else(|| PathBuf::from("/"), PathBuf::from)
    };
    let chosen = parent.get(environment::OWN_HOME).map(PathBuf::from);
    Home::at(chosen.unwrap_or_else(|| of_person().join(".authsome")))
}
