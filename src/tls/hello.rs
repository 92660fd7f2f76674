//! The server name that a TLS client asks for in the clear (RFC 6066 section 3), read from bytes that pass unchanged.
//!
//! The check reads every name that a server could take for the one that is meant, and refuses what servers could read in two ways. It
//! goes on behind the first ClientHello: a server may ask for a second (RFC 8446 section 4.1.4), and some take the name from that.
#![deny(clippy::indexing_slicing)]

use crate::encoding;
use crate::url::Host;

/// The type of a record that changes keys; TLS 1.3 servers pass over it (RFC 8446 section 5).
const CHANGE_CIPHER_SPEC: u8 = 20;

/// The type of an alert.
const ALERT: u8 = 21;

/// The type of a record of the handshake.
const HANDSHAKE: u8 = 22;

/// The type of a record of content, or of anything else once it is encrypted.
const APPLICATION_DATA: u8 = 23;

/// All types of records, that of heartbeats (RFC 6520) among them. The version behind the type says nothing: Java's servers take any.
const RECORD_TYPES: std::ops::RangeInclusive<u8> = CHANGE_CIPHER_SPEC..=24;

/// The handshake's type of a ClientHello.
const CLIENT_HELLO: u8 = 1;

/// Bytes of a ClientHello, at the most. Key shares that resist quantum computers need a few KiB.
const MAX_HELLO: usize = 64 * 1024;

/// Lengths of which servers take none for a ClientHello's are outside of these: version, random bytes and four lengths have to fit.
const POSSIBLE_LENGTHS: std::ops::Range<usize> = 38..256 * 1024;

/// The first byte of a ClientHello's version, whatever is offered.
const MAJOR_VERSION: u8 = 3;

/// The extension that names the server.
const SERVER_NAME: u16 = 0;

/// The extension that announces content before the server has answered.
const EARLY_DATA: u16 = 42;

/// Why TLS is not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The client asks for this name.
    Name(String),
    /// What the client sends is no ClientHello that every server reads in the same way.
    Unreadable,
}

/// A check of what a client sends before its side is encrypted.
pub(crate) struct NameCheck<'a> {
    /// Decides whether a name may be asked for.
    accepts: &'a dyn Fn(&Host) -> bool,
    /// How far the client is.
    stage: Stage,
    /// Bytes that were seen.
    seen: u64,
    /// Bytes that may go on. Less than `seen` while a ClientHello isn't whole.
    cleared: u64,
    /// What there is of a record's header.
    header: Vec<u8>,
    /// The type of the record whose content comes.
    kind: u8,
    /// Bytes of its content that are still to come.
    left: usize,
    /// What there is of a ClientHello.
    hello: Vec<u8>,
}

/// How far a client is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The first ClientHello is to come, unless the client speaks no TLS.
    First,
    /// A second one may come.
    Second {
        /// Whether content may come before it.
        has_early_data: bool,
    },
    /// Nothing that comes can be a ClientHello in the clear.
    Over,
}

impl<'a> NameCheck<'a> {
    /// A check that lets the names through that `accepts` accepts.
    pub(crate) fn new(accepts: &'a dyn Fn(&Host) -> bool) -> Self {
        Self {
            accepts,
            stage: Stage::First,
            seen: 0,
            cleared: 0,
            header: Vec::new(),
            kind: 0,
            left: 0,
            hello: Vec::new(),
        }
    }

    /// Returns how many bytes were seen.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// Returns how many of the bytes that were seen may go on.
    pub(crate) fn cleared(&self) -> u64 {
        self.cleared
    }

    /// Returns whether there is nothing more to check.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Reads the bytes that come next.
    ///
    /// # Errors
    /// A name that isn't accepted, and what is no ClientHello where one must be.
    pub(crate) fn see(&mut self, mut bytes: &[u8]) -> Result<(), Refused> {
        while !bytes.is_empty() && !self.is_over() {
            let used = if self.left == 0 {
                self.read_header(bytes)?
            } else {
                self.read_content(bytes)?
            };
            self.seen += used as u64;
            bytes = bytes.get(used..).unwrap_or_default();
            let is_held = self.stage == Stage::First
                || !self.header.is_empty()
                || !self.hello.is_empty()
                || self.left > 0 && self.kind == HANDSHAKE;
            if !is_held {
                self.cleared = self.seen;
            }
        }
        if self.is_over() {
            self.seen += bytes.len() as u64;
            self.cleared = self.seen;
        }
        Ok(())
    }

    /// Reads a byte of a record's header; returns 1.
    fn read_header(&mut self, bytes: &[u8]) -> Result<usize, Refused> {
        self.header.extend(bytes.first());
        match (self.stage, self.header.as_slice()) {
            // Not TLS, or an SSL 2.0 hello (RFC 5246 appendix E.2), which can't name a server.
            (Stage::First, [kind]) if !RECORD_TYPES.contains(kind) => self.stage = Stage::Over,
            (_, [kind, _, _, high, low]) => {
                (self.kind, self.left) = (*kind, u16::from_be_bytes([*high, *low]).into());
                self.header.clear();
                self.begin_record()?;
            }
            _ => {}
        }
        Ok(1)
    }

    /// Decides what becomes of a record by its header.
    fn begin_record(&mut self) -> Result<(), Refused> {
        let is_collecting = self.stage == Stage::First || !self.hello.is_empty();
        match (self.stage, self.kind) {
            (_, HANDSHAKE) if self.left == 0 => Err(Refused::Unreadable),
            (_, HANDSHAKE) => Ok(()),
            // Servers differ about what else may come before a ClientHello or within it.
            _ if is_collecting => Err(Refused::Unreadable),
            (_, CHANGE_CIPHER_SPEC | ALERT) => Ok(()),
            (
                Stage::Second {
                    has_early_data: true,
                },
                APPLICATION_DATA,
            ) => Ok(()),
            _ => {
                self.stage = Stage::Over;
                Ok(())
            }
        }
    }

    /// Reads content of a record; returns how many bytes.
    fn read_content(&mut self, bytes: &[u8]) -> Result<usize, Refused> {
        let content = bytes.get(..self.left).unwrap_or(bytes);
        self.left -= content.len();
        if self.kind != HANDSHAKE {
            return Ok(content.len());
        }
        self.hello.extend_from_slice(content);
        if !self.can_be_hello() {
            if self.stage == Stage::First {
                return Err(Refused::Unreadable);
            }
            // The handshake goes on without a second one, or is encrypted.
            self.hello.clear();
            self.stage = Stage::Over;
            return Ok(content.len());
        }
        if let [_, a, b, c, body @ ..] = self.hello.as_slice() {
            let length = length(*a, *b, *c);
            // Whatever the pieces are that it comes in, its version is looked at first.
            if !body.is_empty() && length > MAX_HELLO || body.len() > length {
                return Err(Refused::Unreadable);
            }
            if body.len() == length {
                // What shares a record with a ClientHello is read by some servers, and refused by others.
                let hello = Hello::read(body).filter(|_| self.left == 0);
                self.stage = self.judge(&hello.ok_or(Refused::Unreadable)?)?;
                self.hello.clear();
            }
        }
        Ok(content.len())
    }

    /// Returns whether what there is of a message can be a ClientHello. Of a million encrypted messages less than one looks so.
    fn can_be_hello(&self) -> bool {
        match self.hello.as_slice() {
            [kind, a, b, c, rest @ ..] => {
                *kind == CLIENT_HELLO
                    && POSSIBLE_LENGTHS.contains(&length(*a, *b, *c))
                    && rest.first().is_none_or(|major| *major == MAJOR_VERSION)
            }
            [kind, ..] => *kind == CLIENT_HELLO,
            [] => true,
        }
    }

    /// Judges the names in a ClientHello; returns the stage behind it.
    fn judge(&self, hello: &Hello<'_>) -> Result<Stage, Refused> {
        for name in &hello.names {
            let is_accepted = Host::parse(name).is_ok_and(|host| (self.accepts)(&host));
            if !is_accepted {
                let name = name.get(..253).unwrap_or(name);
                return Err(Refused::Name(encoding::printable(name, name.len())));
            }
        }
        Ok(match self.stage {
            Stage::First => Stage::Second {
                has_early_data: hello.has_early_data,
            },
            Stage::Second { .. } | Stage::Over => Stage::Over,
        })
    }
}

/// A message's length as it is written.
fn length(a: u8, b: u8, c: u8) -> usize {
    u32::from_be_bytes([0, a, b, c]) as usize
}

/// What there is to know of a ClientHello.
#[derive(Default)]
struct Hello<'a> {
    /// All names of servers in it.
    names: Vec<&'a [u8]>,
    /// Whether content follows before the server has answered.
    has_early_data: bool,
}

impl<'a> Hello<'a> {
    /// Reads a ClientHello behind its length (RFC 8446 section 4.1.2); `None` where it is malformed.
    fn read(body: &'a [u8]) -> Option<Self> {
        let mut hello = Self::default();
        let mut reader = Reader(body);
        reader.take(2 + 32)?;
        reader.vector::<1>()?;
        reader.vector::<2>()?;
        reader.vector::<1>()?;
        // Old clients end here.
        if reader.0.is_empty() {
            return Some(hello);
        }
        let mut extensions = Reader(reader.vector::<2>()?);
        if !reader.0.is_empty() {
            return None;
        }
        while !extensions.0.is_empty() {
            let kind = extensions.number::<2>()?;
            let content = extensions.vector::<2>()?;
            match u16::try_from(kind).ok()? {
                SERVER_NAME => hello.read_names(content)?,
                EARLY_DATA => hello.has_early_data = true,
                _ => {}
            }
        }
        Some(hello)
    }

    /// Reads the content of the extension that names the server.
    fn read_names(&mut self, content: &'a [u8]) -> Option<()> {
        let mut reader = Reader(content);
        let mut list = Reader(reader.vector::<2>()?);
        if !reader.0.is_empty() || list.0.is_empty() {
            return None;
        }
        while !list.0.is_empty() {
            // No other type than that of host names is defined, and nobody knows how long it would be.
            if list.number::<1>()? != 0 {
                return None;
            }
            self.names.push(list.vector::<2>()?);
        }
        Some(())
    }
}

/// What is left of a structure of TLS.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Takes so many bytes.
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Takes a number of so many bytes.
    fn number<const SIZE: usize>(&mut self) -> Option<usize> {
        let bytes = self.take(SIZE)?.iter();
        Some(bytes.fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// Takes a vector whose length has so many bytes.
    fn vector<const SIZE: usize>(&mut self) -> Option<&'a [u8]> {
        let length = self.number::<SIZE>()?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A structure with its length in front.
    fn vector(size: usize, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&length[4 - size..], content].concat()
    }

    /// The extension that names these servers.
    fn names(names: &[&str]) -> Vec<u8> {
        let entry = |name: &&str| [vec![0], vector(2, name.as_bytes())].concat();
        let list: Vec<u8> = names.iter().flat_map(entry).collect();
        [vec![0, 0], vector(2, &vector(2, &list))].concat()
    }

    /// A ClientHello with these extensions.
    fn hello(extensions: Option<&[u8]>) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend(vector(1, &[]));
        body.extend(vector(2, &[0x13, 1]));
        body.extend(vector(1, &[0]));
        if let Some(extensions) = extensions {
            body.extend(vector(2, extensions));
        }
        [vec![1], vector(3, &body)].concat()
    }

    /// A record.
    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        [vec![kind, 3, 1], vector(2, content)].concat()
    }

    /// A record with a ClientHello for this name.
    fn asking(name: &str) -> Vec<u8> {
        record(22, &hello(Some(&names(&[name]))))
    }

    /// What becomes of the bytes, whole and byte by byte: whether the check is over, and how many may go on.
    fn check(bytes: &[u8]) -> Result<(bool, u64), Refused> {
        let accepts = |host: &Host| host.as_str() == "good.test";
        let run = |size: usize| {
            let mut check = NameCheck::new(&accepts);
            for piece in bytes.chunks(size) {
                check.see(piece)?;
            }
            assert_eq!(check.seen(), bytes.len() as u64);
            Ok((check.is_over(), check.cleared()))
        };
        let whole = run(bytes.len().max(1));
        for size in [1, 2, 7] {
            assert_eq!(run(size), whole, "in pieces of {size}");
        }
        whole
    }

    /// All of it may go on, and whether the check is over.
    fn passes(bytes: &[u8]) -> bool {
        let (is_over, cleared) = check(bytes).unwrap();
        assert_eq!(cleared, bytes.len() as u64);
        is_over
    }

    #[test]
    fn the_right_name_passes_however_it_is_written_and_another_does_not() {
        for name in ["good.test", "GOOD.test", "good.test."] {
            assert!(!passes(&asking(name)), "{name}");
        }
        for name in [
            "evil.test",
            "good.test.evil.test",
            "",
            "good.test\0",
            "é",
            "192.0.2.1",
        ] {
            assert!(
                matches!(check(&asking(name)), Err(Refused::Name(_))),
                "{name}"
            );
        }
        let long = asking(&"x".repeat(60_000 / 4));
        assert!(matches!(check(&long), Err(Refused::Name(name)) if name.len() == 253));
        assert_eq!(check(b""), Ok((false, 0)));
    }

    #[test]
    fn the_version_of_a_record_says_nothing() {
        for version in [[0, 0], [3, 3], [16, 0], [0xfe, 0xff], [0xff, 0xff]] {
            let mut bytes = asking("evil.test");
            bytes[1..3].copy_from_slice(&version);
            assert_eq!(
                check(&bytes),
                Err(Refused::Name("evil.test".into())),
                "{version:?}"
            );
        }
    }

    #[test]
    fn a_hello_without_a_name_passes() {
        assert!(!passes(&record(22, &hello(None))));
        assert!(!passes(&record(22, &hello(Some(&[])))));
        // GREASE (RFC 8701), and an extension that nobody knows.
        let unknown = [
            &[0x0a, 0x0a, 0, 0][..],
            &[0xff, 0x01, 0, 1, 0],
            &names(&["good.test"]),
        ];
        assert!(!passes(&record(22, &hello(Some(&unknown.concat())))));
    }

    #[test]
    fn every_name_counts() {
        let twice = [names(&["good.test"]), names(&["evil.test"])].concat();
        for extensions in [&twice, &names(&["good.test", "evil.test"])] {
            let found = check(&record(22, &hello(Some(extensions))));
            assert_eq!(found, Err(Refused::Name("evil.test".into())));
        }
    }

    #[test]
    fn a_hello_in_many_records_goes_on_when_it_is_whole() {
        let padding = [vec![0, 21], vector(2, &[0; 40_000])].concat();
        let extensions = [padding, names(&["good.test"])].concat();
        let message = hello(Some(&extensions));
        for size in [1000, 16_384] {
            let records: Vec<Vec<u8>> = message.chunks(size).map(|part| record(22, part)).collect();
            let bytes = records.concat();
            assert!(!passes(&bytes));
            let (front, _) = bytes.split_at(bytes.len() - 1);
            assert_eq!(check(front), Ok((false, 0)));
        }
    }

    #[test]
    fn what_is_no_tls_passes_at_once() {
        for bytes in [
            &b"SSH-2.0-x\r\n"[..],
            b"GET / HTTP/1.1\r\n",
            b"\x80\x2e\x01\x03\x01",
            b"\0",
        ] {
            assert!(passes(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn what_servers_could_read_in_two_ways_is_refused() {
        let good = hello(Some(&names(&["good.test"])));
        let (front, back) = good.split_at(50);
        let mut longer = good.clone();
        longer[1..4].copy_from_slice(&[1, 0, 1]);
        let mut trailing = hello(Some(&names(&["good.test"])));
        trailing.push(0);
        trailing[3] += 1;
        for bytes in [
            // Before the hello: records that some servers pass over.
            record(21, &[1, 0]),
            record(20, &[1]),
            record(23, &[1]),
            record(24, &[1]),
            record(22, &[]),
            // Another message, and two in a record.
            record(22, &[2, 0, 0, 0]),
            record(22, &[good.clone(), good.clone()].concat()),
            // Something between its parts.
            [record(22, front), record(21, &[1, 0]), record(22, back)].concat(),
            [record(22, front), record(22, &[]), record(22, back)].concat(),
            // Lengths that don't fit.
            record(22, &longer),
            record(22, &trailing),
            record(22, &hello(Some(&[0, 0, 0, 9]))),
            record(22, &hello(Some(&[0, 0, 0, 0]))),
            record(22, &hello(Some(&[0, 0, 0, 2, 0, 0]))),
            record(22, &hello(Some(&[0, 0, 0, 5, 0, 3, 1, 0, 0]))),
        ] {
            assert_eq!(check(&bytes), Err(Refused::Unreadable), "{bytes:?}");
        }
    }

    #[test]
    fn a_second_hello_is_judged_like_the_first() {
        let change = record(20, &[1]);
        let early = [0, 42, 0, 0];
        let first = record(
            22,
            &hello(Some(&[&names(&["good.test"])[..], &early].concat())),
        );
        let content = record(23, &[9; 300]);
        for before in [
            asking("good.test"),
            [asking("good.test"), change.clone()].concat(),
            [first.clone(), change.clone(), content.clone()].concat(),
            record(22, &hello(None)),
        ] {
            assert!(!passes(&before));
            let found = check(&[before.clone(), asking("evil.test")].concat());
            assert_eq!(found, Err(Refused::Name("evil.test".into())));
            assert!(passes(&[before, asking("good.test")].concat()));
        }
        // Behind encrypted content, or another message of the handshake, nothing is a hello. One may be encrypted.
        let finished = |front: [u8; 5]| record(22, &[&front[..], &[9; 35]].concat());
        for next in [
            content,
            record(22, &[16, 0, 0, 1, 0]),
            finished([1, 9, 9, 9, 3]),
            finished([1, 0, 9, 9, 9]),
            finished([1, 0, 0, 0, 0]),
            finished([1, 2, 0, 0, 9]),
        ] {
            assert!(passes(
                &[asking("good.test"), change.clone(), next].concat()
            ));
        }
        // What came before one that isn't whole may go on.
        let part = asking("good.test")[..30].to_vec();
        let expected = Ok((false, (first.len() + change.len()) as u64));
        assert_eq!(check(&[first, change, part].concat()), expected);
    }
}
