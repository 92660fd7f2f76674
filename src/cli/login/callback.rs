//! The pages that the person's browser starts at, and comes back to when they have agreed (RFC 8252 section 7.3).
//!
//! The authorization URL has the state, so nobody but the browser gets it: the program that opens the browser, whose arguments every
//! user of the machine can read, gets the start page's address, which leads on once.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use super::Hosts;
use super::announce_login;
use super::desk;
use super::desk::Nothing;
use super::desk::Window;
use super::frame;
use super::grantor::Grantor;
use super::grantor::Trouble;
use crate::broker::record::Record;
use crate::cli::error::Error;
use crate::encoding::html;
use crate::loopback;
use crate::loopback::Reply;
use crate::loopback::Request;
use crate::loopback::Verdict;
use crate::oauth;
use crate::oauth::client::Client;
use crate::oauth::code::Attempt;
use crate::oauth::code::Wanted;
use crate::random;
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

/// A cookie that ties the answer to the browser that opened the start page.
struct Cookie {
    /// Random, so that a page of another port, or of another login, doesn't replace the cookie.
    name: String,
    /// What the browser must send back.
    value: Secret,
    /// The value of Set-Cookie.
    field: String,
}

impl Cookie {
    /// Returns a new cookie for this path. `Lax`, since the browser comes back from another site; not `Secure`, since loopback is http.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    fn new(path: &str) -> io::Result<Self> {
        let name = format!("authsome-{}", random::token()?);
        let value = random::token()?;
        let seconds = TIME.as_secs();
        Ok(Self {
            field: format!(
                "{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax"
            ),
            value: Secret::new(value.into_bytes()),
            name,
        })
    }
}

/// The pages, whoever asks for them.
struct Page {
    /// Path of the start page: nobody can guess it.
    start: Secret,
    /// URL of the start page.
    start_url: String,
    /// The authorization URL, until the start page has led there.
    target: Mutex<Option<String>>,
    /// Path that the browser comes back to.
    path: String,
    /// What the answer must bring back.
    state: Secret,
    /// The cookie that must come with it, where nothing but the state protects the code.
    cookie: Option<Cookie>,
    /// The provider, as people call it.
    provider: String,
    /// The command that logs in once more.
    command: String,
    /// Where what was brought goes.
    window: Window<Brought, Told>,
}

/// Sends the person to the server, waits for what they bring back, redeems it, and gives what was stored.
///
/// # Errors
/// Why there is no login.
pub(super) fn log_in(grantor: &Grantor<'_>, client: &Client) -> Result<Record, Trouble> {
    let port = grantor.login.args.oauth.port;
    let failed = |error: io::Error| {
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
    let page = Page::new(grantor, client, &attempt, window).map_err(failed)?;
    let start_url = page.start_url.clone();
    let deadline = Instant::now() + TIME;
    let pages = desk::serve(listener, deadline, move |request| page.answer(request));
    let pages = pages.map_err(failed)?;
    say_where(grantor, &attempt, &start_url);
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

/// Says where the person agrees, and opens the page that leads there.
fn say_where(grantor: &Grantor<'_>, attempt: &Attempt, start_url: &str) {
    let (agree_at, code_goes_to) = attempt.hosts();
    let mut text = match agree_at == code_goes_to {
        true => format!("Agree at {agree_at}"),
        false => format!("Agree at {agree_at}; the code goes to {code_goes_to}"),
    };
    let tokens_go_to = grantor.resource_beside(&agree_at);
    if let Some(resource) = &tokens_go_to {
        text.push_str(&super::who_gets_tokens(resource));
    }
    text.push_str(&format!(
        ". This link leads there once, in a browser on this machine:\n\n  {start_url}\n\nThe login waits for {} minutes.",
        TIME.as_secs() / 60
    ));
    let hosts = Hosts {
        agree_at,
        code_goes_to,
        tokens_go_to,
    };
    announce_login(grantor.login.app, start_url, TIME, &text, &hosts);
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

/// Returns whether a request brings this secret; how long the comparison takes doesn't tell how much of it fits.
fn is_same(brought: &[u8], secret: &Secret) -> bool {
    Secret::new(brought.to_vec()).same_as(secret)
}

impl Page {
    /// Returns the pages of an attempt.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    fn new(
        grantor: &Grantor<'_>,
        client: &Client,
        attempt: &Attempt,
        window: Window<Brought, Told>,
    ) -> io::Result<Self> {
        let start = format!("/login/{}", random::token()?);
        let path = grantor.redirect_path();
        let is_bare = client.secret.is_none() && !grantor.oauth.pkce;
        let cookie = match is_bare {
            true => Some(Cookie::new(&path)?),
            false => None,
        };
        Ok(Self {
            start_url: loopback::url(grantor.login.args.oauth.port, &start),
            start: Secret::new(start.into_bytes()),
            target: Mutex::new(Some(attempt.url.clone())),
            path,
            state: Secret::new(attempt.state.clone().into_bytes()),
            cookie,
            provider: grantor.login.provider.display_name.clone(),
            command: grantor.login.command(),
            window,
        })
    }

    /// Answers a request.
    fn answer(&self, request: &Request) -> Verdict<()> {
        if request.is_post {
            Verdict::Go(frame::not_found())
        } else if request.path == self.path {
            self.come_back(request)
        } else if is_same(request.path.as_bytes(), &self.start) {
            Verdict::Go(self.lead_on(request))
        } else {
            Verdict::Go(frame::not_found())
        }
    }

    /// Leads the browser to the authorization server, once.
    fn lead_on(&self, request: &Request) -> Reply {
        // The cookie has to be one of the host that the redirect URI names.
        if !request.is_by_address {
            return Reply::redirect(self.start_url.clone());
        }
        if !request.is_visit {
            return frame::message(
                403,
                "This page opens in a tab of its own",
                "It leads on once, so it opens neither ahead of time nor within another page.",
            );
        }
        let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        match target.take() {
            Some(url) => Reply {
                cookie: self.cookie.as_ref().map(|cookie| cookie.field.clone()),
                ..Reply::redirect(url)
            },
            None => frame::message(
                410,
                "This link has been used",
                &format!(
                    "It works once. Go on in the tab that it opened. If there is none, or someone else opened it, end the login that \
                     waits (Ctrl-C) and start <code>{}</code> again.",
                    html(&self.command)
                ),
            ),
        }
    }

    /// Takes what the browser comes back with.
    fn come_back(&self, request: &Request) -> Verdict<()> {
        if let Some(refusal) = self.refusal(request) {
            return Verdict::Go(refusal);
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

    /// Returns why an answer isn't heard, if it isn't: only one that brings the state back is, and everything else leaves the login as
    /// it is.
    fn refusal(&self, request: &Request) -> Option<Reply> {
        // RFC 6749 section 3.1: nothing comes twice.
        let is_doubtful = ["code", "error", "iss"]
            .iter()
            .any(|name| request.is_repeated(name));
        let state = request.field("state");
        if is_doubtful || !state.is_some_and(|state| is_same(state, &self.state)) {
            return Some(frame::message(
                400,
                "This is not the expected answer",
                "It belongs to another login, or to none. Go back to the page that was opened last.",
            ));
        }
        let cookie = self.cookie.as_ref()?;
        (!request.has_cookie(&cookie.name, &cookie.value)).then(|| {
            frame::message(
                403,
                "This browser did not start the login",
                &format!(
                    "The answer must come in the browser, the profile and the window that opened the printed link, with cookies of \
                     127.0.0.1 allowed. If it has gone, end the login that waits (Ctrl-C) and start <code>{}</code> again.",
                    html(&self.command)
                ),
            )
        })
    }
}
