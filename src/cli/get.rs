//! `authsome get`: one stored connection, and its credential where that is asked for in as many words.

use serde::Serialize;

use super::app::App;
use super::error::Error;
use super::origins;
use super::origins::OriginArgs;
use super::output;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
use super::taken;
use super::view::View;
use crate::encoding;
use crate::secret::Secret;

/// What `get` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "get",
    summary: "one stored connection, or one field of it",
    words: "P",
    ends_at_word: false,
    about: "Show the stored connection of provider P, without its credential.",
    groups: &[
        Group {
            title: "Options",
            options: &[
                valued("connection", "NAME", "this connection, not the default"),
                valued(
                    "field",
                    "FIELD",
                    "only this: one of those that are shown, or credential",
                ),
                flag("show-secret", "show the credential too"),
            ],
        },
        origins::OPTIONS,
    ],
    notes: "",
    examples: "authsome get openai\nauthsome get openai --field credential --show-secret",
    run: get,
};

/// Version 1 of the shape.
#[derive(Serialize)]
struct Answer<'a> {
    /// Version of this shape.
    version: u8,
    /// The connection.
    #[serde(flatten)]
    view: &'a View,
    /// With `--show-secret`.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a str>,
}

/// Names of the credential as a field; the last are those of the Python tool's records.
const CREDENTIAL: [&str; 3] = ["credential", "api_key", "access_token"];

/// Shows the connection.
fn get(parsed: &Parsed) -> Result<u8, Error> {
    let words = parsed.words(1..=1, "the name of a provider")?;
    let connection = taken::connection(parsed)?;
    let field = parsed.value("field")?;
    let wants_secret = field.is_none_or(|field| CREDENTIAL.contains(&field));
    let origins = OriginArgs::read(parsed)?;
    let app = App::open(parsed.verbosity)?;
    let provider = taken::provider(&app, words.first().copied().unwrap_or_default())?;
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let record = snapshot
        .find(&provider, connection.as_ref())
        .map_err(Error::from)?;
    let view = View::of(&app, &snapshot, &record);
    let secret = match parsed.has("show-secret") && wants_secret {
        true => Some(taken::credential(&app, &origins, &record)?),
        false => None,
    };
    match field {
        None => all(parsed, &view, secret.as_ref()),
        Some(field) if CREDENTIAL.contains(&field) => {
            let secret = secret.ok_or_else(|| {
                Error::plain("the credential is a secret").hint("add --show-secret to see it")
            })?;
            one(parsed, field, secret.expose())
        }
        Some(field) => {
            let fields = view.lines();
            let Some((_, text)) = fields.iter().find(|(name, _)| *name == field) else {
                return Err(parsed.usage(format!("there is no field {field}")));
            };
            one(parsed, field, text.as_bytes())
        }
    }
}

/// Shows all of it.
fn all(parsed: &Parsed, view: &View, secret: Option<&Secret>) -> Result<u8, Error> {
    if parsed.verbosity.json {
        output::json(&Answer {
            version: 1,
            view,
            credential: secret
                .map(|secret| taken::text(secret.expose()))
                .transpose()?,
        });
        return Ok(0);
    }
    let fields = view.lines().into_iter();
    let lines: String = fields
        .map(|(name, value)| format!("{name:<12} {}\n", encoding::visible(&value)))
        .collect();
    output::text(&lines);
    match secret {
        None => output::text("credential   ******** (--show-secret shows it)\n"),
        Some(secret) => {
            output::text("credential   ");
            output::bytes(secret.expose());
            output::text("\n");
        }
    }
    Ok(0)
}

/// Shows one field.
fn one(parsed: &Parsed, field: &str, value: &[u8]) -> Result<u8, Error> {
    if parsed.verbosity.json {
        output::json(&serde_json::json!({"version": 1, field: taken::text(value)?}));
    } else {
        output::bytes(value);
        output::text("\n");
    }
    Ok(0)
}
