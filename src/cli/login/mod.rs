//! `authsome login`: a credential is taken in, checked, and stored.

mod page;

use std::io::IsTerminal;
use std::io::Read;
use std::time::Duration;

use serde::Serialize;

use super::app::App;
use super::connect;
use super::error::Error;
use super::key_check;
use super::key_check::Finding;
use super::output;
use super::prompt;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
use super::taken;
use super::view;
use crate::broker::record;
use crate::broker::record::DEFAULT;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::clock;
use crate::credential::Credential;
use crate::program::MAX_OUTPUT;
use crate::provider::Name;
use crate::provider::Provider;
use crate::provider::definition::Definition;
use crate::provider::definition::Outside;
use crate::secret::Secret;
use crate::source::Source;
use crate::source::Spec;

/// What `login` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "login",
    summary: "store a credential, or where it comes from",
    words: "P",
    ends_at_word: false,
    about: "Connect provider P. At a terminal the key is asked for, and not shown. A program that runs this has no terminal: then a page \
on this machine asks the person, in their browser, and the program doesn't see the key.",
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
                    "api_key: a key or token that you have. Others (pkce, device_code, dcr_pkce) are not there yet",
                ),
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
    ],
    notes: "A credential itself is never taken from the command line, where other users can read it.",
    examples: "authsome login openai\npass show openai | authsome login openai --stdin\nauthsome login github --from command:'gh auth token'",
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
        check_flow(parsed)?;
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

/// Checks `--flow F`.
fn check_flow(parsed: &Parsed) -> Result<(), Error> {
    match parsed.value("flow")? {
        None | Some("api_key") => Ok(()),
        Some("pkce" | "device_code" | "dcr_pkce") => {
            Err(Error::plain("logging in by OAuth is not there yet")
                .hint("create a token at the service, and leave --flow out"))
        }
        Some(_) => Err(parsed.usage("--flow takes api_key, pkce, device_code or dcr_pkce")),
    }
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
            app.notices.warn(connect::unknown_field(definition, field));
        }
        let invalid = |invalid| Error::from(&invalid);
        let provider = app.provider_with(
            definition,
            args.base_url.as_deref(),
            args.username.as_deref(),
        )?;
        for warning in connect::loose_rules(&provider) {
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

    /// Checks what a source gives now.
    fn check_source(&self, spec: &Spec) -> Result<(), Error> {
        if self.wanted.base_url {
            return Err(self.base_url_missing());
        }
        let surroundings = connect::surroundings(&self.app.parent, &self.app.registry, &[spec]);
        let (variables, commands) = (&surroundings.variables, &surroundings.commands);
        let current = Source::open(spec, variables, commands, self.args.ttl)
            .and_then(|source| source.current());
        match current {
            Ok(credential) => self.check(&credential),
            Err(error) if self.args.force => {
                let text = format!("the source gives nothing now: {error}");
                self.app.notices.warn(text);
                Ok(())
            }
            Err(error) => Err(Error::new("the source gives no credential", error)
                .hint("check it; --force stores it all the same")),
        }
    }

    /// Stores the connection.
    fn store(&self, held: Held, entered: Option<Entered>) -> Result<Record, Error> {
        let (credential, base_url, username) = match entered {
            None => (None, None, None),
            Some(entered) => (Some(entered.credential), entered.base_url, entered.username),
        };
        let now = record::seconds(clock::now());
        let record = Record {
            provider: self.provider.name.clone(),
            connection: self.args.connection.clone(),
            is_default: false,
            held,
            base_url: self.args.base_url.clone().or(base_url),
            username: self.args.username.clone().or(username),
            created: now,
            updated: now,
        };
        let stored = self
            .app
            .store
            .add(record, credential.as_ref(), self.may_replace);
        stored.map_err(Error::from)
    }

    /// Reads it from standard input.
    fn read_stdin(&self) -> Result<Entered, Error> {
        if self.wanted.base_url {
            return Err(self.base_url_missing());
        }
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Err(Error::plain("--stdin would show what is typed")
                .hint("leave it out to be asked, or pipe the credential in"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(MAX_OUTPUT).unwrap_or(0));
        stdin
            .lock()
            .take(MAX_OUTPUT)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::new("cannot read standard input", error))?;
        self.accepted(&Secret::new(bytes), None, None)
    }

    /// Asks at the terminal.
    fn ask_at_terminal(&self) -> Result<Entered, Error> {
        let name = &self.provider.display_name;
        let base_url = match self.wanted.base_url {
            true => Some(prompt::line(&format!("URL of your {name}: "))?),
            false => None,
        };
        self.check_url(base_url.as_deref())?;
        let username = match &self.wanted.username {
            Some(variable) => {
                let question =
                    format!("User name ({variable}), or nothing if the key is USER:KEY: ");
                Some(prompt::line(&question)?).filter(|name| !name.is_empty())
            }
            None => None,
        };
        if let Some(url) = &self.provider.docs_url {
            output::note(self.app.verbosity, &format!("Get a key or token at {url}"));
        }
        let key = prompt::hidden(&format!("{name} key: "))?;
        self.accepted(&key, base_url, username)
    }

    /// What was entered, once it is checked.
    fn accepted(
        &self,
        key: &Secret,
        base_url: Option<String>,
        username: Option<String>,
    ) -> Result<Entered, Error> {
        self.check_url(base_url.as_deref())?;
        self.check_username(base_url.as_deref(), username.as_deref())?;
        let credential = Credential::of(key).map_err(|why| {
            Error::new("this is no credential", why)
                .hint("give the key or token alone, in one line")
        })?;
        self.check(&credential)?;
        Ok(Entered {
            credential,
            base_url,
            username,
        })
    }

    /// Checks that the definition can use the URL that was entered, and has one if it needs one.
    fn check_url(&self, base_url: Option<&str>) -> Result<(), Error> {
        if !self.wanted.base_url {
            return Ok(());
        }
        let base_url = base_url.filter(|url| !url.is_empty());
        let base_url = base_url.ok_or_else(|| self.base_url_missing())?;
        let outside = Outside {
            base_url: Some(base_url),
            username: None,
            variable: &|variable| self.app.parent.text(variable).map(str::to_owned),
        };
        // In words about the URL: the definition is not what the person can change.
        let provider = self.definition.provider(&outside).map_err(|invalid| {
            Error::new("this URL can't be used", invalid.why).hint(invalid.remedy)
        })?;
        match provider.missing_base_url {
            Some(_) => Err(self.base_url_missing()),
            None => Ok(()),
        }
    }

    /// The same of the user name, beside a URL that is good.
    fn check_username(&self, base_url: Option<&str>, username: Option<&str>) -> Result<(), Error> {
        let base_url = self.args.base_url.as_deref().or(base_url);
        let username = self.args.username.as_deref().or(username);
        let provider = self.app.provider_with(self.definition, base_url, username);
        provider.map(|_| ())
    }

    /// Checks that the credential looks like one of this provider's.
    fn check(&self, credential: &Credential) -> Result<(), Error> {
        match key_check::look(&self.app.registry, self.definition, credential) {
            Finding::Good => Ok(()),
            Finding::Doubtful(text) => {
                self.app.notices.warn(text);
                Ok(())
            }
            Finding::Wrong(text) if self.args.force => {
                self.app.notices.warn(text);
                Ok(())
            }
            Finding::Wrong(text) => {
                Err(Error::plain(text).hint("check what you copied; --force takes it all the same"))
            }
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
            routes: view::rules(&provider),
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

/// The program that opens a page in the person's browser, where there is one.
fn opener(app: &App) -> Option<String> {
    let found = |name: &&str| crate::program::is_found(name, &app.parent);
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
