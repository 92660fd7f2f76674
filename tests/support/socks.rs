//! A proxy of SOCKS 5 (RFC 1928, RFC 1929), and how bytes go on from a proxy.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use super::client;
use super::origin::Conn;
use super::origin::Origin;
use super::wire::Channel;
use super::wire::Filled;

/// Time to wait on one direction of a tunnel before switching to the other.
const TURN: Duration = Duration::from_millis(2);

/// A proxy that leads everything to one port of this machine.
pub(crate) struct Socks {
    /// Its connections.
    pub(crate) origin: Origin,
    /// What it was asked for: the user and the password, and the destination.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Socks {
    /// Starts a proxy to this port, with or without a user and a password.
    pub(crate) fn start(login: Option<&'static str>, port: u16) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let origin = Origin::plain(move |conn| {
            let Some(what) = answer(conn, login) else {
                return;
            };
            notes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(what);
            let there = client::connect(port);
            // Where it connects from, as a name, and in one piece with what comes first.
            let mut reply = b"\x05\0\0\x03\x0bproxy.local\x12\x34".to_vec();
            reply.extend(first_bytes(&there));
            conn.send(reply);
            shuttle(&mut conn.channel, there);
        });
        Self { origin, asked }
    }

    /// Returns the received requests, once all the proxy's connections have ended.
    pub(crate) fn finish(&self) -> Vec<String> {
        self.origin.finish();
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Reads what a client wants, up to the request that is to be answered.
fn answer(conn: &mut Conn, login: Option<&str>) -> Option<String> {
    let channel = &mut conn.channel;
    let greeting = channel.take(2);
    assert_eq!(greeting.first(), Some(&5), "{greeting:?}");
    let ways = channel.take(greeting[1].into());
    let mut what = String::new();
    match login {
        None if ways.contains(&0) => channel.send(b"\x05\0"),
        Some(login) if ways.contains(&2) => {
            channel.send(b"\x05\x02");
            assert_eq!(channel.take(1), [1]);
            let user = counted(channel);
            what = format!("{user}:{} ", counted(channel));
            if what.trim() != login {
                channel.send(b"\x01\x01");
                return None;
            }
            channel.send(b"\x01\0");
        }
        _ => {
            channel.send(b"\x05\xff");
            return None;
        }
    }
    let request = channel.take(4);
    assert_eq!(request.get(..3), Some(&b"\x05\x01\0"[..]), "{request:?}");
    let host = match request[3] {
        1 => <[u8; 4]>::try_from(channel.take(4))
            .map(|ip| std::net::Ipv4Addr::from(ip).to_string())
            .expect("an address"),
        3 => counted(channel),
        4 => <[u8; 16]>::try_from(channel.take(16))
            .map(|ip| std::net::Ipv6Addr::from(ip).to_string())
            .expect("an address"),
        other => panic!("no kind of addresses: {other}"),
    };
    let port = channel.take(2);
    let port = u16::from_be_bytes([port[0], port[1]]);
    Some(format!("{what}{host} {port}"))
}

/// Text behind its length.
fn counted(channel: &mut Channel) -> String {
    let length = channel.take(1)[0];
    String::from_utf8(channel.take(length.into())).expect("text")
}

/// The greeting of a server that speaks first.
fn first_bytes(there: &TcpStream) -> Vec<u8> {
    let waits = Some(Duration::from_millis(50));
    there.set_read_timeout(waits).expect("a timeout");
    let mut bytes = [0; 64];
    let count = std::io::Read::read(&mut &*there, &mut bytes).unwrap_or(0);
    bytes[..count].to_vec()
}

/// Moves bytes both ways until one side ends.
pub(crate) fn shuttle(here: &mut Channel, there: TcpStream) {
    let mut there = Channel::new(Box::new(there));
    for channel in [&mut *here, &mut there] {
        let socket = channel.socket();
        socket.set_read_timeout(Some(TURN)).expect("a timeout");
    }
    loop {
        let (up, down) = (here.try_fill(), there.try_fill());
        if !there.try_send(here.received()) || !here.try_send(there.received()) {
            return;
        }
        if [up, down]
            .iter()
            .any(|filled| matches!(filled, Filled::Ended(_)))
        {
            return;
        }
    }
}
