//! A stored connection as commands show it.

use serde::Serialize;

use super::app::App;
use super::programs;
use super::settled;
use crate::broker;
use crate::broker::grant::Standing;
use crate::broker::record;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::broker::store::Snapshot;
use crate::clock;
use crate::source::Spec;

/// A connection, without its credential. Part of the shapes of several commands.
#[derive(Clone, Serialize)]
pub(super) struct View {
    /// Whose.
    pub(super) provider: String,
    /// Its own name.
    pub(super) connection: String,
    /// Whether it is the one that the provider's routes use.
    pub(super) default: bool,
    /// `vault`, or where the credential is read from: `env:NAME`, `file:PATH`, `command:PROGRAM`.
    pub(super) source: String,
    /// `ok`, or why it has no credential now. What a command would print is not asked.
    pub(super) state: String,
    /// The URL of the provider's own installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_url: Option<String>,
    /// The user in basic authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) username: Option<String>,
    /// How it was logged in: `api_key`, `pkce`, `device_code` or `dcr_pkce`.
    pub(super) flow: &'static str,
    /// When its access token ends, RFC 3339, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<String>,
    /// Whether a new access token can be had without the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refreshable: Option<bool>,
    /// What was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scopes: Option<Vec<String>>,
    /// When it was first stored, RFC 3339.
    pub(super) created: String,
    /// When its credential was last stored.
    pub(super) updated: String,
}

impl View {
    /// The view of a record.
    pub(super) fn of(app: &App, snapshot: &Snapshot, record: &Record) -> Self {
        let about = match &record.held {
            Held::Oauth(about) => Some(about),
            Held::Sealed | Held::Source { .. } => None,
        };
        let expires = about.and_then(|about| about.expires_ms);
        Self {
            flow: about.map_or("api_key", |about| about.flow.as_str()),
            expires: expires.map(|ms| clock::rfc3339(ms / 1000)),
            refreshable: about.map(|about| about.is_refreshable),
            scopes: about.map(|about| about.scopes.clone()),
            provider: record.provider.to_string(),
            connection: record.connection.to_string(),
            default: record.is_default,
            source: source(record),
            state: state(app, snapshot, record),
            base_url: record.base_url.clone(),
            username: record.username.clone(),
            created: clock::rfc3339(record.created),
            updated: clock::rfc3339(record.updated),
        }
    }
}

impl View {
    /// Its fields for people, in order.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let optional = |name, value: &Option<String>| value.clone().map(|value| (name, value));
        let fixed = [
            ("provider", self.provider.clone()),
            ("connection", self.connection.clone()),
            ("default", self.default.to_string()),
            ("source", self.source.clone()),
            ("state", self.state.clone()),
        ];
        let own = [
            optional("base_url", &self.base_url),
            optional("username", &self.username),
            Some(("flow", self.flow.to_owned())),
            optional("expires", &self.expires),
            optional("refreshable", &self.refreshable.map(|is| is.to_string())),
            optional(
                "scopes",
                &self.scopes.as_ref().map(|scopes| scopes.join(" ")),
            ),
            Some(("created", self.created.clone())),
            Some(("updated", self.updated.clone())),
        ];
        fixed.into_iter().chain(own.into_iter().flatten()).collect()
    }
}

/// Where a record's credential is. Of a command only the program: its arguments may be nobody's business.
pub(super) fn source(record: &Record) -> String {
    match &record.held {
        Held::Sealed | Held::Oauth(_) => "vault".into(),
        Held::Source {
            spec: Spec::Command(line),
            ..
        } => {
            let program = line.split_whitespace().next().unwrap_or_default();
            format!("command:{program}")
        }
        Held::Source { spec, .. } => spec.to_string(),
    }
}

/// `ok`, or why the record has no credential now.
fn state(app: &App, snapshot: &Snapshot, record: &Record) -> String {
    match app.registry.find(record.provider.as_str()) {
        None => return "no definition of the provider".into(),
        Some(Err(_)) => return "the provider's definition can't be used".into(),
        Some(Ok(definition)) => {
            let provider = app.provider(definition, Some(record)).ok();
            if let Some(why) =
                provider.and_then(|mut provider| settled::keep_known(record, &mut provider))
            {
                return format!("{why}: login needed");
            }
        }
    }
    let specs: Vec<&Spec> = match &record.held {
        Held::Oauth(about) => match about.standing(record::milliseconds(clock::now())) {
            _ if about.needs_login => return "login needed".into(),
            Standing::Over if !about.is_refreshable => return "over: login needed".into(),
            Standing::Over | Standing::Ending | Standing::Good => Vec::new(),
        },
        Held::Sealed => Vec::new(),
        Held::Source { spec, .. } => vec![spec],
    };
    let surroundings = programs::surroundings(&app.parent, &app.registry, &specs);
    match broker::open(snapshot, record, &surroundings) {
        Ok(_) => "ok".into(),
        Err(error) => error.to_string(),
    }
}
