//! `authsome inspect`: a provider's definition, as it is understood.

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use super::app::App;
use super::error::Error;
use super::output;
use super::settled;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::view::View;
use crate::encoding;
use crate::provider::Provider;
use crate::provider::policy::Clause;
use crate::provider::policy::Policy;

/// What `inspect` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "inspect",
    summary: "a provider's definition and its connections",
    words: "P",
    ends_at_word: false,
    about: "Say what is known of provider P: which hosts it claims, how they take the credential, which variables it exports.",
    groups: &[],
    notes: "",
    examples: "authsome inspect github\nauthsome inspect github --json",
    run: inspect,
};

/// Version 1 of the shape.
#[derive(Serialize)]
struct Answer {
    /// Version of this shape.
    version: u8,
    /// The provider.
    name: String,
    /// How people call it.
    display_name: String,
    /// The file that the definition is in, or `bundled NAME`.
    file: String,
    /// `api_key` or `oauth2`.
    login: &'static str,
    /// Which requests it claims, and how they take the credential.
    routes: Vec<Route>,
    /// Which of these requests may get it; all where there are none.
    rules: Vec<RequestRule>,
    /// The variables that programs look for.
    exports: Vec<String>,
    /// What the child gets in place of a credential.
    placeholder: String,
    /// Where a person gets a credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    docs_url: Option<String>,
    /// How a key looks, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// What is doubtful about the definition.
    warnings: Vec<String>,
    /// The stored connections.
    connections: Vec<View>,
    /// The definition itself.
    definition: Map<String, Value>,
}

/// One entry of `api_url`.
#[derive(Serialize)]
struct Route {
    /// Which requests.
    rule: String,
    /// How they take the credential: the header or the parameter, with stars in its place.
    credential: String,
}

/// One entry of `rules`.
#[derive(Serialize)]
struct RequestRule {
    /// The methods that it is about, if not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    methods: Option<Vec<String>>,
    /// The paths that it is about, if not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// `allow` or `deny`.
    action: &'static str,
}

impl RequestRule {
    /// A rule as it is shown.
    fn of(clause: &Clause) -> Self {
        Self {
            methods: clause.methods.clone(),
            path: clause.path.clone(),
            action: clause.action.as_str(),
        }
    }
}

/// The rules for people, the last saying what becomes of all others.
fn rule_lines(policy: &Policy) -> Vec<String> {
    let clauses = policy.clauses().iter();
    let mut lines: Vec<String> = clauses.map(ToString::to_string).collect();
    if !policy.is_empty() {
        lines.push("deny everything else".to_owned());
    }
    lines
}

/// Shows the definition.
fn inspect(parsed: &Parsed) -> Result<u8, Error> {
    let words = parsed.words(1..=1, "the name of a provider")?;
    let name = words.first().copied().unwrap_or_default();
    let app = App::open(parsed.verbosity)?;
    let definition = app.definition(name)?;
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let of_provider = |name: &crate::provider::Name| snapshot.of_provider(name);
    let parse = |invalid: crate::provider::reader::Invalid| Error::from(&invalid);
    let records = of_provider(&definition.name().map_err(parse)?);
    let default = records.iter().find(|record| record.is_default);
    let provider = app.provider(definition, default)?;
    let mut warnings: Vec<String> = settled::loose_rules(&provider).collect();
    warnings.extend(settled::denies_everything(&provider));
    let unknown = definition.unknown.iter();
    warnings.extend(unknown.map(|field| settled::unknown_field(definition, field)));
    if provider.missing_base_url.is_some() {
        warnings.push("it has no URL before --base-url gives one".into());
    }
    let is_oauth = definition.logs_in_by_oauth().map_err(parse)?;
    let answer = Answer {
        version: 1,
        name: provider.name.to_string(),
        display_name: provider.display_name.clone(),
        file: definition.file.clone(),
        login: if is_oauth { "oauth2" } else { "api_key" },
        routes: routes(&provider),
        rules: provider
            .policy
            .clauses()
            .iter()
            .map(RequestRule::of)
            .collect(),
        exports: provider
            .exports
            .iter()
            .map(|export| export.name.clone())
            .collect(),
        placeholder: provider.placeholder.clone(),
        docs_url: provider.docs_url.clone(),
        key: definition
            .key_shape()
            .map_err(parse)?
            .map(|shape| shape.hint()),
        warnings,
        connections: records
            .iter()
            .map(|record| View::of(&app, &snapshot, record))
            .collect(),
        definition: definition.fields().clone(),
    };
    if parsed.verbosity.json {
        output::json(&answer);
    } else {
        output::text(&answer.to_text(&rule_lines(&provider.policy)));
    }
    Ok(0)
}

/// The entries of `api_url`.
fn routes(provider: &Provider) -> Vec<Route> {
    let rules = provider.rules.iter();
    rules
        .map(|rule| Route {
            rule: rule.host.to_string(),
            credential: rule.placement.shown(),
        })
        .collect()
}

impl Answer {
    /// The answer for people.
    fn to_text(&self, rules: &[String]) -> String {
        let login = if self.login == "oauth2" {
            "OAuth"
        } else {
            "key"
        };
        let mut lines = vec![
            ("name", format!("{} ({})", self.name, self.display_name)),
            ("definition", self.file.clone()),
            ("login", login.to_owned()),
        ];
        let mut add = |name: &'static str, value: &str| lines.push((name, value.to_owned()));
        if let Some(key) = &self.key {
            add("a key", key);
        }
        if let Some(url) = &self.docs_url {
            add("get one at", url);
        }
        for (index, route) in self.routes.iter().enumerate() {
            let name = if index == 0 { "routes" } else { "" };
            add(name, &format!("{}  {}", route.rule, route.credential));
        }
        for (index, rule) in rules.iter().enumerate() {
            add(if index == 0 { "rules" } else { "" }, rule);
        }
        add("exports", &self.exports.join(" "));
        for view in &self.connections {
            add(
                "connection",
                &format!("{} from {}: {}", view.connection, view.source, view.state),
            );
        }
        for warning in &self.warnings {
            add("warning", warning);
        }
        lines
            .into_iter()
            .map(|(name, value)| format!("{name:<12} {}\n", encoding::visible(&value)))
            .collect()
    }
}
