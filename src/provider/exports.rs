//! The variables that a definition gives to programs.

use super::Export;
use super::ExportKind;
use super::reader::Invalid;
use super::reader::Reader;
use crate::environment::is_set_by_a_run;

/// Variables that change what programs run or where they look: none that a definition may set.
const SPECIAL: [&str; 17] = [
    "PATH",
    "HOME",
    "SHELL",
    "TMPDIR",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "NODE_OPTIONS",
    "PERL5OPT",
    "RUBYOPT",
];

/// How more of them begin.
const SPECIAL_STARTS: [&str; 3] = ["LD_", "DYLD_", "AUTHSOME_"];

/// The entries of `export`, each for itself.
///
/// # Errors
/// When it is no object.
pub(super) fn entries(top: &Reader<'_>) -> Result<Vec<Result<Export, Invalid>>, Invalid> {
    let export = top.object("export")?;
    let nested = export.object("env")?;
    let is_nested = nested.fields.is_some();
    let reader = if is_nested { &nested } else { &export };
    let mut found = Vec::new();
    for (key, value) in reader.fields.into_iter().flatten() {
        let entry = match value.as_str() {
            None => Err(reader.invalid(key, "not a string", "write it in quotes")),
            Some(text) if is_nested => one(reader, key, (text, key)),
            Some(text) => one(reader, key, (key, text)),
        };
        found.push(entry);
    }
    Ok(found)
}

/// One variable, of this name and kind.
pub(super) fn one(
    reader: &Reader<'_>,
    field: &str,
    (name, kind): (&str, &str),
) -> Result<Export, Invalid> {
    if let Err(why) = check_variable(name) {
        let remedy = "use the name under which the provider's programs look for the credential";
        return Err(reader.invalid(field, why, remedy));
    }
    let kind = export_kind(kind).ok_or_else(|| {
        let remedy = "use ACCESS_TOKEN or API_TOKEN";
        reader.invalid(field, "stands for nothing known here", remedy)
    })?;
    Ok(Export {
        name: name.to_owned(),
        kind,
    })
}

/// Whether a definition may export a variable of this name. It becomes part of a shell's command line, so it has no other letters than
/// variables have; and it is none that leads a program to other code, or past the proxy.
fn check_variable(name: &str) -> Result<(), &'static str> {
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let is_name = name.bytes().next().is_some_and(is_start)
        && name
            .bytes()
            .all(|byte| is_start(byte) || byte.is_ascii_digit());
    if !is_name {
        return Err("not a variable's name, which has letters, digits and _ only");
    }
    let is_special = SPECIAL.contains(&name)
        || SPECIAL_STARTS.iter().any(|start| name.starts_with(start))
        || is_set_by_a_run(name);
    if is_special {
        return Err("a variable that means something else to programs");
    }
    Ok(())
}

/// What an export's kind stands for, in either form's words.
fn export_kind(kind: &str) -> Option<ExportKind> {
    match kind {
        "api_key" | "access_token" | "API_TOKEN" | "ACCESS_TOKEN" | "API_KEY" => {
            Some(ExportKind::Credential)
        }
        "refresh_token" | "REFRESH_TOKEN" => Some(ExportKind::RefreshToken),
        "api_url" | "API_URL" => Some(ExportKind::ApiUrl),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_are_good() {
        for name in ["A", "_a1", "OPENAI_API_KEY", "MY_PATH"] {
            assert!(check_variable(name).is_ok(), "{name}");
        }
    }
}
