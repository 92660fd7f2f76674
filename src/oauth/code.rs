//! The authorization code grant with PKCE, for programs without a server of their own (RFC 8252, RFC 7636).

use ring::digest;

use super::Error;
use super::client::Client;
use super::client::Form;
use super::random_text;
use super::token;
use super::token::Tokens;
use crate::encoding;
use crate::provider::oauth::Oauth;
use crate::secret::Secret;
use crate::upstream::dial::Dialer;
use crate::url::Authority;
use crate::url::Scheme;
use crate::url::Url;

/// One authorization request, and what its answer is held against.
pub(crate) struct Attempt {
    /// Where the person goes to agree.
    pub(crate) url: String,
    /// What the answer must bring back (RFC 6749 section 10.12).
    pub(crate) state: String,
    /// Where the answer comes to.
    redirect_uri: String,
    /// What shows that whoever redeems the code has asked for it (RFC 7636 section 4.1).
    verifier: Option<Secret>,
    /// Who must have answered, where the server promised to say so (RFC 9207).
    issuer: Option<String>,
    /// Whether an answer without an issuer is none.
    must_have_issuer: bool,
    /// Where the person agrees.
    authorization_host: Authority,
    /// Where the code is redeemed.
    token_url: Url,
    /// The resource that tokens are for (RFC 8707).
    resource: Option<String>,
}

/// What an authorization request is about, beside what the definition says.
pub(crate) struct Wanted<'a> {
    /// Where the answer comes to.
    pub(crate) redirect_uri: String,
    /// What is asked for.
    pub(crate) scopes: &'a [String],
    /// The resource that tokens are for (RFC 8707).
    pub(crate) resource: Option<&'a str>,
    /// Whether the server promised to say who it is in its answer.
    pub(crate) must_have_issuer: bool,
}

impl Attempt {
    /// A new request.
    ///
    /// # Errors
    /// When the authorization endpoint isn't known, or there is no randomness.
    pub(crate) fn new(oauth: &Oauth, client: &Client, wanted: Wanted<'_>) -> Result<Self, Error> {
        let endpoint = oauth.endpoints.authorization.as_ref();
        let endpoint = endpoint.ok_or(Error::Missing("the authorization endpoint"))?;
        let token_url = oauth.endpoints.token.clone();
        let token_url = token_url.ok_or(Error::Missing("the token endpoint"))?;
        let state = random_text()?;
        let verifier = match oauth.pkce {
            true => Some(random_text()?),
            false => None,
        };
        let mut query = Form::default();
        query.add("response_type", "code");
        query.add("client_id", &client.id);
        query.add("redirect_uri", &wanted.redirect_uri);
        if !wanted.scopes.is_empty() {
            query.add("scope", wanted.scopes.join(" "));
        }
        query.add("state", &state);
        if let Some(verifier) = &verifier {
            query.add("code_challenge", challenge(verifier));
            query.add("code_challenge_method", "S256");
        }
        if let Some(resource) = wanted.resource {
            query.add("resource", resource);
        }
        for (name, value) in &oauth.authorization_params {
            query.add(name, value);
        }
        Ok(Self {
            url: with_query(endpoint, &query),
            state,
            redirect_uri: wanted.redirect_uri,
            verifier: verifier.map(|verifier| Secret::new(verifier.into_bytes())),
            issuer: oauth.issuer.clone(),
            must_have_issuer: wanted.must_have_issuer,
            authorization_host: endpoint.authority.clone(),
            token_url,
            resource: wanted.resource.map(str::to_owned),
        })
    }

    /// Returns where the person agrees, and where the code goes.
    pub(crate) fn hosts(&self) -> (String, String) {
        let text = |host: &Authority| host.to_header(Scheme::Https);
        (
            text(&self.authorization_host),
            text(&self.token_url.authority),
        )
    }

    /// Checks who has answered (RFC 9207 section 2.4).
    ///
    /// # Errors
    /// `Issuer` when it is another server than was asked.
    pub(crate) fn check_issuer(&self, said: Option<&str>) -> Result<(), Error> {
        match (said, &self.issuer) {
            (Some(said), Some(issuer)) if said != issuer => Err(Error::Issuer),
            (None, Some(_)) if self.must_have_issuer => Err(Error::Issuer),
            _ => Ok(()),
        }
    }

    /// Redeems the code.
    ///
    /// # Errors
    /// Why the server gives no tokens for it.
    pub(crate) fn redeem(
        &self,
        dialer: &Dialer,
        client: &Client,
        code: &Secret,
    ) -> Result<Tokens, Error> {
        let mut form = Form::default();
        form.add("grant_type", "authorization_code");
        form.add_secret("code", code);
        form.add("redirect_uri", &self.redirect_uri);
        if let Some(verifier) = &self.verifier {
            form.add_secret("code_verifier", verifier);
        }
        if let Some(resource) = &self.resource {
            form.add("resource", resource);
        }
        token::request(dialer, &self.token_url, client, form)
    }
}

/// Returns what tells an issuer's redirect path from those of others: 132 bits of its digest.
pub(crate) fn mark_of_issuer(issuer: &str) -> String {
    let digest = digest::digest(&digest::SHA256, issuer.as_bytes());
    let mut mark = encoding::base64url(digest.as_ref());
    mark.truncate(22);
    mark
}

/// The S256 challenge of a verifier (RFC 7636 section 4.2).
fn challenge(verifier: &str) -> String {
    encoding::base64url(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref())
}

/// The URL with more in its query.
fn with_query(url: &Url, query: &Form) -> String {
    let text = url.to_string();
    let join = match text.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{text}{join}{}", query.as_text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::definition::Definition;
    use crate::provider::definition::Outside;
    use crate::provider::oauth::ClientAuth;

    /// What a definition with these fields of `oauth` says.
    fn oauth(fields: &str) -> Oauth {
        let text = format!(
            r#"{{"name": "x", "api_url": "api.x.com", "auth_type": "oauth2", "oauth":
            {{"authorization_url": "https://x.com/a?b=c", "token_url": "https://x.com/t" {fields}}}}}"#
        );
        let definition = Definition::parse("x", text.as_bytes()).unwrap();
        let outside = Outside {
            base_url: None,
            username: None,
            variable: &|_| None,
        };
        let provider = definition.provider(&outside).unwrap();
        Oauth::clone(provider.oauth.as_ref().unwrap())
    }

    /// An attempt with it.
    fn attempt(fields: &str) -> Attempt {
        let client = Client {
            id: "the id".into(),
            secret: None,
            auth: ClientAuth::Body,
        };
        let wanted = Wanted {
            redirect_uri: "http://127.0.0.1:7999/callback".into(),
            scopes: &["one".into(), "two".into()],
            resource: None,
            must_have_issuer: false,
        };
        Attempt::new(&oauth(fields), &client, wanted).unwrap()
    }

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        // RFC 7636 appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn the_url_has_what_the_server_needs() {
        let attempt = attempt(r#", "authorization_params": {"prompt": "consent"}"#);
        let start = "https://x.com/a?b=c&response_type=code&client_id=the%20id&\
            redirect_uri=http%3A%2F%2F127.0.0.1%3A7999%2Fcallback&scope=one%20two&state=";
        assert!(attempt.url.starts_with(start), "{}", attempt.url);
        let end = "&code_challenge_method=S256&prompt=consent";
        assert!(attempt.url.ends_with(end), "{}", attempt.url);
        assert_eq!(attempt.state.len(), 43);
        assert!(attempt.verifier.is_some());
    }

    #[test]
    fn two_attempts_share_nothing() {
        let (one, two) = (attempt(""), attempt(""));
        assert_ne!(one.state, two.state);
        assert!(!one.verifier.unwrap().same_as(&two.verifier.unwrap()));
    }

    #[test]
    fn pkce_is_left_out_only_where_the_definition_says_so() {
        let attempt = attempt(r#", "pkce": false"#);
        assert!(attempt.verifier.is_none() && !attempt.url.contains("code_challenge"));
    }

    #[test]
    fn an_answer_of_another_server_is_refused() {
        let mut attempt = attempt(r#", "issuer": "https://x.com""#);
        assert!(attempt.check_issuer(Some("https://x.com")).is_ok());
        assert!(attempt.check_issuer(None).is_ok());
        assert!(attempt.check_issuer(Some("https://x.com/")).is_err());
        attempt.must_have_issuer = true;
        assert!(attempt.check_issuer(None).is_err());
    }
}
