//! The command line: what each command takes, as data, and one reader for all of it. Help texts and completions come from the same
//! data.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::time::Duration;

use lexopt::Arg;
use lexopt::Parser;

use super::error::Error;
use super::output::Verbosity;

/// One option.
pub(super) struct Opt {
    /// Its long name.
    pub(super) long: &'static str,
    /// Its one-letter name.
    pub(super) short: Option<char>,
    /// What its value is called; `None` when it takes none.
    pub(super) value: Option<&'static str>,
    /// What it does, for help.
    pub(super) help: &'static str,
}

/// Options that help shows together.
pub(super) struct Group {
    /// What stands above them.
    pub(super) title: &'static str,
    /// They.
    pub(super) options: &'static [Opt],
}

/// What a command is about and takes.
pub(super) struct Syntax {
    /// Its name.
    pub(super) name: &'static str,
    /// What it does, in a line of the list of commands.
    pub(super) summary: &'static str,
    /// Its words behind the options, as in `[METHOD] URL`.
    pub(super) words: &'static str,
    /// Whether the first word begins a command line of another program: nothing behind it is ours.
    pub(super) ends_at_word: bool,
    /// What it does, in some lines.
    pub(super) about: &'static str,
    /// Its own options, beside those of [`COMMON`].
    pub(super) groups: &'static [Group],
    /// More that is to know: exit codes, files.
    pub(super) notes: &'static str,
    /// How it is used.
    pub(super) examples: &'static str,
    /// Runs it, and gives the exit code.
    pub(super) run: fn(&Parsed) -> Result<u8, Error>,
}

/// An option without a value.
pub(super) const fn flag(long: &'static str, help: &'static str) -> Opt {
    Opt {
        long,
        short: None,
        value: None,
        help,
    }
}

/// An option with a value.
pub(super) const fn valued(long: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt {
        long,
        short: None,
        value: Some(value),
        help,
    }
}

/// The options of every command.
pub(super) const COMMON: Group = Group {
    title: "Common",
    options: &[
        Opt {
            long: "quiet",
            short: Some('q'),
            value: None,
            help: "no warnings, and nothing that isn't asked for",
        },
        flag(
            "json",
            "one JSON object on stdout; errors as JSON on stderr",
        ),
        Opt {
            long: "help",
            short: Some('h'),
            value: None,
            help: "this text",
        },
    ],
};

impl Syntax {
    /// All options, the common ones last.
    pub(super) fn options(&self) -> impl Iterator<Item = &Opt> {
        let own = self.groups.iter().flat_map(|group| group.options);
        own.chain(COMMON.options)
    }
}

/// A command line that was read.
pub(super) struct Parsed {
    /// The command's name.
    command: &'static str,
    /// Its options in order, each with its value.
    options: Vec<(&'static str, OsString)>,
    /// Its words.
    words: Vec<OsString>,
    /// What to print.
    pub(super) verbosity: Verbosity,
    /// Whether only its help is wanted.
    pub(super) help: bool,
}

impl Parsed {
    /// Reads what follows a command's name.
    ///
    /// # Errors
    /// Options that it doesn't have, and values that are missing or too many.
    pub(super) fn read(syntax: &Syntax, parser: &mut Parser) -> Result<Self, Error> {
        let fail = |error: lexopt::Error| match error {
            // Its own text has the value.
            lexopt::Error::UnexpectedValue { option, .. } => {
                Error::usage(format!("the option {option} takes no value"), syntax.name)
            }
            other => Error::usage(other, syntax.name),
        };
        let mut parsed = Self {
            command: syntax.name,
            options: Vec::new(),
            words: Vec::new(),
            verbosity: Verbosity::default(),
            help: false,
        };
        while let Some(arg) = parser.next().map_err(fail)? {
            let is_named = |option: &&Opt| match &arg {
                Arg::Long(name) => option.long == *name,
                Arg::Short(letter) => option.short == Some(*letter),
                Arg::Value(_) => false,
            };
            let found = syntax.options().find(is_named);
            let Some(option) = found else {
                let Arg::Value(word) = arg else {
                    return Err(fail(arg.unexpected()));
                };
                parsed.words.push(word);
                if syntax.ends_at_word {
                    parsed.words.extend(parser.raw_args().map_err(fail)?);
                    break;
                }
                continue;
            };
            match option.long {
                "help" => parsed.help = true,
                "quiet" => parsed.verbosity.quiet = true,
                "json" => parsed.verbosity.json = true,
                long if option.value.is_none() => parsed.options.push((long, OsString::new())),
                long => parsed.options.push((long, parser.value().map_err(fail)?)),
            }
        }
        Ok(parsed)
    }

    /// A usage error of this command.
    pub(super) fn usage(&self, what: impl std::fmt::Display) -> Error {
        Error::usage(what, self.command)
    }

    /// Whether the flag is there.
    pub(super) fn has(&self, long: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == long)
    }

    /// All values of an option, in order, as they came.
    pub(super) fn raw_values(&self, long: &str) -> impl Iterator<Item = &OsString> {
        let found = self.options.iter().filter(move |(name, _)| *name == long);
        found.map(|(_, value)| value)
    }

    /// All values of an option, in order.
    ///
    /// # Errors
    /// When one is not UTF-8.
    pub(super) fn values(&self, long: &str) -> Result<Vec<&str>, Error> {
        self.raw_values(long)
            .map(|value| {
                value
                    .to_str()
                    .ok_or_else(|| self.usage("an option's value is not UTF-8"))
            })
            .collect()
    }

    /// An option's value; the last counts.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub(super) fn value(&self, long: &str) -> Result<Option<&str>, Error> {
        Ok(self.values(long)?.pop())
    }

    /// An option's value as `read` understands it. The value is not repeated in the error: it could be a secret in the wrong place.
    ///
    /// # Errors
    /// When it doesn't; `form` says what it takes.
    pub(super) fn parsed<T>(
        &self,
        long: &str,
        form: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let read =
            |value: &str| read(value).ok_or_else(|| self.usage(format!("--{long} takes {form}")));
        self.value(long)?.map(read).transpose()
    }

    /// An option's value as a number; plain digits only.
    ///
    /// # Errors
    /// When it isn't one in this range.
    pub(super) fn number(
        &self,
        long: &str,
        unit: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Error> {
        let form = format!("a number{unit} from {} to {}", range.start(), range.end());
        self.parsed(long, &form, |text| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok()?;
            (digits && range.contains(&number)).then_some(number)
        })
    }

    /// The same as seconds.
    ///
    /// # Errors
    /// When it isn't one in this range.
    pub(super) fn seconds(
        &self,
        long: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<Duration>, Error> {
        let number = self.number(long, " of seconds", range)?;
        Ok(number.map(Duration::from_secs))
    }

    /// The words, as they came.
    pub(super) fn raw_words(&self) -> &[OsString] {
        &self.words
    }

    /// The words.
    ///
    /// # Errors
    /// When one is not UTF-8, or they are fewer or more than wanted; `form` says what is.
    pub(super) fn words(
        &self,
        count: RangeInclusive<usize>,
        form: &str,
    ) -> Result<Vec<&str>, Error> {
        if !count.contains(&self.words.len()) {
            return Err(self.usage(format!("{} takes {form}", self.command)));
        }
        let text = |word: &'_ OsString| word.to_str().map(str::len);
        if self.words.iter().any(|word| text(word).is_none()) {
            return Err(self.usage("a word is not UTF-8"));
        }
        Ok(self.words.iter().filter_map(|word| word.to_str()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command with one of everything.
    const SYNTAX: Syntax = Syntax {
        name: "test",
        summary: "",
        words: "",
        ends_at_word: true,
        about: "",
        groups: &[Group {
            title: "",
            options: &[flag("demo", ""), valued("number", "N", "")],
        }],
        notes: "",
        examples: "",
        run: |_| Ok(0),
    };

    /// Reads words.
    fn read(words: &[&str]) -> Result<Parsed, Error> {
        Parsed::read(&SYNTAX, &mut Parser::from_args(words))
    }

    /// Reads words that are right.
    fn good(words: &[&str]) -> Parsed {
        read(words).unwrap_or_else(|error| panic!("{words:?}: {}", error.what))
    }

    #[test]
    fn the_first_word_that_is_no_option_begins_the_command() {
        for (words, command) in [
            (&["env", "--demo", "-h"][..], &["env", "--demo", "-h"][..]),
            (&["--demo", "--", "--help"], &["--help"]),
            (&["-q", "ls", "--", "-l"], &["ls", "--", "-l"]),
            (&["--", "--", "x"], &["--", "x"]),
            (&["--number=5", "x"], &["x"]),
        ] {
            assert_eq!(good(words).raw_words(), command);
        }
        assert!(good(&["-h", "x"]).help);
    }

    #[test]
    fn mistakes_are_usage_errors_that_repeat_no_value() {
        for words in [
            &["--nothing", "x"][..],
            &["-x", "y"],
            &["--number"],
            &["--demo=sk-canary", "x"],
        ] {
            let error = read(words).err().unwrap();
            assert_eq!(error.code, super::super::error::USAGE, "{words:?}");
            assert!(!error.what.contains("canary"), "{}", error.what);
        }
        for value in ["", "-1", "+5", "0", "11", "5 ", "sk-canary"] {
            let parsed = good(&["--number", value, "x"]);
            let error = parsed.number("number", "", 1..=10).unwrap_err();
            assert_eq!(error.what, "--number takes a number from 1 to 10");
        }
        let parsed = good(&["--number", "5", "--number=10", "x"]);
        assert_eq!(parsed.number("number", "", 1..=10).unwrap(), Some(10));
    }
}
