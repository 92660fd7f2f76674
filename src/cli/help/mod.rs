//! The help texts and the manual page, made from what each command says of itself. At most 80 columns; a test holds that.

mod man;
mod topics;

use topics::Part;
use topics::TOPICS;
use topics::Topic;

use super::COMMANDS;
use super::error::Error;
use super::output;
use super::syntax::COMMON;
use super::syntax::Group;
use super::syntax::Opt;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;

/// Columns of a line, at the most.
const WIDTH: usize = 80;

/// Where the texts of options begin.
const COLUMN: usize = 27;

/// What stands above the list of commands.
const INTRODUCTION: &str = "\
authsome runs a program behind a local proxy that adds the credentials which
the program must not see.
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

`authsome help COMMAND` or `authsome help TOPIC` says more about one.
";

/// What `help` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "help",
    summary: "this text, or that of a command or a topic",
    words: "[COMMAND|TOPIC]",
    ends_at_word: false,
    about: "Say what authsome or one of its commands does and takes, or what is to know of a topic. Without a word, all commands and topics are named.",
    groups: &[Group {
        title: "As a manual page",
        options: &[flag(
            "man",
            "everything as the page authsome(1), for man(1) or nroff -man",
        )],
    }],
    notes: "",
    examples: "authsome help run
authsome help environment
authsome help --man > authsome.1 && man ./authsome.1",
    run: help,
};

/// Prints the text that is asked for.
fn help(parsed: &Parsed) -> Result<u8, Error> {
    let words = parsed.words(0..=1, "[COMMAND|TOPIC]")?;
    let text = match words.first() {
        Some(_) if parsed.has("man") => {
            return Err(parsed.usage("--man is one page about everything"));
        }
        None if parsed.has("man") => man::page(),
        topic => text(topic.copied())?,
    };
    output::text(&text);
    Ok(0)
}

/// The text about a command or a topic, or about all.
///
/// # Errors
/// For one that isn't there.
fn text(asked: Option<&str>) -> Result<String, Error> {
    let Some(asked) = asked else {
        return Ok(general());
    };
    if let Some(syntax) = COMMANDS.iter().find(|syntax| syntax.name == asked) {
        return Ok(about(syntax));
    }
    let topic = TOPICS.iter().find(|topic| topic.name == asked);
    topic
        .map(of_topic)
        .ok_or_else(|| Error::usage(format!("there is no command or topic `{asked}`"), ""))
}

/// The names of all topics.
pub(super) fn topics() -> impl Iterator<Item = &'static str> {
    TOPICS.iter().map(|topic| topic.name)
}

/// The text about a command, or nothing of it where `--help` wasn't said.
pub(super) fn asked_for(syntax: &Syntax, parsed: &Parsed) -> Option<String> {
    parsed.help.then(|| about(syntax))
}

/// The text about all commands.
fn general() -> String {
    let mut text = format!("{INTRODUCTION}\nUsage: authsome COMMAND [OPTIONS]\n\nCommands:\n");
    for syntax in COMMANDS {
        text.push_str(&format!("  {:<13}{}\n", syntax.name, syntax.summary));
    }
    text.push_str("\nTopics:\n");
    for topic in TOPICS {
        text.push_str(&format!("  {:<13}{}\n", topic.name, topic.summary));
    }
    text.push_str(CONCLUSION);
    text
}

/// The text about a topic.
fn of_topic(topic: &Topic) -> String {
    let parts: Vec<String> = topic.parts.iter().map(of_part).collect();
    parts.join("\n")
}

/// That of a part of it.
fn of_part(part: &Part) -> String {
    let mut text = String::new();
    if !part.title.is_empty() {
        text.push_str(&format!("{}:\n", part.title));
    }
    if !part.text.is_empty() {
        text.push_str(&format!("{}\n", wrapped(part.text)));
    }
    for (name, about) in part.rows {
        row(name, about, &mut text);
    }
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
        row(&option_as_typed(option), option.help, &mut text);
    }
    text
}

/// Something that is typed, or a name, and what it means beside it; below it where it is long.
fn row(name: &str, about: &str, text: &mut String) {
    let mut names = wrap(name, WIDTH - 2);
    let mut left = format!("  {}", names.pop().unwrap_or_default());
    for name in names {
        text.push_str(&format!("  {name}\n"));
    }
    if left.len() + 2 > COLUMN {
        text.push_str(&format!("{left}\n"));
        left = String::new();
    }
    for line in wrap(about, WIDTH - COLUMN) {
        text.push_str(&format!("{left:<COLUMN$}{line}\n"));
        left = String::new();
    }
}

/// An option as it is typed.
fn option_as_typed(option: &Opt) -> String {
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
    use crate::environment;

    #[test]
    fn every_text_fits_80_columns() {
        let commands = COMMANDS.iter().map(|syntax| syntax.name);
        for asked in commands.chain(topics()).map(Some).chain([None]) {
            let text = text(asked).unwrap();
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{line}");
            }
        }
        assert!(text(Some("nothing")).is_err());
    }

    #[test]
    fn every_command_has_an_example() {
        for syntax in COMMANDS {
            assert!(about(syntax).contains("\nExample"), "{}", syntax.name);
        }
    }

    #[test]
    fn no_topic_is_hidden_behind_a_command_of_its_name() {
        let mut names: Vec<&str> = COMMANDS.iter().map(|syntax| syntax.name).collect();
        names.extend(topics());
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_variable_that_a_run_sets_is_named() {
        let text = text(Some("environment")).unwrap();
        let named: Vec<&str> = text.split([' ', ',', '\n']).collect();
        for name in environment::set_by_a_run() {
            assert!(named.contains(&name), "{name}");
        }
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
