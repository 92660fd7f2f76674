//! Which connections a run has: those that the person names, and those whose credential is in the environment.

use std::collections::BTreeMap;

use super::args::ConnectionArgs;
use super::error::Error;
use super::error::UNKNOWN;
use crate::broker::Broker;
use crate::broker::Connection;
use crate::environment::Environment;
use crate::notice::Notices;
use crate::provider::Export;
use crate::provider::Name;
use crate::provider::Provider;
use crate::provider::definition::Definition;
use crate::provider::definition::Outside;
use crate::provider::registry::Registry;
use crate::source::Source;
use crate::source::Spec;
use crate::vault::is_own_secret;

/// What was found.
pub(crate) struct Connected {
    /// The connections.
    pub(crate) broker: Broker,
    /// Exports of all known providers, each with its placeholder.
    pub(crate) known: Vec<(Export, String)>,
    /// Variables that are a credential's source, and are not to be handed on.
    pub(crate) sources: Vec<String>,
}

/// Looks for connections.
struct Finder<'a> {
    /// The options.
    args: &'a ConnectionArgs,
    /// The parent's environment.
    parent: &'a Environment,
    /// What can be known of providers.
    registry: &'a Registry,
    /// Where warnings go.
    notices: &'a Notices,
    /// What source commands run in: the parent's environment without what the child does not get either. Any process of the same
    /// user can read it while a command runs.
    commands: Environment,
    /// What was found, by provider.
    found: BTreeMap<String, Connection>,
}

/// The connections that the options and the environment give.
///
/// # Errors
/// A provider that isn't known, a definition that is needed and broken, a source that gives nothing.
pub(crate) fn connect(
    args: &ConnectionArgs,
    parent: &Environment,
    registry: &Registry,
    notices: &Notices,
) -> Result<Connected, Error> {
    let commands = command_environment(args, parent, registry);
    let found = BTreeMap::new();
    let mut finder = Finder {
        args,
        parent,
        registry,
        notices,
        commands,
        found,
    };
    for (name, spec) in &args.credentials {
        finder.named(name, spec)?;
    }
    for (name, _) in &args.base_urls {
        finder.definition(name)?;
    }
    let mut known = Vec::new();
    for (name, entry) in registry.iter() {
        match entry {
            Ok(definition) => finder.take_from_environment(name, definition, &mut known)?,
            Err(broken) => {
                let is_set = |name: &String| parent.get(name).is_some();
                if broken.variables.iter().any(is_set) {
                    return Err(Error::from(&broken.invalid));
                }
                notices.warn(format!(
                    "{} (the definition is passed over)",
                    broken.invalid
                ));
            }
        }
    }
    let sources = source_variables(args).map(str::to_owned).collect();
    Ok(Connected {
        broker: Broker::new(finder.found.into_values().collect()),
        known,
        sources,
    })
}

/// The variables that `--credential` names.
fn source_variables(args: &ConnectionArgs) -> impl Iterator<Item = &str> {
    args.credentials.iter().filter_map(|(_, spec)| match spec {
        Spec::Variable(name) => Some(name.as_str()),
        Spec::File(_) | Spec::Command(_) => None,
    })
}

/// The parent's environment without the variables that hold, or may hold, credentials that authsome looks after.
fn command_environment(
    args: &ConnectionArgs,
    parent: &Environment,
    registry: &Registry,
) -> Environment {
    let mut environment = parent.clone();
    if args
        .credentials
        .iter()
        .any(|(_, spec)| matches!(spec, Spec::Command(_)))
    {
        let definitions = registry.iter().filter_map(|(_, entry)| entry.as_ref().ok());
        for name in definitions.flat_map(Definition::variable_names) {
            environment.remove(&name);
        }
        for name in source_variables(args) {
            environment.remove(name);
        }
        environment.remove_where(is_own_secret);
    }
    environment
}

impl Finder<'_> {
    /// A connection that the person names.
    fn named(&mut self, name: &str, spec: &Spec) -> Result<(), Error> {
        let provider = self.provider(name, self.definition(name)?)?;
        let source = Source::open(spec, self.parent, &self.commands, self.args.ttl)
            .map_err(|error| Error::new(&format!("no credential for {name}"), error))
            .map_err(|error| error.hint("check the source that --credential names"))?;
        if self.found.contains_key(name) {
            return Err(Error::new("--credential", format!("{name} is named twice"))
                .hint("name each provider once"));
        }
        self.add(provider, source);
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
        if !exports.iter().any(|export| self.parent.has(&export.name)) {
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
        let provider = self.provider(name, definition)?;
        let values: Vec<(&str, &[u8])> = provider
            .credential_variables()
            .filter_map(|name| Some((name, self.parent.get(name)?.as_encoded_bytes())))
            .filter(|(_, value)| *value != placeholder.as_bytes())
            .collect();
        let Some((variable, value)) = values.first() else {
            return Ok(());
        };
        if let Some((other, _)) = values.iter().find(|(_, other)| other != value) {
            self.notices.warn(format!(
                "{variable} and {other} differ; {name} gets that of {variable}"
            ));
        }
        match Source::held(&format!("the variable {variable}"), value) {
            Ok(source) => {
                self.warn_of_copies(name, value);
                self.add(provider, source);
            }
            Err(error) => self
                .notices
                .warn(format!("{name} has no credential: {error}")),
        }
        Ok(())
    }

    /// Warns when another variable holds the same secret: the child gets all variables that no provider exports.
    fn warn_of_copies(&self, name: &str, secret: &[u8]) {
        let masked: Vec<String> = self
            .registry
            .iter()
            .filter_map(|(_, entry)| entry.as_ref().ok())
            .flat_map(Definition::variable_names)
            .collect();
        for (variable, value) in self.parent.iter() {
            let variable = variable.to_string_lossy();
            if value.as_encoded_bytes() == secret && !masked.iter().any(|name| *name == variable) {
                self.notices.warn(format!(
                    "the variable {variable} holds the credential of {name} too, and the program gets it as it is"
                ));
            }
        }
    }

    /// Takes a connection in, with warnings about what its definition lacks.
    fn add(&mut self, provider: Provider, source: Source) {
        let name = provider.name.to_string();
        if let Some(variable) = &provider.missing_base_url {
            let way = if variable.is_empty() {
                String::new()
            } else {
                format!(", or set {variable}")
            };
            self.notices.warn(format!(
                "{name} has a credential but no URL: give --base-url {name}=URL{way}"
            ));
        }
        for rule in provider.rules.iter().filter(|rule| rule.host.is_loose()) {
            self.notices.warn(format!(
                "the rule {} of {name} could match a host that anyone can register: its credential could go there",
                rule.host
            ));
        }
        let default = Name::parse("default").expect("a good name");
        self.found
            .insert(name, Connection::new(provider, default, source));
    }

    /// The definition of a provider that the person names.
    fn definition(&self, name: &str) -> Result<&Definition, Error> {
        match self.registry.find(name) {
            Some(Ok(definition)) => Ok(definition),
            Some(Err(broken)) => Err(Error::from(&broken.invalid)),
            None => Err(unknown(self.registry, name)),
        }
    }

    /// The provider, with what it takes from outside.
    fn provider(&self, name: &str, definition: &Definition) -> Result<Provider, Error> {
        for field in &definition.unknown {
            self.notices.warn(format!(
                "{}: the field {field} is not known and has no effect",
                definition.file
            ));
        }
        provider(self.args, self.parent, name, definition)
    }
}

/// A provider that isn't there.
pub(crate) fn unknown(registry: &Registry, name: &str) -> Error {
    let error = Error::new(
        "there is no provider",
        crate::encoding::printable(name.as_bytes(), 64),
    );
    let hint = match registry.nearest(name) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "definitions of your own go into AUTHSOME_HOME/providers/NAME.json".to_owned(),
    };
    error.code(UNKNOWN).hint(hint)
}

/// The provider of a definition, with the base URL and the user name that options and environment give.
///
/// # Errors
/// When the definition is broken.
pub(crate) fn provider(
    args: &ConnectionArgs,
    parent: &Environment,
    name: &str,
    definition: &Definition,
) -> Result<Provider, Error> {
    let base_url = args
        .base_urls
        .iter()
        .rev()
        .find(|(provider, _)| provider == name);
    let outside = Outside {
        base_url: base_url.map(|(_, url)| url.as_str()),
        variable: &|variable| parent.text(variable).map(str::to_owned),
    };
    definition
        .provider(&outside)
        .map_err(|invalid| Error::from(&invalid))
}

/// A router's worth of connections for all providers, as if each had a credential: what `explain` asks when none has.
pub(crate) fn as_if_connected(
    args: &ConnectionArgs,
    parent: &Environment,
    registry: &Registry,
) -> Broker {
    let connections = registry.iter().filter_map(|(name, entry)| {
        let provider = provider(args, parent, name, entry.as_ref().ok()?).ok()?;
        let source = Source::held("PATH", b"-").ok()?;
        Some(Connection::new(provider, Name::parse("default")?, source))
    });
    Broker::new(connections.collect())
}
