//! The client that a login is asked for with: the person has registered it with the service, and enters it once.

use std::io;
use std::time::Duration;
use std::time::Instant;

use super::announce;
use super::desk;
use super::desk::Nothing;
use super::desk::Window;
use super::frame;
use super::grantor::Grantor;
use super::grantor::Trouble;
use crate::cli::connect;
use crate::cli::error::Error;
use crate::cli::output;
use crate::cli::programs;
use crate::cli::prompt;
use crate::credential::Credential;
use crate::encoding::html;
use crate::loopback::Reply;
use crate::loopback::Request;
use crate::loopback::Verdict;
use crate::oauth::client::Client;
use crate::random;
use crate::secret::Secret;
use crate::source::Source;

/// How long the page is there.
const TIME: Duration = Duration::from_secs(10 * 60);

/// The client: that of the command line, the one that is kept, the one that anyone may use, or the one that the person enters now. It
/// is kept when the login has gone well.
///
/// # Errors
/// When there is none.
pub(super) fn find(grantor: &Grantor<'_>, new_client: bool) -> Result<Client, Trouble> {
    let login = grantor.login;
    if let Some(id) = &login.args.oauth.client_id {
        return Ok(of_command_line(grantor, id)?);
    }
    if !new_client {
        if let Some(kept) = grantor.kept(false)? {
            return Ok(kept.client);
        }
        if let Some(id) = &grantor.oauth.client_id {
            return Ok(client(grantor, id.clone(), None));
        }
    }
    let entered = if login.args.browser || !prompt::is_interactive() {
        by_page(grantor)?
    } else {
        at_terminal(grantor)?
    };
    Ok(entered)
}

/// A client that shows its secret as the definition says.
fn client(grantor: &Grantor<'_>, id: String, secret: Option<Secret>) -> Client {
    Client {
        id,
        secret,
        auth: grantor.oauth.client_auth,
    }
}

/// The client of `--client-id` and `--client-secret-from`.
fn of_command_line(grantor: &Grantor<'_>, id: &str) -> Result<Client, Error> {
    let login = grantor.login;
    let secret = match &login.args.oauth.client_secret {
        None => kept_secret(grantor, id)?,
        Some(spec) => {
            let surroundings =
                programs::surroundings(&login.app.parent, &login.app.registry, &[spec]);
            let (variables, commands) = (&surroundings.variables, &surroundings.commands);
            let secret = Source::open(spec, variables, commands, connect::TTL)
                .and_then(|source| source.current())
                .map_err(|error| {
                    Error::new("no secret for the client", error)
                        .hint("check the source that --client-secret-from names")
                })?;
            Some(secret.to_secret())
        }
    };
    Ok(client(grantor, id.to_owned(), secret))
}

/// The secret that is kept for this id, if there is one.
fn kept_secret(grantor: &Grantor<'_>, id: &str) -> Result<Option<Secret>, Error> {
    let same = grantor.kept(false)?.filter(|kept| kept.client.id == id);
    Ok(same.and_then(|kept| kept.client.secret))
}

/// Asks at the terminal.
fn at_terminal(grantor: &Grantor<'_>) -> Result<Client, Error> {
    let provider = &grantor.login.provider;
    let place = provider.docs_url.as_deref().unwrap_or("the service");
    output::note(
        grantor.login.app.verbosity,
        &format!(
            "{} needs a client of your own. Register one at {place}, for the redirect URI\n\n  {}\n\n\
             A token that you have will do, too: `authsome login {} --flow api_key`.",
            provider.display_name,
            grantor.redirect_uri(),
            provider.name
        ),
    );
    let id = prompt::line("Client id: ")?;
    let secret = prompt::hidden("Client secret, or nothing if it has none: ")?;
    checked(grantor, &id, &secret).map_err(Error::plain)
}

/// A client of what was entered.
fn checked(grantor: &Grantor<'_>, id: &str, secret: &Secret) -> Result<Client, String> {
    if id.is_empty() || !id.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        return Err("this is no client id: it is empty, or has letters that none has".into());
    }
    let secret = match secret.is_empty() {
        true => None,
        false => {
            let good = Credential::of(secret);
            let good = good.map_err(|why| format!("this is no client secret: {why}"))?;
            Some(good.to_secret())
        }
    };
    Ok(client(grantor, id.to_owned(), secret))
}

/// What was sent from the page.
struct Posted {
    /// The id.
    id: String,
    /// The secret.
    secret: Secret,
}

/// The page that asks for a client.
struct Page {
    /// Where it lies: nobody can guess it.
    path: String,
    /// What its form must send back.
    token: String,
    /// The provider, as people call it.
    provider: String,
    /// Where a person registers a client.
    docs_url: Option<String>,
    /// What the client must be registered for.
    redirect_uri: String,
    /// Where what was sent goes.
    window: Window<Posted, Option<String>>,
}

/// Asks on a page.
fn by_page(grantor: &Grantor<'_>) -> Result<Client, Error> {
    let failed = |error: io::Error| Error::new("cannot show a page for the client", error);
    let listener = grantor.login.listen(0).map_err(failed)?;
    let (window, desk) = desk::open();
    let page = Page {
        path: format!("/{}", random::token().map_err(failed)?),
        token: random::token().map_err(failed)?,
        provider: grantor.login.provider.display_name.clone(),
        docs_url: grantor.login.provider.docs_url.clone(),
        redirect_uri: grantor.redirect_uri(),
        window,
    };
    let url = listener.url(&page.path);
    let deadline = Instant::now() + TIME;
    let pages = desk::serve(listener, deadline, move |request| page.answer(request));
    let pages = pages.map_err(failed)?;
    announce(
        grantor.login.app,
        &url,
        TIME,
        &format!(
            "{} needs a client of your own. Enter it on this page, in a browser on this machine:\n\n  {url}\n\n\
             Without a browser: --client-id, --client-secret-from; or a token that you have, by --stdin or --from SOURCE.",
            grantor.login.provider.display_name
        ),
    );
    let entered = desk.attend(deadline, pages, |posted: Posted| {
        match checked(grantor, &posted.id, &posted.secret) {
            Ok(client) => (None, Some(client)),
            Err(why) => (Some(why), None),
        }
    });
    entered.map_err(|nothing| {
        let text = match nothing {
            Nothing::Failed(error) => return failed(error),
            Nothing::TimedOut => "nobody entered a client in time",
            Nothing::Cancelled => "the person cancelled",
        };
        Error::plain(text).hint("try again, or give it with --client-id and --client-secret-from")
    })
}

impl Page {
    /// Answers a request.
    fn answer(&self, request: &Request) -> Verdict<()> {
        if request.path != self.path {
            return Verdict::Go(frame::not_found());
        }
        if !request.is_post {
            return Verdict::Go(self.form(200, None, ""));
        }
        if request.field("token") != Some(self.token.as_bytes()) {
            let why = "the form was not one of this page; please enter the client again";
            return Verdict::Go(self.form(403, Some(why), ""));
        }
        if request.field("action") == Some(b"cancel") {
            return Verdict::End(frame::cancelled(), ());
        }
        let value = |name| request.field(name).unwrap_or_default().trim_ascii();
        let id = String::from_utf8_lossy(value("id")).into_owned();
        let posted = Posted {
            id: id.clone(),
            secret: Secret::new(value("secret").to_vec()),
        };
        match self.window.hand_in(posted) {
            Some(None) => Verdict::End(
                frame::message(
                    200,
                    "The client is taken",
                    "It goes on at the service: the program that asked for it has the address, or a new page has opened.",
                ),
                (),
            ),
            Some(Some(why)) => Verdict::Go(self.form(422, Some(&why), &id)),
            None => Verdict::Go(self.form(409, Some("this page has served its purpose"), "")),
        }
    }

    /// The form; with what is wrong, and with the id that was entered.
    fn form(&self, status: u16, error: Option<&str>, id: &str) -> Reply {
        let provider = html(&self.provider);
        let place = frame::link(self.docs_url.as_deref());
        let place = place.unwrap_or_else(|| "the service".to_owned());
        let alert = error.map(|why| {
            let why = frame::sentence(why);
            format!("<p class=\"error\" role=\"alert\" id=\"error\">{why}</p>\n")
        });
        let state = match error {
            Some(_) => " aria-invalid=\"true\" aria-describedby=\"error\"",
            None => "",
        };
        let content = format!(
            "<h1>A client for {provider}</h1>\n\
             <p>{provider} wants to know which program asks. Register one of your own at {place}, for the redirect URI \
             <code>{}</code>, and enter what it is given.</p>\n{}\
             <form method=\"post\" action=\"{}\" autocomplete=\"off\">\n\
             <input type=\"hidden\" name=\"token\" value=\"{}\">\n\
             <label for=\"id\">Client id</label>\n\
             <input id=\"id\" name=\"id\" required autofocus spellcheck=\"false\" autocapitalize=\"none\" value=\"{}\"{state}>\n\
             <label for=\"secret\">Client secret</label>\n\
             <input id=\"secret\" name=\"secret\" type=\"password\" spellcheck=\"false\" autocapitalize=\"none\" autocomplete=\"off\" \
             aria-describedby=\"hint\">\n\
             <p class=\"soft\" id=\"hint\">Leave it empty if the client has none. It is stored on this machine only, sealed.</p>\n\
             <div class=\"buttons\"><button type=\"submit\" name=\"action\" value=\"store\">Go on</button>\n\
             <button class=\"other\" type=\"submit\" name=\"action\" value=\"cancel\" formnovalidate>Cancel</button></div>\n\
             </form>",
            html(&self.redirect_uri),
            alert.unwrap_or_default(),
            self.path,
            self.token,
            html(id)
        );
        let title = match error {
            Some(_) => format!("Error: A client for {}", self.provider),
            None => format!("A client for {}", self.provider),
        };
        frame::page(status, &title, &content)
    }
}
