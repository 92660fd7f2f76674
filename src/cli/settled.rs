//! What a connection is for: settled when it is stored, and held against its definition from then on.

use super::app::App;
use super::error::Error;
use crate::broker::record;
use crate::broker::record::Record;
use crate::provider::Provider;
use crate::provider::Rule;
use crate::provider::definition::Definition;
use crate::provider::definition::Outside;

/// What a new connection is stored with.
#[derive(Default)]
pub(super) struct Settled {
    /// The URL of the provider's own installation, wherever it came from.
    pub(super) base_url: Option<String>,
    /// The user name, wherever it came from.
    pub(super) username: Option<String>,
    /// The rules that the credential is for, each with its place in a request, sorted; `None` while there is no URL to have some.
    pub(super) routes: Option<Vec<String>>,
}

/// What a new connection is stored with: what the person says, else what the environment has now. It is the connection's own from then
/// on, so that no other environment leads its credential elsewhere.
///
/// # Errors
/// When the definition can't be used with it.
pub(super) fn settle(
    app: &App,
    definition: &Definition,
    base_url: Option<&str>,
    username: Option<&str>,
) -> Result<Settled, Error> {
    let outside = Outside {
        base_url,
        username,
        variable: &|variable| app.parent.text(variable).map(str::to_owned),
    };
    let invalid = |invalid| Error::from(&invalid);
    let provider = definition.provider(&outside).map_err(invalid)?;
    let username_given = definition.username_given(&outside).map_err(invalid)?;
    Ok(Settled {
        base_url: definition.base_url_given(&outside).map_err(invalid)?,
        username: username_given.or_else(|| username.map(str::to_owned)),
        routes: match provider.missing_base_url {
            Some(_) => None,
            None => Some(claims(&provider)),
        },
    })
}

/// The rules of a provider, sorted.
pub(super) fn sorted_rules(provider: &Provider) -> Vec<String> {
    let mut rules = rules(provider);
    rules.sort();
    rules.dedup();
    rules
}

/// A rule, with the place of the credential in requests to it.
fn claim(rule: &Rule) -> String {
    record::claim(&rule.host.to_string(), &rule.placement.shown())
}

/// The rules of a provider, each with the place of the credential in requests to it, sorted. The place counts, too: what goes into a
/// message's text instead of a header can be read by others.
fn claims(provider: &Provider) -> Vec<String> {
    let mut claims: Vec<String> = provider.rules.iter().map(claim).collect();
    claims.sort();
    claims.dedup();
    claims
}

/// Removes host rules that the definition gained after the credential was stored, so that an update sends the credential
/// to no new host. Returns why the connection gets no requests, if no rule is left.
pub(super) fn keep_known(record: &Record, provider: &mut Provider) -> Option<String> {
    let new = record.new_claims(&claims(provider));
    if new.is_empty() {
        return None;
    }
    provider
        .rules
        .retain(|rule| record.new_claims(&[claim(rule)]).is_empty());
    provider.rules.is_empty().then(|| {
        format!(
            "the definition of {} has the credential go elsewhere than when you logged in (new: {})",
            record.provider,
            new.join(", ")
        )
    })
}

/// The rules of a provider, as its definition writes them.
pub(super) fn rules(provider: &Provider) -> Vec<String> {
    let rules = provider.rules.iter();
    rules.map(|rule| rule.host.to_string()).collect()
}

/// Warnings about rules that could match a stranger's host.
pub(super) fn loose_rules(provider: &Provider) -> impl Iterator<Item = String> {
    let loose = provider.rules.iter().filter(|rule| rule.host.is_loose());
    loose.map(|rule| {
        format!(
            "the rule {} of {} could match a host that anyone can register: its credential could go there",
            rule.host, provider.name
        )
    })
}

/// A warning about rules that let no request have the credential.
pub(super) fn denies_everything(provider: &Provider) -> Option<String> {
    provider.policy.denies_everything().then(|| {
        format!(
            "the rules of {} allow nothing: what none of them allows is denied, so each of its requests is (end them with one that allows)",
            provider.name
        )
    })
}

/// A warning about a field that no version known here has.
pub(super) fn unknown_field(definition: &Definition, field: &str) -> String {
    let file = &definition.file;
    format!("{file}: the field {field} is not known and has no effect")
}
