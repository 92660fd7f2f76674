//! The help texts. At most 80 columns, each with an example; a test holds that.

/// About all commands.
const GENERAL: &str = "\
authsome runs a program behind a local proxy that adds the credentials which
the program must not see.

Usage: authsome COMMAND [OPTIONS]

Commands:
  run       run a program with credentials added to its requests
  explain   say what would happen to a request, and why
  help      this text, or that of a command
  version   the version

Example:
  OPENAI_API_KEY=sk-... authsome run -- curl https://api.openai.com/v1/models

`authsome help COMMAND` says more about one.
";

/// About `run`.
const RUN: &str = "\
Run a program behind a local proxy that adds credentials to its requests.

Usage: authsome run [OPTIONS] [--] COMMAND [ARG...]

Credentials found in the environment under a name that a provider exports
(OPENAI_API_KEY, GITHUB_TOKEN, ...) are taken from there; the program gets a
placeholder. A credential goes to its provider's hosts only, over verified TLS.

Which credentials:
  --credential P=SOURCE    provider P's credential, from env:NAME, file:PATH or
                           command:LINE
  --credential-ttl SEC     how long a command's answer is used (300)
  --no-env-credentials     take none from the environment (but mask them)
  --base-url P=URL         the URL of provider P's own installation
  --demo                   add the provider `demo`, answered by this program

How origins are reached:
  --upstream-ca FILE       trust the certificates in this PEM file too
  --roots system|mozilla   trust the system's roots too (system), or only those
                           of Mozilla that are built in
  --connect-to H:P:A:Q     connect to address A, port Q for host H, port P
  --upstream-timeout SEC   how long an origin may take to answer (300)

Limits:
  --max-connections N      connections at once (1024)
  --ca-lifetime HOURS      how long the run's own root lasts (24; 8760 as a
                           container's first process)

What is printed, on stderr:
  -q, --quiet              no warnings
  -v, --verbose            a line for each request, without secrets or queries
  --json                   errors of authsome's own as JSON
  -h, --help               this text

Exit code: the program's; 128+N if signal N ended it; 127 not found; 126 not
executable; 125 authsome could not start; 2 wrong usage.

Example:
  authsome run --credential github=command:'pass show github' -- gh pr list
";

/// About `explain`.
const EXPLAIN: &str = "\
Say which credential a request would get in a run started here, or why none.

Usage: authsome explain [OPTIONS] [METHOD] URL

Options:
  --credential P=SOURCE, --base-url P=URL, --no-env-credentials,
  --credential-ttl SEC     as for `authsome run`
  -q, --quiet              no warnings
  --json                   one JSON object on stdout
  -h, --help               this text

Example:
  authsome explain POST https://api.openai.com/v1/chat/completions
";

/// The text about a command, or about all; `None` for a command that isn't there.
pub(crate) fn text(topic: Option<&str>) -> Option<&'static str> {
    match topic {
        None | Some("help" | "version") => Some(GENERAL),
        Some("run") => Some(RUN),
        Some("explain") => Some(EXPLAIN),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_fits_80_columns_and_has_an_example() {
        for topic in [None, Some("run"), Some("explain")] {
            let text = text(topic).unwrap();
            assert!(text.contains("\nExample:\n"), "{topic:?}");
            for line in text.lines() {
                assert!(line.len() <= 80, "{line}");
            }
        }
    }
}
