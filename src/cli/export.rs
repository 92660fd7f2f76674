//! `authsome export`: credentials under the names that programs look for.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::app::App;
use super::error::Error;
use super::error::FAILED;
use super::interrupt;
use super::origins;
use super::origins::OriginArgs;
use super::output;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
use super::taken;
use crate::broker::grant::Grant;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::dotenv;
use crate::provider::ExportKind;
use crate::secret::Secret;

/// What `export` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "export",
    summary: "print credentials as variables, for programs outside of a run",
    words: "[P]",
    ends_at_word: false,
    about: "Print the credential of provider P, or of all that are connected, under the names that the provider's programs look for.

This shows secrets: where `authsome run` will do, a program need not hold them.",
    groups: &[
        Group {
        title: "Options",
        options: &[
            valued(
                "format",
                "FORMAT",
                "env: lines of a .env file (the default); shell: for eval in a POSIX shell; json: one object of names and values",
            ),
            valued("connection", "NAME", "this connection of P, not the default"),
            flag("with-refresh-token", "the refresh token too, where a variable for it is known: whoever holds it can have tokens for long"),
        ],
    },
    origins::OPTIONS,
    ],
    notes: "",
    examples: "eval \"$(authsome export openai --format shell)\"",
    run: export,
};

/// How variables are written.
#[derive(Clone, Copy)]
enum Format {
    /// A line of a .env file.
    Env,
    /// A command of a POSIX shell.
    Shell,
    /// An object.
    Json,
}

/// A variable's value, and whose it is.
struct Variable {
    /// The connection.
    label: String,
    /// The value.
    value: Secret,
}

/// Prints them.
fn export(parsed: &Parsed) -> Result<u8, Error> {
    let words = parsed.words(0..=1, "[PROVIDER]")?;
    let format = parsed.parsed("format", "`env`, `shell` or `json`", |text| match text {
        "env" => Some(Format::Env),
        "shell" => Some(Format::Shell),
        "json" => Some(Format::Json),
        _ => None,
    })?;
    let connection = taken::connection(parsed)?;
    let origins = OriginArgs::read(parsed)?;
    let app = App::open(parsed.verbosity)?;
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let records = match words.first() {
        Some(word) => {
            let provider = taken::provider(&app, word)?;
            let found = snapshot.find(&provider, connection.as_ref());
            vec![found.map_err(Error::from)?]
        }
        None if connection.is_some() => {
            return Err(parsed.usage("--connection needs the name of a provider"));
        }
        None => {
            let mut all = snapshot.records();
            all.retain(|record| record.is_default);
            all
        }
    };
    let mut variables = BTreeMap::new();
    let exporter = Exporter {
        app: &app,
        origins: &origins,
        with_refresh_token: parsed.has("with-refresh-token"),
    };
    let mut code = 0;
    for record in &records {
        let values = match exporter.values(record) {
            Ok(values) => values,
            // One that was asked for by name is the whole point; of all, the others are still wanted.
            Err(error) if words.is_empty() && interrupt::check().is_ok() => {
                let hint = error.hint.map(|hint| format!(" ({hint})"));
                app.notices.warn(format!(
                    "{} is left out: {}{}",
                    record.label(),
                    error.what,
                    hint.unwrap_or_default()
                ));
                code = FAILED;
                continue;
            }
            Err(error) => return Err(error),
        };
        for (name, value) in values {
            add(&record.label(), name, value, &mut variables)?;
        }
    }
    write(parsed, format, &app, &variables)?;
    Ok(code)
}

/// Writes them as it is wanted.
fn write(
    parsed: &Parsed,
    format: Option<Format>,
    app: &App,
    variables: &BTreeMap<String, Variable>,
) -> Result<(), Error> {
    if variables.is_empty() {
        app.notices.warn("there is nothing to export");
    }
    if parsed.verbosity.json {
        let found = object(variables)?;
        output::json(&serde_json::json!({"version": 1, "variables": found}));
        return Ok(());
    }
    match format.unwrap_or(Format::Env) {
        Format::Json => output::json(&object(variables)?),
        Format::Env => print(variables, |name, value, out| {
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            out.extend_from_slice(&dotenv::quoted(value));
        }),
        Format::Shell => print(variables, |name, value, out| {
            out.extend_from_slice(b"export ");
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            out.extend_from_slice(&shell_quoted(value));
        }),
    }
    Ok(())
}

/// What variables are made of.
struct Exporter<'a> {
    /// Everything else.
    app: &'a App,
    /// The way to authorization servers.
    origins: &'a OriginArgs,
    /// `--with-refresh-token`
    with_refresh_token: bool,
}

impl Exporter<'_> {
    /// What a connection exports.
    fn values(&self, record: &Record) -> Result<Vec<(String, Secret)>, Error> {
        let app = self.app;
        let definition = app.definition(record.provider.as_str())?;
        let provider = app.provider(definition, Some(record))?;
        if provider.exports.is_empty() {
            app.notices
                .warn(format!("{} exports no variables", record.provider));
            return Ok(Vec::new());
        }
        let credential = taken::credential(app, self.origins, record)?;
        let mut values = Vec::new();
        for export in &provider.exports {
            let value = match export.kind {
                ExportKind::Credential => credential.copy(),
                ExportKind::ApiUrl => match provider.rules.first() {
                    Some(rule) => Secret::new(rule.host.to_string().into_bytes()),
                    None => continue,
                },
                ExportKind::RefreshToken => match self.refresh_token(record)? {
                    Some(token) => token,
                    None => continue,
                },
            };
            values.push((export.name.clone(), value));
        }
        Ok(values)
    }

    /// A record's refresh token, if it has one and that is wanted. As the vault has it now: the access token may have been refreshed
    /// a moment ago.
    fn refresh_token(&self, record: &Record) -> Result<Option<Secret>, Error> {
        if !self.with_refresh_token || !matches!(record.held, Held::Oauth(_)) {
            return Ok(None);
        }
        let snapshot = self.app.store.snapshot().map_err(Error::from)?;
        let secret = snapshot.secret(record).map_err(Error::from)?;
        Ok(secret
            .as_ref()
            .and_then(Grant::of_secret)
            .and_then(|grant| grant.refresh))
    }
}

/// Adds a variable of a connection. That two connections have the same one is an error only where its values differ.
fn add(
    label: &str,
    name: String,
    value: Secret,
    variables: &mut BTreeMap<String, Variable>,
) -> Result<(), Error> {
    match variables.get(&name) {
        Some(other) if other.label != label && !other.value.same_as(&value) => {
            Err(Error::plain(format!(
                "{} and {label} both export {name}, and not the same",
                other.label
            ))
            .hint("export one of them: `authsome export PROVIDER`"))
        }
        _ => {
            let label = label.to_owned();
            variables.insert(name, Variable { label, value });
            Ok(())
        }
    }
}

/// The variables as an object.
fn object(variables: &BTreeMap<String, Variable>) -> Result<BTreeMap<&str, &str>, Error> {
    let pairs = variables.iter();
    pairs
        .map(|(name, variable)| Ok((name.as_str(), taken::text(variable.value.expose())?)))
        .collect()
}

/// Prints a line for each variable.
fn print(variables: &BTreeMap<String, Variable>, write: impl Fn(&str, &[u8], &mut Vec<u8>)) {
    let mut out = Zeroizing::new(Vec::new());
    for (name, variable) in variables {
        write(name, variable.value.expose(), &mut out);
        out.push(b'\n');
    }
    output::bytes(&out);
}

/// A value as one word of a POSIX shell: in single quotes, where nothing but the quote itself has a meaning. Good for any bytes but
/// NUL, which no variable can hold.
pub(super) fn shell_quoted(value: &[u8]) -> Zeroizing<Vec<u8>> {
    // A quote becomes four bytes.
    let mut out = Zeroizing::new(Vec::with_capacity(4 * value.len() + 2));
    out.push(b'\'');
    for byte in value {
        if *byte == b'\'' {
            out.extend_from_slice(b"'\\''");
        } else {
            out.push(*byte);
        }
    }
    out.push(b'\'');
    out
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    /// Every byte but NUL, and what shells trip over.
    fn values() -> Vec<Vec<u8>> {
        let all: Vec<u8> = (1..=255).collect();
        let texts = [
            "",
            "plain",
            "'",
            "''",
            "a'b\"c",
            "$HOME `id` $(id) \\ ! * ~ #",
            "line\nline\n",
            " a ",
            "-n",
            "\\'",
            "é",
        ];
        let texts = texts.iter().map(|text| text.as_bytes().to_vec());
        texts.chain([all]).collect()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "asks real shells, in a test")]
    fn shells_read_back_what_was_quoted() {
        for shell in ["sh", "dash", "bash", "zsh"] {
            let is_there = std::process::Command::new(shell).args(["-c", ":"]).output();
            // The one that POSIX asks for is on every machine, the others where somebody has installed them.
            if shell != "sh" && is_there.is_err() {
                continue;
            }
            for value in values() {
                let mut script = b"X=".to_vec();
                script.extend_from_slice(&shell_quoted(&value));
                script.extend_from_slice(b"; printf '%s.' \"$X\"");
                let output = std::process::Command::new(shell)
                    .arg("-c")
                    .arg(OsStr::from_bytes(&script))
                    .output()
                    .unwrap();
                let expected = [&*value, b"."].concat();
                assert_eq!(output.stdout, expected, "{shell}: {}", value.escape_ascii());
            }
        }
    }
}
