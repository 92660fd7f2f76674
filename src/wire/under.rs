//! TLS below TLS: the connection to an upstream proxy that is spoken to by TLS itself, on which a tunnel leads to an origin.
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

/// The most that is sealed before the socket has taken it.
const MOST: usize = 64 * 1024;

/// TLS with the proxy.
pub(super) struct Under {
    /// Its records.
    records: Records,
    /// What was opened and not read.
    opened: Buffer,
    /// Whether the proxy has ended, whichever way: how the origin did is for the TLS above to say.
    has_ended: bool,
}

/// What comes through TLS with the proxy, to be read without waiting.
pub(super) struct Reader<'a> {
    /// That TLS.
    pub(super) under: &'a mut Under,
    /// The socket below.
    pub(super) socket: &'a TcpStream,
}

impl Under {
    /// TLS whose handshake is complete.
    pub(super) fn new(records: Records) -> Self {
        Self {
            records,
            opened: Buffer::default(),
            has_ended: false,
        }
    }

    /// Returns whether something can be read though nothing comes on the socket.
    pub(super) fn is_readable(&self) -> bool {
        !self.opened.is_empty()
    }

    /// Returns whether something was received and not read, or the beginning of a record.
    pub(super) fn has_received(&self) -> bool {
        self.is_readable() || self.records.has_received()
    }

    /// Returns whether something is still to be sent.
    pub(super) fn wants_flush(&self) -> bool {
        self.records.has_sealed()
    }

    /// Sends what is to be sent, as far as the socket takes it. Tells whether anything left.
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

    /// Sends bytes, without waiting. Tells how many are taken.
    ///
    /// # Errors
    /// `WouldBlock` while the socket has not taken what came before; a reset connection.
    pub(super) fn write(&mut self, socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        self.flush(socket)?;
        if self.records.has_sealed() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let bytes = bytes.get(..MOST).unwrap_or(bytes);
        self.records.seal(bytes).map_err(tls_error)?;
        self.flush(socket)?;
        Ok(bytes.len())
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// A reset connection.
    pub(super) fn say_end(&mut self, socket: &TcpStream) -> io::Result<()> {
        self.records.seal_end().map_err(tls_error)?;
        self.flush(socket).map(|_| ())
    }

    /// Gives back the memory of buffers that hold nothing.
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
        // Records may be empty, and who sends those without a pause would keep this for itself.
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
