//! TLS on one side of a connection: records that were received are opened in the buffer that they were read into, and what is to be sent
//! is sealed into one that leaves at once (RFC 8446 section 5).
//!
//! rustls has buffers of its own for whoever wants them; with those, each record would be read in four parts and copied twice more.

use std::io;

use rustls::PeerMisbehaved;
use rustls::ProtocolVersion;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::ConnectionState;
use rustls::unbuffered::EncodeError;
use rustls::unbuffered::EncryptError;
use rustls::unbuffered::UnbufferedStatus;
use rustls::unbuffered::WriteTraffic;

use super::buffer::Buffer;

/// The most content of a record (RFC 8446 section 5.1).
const RECORD: usize = 16 * 1024;

/// What a record has beside its content, at the most that is seen: header, nonce, content type, tag. More is asked for where it is needed.
const AROUND: usize = 32;

/// Bytes that may wait at rest, at the most. What is legitimate is the longest handshake message that rustls takes, 64 KiB, in its records,
/// and the beginning of another record; but such a message can be spread over any number of records that hold next to nothing.
const MOST_WAITING: usize = 128 * 1024;

/// Which side of TLS is ours.
pub(crate) enum Role {
    /// The client's.
    Client(UnbufferedClientConnection),
    /// The server's.
    Server(UnbufferedServerConnection),
}

/// TLS on a connection.
pub(super) struct Records {
    /// Our side.
    role: Role,
    /// Records that were received and not opened: at rest, the beginning of one at the most.
    received: Buffer,
    /// Records that are to be sent.
    sealed: Buffer,
    /// What the peer did wrong, once it has: nothing is opened or sealed from then on.
    failed: Option<rustls::Error>,
}

/// What is to be done besides opening what was received.
enum Task<'a> {
    /// Nothing.
    Open,
    /// Seal this content.
    Seal(&'a [u8]),
    /// Say that nothing more will be sent.
    Close,
}

/// What a step has come to.
enum Step {
    /// Content came.
    Content,
    /// There is more to do.
    More,
    /// The peer has said that it sends no more.
    Ended,
    /// All is done for now.
    Rest,
}

impl Records {
    /// TLS that begins with bytes that were received already. The first records of ours are sealed once that is asked for.
    pub(super) fn new(role: Role, received: Buffer) -> Self {
        Self {
            role,
            received,
            sealed: Buffer::default(),
            failed: None,
        }
    }

    /// Whether the handshake is still to be completed.
    pub(super) fn is_handshaking(&self) -> bool {
        match &self.role {
            Role::Client(tls) => tls.is_handshaking(),
            Role::Server(tls) => tls.is_handshaking(),
        }
    }

    /// Whether our side is the server's.
    pub(super) fn is_server(&self) -> bool {
        matches!(self.role, Role::Server(_))
    }

    /// Returns the application protocol that both sides agreed on (RFC 7301).
    pub(super) fn protocol(&self) -> Option<&[u8]> {
        match &self.role {
            Role::Client(tls) => tls.alpn_protocol(),
            Role::Server(tls) => tls.alpn_protocol(),
        }
    }

    /// Whether all that is sealed behind the handshake are tickets for the next one: what a server has left to say in TLS 1.3.
    pub(super) fn has_only_tickets(&self) -> bool {
        match &self.role {
            Role::Client(_) => false,
            Role::Server(tls) => tls.protocol_version() == Some(ProtocolVersion::TLSv1_3),
        }
    }

    /// Records that are to be sent.
    pub(super) fn sealed(&mut self) -> &mut Buffer {
        &mut self.sealed
    }

    /// Whether there are some.
    pub(super) fn has_sealed(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// Returns whether records were received and not opened, or the beginning of one.
    pub(super) fn has_received(&self) -> bool {
        !self.received.is_empty()
    }

    /// Reads once. Tells how much came, and whether there may be more.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn read_from(&mut self, socket: impl io::Read) -> io::Result<(usize, bool)> {
        self.received.read_from(socket)
    }

    /// Opens the records that are whole; their content goes behind `input`. Tells whether the peer has said, now, that it sends no more.
    ///
    /// # Errors
    /// What the peer did wrong. It shall hear of it: what is to be sent then says so.
    pub(super) fn open(&mut self, input: &mut Buffer) -> Result<bool, rustls::Error> {
        let mut opened = self.drive(&Task::Open, input);
        if self.failed.is_some() {
            return opened;
        }
        if opened.is_err() {
            // The alert, if there is one, is what the next step gives; there must be no other.
            let _ = self.step(&Task::Open, input);
        } else if self.received.filled().len() > MOST_WAITING {
            opened = Err(PeerMisbehaved::TooManyEmptyFragments.into());
        }
        self.failed = opened.as_ref().err().cloned();
        opened
    }

    /// Seals content.
    ///
    /// # Errors
    /// When nothing can be sent any more.
    pub(super) fn seal(&mut self, content: &[u8]) -> Result<(), rustls::Error> {
        self.drive(&Task::Seal(content), &mut Buffer::default())
            .map(|_| ())
    }

    /// Seals the word that no more will be sent (RFC 8446 section 6.1). Before the handshake is complete there is none.
    ///
    /// # Errors
    /// When nothing can be sent any more.
    pub(super) fn seal_end(&mut self) -> Result<(), rustls::Error> {
        self.drive(&Task::Close, &mut Buffer::default()).map(|_| ())
    }

    /// Gives back the memory of buffers that hold nothing, where it is much.
    pub(super) fn shrink(&mut self) {
        self.received.shrink();
        self.sealed.shrink();
    }

    /// Gives back the memory of buffers that hold nothing.
    pub(super) fn rest(&mut self) {
        self.received.rest();
        self.sealed.rest();
    }

    /// Takes steps until all is done; tells whether the peer has ended meanwhile.
    fn drive(&mut self, task: &Task<'_>, input: &mut Buffer) -> Result<bool, rustls::Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut has_ended = false;
        loop {
            match self.step(task, input)? {
                // Whatever there is to do besides comes from more records.
                Step::Content if matches!(task, Task::Open) && self.received.is_empty() => {
                    return Ok(has_ended);
                }
                Step::Content | Step::More => {}
                Step::Ended => has_ended = true,
                Step::Rest => return Ok(has_ended),
            }
        }
    }

    /// One step.
    fn step(&mut self, task: &Task<'_>, input: &mut Buffer) -> Result<Step, rustls::Error> {
        let received = self.received.filled_mut();
        let (used, step) = match &mut self.role {
            Role::Client(tls) => {
                let status = tls.process_tls_records(received);
                settle(status, task, input, &mut self.sealed)
            }
            Role::Server(tls) => {
                let status = tls.process_tls_records(received);
                settle(status, task, input, &mut self.sealed)
            }
        };
        self.received.consume(used);
        step
    }
}

/// Does what the state asks for. Tells, too, how many of the received bytes are done with.
fn settle<D>(
    status: UnbufferedStatus<'_, '_, D>,
    task: &Task<'_>,
    input: &mut Buffer,
    sealed: &mut Buffer,
) -> (usize, Result<Step, rustls::Error>) {
    let mut used = status.discard;
    let step = match status.state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                None => break Ok(Step::Content),
                Some(Err(error)) => break Err(error),
                Some(Ok(record)) => {
                    input.push(record.payload);
                    used += record.discard;
                }
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            put(sealed, 0, |room| match data.encode(room) {
                Ok(count) => Ok(Ok(count)),
                Err(EncodeError::InsufficientSize(size)) => Ok(Err(size.required_size)),
                Err(EncodeError::AlreadyEncoded) => Ok(Ok(0)),
            })
            .map(|()| Step::More)
        }
        // What was encoded is sealed, and leaves with the rest.
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::More)
        }
        Ok(ConnectionState::PeerClosed) => Ok(Step::Ended),
        Ok(ConnectionState::WriteTraffic(traffic)) => write(traffic, task, sealed),
        Ok(_) if matches!(task, Task::Seal(_)) => Err(rustls::Error::HandshakeNotComplete),
        // Without early data there is no other state that has something to read (RFC 8446 section 2.3).
        Ok(_) => Ok(Step::Rest),
    };
    (used, step)
}

/// Does the task.
fn write<D>(
    mut traffic: WriteTraffic<'_, D>,
    task: &Task<'_>,
    sealed: &mut Buffer,
) -> Result<Step, rustls::Error> {
    let failed = |error: EncryptError| match error {
        EncryptError::InsufficientSize(size) => Ok(Err(size.required_size)),
        EncryptError::EncryptExhausted => Err(rustls::Error::EncryptError),
    };
    match task {
        Task::Open => {}
        Task::Seal(content) => {
            let size = content.len() + (content.len() / RECORD + 1) * AROUND;
            put(sealed, size, |room| {
                traffic.encrypt(content, room).map(Ok).or_else(failed)
            })?;
        }
        Task::Close => put(sealed, AROUND, |room| {
            traffic.queue_close_notify(room).map(Ok).or_else(failed)
        })?,
    }
    Ok(Step::Rest)
}

/// Has something written behind what is sealed, with as much room as it turns out to need.
fn put(
    sealed: &mut Buffer,
    mut size: usize,
    mut into: impl FnMut(&mut [u8]) -> Result<Result<usize, usize>, rustls::Error>,
) -> Result<(), rustls::Error> {
    loop {
        match into(sealed.room(size))? {
            Ok(count) => {
                sealed.commit(count);
                return Ok(());
            }
            Err(needed) if needed > size => size = needed,
            Err(_) => return Err(rustls::Error::EncryptError),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::ClientConfig;
    use rustls::RootCertStore;
    use rustls::ServerConfig;
    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::PrivatePkcs8KeyDer;

    use super::*;

    /// Both configurations for a host, of one version of TLS.
    struct Configs(Arc<ClientConfig>, Arc<ServerConfig>);

    impl Configs {
        /// Makes them.
        fn new(version: &'static rustls::SupportedProtocolVersion) -> Self {
            let made = rcgen::generate_simple_self_signed(["x.com".to_owned()]).unwrap();
            let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
            let certificate = made.cert.der().clone();
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone()).unwrap();
            let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate], key)
                .unwrap();
            Self(Arc::new(client), Arc::new(server))
        }

        /// The client's side of a connection.
        fn client(&self) -> Records {
            let name = "x.com".try_into().unwrap();
            let tls = UnbufferedClientConnection::new(Arc::clone(&self.0), name).unwrap();
            Records::new(Role::Client(tls), Buffer::default())
        }

        /// The server's.
        fn server(&self) -> Records {
            let tls = UnbufferedServerConnection::new(Arc::clone(&self.1)).unwrap();
            Records::new(Role::Server(tls), Buffer::default())
        }
    }

    /// Numbers that look like chance, the same for the same seed (Marsaglia, "Xorshift RNGs").
    struct Chance(u64);

    impl Chance {
        /// One below `limit`.
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % limit as u64).unwrap()
        }
    }

    /// One side, what it has sent, and what has arrived there.
    struct Side {
        /// Its records.
        records: Records,
        /// The content that it sealed.
        sent: Vec<u8>,
        /// The content that it got.
        input: Buffer,
    }

    impl Side {
        /// Nothing has been said yet.
        fn new(mut records: Records) -> Self {
            let mut input = Buffer::default();
            records.open(&mut input).unwrap();
            Self {
                records,
                sent: Vec::new(),
                input,
            }
        }

        /// Moves so many sealed bytes to the other side, one of them changed where that is wanted.
        fn give(
            &mut self,
            to: &mut Self,
            most: usize,
            fault: Option<usize>,
        ) -> Result<(), rustls::Error> {
            let sealed = self.records.sealed();
            let count = most.min(sealed.filled().len());
            let mut moved = sealed.filled()[..count].to_vec();
            sealed.consume(count);
            if let Some(place) = fault.filter(|_| count > 0) {
                moved[place % count] ^= 1;
            }
            let mut source = moved.as_slice();
            while !source.is_empty() {
                to.records.read_from(&mut source).unwrap();
                to.records.open(&mut to.input)?;
            }
            Ok(())
        }
    }

    /// A conversation in which everything is cut anywhere; gives whether it failed. What arrives is what was sent, or the beginning of it.
    fn converse(configs: &Configs, seed: u64, with_fault: bool) -> bool {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut sides = [Side::new(configs.client()), Side::new(configs.server())];
        let fault_at = chance.below(200);
        let mut failed = false;
        for step in 0..300 {
            sides.swap(0, chance.below(2));
            let [from, to] = &mut sides;
            if !from.records.is_handshaking() && chance.below(4) == 0 {
                let limit = if chance.below(8) == 0 { 50_000 } else { 500 };
                let length = chance.below(limit);
                let content: Vec<u8> = (0..length)
                    .map(|_| chance.below(256).to_le_bytes()[0])
                    .collect();
                from.records.seal(&content).unwrap();
                from.sent.extend_from_slice(&content);
            }
            let limit = if chance.below(2) == 0 { 20 } else { 40_000 };
            let most = chance.below(limit);
            let fault = (with_fault && step >= fault_at).then(|| chance.below(40_000));
            failed = from.give(to, most, fault).is_err();
            if failed {
                break;
            }
        }
        let [one, other] = &mut sides;
        while !failed && (one.records.has_sealed() || other.records.has_sealed()) {
            failed = one.give(other, usize::MAX, None).is_err()
                || other.give(one, usize::MAX, None).is_err();
        }
        for (from, to) in [(&*one, &*other), (&*other, &*one)] {
            assert!(from.sent.starts_with(to.input.filled()), "seed {seed}");
            assert!(
                with_fault || from.sent.len() == to.input.filled().len(),
                "seed {seed}"
            );
        }
        failed
    }

    #[test]
    fn what_is_sealed_opens_however_it_is_cut() {
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let configs = Configs::new(version);
            for seed in 1..60 {
                assert!(!converse(&configs, seed, false), "seed {seed}");
            }
        }
    }

    #[test]
    fn what_was_changed_on_the_way_does_not_open() {
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let configs = Configs::new(version);
            let failed = (1..60).filter(|seed| converse(&configs, *seed, true));
            // A length that was changed may only have one side wait.
            assert!(failed.count() > 30);
        }
    }

    #[test]
    fn a_message_in_very_many_records_is_not_kept() {
        let mut records = Configs::new(&rustls::version::TLS13).client();
        let mut input = Buffer::default();
        assert_eq!(records.open(&mut input), Ok(false));
        // A ServerHello of 65,535 bytes, each in a record of its own.
        let message = [2, 0, 0xff, 0xff]
            .into_iter()
            .chain([0].into_iter().cycle());
        let mut sent = 0;
        let error = loop {
            let record: Vec<u8> = message
                .clone()
                .skip(sent)
                .take(1000)
                .flat_map(|byte| [22, 3, 3, 0, 1, byte])
                .collect();
            sent += 1000;
            assert!(sent < 65_535, "all of it was kept");
            let mut source = record.as_slice();
            while !source.is_empty() {
                records.read_from(&mut source).unwrap();
            }
            if let Err(error) = records.open(&mut input) {
                break error;
            }
        };
        assert_eq!(records.open(&mut input), Err(error));
        assert!(records.seal(b"x").is_err());
    }

    #[test]
    fn nothing_is_sealed_before_the_handshake_is_complete() {
        let sealed = Configs::new(&rustls::version::TLS13).client().seal(b"x");
        assert_eq!(sealed, Err(rustls::Error::HandshakeNotComplete));
    }
}
