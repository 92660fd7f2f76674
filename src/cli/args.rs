//! The command line: words made into one value a command.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg;
use lexopt::Parser;
use lexopt::ValueExt;

use super::error::Error;
use super::output::Verbosity;
use crate::source::Spec;
use crate::upstream::dial::ConnectTo;

/// What the person wants.
pub(crate) enum Command {
    /// `run`
    Run(Box<RunArgs>),
    /// `explain`
    Explain(Box<ExplainArgs>),
    /// `help`, `--help`; about a command or about all.
    Help(Option<String>),
    /// `version`, `--version`
    Version,
}

/// Which connections there are: what `run` and `explain` share.
pub(crate) struct ConnectionArgs {
    /// `--credential P=SOURCE`
    pub(crate) credentials: Vec<(String, Spec)>,
    /// `--base-url P=URL`
    pub(crate) base_urls: Vec<(String, String)>,
    /// `--credential-ttl SECONDS`
    pub(crate) ttl: Duration,
    /// `--no-env-credentials`
    pub(crate) no_env: bool,
}

/// `authsome run`
pub(crate) struct RunArgs {
    /// Which connections.
    pub(crate) connections: ConnectionArgs,
    /// `--demo`
    pub(crate) demo: bool,
    /// `--connect-to`
    pub(crate) connect_to: Vec<ConnectTo>,
    /// `--upstream-ca`
    pub(crate) upstream_ca: Vec<PathBuf>,
    /// `--roots mozilla`
    pub(crate) mozilla_only: bool,
    /// `--upstream-timeout SECONDS`
    pub(crate) upstream_timeout: Duration,
    /// `--max-connections N`
    pub(crate) max_connections: usize,
    /// `--ca-lifetime HOURS`
    pub(crate) ca_lifetime: Option<Duration>,
    /// What to print.
    pub(crate) verbosity: Verbosity,
    /// COMMAND
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
}

/// `authsome explain`
pub(crate) struct ExplainArgs {
    /// Which connections.
    pub(crate) connections: ConnectionArgs,
    /// METHOD
    pub(crate) method: String,
    /// URL
    pub(crate) url: String,
    /// What to print.
    pub(crate) verbosity: Verbosity,
}

/// Reads the command line.
///
/// # Errors
/// What is wrong with it. Values are not repeated: one could be a secret in the wrong place.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Error> {
    let mut parser = Parser::from_iter(words);
    let first = parser.next().map_err(|error| Error::usage(error, ""))?;
    let Some(first) = first else {
        return Err(Error::usage("a command is missing", ""));
    };
    match first {
        Arg::Short('h') | Arg::Long("help") => Ok(Command::Help(None)),
        Arg::Short('V') | Arg::Long("version") => Ok(Command::Version),
        Arg::Value(name) => match name.to_str() {
            Some("run") => run(&mut parser),
            Some("explain") => explain(&mut parser),
            Some("help") => help(&mut parser),
            Some("version") => Ok(Command::Version),
            _ => {
                let name = name.to_string_lossy().into_owned();
                Err(Error::usage(format!("there is no command `{name}`"), ""))
            }
        },
        other => Err(Error::usage(other.unexpected(), "")),
    }
}

/// The rest of `authsome help [COMMAND]`.
fn help(parser: &mut Parser) -> Result<Command, Error> {
    match parser
        .next()
        .map_err(|error| Error::usage(error, "help "))?
    {
        Some(Arg::Value(topic)) => Ok(Command::Help(Some(topic.to_string_lossy().into_owned()))),
        Some(other) => Err(Error::usage(other.unexpected(), "help ")),
        None => Ok(Command::Help(None)),
    }
}

/// The rest of `authsome run`.
fn run(parser: &mut Parser) -> Result<Command, Error> {
    let mut args = RunArgs {
        connections: ConnectionArgs::default(),
        demo: false,
        connect_to: Vec::new(),
        upstream_ca: Vec::new(),
        mozilla_only: false,
        upstream_timeout: Duration::from_secs(300),
        max_connections: 1024,
        ca_lifetime: None,
        verbosity: Verbosity::default(),
        program: OsString::new(),
        arguments: Vec::new(),
    };
    let fail = |error: lexopt::Error| Error::usage(error, "run ");
    while let Some(arg) = parser.next().map_err(fail)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(Some("run".into()))),
            Arg::Value(program) => {
                args.program = program;
                args.arguments = parser.raw_args().map_err(fail)?.collect();
                return Ok(Command::Run(Box::new(args)));
            }
            Arg::Short(short) => {
                let long = match short {
                    'q' => "quiet",
                    'v' => "verbose",
                    _ => return Err(fail(Arg::Short(short).unexpected())),
                };
                verbosity(long, &mut args.verbosity);
            }
            Arg::Long(name) => {
                let name = name.to_owned();
                run_option(&name, parser, &mut args)?;
            }
        }
    }
    Err(Error::usage("the command to run is missing", "run "))
}

/// One long option of `run`.
fn run_option(name: &str, parser: &mut Parser, args: &mut RunArgs) -> Result<(), Error> {
    let wrong = |form: &str| Error::usage(format!("--{name} takes {form}"), "run ");
    match name {
        "demo" => args.demo = true,
        "connect-to" => {
            let rule = ConnectTo::parse(&value(parser, "run ")?);
            args.connect_to
                .push(rule.ok_or_else(|| wrong("HOST:PORT:ADDRESS:PORT"))?);
        }
        "upstream-ca" => {
            let path = parser
                .value()
                .map_err(|error| Error::usage(error, "run "))?;
            args.upstream_ca.push(path.into());
        }
        "roots" => match &*value(parser, "run ")? {
            "mozilla" => args.mozilla_only = true,
            "system" => args.mozilla_only = false,
            _ => return Err(wrong("`system` or `mozilla`")),
        },
        "upstream-timeout" => {
            args.upstream_timeout = seconds(parser, 1..=86_400)
                .ok_or_else(|| wrong("a number of seconds from 1 to 86400"))?;
        }
        "max-connections" => {
            let count = number(parser, 1..=100_000).and_then(|count| count.try_into().ok());
            args.max_connections = count.ok_or_else(|| wrong("a number from 1 to 100000"))?;
        }
        "ca-lifetime" => {
            let hours = number(parser, 1..=24 * 825);
            let hours = hours.ok_or_else(|| wrong("a number of hours from 1 to 19800"))?;
            args.ca_lifetime = Some(Duration::from_secs(hours * 3600));
        }
        _ if verbosity(name, &mut args.verbosity) => {}
        _ if args.connections.option(name, parser, "run ")? => {}
        _ => return Err(Error::usage(Arg::Long(name).unexpected(), "run ")),
    }
    Ok(())
}

/// The rest of `authsome explain`.
fn explain(parser: &mut Parser) -> Result<Command, Error> {
    let mut connections = ConnectionArgs::default();
    let mut verbosity = Verbosity::default();
    let mut words = Vec::new();
    let fail = |error: lexopt::Error| Error::usage(error, "explain ");
    while let Some(arg) = parser.next().map_err(fail)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => {
                return Ok(Command::Help(Some("explain".into())));
            }
            Arg::Short('q') => verbosity.quiet = true,
            Arg::Value(word) => words.push(word.string().map_err(fail)?),
            Arg::Long(name) => {
                let name = name.to_owned();
                let known = self::verbosity(&name, &mut verbosity)
                    || connections.option(&name, parser, "explain ")?;
                if !known {
                    return Err(fail(Arg::Long(&name).unexpected()));
                }
            }
            other @ Arg::Short(_) => return Err(fail(other.unexpected())),
        }
    }
    let (method, url) = match <[String; 2]>::try_from(words) {
        Ok([method, url]) => (method.to_ascii_uppercase(), url),
        Err(mut words) if words.len() == 1 => ("GET".to_owned(), words.remove(0)),
        Err(_) => return Err(Error::usage("explain takes [METHOD] URL", "explain ")),
    };
    Ok(Command::Explain(Box::new(ExplainArgs {
        connections,
        method,
        url,
        verbosity,
    })))
}

/// Sets `--quiet`, `--verbose` or `--json`; tells whether it was one of them.
fn verbosity(name: &str, verbosity: &mut Verbosity) -> bool {
    match name {
        "quiet" => verbosity.quiet = true,
        "verbose" => verbosity.verbose = true,
        "json" => verbosity.json = true,
        _ => return false,
    }
    true
}

impl Default for ConnectionArgs {
    fn default() -> Self {
        let ttl = Duration::from_secs(300);
        Self {
            credentials: Vec::new(),
            base_urls: Vec::new(),
            ttl,
            no_env: false,
        }
    }
}

impl ConnectionArgs {
    /// Reads one of the options that say which connections there are; tells whether it was one.
    fn option(&mut self, name: &str, parser: &mut Parser, command: &str) -> Result<bool, Error> {
        match name {
            "credential" => {
                let text = value(parser, command)?;
                let parsed = text.split_once('=').and_then(|(provider, source)| {
                    Some((provider.to_owned(), Spec::parse(source)?))
                });
                self.credentials.push(parsed.ok_or_else(|| {
                    let form = "--credential takes PROVIDER=env:NAME, =file:PATH or =command:LINE";
                    Error::usage(form, command)
                        .hint("a credential itself never goes on the command line, where others can read it")
                })?);
            }
            "base-url" => {
                let text = value(parser, command)?;
                let parsed = text.split_once('=').filter(|(_, url)| !url.is_empty());
                let (provider, url) =
                    parsed.ok_or_else(|| Error::usage("--base-url takes PROVIDER=URL", command))?;
                self.base_urls.push((provider.to_owned(), url.to_owned()));
            }
            "credential-ttl" => {
                let form = "--credential-ttl takes a number of seconds from 0 to 86400";
                self.ttl =
                    seconds(parser, 0..=86_400).ok_or_else(|| Error::usage(form, command))?;
            }
            "no-env-credentials" => self.no_env = true,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// An option's value as text.
fn value(parser: &mut Parser, command: &str) -> Result<String, Error> {
    let value = parser
        .value()
        .map_err(|error| Error::usage(error, command))?;
    value
        .into_string()
        .map_err(|_| Error::usage("an option's value is not UTF-8", command))
}

/// An option's value as a number within a range; plain digits only.
fn number(parser: &mut Parser, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let text = parser.value().ok()?.into_string().ok()?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && range.contains(number))
}

/// The same as seconds.
fn seconds(parser: &mut Parser, range: std::ops::RangeInclusive<u64>) -> Option<Duration> {
    number(parser, range).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads words.
    fn read(words: &[&str]) -> Result<Command, Error> {
        parse(["authsome"].iter().chain(words).map(OsString::from))
    }

    /// What a `run` runs.
    fn runs(words: &[&str]) -> Vec<String> {
        let Ok(Command::Run(args)) = read(words) else {
            panic!("not accepted: {words:?}")
        };
        let mut all = vec![args.program];
        all.extend(args.arguments);
        all.into_iter()
            .map(|word| word.into_string().unwrap())
            .collect()
    }

    #[test]
    fn the_first_word_that_is_no_option_begins_the_command() {
        assert_eq!(
            runs(&["run", "env", "--demo", "-h"]),
            ["env", "--demo", "-h"]
        );
        assert_eq!(runs(&["run", "--demo", "--", "--help"]), ["--help"]);
        assert_eq!(runs(&["run", "-q", "ls", "--", "-l"]), ["ls", "--", "-l"]);
        assert_eq!(runs(&["run", "--", "--", "x"]), ["--", "x"]);
        assert_eq!(runs(&["run", "--upstream-timeout=5", "x"]), ["x"]);
    }

    #[test]
    fn mistakes_are_usage_errors_that_repeat_no_value() {
        for words in [
            &[][..],
            &["nothing"],
            &["--nothing"],
            &["run"],
            &["run", "--nothing", "x"],
            &["run", "-x", "y"],
            &["run", "--credential"],
            &["run", "--credential", "openai=sk-canary", "x"],
            &["run", "--credential", "sk-canary", "x"],
            &["run", "--base-url", "gitlab", "x"],
            &["run", "--credential-ttl", "-1", "x"],
            &["run", "--upstream-timeout", "0", "x"],
            &["run", "--upstream-timeout", "+5", "x"],
            &["run", "--max-connections", "0", "x"],
            &["run", "--ca-lifetime", "0", "x"],
            &["run", "--roots", "none", "x"],
            &["run", "--connect-to", "x", "y"],
            &["run", "--demo=yes", "x"],
            &["explain"],
            &["explain", "a", "b", "c"],
        ] {
            let Err(error) = read(words) else {
                panic!("accepted: {words:?}")
            };
            assert_eq!(error.code, super::super::error::USAGE, "{words:?}");
            assert!(!error.what.contains("canary"), "{}", error.what);
            assert!(error.hint.is_some(), "{words:?}");
        }
    }
}
