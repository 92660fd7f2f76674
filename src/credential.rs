//! A credential: bytes that are good in a field's value, and secret.

use std::fmt;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::OnceLock;

use crate::secret::Secret;

/// Bytes of a credential, at the most: twice what common servers take as one field.
const MAX_LENGTH: usize = 16 * 1024;

/// Bytes of a text that is searched for, at the least: ordinary text has anything shorter by chance.
const SHORTEST: usize = 8;

/// Letters at which a text is no word any more. Some services make passwords of sixteen random letters.
const LONGEST_WORD: usize = 16;

/// Bytes at which several words are no common name any more.
const LONGEST_NAME: usize = 24;

/// An API key or an access token.
pub(crate) struct Credential {
    /// Its bytes.
    secret: Secret,
    /// A hash of them.
    mark: u64,
}

/// Why a text is not searched for in answers: they have it of their own, and masking it would damage them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Common {
    /// Fewer than 8 bytes.
    Short,
    /// A word, or a name made of two or three.
    Word,
}

impl fmt::Display for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "shorter than 8 bytes",
            Self::Word => "made of ordinary words",
        })
    }
}

/// Returns why a text is too common to be masked in answers, if it is.
///
/// Names of JSON members, of HTML attributes and of form fields look like words: `password`, `Authorization`, `access_token`,
/// `personal-access-token`. Text of that shape is left alone whether or not a dictionary has it: ASCII letters of one case, perhaps
/// capitalized, fewer than 16; or two or three such words joined by `-`, `_`, `.` or a space, fewer than 24 bytes in all. Whatever
/// has a digit or mixed case looks like no word, and nearly every key that a service makes has one.
pub(crate) fn common(text: &[u8]) -> Option<Common> {
    if text.len() < SHORTEST {
        return Some(Common::Short);
    }
    let joint = text.iter().find(|byte| !byte.is_ascii_alphabetic());
    let is_common = match joint {
        None => is_word(text),
        Some(joint @ (b'-' | b'_' | b'.' | b' ')) => {
            let mut words = text.split(|byte| byte == joint);
            text.len() < LONGEST_NAME && words.clone().count() <= 3 && words.all(is_word)
        }
        Some(_) => false,
    };
    is_common.then_some(Common::Word)
}

/// Returns whether a text has the shape of a word.
fn is_word(text: &[u8]) -> bool {
    let Some((_, rest)) = text.split_first() else {
        return false;
    };
    text.len() < LONGEST_WORD
        && text.iter().all(u8::is_ascii_alphabetic)
        && (rest.iter().all(u8::is_ascii_lowercase) || text.iter().all(u8::is_ascii_uppercase))
}

/// Why bytes are no credential. Says nothing of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// There is nothing.
    Empty,
    /// There is too much.
    TooLong,
    /// There are bytes that no field may hold, or spaces around, or more than one line.
    Bytes,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::TooLong => "it is longer than 16 KiB",
            Self::Bytes => "it has control bytes, spaces around it or more than one line",
        })
    }
}

impl Credential {
    /// Takes bytes as a file or a program gives them: one line end behind them is not part of them.
    ///
    /// # Errors
    /// When they can't be sent in a field (RFC 9110 section 5.5).
    pub(crate) fn new(mut bytes: Vec<u8>) -> Result<Self, Invalid> {
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        let secret = Secret::new(bytes);
        let bytes = secret.expose();
        if bytes.is_empty() {
            return Err(Invalid::Empty);
        }
        if bytes.len() > MAX_LENGTH {
            return Err(Invalid::TooLong);
        }
        let edges = [bytes.first(), bytes.last()];
        if bytes.iter().any(u8::is_ascii_control) || edges.contains(&Some(&b' ')) {
            return Err(Invalid::Bytes);
        }
        Ok(Self {
            mark: mark(bytes),
            secret,
        })
    }

    /// Takes a secret that was read from somewhere.
    ///
    /// # Errors
    /// When it can't be sent in a field.
    pub(crate) fn of(secret: &Secret) -> Result<Self, Invalid> {
        Self::new(secret.expose().to_vec())
    }

    /// The bytes once more, as a secret of any kind.
    pub(crate) fn to_secret(&self) -> Secret {
        self.secret.copy()
    }

    /// Whether this is the same as a stored secret.
    pub(crate) fn same_as(&self, secret: &Secret) -> bool {
        self.secret.same_as(secret)
    }

    /// Returns why it is too common to be masked in answers, if it is.
    pub(crate) fn common(&self) -> Option<Common> {
        common(self.expose())
    }

    /// The bytes. Whoever calls this answers for where they go.
    pub(crate) fn expose(&self) -> &[u8] {
        self.secret.expose()
    }

    /// Returns a number that equal credentials have in common, and others don't. It means nothing outside of this process.
    pub(crate) fn mark(&self) -> u64 {
        self.mark
    }
}

/// A hash under a key that is made anew in each process.
fn mark(bytes: &[u8]) -> u64 {
    /// The key.
    static KEY: OnceLock<RandomState> = OnceLock::new();

    KEY.get_or_init(RandomState::new).hash_one(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_not_part_of_it() {
        for bytes in ["sk-1", "sk-1\n", "sk-1\r\n"] {
            assert_eq!(
                Credential::new(bytes.into()).unwrap().expose(),
                b"sk-1",
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn what_could_split_a_field_is_refused() {
        for bytes in [
            "a\r\nb", "a\nb", "a\0", "\u{7f}", " a", "a ", "a\n\n", "\ta",
        ] {
            assert_eq!(
                Credential::new(bytes.into()).err(),
                Some(Invalid::Bytes),
                "{bytes:?}"
            );
        }
        assert_eq!(Credential::new(b"\n".to_vec()).err(), Some(Invalid::Empty));
        assert_eq!(
            Credential::new(vec![b'a'; MAX_LENGTH + 1]).err(),
            Some(Invalid::TooLong)
        );
    }

    #[test]
    fn what_looks_like_words_is_common_and_keys_are_not() {
        for text in ["", "abc", "sk-1234", "hunter2"] {
            assert_eq!(common(text.as_bytes()), Some(Common::Short), "{text}");
        }
        for text in [
            "password",
            "Password",
            "PASSWORD",
            "authentication",
            "access_token",
            "Access-Token",
            "CLIENT_SECRET",
            "my.api.key",
            "my password",
            "personal_access_token",
        ] {
            assert_eq!(common(text.as_bytes()), Some(Common::Word), "{text}");
        }
        for text in [
            "password1",
            "passWord",
            "abcdefghijklmnop",
            "abcd efgh ijkl mnop",
            "correct-horse-battery-staple",
            "-password",
            "pass--word",
            "pass-word_more",
            "admin:password",
            "s3cret-of-acme-0123456789",
            "p\u{e4}ssword",
        ] {
            assert_eq!(common(text.as_bytes()), None, "{text}");
        }
    }
}
