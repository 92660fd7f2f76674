//! A definition's fields, and the one way from them to a [`Provider`].

use std::sync::Arc;

use serde_json::Map;
use serde_json::Value;

use super::BasicUser;
use super::Export;
use super::Inject;
use super::Name;
use super::PLACEHOLDER;
use super::Placement;
use super::Provider;
use super::Rule;
use super::Unclaimed;
use super::exports;
use super::host_rule::HostRule;
use super::key_shape::KeyShape;
use super::known;
use super::oauth;
use super::oauth::Oauth;
use super::policy::Policy;
use super::reader::Invalid;
use super::reader::Reader;
use super::reader::filled;
use super::reader::is_field_value;
use super::reader::is_settable_field;
use crate::encoding;
use crate::url::Url;

/// The URLs of `oauth` whose requests must pass unchanged.
const ENDPOINTS: [&str; 5] = [
    "authorization_url",
    "token_url",
    "revocation_url",
    "device_authorization_url",
    "registration_endpoint",
];

/// A definition's text made into fields: what can be said of it without knowing the environment.
pub(crate) struct Definition {
    /// Where it came from.
    pub(crate) file: String,
    /// Its fields.
    fields: Map<String, Value>,
    /// Fields that no version known here has.
    pub(crate) unknown: Vec<String>,
}

/// Values that a definition takes from outside.
pub(crate) struct Outside<'a> {
    /// The base URL that the person chose for this provider.
    pub(crate) base_url: Option<&'a str>,
    /// The user name that the person chose, where the definition takes it from outside.
    pub(crate) username: Option<&'a str>,
    /// The parent's environment.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Definition {
    /// Reads the JSON.
    ///
    /// # Errors
    /// When it isn't an object, or of a schema version that isn't 1.
    pub(crate) fn parse(file: &str, text: &[u8]) -> Result<Self, Invalid> {
        let invalid = |field: &str, why: String, remedy: &str| Invalid {
            file: file.to_owned(),
            field: field.to_owned(),
            why,
            remedy: remedy.to_owned(),
        };
        let value: Value = serde_json::from_slice(text)
            .map_err(|error| invalid("", format!("not valid JSON: {error}"), "mend the file"))?;
        let Value::Object(fields) = value else {
            return Err(invalid(
                "",
                "not a JSON object".into(),
                "put the fields into { }",
            ));
        };
        match fields.get("schema_version").map(Value::as_u64) {
            None | Some(Some(1)) => {}
            Some(_) => {
                let why = "a version other than 1".to_owned();
                return Err(invalid(
                    "schema_version",
                    why,
                    "use schema_version 1, or a newer authsome",
                ));
            }
        }
        Ok(Self {
            file: file.to_owned(),
            unknown: known::unknown(&fields),
            fields,
        })
    }

    /// The provider's name.
    ///
    /// # Errors
    /// When it is missing or no name.
    pub(crate) fn name(&self) -> Result<Name, Invalid> {
        let name = self.top().needed("name")?;
        Name::parse(name).ok_or_else(|| {
            self.top().invalid(
                "name",
                "not a provider name",
                "use a-z, 0-9, dot, dash and underscore, at most 64 of them",
            )
        })
    }

    /// The provider, with the base URL and the user names that come from outside.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub(crate) fn provider(&self, outside: &Outside<'_>) -> Result<Provider, Invalid> {
        let top = self.top();
        let oauth = top.object("oauth")?;
        let is_oauth = self.is_oauth(&oauth)?;
        let base_url = self.base_url(&oauth, outside)?;
        let placement = self.placement(is_oauth, outside)?;
        let rules = self.rules(&placement, base_url.as_deref())?;
        let missing = match &rules {
            Some(_) => None,
            None => Some(top.text("base_url_env")?.unwrap_or_default().to_owned()),
        };
        let rules_of_it = rules.unwrap_or_default();
        let oauth_of_it = match is_oauth {
            true => Some(Arc::new(self.oauth(
                &oauth,
                base_url.as_deref(),
                &rules_of_it,
            )?)),
            false => None,
        };
        Ok(Provider {
            name: self.name()?,
            display_name: encoding::visible(
                top.text("display_name")?.unwrap_or(top.needed("name")?),
            ),
            docs_url: top.text("docs_url")?.map(encoding::visible),
            rules: rules_of_it,
            unclaimed: self.unclaimed()?,
            policy: Policy::read(&top)?,
            missing_base_url: missing,
            exports: self.exports()?,
            placeholder: self.placeholder()?,
            inject: self.inject()?,
            extra_headers: self.extra_headers()?,
            oauth_endpoints: self.endpoints(&oauth, base_url.as_deref())?,
            oauth: oauth_of_it,
        })
    }

    /// The base URL that comes from outside, as it was given: the person's choice, else the environment's.
    ///
    /// # Errors
    /// When the field is of another type.
    pub(crate) fn base_url_given(&self, outside: &Outside<'_>) -> Result<Option<String>, Invalid> {
        let chosen = outside.base_url.map(str::to_owned);
        let variable = self.top().text("base_url_env")?;
        Ok(chosen.or_else(|| variable.and_then(|name| (outside.variable)(name))))
    }

    /// The user name that comes from outside, where the definition takes one from there.
    ///
    /// # Errors
    /// When the field is of another type.
    pub(crate) fn username_given(&self, outside: &Outside<'_>) -> Result<Option<String>, Invalid> {
        let Some(variable) = self.username_variable()? else {
            return Ok(None);
        };
        let chosen = outside.username.map(str::to_owned);
        Ok(chosen.or_else(|| (outside.variable)(variable)))
    }

    /// How people call the provider.
    pub(crate) fn display_name(&self) -> String {
        let given = self.top().text("display_name").ok().flatten();
        let name = given.or_else(|| self.top().text("name").ok().flatten());
        encoding::visible(name.unwrap_or_default())
    }

    /// How the provider's keys look, where that is known.
    ///
    /// # Errors
    /// When the pattern is none.
    pub(crate) fn key_shape(&self) -> Result<Option<KeyShape>, Invalid> {
        let fields = self.api_key()?;
        let Some(pattern) = fields.text("key_pattern")? else {
            return Ok(None);
        };
        let hint = fields.text("key_pattern_hint")?.map(encoding::visible);
        let shape = KeyShape::new(pattern, hint);
        shape.map(Some).map_err(|why| {
            let remedy = "give a regular expression, or leave it out";
            fields.invalid("key_pattern", format!("not a pattern: {why}"), remedy)
        })
    }

    /// Whether the provider logs in by OAuth.
    ///
    /// # Errors
    /// When the definition says neither.
    pub(crate) fn logs_in_by_oauth(&self) -> Result<bool, Invalid> {
        self.is_oauth(&self.top().object("oauth")?)
    }

    /// The variable that the user name in basic authentication is taken from.
    ///
    /// # Errors
    /// When the field is of another type.
    pub(crate) fn username_variable(&self) -> Result<Option<&str>, Invalid> {
        self.api_key()?.text("username_env")
    }

    /// The definition's JSON, as it was written.
    pub(crate) fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The fields at the top.
    fn top(&self) -> Reader<'_> {
        Reader {
            file: &self.file,
            prefix: String::new(),
            fields: Some(&self.fields),
        }
    }

    /// `api_key` if it is there, else the top, where older files have its fields.
    fn api_key(&self) -> Result<Reader<'_>, Invalid> {
        let inner = self.top().object("api_key")?;
        Ok(if inner.fields.is_some() {
            inner
        } else {
            self.top()
        })
    }

    /// Whether the credential is an OAuth token.
    fn is_oauth(&self, oauth: &Reader<'_>) -> Result<bool, Invalid> {
        let top = self.top();
        let is_oauth = match top.text("auth_type")? {
            Some("oauth2") => true,
            Some("api_key") => false,
            None => oauth.fields.is_some(),
            Some(_) => {
                return Err(top.invalid(
                    "auth_type",
                    "neither oauth2 nor api_key",
                    "use one of them",
                ));
            }
        };
        match top.text("flow")? {
            None | Some("pkce" | "device_code" | "dcr_pkce" | "api_key") => {}
            Some(_) => {
                let remedy = "use pkce, device_code, dcr_pkce or api_key";
                return Err(top.invalid("flow", "not a flow known here", remedy));
            }
        }
        Ok(is_oauth)
    }

    /// What stands for `{base_url}`: the person's choice, the environment's, the definition's own.
    fn base_url(
        &self,
        oauth: &Reader<'_>,
        outside: &Outside<'_>,
    ) -> Result<Option<String>, Invalid> {
        let top = self.top();
        let chosen = self.base_url_given(outside)?;
        let own = top.text("base_url")?.or(oauth.text("base_url")?);
        let Some(base) = chosen.or_else(|| own.map(str::to_owned)) else {
            return Ok(None);
        };
        let full = if base.contains("://") {
            base
        } else {
            format!("https://{base}")
        };
        let full = full.trim_end_matches('/').to_owned();
        match Url::parse(full.as_bytes()) {
            Ok(url) if !url.target.contains('?') => Ok(Some(full)),
            Ok(_) => Err(top.invalid("base_url", "a URL with a query", "give it without one")),
            Err(error) => Err(top.invalid("base_url", error, "give a URL like https://host/path")),
        }
    }

    /// How the provider's hosts take the credential, unless an entry of `api_url` says otherwise.
    fn placement(&self, is_oauth: bool, outside: &Outside<'_>) -> Result<Placement, Invalid> {
        if is_oauth {
            return Ok(Placement::Header {
                name: "Authorization".into(),
                prefix: Some("Bearer".into()),
            });
        }
        let api_key = self.api_key()?;
        placement(&api_key, self.username_given(outside)?)
    }

    /// The entries of `api_url`; `None` when one needs a base URL and there is none.
    fn rules(
        &self,
        placement: &Placement,
        base_url: Option<&str>,
    ) -> Result<Option<Vec<Rule>>, Invalid> {
        let top = self.top();
        let field = if self.fields.contains_key("api_url") {
            "api_url"
        } else {
            "host_url"
        };
        let entries = match self.fields.get(field) {
            Some(Value::Array(entries)) if !entries.is_empty() => entries.iter().collect(),
            Some(one @ (Value::String(_) | Value::Object(_))) => vec![one],
            _ => {
                let remedy = "give a host, an https URL, regex:PATTERN, or a list of them";
                return Err(top.invalid("api_url", "missing, empty or of another type", remedy));
            }
        };
        let mut rules = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let path = format!("{field}[{index}]");
            let (text, placement) = match entry {
                Value::String(text) => (text.as_str(), placement.clone()),
                Value::Object(fields) => {
                    let entry = Reader {
                        file: &self.file,
                        prefix: format!("{path}."),
                        fields: Some(fields),
                    };
                    (entry.needed("url")?, self::placement(&entry, None)?)
                }
                _ => return Err(top.invalid(&path, "neither a string nor an object", "mend it")),
            };
            let Some(text) = filled(text, base_url) else {
                return Ok(None);
            };
            let host = HostRule::parse(&text).map_err(|why| {
                top.invalid(&path, why, "give a host, an https URL or regex:PATTERN")
            })?;
            rules.push(Rule { host, placement });
        }
        Ok(Some(rules))
    }

    /// The variables under `export` and `env_var`: `{"env": {kind: NAME}}` or `{NAME: KIND}`.
    ///
    /// # Errors
    /// When one is no variable, or stands for nothing known.
    pub(crate) fn exports(&self) -> Result<Vec<Export>, Invalid> {
        self.export_entries()?.into_iter().collect()
    }

    /// The same, each for itself: of a definition with a mistake the others are still known.
    fn export_entries(&self) -> Result<Vec<Result<Export, Invalid>>, Invalid> {
        let mut found = exports::entries(&self.top())?;
        let api_key = self.api_key()?;
        if let Some(name) = api_key.text("env_var")? {
            found.push(exports::one(&api_key, "env_var", (name, "API_KEY")));
        }
        Ok(found)
    }

    /// The variables' names, as far as they can be read.
    pub(crate) fn variable_names(&self) -> Vec<String> {
        let entries = self.export_entries().unwrap_or_default();
        let exports = entries.into_iter().flatten();
        exports.map(|export| export.name).collect()
    }

    /// The placeholder: long enough not to be found in other text by chance, and good in a field's value.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn placeholder(&self) -> Result<String, Invalid> {
        let text = self.top().text("placeholder")?.unwrap_or(PLACEHOLDER);
        if text.len() < 8 || !text.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
            let why = "shorter than 8 bytes, or not printable ASCII";
            return Err(self.top().invalid("placeholder", why, "use a longer word"));
        }
        Ok(text.to_owned())
    }

    /// `unclaimed`.
    fn unclaimed(&self) -> Result<Vec<Unclaimed>, Invalid> {
        let pairs = self.top().pairs("unclaimed")?.into_iter();
        let unclaimed = pairs.map(|(host, why)| Unclaimed {
            host: host.to_ascii_lowercase(),
            why: encoding::visible(&why),
        });
        Ok(unclaimed.collect())
    }

    /// `inject`.
    fn inject(&self) -> Result<Inject, Invalid> {
        match self.top().text("inject")? {
            None | Some("always") => Ok(Inject::Always),
            Some("if-placeholder") => Ok(Inject::IfPlaceholder),
            Some(_) => {
                Err(self
                    .top()
                    .invalid("inject", "neither always nor if-placeholder", "use one"))
            }
        }
    }

    /// `extra_headers`.
    fn extra_headers(&self) -> Result<Vec<(String, String)>, Invalid> {
        let extra = self.top().object("extra_headers")?;
        let mut found = Vec::new();
        for (name, value) in extra.fields.into_iter().flatten() {
            let value = value
                .as_str()
                .filter(|value| is_field_value(value.as_bytes()));
            match value {
                Some(value) if is_settable_field(name) => {
                    found.push((name.clone(), value.to_owned()));
                }
                _ => return Err(extra.invalid(name, "not a header field", "give name and value")),
            }
        }
        Ok(found)
    }

    /// What `oauth` says, for a provider that logs in that way.
    fn oauth(
        &self,
        oauth: &Reader<'_>,
        base: Option<&str>,
        rules: &[Rule],
    ) -> Result<Oauth, Invalid> {
        let mut found = oauth::read(&self.top(), oauth, base)?;
        let exact = rules.iter().find(|rule| rule.host.exact_host().is_some());
        found.resource = exact.and_then(|rule| Url::parse(rule.host.to_string().as_bytes()).ok());
        Ok(found)
    }

    /// The URLs under `oauth`. Those that need a base URL which isn't there are left out.
    fn endpoints(&self, oauth: &Reader<'_>, base: Option<&str>) -> Result<Vec<Url>, Invalid> {
        let mut found = Vec::new();
        for field in ENDPOINTS {
            let Some(text) = oauth.text(field)?.and_then(|text| filled(text, base)) else {
                continue;
            };
            let url = Url::parse(text.as_bytes())
                .map_err(|why| oauth.invalid(field, why, "give an https URL"))?;
            found.push(url);
        }
        Ok(found)
    }
}

/// The fields that say how a host takes a credential.
fn placement(
    fields: &Reader<'_>,
    user_from_environment: Option<String>,
) -> Result<Placement, Invalid> {
    match fields.text("in")? {
        None | Some("header") => {
            let name = fields.text("header_name")?.unwrap_or("Authorization");
            if !is_settable_field(name) {
                return Err(fields.invalid(
                    "header_name",
                    "not a field that may be set",
                    "use another",
                ));
            }
            let prefix = match fields.get("header_prefix") {
                None => Some("Bearer"),
                Some(Value::Null) => None,
                Some(_) => fields
                    .text("header_prefix")?
                    .filter(|prefix| !prefix.is_empty()),
            };
            if prefix.is_some_and(|prefix| !is_field_value(prefix.as_bytes())) {
                return Err(fields.invalid("header_prefix", "not printable", "use a plain word"));
            }
            Ok(Placement::Header {
                name: name.into(),
                prefix: prefix.map(str::to_owned),
            })
        }
        Some("query") => Ok(Placement::Query {
            param: fields.needed("param")?.to_owned(),
        }),
        Some("basic") => {
            let user = match (user_from_environment, fields.text("username")?) {
                _ if fields.text("key_as")? == Some("username") => BasicUser::Credential,
                (Some(user), _) => BasicUser::Fixed(user),
                (None, Some(user)) => BasicUser::Fixed(user.to_owned()),
                (None, None) => BasicUser::InCredential,
            };
            match &user {
                BasicUser::Fixed(name) if name.contains(':') => {
                    Err(fields.invalid("username", "has a colon (RFC 7617)", "use one without"))
                }
                _ => Ok(Placement::Basic(user)),
            }
        }
        Some(_) => Err(fields.invalid("in", "not header, query or basic", "use one of them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a definition, with an environment that has `USER_ENV` and `BASE_ENV`.
    fn read(text: &str) -> Result<Provider, Invalid> {
        let variable = |name: &str| match name {
            "USER_ENV" => Some("user".to_owned()),
            "BASE_ENV" => Some("https://base.example/sub/".to_owned()),
            _ => None,
        };
        Definition::parse("x.json", text.as_bytes())?.provider(&Outside {
            base_url: None,
            username: None,
            variable: &variable,
        })
    }

    /// Field and reason of the error that a definition gives.
    fn error(text: &str) -> (String, String) {
        let invalid = read(text)
            .err()
            .unwrap_or_else(|| panic!("accepted: {text}"));
        assert_eq!(invalid.file, "x.json");
        assert!(!invalid.remedy.is_empty());
        (invalid.field, invalid.why)
    }

    #[test]
    fn a_minimal_definition_has_the_defaults() {
        let provider = read(r#"{"name": "x", "api_url": "api.x.com"}"#).unwrap();
        assert_eq!(provider.display_name, "x");
        let expected = Placement::Header {
            name: "Authorization".into(),
            prefix: Some("Bearer".into()),
        };
        assert_eq!(provider.rules[0].placement, expected);
        assert_eq!(provider.placeholder, PLACEHOLDER);
        assert_eq!(provider.inject, Inject::Always);
    }

    #[test]
    fn only_plain_variables_are_exported() {
        for name in [
            "",
            "A;touch x;B",
            "A B",
            "1A",
            "A-B",
            "Ä",
            "A\\nB",
            "A=B",
            "$(id)",
            "PATH",
            "HOME",
            "IFS",
            "ENV",
            "BASH_ENV",
            "SHELLOPTS",
            "LD_PRELOAD",
            "DYLD_INSERT_LIBRARIES",
            "PYTHONPATH",
            "NODE_OPTIONS",
            "AUTHSOME_HOME",
            "https_proxy",
            "ALL_PROXY",
            "NO_PROXY",
            "SSL_CERT_FILE",
            "NODE_EXTRA_CA_CERTS",
            "NODE_USE_ENV_PROXY",
        ] {
            for (field, export) in [
                (
                    format!("export.{name}"),
                    format!(r#""export": {{"{name}": "API_TOKEN"}}"#),
                ),
                (
                    "export.env.api_key".to_owned(),
                    format!(r#""export": {{"env": {{"api_key": "{name}"}}}}"#),
                ),
                (
                    "api_key.env_var".to_owned(),
                    format!(r#""api_key": {{"env_var": "{name}"}}"#),
                ),
            ] {
                let (found, why) =
                    error(&format!(r#"{{"name": "x", "api_url": "a.b", {export}}}"#));
                assert_eq!(found.replace('\n', "\\n"), field);
                assert!(why.contains("variable"), "{name}: {why}");
            }
        }
    }

    #[test]
    fn a_mistake_in_one_export_hides_no_other() {
        let text = r#"{"name": "x", "api_url": "a.b", "export": {"PATH": "API_TOKEN", "X_KEY": "API_TOKEN"}}"#;
        let definition = Definition::parse("x.json", text.as_bytes()).unwrap();
        assert!(definition.exports().is_err());
        assert_eq!(definition.variable_names(), ["X_KEY"]);
    }

    #[test]
    fn both_forms_of_export_and_of_key_fields() {
        let nested = read(
            r#"{"name": "x", "api_url": "api.x.com", "api_key": {"header_name": "X-Key",
            "header_prefix": null}, "export": {"env": {"api_key": "X_KEY"}}}"#,
        );
        let flat = read(
            r#"{"name": "x", "host_url": "api.x.com", "header_name": "X-Key", "header_prefix": "",
            "export": {"X_KEY": "API_TOKEN"}}"#,
        );
        for provider in [nested.unwrap(), flat.unwrap()] {
            let expected = Placement::Header {
                name: "X-Key".into(),
                prefix: None,
            };
            assert_eq!(provider.rules[0].placement, expected);
            assert_eq!(
                provider.credential_variables().collect::<Vec<_>>(),
                ["X_KEY"]
            );
        }
    }

    #[test]
    fn an_entry_can_take_the_credential_its_own_way() {
        let provider = read(
            r#"{"name": "x", "auth_type": "oauth2", "api_url": ["api.x.com",
            {"url": "x.com", "in": "basic", "username": "x-access-token"},
            {"url": "y.com", "in": "query", "param": "key"},
            {"url": "z.com", "in": "basic", "key_as": "username"}]}"#,
        );
        let placements: Vec<Placement> = provider
            .unwrap()
            .rules
            .into_iter()
            .skip(1)
            .map(|rule| rule.placement)
            .collect();
        assert_eq!(
            placements,
            [
                Placement::Basic(BasicUser::Fixed("x-access-token".into())),
                Placement::Query {
                    param: "key".into()
                },
                Placement::Basic(BasicUser::Credential),
            ]
        );
    }

    #[test]
    fn base_url_and_user_come_from_outside() {
        let provider = read(
            r#"{"name": "x", "api_url": "{base_url}/api", "base_url_env": "BASE_ENV",
            "api_key": {"in": "basic", "username_env": "USER_ENV"}}"#,
        )
        .unwrap();
        assert_eq!(
            provider.rules[0].host.to_string(),
            "https://base.example/sub/api"
        );
        let expected = Placement::Basic(BasicUser::Fixed("user".into()));
        assert_eq!(provider.rules[0].placement, expected);
        let lacking =
            read(r#"{"name": "x", "api_url": "{base_url}", "base_url_env": "NONE"}"#).unwrap();
        assert!(lacking.rules.is_empty());
        assert_eq!(lacking.missing_base_url.as_deref(), Some("NONE"));
    }

    #[test]
    fn unknown_fields_are_told_not_refused() {
        let text = r#"{"name": "x", "api_url": "a.b", "new": 1, "oauth": {"newer": 2}}"#;
        let definition = Definition::parse("x.json", text.as_bytes()).unwrap();
        assert_eq!(definition.unknown, ["new", "oauth.newer"]);
    }

    /// Definitions that are wrong: text, field, reason.
    const ERRORS: &[(&str, &str, &str)] = &[
        ("[]", "", "not a JSON object"),
        (
            r#"{"schema_version": 2}"#,
            "schema_version",
            "a version other than 1",
        ),
        (r#"{"api_url": "a.b"}"#, "name", "missing or empty"),
        (
            r#"{"name": "../x", "api_url": "a.b"}"#,
            "name",
            "not a provider name",
        ),
        (
            r#"{"name": "x"}"#,
            "api_url",
            "missing, empty or of another type",
        ),
        (
            r#"{"name": "x", "api_url": []}"#,
            "api_url",
            "missing, empty or of another type",
        ),
        (
            r#"{"name": "x", "api_url": ["a.b", 1]}"#,
            "api_url[1]",
            "neither a string nor an object",
        ),
        (
            r#"{"name": "x", "api_url": "http://a.b"}"#,
            "api_url[0]",
            "a credential goes over https only",
        ),
        (
            r#"{"name": "x", "api_url": [{"in": "query"}]}"#,
            "api_url[0].url",
            "missing or empty",
        ),
        (
            r#"{"name": "x", "api_url": "a.b", "auth_type": "saml"}"#,
            "auth_type",
            "neither oauth2 nor api_key",
        ),
        (
            r#"{"name": "x", "api_url": "a.b", "flow": "magic"}"#,
            "flow",
            "not a flow known here",
        ),
        (
            r#"{"name": "x", "api_url": "a.b", "api_key": 1}"#,
            "api_key",
            "not an object",
        ),
        (
            r#"{"name": "x", "api_url": "a.b", "api_key": {"header_name": "a b"}}"#,
            "api_key.header_name",
            "not a field that may be set",
        ),
        (
            r#"{"name": "x", "api_url": "a.b", "api_key": {"in": "body"}}"#,
            "api_key.in",
            "not header, query or basic",
        ),
        (
            r#"{"name": "x", "api_url": "a.b", "api_key": {"in": "query"}}"#,
            "api_key.param",
            "missing or empty",
        ),
        (
            r#"{"name": "x", "api_url": "a.b", "export": {"X": "MAGIC"}}"#,
            "export.X",
            "stands for nothing known here",
        ),
        (
            r#"{"name": "x", "api_url": "a.b", "placeholder": "short"}"#,
            "placeholder",
            "shorter than 8 bytes, or not printable ASCII",
        ),
        (
            r#"{"name": "x", "api_url": "a.b", "inject": "never"}"#,
            "inject",
            "neither always nor if-placeholder",
        ),
        (
            r#"{"name": "x", "api_url": "a.b", "extra_headers": {"A": "b\r\nC: d"}}"#,
            "extra_headers.A",
            "not a header field",
        ),
        (
            r#"{"name": "x", "api_url": "a.b", "oauth": {"token_url": "x"}}"#,
            "oauth.token_url",
            "the scheme is neither https nor http",
        ),
    ];

    #[test]
    fn errors_name_the_field() {
        for (text, field, why) in ERRORS {
            assert_eq!(
                error(text),
                ((*field).to_owned(), (*why).to_owned()),
                "{text}"
            );
        }
        assert!(error("{").1.starts_with("not valid JSON: EOF"));
    }
}
