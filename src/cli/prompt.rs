//! Asking the person, at the terminal.

use std::io::IsTerminal;

use super::error::Error;
use crate::secret::Secret;
use crate::sys::terminal::Answer;
use crate::sys::terminal::Terminal;
use crate::vault::NoAnswer;

/// Whether a person sits there: what is read and what is said are both a terminal's. A program that runs authsome may have inherited a
/// terminal that its person isn't looking at.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && is_watched()
}

/// Whether errors are seen on a terminal.
fn is_watched() -> bool {
    super::output::stderr_is_terminal()
}

/// Asks for a secret, which isn't shown.
///
/// # Errors
/// When the terminal fails, or the person gives up.
pub(super) fn hidden(question: &str) -> Result<Secret, Error> {
    match hidden_answer(question)? {
        Answer::Line(line) => Ok(Secret::from(line)),
        Answer::End => Err(given_up()),
        Answer::Interrupted(signal) => Err(Error::interrupted(signal)),
    }
}

/// What comes of asking for a secret.
fn hidden_answer(question: &str) -> Result<Answer, Error> {
    terminal()?
        .ask_hidden(question)
        .map_err(|error| Error::new("cannot read from the terminal", error))
}

/// Asks for a line, which is shown.
///
/// # Errors
/// When the terminal fails, the person gives up, or what they type isn't UTF-8.
pub(super) fn line(question: &str) -> Result<String, Error> {
    let answer = terminal()?
        .ask(question)
        .map_err(|error| Error::new("cannot read from the terminal", error))?;
    match answer {
        Answer::Line(line) => str::from_utf8(line.trim_ascii())
            .map(str::to_owned)
            .map_err(|_| Error::plain("what was typed is not UTF-8")),
        Answer::End => Err(given_up()),
        Answer::Interrupted(signal) => Err(Error::interrupted(signal)),
    }
}

/// Asks for the vault's passphrase; says why nobody can be asked.
///
/// # Errors
/// When there is no terminal, or the person gives up.
pub(super) fn passphrase(question: &str) -> Result<Secret, NoAnswer> {
    let nobody = |why: String| Err(NoAnswer::Nobody(why));
    if !is_watched() {
        return nobody("it has a passphrase, and there is no terminal to ask for it".into());
    }
    match hidden_answer(question) {
        Ok(Answer::Line(line)) => Ok(Secret::from(line)),
        Ok(Answer::End) => nobody(given_up().what),
        Ok(Answer::Interrupted(signal)) => Err(NoAnswer::Interrupted(signal)),
        Err(error) => nobody(error.what),
    }
}

/// Asks a question that is answered by yes or no; anything but yes is no.
///
/// # Errors
/// When the terminal fails.
pub(super) fn confirm(question: &str) -> Result<bool, Error> {
    let answer = terminal()?
        .ask(&format!("{question} [y/N] "))
        .map_err(|error| Error::new("cannot read from the terminal", error))?;
    Ok(match answer {
        Answer::Line(line) => matches!(&*line.to_ascii_lowercase(), b"y" | b"yes"),
        Answer::End | Answer::Interrupted(_) => false,
    })
}

/// The controlling terminal.
fn terminal() -> Result<Terminal, Error> {
    Terminal::open().map_err(|error| {
        Error::new("there is no terminal to ask at", error)
            .hint("run it at a terminal, or see its --help for a way without one")
    })
}

/// The person ended the input.
fn given_up() -> Error {
    Error::plain("nothing was entered").hint("try again, and end with the Enter key")
}
