//! A plain reader of HTTP/1.1 messages (RFC 9112) that shares nothing with the program's, to hold what that writes against.
//!
//! It reads a whole message at once and copies everything. [`Manner::Exact`] takes what a careful program writes and nothing else;
//! [`Manner::AsSent`] also takes what such a program accepts from others, where only one reading is possible.

/// How much is let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// One way of writing each thing.
    Exact,
    /// Empty lines before a message, HTTP/1.0, spaces around values, a length that is repeated, chunk extensions; bytes above 0x7F in a
    /// target, which are percent-encoded; folded lines of a response, which become one.
    AsSent,
}

/// A field's name and value.
pub type Field = (Vec<u8>, Vec<u8>);

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// No field says so: there is none.
    None,
    /// So many bytes.
    Bytes(u64),
    /// As the chunked coding says.
    Chunked,
    /// Until the connection ends.
    UntilClose,
}

/// How far a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// To its end.
    Whole,
    /// The bytes end within its body.
    Cut,
    /// Its body is malformed from some place on.
    Wrong(&'static str),
}

/// A message whose head is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Method, target and version, or version, status and reason.
    pub start: [Vec<u8>; 3],
    /// Its fields.
    pub fields: Vec<Field>,
    /// How long its body is.
    pub length: Length,
    /// What there is of its content.
    pub content: Vec<u8>,
    /// Its trailers.
    pub trailers: Vec<Field>,
    /// How far it goes.
    pub end: End,
    /// Bytes of the input that belong to it.
    pub used: usize,
}

/// What is at the start of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// No whole head.
    NoHead,
    /// No message.
    Wrong(&'static str),
    /// A message.
    Message(Message),
}

impl Message {
    /// The values of the fields of this name, whatever its case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let own = move |field: &&Field| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(own).map(|field| &*field.1)
    }

    /// Whether such a field lists this word.
    #[must_use]
    pub fn lists(&self, name: &str, word: &str) -> bool {
        let mut members = self.all(name).flat_map(|value| value.split(|b| *b == b','));
        members.any(|member| trimmed(member).eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The status of a response.
    #[must_use]
    pub fn status(&self) -> u16 {
        let text = std::str::from_utf8(&self.start[1]).unwrap_or_default();
        text.parse().unwrap_or_default()
    }
}

/// The requests in these bytes, as they were sent, up to one that is not whole.
#[must_use]
pub fn requests(bytes: &[u8]) -> Vec<Message> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Reading::Message(mut message) = request(&bytes[at..], Manner::AsSent) {
        at += message.used;
        message.used = at;
        let is_whole = message.end == End::Whole;
        found.push(message);
        if !is_whole {
            break;
        }
    }
    found
}

/// The request at the start of these bytes.
#[must_use]
pub fn request(bytes: &[u8], manner: Manner) -> Reading {
    let from = empty_lines(bytes, manner);
    let mut message = match head(&bytes[from..], manner, false) {
        Ok(Some(message)) => message,
        Ok(None) => return Reading::NoHead,
        Err(why) => return Reading::Wrong(why),
    };
    if manner == Manner::AsSent {
        message.start[1] = encoded(&message.start[1]);
    }
    let [method, target, version] = &message.start;
    if !is_token(method) {
        return Reading::Wrong("a method that is no token");
    }
    let is_visible = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    if target.is_empty() || !target.iter().all(is_visible) {
        return Reading::Wrong("a target with other bytes");
    }
    let is_http10 = version == b"HTTP/1.0" && manner == Manner::AsSent;
    if version != b"HTTP/1.1" && !is_http10 {
        return Reading::Wrong("another version");
    }
    message.length = match length(&message, manner) {
        Ok(Length::Chunked) if is_http10 => return Reading::Wrong("HTTP/1.0 has no codings"),
        Ok(length) => length,
        Err(why) => return Reading::Wrong(why),
    };
    message.used += from;
    body(bytes, &mut message, manner);
    Reading::Message(message)
}

/// The response at the start of these bytes to a request with this method.
#[must_use]
pub fn response(bytes: &[u8], method: &[u8], manner: Manner) -> Reading {
    let from = empty_lines(bytes, manner);
    let mut message = match head(&bytes[from..], manner, manner == Manner::AsSent) {
        Ok(Some(message)) => message,
        Ok(None) => return Reading::NoHead,
        Err(why) => return Reading::Wrong(why),
    };
    let [version, status, _] = &message.start;
    let is_http10 = version == b"HTTP/1.0" && manner == Manner::AsSent;
    if version != b"HTTP/1.1" && !is_http10 {
        return Reading::Wrong("another version");
    }
    if status.len() != 3 || !status.iter().all(u8::is_ascii_digit) || status[0] == b'0' {
        return Reading::Wrong("no status");
    }
    let status = message.status();
    let has_none = method == b"HEAD" || status < 200 || matches!(status, 204 | 304);
    let said = match length(&message, manner) {
        Ok(length) => length,
        // It never has a body, whatever it says.
        Err(_) if status < 200 && manner == Manner::AsSent => Length::None,
        Err(BOTH) if has_none && manner == Manner::AsSent => Length::None,
        Err(why) => return Reading::Wrong(why),
    };
    let is_odd = has_none && said == Length::Chunked || status < 200 && said != Length::None;
    if manner == Manner::Exact && is_odd {
        return Reading::Wrong("a length where there is no body");
    }
    message.length = match said {
        _ if has_none => Length::None,
        Length::Chunked if is_http10 => return Reading::Wrong("HTTP/1.0 has no codings"),
        Length::None => Length::UntilClose,
        said => said,
    };
    message.used += from;
    body(bytes, &mut message, manner);
    Reading::Message(message)
}

/// Bytes of the empty lines that may be before a message.
fn empty_lines(bytes: &[u8], manner: Manner) -> usize {
    let mut length = 0;
    while manner == Manner::AsSent && bytes[length..].starts_with(b"\r\n") {
        length += 2;
    }
    length
}

/// The target with its bytes above 0x7F percent-encoded.
fn encoded(target: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in target {
        match byte.is_ascii() {
            true => out.push(*byte),
            false => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

/// The lines with each that begins with a space joined to the one before. None follows the start line, and none belongs to a length.
fn unfolded(lines: Vec<&[u8]>) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for line in lines {
        let is_more = matches!(line.first(), Some(b' ' | b'\t'));
        match found.len() {
            0 => found.push(line.to_vec()),
            _ if !is_more => found.push(line.to_vec()),
            1 => return Err("a line that goes on with none"),
            _ => {
                let last = found.last_mut().expect("there is one");
                last.push(b' ');
                last.extend_from_slice(trimmed_start(line));
                let name = last.split(|byte| *byte == b':').next().unwrap_or_default();
                let name = trimmed(name).to_ascii_lowercase();
                if [&b"content-length"[..], b"transfer-encoding"].contains(&&*name) {
                    return Err("a length that is folded");
                }
            }
        }
    }
    Ok(found)
}

/// Without white space before it.
fn trimmed_start(line: &[u8]) -> &[u8] {
    let spaces = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
    &line[spaces.count()..]
}

/// The head at the start of these bytes: a start line of three parts, and fields, which may be folded.
fn head(
    bytes: &[u8],
    manner: Manner,
    may_fold: bool,
) -> Result<Option<Message>, &'static str> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let lines = lines(&bytes[..end])?;
    let lines = match may_fold {
        true => unfolded(lines)?,
        false => lines.into_iter().map(<[u8]>::to_vec).collect(),
    };
    let mut lines = lines.into_iter();
    let line = lines.next().unwrap_or_default();
    let parts = line.splitn(3, |byte| *byte == b' ');
    let mut start: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
    if manner == Manner::AsSent && start.len() == 2 {
        // A response without a reason. A request has no version then.
        start.push(Vec::new());
    }
    let start = start
        .try_into()
        .map_err(|_| "a start line without its parts")?;
    let fields = lines.map(|line| field(&line, manner));
    Ok(Some(Message {
        start,
        fields: fields.collect::<Result<_, _>>()?,
        length: Length::None,
        content: Vec::new(),
        trailers: Vec::new(),
        end: End::Whole,
        used: end + 4,
    }))
}

/// The lines of a text, each without its CR LF, and without control bytes.
fn lines(text: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(end) = find(rest, b"\r\n") {
        found.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    found.push(rest);
    let is_bad = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    if found.iter().any(|line| line.iter().any(is_bad)) {
        return Err("a control byte in a line");
    }
    Ok(found)
}

/// A field line.
fn field(line: &[u8], manner: Manner) -> Result<Field, &'static str> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.ok_or("a field line without a colon")?);
    if !is_token(name) {
        return Err("a field's name that is no token");
    }
    let value = &value[1..];
    let core = trimmed(value);
    if manner == Manner::Exact && value != [b" ", core].concat() {
        return Err("a field's value that is not behind one space");
    }
    Ok((name.to_vec(), core.to_vec()))
}

/// Two ways of saying how long the body is.
const BOTH: &str = "a length and a coding";

/// How long the body is, as the fields have it.
fn length(message: &Message, manner: Manner) -> Result<Length, &'static str> {
    if manner == Manner::Exact {
        // Some servers read `_` as `-`.
        let is_other = |field: &Field| {
            let name = field.0.to_ascii_lowercase();
            [&b"content_length"[..], b"transfer_encoding"].contains(&&*name)
        };
        if message.fields.iter().any(is_other) {
            return Err("a field that some would take for a length");
        }
    }
    let codings: Vec<&[u8]> = message.all("transfer-encoding").collect();
    let lengths: Vec<&[u8]> = message
        .all("content-length")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(trimmed)
        .collect();
    match (&*codings, &*lengths) {
        ([], []) => Ok(Length::None),
        ([], [first, others @ ..]) => {
            let first = number(first).ok_or("a length that is no number")?;
            if manner == Manner::Exact && lengths != [first.to_string().as_bytes()] {
                return Err("a length that is not one plain number");
            }
            if others.iter().any(|other| number(other) != Some(first)) {
                return Err("two lengths");
            }
            Ok(Length::Bytes(first))
        }
        ([b"chunked"], []) => Ok(Length::Chunked),
        ([coding], []) if manner == Manner::AsSent && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Length::Chunked)
        }
        (_, []) => Err("another coding"),
        _ => Err(BOTH),
    }
}

/// The body of a message, whose head ends where its bytes end so far.
fn body(bytes: &[u8], message: &mut Message, manner: Manner) {
    let rest = &bytes[message.used..];
    match message.length {
        Length::None => {}
        Length::UntilClose => {
            message.content = rest.to_vec();
            message.used = bytes.len();
        }
        Length::Bytes(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let content = &rest[..length.min(rest.len())];
            message.content = content.to_vec();
            message.used += content.len();
            if content.len() < length {
                message.end = End::Cut;
            }
        }
        Length::Chunked => match chunked(rest, message, manner) {
            Ok(Some(used)) => message.used += used,
            Ok(None) => {
                message.used = bytes.len();
                message.end = End::Cut;
            }
            Err(why) => message.end = End::Wrong(why),
        },
    }
}

/// Reads a chunked body; gives how many bytes it has, if it is whole.
fn chunked(
    bytes: &[u8],
    message: &mut Message,
    manner: Manner,
) -> Result<Option<usize>, &'static str> {
    let mut at = 0;
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else {
            return Ok(None);
        };
        let size = chunk_size(&bytes[at..at + end], manner)?;
        at += end + 2;
        if size == 0 {
            break;
        }
        let rest = &bytes[at..];
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let data = &rest[..size.min(rest.len())];
        message.content.extend_from_slice(data);
        match &rest[data.len()..] {
            [b'\r', b'\n', ..] => at += size + 2,
            [] | [b'\r'] => return Ok(None),
            _ => return Err("a chunk that is longer than it says"),
        }
    }
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else {
            return Ok(None);
        };
        let line = &bytes[at..at + end];
        at += end + 2;
        if line.is_empty() {
            return Ok(Some(at));
        }
        let line = lines(line)?.concat();
        message.trailers.push(field(&line, manner)?);
    }
}

/// The size of a chunk.
fn chunk_size(line: &[u8], manner: Manner) -> Result<u64, &'static str> {
    let line = lines(line)?.concat();
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let (digits, rest) = line.split_at(digits.count());
    let text = std::str::from_utf8(digits).unwrap_or_default();
    let size = u64::from_str_radix(text, 16).map_err(|_| "a chunk's size that is no number")?;
    let rest = trimmed(rest);
    match manner {
        Manner::Exact if line != format!("{size:x}").as_bytes() => {
            Err("a chunk's size of two forms")
        }
        Manner::AsSent if !rest.is_empty() && !rest.starts_with(b";") => {
            Err("more than a chunk's size")
        }
        _ => Ok(size),
    }
}

/// One to eighteen digits.
fn number(digits: &[u8]) -> Option<u64> {
    let is_number = (1..19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()?
        .parse()
        .ok()
        .filter(|_| is_number)
}

/// Whether the bytes are a token (RFC 9110 section 5.6.2).
fn is_token(bytes: &[u8]) -> bool {
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_good)
}

/// Without spaces and tabs around it.
#[must_use]
pub fn trimmed(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().take_while(|byte| is_space(byte)).count();
    let value = &value[start..];
    let after = value.iter().rev().take_while(|byte| is_space(byte)).count();
    &value[..value.len() - after]
}

/// Where `needle` begins in `haystack`.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let mut windows = haystack.windows(needle.len());
    windows.position(|window| window == needle)
}
