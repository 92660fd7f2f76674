//! A TLS connection that costs the one who measures as little as possible: few calls into the kernel, no copies of bodies.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use rustls::Connection;

use super::Outcome;

/// How much is taken from the kernel at once.
const BUFFER: usize = 128 * 1024;

/// How long one call may wait. A contender that takes longer does not work.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most fields that a head may have.
const MAX_FIELDS: usize = 32;

/// A connection, from either side.
pub(crate) struct Secure {
    /// TLS.
    tls: Connection,
    /// The socket.
    socket: BufReader<TcpStream>,
    /// Bytes of content that TLS has ready.
    ready: usize,
    /// The head that is being read.
    head: Vec<u8>,
}

/// What was read of a message.
pub(crate) struct Head {
    /// The status of a response.
    pub(crate) status: u16,
    /// The credential of a request.
    pub(crate) authorization: Vec<u8>,
    /// Whether it says that the connection ends behind it.
    pub(crate) is_last: bool,
    /// The length of the body.
    length: usize,
}

impl Secure {
    /// Makes the handshake over a socket.
    pub(crate) fn over(socket: TcpStream, tls: impl Into<Connection>) -> Outcome<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut secure = Self {
            tls: tls.into(),
            socket: BufReader::with_capacity(BUFFER, socket),
            ready: 0,
            head: Vec::new(),
        };
        loop {
            // At its end too: held back until the first request, it would let the other side wait in a handshake.
            secure.flush()?;
            if !secure.tls.is_handshaking() {
                return Ok(secure);
            }
            secure.receive()?;
        }
    }

    /// Sends all of it.
    pub(crate) fn send(&mut self, mut bytes: &[u8]) -> Outcome<()> {
        while !bytes.is_empty() {
            let taken = self.tls.writer().write(bytes)?;
            bytes = bytes.get(taken..).unwrap_or_default();
            self.flush()?;
        }
        Ok(())
    }

    /// Reads a message with its body, and gives its head and the length of the body.
    pub(crate) fn message(&mut self) -> Outcome<(Head, u64)> {
        let head = self.head()?;
        let mut left = head.length.saturating_sub(self.head.len());
        while left > 0 {
            self.wait()?;
            let mut reader = self.tls.reader();
            let count = reader.fill_buf()?.len().min(left);
            reader.consume(count);
            self.ready -= count;
            left -= count;
        }
        let length = head.length as u64;
        Ok((head, length))
    }

    /// Says that no more will be sent, as whoever closes a connection does.
    pub(crate) fn close(mut self) -> Outcome<()> {
        self.tls.send_close_notify();
        self.flush()
    }

    /// Reads a head. What is left in the buffer belongs to the body.
    fn head(&mut self) -> Outcome<Head> {
        self.head.clear();
        loop {
            self.wait()?;
            let mut reader = self.tls.reader();
            let bytes = reader.fill_buf()?;
            let count = bytes.len();
            self.head.extend_from_slice(bytes);
            reader.consume(count);
            self.ready -= count;
            if let Some((head, end)) = parse(&self.head)? {
                self.head.drain(..end);
                return Ok(head);
            }
        }
    }

    /// Waits until there is content.
    fn wait(&mut self) -> Outcome<()> {
        while self.ready == 0 {
            self.receive()?;
        }
        Ok(())
    }

    /// Receives once.
    fn receive(&mut self) -> Outcome<()> {
        if self.tls.read_tls(&mut self.socket)? == 0 {
            return Err("the connection has ended".into());
        }
        let processed = self.tls.process_new_packets();
        if processed.is_err() {
            // The alert that tells the other side why.
            let _ = self.flush();
        }
        self.ready = processed?.plaintext_bytes_to_read();
        Ok(())
    }

    /// Sends what TLS has to send.
    fn flush(&mut self) -> Outcome<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(self.socket.get_mut())?;
        }
        Ok(())
    }
}

/// Reads a head, a request's or a response's, and gives its end; `None` when there isn't all of it.
fn parse(bytes: &[u8]) -> Outcome<Option<(Head, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let (parsed, status, fields) = if bytes.starts_with(b"HTTP/") {
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(bytes)?;
        (parsed, response.code.unwrap_or(0), response.headers)
    } else {
        let mut request = httparse::Request::new(&mut fields);
        (request.parse(bytes)?, 0, request.headers)
    };
    let httparse::Status::Complete(end) = parsed else {
        return Ok(None);
    };
    let value = |name: &str| {
        let field = fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name));
        field.map(|field| field.value)
    };
    let length = match value("content-length") {
        Some(length) => std::str::from_utf8(length)?.parse()?,
        None if value("transfer-encoding").is_some() => {
            return Err("a body in chunks, where the origin had sent its length".into());
        }
        None => 0,
    };
    let authorization = value("authorization").unwrap_or_default().to_vec();
    let is_last = value("connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
    let head = Head {
        status,
        is_last,
        authorization,
        length,
    };
    Ok(Some((head, end)))
}
