//! Client of SOCKS 5 proxies (RFC 1928), with user and password (RFC 1929).

use std::net::IpAddr;
use std::time::Duration;
use std::time::Instant;

use zeroize::Zeroizing;

use super::Error;
use super::Kind;
use super::via::Via;
use crate::url::Authority;
use crate::wire::Wire;

/// Time for the login.
const LOGIN_TIME: Duration = Duration::from_secs(10);

/// Time for the proxy to reach the target, or to give up.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// The protocol's version.
const VERSION: u8 = 5;

/// The version of the exchange of user and password.
const LOGIN_VERSION: u8 = 1;

/// No login.
const NOTHING: u8 = 0;
/// Login by user and password.
const PASSWORD: u8 = 2;

/// An IPv4 address.
const V4: u8 = 1;
/// A name.
const NAME: u8 = 3;
/// An IPv6 address.
const V6: u8 = 4;

/// A handshake with a proxy.
struct Handshake<'a> {
    /// The connection to the proxy.
    wire: &'a mut Wire,
    /// The proxy.
    via: &'a Via,
    /// The destination.
    target: &'a Authority,
    /// End of the current step.
    deadline: Instant,
}

/// Has the proxy connect to the target, whose host may be a name. Bytes behind the proxy's answer are
/// the target's and stay in the input.
///
/// # Errors
/// When the proxy refuses, breaks the protocol, or doesn't answer in time.
pub(super) fn connect(wire: &mut Wire, via: &Via, target: &Authority) -> Result<(), Error> {
    let mut handshake = Handshake {
        wire,
        via,
        target,
        deadline: Instant::now() + LOGIN_TIME,
    };
    handshake.log_in()?;
    handshake.deadline = Instant::now() + REQUEST_TIME;
    handshake.request()
}

impl Handshake<'_> {
    /// Agrees on a login method and logs in.
    fn log_in(&mut self) -> Result<(), Error> {
        let greeting: &[u8] = match self.via.login {
            None => &[VERSION, 1, NOTHING],
            Some(_) => &[VERSION, 2, NOTHING, PASSWORD],
        };
        self.wire.output().extend_from_slice(greeting);
        let [version, way] = self.receive()?;
        if version != VERSION {
            return Err(self.no_socks());
        }
        match (way, &self.via.login) {
            (NOTHING, _) => Ok(()),
            (PASSWORD, Some((user, password))) => {
                let mut message = Zeroizing::new(Vec::with_capacity(3 + 2 * 255));
                message.push(LOGIN_VERSION);
                for part in [user.expose(), password.expose()] {
                    let length = u8::try_from(part.len())
                        .map_err(|_| self.failed("has a user or a password that is too long"))?;
                    message.push(length);
                    message.extend_from_slice(part);
                }
                self.wire.push_secret(&message);
                match self.receive()? {
                    [LOGIN_VERSION, 0] => Ok(()),
                    [LOGIN_VERSION, _] => {
                        Err(self.failed("does not take the user and the password in its URL"))
                    }
                    _ => Err(self.no_socks()),
                }
            }
            (0xff, None) => Err(self.failed("wants a user and a password (put them into its URL)")),
            (0xff, Some(_)) => Err(self.failed("wants another way to log in than by password")),
            _ => Err(self.no_socks()),
        }
    }

    /// Requests the connection.
    fn request(&mut self) -> Result<(), Error> {
        let out = self.wire.output();
        out.extend_from_slice(&[VERSION, 1, 0]);
        match self.target.host.ip() {
            Some(IpAddr::V4(ip)) => {
                out.push(V4);
                out.extend_from_slice(&ip.octets());
            }
            Some(IpAddr::V6(ip)) => {
                out.push(V6);
                out.extend_from_slice(&ip.octets());
            }
            None => {
                let name = self.target.host.as_str().as_bytes();
                // A host has 253 bytes at the most.
                out.extend_from_slice(&[NAME, u8::try_from(name.len()).unwrap_or(u8::MAX)]);
                out.extend_from_slice(name);
            }
        }
        out.extend_from_slice(&self.target.port.to_be_bytes());
        let [version, reply, _, kind] = self.receive()?;
        if version != VERSION {
            return Err(self.no_socks());
        }
        if reply != 0 {
            return Err(self.refused(reply));
        }
        // The proxy's own address is of no use.
        match kind {
            V4 => self.receive::<6>().map(|_| ()),
            V6 => self.receive::<18>().map(|_| ()),
            NAME => {
                let [length] = self.receive()?;
                self.drop_input(usize::from(length) + 2)
            }
            _ => Err(self.no_socks()),
        }
    }

    /// Sends the output, then receives so many bytes.
    fn receive<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Error> {
        self.wait_for(COUNT)?;
        let input = self.wire.input().first_chunk().copied();
        self.wire.consume(COUNT);
        input.ok_or_else(|| self.failed("ended the connection"))
    }

    /// Receives so many bytes and drops them.
    fn drop_input(&mut self, count: usize) -> Result<(), Error> {
        self.wait_for(count)?;
        self.wire.consume(count);
        Ok(())
    }

    /// Sends the output, then waits for so many bytes of input.
    fn wait_for(&mut self, count: usize) -> Result<(), Error> {
        self.wire
            .flush_all(self.deadline)
            .map_err(|_| self.failed("ended the connection"))?;
        while self.wire.input().len() < count {
            if self.wire.end().is_some() {
                return Err(self.failed("ended the connection"));
            }
            let waited = self.wire.wait_for_input(self.deadline);
            waited.map_err(|error| match error.kind() {
                std::io::ErrorKind::TimedOut => self.failed("did not answer in time"),
                _ => self.failed("ended the connection"),
            })?;
        }
        Ok(())
    }

    /// Returns the error for a reply (RFC 1928 section 6).
    fn refused(&self, reply: u8) -> Error {
        let (kind, why) = match reply {
            1 => (Kind::Via, "failed to reach it"),
            2 => (Kind::Via, "does not allow it"),
            3 => (Kind::Via, "finds its network unreachable"),
            4 => (Kind::Via, "finds it unreachable, or doesn't know its name"),
            5 => (Kind::Refused, "had its connection refused"),
            6 => (Kind::Via, "did not reach it in time"),
            7 => (Kind::Via, "does not support CONNECT"),
            8 if self.target.host.ip().is_none() => (
                Kind::Via,
                "takes no names (write socks5:// in place of socks5h://)",
            ),
            8 => (Kind::Via, "takes no addresses of this kind"),
            _ => (Kind::Via, "gives no reason that is known"),
        };
        let (target, proxy) = (self.target, &self.via.authority);
        let text = format!("{target} was not reached: the upstream proxy {proxy} {why}");
        Error::new(kind, text)
    }

    /// Returns the error for a proxy that speaks another protocol.
    fn no_socks(&self) -> Error {
        self.failed("does not answer in SOCKS 5 (if it is an HTTP proxy, write http:// in its URL)")
    }

    /// Returns an error about the proxy.
    fn failed(&self, why: &str) -> Error {
        let proxy = &self.via.authority;
        Error::new(Kind::Via, format!("the upstream proxy {proxy} {why}"))
    }
}
