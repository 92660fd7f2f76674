//! A client: who asks for tokens.

use zeroize::Zeroizing;

use crate::encoding;
use crate::provider::oauth::ClientAuth;
use crate::secret::Secret;

/// A client of an authorization server.
pub(crate) struct Client {
    /// Its id.
    pub(crate) id: String,
    /// Its secret, if it has one.
    pub(crate) secret: Option<Secret>,
    /// How it shows that.
    pub(crate) auth: ClientAuth,
}

/// A form (`application/x-www-form-urlencoded`) that is being filled in.
#[derive(Default)]
pub(crate) struct Form(Zeroizing<Vec<u8>>);

impl Form {
    /// Adds a field. A definition may name it: what isn't a letter, a digit or one of `-._~` is escaped, in the name too.
    pub(crate) fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        if !self.0.is_empty() {
            self.0.push(b'&');
        }
        self.0
            .extend_from_slice(&encoding::percent_encode(name.as_bytes()));
        self.0.push(b'=');
        let value = Zeroizing::new(encoding::percent_encode(value.as_ref()));
        self.0.extend_from_slice(&value);
    }

    /// Adds a field whose value is secret.
    pub(crate) fn add_secret(&mut self, name: &str, value: &Secret) {
        self.add(name, value.expose());
    }

    /// Its text: letters, digits and signs only.
    pub(crate) fn as_text(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its bytes.
    pub(crate) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

impl Client {
    /// The same client once more.
    pub(crate) fn copy(&self) -> Self {
        Self {
            id: self.id.clone(),
            secret: self.secret.as_ref().map(Secret::copy),
            auth: self.auth,
        }
    }

    /// Puts the client into a request: in the form, or in a field that is given back.
    pub(crate) fn sign(&self, form: &mut Form) -> Option<(&'static str, Zeroizing<Vec<u8>>)> {
        match (&self.secret, self.auth) {
            (None, _) => {
                form.add("client_id", &self.id);
                None
            }
            (Some(secret), ClientAuth::Body) => {
                form.add("client_id", &self.id);
                form.add_secret("client_secret", secret);
                None
            }
            (Some(secret), ClientAuth::Basic) => {
                // Both are escaped before they are joined (RFC 6749 section 2.3.1).
                let mut pair = Zeroizing::new(encoding::percent_encode(self.id.as_bytes()));
                pair.push(b':');
                pair.extend_from_slice(&Zeroizing::new(encoding::percent_encode(secret.expose())));
                let mut value = Zeroizing::new(b"Basic ".to_vec());
                value.extend_from_slice(&Zeroizing::new(encoding::base64(&pair)));
                Some(("Authorization", value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client puts into a form, and into a field.
    fn signed(secret: Option<&str>, auth: ClientAuth) -> (String, Option<String>) {
        let client = Client {
            id: "a b".into(),
            secret: secret.map(|secret| Secret::new(secret.as_bytes().to_vec())),
            auth,
        };
        let mut form = Form::default();
        form.add("code", "x&y");
        let field = client.sign(&mut form);
        let text = |bytes: Zeroizing<Vec<u8>>| String::from_utf8(bytes.to_vec()).unwrap();
        (text(form.into_bytes()), field.map(|(_, value)| text(value)))
    }

    #[test]
    fn a_client_shows_its_secret_in_one_place_only() {
        let (form, field) = signed(None, ClientAuth::Basic);
        assert_eq!((&*form, field), ("code=x%26y&client_id=a%20b", None));
        let (form, field) = signed(Some("s:c"), ClientAuth::Body);
        let expected = "code=x%26y&client_id=a%20b&client_secret=s%3Ac";
        assert_eq!((&*form, field), (expected, None));
        let (form, field) = signed(Some("s:c"), ClientAuth::Basic);
        assert_eq!(form, "code=x%26y");
        // a%20b:s%3Ac
        assert_eq!(field.unwrap(), "Basic YSUyMGI6cyUzQWM=");
    }
}
