//! How the bench is run: its command line, and how much it does.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg;
use lexopt::Parser;
use lexopt::ValueExt;

use super::Outcome;
use super::THEMES;

/// What `--help` says.
pub(crate) const HELP: &str = "cargo bench --bench speed [-- OPTION...]

  --quick              one minute instead of five (with mitmproxy two): shorter rounds, smaller bodies
  --only THEME         this theme (repeatable): start keepalive connect far curl transfer memory growth
  --rounds N           rounds (5); a figure is their median
  --binary NAME=PATH   one more authsome (repeatable): another build or revision, in the same run
  --without NAME       not this contender (repeatable): authsome (the one just built), mitmproxy, a NAME
  --mitmdump PATH      mitmproxy's program, where it isn't in PATH
  --json FILE          where the figures go (target/bench/speed.json)

nginx (apt-get install nginx-light) is needed, curl for the theme of that name; mitmproxy (pip install mitmproxy) takes part where it is.
";

/// How much is done.
pub(crate) struct Scale {
    /// How long one measurement of a rate or a latency takes.
    pub(crate) time: Duration,
    /// Bytes of a large body.
    pub(crate) body: u64,
    /// Runs of a program that does nothing, a round.
    pub(crate) starts: usize,
    /// New connections to the far origin, a round.
    pub(crate) visits: usize,
    /// Runs of curl, a round.
    pub(crate) curls: usize,
    /// Rounds of what opens thousands of connections, which is slow and hardly differs; mitmproxy has one.
    pub(crate) memory_rounds: usize,
}

/// What a person runs.
const FULL: Scale = Scale {
    time: Duration::from_millis(500),
    body: 256 * 1024 * 1024,
    starts: 20,
    visits: 5,
    curls: 10,
    memory_rounds: 3,
};

/// What is over in a minute.
const QUICK: Scale = Scale {
    time: Duration::from_millis(100),
    body: 32 * 1024 * 1024,
    starts: 5,
    visits: 2,
    curls: 2,
    memory_rounds: 1,
};

/// The command line.
pub(crate) struct Options {
    /// `--rounds`
    pub(crate) rounds: usize,
    /// How much is done in each.
    pub(crate) scale: Scale,
    /// `--only`; none means all.
    only: Vec<String>,
    /// `--binary`, behind the one that was just built.
    pub(crate) binaries: Vec<(String, PathBuf)>,
    /// `--without`
    without: Vec<String>,
    /// `--mitmdump`
    pub(crate) mitmdump: Option<PathBuf>,
    /// `--json`
    pub(crate) json: PathBuf,
}

impl Options {
    /// Reads them; `None` when only help is wanted.
    pub(crate) fn read() -> Outcome<Option<Self>> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("..");
        let built = PathBuf::from(env!("CARGO_BIN_EXE_authsome"));
        let mut options = Self {
            rounds: 5,
            scale: FULL,
            only: Vec::new(),
            binaries: vec![("authsome".to_owned(), built)],
            without: Vec::new(),
            mitmdump: None,
            json: target.join("bench/speed.json"),
        };
        let mut parser = Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                // Cargo says so to whatever it runs as a bench.
                Arg::Long("bench") => {}
                Arg::Long(name) => {
                    let name = name.to_owned();
                    options.take(&name, &mut parser)?;
                }
                other => return Err(other.unexpected().into()),
            }
        }
        options.check()?;
        Ok(Some(options))
    }

    /// Takes one option.
    fn take(&mut self, name: &str, parser: &mut Parser) -> Outcome<()> {
        match name {
            "quick" => self.scale = QUICK,
            "rounds" => self.rounds = parser.value()?.parse()?,
            "only" => self.only.push(parser.value()?.string()?),
            "without" => self.without.push(parser.value()?.string()?),
            "mitmdump" => self.mitmdump = Some(parser.value()?.into()),
            "json" => self.json = parser.value()?.into(),
            "binary" => {
                let value = parser.value()?.string()?;
                let (name, path) = value.split_once('=').ok_or("--binary takes NAME=PATH")?;
                self.binaries
                    .push((name.to_owned(), std::path::absolute(path)?));
            }
            other => return Err(format!("no option --{other}; see --help").into()),
        }
        Ok(())
    }

    /// Refuses what can't be done.
    fn check(&self) -> Outcome<()> {
        let is_theme = |name: &&String| THEMES.iter().any(|theme| theme.name == **name);
        if let Some(name) = self.only.iter().find(|name| !is_theme(name)) {
            return Err(format!("no theme {name}; see --help").into());
        }
        if self.rounds == 0 {
            return Err("at least one round".into());
        }
        Ok(())
    }

    /// Whether a theme is to run.
    pub(crate) fn wants(&self, theme: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == theme)
    }

    /// Whether a contender takes part.
    pub(crate) fn has(&self, contender: &str) -> bool {
        !self.without.iter().any(|name| name == contender)
    }
}
