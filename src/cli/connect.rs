//! Which connections a run has: those that the person names, those that are stored, and those whose credential is in the environment.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use super::app::App;
use super::blind;
use super::blind::Blind;
use super::error::Error;
use super::programs;
use super::settled;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::flag;
use super::syntax::valued;
use crate::broker;
use crate::broker::Broker;
use crate::broker::Connection;
use crate::broker::Stored;
use crate::broker::Surroundings;
use crate::broker::record::Record;
use crate::broker::record::login_again;
use crate::broker::store::Snapshot;
use crate::provider::Export;
use crate::provider::ExportKind;
use crate::provider::Name;
use crate::provider::PLACEHOLDER;
use crate::provider::Provider;
use crate::provider::definition::Definition;
use crate::source::Source;
use crate::source::Spec;
use crate::upstream::egress::Pattern;

/// How long a command's answer is used where nothing is said.
pub(super) const TTL: Duration = Duration::from_secs(300);

/// The longest that can be said.
pub(super) const MAX_TTL: u64 = 86_400;

/// The options that say which connections there are.
pub(super) const OPTIONS: Group = Group {
    title: "Which credentials",
    options: &[
        valued(
            "credential",
            "P=SOURCE",
            "provider P's credential, from env:NAME, file:PATH or command:LINE",
        ),
        valued(
            "credential-ttl",
            "SEC",
            "how long a command's answer is used (300)",
        ),
        valued(
            "connection",
            "P=NAME",
            "use this stored connection of provider P, not its default",
        ),
        valued(
            "base-url",
            "P=URL",
            "the URL of provider P's own installation",
        ),
        flag(
            "no-env-credentials",
            "take none from the environment (but mask them)",
        ),
        blind::OPTION,
    ],
};

/// What the options say.
pub(super) struct ConnectionArgs {
    /// `--credential P=SOURCE`
    credentials: Vec<(String, Spec)>,
    /// `--connection P=NAME`
    chosen: Vec<(String, Name)>,
    /// `--base-url P=URL`
    base_urls: Vec<(String, String)>,
    /// `--credential-ttl SECONDS`
    ttl: Duration,
    /// `--no-env-credentials`
    no_env: bool,
    /// `--blind HOST`
    blind: Vec<Blind>,
    /// Whether there is a program that gets the environment.
    has_program: bool,
}

impl ConnectionArgs {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with one.
    pub(super) fn read(parsed: &Parsed) -> Result<Self, Error> {
        /// `P=...`, and how the rest is read.
        fn pairs<T>(
            parsed: &Parsed,
            long: &str,
            form: &str,
            read: impl Fn(&str) -> Option<T>,
        ) -> Result<Vec<(String, T)>, Error> {
            let values = parsed.values(long)?.into_iter();
            values
                .map(|text| {
                    let (provider, rest) = text.split_once('=')?;
                    Some((provider.to_owned(), read(rest)?))
                })
                .map(|pair| pair.ok_or_else(|| parsed.usage(format!("--{long} takes {form}"))))
                .collect()
        }

        let form = "PROVIDER=env:NAME, =file:PATH or =command:LINE";
        Ok(Self {
            credentials: pairs(parsed, "credential", form, Spec::parse).map_err(|error| {
                error.hint(
                    "a credential itself never goes on the command line, where others can read it",
                )
            })?,
            chosen: pairs(parsed, "connection", "PROVIDER=NAME", Name::parse)?,
            base_urls: pairs(parsed, "base-url", "PROVIDER=URL", |url| {
                (!url.is_empty()).then(|| url.to_owned())
            })?,
            ttl: parsed
                .seconds("credential-ttl", 0..=MAX_TTL)?
                .unwrap_or(TTL),
            no_env: parsed.has("no-env-credentials"),
            blind: Blind::read(parsed)?,
            has_program: true,
        })
    }

    /// The same where no program gets the environment.
    pub(super) fn without_program(self) -> Self {
        Self {
            has_program: false,
            ..self
        }
    }

    /// Returns whether the options name a provider.
    pub(super) fn name(&self, provider: &str) -> bool {
        let credentials = self.credentials.iter().map(|(name, _)| name);
        let chosen = self.chosen.iter().map(|(name, _)| name);
        let base_urls = self.base_urls.iter().map(|(name, _)| name);
        let mut named = credentials.chain(chosen).chain(base_urls);
        named.any(|name| name == provider)
    }

    /// The base URL that they give a provider.
    fn base_url(&self, provider: &str) -> Option<&str> {
        let mut given = self.base_urls.iter().rev();
        let found = given.find(|(name, _)| name == provider);
        found.map(|(_, url)| url.as_str())
    }
}

/// What was found.
pub(super) struct Connected {
    /// The connections.
    pub(super) broker: Broker,
    /// Exports of all known providers, each with its placeholder.
    pub(super) known: Vec<(Export, String)>,
    /// Variables that are a credential's source, and are not to be handed on.
    pub(super) sources: Vec<String>,
    /// Hosts that are left unread.
    pub(super) blind: Vec<Pattern>,
}

/// Looks for connections.
struct Finder<'a> {
    /// The options.
    args: &'a ConnectionArgs,
    /// Everything else.
    app: &'a App,
    /// The connections that there were before, if there were some.
    before: Option<&'a Broker>,
    /// What sources are read in. Commands get the parent's environment without what the child does not get either: any process of
    /// the same user can read it while one runs.
    surroundings: Surroundings,
    /// What was found, by provider.
    found: BTreeMap<String, Connection>,
    /// The variables that some provider exports, once they are needed: they are the same for all connections.
    exported: OnceCell<HashSet<String>>,
    /// The variables of the environment by value, likewise.
    by_value: OnceCell<HashMap<&'a [u8], Vec<&'a OsStr>>>,
}

/// The connections that the options, the vault and the environment give.
///
/// # Errors
/// A provider or a connection that isn't known, a definition that is needed and broken, a named source that gives nothing, a vault that
/// can't be opened.
pub(super) fn connect(args: &ConnectionArgs, app: &App) -> Result<Connected, Error> {
    connect_again(args, app, None)
}

/// The same once more: what the connections of before know, and is nowhere else, stays.
///
/// # Errors
/// The same.
pub(super) fn connect_again(
    args: &ConnectionArgs,
    app: &App,
    before: Option<&Broker>,
) -> Result<Connected, Error> {
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let records = snapshot.records();
    let named = args.credentials.iter().map(|(_, spec)| spec);
    let stored = records.iter().filter_map(Record::source);
    let specs: Vec<&Spec> = named.chain(stored).collect();
    let sources: Vec<String> = programs::variables(&specs).map(str::to_owned).collect();
    programs::forget_sources(&sources);
    programs::warn_of_folders(app, &specs);
    let mut finder = Finder {
        args,
        app,
        before,
        surroundings: programs::surroundings(&app.parent, &app.registry, &specs),
        found: BTreeMap::new(),
        exported: OnceCell::new(),
        by_value: OnceCell::new(),
    };
    for (name, spec) in &args.credentials {
        finder.named(name, spec)?;
    }
    for (name, _) in &args.base_urls {
        app.definition(name)?;
    }
    finder.stored(&snapshot, records)?;
    let mut known = masked_all_the_same(app);
    for (name, entry) in app.registry.iter() {
        match entry {
            Ok(definition) => finder.take_from_environment(name, definition, &mut known)?,
            Err(broken) => {
                let is_set = |name: &String| app.parent.get(name).is_some();
                if broken.variables.iter().any(is_set) {
                    return Err(Error::from(&broken.invalid));
                }
                app.notices.warn(format!(
                    "{} (the definition is passed over)",
                    broken.invalid
                ));
            }
        }
    }
    let broker = Broker::new(finder.found.into_values().collect());
    for blind in &args.blind {
        blind.warn_if_unclaimed(&broker, &app.notices);
    }
    Ok(Connected {
        broker,
        known,
        sources,
        blind: args.blind.iter().map(Blind::hosts).collect(),
    })
}

/// No connections, but what is to be masked all the same: what a run has for which none is wanted. A definition that is broken counts
/// with the variables that can be read.
pub(super) fn none(app: &App) -> Connected {
    let mut known = masked_all_the_same(app);
    for (_, entry) in app.registry.iter() {
        let (exports, placeholder) = match entry {
            Ok(definition) => (definition.exports().ok(), definition.placeholder().ok()),
            Err(broken) => {
                let export = |name: &String| Export {
                    name: name.clone(),
                    kind: ExportKind::Credential,
                };
                (Some(broken.variables.iter().map(export).collect()), None)
            }
        };
        let placeholder = placeholder.unwrap_or_else(|| PLACEHOLDER.to_owned());
        let masked = exports.into_iter().flatten();
        known.extend(masked.map(|export| (export, placeholder.clone())));
    }
    Connected {
        broker: Broker::new(Vec::new()),
        known,
        sources: Vec::new(),
        blind: Vec::new(),
    }
}

/// What bundled definitions export in whose place others stand that may not.
fn masked_all_the_same(app: &App) -> Vec<(Export, String)> {
    let exports = app.registry.replaced().iter();
    let exports = exports.filter_map(|definition| definition.exports().ok());
    let masked = exports
        .flatten()
        .filter(|export| export.kind != ExportKind::ApiUrl);
    masked
        .map(|export| (export, PLACEHOLDER.to_owned()))
        .collect()
}

impl Finder<'_> {
    /// A connection that the person names.
    fn named(&mut self, name: &str, spec: &Spec) -> Result<(), Error> {
        let definition = self.app.definition(name)?;
        let provider = self.provider(name, definition, None)?;
        let Surroundings {
            variables,
            commands,
        } = &self.surroundings;
        let source = Source::open(spec, variables, commands, self.args.ttl)
            .map_err(|error| Error::new(&format!("no credential for {name}"), error))
            .map_err(|error| error.hint("check the source that --credential names"))?;
        if self.found.contains_key(name) {
            return Err(Error::new("--credential", format!("{name} is named twice"))
                .hint("name each provider once"));
        }
        self.add(Connection::given(provider, source));
        Ok(())
    }

    /// The connections in the vault: those that the person chooses, and of the other providers the defaults.
    fn stored(&mut self, snapshot: &Snapshot, records: Vec<Record>) -> Result<(), Error> {
        for (name, connection) in &self.args.chosen {
            let provider = self
                .app
                .definition(name)?
                .name()
                .map_err(|invalid| Error::from(&invalid))?;
            snapshot
                .find(&provider, Some(connection))
                .map_err(Error::from)?;
        }
        for record in records {
            let name = record.provider.as_str();
            let chosen = self
                .args
                .chosen
                .iter()
                .rev()
                .find(|(provider, _)| provider == name);
            let is_used = chosen.map_or(record.is_default, |(_, connection)| {
                record.connection == *connection
            });
            if !is_used || self.found.contains_key(name) {
                continue;
            }
            let Some(entry) = self.app.registry.find(name) else {
                self.app.notices.warn(format!(
                    "{} is connected, but there is no definition of {name} any more: it gets no requests",
                    record.label()
                ));
                continue;
            };
            let definition = entry
                .as_ref()
                .map_err(|broken| Error::from(&broken.invalid))?;
            let mut provider = self.provider(name, definition, Some(&record))?;
            // A URL on the command line is the person's own word, here and now.
            if self.args.base_url(name).is_none()
                && let Some(why) = settled::keep_known(&record, &mut provider)
            {
                self.app.notices.warn(format!(
                    "{} gets no requests: {why}; if you trust it, or a newer version of authsome brought it, log in again: `{}`",
                    record.label(),
                    login_again(&record.provider, &record.connection)
                ));
                continue;
            }
            // Worth a warning, not an end: it may never be used in this run.
            if let Err(error) = broker::open(snapshot, &record, &self.surroundings) {
                self.app
                    .notices
                    .warn(format!("{} has no credential now: {error}", record.label()));
            }
            let kept = self.before.and_then(|before| before.tokens_of(&record));
            let stored = kept.unwrap_or_else(|| {
                Arc::new(Stored::new(&self.app.store, &record, &self.surroundings))
            });
            self.add(Connection::stored(provider, stored));
        }
        Ok(())
    }

    /// A connection whose credential is in the environment, if there is one; and what is to be masked in any case.
    fn take_from_environment(
        &mut self,
        name: &str,
        definition: &Definition,
        known: &mut Vec<(Export, String)>,
    ) -> Result<(), Error> {
        let exports = definition
            .exports()
            .map_err(|invalid| Error::from(&invalid))?;
        if !exports
            .iter()
            .any(|export| self.app.parent.has(&export.name))
        {
            return Ok(());
        }
        let placeholder = definition
            .placeholder()
            .map_err(|invalid| Error::from(&invalid))?;
        known.extend(
            exports
                .into_iter()
                .map(|export| (export, placeholder.clone())),
        );
        if self.args.no_env || self.found.contains_key(name) {
            return Ok(());
        }
        let provider = self.provider(name, definition, None)?;
        let values: Vec<(&str, &[u8])> = provider
            .credential_variables()
            .filter_map(|name| Some((name, self.app.parent.get(name)?.as_encoded_bytes())))
            .filter(|(_, value)| *value != placeholder.as_bytes())
            .collect();
        let Some((variable, value)) = values.first() else {
            return Ok(());
        };
        if let Some((other, _)) = values.iter().find(|(_, other)| other != value) {
            self.app.notices.warn(format!(
                "{variable} and {other} differ; {name} gets that of {variable}"
            ));
        }
        match Source::held(&format!("the variable {variable}"), value) {
            Ok(source) => {
                self.warn_of_copies(name, value);
                self.warn_of_other_hosts(&provider, &definition.file, variable);
                self.add(Connection::given(provider, source));
            }
            Err(error) => self
                .app
                .notices
                .warn(format!("{name} has no credential: {error}")),
        }
        Ok(())
    }

    /// Warns when a definition of the person's own takes a variable that bundled ones know, for hosts that none of those claims.
    fn warn_of_other_hosts(&self, provider: &Provider, file: &str, variable: &str) {
        if !self.app.registry.is_own(provider.name.as_str()) {
            return;
        }
        // Few know it: making providers of all definitions takes longer than the rest of a run's start.
        let names_it = |definition: &&Definition| {
            let mut names = definition.variable_names().into_iter();
            names.any(|name| name == variable)
        };
        let bundled = self.app.registry.all_bundled().filter(names_it);
        let bundled = bundled.filter_map(|known| self.app.provider_with(known, None, None).ok());
        let knows = |known: &Provider| known.credential_variables().any(|name| name == variable);
        let claims: Vec<String> = bundled
            .filter(knows)
            .flat_map(|known| settled::rules(&known))
            .collect();
        let mut others = settled::sorted_rules(provider);
        others.retain(|rule| !claims.contains(rule));
        if !claims.is_empty() && !others.is_empty() {
            self.app.notices.warn(format!(
                "{file} has {variable} go to {}, which is none of the hosts that it is known for",
                others.join(", ")
            ));
        }
    }

    /// Warns when another variable holds the same secret: the child gets all variables that no provider exports.
    fn warn_of_copies(&self, name: &str, secret: &[u8]) {
        if !self.args.has_program {
            return;
        }
        let by_value = self.by_value.get_or_init(|| {
            let mut by_value: HashMap<&[u8], Vec<&OsStr>> = HashMap::new();
            for (variable, value) in self.app.parent.iter() {
                by_value
                    .entry(value.as_encoded_bytes())
                    .or_default()
                    .push(variable);
            }
            by_value
        });
        let exported = self.exported.get_or_init(|| {
            let definitions = self.app.registry.iter();
            definitions
                .filter_map(|(_, entry)| entry.as_ref().ok())
                .flat_map(Definition::variable_names)
                .collect()
        });
        for variable in by_value.get(secret).into_iter().flatten() {
            let variable = variable.to_string_lossy();
            if !exported.contains(&*variable) {
                self.app.notices.warn(format!(
                    "the variable {variable} holds the credential of {name} too, and the program gets it as it is"
                ));
            }
        }
    }

    /// Takes a connection in, with warnings about what its definition lacks.
    fn add(&mut self, connection: Connection) {
        let provider = &connection.provider;
        let name = provider.name.to_string();
        if let Some(variable) = &provider.missing_base_url {
            let way = if variable.is_empty() {
                String::new()
            } else {
                format!(", or set {variable}")
            };
            self.app.notices.warn(format!(
                "{name} has a credential but no URL: give --base-url {name}=URL{way}"
            ));
        }
        for warning in settled::loose_rules(provider) {
            self.app.notices.warn(warning);
        }
        self.found.insert(name, connection);
    }

    /// The provider, with the base URL and the user name that options, the record and the environment give, in this order.
    fn provider(
        &self,
        name: &str,
        definition: &Definition,
        record: Option<&Record>,
    ) -> Result<Provider, Error> {
        for field in &definition.unknown {
            self.app
                .notices
                .warn(settled::unknown_field(definition, field));
        }
        let stored = record.and_then(|record| record.base_url.as_deref());
        let base_url = self.args.base_url(name).or(stored);
        let username = record.and_then(|record| record.username.as_deref());
        self.app.provider_with(definition, base_url, username)
    }
}

/// A router's worth of connections for all providers, as if each had a credential: what `explain` asks when none has.
pub(super) fn as_if_connected(args: &ConnectionArgs, app: &App) -> Broker {
    let connections = app.registry.iter().filter_map(|(name, entry)| {
        let definition = entry.as_ref().ok()?;
        let provider = app
            .provider_with(definition, args.base_url(name), None)
            .ok()?;
        let source = Source::held("PATH", b"-").ok()?;
        Some(Connection::given(provider, source))
    });
    Broker::new(connections.collect())
}
