//! The cases as they are written: blocks of `key: value` with an empty line between, `#` before a remark. A value goes on in the lines
//! below it that begin with two spaces.
//!
//! ```text
//! name: what-it-is-called
//! why: one line, with the section of the RFC
//! to: the host of the CONNECT (api.acme.test), or `proxy` for the proxy's own port
//! send: what the client sends
//! ends: `client`, when it then ends its sending, or `origin` or `cut`, when the origin ends well or badly behind its answer
//! origin: what arrives there, once for each message that is answered; `nothing`; or `part` and what a part of arrives, at the most
//! answer: what the origin answers, once for each message; or `nothing`
//! client: what the client receives; `nothing`; `part` and what it receives a part of before it is cut; or `refused` with the status and the
//!   error of an answer of the proxy's own
//! then: what becomes of the client's connection: `open`, `closed` in order, `cut` so that it looks like it, or `tunnel`
//! ```
//!
//! Bytes are text with `\r`, `\n`, `\t`, `\0`, `\\` and `\xHH`, and with names in braces for what would be long or is the same in many
//! places: see [`expand`].

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use super::normal::CHUNKS;
use super::normal::LAST;
use crate::support::PLACEHOLDER;
use crate::support::SECRET;
use crate::support::origin::HOST;
use crate::support::wire::base64;

/// Which side's bytes come in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The client's.
    Client,
    /// The origin's.
    Origin,
}

/// Where the client sends to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Into the TLS of a tunnel to this host.
    Tls(String),
    /// Into the proxy's own port.
    Proxy,
}

/// What arrives at the origin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// These messages.
    Messages(Vec<Vec<u8>>),
    /// Not all of this, and then the end of the connection.
    Part(Vec<u8>),
}

/// How the origin ends its connection behind its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Not at all.
    Not,
    /// In order.
    Clean,
    /// Without a word of TLS.
    Cut,
}

/// What the client receives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Not more than these bytes.
    Part(Vec<u8>),
    /// An answer of the proxy's own, with this status and this error.
    Refused(u16, String),
}

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It is good for the next request.
    Open,
    /// It ends in order.
    Closed,
    /// It ends in a way that says so.
    Cut,
    /// It carries bytes of another protocol.
    Tunnel,
}

/// One case.
#[derive(Debug)]
pub(super) struct Case {
    /// What it is called.
    pub(super) name: String,
    /// File and line.
    pub(super) place: String,
    /// Which side's bytes come in pieces.
    pub(super) side: Side,
    /// Where the client sends to.
    pub(super) door: Door,
    /// What it sends.
    pub(super) send: Vec<u8>,
    /// Whether it then ends its sending.
    pub(super) ends_sending: bool,
    /// What arrives at the origin.
    pub(super) arrival: Arrival,
    /// What the origin answers to each message.
    pub(super) answers: Vec<Vec<u8>>,
    /// How it ends behind the last.
    pub(super) ending: Ending,
    /// What the client receives.
    pub(super) receipt: Receipt,
    /// What becomes of its connection.
    pub(super) then: Then,
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages(messages) => write!(f, "\"{}\"", short(&messages.concat())),
            Self::Part(part) => write!(f, "a part of \"{}\", and the end", short(part)),
        }
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "\"{}\"", short(bytes)),
            Self::Part(bytes) => write!(f, "a part of \"{}\"", short(bytes)),
            Self::Refused(status, token) => write!(f, "{status} {token} of the proxy's own"),
        }
    }
}

/// Bytes as text, without the rest of very many.
pub(super) fn short(bytes: &[u8]) -> String {
    match bytes.get(..1000) {
        Some(first) if bytes.len() > 2000 => {
            format!("{} ... ({} bytes)", first.escape_ascii(), bytes.len())
        }
        _ => bytes.escape_ascii().to_string(),
    }
}

/// All cases of a folder of `tests/corpus`.
pub(super) fn all(folder: &str, side: Side) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let entries = fs::read_dir(path.join(folder)).expect("a folder of cases");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a file of cases");
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let read = read(&format!("{folder}/{name}"), &text, side);
        cases.extend(read.unwrap_or_else(|error| panic!("{error}")));
    }
    let mut names: Vec<&str> = cases.iter().map(|case| &*case.name).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "two cases of one name");
    cases
}

/// A case in which this host gets a credential, and no connection to it is kept.
pub(super) fn first(host: &str) -> Case {
    let text = format!(
        "name: first\nwhy: a credential\nto: {host}\nsend: {{get}}\norigin: {{got}}\nanswer: {{ok-close}}\nclient: {{ok}}\nthen: open\n"
    );
    let cases = read("first", &text, Side::Client).expect("a case");
    cases.into_iter().next().expect("a case")
}

/// The keys of a case, each with its values.
type Block = BTreeMap<String, Vec<String>>;

/// Reads a file.
fn read(file: &str, text: &str, side: Side) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    let (mut block, mut start, mut last) = (Block::new(), 0, None::<String>);
    for (number, line) in text.lines().chain([""]).enumerate() {
        let wrong = |what: &str| format!("{file}:{}: {what}: {line}", number + 1);
        if line.is_empty() {
            if !block.is_empty() {
                let place = format!("{file}:{start}");
                let case = case(std::mem::take(&mut block), &place, side);
                cases.push(case.map_err(|error| format!("{place}: {error}"))?);
            }
            last = None;
        } else if line.ends_with([' ', '\t']) {
            return Err(wrong("a space at the end, which nobody sees"));
        } else if let Some(more) = line.strip_prefix("  ") {
            let values = last.as_ref().and_then(|key| block.get_mut(key));
            let value = values.and_then(|values| values.last_mut());
            value
                .ok_or_else(|| wrong("nothing that goes on"))?
                .push_str(more);
        } else if !line.starts_with('#') {
            let (key, value) = line.split_once(": ").ok_or_else(|| wrong("no key"))?;
            if block.is_empty() {
                start = number + 1;
            }
            block
                .entry(key.to_owned())
                .or_default()
                .push(value.to_owned());
            last = Some(key.to_owned());
        }
    }
    Ok(cases)
}

/// Reads a case.
fn case(mut block: Block, place: &str, side: Side) -> Result<Case, String> {
    let name = one(&mut block, "name")?.ok_or("no name")?;
    one(&mut block, "why")?.ok_or("no reason")?;
    let to = one(&mut block, "to")?.unwrap_or_else(|| HOST.to_owned());
    let door = match &*to {
        "proxy" => Door::Proxy,
        host => Door::Tls(host.to_owned()),
    };
    let host = if door == Door::Proxy { HOST } else { &to };
    let bytes = |text: &str| expand(text, host).and_then(|text| unescape(&text));
    let sent = one(&mut block, "send")?;
    let origin = block.remove("origin").unwrap_or_default();
    let (sent, origin) = match (side, sent, origin.is_empty()) {
        (_, Some(sent), false) => (sent, origin),
        (Side::Origin, None, true) => ("{get}".to_owned(), vec!["{got}".to_owned()]),
        _ => return Err("send and origin belong together".to_owned()),
    };
    let arrival = arrival(&origin, bytes)?;
    if matches!(arrival, Arrival::Part(_)) && door != Door::Tls(HOST.to_owned()) {
        return Err(format!("a part is for {HOST} only"));
    }
    let count = match &arrival {
        Arrival::Messages(messages) => messages.len(),
        Arrival::Part(_) => 0,
    };
    let answers = match (side, block.remove("answer")) {
        (Side::Client, None) => vec!["{ok}".to_owned(); count],
        (_, Some(answers)) if answers.len() == count => answers,
        _ => return Err("not one answer for each message".to_owned()),
    };
    let (ends_sending, ending) = ends(one(&mut block, "ends")?.as_deref())?;
    let receipt = receipt(
        &one(&mut block, "client")?.ok_or("no expectation of the client's")?,
        bytes,
    )?;
    let then = then(one(&mut block, "then")?.as_deref())?;
    if matches!(receipt, Receipt::Part(_)) && then != Then::Cut {
        return Err("what is not whole is cut".to_owned());
    }
    if let Some((key, _)) = block.pop_first() {
        return Err(format!("the key {key} is not known"));
    }
    Ok(Case {
        name,
        place: place.to_owned(),
        side,
        send: bytes(&sent)?,
        ends_sending,
        arrival,
        answers: answers
            .iter()
            .map(|text| bytes(if text == "nothing" { "" } else { text }))
            .collect::<Result<_, _>>()?,
        ending,
        receipt,
        then,
        door,
    })
}

/// Whether the client ends its sending, and how the origin ends.
fn ends(who: Option<&str>) -> Result<(bool, Ending), String> {
    match who {
        None => Ok((false, Ending::Not)),
        Some("client") => Ok((true, Ending::Not)),
        Some("origin") => Ok((false, Ending::Clean)),
        Some("cut") => Ok((false, Ending::Cut)),
        Some(other) => Err(format!("{other} ends nothing")),
    }
}

/// What becomes of the connection.
fn then(word: Option<&str>) -> Result<Then, String> {
    match word {
        Some("open") => Ok(Then::Open),
        Some("closed") => Ok(Then::Closed),
        Some("cut") => Ok(Then::Cut),
        Some("tunnel") => Ok(Then::Tunnel),
        other => Err(format!("{other:?} becomes of the connection")),
    }
}

/// Takes the only value of a key out.
fn one(block: &mut Block, key: &str) -> Result<Option<String>, String> {
    match block.remove(key).unwrap_or_default().as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        _ => Err(format!("more than one {key}")),
    }
}

/// Reads what arrives.
fn arrival(
    values: &[String],
    bytes: impl Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<Arrival, String> {
    match values {
        [nothing] if nothing == "nothing" => Ok(Arrival::Messages(Vec::new())),
        [part] if part.starts_with("part ") => {
            let part = part.trim_start_matches("part ");
            Ok(Arrival::Part(bytes(part)?))
        }
        messages => {
            let messages: Result<_, _> = messages.iter().map(|text| bytes(text)).collect();
            Ok(Arrival::Messages(messages?))
        }
    }
}

/// Reads what is received.
fn receipt(
    value: &str,
    bytes: impl Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<Receipt, String> {
    let words: Vec<&str> = value.split(' ').collect();
    match words.as_slice() {
        ["nothing"] => Ok(Receipt::Bytes(Vec::new())),
        ["refused", status, token] => {
            let status = status
                .parse()
                .map_err(|_| format!("{status} is no status"))?;
            Ok(Receipt::Refused(status, (*token).to_owned()))
        }
        ["part", ..] => Ok(Receipt::Part(bytes(value.trim_start_matches("part "))?)),
        ["refused", ..] => Err("a refusal has a status and an error".to_owned()),
        _ => Ok(Receipt::Bytes(bytes(value)?)),
    }
}

/// What the proxy adds to a request for this host that gets a credential, behind the client's own fields: the one place to change when
/// it adds something else.
fn injected(host: &str) -> String {
    let field = match host {
        "auth.acme.test" => format!("X-Api-Key: {SECRET}\\r\\nX-Version: 7\\r\\n"),
        "api7.acme.test" => {
            let pair = base64(format!("token:{SECRET}").as_bytes());
            format!("Authorization: Basic {pair}\\r\\n")
        }
        // In the query.
        "idp.test" => String::new(),
        _ => format!("Authorization: Bearer {SECRET}\\r\\n"),
    };
    // Compressed, the credential could not be seen in what comes back.
    format!("{field}Accept-Encoding: identity\\r\\n")
}

/// Puts in what the names in braces stand for. `{100*text}` is the text a hundred times.
fn expand(text: &str, host: &str) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, behind) = behind.split_once('}').ok_or("a brace that is not closed")?;
        out.push_str(before);
        rest = behind;
        let repeated = name
            .split_once('*')
            .map(|(count, text)| (count.parse::<usize>(), text));
        match (name, repeated) {
            (_, Some((Ok(count), text))) => out.push_str(&text.repeat(count)),
            ("host", _) => out.push_str(host),
            ("credential", _) => out.push_str(SECRET),
            ("placeholder", _) => out.push_str(PLACEHOLDER),
            ("injected", _) => out.push_str(&injected(host)),
            // What the proxy adds to a request without a credential, for a host that was sent one.
            ("searched", _) => out.push_str("Accept-Encoding: identity\\r\\n"),
            ("chunks" | "last", _) => out.push_str(&format!("{{{name}}}")),
            ("get", _) => out.push_str(&format!("GET /v1 HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n")),
            ("got", _) => {
                let added = injected(host);
                out.push_str(&format!(
                    "GET /v1 HTTP/1.1\\r\\nHost: {host}\\r\\n{added}\\r\\n"
                ));
            }
            ("ok", _) => out.push_str("HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok"),
            ("ok-close", _) => out.push_str(
                "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok",
            ),
            _ => return Err(format!("{{{name}}} stands for nothing")),
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The bytes that a text stands for.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err("a byte that is to be written as \\xHH".to_owned());
    }
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((before, behind)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let (letter, after) = behind.split_at_checked(1).ok_or("a \\ at the end")?;
        rest = after;
        out.push(match letter {
            "r" => b'\r',
            "n" => b'\n',
            "t" => b'\t',
            "0" => b'\0',
            "\\" => b'\\',
            "x" => {
                let (digits, after) = after.split_at_checked(2).ok_or("a \\x without digits")?;
                rest = after;
                u8::from_str_radix(digits, 16).map_err(|_| format!("\\x{digits} is no byte"))?
            }
            _ => return Err(format!("\\{letter} stands for nothing")),
        });
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

/// A case that is as it should be.
#[cfg(test)]
const GOOD: &str = "name: a\nwhy: b\nsend: {get}\norigin: {got}\nclient: {ok}\nthen: open\n";

#[test]
fn a_case_is_read_as_it_is_written() {
    let text = format!(
        "# A remark.\n\n{GOOD}\nname: c\nwhy: d\nto: proxy\nsend: GET\\x20\n  {{3*ab}}\\0\norigin: nothing\nclient: refused 400 x\nthen: closed\n"
    );
    let cases = read("file", &text, Side::Client).expect("two cases");
    let [first, second] = cases.as_slice() else {
        panic!("{cases:?}");
    };
    assert_eq!(first.place, "file:3");
    assert_eq!(first.door, Door::Tls(HOST.to_owned()));
    assert!(first.send.ends_with(b"\r\n\r\n"));
    assert_eq!(first.answers.len(), 1);
    assert_eq!(second.send, b"GET ababab\0");
    assert_eq!(second.door, Door::Proxy);
    assert_eq!(second.arrival, Arrival::Messages(Vec::new()));
    assert_eq!(second.receipt, Receipt::Refused(400, "x".to_owned()));
    let marks = expand("{chunks}{last}", HOST).expect("marks");
    assert_eq!(marks.as_bytes(), [CHUNKS, LAST].concat());
}

#[test]
fn a_case_that_says_too_little_or_too_much_is_refused() {
    assert!(read("file", GOOD, Side::Client).is_ok());
    for key in ["name", "why", "send", "origin", "client", "then"] {
        let without: String = GOOD
            .lines()
            .filter(|line| !line.starts_with(key))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(read("file", &without, Side::Client).is_err(), "{key}");
        let line = GOOD.lines().find(|line| line.starts_with(key));
        let twice = format!("{GOOD}{}\n", line.expect("a line"));
        // Of messages there may be two.
        assert!(
            key == "origin" || read("file", &twice, Side::Client).is_err(),
            "two {key}"
        );
    }
    for line in [
        "other: x",
        "answer: {ok}\nanswer: {ok}",
        "ends: never",
        "to:",
        "send",
        "client: a ",
    ] {
        assert!(
            read("file", &format!("{GOOD}{line}\n"), Side::Client).is_err(),
            "{line}"
        );
    }
    for bytes in ["\\q", "\\x4", "\\xzz", "{ok", "{nobody}", "\u{e9}", "\\"] {
        let text = GOOD.replace("{get}", bytes);
        assert!(read("file", &text, Side::Client).is_err(), "{bytes}");
    }
}
