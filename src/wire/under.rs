//! TLS below TLS: the outer layer of a tunnel through an https proxy, in which TLS with the origin runs.
#![deny(clippy::indexing_slicing)]

use std::io;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;

use super::READS;
use super::buffer::Buffer;
use super::records::Records;
use super::tls_error;

/// Bytes sealed at once, at most: more waits until the socket has taken those.
const MAX_SEALED: usize = 64 * 1024;

/// The outer TLS, with the proxy.
pub(super) struct Under {
    /// The records.
    records: Records,
    /// Decrypted bytes that the inner TLS has not read.
    opened: Buffer,
    /// Whether the proxy has ended. How doesn't matter: the inner TLS knows whether the origin is cut.
    has_ended: bool,
}

/// A non-blocking reader of the bytes inside the outer TLS.
pub(super) struct Reader<'a> {
    /// The outer TLS.
    pub(super) under: &'a mut Under,
    /// The socket below.
    pub(super) socket: &'a TcpStream,
}

impl Under {
    /// Wraps TLS whose handshake is complete.
    pub(super) fn new(records: Records) -> Self {
        Self {
            records,
            opened: Buffer::default(),
            has_ended: false,
        }
    }

    /// Returns whether decrypted bytes wait, which poll(2) can't know of.
    pub(super) fn is_readable(&self) -> bool {
        !self.opened.is_empty()
    }

    /// Returns whether bytes were received and not read, be it the beginning of a record.
    pub(super) fn has_received(&self) -> bool {
        self.is_readable() || self.records.has_received()
    }

    /// Returns whether sealed bytes wait for the socket.
    pub(super) fn wants_flush(&self) -> bool {
        self.records.has_sealed()
    }

    /// Sends sealed bytes as far as the socket takes them. Returns whether it took any.
    ///
    /// # Errors
    /// A reset connection.
    pub(super) fn flush(&mut self, mut socket: &TcpStream) -> io::Result<bool> {
        let mut moved = false;
        while self.records.has_sealed() {
            match socket.write(self.records.sealed().filled()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.records.sealed().consume(count);
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(moved)
    }

    /// Seals bytes and sends them without blocking. Returns how many were sealed.
    ///
    /// # Errors
    /// `WouldBlock` while earlier bytes wait for the socket; a reset connection.
    pub(super) fn write(&mut self, socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        self.flush(socket)?;
        if self.records.has_sealed() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let bytes = bytes.get(..MAX_SEALED).unwrap_or(bytes);
        self.records.seal(bytes).map_err(tls_error)?;
        self.flush(socket)?;
        Ok(bytes.len())
    }

    /// Sends a close_notify.
    ///
    /// # Errors
    /// A reset connection.
    pub(super) fn say_end(&mut self, socket: &TcpStream) -> io::Result<()> {
        self.records.seal_end().map_err(tls_error)?;
        self.flush(socket).map(|_| ())
    }

    /// Frees the memory of empty buffers.
    pub(super) fn rest(&mut self) {
        self.opened.rest();
        self.records.rest();
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Under {
            records,
            opened,
            has_ended,
        } = &mut *self.under;
        // A peer could send empty records without a pause.
        for _ in 0..READS {
            if !opened.is_empty() {
                let count = opened.filled().read(into)?;
                opened.consume(count);
                return Ok(count);
            }
            if *has_ended || records.read_from(self.socket)?.0 == 0 {
                *has_ended = true;
                return Ok(0);
            }
            *has_ended = records.open(opened).map_err(tls_error)?;
        }
        Err(ErrorKind::WouldBlock.into())
    }
}
