//! The page that the person's browser comes back to when they have agreed (RFC 8252 section 7.3).

use std::time::Duration;
use std::time::Instant;

use super::announce;
use super::desk;
use super::desk::Nothing;
use super::desk::Window;
use super::frame;
use super::grantor::Grantor;
use super::grantor::PATH;
use super::grantor::Trouble;
use crate::broker::record::Record;
use crate::cli::error::Error;
use crate::loopback::Request;
use crate::loopback::Verdict;
use crate::oauth;
use crate::oauth::client::Client;
use crate::oauth::code::Attempt;
use crate::oauth::code::Wanted;
use crate::secret::Secret;

/// How long the person has.
const TIME: Duration = Duration::from_secs(5 * 60);

/// What the browser brings back.
enum Brought {
    /// A code to redeem, and who says so.
    Code {
        /// The code.
        code: Secret,
        /// The issuer.
        issuer: Option<String>,
    },
    /// What the server says instead.
    Error {
        /// Its word for it.
        code: String,
        /// What it adds.
        description: Option<String>,
        /// The issuer.
        issuer: Option<String>,
    },
}

/// What the page is told of it.
enum Told {
    /// It is stored.
    Stored,
    /// It has failed: why, and what to do.
    Failed(String, String),
}

/// The page, whoever asks for it.
struct Page {
    /// What the answer must bring back.
    state: String,
    /// The provider, as people call it.
    provider: String,
    /// Where what was brought goes.
    window: Window<Brought, Told>,
}

/// Sends the person to the server, waits for what they bring back, redeems it, and gives what was stored.
///
/// # Errors
/// Why there is no login.
pub(super) fn log_in(grantor: &Grantor<'_>, client: &Client) -> Result<Record, Trouble> {
    let port = grantor.login.args.oauth.port;
    let failed = |error: std::io::Error| {
        Error::new(&format!("cannot listen on port {port} for the browser to come back"), error)
            .hint("end what uses the port, or choose another with --callback-port: the service must know it")
    };
    let wanted = Wanted {
        redirect_uri: grantor.redirect_uri(),
        scopes: &grantor.scopes,
        resource: grantor.resource.as_deref(),
        must_have_issuer: grantor.says_issuer,
    };
    let attempt = Attempt::new(&grantor.oauth, client, wanted)?;
    let listener = grantor.login.listen(port).map_err(failed)?;
    let (window, desk) = desk::open();
    let page = Page {
        state: attempt.state.clone(),
        provider: grantor.login.provider.display_name.clone(),
        window,
    };
    let deadline = Instant::now() + TIME;
    let pages = desk::serve(listener, deadline, move |request| page.answer(request));
    let pages = pages.map_err(failed)?;
    announce(
        grantor.login.app,
        &attempt.url,
        TIME,
        &format!(
            "Agree on this page, in a browser on this machine:\n\n  {}\n\nIt comes back here within {} minutes, or not at all.",
            attempt.url,
            TIME.as_secs() / 60
        ),
    );
    let ended = desk.attend(deadline, pages, |brought| {
        let result = redeem(grantor, client, &attempt, brought);
        let told = match &result {
            Ok(_) => Told::Stored,
            Err(Trouble::Server(error)) => {
                Told::Failed(error.to_string(), error.remedy().to_owned())
            }
            Err(Trouble::Own(error)) => {
                Told::Failed(error.what.clone(), error.hint.clone().unwrap_or_default())
            }
        };
        (told, Some(result))
    });
    ended.unwrap_or_else(|nothing| {
        Err(match nothing {
            Nothing::Failed(error) => failed(error).into(),
            Nothing::TimedOut | Nothing::Cancelled => Error::plain("nobody came back from the browser within 5 minutes")
                .hint("log in again: --new-client, if the service did not know the client; --flow device_code, if the browser is elsewhere")
                .into(),
        })
    })
}

/// Redeems what was brought, and stores it.
fn redeem(
    grantor: &Grantor<'_>,
    client: &Client,
    attempt: &Attempt,
    brought: Brought,
) -> Result<Record, Trouble> {
    let (Brought::Code { issuer, .. } | Brought::Error { issuer, .. }) = &brought;
    attempt.check_issuer(issuer.as_deref())?;
    let code = match brought {
        Brought::Code { code, .. } => code,
        Brought::Error { code, .. } if code == "access_denied" => {
            return Err(oauth::Error::Denied.into());
        }
        Brought::Error {
            code, description, ..
        } => {
            return Err(oauth::Error::Server { code, description }.into());
        }
    };
    let tokens = attempt.redeem(&grantor.dialer, client, &code)?;
    Ok(grantor.store(client, tokens)?)
}

impl Page {
    /// Answers a request. Only one that brings the state back is heard: everything else leaves the login as it is.
    fn answer(&self, request: &Request) -> Verdict<()> {
        if request.path != PATH || request.is_post {
            return Verdict::Go(frame::not_found());
        }
        // RFC 6749 section 3.1: nothing comes twice.
        let is_doubtful = ["code", "error", "iss"]
            .iter()
            .any(|name| request.is_repeated(name));
        if is_doubtful || request.field("state") != Some(self.state.as_bytes()) {
            return Verdict::Go(frame::message(
                400,
                "This is not the answer that is waited for",
                "It belongs to another login, or to none. Go back to the page that was opened last.",
            ));
        }
        let text = |name: &str| {
            let value = request.field(name)?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        let brought = match (text("error"), request.field("code")) {
            (Some(code), _) => Brought::Error {
                code,
                description: text("error_description"),
                issuer: text("iss"),
            },
            (None, Some(code)) => Brought::Code {
                code: Secret::new(code.to_vec()),
                issuer: text("iss"),
            },
            (None, None) => {
                let why = "the service sent neither a code nor a reason";
                return Verdict::Go(frame::trouble(
                    400,
                    "Nothing came back",
                    why,
                    "log in again",
                ));
            }
        };
        match self.window.hand_in(brought) {
            Some(Told::Stored) => Verdict::End(
                frame::connected(&self.provider, "authsome keeps its tokens, sealed."),
                (),
            ),
            Some(Told::Failed(why, remedy)) => {
                let heading = format!("{} is not connected", self.provider);
                Verdict::End(frame::trouble(200, &heading, &why, &remedy), ())
            }
            // A second tab, or the same answer once more.
            None => Verdict::Go(frame::message(
                409,
                "This login is over",
                "Its answer has come already. You can close this page.",
            )),
        }
    }
}
