//! The commands, and the exit codes that they end with.

mod args;
mod connect;
mod error;
mod explain;
mod help;
mod output;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::environment::Environment;
use crate::files::Home;
use args::Command;
use error::Error;

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    output::quiet_panics();
    let words: Vec<_> = std::env::args_os().collect();
    // So that errors in the line itself come in the form that was asked for, too.
    let json = words
        .iter()
        .take_while(|word| *word != "--")
        .any(|word| word == "--json");
    match args::parse(words).and_then(dispatch) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::error(&error, json);
            ExitCode::from(error.code)
        }
    }
}

/// Runs one command.
fn dispatch(command: Command) -> Result<u8, Error> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Version => {
            output::text(concat!("authsome ", env!("CARGO_PKG_VERSION"), "\n"));
            Ok(0)
        }
        Command::Help(topic) => {
            let text = help::text(topic.as_deref()).ok_or_else(|| {
                Error::usage(
                    format!("there is no command `{}`", topic.unwrap_or_default()),
                    "",
                )
            })?;
            output::text(text);
            Ok(0)
        }
    }
}

/// Where authsome keeps its things: AUTHSOME_HOME, else `.authsome` in HOME. A process without a home (a bare container) has the
/// root directory for one.
fn home(parent: &Environment) -> Home {
    let of_person = || {
        parent
            .get("HOME")
            .map_or_else(|| PathBuf::from("/"), PathBuf::from)
    };
    let chosen = parent.get("AUTHSOME_HOME").map(PathBuf::from);
    Home::at(chosen.unwrap_or_else(|| of_person().join(".authsome")))
}
