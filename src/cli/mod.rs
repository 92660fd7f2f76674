//! The commands, and the exit codes that they end with.
//!
//! Each command is a file with its [`syntax::Syntax`] and the function that runs it; [`COMMANDS`] has them all.

mod amounts;
mod app;
mod audit;
mod blind;
mod ca;
mod completions;
mod connect;
mod default;
mod doctor;
mod egress;
mod error;
mod explain;
mod export;
mod get;
mod help;
mod import;
mod inspect;
mod interrupt;
mod key_check;
mod libraries;
mod list;
mod login;
mod logout;
mod origins;
mod output;
mod programs;
mod prompt;
mod register;
mod root;
mod run;
mod serve;
mod session;
mod settled;
mod surroundings;
mod syntax;
mod taken;
mod telling;
mod unused;
mod vault;
mod view;
mod whoami;

use std::ffi::OsString;
use std::process::ExitCode;

use lexopt::Arg;
use lexopt::Parser;

use error::Error;
use syntax::Parsed;
use syntax::Syntax;

/// All commands, in the order in which help names them.
const COMMANDS: &[&Syntax] = &[
    &run::SYNTAX,
    &serve::SYNTAX,
    &login::SYNTAX,
    &list::SYNTAX,
    &get::SYNTAX,
    &inspect::SYNTAX,
    &export::SYNTAX,
    &default::SYNTAX,
    &logout::LOGOUT,
    &logout::REVOKE,
    &import::SYNTAX,
    &register::REGISTER,
    &register::REMOVE,
    &explain::SYNTAX,
    &audit::SYNTAX,
    &doctor::SYNTAX,
    &whoami::SYNTAX,
    &vault::SYNTAX,
    &ca::SYNTAX,
    &completions::SYNTAX,
    &help::SYNTAX,
    &VERSION,
];

/// `version`
const VERSION: Syntax = Syntax {
    name: "version",
    summary: "the version",
    words: "",
    ends_at_word: false,
    about: "Say the version.",
    groups: &[],
    notes: "",
    examples: "authsome version",
    run: version,
};

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    output::quiet_panics();
    let words: Vec<_> = std::env::args_os().collect();
    // So that errors in the line itself come in the form that was asked for, too.
    let mut json = words
        .iter()
        .take_while(|word| *word != "--")
        .any(|word| word == "--json");
    match output::checked(dispatch(words, &mut json)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::error(&error, json);
            ExitCode::from(error.code)
        }
    }
}

/// Runs one command, and gives the exit code. Whether JSON was asked for is known for sure once the line is read: a program's words
/// are its own.
fn dispatch(words: Vec<OsString>, json: &mut bool) -> Result<u8, Error> {
    let mut parser = Parser::from_iter(words);
    let name = match parser.next().map_err(|error| Error::usage(error, ""))? {
        None => return Err(Error::usage("a command is missing", "")),
        Some(Arg::Short('h') | Arg::Long("help")) => "help".into(),
        Some(Arg::Short('V') | Arg::Long("version")) => "version".into(),
        Some(Arg::Value(name)) => name.to_string_lossy().into_owned(),
        Some(other) => return Err(Error::usage(other.unexpected(), "")),
    };
    let syntax = COMMANDS.iter().find(|syntax| syntax.name == name);
    let Some(syntax) = syntax else {
        return Err(Error::usage(format!("there is no command `{name}`"), ""));
    };
    let parsed = Parsed::read(syntax, &mut parser)?;
    *json = parsed.verbosity.json;
    if let Some(text) = help::asked_for(syntax, &parsed) {
        output::text(&text);
        return Ok(0);
    }
    (syntax.run)(&parsed)
}

/// Says the version.
fn version(parsed: &Parsed) -> Result<u8, Error> {
    /// Version 1 of this shape.
    #[derive(serde::Serialize)]
    struct Answer {
        /// Version of this shape.
        version: u8,
        /// That of authsome.
        authsome: &'static str,
    }

    parsed.words(0..=0, "no words")?;
    if parsed.verbosity.json {
        output::json(&Answer {
            version: 1,
            authsome: env!("CARGO_PKG_VERSION"),
        });
    } else {
        output::text(concat!("authsome ", env!("CARGO_PKG_VERSION"), "\n"));
    }
    Ok(0)
}
