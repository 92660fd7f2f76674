//! Bytes and messages as they are on a connection: a strict parser of HTTP/1.1 that shares nothing with the one under test.

use std::fmt;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpStream;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::ServerConnection;
use rustls::StreamOwned;

/// How long one read may wait. A test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A connection, in the clear or not.
pub(crate) trait Duplex: Read + Write + Send {
    /// The socket below.
    fn socket(&self) -> &TcpStream;

    /// Says that nothing more will be sent: a close_notify where there is TLS.
    fn end_sending(&mut self);
}

impl Duplex for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }

    fn end_sending(&mut self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Duplex for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }

    fn end_sending(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
        let _ = self.sock.shutdown(Shutdown::Write);
    }
}

impl Duplex for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }

    fn end_sending(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
        let _ = self.sock.shutdown(Shutdown::Write);
    }
}

/// How a peer's sending has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As it should: close_notify in TLS, the end of the stream in the clear.
    Clean,
    /// In TLS without close_notify.
    Cut,
    /// With a reset, or another error.
    Reset,
}

/// What waiting for more has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// There is more.
    More,
    /// There is no more.
    Ended(End),
    /// Nothing came in time.
    Nothing,
}

/// How a body was framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Not at all.
    None,
    /// By its length.
    Length,
    /// By chunks.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// A request or a response.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The first line.
    pub(crate) line: String,
    /// The head as it came, with the empty line.
    pub(crate) head: Vec<u8>,
    /// Its fields.
    fields: Vec<(String, String)>,
    /// The body, or what came of it.
    pub(crate) body: Vec<u8>,
    /// How it was framed.
    pub(crate) framing: Framing,
    /// Fields behind it.
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether it came to its end, as its framing says.
    pub(crate) whole: bool,
}

impl Message {
    /// The values of all fields of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter();
        fields
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| &**value)
            .collect()
    }

    /// The value of the only field of this name.
    pub(crate) fn one(&self, name: &str) -> &str {
        match self.all(name).as_slice() {
            [only] => only,
            other => panic!("not one {name} but {other:?}\n{self}"),
        }
    }

    /// Whether there is a field of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        let word = self.line.split(' ').nth(1).unwrap_or_default();
        word.parse().expect("a status")
    }

    /// The method of a request.
    pub(crate) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// The target of a request.
    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }

    /// Checks that it is an answer of the proxy's own, whole and of the form that all of them have.
    pub(crate) fn assert_refusal(&self, status: u16, token: &str) -> serde_json::Value {
        assert_eq!(self.status(), status, "{self}");
        assert_eq!(self.one("Proxy-Status"), format!("authsome; error={token}"));
        assert_eq!(self.one("Content-Type"), "application/json");
        assert!(self.whole, "{self}");
        let body = self.json();
        let text = |name: &str| {
            body[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name}\n{self}"))
        };
        let message = format!("authsome: {}; hint: {}", text("error"), text("hint"));
        assert_eq!(text("message"), message, "{self}");
        body
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = String::from_utf8_lossy(&self.head);
        write!(f, "{head}{}\n(whole: {})", self.text(), self.whole)
    }
}

/// Sees every byte that was received.
pub(crate) type Recorder = Box<dyn FnMut(&[u8]) + Send>;

/// A connection with what was received and not yet read.
pub(crate) struct Channel {
    /// The connection.
    stream: Box<dyn Duplex>,
    /// Received, not read.
    buffer: Vec<u8>,
    /// How the peer's sending has ended, if it has.
    end: Option<End>,
    /// Sees what is received.
    recorder: Recorder,
}

impl Channel {
    /// A channel over a connection.
    pub(crate) fn new(stream: Box<dyn Duplex>) -> Self {
        let socket = stream.socket();
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        socket.set_nodelay(true).expect("no delay");
        Self {
            stream,
            buffer: Vec::new(),
            end: None,
            recorder: Box::new(|_| {}),
        }
    }

    /// The same, with someone who sees what is received.
    pub(crate) fn recorded(mut self, recorder: Recorder) -> Self {
        self.recorder = recorder;
        self
    }

    /// The connection itself, of which nothing may have been read.
    pub(crate) fn into_stream(self) -> Box<dyn Duplex> {
        assert!(self.buffer.is_empty(), "{:?}", self.buffer);
        self.stream
    }

    /// Another handle of the socket below.
    pub(crate) fn socket(&self) -> TcpStream {
        let socket = self.stream.socket().try_clone();
        socket.expect("another handle")
    }

    /// Sends; that the peer takes nothing any more is no error here.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = self.stream.write_all(bytes.as_ref());
        sent.and_then(|()| self.stream.flush()).is_ok()
    }

    /// Sends.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.write_all(bytes.as_ref());
        sent.and_then(|()| self.stream.flush())
            .unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    /// Says that nothing more will be sent.
    pub(crate) fn end_sending(&mut self) {
        self.stream.end_sending();
    }

    /// Ends both directions without a word of TLS.
    pub(crate) fn cut(&self) {
        let _ = self.stream.socket().shutdown(Shutdown::Both);
    }

    /// Receives some more; false at the end.
    pub(crate) fn fill(&mut self) -> bool {
        match self.try_fill() {
            Filled::More => true,
            Filled::Ended(_) => false,
            Filled::Nothing => {
                let buffer = String::from_utf8_lossy(&self.buffer);
                panic!("nothing came for {PATIENCE:?}; so far: {buffer}");
            }
        }
    }

    /// Receives some more, if it comes in time.
    pub(crate) fn try_fill(&mut self) -> Filled {
        if let Some(end) = self.end {
            return Filled::Ended(end);
        }
        let mut bytes = [0; 16 * 1024];
        let end = match self.stream.read(&mut bytes) {
            Ok(0) => End::Clean,
            Ok(count) => {
                let received = bytes.get(..count).unwrap_or_default();
                (self.recorder)(received);
                self.buffer.extend_from_slice(received);
                return Filled::More;
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Filled::Nothing,
                io::ErrorKind::UnexpectedEof => End::Cut,
                _ => End::Reset,
            },
        };
        self.end = Some(end);
        Filled::Ended(end)
    }

    /// What was received and not yet read.
    pub(crate) fn received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Everything up to the end, and how that was.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, End) {
        while self.fill() {}
        let end = self.end.expect("the end was seen");
        (std::mem::take(&mut self.buffer), end)
    }

    /// So many bytes, or fewer where the peer has ended.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count && self.fill() {}
        let count = count.min(self.buffer.len());
        self.buffer.drain(..count).collect()
    }

    /// Everything up to and with the text, if it comes.
    pub(crate) fn until(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        loop {
            let found = self
                .buffer
                .windows(text.len())
                .position(|part| part == text);
            if let Some(at) = found {
                return Some(self.buffer.drain(..at + text.len()).collect());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// A message's head; `None` at the end of the connection.
    fn head(&mut self) -> Option<Message> {
        let head = self.until(b"\r\n\r\n")?;
        let text = head.strip_suffix(b"\r\n\r\n").expect("its end").to_vec();
        let text: String = text.iter().map(|byte| char::from(*byte)).collect();
        assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']));
        let mut lines = text.split("\r\n");
        let line = lines.next().expect("a first line").to_owned();
        Some(Message {
            line,
            head,
            fields: lines.map(field).collect(),
            body: Vec::new(),
            framing: Framing::None,
            trailers: Vec::new(),
            whole: true,
        })
    }

    /// The next request; `None` when there is no more, be it that the last was cut within its head.
    pub(crate) fn request(&mut self) -> Option<Message> {
        let mut message = self.head()?;
        self.body(&mut message, Framing::None);
        Some(message)
    }

    /// The head of the next request.
    pub(crate) fn request_head(&mut self) -> Option<Message> {
        self.head()
    }

    /// The next response to a request of this method, interim ones too.
    pub(crate) fn response(&mut self, method: &str) -> Message {
        let Some(mut message) = self.head() else {
            let rest = String::from_utf8_lossy(&self.buffer);
            panic!("no response, but {:?} behind {rest:?}", self.end);
        };
        assert!(message.line.starts_with("HTTP/1.1 "), "{message}");
        let status = message.status();
        let is_empty = method == "HEAD" || status < 200 || status == 204 || status == 304;
        let is_tunnel = method == "CONNECT" && status == 200;
        if !is_empty && !is_tunnel {
            self.body(&mut message, Framing::Close);
        }
        message
    }

    /// Reads a message's body; `unless` is how it is framed where no field says it.
    fn body(&mut self, message: &mut Message, unless: Framing) {
        let codings = message.all("transfer-encoding");
        let is_chunked = match codings.as_slice() {
            [] => false,
            ["chunked"] => true,
            _ => panic!("a coding of another form: {message}"),
        };
        assert!(!(is_chunked && message.has("content-length")), "{message}");
        if is_chunked {
            message.framing = Framing::Chunked;
            message.whole = self.chunks(message).is_some();
        } else if message.has("content-length") {
            let length: usize = message.one("content-length").parse().expect("a length");
            message.framing = Framing::Length;
            message.body = self.take(length);
            message.whole = message.body.len() == length;
        } else {
            message.framing = unless;
            if unless == Framing::Close {
                let (body, end) = self.rest();
                message.body = body;
                message.whole = end == End::Clean;
            }
        }
    }

    /// Reads chunks and trailers; `None` when they end too early.
    fn chunks(&mut self, message: &mut Message) -> Option<()> {
        loop {
            let line = self.until(b"\r\n")?;
            let line = String::from_utf8(line).expect("a chunk's size");
            let size = usize::from_str_radix(line.trim_end(), 16).expect("a chunk's size");
            if size == 0 {
                break;
            }
            let chunk = self.take(size);
            message.body.extend_from_slice(&chunk);
            if chunk.len() < size || self.take(2) != b"\r\n" {
                return None;
            }
        }
        loop {
            let line = self.until(b"\r\n")?;
            match line.strip_suffix(b"\r\n").expect("its end") {
                b"" => return Some(()),
                line => message.trailers.push(field(&String::from_utf8_lossy(line))),
            }
        }
    }
}

/// A field's name and value.
fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').expect("a colon");
    assert!(!name.is_empty() && !name.contains([' ', '\t']), "{line:?}");
    (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
}

/// Base64 with padding (RFC 4648 section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut padded = [0; 3];
        padded[..group.len()].copy_from_slice(group);
        let [a, b, c] = padded;
        let number = u32::from_be_bytes([0, a, b, c]);
        for index in 0..4 {
            let six = (number >> (18 - 6 * index)) & 63;
            let letter = LETTERS[usize::try_from(six).expect("six bits")];
            text.push(if index <= group.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

/// DER as PEM.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = base64(der);
    let lines: Vec<String> = text
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
