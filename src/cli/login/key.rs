//! Taking in a key or a token that the person has, and checking it.

use std::io::IsTerminal;
use std::io::Read;

use super::Entered;
use super::Login;
use crate::cli::error::Error;
use crate::cli::key_check;
use crate::cli::key_check::Finding;
use crate::cli::output;
use crate::cli::programs;
use crate::cli::prompt;
use crate::credential::Credential;
use crate::encoding;
use crate::program::MAX_OUTPUT;
use crate::provider::definition::Outside;
use crate::proxy::mask;
use crate::secret::Secret;
use crate::source::Source;
use crate::source::Spec;

impl Login<'_> {
    /// Checks what a source gives now.
    pub(super) fn check_source(&self, spec: &Spec) -> Result<(), Error> {
        if self.wanted.base_url {
            return Err(self.base_url_missing());
        }
        let surroundings = programs::surroundings(&self.app.parent, &self.app.registry, &[spec]);
        let (variables, commands) = (&surroundings.variables, &surroundings.commands);
        let current = Source::open(spec, variables, commands, self.args.ttl)
            .and_then(|source| source.current());
        match current {
            Ok(credential) => self.check(&credential),
            Err(error) if self.args.force => {
                let text = format!("the source gives nothing now: {error}");
                self.app.notices.warn(text);
                Ok(())
            }
            Err(error) => Err(Error::new("the source gives no credential", error)
                .hint("check it; --force stores it all the same")),
        }
    }

    /// Reads it from standard input.
    pub(super) fn read_stdin(&self) -> Result<Entered, Error> {
        if self.wanted.base_url {
            return Err(self.base_url_missing());
        }
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Err(Error::plain("--stdin would show what is typed")
                .hint("leave it out to be asked, or pipe the credential in"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(MAX_OUTPUT).unwrap_or(0));
        stdin
            .lock()
            .take(MAX_OUTPUT)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::new("cannot read standard input", error))?;
        self.accepted(&Secret::new(bytes), None, None)
    }

    /// Asks at the terminal.
    pub(super) fn ask_at_terminal(&self) -> Result<Entered, Error> {
        let name = &self.provider.display_name;
        let base_url = match self.wanted.base_url {
            true => Some(prompt::line(&format!("URL of your {name}: "))?),
            false => None,
        };
        self.check_url(base_url.as_deref())?;
        let username = match &self.wanted.username {
            Some(variable) => {
                let variable = encoding::visible(variable);
                let question =
                    format!("User name ({variable}), or nothing if the key is USER:KEY: ");
                Some(prompt::line(&question)?).filter(|name| !name.is_empty())
            }
            None => None,
        };
        if let Some(url) = &self.provider.docs_url {
            output::note(self.app.verbosity, &format!("Get a key or token at {url}"));
        }
        let key = prompt::hidden(&format!("{name} key: "))?;
        self.accepted(&key, base_url, username)
    }

    /// What was entered, once it is checked.
    pub(super) fn accepted(
        &self,
        key: &Secret,
        base_url: Option<String>,
        username: Option<String>,
    ) -> Result<Entered, Error> {
        self.check_url(base_url.as_deref())?;
        self.check_username(base_url.as_deref(), username.as_deref())?;
        let credential = Credential::of(key).map_err(|why| {
            Error::new("this is no credential", why)
                .hint("give the key or token alone, in one line")
        })?;
        self.check(&credential)?;
        Ok(Entered {
            credential,
            base_url,
            username,
        })
    }

    /// Checks that the definition can use the URL that was entered, and has one if it needs one.
    pub(super) fn check_url(&self, base_url: Option<&str>) -> Result<(), Error> {
        if !self.wanted.base_url {
            return Ok(());
        }
        let base_url = base_url.filter(|url| !url.is_empty());
        let base_url = base_url.ok_or_else(|| self.base_url_missing())?;
        let outside = Outside {
            base_url: Some(base_url),
            username: None,
            variable: &|variable| self.app.parent.text(variable).map(str::to_owned),
        };
        // In words about the URL: the definition is not what the person can change.
        let provider = self.definition.provider(&outside).map_err(|invalid| {
            Error::new("this URL can't be used", invalid.why).hint(invalid.remedy)
        })?;
        match provider.missing_base_url {
            Some(_) => Err(self.base_url_missing()),
            None => Ok(()),
        }
    }

    /// The same of the user name, beside a URL that is good.
    pub(super) fn check_username(
        &self,
        base_url: Option<&str>,
        username: Option<&str>,
    ) -> Result<(), Error> {
        let base_url = self.args.base_url.as_deref().or(base_url);
        let username = self.args.username.as_deref().or(username);
        let provider = self.app.provider_with(self.definition, base_url, username);
        provider.map(|_| ())
    }

    /// Warns where the credential, or its password, is too common to be masked in answers.
    fn warn_if_readable(&self, credential: &Credential) {
        let rules = self.provider.rules.iter();
        let mut placements = rules.map(|rule| &rule.placement);
        let readable = placements.find_map(|placement| mask::left_readable(credential, placement));
        let readable = readable.or_else(|| credential.common());
        if let Some(why) = readable {
            self.app.notices.warn(format!(
                "this credential is {why}: it is not masked in answers that repeat it"
            ));
        }
    }

    /// Checks that the credential looks like one of this provider's.
    fn check(&self, credential: &Credential) -> Result<(), Error> {
        match key_check::look(&self.app.registry, self.definition, credential) {
            Finding::Good => {}
            Finding::Doubtful(text) => self.app.notices.warn(text),
            Finding::Wrong(text) if self.args.force => self.app.notices.warn(text),
            Finding::Wrong(text) => {
                return Err(
                    Error::plain(text).hint("check what you copied; --force takes it all the same")
                );
            }
        }
        self.warn_if_readable(credential);
        Ok(())
    }
}
