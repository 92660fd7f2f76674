//! The master key of a vault, and what comes from it. The documentation of [`super::format`] says how.
#![deny(clippy::indexing_slicing)]

use std::num::NonZeroU32;
use std::path::Path;

use ring::hkdf;
use ring::pbkdf2;
use zeroize::Zeroizing;

use super::Error;
use crate::encoding;
use crate::files::private;
use crate::secret::Secret;

/// What the purposes of keys begin with.
const INFO: &str = "authsome-vault 1";

/// PBKDF2's rounds in new vaults.
const ROUNDS: u32 = 600_000;

/// The key that all others come from.
pub(crate) struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub(crate) fn random() -> std::io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::getrandom(&mut *key)?;
        Ok(Self(key))
    }

    /// The key that 64 hexadecimal digits or base64 of 32 bytes stand for, white space around it aside; `None` for anything else.
    pub(crate) fn from_text(text: &Secret) -> Option<Self> {
        let text = text.expose().trim_ascii();
        let bytes = Zeroizing::new(match text.len() {
            64 => encoding::hex_decode(text)?,
            43 | 44 => {
                // With all of its room from the start: one that grows leaves copies behind.
                let mut padded = Zeroizing::new(Vec::with_capacity(44));
                padded.extend(text.iter().map(|byte| standard_letter(*byte)));
                if padded.len() == 43 {
                    padded.push(b'=');
                }
                encoding::base64_decode(&padded)?
            }
            _ => return None,
        });
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return None;
        }
        key.copy_from_slice(&bytes);
        Some(Self(key))
    }

    /// The key's text form: base64 and a line end.
    fn to_text(&self) -> Secret {
        let mut text = encoding::base64(&*self.0);
        text.push(b'\n');
        Secret::new(text)
    }

    /// Keeps the key in a file of its own.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn keep(&self, path: &Path) -> Result<(), Error> {
        Ok(private::replace(path, self.to_text().expose(), 0o600)?)
    }

    /// The key of a passphrase.
    fn of_passphrase(passphrase: &[u8], kdf: &PassphraseKdf) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let rounds = NonZeroU32::new(kdf.rounds).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            &kdf.salt,
            passphrase,
            &mut *key,
        );
        Self(key)
    }

    /// Bytes that belong to this key and this purpose alone.
    pub(super) fn expand<const N: usize>(&self, purpose: &str) -> Zeroizing<[u8; N]> {
        /// How many bytes, as ring wants to be told.
        struct Length(usize);
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }

        let info = format!("{INFO} {purpose}");
        let mut out = Zeroizing::new([0; N]);
        let filled = hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(&*self.0)
            .expand(&[info.as_bytes()], Length(N))
            .and_then(|material| material.fill(&mut *out));
        filled.expect("HKDF gives up to 8,160 bytes");
        out
    }

    /// What tells this key from others, and nothing about it.
    pub(crate) fn id(&self) -> String {
        encoding::hex(&*self.expand::<16>("key id"))
    }
}

/// base64's letter for one of base64url (RFC 4648 section 5).
fn standard_letter(byte: u8) -> u8 {
    match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    }
}

/// How a passphrase becomes the master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PassphraseKdf {
    /// PBKDF2's rounds.
    pub(super) rounds: u32,
    /// Its salt.
    pub(super) salt: [u8; 16],
}

impl PassphraseKdf {
    /// A new one.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub(crate) fn random() -> std::io::Result<Self> {
        let mut salt = [0; 16];
        getrandom::getrandom(&mut salt)?;
        Ok(Self {
            rounds: ROUNDS,
            salt,
        })
    }

    /// The key. Takes a quarter of a second or so: that is its purpose.
    pub(crate) fn derive(&self, passphrase: &Secret) -> MasterKey {
        MasterKey::of_passphrase(passphrase.expose(), self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of a text.
    fn from_text(text: &[u8]) -> Option<MasterKey> {
        MasterKey::from_text(&Secret::new(text.to_vec()))
    }

    #[test]
    fn a_key_s_text_forms() {
        let hex = "0102030405060708091011121314151617181920212223242526272829303132";
        let key = from_text(hex.as_bytes()).unwrap();
        let text = key.to_text();
        for form in [
            text.expose(),
            text.expose().trim_ascii(),
            format!(" {hex}\r\n").as_bytes(),
        ] {
            assert_eq!(from_text(form).unwrap().id(), key.id());
        }
        let url_form = b"-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_8";
        assert!(from_text(url_form).is_some());
        for bad in [
            "",
            "password",
            hex.strip_prefix('0').unwrap(),
            &format!("{hex}0"),
            &"g".repeat(64),
        ] {
            assert!(from_text(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
