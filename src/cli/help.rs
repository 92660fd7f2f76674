//! The help texts, made from what each command says of itself. At most 80 columns, each with an example; a test holds that.

use super::COMMANDS;
use super::error::Error;
use super::output;
use super::syntax::COMMON;
use super::syntax::Group;
use super::syntax::Opt;
use super::syntax::Parsed;
use super::syntax::Syntax;

/// Columns of a line, at the most.
const WIDTH: usize = 80;

/// Where the texts of options begin.
const COLUMN: usize = 27;

/// What stands above the list of commands.
const INTRODUCTION: &str = "\
authsome runs a program behind a local proxy that adds the credentials which
the program must not see.

Usage: authsome COMMAND [OPTIONS]
";

/// What stands below it.
const CONCLUSION: &str = "
Environment:
  AUTHSOME_HOME                where everything is kept (~/.authsome)
  AUTHSOME_MASTER_KEY          the vault's key; or _FILE, _COMMAND behind it: a
                               file with the key, a command that prints it
  AUTHSOME_PASSPHRASE_FILE     a file with the vault's passphrase
  NO_COLOR                     no colours

Exit code: 0; 1 failed; 2 wrong usage; 3 no such provider or connection;
4 a login is needed. That of `run` is the program's.

Examples:
  authsome login openai
  authsome run -- curl https://api.openai.com/v1/models

`authsome help COMMAND` says more about one.
";

/// What `help` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "help",
    summary: "this text, or that of a command",
    words: "[COMMAND]",
    ends_at_word: false,
    about: "Say what authsome or one of its commands does and takes.",
    groups: &[],
    notes: "",
    examples: "authsome help run",
    run: |parsed| {
        let topic = parsed.words(0..=1, "[COMMAND]")?;
        output::text(&text(topic.first().copied())?);
        Ok(0)
    },
};

/// The text about a command, or about all.
///
/// # Errors
/// For a command that isn't there.
pub(super) fn text(topic: Option<&str>) -> Result<String, Error> {
    let Some(topic) = topic else {
        return Ok(general());
    };
    let found = COMMANDS.iter().find(|syntax| syntax.name == topic);
    found
        .map(|syntax| about(syntax))
        .ok_or_else(|| Error::usage(format!("there is no command `{topic}`"), ""))
}

/// The text about a command, or nothing of it where `--help` wasn't said.
pub(super) fn asked_for(syntax: &Syntax, parsed: &Parsed) -> Option<String> {
    parsed.help.then(|| about(syntax))
}

/// The text about all commands.
fn general() -> String {
    let mut text = format!("{INTRODUCTION}\nCommands:\n");
    for syntax in COMMANDS {
        text.push_str(&format!("  {:<13}{}\n", syntax.name, syntax.summary));
    }
    text.push_str(CONCLUSION);
    text
}

/// The text about one.
fn about(syntax: &Syntax) -> String {
    let mut text = format!(
        "{}\n\nUsage: authsome {} [OPTIONS]",
        wrapped(syntax.about),
        syntax.name
    );
    if !syntax.words.is_empty() {
        text.push_str(&format!(" {}", syntax.words));
    }
    text.push('\n');
    for group in syntax.groups.iter().chain([&COMMON]) {
        text.push_str(&section(group));
    }
    if !syntax.notes.is_empty() {
        text.push_str(&format!("\n{}\n", wrapped(syntax.notes)));
    }
    text.push_str("\nExample:\n");
    for line in syntax.examples.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

/// Options under their title.
fn section(group: &Group) -> String {
    let mut text = format!("\n{}:\n", group.title);
    for option in group.options {
        let name = format!("  {}", name(option));
        let lines = wrap(option.help, WIDTH - COLUMN);
        let mut left = name;
        if left.len() + 2 > COLUMN {
            text.push_str(&format!("{left}\n"));
            left = String::new();
        }
        for line in lines {
            text.push_str(&format!("{left:<COLUMN$}{line}\n"));
            left = String::new();
        }
    }
    text
}

/// An option as it is typed.
fn name(option: &Opt) -> String {
    let short = option
        .short
        .map_or_else(String::new, |letter| format!("-{letter}, "));
    let value = option
        .value
        .map_or_else(String::new, |value| format!(" {value}"));
    format!("{short}--{}{value}", option.long)
}

/// Paragraphs, each wrapped; a line that is indented stays as it is.
fn wrapped(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .flat_map(|line| {
            if line.is_empty() || line.starts_with(' ') {
                vec![line.to_owned()]
            } else {
                wrap(line, WIDTH)
            }
        })
        .collect();
    lines.join("\n")
}

/// Words in lines of at most this width.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_fits_80_columns_and_has_an_example() {
        let topics = COMMANDS.iter().map(|syntax| Some(syntax.name));
        for topic in topics.chain([None]) {
            let text = text(topic).unwrap();
            assert!(text.contains("\nExample"), "{topic:?}");
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{line}");
            }
        }
        assert!(text(Some("nothing")).is_err());
    }

    #[test]
    fn no_command_has_two_options_of_one_name() {
        for syntax in COMMANDS {
            let mut names: Vec<&str> = syntax.options().map(|option| option.long).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{}", syntax.name);
        }
    }
}
