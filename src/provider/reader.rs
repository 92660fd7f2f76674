//! Reading a definition's JSON so that an error names the file, the field, why and what to do.

use std::fmt;

use serde_json::Map;
use serde_json::Value;

/// A definition that can't be used: where, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// The file, or the bundled definition's name.
    pub(crate) file: String,
    /// The field, as a path with dots; empty when it is about the file as a whole.
    pub(crate) field: String,
    /// What is wrong.
    pub(crate) why: String,
    /// What to do.
    pub(crate) remedy: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.why)
    }
}

/// One object of the file, and how its fields are called in errors.
pub(super) struct Reader<'a> {
    /// The file.
    pub(super) file: &'a str,
    /// What stands before a field's name.
    pub(super) prefix: String,
    /// The object, if it is there.
    pub(super) fields: Option<&'a Map<String, Value>>,
}

impl<'a> Reader<'a> {
    /// A field of whatever type.
    pub(super) fn get(&self, field: &str) -> Option<&'a Value> {
        self.fields?.get(field)
    }

    /// A field that is text; null counts as absent.
    ///
    /// # Errors
    /// When it is of another type.
    pub(super) fn text(&self, field: &str) -> Result<Option<&'a str>, Invalid> {
        match self.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.invalid(field, "not a string", "write it in quotes")),
        }
    }

    /// Text that must be there.
    ///
    /// # Errors
    /// When it isn't, or is empty.
    pub(super) fn needed(&self, field: &str) -> Result<&'a str, Invalid> {
        self.text(field)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| self.invalid(field, "missing or empty", "add it"))
    }

    /// A field that is an object; an empty reader where it is absent.
    ///
    /// # Errors
    /// When it is of another type.
    pub(super) fn object(&self, field: &str) -> Result<Self, Invalid> {
        let fields = match self.get(field) {
            None | Some(Value::Null) => None,
            Some(Value::Object(fields)) => Some(fields),
            Some(_) => return Err(self.invalid(field, "not an object", "put it into { }")),
        };
        Ok(Self {
            file: self.file,
            prefix: format!("{}{field}.", self.prefix),
            fields,
        })
    }

    /// A field that is true or false.
    ///
    /// # Errors
    /// When it is of another type.
    pub(super) fn flag(&self, field: &str) -> Result<Option<bool>, Invalid> {
        match self.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.invalid(field, "neither true nor false", "write true or false")),
        }
    }

    /// A field that is a list of words, or a text of them.
    ///
    /// # Errors
    /// When it is of another type.
    pub(super) fn words(&self, field: &str) -> Result<Vec<String>, Invalid> {
        let wrong = || self.invalid(field, "not a list of words", "write [\"one\", \"two\"]");
        match self.get(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(text.split_whitespace().map(str::to_owned).collect()),
            Some(Value::Array(words)) => {
                let words = words.iter().map(|word| word.as_str().map(str::to_owned));
                words.collect::<Option<_>>().ok_or_else(wrong)
            }
            Some(_) => Err(wrong()),
        }
    }

    /// A field that is an object of texts.
    ///
    /// # Errors
    /// When it is of another type.
    pub(super) fn pairs(&self, field: &str) -> Result<Vec<(String, String)>, Invalid> {
        let object = self.object(field)?;
        let pairs = object.fields.into_iter().flatten();
        pairs
            .map(|(name, value)| match value.as_str() {
                Some(value) => Ok((name.clone(), value.to_owned())),
                None => Err(object.invalid(name, "not a string", "write it in quotes")),
            })
            .collect()
    }

    /// An error about a field.
    pub(super) fn invalid(&self, field: &str, why: impl fmt::Display, remedy: &str) -> Invalid {
        Invalid {
            file: self.file.to_owned(),
            field: format!("{}{field}", self.prefix),
            why: why.to_string(),
            remedy: remedy.to_owned(),
        }
    }
}

/// The text with `{base_url}` filled in; `None` when it needs one and there is none.
pub(super) fn filled(text: &str, base_url: Option<&str>) -> Option<String> {
    if text.contains("{base_url}") {
        base_url.map(|base| text.replace("{base_url}", base))
    } else {
        Some(text.to_owned())
    }
}

/// Whether the text is a token (RFC 9110 section 5.6.2): what a field's name is made of.
pub(super) fn is_token(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(good)
}

/// Whether the bytes can be a field's value as they are: no control bytes, no space around.
pub(super) fn is_field_value(bytes: &[u8]) -> bool {
    !bytes.iter().any(u8::is_ascii_control) && bytes.trim_ascii().len() == bytes.len()
}

/// Fields that the proxy writes by itself: a definition that set one would frame or route a request a second time.
const OWN_FIELDS: [&str; 8] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a definition may set the field: a token, and none that the proxy writes by itself.
pub(super) fn is_settable_field(name: &str) -> bool {
    let folded = name.to_ascii_lowercase().replace('_', "-");
    is_token(name) && !OWN_FIELDS.contains(&&*folded)
}
