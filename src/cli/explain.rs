//! `authsome explain`: what a run started here would do with a request, asked of the same function that decides it there.

use serde::Serialize;

use super::app::App;
use super::connect;
use super::connect::ConnectionArgs;
use super::error::Error;
use super::output;
use super::syntax::Parsed;
use super::syntax::Syntax;
use crate::broker::Broker;
use crate::broker::Connection;
use crate::broker::ConnectionId;
use crate::broker::record::login_again;
use crate::encoding;
use crate::proxy::route;
use crate::proxy::route::Decision;
use crate::proxy::route::Denial;
use crate::proxy::route::Match;
use crate::proxy::route::Router;
use crate::proxy::route::Target;
use crate::proxy::route::Why;
use crate::url::Url;

/// The answer, version 1 of its shape.
#[derive(Serialize)]
struct Answer {
    /// Version of this shape.
    version: u8,
    /// The request's method.
    method: String,
    /// Its URL, without the query.
    url: String,
    /// `inject`, `forward` (as it is) or `refuse`.
    decision: &'static str,
    /// The provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// How people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// The connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    /// The rule that was met.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    /// Where the credential goes, without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    /// Why the request gets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// What `explain` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "explain",
    summary: "say what would happen to a request, and why",
    words: "[METHOD] URL",
    ends_at_word: false,
    about: "Say which credential a request would get in a run started here, or why none.",
    groups: &[connect::OPTIONS],
    notes: "",
    examples: "authsome explain POST https://api.openai.com/v1/chat/completions",
    run: explain,
};

/// Answers on stdout.
///
/// # Errors
/// When the URL is none, or connections can't be made.
fn explain(parsed: &Parsed) -> Result<u8, Error> {
    let mut words = parsed.words(1..=2, "[METHOD] URL")?.into_iter().rev();
    let given = words.next().unwrap_or_default();
    let method = words.next().unwrap_or("GET").to_ascii_uppercase();
    let args = ConnectionArgs::read(parsed)?;
    let url = if given.contains("://") {
        given.to_owned()
    } else {
        format!("https://{given}")
    };
    let url = Url::parse(url.as_bytes())
        .map_err(|error| parsed.usage(format!("the URL can't be read: {error}")))?;
    let app = App::open(parsed.verbosity)?;
    let connected = connect::connect(&args, &app)?;
    let router = Router::new(&connected.broker).blind_to(connected.blind);
    let mut answer = Answer {
        version: 1,
        method,
        url: shown(&url),
        decision: "forward",
        provider: None,
        display_name: None,
        connection: None,
        route: None,
        credential: None,
        reason: None,
        hint: None,
    };
    let method = answer.method.clone();
    let target = Target {
        scheme: url.scheme,
        authority: &url.authority,
        path: &url.target,
        method: &method,
        overrides_method: false,
    };
    match router.decide(target) {
        Decision::Inject(found) => answer.inject(&found, &connected.broker),
        Decision::Deny(denial) => answer.deny(&denial, &connected.broker),
        Decision::RefusePath => answer.refuse(
            "servers could read the path in ways that meet different routes or rules",
            "write it without encoded slashes, semicolons, empty segments and dot segments",
        ),
        Decision::Forward(why) => {
            let others = connect::as_if_connected(&args, &app);
            if !answer.not_connected(&why, target, &others, &connected.broker) {
                answer.forward(&why, &connected.broker);
                answer.unclaimed(&url, &others);
            }
        }
    }
    if parsed.verbosity.json {
        output::json(&answer);
    } else {
        output::text(&answer.to_text());
    }
    Ok(0)
}

/// The URL without its query, which may hold secrets.
fn shown(url: &Url) -> String {
    url.to_string()
        .split('?')
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Names of connections, as in `a and b`.
fn names(connections: &[ConnectionId], broker: &Broker) -> String {
    let names: Vec<String> = connections
        .iter()
        .map(|id| broker.connection(*id).label())
        .collect();
    names.join(" and ")
}

/// How a person connects a provider.
fn how_to_connect(connection: &Connection) -> String {
    let provider = &connection.provider;
    let from = provider
        .docs_url
        .as_ref()
        .map(|url| format!(" (get a credential at {url})"))
        .unwrap_or_default();
    let other = match provider.credential_variables().next() {
        Some(variable) => format!("set {variable} when you start authsome"),
        None => format!("give --credential {}=SOURCE", provider.name),
    };
    format!("`authsome login {}`, or {other}{from}", provider.name)
}

impl Answer {
    /// The request meets a route of this connection.
    fn meets(&mut self, connection: &Connection, route: &str) {
        self.provider = Some(connection.provider.name.to_string());
        self.display_name = Some(connection.provider.display_name.clone());
        self.connection = Some(connection.name.to_string());
        self.route = Some(route.to_owned());
    }

    /// The provider's rules deny the request.
    fn deny(&mut self, denial: &Denial, broker: &Broker) {
        self.meets(broker.connection(denial.connection), &denial.route);
        self.refuse(&denial.why.to_string(), denial.why.remedy());
    }

    /// The request gets a credential.
    fn inject(&mut self, found: &Match, broker: &Broker) {
        self.meets(broker.connection(found.connection()), &found.rule());
        if route::is_refused_method(&self.method) {
            return self.refuse(
                "the origin would send the credential back",
                "use another method",
            );
        }
        self.decision = "inject";
        self.credential = Some(found.placement().shown());
    }

    /// The request is refused.
    fn refuse(&mut self, reason: &str, hint: &str) {
        self.decision = "refuse";
        self.reason = Some(reason.to_owned());
        self.hint = Some(hint.to_owned());
    }

    /// Whether a provider that isn't connected would claim the request; then the answer says so.
    fn not_connected(
        &mut self,
        why: &Why,
        target: Target<'_>,
        others: &Broker,
        connected: &Broker,
    ) -> bool {
        if !matches!(why, Why::NoRoute | Why::OtherPort | Why::OtherPath) {
            return false;
        }
        let (claimants, route) = match Router::new(others).decide(target) {
            Decision::Inject(found) => (vec![found.connection()], Some(found.rule())),
            Decision::Deny(denial) => (vec![denial.connection], Some(denial.route)),
            Decision::Forward(Why::Ambiguous(claimants)) => (claimants, None),
            Decision::Forward(Why::NoRoute) | Decision::RefusePath => return false,
            Decision::Forward(why) => {
                self.forward(&why, others);
                return true;
            }
        };
        let names = names(&claimants, others);
        let claimant = claimants.first().map(|id| others.connection(*id));
        let provider = claimant.map(|connection| &connection.provider.name);
        let stored = connected
            .connections()
            .map(|(_, connection)| connection)
            .find(|connection| Some(&connection.provider.name) == provider);
        (self.reason, self.hint) = match stored {
            Some(stored) => (
                Some(format!(
                    "{} claims it, but did not when its credential was stored",
                    stored.provider.name
                )),
                Some(format!(
                    "log in again: `{}`",
                    login_again(&stored.provider.name, &stored.name)
                )),
            ),
            None => (
                Some(format!(
                    "not connected: {names} would claim it, but has no credential"
                )),
                claimant.map(how_to_connect),
            ),
        };
        self.provider = Some(names);
        self.route = route;
        true
    }

    /// Adds why a provider claims other hosts of its service, but not this one.
    fn unclaimed(&mut self, url: &Url, others: &Broker) {
        let host = url.authority.host.as_str();
        for (_, connection) in others.connections() {
            let provider = &connection.provider;
            if let Some(why) = provider.why_unclaimed(host) {
                self.reason = Some(format!(
                    "{} doesn't claim this host: it {why}",
                    provider.name
                ));
                self.hint = None;
                return;
            }
        }
    }

    /// The request is forwarded as it is.
    fn forward(&mut self, why: &Why, broker: &Broker) {
        let (reason, hint) = match why {
            Why::PlainHttp => ("plain http never gets a credential".to_owned(), "use https"),
            Why::Loopback => (
                "hosts of this machine never get a credential".to_owned(),
                "",
            ),
            Why::NoRoute => (
                "no provider claims this host".to_owned(),
                "a definition of your own goes into AUTHSOME_HOME/providers/NAME.json",
            ),
            Why::OtherPort => (
                "the host is claimed on another port only".to_owned(),
                "use the port that the definition names; without one it is 443",
            ),
            Why::OtherPath => (
                "the host is claimed for other paths only".to_owned(),
                "see api_url in the provider's definition",
            ),
            Why::Blind => (
                "--blind leaves the host unread".to_owned(),
                "leave --blind out if requests there are to get the credential",
            ),
            Why::OauthEndpoint(connection) => (
                format!(
                    "it is an OAuth endpoint of {}",
                    broker.connection(*connection).label()
                ),
                "programs log in there with credentials of their own",
            ),
            Why::Ambiguous(connections) => (
                format!("ambiguous between {}", names(connections, broker)),
                "connect one of them only",
            ),
        };
        self.reason = Some(reason);
        self.hint = (!hint.is_empty()).then(|| hint.to_owned());
    }

    /// The answer for people.
    fn to_text(&self) -> String {
        let mut text = format!("{} {}\n", self.method, self.url);
        let headline = match self.decision {
            "inject" => "gets a credential",
            "refuse" => "is refused",
            _ => "is forwarded as it is, without a credential",
        };
        text.push_str(&format!("  {headline}\n"));
        for (name, value) in [
            ("provider", &self.provider),
            ("called", &self.display_name),
            ("connection", &self.connection),
            ("route", &self.route),
            ("credential", &self.credential),
            ("because", &self.reason),
            ("hint", &self.hint),
        ] {
            if let Some(value) = value {
                let value = encoding::visible(value);
                text.push_str(&format!("  {name:<11} {value}\n"));
            }
        }
        text
    }
}
