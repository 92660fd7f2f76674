//! The bytes of a vault, version 1.
//!
//! ```text
//! authsome-vault 1⏎
//! {"cipher":"ChaCha20-Poly1305","key_id":"<32 hex>"[,"passphrase":{"kdf":"PBKDF2-HMAC-SHA256","rounds":N,"salt":"<32 hex>"}]}⏎
//! <12 bytes nonce> <ciphertext> <16 bytes tag>
//! ```
//!
//! Two lines of text, the head, and behind them, up to the end, the sealed contents (RFC 8439; the head's bytes, both line ends
//! included, are the associated data). Opened, the contents are JSON:
//!
//! ```text
//! {"entries": {"<name>": {"about": {...}, "secret": "<base64 of nonce, ciphertext, tag>" or absent}}}
//! ```
//!
//! An entry's secret is sealed once more, so that it is open in memory only while it is used. Its associated data are
//! `authsome-vault 1⏎` and the entry's name: a secret is good in its own place alone.
//!
//! The *master key* is 32 bytes: given as text (`master.key` has base64 with a line end; 64 hexadecimal digits are as good), or
//! PBKDF2-HMAC-SHA256 (RFC 8018) of the passphrase with the head's salt and rounds. From it come, by HKDF-SHA256 (RFC 5869) without
//! a salt and with these infos: `authsome-vault 1 contents` the key of the contents, `authsome-vault 1 secret` that of the secrets,
//! 32 bytes each, and `authsome-vault 1 key id` the 16 bytes of `key_id`, which tell a wrong key from a damaged file. Nonces are
//! random: 2^32 writes with one key are safe (NIST SP 800-38D section 8.3 has the sum).
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use ring::aead;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::Error;
use super::master::MasterKey;
use super::master::PassphraseKdf;
use crate::encoding;
use crate::secret::Secret;

/// What every vault begins with.
const MAGIC: &str = "authsome-vault";

/// The version that is written.
const VERSION: u64 = 1;

/// The first line.
const FIRST_LINE: &str = "authsome-vault 1\n";

/// The only cipher of version 1.
const CIPHER: &str = "ChaCha20-Poly1305";

/// The only key derivation of version 1.
const KDF: &str = "PBKDF2-HMAC-SHA256";

/// Bytes of a head, at the most.
const MAX_HEAD: usize = 1024;

/// Rounds that are accepted: not so few that guessing is cheap, not so many that opening takes minutes.
const ACCEPTED_ROUNDS: std::ops::RangeInclusive<u32> = 100_000..=20_000_000;

/// What a vault says of itself in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Which key opens it.
    pub(crate) key_id: String,
    /// How the key comes from a passphrase; `None` when it is given as it is.
    pub(crate) passphrase: Option<PassphraseKdf>,
}

/// The second line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadLine {
    /// [`CIPHER`].
    cipher: String,
    /// 32 hexadecimal digits.
    key_id: String,
    /// For a vault with a passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passphrase: Option<KdfLine>,
}

/// `passphrase` in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KdfLine {
    /// [`KDF`].
    kdf: String,
    /// PBKDF2's rounds.
    rounds: u32,
    /// 32 hexadecimal digits.
    salt: String,
}

impl Head {
    /// A head for this key.
    pub(crate) fn new(key: &MasterKey, passphrase: Option<PassphraseKdf>) -> Self {
        Self {
            key_id: key.id(),
            passphrase,
        }
    }

    /// Both lines.
    fn to_bytes(&self) -> Vec<u8> {
        let line = HeadLine {
            cipher: CIPHER.into(),
            key_id: self.key_id.clone(),
            passphrase: self.passphrase.as_ref().map(|kdf| KdfLine {
                kdf: KDF.into(),
                rounds: kdf.rounds,
                salt: encoding::hex(&kdf.salt),
            }),
        };
        let line = serde_json::to_string(&line).expect("text and numbers are always JSON");
        format!("{FIRST_LINE}{line}\n").into_bytes()
    }

    /// Reads the head that a file begins with, and gives what is behind it.
    ///
    /// # Errors
    /// `NewerVersion` and `Damaged`.
    pub(crate) fn parse(file: &[u8]) -> Result<(Self, &[u8]), Error> {
        let damaged = || Error::Damaged("its head can't be read");
        let start = file.get(..file.len().min(MAX_HEAD)).unwrap_or(file);
        let (first, rest) = split_line(start).ok_or_else(damaged)?;
        if first != FIRST_LINE.trim_end().as_bytes() {
            return Err(version_error(first));
        }
        let (second, _) = split_line(rest).ok_or_else(damaged)?;
        let line: HeadLine = serde_json::from_slice(second).map_err(|_| damaged())?;
        let is_id =
            line.key_id.len() == 32 && encoding::hex_decode(line.key_id.as_bytes()).is_some();
        if line.cipher != CIPHER || !is_id {
            return Err(damaged());
        }
        let passphrase = match line.passphrase {
            None => None,
            Some(kdf) => Some(parse_kdf(&kdf).ok_or_else(damaged)?),
        };
        let head = Self {
            key_id: line.key_id,
            passphrase,
        };
        // One spelling only, since its bytes are what the contents are bound to.
        let bytes = head.to_bytes();
        let body = file.strip_prefix(&*bytes).ok_or_else(damaged)?;
        Ok((head, body))
    }
}

/// The line that the bytes begin with, and what is behind its end.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// What is wrong with a first line that isn't ours.
fn version_error(line: &[u8]) -> Error {
    let version = line
        .strip_prefix(MAGIC.as_bytes())
        .and_then(|rest| rest.strip_prefix(b" "))
        .filter(|digits| digits.iter().all(u8::is_ascii_digit))
        .and_then(|digits| str::from_utf8(digits).ok()?.parse::<u64>().ok());
    match version {
        Some(version) if version > VERSION => Error::NewerVersion(version),
        _ => Error::Damaged("it does not begin as a vault does"),
    }
}

/// Reads the parameters of a key derivation.
fn parse_kdf(line: &KdfLine) -> Option<PassphraseKdf> {
    let salt = encoding::hex_decode(line.salt.as_bytes())?;
    let is_good = line.kdf == KDF && ACCEPTED_ROUNDS.contains(&line.rounds);
    is_good.then_some(PassphraseKdf {
        rounds: line.rounds,
        salt: salt.try_into().ok()?,
    })
}

/// One named thing in a vault.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// What is known of it. No secret.
    pub(crate) about: Value,
    /// Its secret, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "base64_text")]
    secret: Option<Vec<u8>>,
}

/// Bytes as base64 text in JSON.
mod base64_text {
    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serializer;
    use serde::de::Error;

    use crate::encoding;

    /// Writes them.
    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => to.serialize_str(&String::from_utf8_lossy(&encoding::base64(bytes))),
            None => to.serialize_none(),
        }
    }

    /// Reads them.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = encoding::base64_decode(text.as_bytes());
        bytes.map(Some).ok_or_else(|| Error::custom("no base64"))
    }
}

/// The contents as JSON has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentsJson {
    /// By name.
    entries: BTreeMap<String, Entry>,
}

/// What is in a vault. Its secrets are sealed; [`Contents::secret`] opens one.
pub(crate) struct Contents {
    /// By name.
    entries: BTreeMap<String, Entry>,
    /// Seals and opens secrets.
    key: Cipher,
}

impl Contents {
    /// An empty vault's.
    pub(crate) fn empty(key: &MasterKey) -> Self {
        Self {
            entries: BTreeMap::new(),
            key: Cipher::new(key, "secret"),
        }
    }

    /// The entries, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (&**name, entry))
    }

    /// An entry's secret; `None` when there is no such entry, or it has none.
    ///
    /// # Errors
    /// `Damaged` when it was sealed for another place or by another key.
    pub(crate) fn secret(&self, name: &str) -> Result<Option<Secret>, Error> {
        let sealed = self
            .entries
            .get(name)
            .and_then(|entry| entry.secret.as_ref());
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let opened = self.key.open(&place(name), sealed);
        opened
            .map(|bytes| Some(Secret::from(bytes)))
            .ok_or(Error::Damaged("a secret in it is not in its place"))
    }

    /// Puts an entry in, in the place of one of the same name.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub(crate) fn put(
        &mut self,
        name: &str,
        about: Value,
        secret: Option<&[u8]>,
    ) -> Result<(), Error> {
        let secret = secret
            .map(|secret| self.key.seal(&place(name), secret))
            .transpose()?;
        self.entries
            .insert(name.to_owned(), Entry { about, secret });
        Ok(())
    }

    /// Changes what is known of an entry; its secret stays.
    pub(crate) fn set_about(&mut self, name: &str, about: Value) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.about = about;
        }
    }

    /// Takes an entry out; tells whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        self.entries.remove(name).is_some()
    }

    /// The same entries for another key.
    ///
    /// # Errors
    /// `Damaged` when a secret can't be opened; when there is no randomness.
    pub(crate) fn for_key(&self, key: &MasterKey) -> Result<Self, Error> {
        let mut other = Self::empty(key);
        for (name, entry) in &self.entries {
            let secret = self.secret(name)?;
            other.put(
                name,
                entry.about.clone(),
                secret.as_ref().map(Secret::expose),
            )?;
        }
        Ok(other)
    }

    /// Opens what is behind the head.
    ///
    /// # Errors
    /// `Damaged`: the head is known to fit the key.
    pub(super) fn open(head: &Head, body: &[u8], key: &MasterKey) -> Result<Self, Error> {
        let plain = Cipher::new(key, "contents")
            .open(&head.to_bytes(), body)
            .ok_or(Error::Damaged("its contents are not as they were written"))?;
        let contents: ContentsJson = serde_json::from_slice(&plain)
            .map_err(|_| Error::Damaged("its contents can't be read"))?;
        Ok(Self {
            entries: contents.entries,
            key: Cipher::new(key, "secret"),
        })
    }

    /// A whole file.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub(super) fn seal(&self, head: &Head, key: &MasterKey) -> Result<Vec<u8>, Error> {
        let contents = BTreeMap::from([("entries", &self.entries)]);
        let plain = Zeroizing::new(
            serde_json::to_vec(&contents).expect("text and numbers are always JSON"),
        );
        let mut file = head.to_bytes();
        let sealed = Cipher::new(key, "contents").seal(&file, &plain)?;
        file.extend_from_slice(&sealed);
        Ok(file)
    }
}

/// The associated data of an entry's secret.
fn place(name: &str) -> Vec<u8> {
    [FIRST_LINE.as_bytes(), name.as_bytes()].concat()
}

/// ChaCha20-Poly1305 with a key of one purpose (RFC 8439).
struct Cipher(aead::LessSafeKey);

impl Cipher {
    /// The cipher of a purpose.
    fn new(key: &MasterKey, purpose: &str) -> Self {
        let bytes = key.expand::<32>(purpose);
        let key = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, &*bytes);
        Self(aead::LessSafeKey::new(key.expect("32 bytes are a key")))
    }

    /// Nonce, ciphertext and tag.
    fn seal(&self, associated: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; aead::NONCE_LEN];
        getrandom::getrandom(&mut nonce).map_err(|error| Error::Randomness(error.to_string()))?;
        let room = nonce.len() + plain.len() + aead::CHACHA20_POLY1305.tag_len();
        let mut sealed = Vec::with_capacity(room);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let text = sealed.get_mut(nonce.len()..).unwrap_or_default();
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, aead::Aad::from(associated), text)
            .map_err(|_| Error::TooLarge)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// What was sealed; `None` when it isn't that.
    fn open(&self, associated: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_at_checked(aead::NONCE_LEN)?;
        let nonce = aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let aad = aead::Aad::from(associated);
        let length = self.0.open_in_place(nonce, aad, &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A key of one byte's repetition.
    fn key(byte: u8) -> MasterKey {
        MasterKey::from_text(&Secret::new(encoding::hex(&[byte; 32]).into_bytes())).unwrap()
    }

    /// A secret.
    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    /// A vault's file with two entries.
    fn file() -> Vec<u8> {
        let key = key(1);
        let mut contents = Contents::empty(&key);
        contents.put("a", json!({"n": 1}), Some(b"s-a")).unwrap();
        contents.put("b", json!({}), Some(b"s-b")).unwrap();
        contents.put("c", json!({}), None).unwrap();
        contents.seal(&Head::new(&key, None), &key).unwrap()
    }

    /// Opens a file.
    fn open(file: &[u8], key: &MasterKey) -> Result<Contents, Error> {
        let (head, body) = Head::parse(file)?;
        Contents::open(&head, body, key)
    }

    #[test]
    fn what_was_put_in_comes_out() {
        let contents = open(&file(), &key(1)).unwrap();
        let names: Vec<&str> = contents.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let secret = |name| contents.secret(name).unwrap();
        assert_eq!(secret("a").unwrap().expose(), b"s-a");
        assert!(secret("c").is_none() && secret("d").is_none());
        assert_eq!(contents.iter().next().unwrap().1.about, json!({"n": 1}));
    }

    #[test]
    fn any_flipped_bit_and_any_missing_end_is_an_error() {
        let file = file();
        for index in 0..file.len() {
            for bit in 0..8 {
                let mut other = file.clone();
                other[index] ^= 1 << bit;
                let opened = open(&other, &key(1));
                assert!(opened.is_err(), "byte {index}, bit {bit}");
            }
            assert!(open(&file[..index], &key(1)).is_err(), "{index} bytes");
        }
        let longer = [&*file, b"\n"].concat();
        assert!(open(&longer, &key(1)).is_err());
    }

    #[test]
    fn another_key_and_another_version_are_told_apart_from_damage() {
        let file = file();
        assert_ne!(Head::parse(&file).unwrap().0.key_id, key(2).id());
        assert!(matches!(open(&file, &key(2)), Err(Error::Damaged(_))));
        let newer = [&b"authsome-vault 12\n"[..], &file[17..]].concat();
        assert!(matches!(Head::parse(&newer), Err(Error::NewerVersion(12))));
        for other in [
            &b""[..],
            b"authsome-vault",
            b"authsome-vault 0\n",
            b"x\ny\n",
        ] {
            assert!(matches!(Head::parse(other), Err(Error::Damaged(_))));
        }
    }

    #[test]
    fn a_secret_is_good_in_its_own_place_alone() {
        let mut contents = open(&file(), &key(1)).unwrap();
        let a = contents.entries["a"].clone();
        contents.entries.insert("b".into(), a);
        assert!(matches!(contents.secret("b"), Err(Error::Damaged(_))));
        assert!(contents.secret("a").is_ok());
    }

    #[test]
    fn the_same_vault_is_never_written_twice_alike() {
        assert_ne!(file(), file());
    }

    #[test]
    fn a_passphrase_gives_its_key_and_the_head_says_how() {
        let kdf = PassphraseKdf {
            rounds: 100_000,
            salt: [7; 16],
        };
        let key = kdf.derive(&secret("correct horse"));
        let head = Head::new(&key, Some(kdf));
        let file = Contents::empty(&key).seal(&head, &key).unwrap();
        let (parsed, body) = Head::parse(&file).unwrap();
        assert_eq!(parsed, head);
        let again = parsed
            .passphrase
            .as_ref()
            .unwrap()
            .derive(&secret("correct horse"));
        assert!(Contents::open(&parsed, body, &again).is_ok());
        let few = String::from_utf8_lossy(&file[..file.len() - 60]).replace("100000", "99999");
        assert!(matches!(
            Head::parse(few.as_bytes()),
            Err(Error::Damaged(_))
        ));
    }
}
