//! `authsome doctor -- TOOL`: how far a program comes through the proxy.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::app::App;
use super::super::connect;
use super::super::error::Error;
use super::super::origins::OriginArgs;
use super::super::output;
use super::super::output::Paint;
use super::super::output::Verbosity;
use super::super::root::Choice;
use super::super::session;
use super::super::session::Begun;
use super::super::session::MAX_CONNECTIONS;
use super::super::session::Session;
use super::super::session::Setup;
use super::advice;
use super::report::Check;
use super::report::Report;
use crate::notice::Notice;
use crate::notice::Notices;
use crate::notice::Step;

/// The variable with the URL that the tool is to ask for.
const URL: &str = "AUTHSOME_DOCTOR_URL";

/// What stands for the URL in arguments.
const MARK: &[u8] = b"{url}";

/// How long the root of a trial lasts.
const CA_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How far the tool came.
#[derive(Default)]
struct Progress {
    /// It asked the proxy for the URL's host.
    asked: AtomicBool,
    /// It did so by plain http.
    in_the_clear: AtomicBool,
    /// It sent a request over TLS.
    trusted: AtomicBool,
}

/// Runs the tool, says how far it came, and gives the exit code.
///
/// # Errors
/// When the tool can't be started, or what it needs can't be made.
pub(super) fn try_out(
    verbosity: Verbosity,
    origins: &OriginArgs,
    program: &OsString,
    arguments: &[OsString],
) -> Result<u8, Error> {
    let limits = match session::begin()? {
        Begun::Worker { limits, .. } => limits,
        Begun::Done(code) => return Ok(code),
    };
    let mut app = App::new(verbosity)?;
    let mut connected = connect::none(&app);
    let demo = session::add_demo(&mut connected)?;
    let progress = Arc::new(Progress::default());
    app.notices = Arc::new(watch(&progress, demo.authority.host.to_string(), verbosity));
    let setup = Setup {
        origins,
        demo: Some(&demo),
        root: Choice::Own(CA_LIFETIME),
        max_connections: MAX_CONNECTIONS,
        account: None,
        proxy_auth: false,
        admit_root: false,
        node_preload: true,
    };
    let url = demo.url();
    let arguments: Vec<OsString> = arguments.iter().map(|word| filled(word, &url)).collect();
    Session::start(&app, connected, &setup)?
        .with(URL, &url)
        .run(program, &arguments, limits)?;
    let report = told(&progress, demo.has_credential(), program);
    if verbosity.json {
        output::json(&report.to_json());
    } else {
        let text = report.to_text(Paint::of_errors(&app.parent), verbosity.quiet);
        text.lines().for_each(output::always);
    }
    Ok(report.exit_code())
}

/// Notices that say how far clients have come with the host, beside what they say to the person.
fn watch(progress: &Arc<Progress>, host: String, verbosity: Verbosity) -> Notices {
    let progress = Arc::clone(progress);
    Notices::new(move |notice| match notice {
        Notice::Step(step, of) if *of == host => match step {
            Step::Asked => progress.asked.store(true, Ordering::SeqCst),
            Step::AskedInTheClear => progress.in_the_clear.store(true, Ordering::SeqCst),
            Step::Trusted => progress.trusted.store(true, Ordering::SeqCst),
        },
        other => output::notice(verbosity, other),
    })
}

/// The word with the URL in the place of each mark.
fn filled(word: &OsStr, url: &str) -> OsString {
    let mut filled = Vec::new();
    let mut rest = word.as_bytes();
    while let Some(at) = memchr::memmem::find(rest, MARK) {
        let (before, from) = rest.split_at(at);
        filled.extend_from_slice(before);
        filled.extend_from_slice(url.as_bytes());
        rest = from.get(MARK.len()..).unwrap_or_default();
    }
    filled.extend_from_slice(rest);
    OsString::from_vec(filled)
}

/// What there is to say of that.
fn told(progress: &Progress, has_credential: bool, program: &OsStr) -> Report {
    let is_plain = progress.in_the_clear.load(Ordering::SeqCst);
    let has_asked = progress.asked.load(Ordering::SeqCst);
    let is_trusting = progress.trusted.load(Ordering::SeqCst);
    let advice = advice::for_tool(program);
    let mut report = Report::default();
    report.add(if has_asked || is_plain {
        Check::ok("proxy", "it asked authsome's proxy for the URL's host")
    } else {
        Check::fail("proxy", "nothing asked authsome's proxy for the URL's host").remedy(format!(
            "see that it asks for {{url}} at all; {}",
            advice.proxy
        ))
    });
    report.add(if is_trusting {
        Check::ok(
            "trust",
            "it sent its request over TLS with a certificate of authsome's",
        )
    } else if has_credential {
        Check::ok("trust", "not needed: it left TLS to the proxy")
    } else if has_asked {
        Check::fail(
            "trust",
            "it came to the proxy, but sent no request over TLS there",
        )
        .remedy(advice.trust)
    } else if is_plain {
        Check::warn("trust", "can't be told, since it asked for an http URL")
    } else {
        Check::warn("trust", "can't be told, since it did not come to the proxy")
    });
    report.add(if has_credential {
        Check::ok("credential", "it arrived with a request")
    } else if is_trusting {
        Check::fail("credential", "it did not arrive, although a request came")
            .remedy("see with `authsome run --demo --verbose` what became of the request")
    } else if is_plain {
        Check::fail("credential", "it did not arrive: plain http never gets one")
            .remedy("ask for {url}, which is https")
    } else {
        Check::fail("credential", "it did not arrive").remedy("mend what stands above")
    });
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_becomes_the_url() {
        for (word, expected) in [
            ("{url}", "U"),
            ("--url={url}?x", "--url=U?x"),
            ("{url}{url}", "UU"),
            ("{ur", "{ur"),
            ("", ""),
        ] {
            assert_eq!(filled(OsStr::new(word), "U"), expected, "{word}");
        }
    }
}
