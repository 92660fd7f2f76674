//! The page on which a person enters a key, where a program runs `login` and must not see it.

use std::io;
use std::time::Duration;
use std::time::Instant;

use super::Login;
use super::announce;
use super::desk;
use super::desk::Nothing;
use super::desk::Window;
use super::frame;
use super::frame::page;
use super::frame::sentence;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::cli::error::Error;
use crate::cli::settled;
use crate::encoding::html;
use crate::loopback::Reply;
use crate::loopback::Request;
use crate::loopback::Verdict;
use crate::random;
use crate::secret::Secret;

/// How long the page is there.
const TIME: Duration = Duration::from_secs(10 * 60);

/// What a person has sent.
struct Posted {
    /// The key.
    key: Secret,
    /// The URL of the provider's own installation.
    base_url: Option<String>,
    /// The user name.
    username: Option<String>,
}

/// A field of the form.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    /// The URL of the provider's own installation.
    Url,
    /// The user name.
    Username,
    /// The key.
    Key,
}

/// What has come of what was sent.
enum Said {
    /// It is stored.
    Stored,
    /// What this field has is no good, because of this; the person may try again.
    Again(Field, String),
    /// It could not be stored, because of this.
    Failed(String),
}

/// What the page shows, whoever asks for it.
struct Form {
    /// Where it lies: nobody can guess it.
    path: String,
    /// What its form must send back.
    token: String,
    /// The provider, as people call it.
    provider: String,
    /// Where its credential will go.
    routes: Vec<String>,
    /// Where a person gets one.
    docs_url: Option<String>,
    /// How one looks.
    hint: Option<String>,
    /// Whether the URL of an installation is asked for.
    wants_url: bool,
    /// The variable of the user name that is asked for.
    username: Option<String>,
    /// Where what was sent goes.
    window: Window<Posted, Said>,
}

/// Shows the page until a key was entered and stored, and gives the record.
///
/// # Errors
/// When there can be no page, nobody enters anything, the person cancels, or the key can't be stored.
pub(super) fn ask(login: &Login<'_>) -> Result<Record, Error> {
    let failed = |error: io::Error| Error::new("cannot show a page for the key", error);
    let listener = login.listen(0).map_err(failed)?;
    let (window, desk) = desk::open();
    let form = Form::new(login, window).map_err(failed)?;
    let url = listener.url(&form.path);
    let deadline = Instant::now() + TIME;
    let pages = desk::serve(listener, deadline, move |request| form.answer(request));
    let pages = pages.map_err(failed)?;
    announce(
        login.app,
        &url,
        TIME,
        &format!(
            "Enter the key of {} on this page, in a browser on this machine:\n\n  {url}\n\n\
             It is there for {} minutes. Without a browser: --stdin, or --from SOURCE.",
            login.provider.display_name,
            TIME.as_secs() / 60
        ),
    );
    let stored = desk.attend(deadline, pages, |posted| judge(login, posted));
    stored.unwrap_or_else(|nothing| {
        let text = match nothing {
            Nothing::Failed(error) => return Err(failed(error)),
            Nothing::TimedOut => "nobody entered a key in time",
            Nothing::Cancelled => "the person cancelled",
        };
        Err(Error::plain(text).hint("try again, or give the key with --stdin or --from SOURCE"))
    })
}

/// Checks and stores what was sent: what the page is told, and what has come of the login if that is over.
fn judge(login: &Login<'_>, posted: Posted) -> (Said, Option<Result<Record, Error>>) {
    let Posted {
        key,
        base_url,
        username,
    } = posted;
    let url = base_url.as_deref();
    let again = |field| move |error: Error| (Said::Again(field, error.what), None);
    if let Err(error) = login.check_url(url) {
        return again(Field::Url)(error);
    }
    if let Err(error) = login.check_username(url, username.as_deref()) {
        return again(Field::Username)(error);
    }
    let entered = match login.accepted(&key, base_url, username) {
        Ok(entered) => entered,
        Err(error) => return again(Field::Key)(error),
    };
    let stored = login.store(Held::Sealed, Some(entered));
    let said = match &stored {
        Ok(_) => Said::Stored,
        Err(error) => Said::Failed(error.what.clone()),
    };
    (said, Some(stored))
}

impl Form {
    /// The page of a login.
    fn new(login: &Login<'_>, window: Window<Posted, Said>) -> io::Result<Self> {
        let shape = login.definition.key_shape().ok().flatten();
        Ok(Self {
            path: format!("/{}", random::token()?),
            token: random::token()?,
            provider: login.provider.display_name.clone(),
            routes: settled::rules(&login.provider),
            docs_url: login.provider.docs_url.clone(),
            hint: shape.map(|shape| shape.hint()),
            wants_url: login.wanted.base_url,
            username: login.wanted.username.clone(),
            window,
        })
    }

    /// Answers a request.
    fn answer(&self, request: &Request) -> Verdict<()> {
        if request.path != self.path {
            return Verdict::Go(frame::not_found());
        }
        if !request.is_post {
            return Verdict::Go(self.page(200, None, None));
        }
        if request.field("token") != Some(self.token.as_bytes()) {
            let why = "The form was not one of this page. Please enter the key again.";
            return Verdict::Go(self.page(403, Some((Field::Key, why)), None));
        }
        if request.field("action") == Some(b"cancel") {
            return Verdict::End(frame::cancelled(), ());
        }
        match self.send(request) {
            Said::Again(field, why) => {
                Verdict::Go(self.page(422, Some((field, &why)), Some(request)))
            }
            Said::Stored => Verdict::End(
                frame::connected(&self.provider, "The key is stored, sealed."),
                (),
            ),
            Said::Failed(why) => {
                let remedy = "you can close this page, and try again when that is mended";
                let reply = frame::trouble(200, "The key could not be stored", &why, remedy);
                Verdict::End(reply, ())
            }
        }
    }

    /// Hands on what was sent, and waits for what comes of it.
    fn send(&self, request: &Request) -> Said {
        let text = |name| {
            let value = request
                .field(name)
                .map(|value| String::from_utf8_lossy(value).trim().to_owned());
            value.filter(|value| !value.is_empty())
        };
        let key = request.field("key").unwrap_or_default().trim_ascii();
        let posted = Posted {
            key: Secret::new(key.to_vec()),
            base_url: text("url"),
            username: text("username"),
        };
        self.window
            .hand_in(posted)
            .unwrap_or_else(|| Said::Again(Field::Key, "this page has served its purpose".into()))
    }

    /// The form; with what is wrong in which field, and with what was entered but for the key.
    fn page(&self, status: u16, error: Option<(Field, &str)>, entered: Option<&Request>) -> Reply {
        let provider = html(&self.provider);
        let mut content = format!("<h1>Connect {provider}</h1>\n");
        content.push_str(&format!(
            "<p>A program on this machine asks to use your {provider} account. It will not see the key: authsome keeps it sealed, and \
             adds it to requests to {}.</p>\n",
            self.destinations()
        ));
        if let Some((_, why)) = error {
            content.push_str(&format!(
                "<p class=\"error\" role=\"alert\" id=\"error\">{}</p>\n",
                sentence(why)
            ));
        }
        content.push_str(&format!(
            "<form method=\"post\" action=\"{}\" autocomplete=\"off\">\n<input type=\"hidden\" name=\"token\" value=\"{}\">\n",
            self.path, self.token
        ));
        let start = match error {
            Some((field, _)) => field,
            None if self.wants_url => Field::Url,
            None if self.username.is_some() => Field::Username,
            None => Field::Key,
        };
        content.push_str(&self.fields(error.is_some(), start, entered));
        content.push_str(
            "<div class=\"buttons\"><button type=\"submit\" name=\"action\" value=\"store\">Store the key</button>\n\
             <button class=\"other\" type=\"submit\" name=\"action\" value=\"cancel\" formnovalidate>Cancel</button></div>\n\
             </form>",
        );
        let title = match error {
            Some(_) => format!("Error: Connect {}", self.provider),
            None => format!("Connect {}", self.provider),
        };
        page(status, &title, &content)
    }

    /// The fields of the form. The person starts at one: the first, or behind an error the one that is wrong.
    fn fields(&self, is_error: bool, start: Field, entered: Option<&Request>) -> String {
        let provider = html(&self.provider);
        let mut content = String::new();
        let before = |name: &str| {
            let value = entered
                .and_then(|request| request.field(name))
                .unwrap_or_default();
            html(&String::from_utf8_lossy(value))
        };
        let state = |field: Field, hint: &str| {
            let is_wrong = is_error && field == start;
            let described = match (is_wrong, hint) {
                (true, "") => " aria-describedby=\"error\"".to_owned(),
                (true, hint) => format!(" aria-describedby=\"error {hint}\""),
                (false, "") => String::new(),
                (false, hint) => format!(" aria-describedby=\"{hint}\""),
            };
            let invalid = if is_wrong {
                " aria-invalid=\"true\""
            } else {
                ""
            };
            let focus = if field == start { " autofocus" } else { "" };
            format!("{described}{invalid}{focus}")
        };
        if self.wants_url {
            content.push_str(&format!(
                "<label for=\"url\">URL of your {provider}</label>\n\
                 <input id=\"url\" name=\"url\" type=\"url\" required placeholder=\"https://\" value=\"{}\"{}>\n",
                before("url"),
                state(Field::Url, "")
            ));
        }
        if let Some(variable) = &self.username {
            content.push_str(&format!(
                "<label for=\"username\">User name</label>\n\
                 <input id=\"username\" name=\"username\" spellcheck=\"false\" autocapitalize=\"none\" value=\"{}\"{}>\n\
                 <p class=\"soft\" id=\"username-hint\">Programs know it as <code>{}</code>. Leave it empty if you enter USER:KEY \
                 below.</p>\n",
                before("username"),
                state(Field::Username, "username-hint"),
                html(variable)
            ));
        }
        content.push_str(&format!(
            "<label for=\"key\">Key or token</label>\n\
             <input id=\"key\" name=\"key\" type=\"password\" required spellcheck=\"false\" autocapitalize=\"none\" \
             autocomplete=\"off\"{}>\n\
             <p class=\"soft\" id=\"hint\">{}</p>\n",
            state(Field::Key, "hint"),
            self.about_the_key()
        ));
        content
    }

    /// Where the credential will go, in HTML.
    fn destinations(&self) -> String {
        let code = |rule: &String| format!("<code>{}</code>", html(rule));
        match &*self.routes {
            [] => "your own installation".to_owned(),
            [one] => code(one),
            [one, two] => format!("{} and {}", code(one), code(two)),
            [one, rest @ ..] => format!("{} and {} more of its hosts", code(one), rest.len()),
        }
    }

    /// How a key looks, and where to get one, in HTML.
    fn about_the_key(&self) -> String {
        let mut text = String::new();
        if let Some(hint) = &self.hint {
            text.push_str(&format!("A key {}. ", html(hint)));
        }
        if let Some(link) = frame::link(self.docs_url.as_deref()) {
            text.push_str(&format!("You get one at {link}. "));
        }
        text.push_str("It is stored on this machine only.");
        text
    }
}
