//! The users of this machine, as `/etc/passwd` has them: those that a program can be run as. Read as it is, without the system's other
//! sources of users, which a container doesn't have either.
#![deny(clippy::indexing_slicing)]

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::path::PathBuf;

use crate::files;
use crate::sys::process::Identity;

/// The file of users.
const PASSWD: &str = "/etc/passwd";

/// Bytes of it, at the most.
const MAX_PASSWD: u64 = 16 * 1024 * 1024;

/// A user that a program is run as.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Its numbers.
    pub(crate) identity: Identity,
    /// Its name, if it has one.
    pub(crate) name: Option<OsString>,
    /// Its home.
    pub(crate) home: PathBuf,
}

/// Why nothing can be run as this user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// It is neither a name nor numbers that users and groups have.
    Form,
    /// It is root.
    Root,
    /// There is no user of this name.
    Unknown,
    /// The file of users can't be read, and a name needs it.
    Unreadable(String),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("it is no UID, UID:GID or name of a user"),
            Self::Root => f.write_str("root could read every credential"),
            Self::Unknown => write!(f, "there is no such user in {PASSWD}"),
            Self::Unreadable(why) => write!(f, "{PASSWD} can't be read: {why}"),
        }
    }
}

impl Account {
    /// The account that `UID`, `UID:GID`, `NAME` or `NAME:GID` stands for.
    ///
    /// # Errors
    /// When it stands for none, or for root.
    pub(crate) fn find(text: &str) -> Result<Self, Invalid> {
        // A machine without the file has numbers, and no names.
        let passwd = files::read(Path::new(PASSWD), MAX_PASSWD);
        match (
            Self::find_in(text, passwd.as_deref().unwrap_or_default()),
            passwd,
        ) {
            (Err(Invalid::Unknown), Err(error)) => Err(Invalid::Unreadable(error.to_string())),
            (found, _) => found,
        }
    }

    /// The same with what the file says.
    fn find_in(text: &str, passwd: &[u8]) -> Result<Self, Invalid> {
        let (who, group) = match text.split_once(':') {
            Some((who, group)) => (who, Some(number(group.as_bytes()).ok_or(Invalid::Form)?)),
            None => (text, None),
        };
        let is_number = !who.is_empty() && who.bytes().all(|byte| byte.is_ascii_digit());
        let mut entries = passwd.split(|byte| *byte == b'\n').filter_map(Entry::read);
        let (user, entry) = if is_number {
            let user = number(who.as_bytes()).ok_or(Invalid::Form)?;
            (user, entries.find(|entry| entry.user == user))
        } else if who.is_empty() {
            return Err(Invalid::Form);
        } else {
            let entry = entries
                .find(|entry| entry.name == who.as_bytes())
                .ok_or(Invalid::Unknown)?;
            (entry.user, Some(entry))
        };
        if user == 0 {
            return Err(Invalid::Root);
        }
        let of_entry = entry.as_ref().map(|entry| entry.group);
        Ok(Self {
            identity: Identity {
                user,
                group: group.or(of_entry).unwrap_or(user),
            },
            name: entry
                .as_ref()
                .map(|entry| OsStr::from_bytes(entry.name).to_owned()),
            home: entry
                .filter(|entry| !entry.home.is_empty())
                .map_or_else(|| "/".into(), |entry| OsStr::from_bytes(entry.home).into()),
        })
    }
}

/// A line of the file.
struct Entry<'a> {
    /// The user's name.
    name: &'a [u8],
    /// Its number.
    user: u32,
    /// Its group's.
    group: u32,
    /// Its home.
    home: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Reads `name:password:uid:gid:comment:home:shell`; `None` for anything else.
    fn read(line: &'a [u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b':');
        let name = words.next().filter(|name| !name.is_empty())?;
        let user = number(words.nth(1)?)?;
        let group = number(words.next()?)?;
        let home = words.nth(1)?;
        Some(Self {
            name,
            user,
            group,
            home,
        })
    }
}

/// The number of a user or a group. The largest of all stands for "no change" in system calls.
fn number(digits: &[u8]) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = str::from_utf8(digits).ok()?.parse().ok()?;
    (is_number && number != u32::MAX).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of all kinds.
    const LINES: &[u8] = b"root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/:\nbroken:x:\n+nis::::::\n\
        bob:x:1000:1001:Bob,,,:/home/bob:/bin/sh\nlone:x:1002:1002:::\ndaemon:x:1:1:daemon:/usr/sbin:/x\n";

    /// User, group, name and home of an account.
    fn found(text: &str) -> Result<(u32, u32, Option<String>, String), Invalid> {
        let account = Account::find_in(text, LINES)?;
        Ok((
            account.identity.user,
            account.identity.group,
            account.name.map(|name| name.into_string().unwrap()),
            account.home.display().to_string(),
        ))
    }

    #[test]
    fn names_and_numbers_stand_for_accounts() {
        let bob = |group| Ok((1000, group, Some("bob".to_owned()), "/home/bob".to_owned()));
        assert_eq!(found("bob"), bob(1001));
        assert_eq!(found("1000"), bob(1001));
        assert_eq!(found("bob:7"), bob(7));
        assert_eq!(found("1000:0"), bob(0));
        assert_eq!(found("4242"), Ok((4242, 4242, None, "/".to_owned())));
        assert_eq!(found("4242:5"), Ok((4242, 5, None, "/".to_owned())));
        let lone = Ok((1002, 1002, Some("lone".to_owned()), "/".to_owned()));
        assert_eq!(found("lone"), lone);
    }

    #[test]
    fn root_and_what_is_no_account_are_refused() {
        for text in ["0", "0:1000", "00", "root", "toor", "root:1000"] {
            assert_eq!(found(text), Err(Invalid::Root), "{text}");
        }
        for text in [
            "",
            ":1",
            "bob:",
            "bob:bob",
            "1000:-1",
            "1000:+1",
            "4294967295",
            "4294967296",
            "1000:4294967295",
            "1:2:3",
        ] {
            assert_eq!(found(text), Err(Invalid::Form), "{text}");
        }
        for text in ["alice", "broken", "+nis", "-1", "+1", "BOB", "bob "] {
            assert_eq!(found(text), Err(Invalid::Unknown), "{text}");
        }
    }
}
