//! `authsome login`: a credential is taken in, checked, and stored.

mod callback;
mod client;
mod desk;
mod frame;
mod grantor;
mod key;
mod oauth;
mod page;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::app::App;
use super::connect;
use super::error::Error;
use super::origins;
use super::origins::OriginArgs;
use super::output;
use super::prompt;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
use super::taken;
use super::view;
use crate::audit::Kind;
use crate::broker::record;
use crate::broker::record::DEFAULT;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::cli::programs;
use crate::cli::settled;
use crate::clock;
use crate::credential::Credential;
use crate::loopback::Listener;
use crate::peer::Admission;
use crate::program;
use crate::provider::Name;
use crate::provider::Provider;
use crate::provider::definition::Definition;
use crate::provider::oauth::Flow;
use crate::provider::oauth::Oauth;
use crate::secret::Secret;
use crate::source::Spec;
use oauth::OauthArgs;

/// What `login` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "login",
    summary: "store a credential, or where it comes from",
    words: "P",
    ends_at_word: false,
    about: "Connect provider P: with a key, or by OAuth, as P's definition says.

At a terminal a key is asked for, and not shown. A program that runs this has no terminal: then a page on this machine asks the \
person, in their browser, and the program doesn't see the key. By OAuth the person agrees at the service itself; tokens are refreshed \
from then on.",
    groups: &[
        Group {
            title: "Where the credential comes from",
            options: &[
                flag("stdin", "read it from standard input"),
                valued(
                    "from",
                    "SOURCE",
                    "store only where it is: env:NAME, file:PATH or command:LINE, read whenever it is used",
                ),
                valued(
                    "ttl",
                    "SEC",
                    "how long the answer of --from command: is used (300)",
                ),
                flag("browser", "ask on a page in the browser, at a terminal too"),
                valued(
                    "flow",
                    "F",
                    "pkce: in the browser; device_code: with a code, on any device; dcr_pkce: in the browser, with a client that is \
registered for it; api_key: a key or token that you have. P's definition says which is used otherwise",
                ),
            ],
        },
        Group {
            title: "Logging in by OAuth",
            options: &[
                valued("scopes", "S", "what to ask for, in place of what P's definition says; with spaces or commas between"),
                valued("client-id", "ID", "the client that you have registered with P; asked for once otherwise, and kept"),
                valued("client-secret-from", "SOURCE", "its secret: env:NAME, file:PATH or command:LINE"),
                flag("new-client", "ask for, or register, a client even where one is kept"),
                valued("callback-port", "PORT", "the port of 127.0.0.1 that the browser starts at and comes back to (7999)"),
            ],
        },
        Group {
            title: "What it is for",
            options: &[
                valued(
                    "connection",
                    "NAME",
                    "another connection beside the first (default)",
                ),
                valued("base-url", "URL", "the URL of P's own installation"),
                valued(
                    "username",
                    "USER",
                    "the user name, where P takes the key as a password",
                ),
                flag(
                    "force",
                    "replace a connection that is there; take a key that doesn't look like one of P's; store a source that gives nothing now",
                ),
            ],
        },
        Group {
            title: "Who opens the page",
            options: &[flag(
                "admit-root",
                "answer connections of root too, such as those that WSL forwards from a browser on Windows",
            )],
        },
        origins::OPTIONS,
    ],
    notes: "On Linux a login's page answers only programs of the OS user who logs in, root's only with --admit-root.
A credential itself is never taken from the command line, where other users can read it.",
    examples: "authsome login openai\npass show openai | authsome login openai --stdin\nauthsome login github\nauthsome login google --scopes 'openid email' --client-id ID",
    run: login,
};

/// `authsome login`
struct LoginArgs {
    /// P
    provider: String,
    /// `--connection NAME`
    connection: Name,
    /// `--from SOURCE`, its file's path made absolute.
    from: Option<Spec>,
    /// `--ttl SEC`
    ttl: Duration,
    /// `--stdin`
    stdin: bool,
    /// `--browser`
    browser: bool,
    /// `--base-url URL`
    base_url: Option<String>,
    /// `--username USER`
    username: Option<String>,
    /// `--force`
    force: bool,
    /// `--admit-root`
    admit_root: bool,
    /// `--flow F`
    way: Option<Way>,
    /// What is about OAuth.
    oauth: OauthArgs,
    /// How authorization servers are reached.
    origins: OriginArgs,
}

impl LoginArgs {
    /// Reads them.
    fn read(parsed: &Parsed) -> Result<Self, Error> {
        let words = parsed.words(1..=1, "the name of a provider")?;
        let form = "env:NAME, file:PATH or command:LINE";
        let from = parsed.parsed("from", form, Spec::parse)?.map(absolute);
        let ways = ["stdin", "from", "browser"];
        if ways.iter().filter(|way| parsed.has(way)).count() > 1 {
            return Err(parsed.usage("--stdin, --from and --browser exclude each other"));
        }
        if parsed.has("ttl") && !matches!(from, Some(Spec::Command(_))) {
            return Err(parsed.usage("--ttl goes with --from command:LINE"));
        }
        let connection = taken::connection(parsed)?;
        Ok(Self {
            provider: words.first().copied().unwrap_or_default().to_owned(),
            connection: connection.unwrap_or_else(|| Name::parse(DEFAULT).expect("a good name")),
            from,
            ttl: parsed
                .seconds("ttl", 0..=connect::MAX_TTL)?
                .unwrap_or(connect::TTL),
            stdin: parsed.has("stdin"),
            browser: parsed.has("browser"),
            base_url: parsed.value("base-url")?.map(str::to_owned),
            username: parsed.value("username")?.map(str::to_owned),
            force: parsed.has("force"),
            admit_root: parsed.has("admit-root"),
            way: way(parsed)?,
            oauth: OauthArgs::read(parsed)?,
            origins: OriginArgs::read(parsed)?,
        })
    }
}

/// The source with an absolute path: it is read from wherever a run is started.
fn absolute(spec: Spec) -> Spec {
    match spec {
        Spec::File(path) => Spec::File(std::path::absolute(&path).unwrap_or(path)),
        other => other,
    }
}

/// Reads `--flow F`.
fn way(parsed: &Parsed) -> Result<Option<Way>, Error> {
    let form = "api_key, pkce, device_code or dcr_pkce";
    parsed.parsed("flow", form, |name| match name {
        "api_key" => Some(Way::Key),
        name => Flow::parse(name).map(Way::Oauth),
    })
}

/// A way to log in.
#[derive(Clone, Copy)]
enum Way {
    /// With a key or a token that the person has.
    Key,
    /// By OAuth.
    Oauth(Flow),
}

/// What a login leads to: version 1 of the shape.
#[derive(Serialize)]
struct Answer {
    /// Version of this shape.
    version: u8,
    /// The provider.
    provider: String,
    /// The connection.
    connection: String,
    /// Whether the provider's requests use it.
    default: bool,
    /// `vault`, or where the credential is read from.
    source: String,
    /// Where the credential goes.
    routes: Vec<String>,
}

/// What a person enters beside the key, where the provider needs it and the options don't say it.
#[derive(Default)]
struct Wanted {
    /// The URL of the provider's own installation.
    base_url: bool,
    /// The user name; the variable that would give it.
    username: Option<String>,
}

/// What was entered.
struct Entered {
    /// The credential.
    credential: Credential,
    /// The URL.
    base_url: Option<String>,
    /// The user name.
    username: Option<String>,
}

/// One login: what is asked for, and how answers are checked.
struct Login<'a> {
    /// Everything else.
    app: &'a App,
    /// The options.
    args: &'a LoginArgs,
    /// The provider's definition.
    definition: &'a Definition,
    /// The provider, with what the options say.
    provider: Provider,
    /// What is wanted beside the key.
    wanted: Wanted,
    /// Whether a connection of that name may be replaced.
    may_replace: bool,
}

/// Logs in.
fn login(parsed: &Parsed) -> Result<u8, Error> {
    let args = LoginArgs::read(parsed)?;
    let app = App::open(parsed.verbosity)?;
    let mut login = Login::new(&app, &args)?;
    login.may_replace = login.check_room()?;
    let stored = if let Some(spec) = &args.from {
        login.check_source(spec)?;
        let (spec, ttl) = (spec.clone(), args.ttl);
        login.store(Held::Source { spec, ttl }, None)?
    } else if args.stdin {
        login.store(Held::Sealed, Some(login.read_stdin()?))?
    } else if let Some((oauth, flow)) = login.by_oauth()? {
        oauth::login(&login, &oauth, flow)?
    } else if args.browser || !prompt::is_interactive() {
        page::ask(&login)?
    } else {
        login.store(Held::Sealed, Some(login.ask_at_terminal()?))?
    };
    login.tell(&stored)
}

impl<'a> Login<'a> {
    /// What has to be known before anything is asked.
    fn new(app: &'a App, args: &'a LoginArgs) -> Result<Self, Error> {
        let definition = app.definition(&args.provider)?;
        for field in &definition.unknown {
            app.notices.warn(settled::unknown_field(definition, field));
        }
        let invalid = |invalid| Error::from(&invalid);
        let provider = app.provider_with(
            definition,
            args.base_url.as_deref(),
            args.username.as_deref(),
        )?;
        for warning in settled::loose_rules(&provider) {
            app.notices.warn(warning);
        }
        let variable = definition.username_variable().map_err(invalid)?;
        let is_open =
            |variable: &&str| args.username.is_none() && app.parent.get(variable).is_none();
        let wanted = Wanted {
            base_url: provider.missing_base_url.is_some(),
            username: variable.filter(is_open).map(str::to_owned),
        };
        Ok(Self {
            app,
            args,
            definition,
            provider,
            wanted,
            may_replace: false,
        })
    }

    /// What the provider says of OAuth, and the flow, where the login goes that way.
    fn by_oauth(&self) -> Result<Option<(Arc<Oauth>, Flow)>, Error> {
        let name = &self.provider.name;
        let of_provider = self.provider.oauth.clone();
        match (self.args.way, of_provider) {
            (Some(Way::Key), _) | (None, None) => Ok(None),
            (Some(Way::Oauth(flow)), Some(oauth)) => Ok(Some((oauth, flow))),
            (None, Some(oauth)) => {
                let flow = oauth.flow;
                Ok(Some((oauth, flow)))
            }
            (Some(Way::Oauth(flow)), None) => Err(Error::plain(format!(
                "{name} does not log in by {}",
                flow.as_str()
            ))
            .hint(format!("leave --flow out: {name} takes a key"))),
        }
    }

    /// Listens for this user's browser on a port of 127.0.0.1; 0 is a free one.
    ///
    /// # Errors
    /// When the port is taken, or the system can't say who connects.
    fn listen(&self, port: u16) -> io::Result<Listener> {
        let admission = Admission::own(self.args.admit_root);
        Listener::bind(port, admission, Arc::clone(&self.app.notices))
    }

    /// Checks that the connection isn't there yet, or may be replaced; tells whether it may.
    fn check_room(&self) -> Result<bool, Error> {
        let snapshot = self.app.store.snapshot().map_err(Error::from)?;
        let Ok(old) = snapshot.find(&self.provider.name, Some(&self.args.connection)) else {
            return Ok(self.args.force);
        };
        if self.args.force {
            return Ok(true);
        }
        let exists = crate::broker::store::Error::Exists(Box::new(old));
        if !prompt::is_interactive() {
            return Err(exists.into());
        }
        if prompt::confirm(&format!("{exists}. Replace it?"))? {
            Ok(true)
        } else {
            Err(Error::plain("nothing was changed").hint(format!(
                "`authsome login {} --connection NAME` adds another connection",
                self.provider.name
            )))
        }
    }

    /// Stores the connection.
    fn store(&self, held: Held, entered: Option<Entered>) -> Result<Record, Error> {
        match entered {
            None => self.put(held, None, None, None),
            Some(entered) => {
                let secret = entered.credential.to_secret();
                self.put(held, Some(&secret), entered.base_url, entered.username)
            }
        }
    }

    /// Puts the connection into the vault.
    fn put(
        &self,
        held: Held,
        secret: Option<&Secret>,
        base_url: Option<String>,
        username: Option<String>,
    ) -> Result<Record, Error> {
        let now = record::seconds(clock::now());
        let base_url = self.args.base_url.clone().or(base_url);
        let username = self.args.username.clone().or(username);
        let settled = settled::settle(
            self.app,
            self.definition,
            base_url.as_deref(),
            username.as_deref(),
        )?;
        let record = Record {
            provider: self.provider.name.clone(),
            connection: self.args.connection.clone(),
            is_default: false,
            held,
            base_url: settled.base_url,
            username: settled.username,
            routes: settled.routes,
            created: now,
            updated: now,
        };
        // A refresh of the tokens that are replaced ends first, or begins afterwards with the new ones.
        let snapshot = self.app.store.snapshot().map_err(Error::from)?;
        let old = snapshot.find(&record.provider, Some(&record.connection));
        let _locks = self.app.without_refreshes(&old.ok());
        let stored = self.app.store.add(record, secret, self.may_replace);
        let stored = stored.map_err(Error::from)?;
        self.app.tell(Kind::Login, &stored);
        Ok(stored)
    }

    /// Returns the command that starts this login once more, without its options.
    fn command(&self) -> String {
        let name = &self.provider.name;
        match self.args.connection.as_str() {
            DEFAULT => format!("authsome login {name}"),
            connection => format!("authsome login {name} --connection {connection}"),
        }
    }

    /// The provider has no URL.
    fn base_url_missing(&self) -> Error {
        let name = &self.provider.name;
        Error::plain(format!("{name} has no URL of its own")).hint(format!(
            "say where your installation is: `authsome login {name} --base-url URL`"
        ))
    }

    /// Says what has come of it.
    fn tell(&self, stored: &Record) -> Result<u8, Error> {
        let definition = self.definition;
        let provider = self.app.provider(definition, Some(stored))?;
        let answer = Answer {
            version: 1,
            provider: stored.provider.to_string(),
            connection: stored.connection.to_string(),
            default: stored.is_default,
            source: view::source(stored),
            routes: settled::rules(&provider),
        };
        if self.app.verbosity.json {
            output::json(&answer);
            return Ok(0);
        }
        let hosts = match &*answer.routes {
            [] => "nowhere yet".to_owned(),
            [one] => one.clone(),
            [one, rest @ ..] => format!("{one} and {} more", rest.len()),
        };
        output::note(
            self.app.verbosity,
            &format!(
                "connected {}; its credential goes to {hosts}, in programs started by `authsome run`",
                stored.label()
            ),
        );
        if !stored.is_default {
            output::note(
                self.app.verbosity,
                &format!(
                    "requests use another connection; `authsome default {} {}` changes that",
                    answer.provider, answer.connection
                ),
            );
        }
        Ok(0)
    }
}

/// Says where a page is and what it is for, and opens it.
fn announce(app: &App, url: &str, time: Duration, text: &str) {
    let event = serde_json::json!({"version": 1, "open": url, "seconds": time.as_secs()});
    say_and_open(app, url, &event, text);
}

/// The hosts of a login by OAuth.
struct Hosts {
    /// Where the person agrees.
    agree_at: String,
    /// Where the code is redeemed.
    code_goes_to: String,
    /// The resource that gets the tokens, if it is at another host than where the user agrees.
    tokens_go_to: Option<String>,
}

/// Does the same for a login by OAuth; in JSON it always says where the person agrees, and where the code goes.
fn announce_login(app: &App, url: &str, time: Duration, text: &str, hosts: &Hosts) {
    let mut event = serde_json::json!({
        "version": 1,
        "open": url,
        "seconds": time.as_secs(),
        "agree_at": hosts.agree_at,
        "code_goes_to": hosts.code_goes_to,
    });
    if let Some(resource) = &hosts.tokens_go_to {
        event["tokens_go_to"] = resource.as_str().into();
    }
    say_and_open(app, url, &event, text);
}

/// Returns what is said of a resource that gets the tokens of another host.
fn who_gets_tokens(resource: &str) -> String {
    format!("; {resource}, which names it, gets the tokens")
}

/// Says where a page is, in JSON or in words, and opens it.
fn say_and_open(app: &App, url: &str, event: &serde_json::Value, text: &str) {
    if app.verbosity.json {
        output::always(&event.to_string());
    } else {
        output::always(text);
    }
    open_page(app, url);
}

/// Opens a page in the person's browser, where there is one. The address has been said: that it can't be opened is no end.
fn open_page(app: &App, url: &str) {
    if let Some(opener) = opener(app) {
        let _ = program::start_detached(&opener, url, &programs::for_programs(app));
    }
}

/// The program that opens a page in the person's browser, where there is one.
fn opener(app: &App) -> Option<String> {
    let found = |name: &&str| program::is_found(name, &app.parent);
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| app.parent.get(name).is_some());
    if let Some(browser) = app.parent.text("BROWSER") {
        return browser.split(':').next().map(str::to_owned);
    }
    if cfg!(target_os = "macos") {
        return Some("open".to_owned());
    }
    ["xdg-open", "wslview"]
        .iter()
        .find(|name| has_display && found(name))
        .map(|name| (*name).to_owned())
}
