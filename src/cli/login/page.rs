//! The page on which a person enters a key, where a program runs `login` and must not see it.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use ring::digest;

use super::Login;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::cli::error::Error;
use crate::cli::output;
use crate::cli::view;
use crate::encoding;
use crate::encoding::html;
use crate::loopback::Listener;
use crate::loopback::Outcome;
use crate::loopback::Reply;
use crate::loopback::Request;
use crate::loopback::Verdict;
use crate::program;
use crate::random;
use crate::secret::Secret;

/// The frame of every page.
const FRAME: &str = include_str!("page.html");

/// The one style sheet.
const STYLE: &str = include_str!("page.css");

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
    /// Where the page waits to be told what has come of it.
    answer: mpsc::Sender<Said>,
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

/// How the page ended.
enum End {
    /// A key was stored, or could not be.
    Done,
    /// The person doesn't want to.
    Cancelled,
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
    posted: Mutex<mpsc::Sender<Posted>>,
}

/// Shows the page until a key was entered and stored, and gives the record.
///
/// # Errors
/// When there can be no page, nobody enters anything, the person cancels, or the key can't be stored.
pub(super) fn ask(login: &Login<'_>) -> Result<Record, Error> {
    let failed = |error: io::Error| Error::new("cannot show a page for the key", error);
    let listener = Listener::bind(0).map_err(failed)?;
    let (sender, receiver) = mpsc::channel();
    let form = Form::new(login, sender).map_err(failed)?;
    let url = listener.url(&form.path);
    let deadline = Instant::now() + TIME;
    let serve = move || {
        let outcome = listener.serve(deadline, move |request| form.answer(request));
        matches!(outcome, Ok(Outcome::Answer(End::Cancelled)))
    };
    let serving = thread::Builder::new()
        .name("pages".into())
        .spawn(serve)
        .map_err(failed)?;
    announce(login, &url);
    let stored = store_what_comes(login, &receiver, deadline, &serving);
    // The last page is out when this ends.
    let is_cancelled = serving.join().unwrap_or(false);
    stored.unwrap_or_else(|| {
        let text = if is_cancelled {
            "the person cancelled"
        } else {
            "nobody entered a key in time"
        };
        Err(Error::plain(text).hint("try again, or give the key with --stdin or --from SOURCE"))
    })
}

/// Checks and stores what is sent, until something was stored; nothing where the page ends before.
fn store_what_comes(
    login: &Login<'_>,
    receiver: &mpsc::Receiver<Posted>,
    deadline: Instant,
    serving: &JoinHandle<bool>,
) -> Option<Result<Record, Error>> {
    while !serving.is_finished() && Instant::now() < deadline {
        let Ok(posted) = receiver.recv_timeout(Duration::from_millis(100)) else {
            continue;
        };
        let Posted {
            key,
            base_url,
            username,
            answer,
        } = posted;
        // A page that has gone away is told in vain.
        let tell = |said| drop(answer.send(said));
        let url = base_url.as_deref();
        if let Err(error) = login.check_url(url) {
            tell(Said::Again(Field::Url, error.what));
            continue;
        }
        if let Err(error) = login.check_username(url, username.as_deref()) {
            tell(Said::Again(Field::Username, error.what));
            continue;
        }
        match login.accepted(&key, base_url, username) {
            Err(error) => tell(Said::Again(Field::Key, error.what)),
            Ok(entered) => {
                let stored = login.store(Held::Sealed, Some(entered));
                tell(match &stored {
                    Ok(_) => Said::Stored,
                    Err(error) => Said::Failed(error.what.clone()),
                });
                return Some(stored);
            }
        }
    }
    None
}

/// Says where the page is, and opens it.
fn announce(login: &Login<'_>, url: &str) {
    let verbosity = login.app.verbosity;
    if verbosity.json {
        let event = serde_json::json!({"version": 1, "open": url, "seconds": TIME.as_secs()});
        output::always(&event.to_string());
    } else {
        output::always(&format!(
            "Enter the key of {} on this page, in a browser on this machine:\n\n  {url}\n\n\
             It is there for {} minutes. Without a browser: --stdin, or --from SOURCE.",
            login.provider.display_name,
            TIME.as_secs() / 60
        ));
    }
    if let Some(opener) = super::opener(login.app) {
        // The URL has been said: a browser that can't be started is no end.
        let _ = program::start_detached(&opener, url, &login.app.parent);
    }
}

impl Form {
    /// The page of a login.
    fn new(login: &Login<'_>, posted: mpsc::Sender<Posted>) -> io::Result<Self> {
        let shape = login.definition.key_shape().ok().flatten();
        Ok(Self {
            path: format!("/{}", random::token()?),
            token: random::token()?,
            provider: login.provider.display_name.clone(),
            routes: view::rules(&login.provider),
            docs_url: login.provider.docs_url.clone(),
            hint: shape.map(|shape| shape.hint()),
            wants_url: login.wanted.base_url,
            username: login.wanted.username.clone(),
            posted: Mutex::new(posted),
        })
    }

    /// Answers a request.
    fn answer(&self, request: &Request) -> Verdict<End> {
        if request.path != self.path {
            let content =
                "<h1>There is no such page</h1><p>Use the whole address that was printed.</p>";
            return Verdict::Go(page(404, "No such page", content));
        }
        if !request.is_post {
            return Verdict::Go(self.page(200, None, None));
        }
        if request.field("token") != Some(self.token.as_bytes()) {
            let why = "The form was not one of this page. Please enter the key again.";
            return Verdict::Go(self.page(403, Some((Field::Key, why)), None));
        }
        if request.field("action") == Some(b"cancel") {
            let content = "<h1>Cancelled</h1><p>Nothing was stored. You can close this page.</p>";
            return Verdict::End(page(200, "Cancelled", content), End::Cancelled);
        }
        match self.send(request) {
            Said::Again(field, why) => {
                Verdict::Go(self.page(422, Some((field, &why)), Some(request)))
            }
            Said::Stored => Verdict::End(self.stored(), End::Done),
            Said::Failed(why) => {
                let content = format!(
                    "<h1>The key could not be stored</h1><p class=\"error\" role=\"alert\">{}</p>\
                     <p>You can close this page, and try again when that is mended.</p>",
                    sentence(&why)
                );
                Verdict::End(page(200, "Not stored", &content), End::Done)
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
        let (answer, said) = mpsc::channel();
        let posted = Posted {
            key: Secret::new(key.to_vec()),
            base_url: text("url"),
            username: text("username"),
            answer,
        };
        let sender = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = sender.send(posted);
        drop(sender);
        let said = sent.ok().and_then(|()| said.recv().ok());
        said.unwrap_or_else(|| Said::Again(Field::Key, "This page has served its purpose.".into()))
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
        let is_web = |url: &&String| url.starts_with("https://");
        if let Some(url) = self.docs_url.as_ref().filter(is_web) {
            let url = html(url);
            text.push_str(&format!(
                "You get one at <a href=\"{url}\" target=\"_blank\" rel=\"noopener noreferrer\">{url}</a>. "
            ));
        }
        text.push_str("It is stored on this machine only.");
        text
    }

    /// The last page.
    fn stored(&self) -> Reply {
        let provider = html(&self.provider);
        let content = format!(
            "<h1 class=\"good\">{provider} is connected</h1>\n<p role=\"status\">The key is stored, sealed. You can close this page.</p>"
        );
        page(200, &format!("{} is connected", self.provider), &content)
    }
}

/// An error's words as a sentence, in HTML; what they have in backquotes is code.
fn sentence(words: &str) -> String {
    // A name that is no word stays as it is.
    let first_word = words.split(' ').next().unwrap_or_default();
    let text = if first_word.chars().all(char::is_alphabetic) {
        let mut letters = words.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        html(&(first.unwrap_or_default() + letters.as_str()))
    } else {
        html(words)
    };
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('`').peekable();
    let mut is_code = false;
    while let Some(part) = parts.next() {
        // One without a partner stands for itself.
        match (is_code, parts.peek().is_some()) {
            (true, true) => out.push_str(&format!("<code>{part}</code>")),
            (true, false) => out.push_str(&format!("`{part}")),
            (false, _) => out.push_str(part),
        }
        is_code = !is_code;
    }
    if !out.ends_with('.') {
        out.push('.');
    }
    out
}

/// A whole page.
fn page(status: u16, title: &str, content: &str) -> Reply {
    let style = STYLE.trim_end();
    let digest = digest::digest(&digest::SHA256, style.as_bytes());
    let digest = encoding::base64(digest.as_ref());
    // The content last, so that nothing in it is taken for a gap.
    let page = FRAME
        .replace("{{style}}", style)
        .replace("{{title}}", &html(title))
        .replace("{{content}}", content);
    Reply {
        status,
        page,
        style: format!("sha256-{}", String::from_utf8_lossy(&digest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_shown_as_a_sentence() {
        for (words, shown) in [
            ("it is empty", "It is empty."),
            ("`a<b` is none.", "<code>a&lt;b</code> is none."),
            ("see `a` and `b`", "See <code>a</code> and <code>b</code>."),
            ("a ` alone", "A ` alone."),
            ("", "."),
        ] {
            assert_eq!(sentence(words), shown);
        }
    }
}
