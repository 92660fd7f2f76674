//! What programs that are no part of a run get: those that open a page, print a key, or are a source.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::ffi::OsString;

use super::app::App;
use crate::broker::Surroundings;
use crate::broker::record::Record;
use crate::environment::Environment;
use crate::environment::GCLOUD;
use crate::environment::OTHER_PROXY;
use crate::environment::PROXY;
use crate::environment::PROXY_WHERE_SET;
use crate::environment::is_spelling_of;
use crate::files::trusted;
use crate::program::SearchPath;
use crate::program::variables as program_variables;
use crate::provider::definition::Definition;
use crate::provider::registry::Registry;
use crate::source::Spec;
use crate::sys::environ;
use crate::vault::KEY_COMMAND;
use crate::vault::is_own_secret;

/// What programs that are no part of a run get, such as one that opens a page: the parent's environment without the variables that
/// hold, or may hold, credentials, or lead to the vault's key.
pub(super) fn for_programs(app: &App) -> Environment {
    // Without the vault nothing is known of the variables that are sources.
    let records = app.store.snapshot().map(|snapshot| snapshot.records());
    let records = records.unwrap_or_default();
    let specs: Vec<&Spec> = records.iter().filter_map(Record::source).collect();
    surroundings(&app.parent, &app.registry, &specs).commands
}

/// The variables among sources.
pub(super) fn variables<'a>(specs: &[&'a Spec]) -> impl Iterator<Item = &'a str> {
    specs.iter().filter_map(|spec| match spec {
        Spec::Variable(name) => Some(name.as_str()),
        Spec::File(_) | Spec::Command(_) => None,
    })
}

/// What these sources are read in: for commands the parent's environment without the variables that hold, or may hold, credentials
/// that authsome looks after.
pub(super) fn surroundings(
    parent: &Environment,
    registry: &Registry,
    specs: &[&Spec],
) -> Surroundings {
    // Whether there is a command now or not: a login while a run goes on may bring one.
    let mut commands = without_credentials(parent, registry);
    for name in variables(specs) {
        commands.remove(name);
    }
    commands.remove_where(is_own_secret);
    // Kept as long as there are connections: a login while a run goes on may name any of them.
    let mut variables = parent.clone();
    variables.remove_where(is_own_secret);
    Surroundings {
        variables,
        commands,
    }
}

/// Warns, where the program has a user of its own, of folders of PATH that commands don't get since others than root could put programs
/// there, and of other variables that lead to what that user could change. Only where there are commands: one of these sources, or the one for the vault's key.
pub(super) fn warn_of_folders(app: &App, specs: &[&Spec]) {
    let has_commands = specs.iter().any(|spec| matches!(spec, Spec::Command(_)));
    let Some(other) = trusted::kept_from() else {
        return;
    };
    if !has_commands && !app.parent.has(KEY_COMMAND) {
        return;
    }
    for why in SearchPath::of(&app.parent).left_out {
        let warning = format!("left out of PATH for the commands that root runs: {why}");
        app.notices.warn(warning);
    }
    // Without values: one may be a secret.
    let names = program_variables::leading_to(&app.parent, other);
    if !names.is_empty() {
        let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
        app.notices.warn(format!(
            "left out for the commands that root runs, since they lead to what user {other} could change: {}",
            names.join(", ")
        ));
    }
}

/// The environment without the variables under which providers' credentials are kept.
pub(super) fn without_credentials(parent: &Environment, registry: &Registry) -> Environment {
    let mut environment = parent.clone();
    for name in credential_variables(registry) {
        environment.remove(&name);
    }
    environment
}

/// The variables under which providers' credentials are kept.
fn credential_variables(registry: &Registry) -> impl Iterator<Item = String> {
    let used = registry.iter().flat_map(|(_, entry)| match entry {
        Ok(definition) => definition.variable_names(),
        Err(broken) => broken.variables.clone(),
    });
    let replaced = registry.replaced().iter();
    used.chain(replaced.flat_map(Definition::variable_names))
}

/// Takes what providers' programs and the vault are given by variables, and the passwords of proxies, out of the memory in which this
/// process was given them: whoever may look into it would find there also what no connection needs. For a process that has taken its
/// copy.
pub(super) fn forget_credentials(registry: &Registry) {
    let names: HashSet<OsString> = credential_variables(registry).map(OsString::from).collect();
    let proxies = || {
        PROXY
            .iter()
            .chain(&OTHER_PROXY)
            .chain(&PROXY_WHERE_SET)
            .chain(&GCLOUD)
    };
    let is_proxy =
        |name: &OsStr| proxies().any(|proxy| name == *proxy || is_spelling_of(name, proxy));
    environ::wipe(|name| is_own_secret(name) || is_proxy(name) || names.contains(name));
}

/// The same for variables that are sources.
pub(super) fn forget_sources(sources: &[String]) {
    environ::wipe(|name| sources.iter().any(|source| name == source.as_str()));
}
