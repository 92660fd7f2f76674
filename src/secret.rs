//! Bytes that must not be seen: wiped when dropped, never printed, never copied by accident.

use std::fmt;

use zeroize::Zeroizing;

/// A secret's bytes. No `Display`, no `Clone`, no `Serialize`: [`Secret::expose`] is the one way in, so that a search for it
/// finds every use.
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; they are wiped when the secret is dropped.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The same bytes once more, where two are needed.
    pub(crate) fn copy(&self) -> Self {
        Self(self.0.clone())
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the bytes are the same, in a time that doesn't tell where they differ.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(other.0.iter());
        let differ = pairs.fold(0, |differ, (a, b)| differ | (a ^ b));
        self.0.len() == other.0.len() && std::hint::black_box(differ) == 0
    }

    /// The bytes up to the first line end, without that: what a file of one line says.
    pub(crate) fn first_line(&self) -> Self {
        let line = self
            .0
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        Self::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
    }

    /// The bytes themselves. Whoever calls this answers for where they go.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new(b"sk-canary".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.expose(), b"sk-canary");
    }

    #[test]
    fn secrets_are_compared_and_read_as_a_line() {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        assert!(secret("a").same_as(&secret("a")));
        for other in ["", "b", "aa"] {
            assert!(!secret("a").same_as(&secret(other)), "{other}");
        }
        for text in ["a", "a\n", "a\r\n", "a\nb"] {
            assert!(secret(text).first_line().same_as(&secret("a")), "{text:?}");
        }
    }
}
