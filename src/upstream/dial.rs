//! Making a connection: resolve, connect to the first address that answers, go through an upstream proxy, verify TLS.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;

use super::Error;
use super::Kind;
use super::causes::Causes;
use super::connect_to::ConnectTo;
use super::connect_to::Destination;
use super::egress::Asker;
use super::egress::Egress;
use super::egress::Prohibited;
use super::happy_eyeballs;
use super::http_tunnel;
use super::socks;
use super::tls_failure;
use super::via;
use super::via::ProxySettings;
use super::via::Via;
use crate::tls::trust::Trust;
use crate::url::Authority;
use crate::url::Scheme;
use crate::wire::Wire;

/// How long resolving and connecting may take together, over all addresses.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long the TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// A connection whose peer was verified for an authority. Only [`Dialer::secure`] makes one.
pub(crate) struct SecureStream {
    /// The connection.
    wire: Wire,
    /// What it was verified for: the host and port that the request is for.
    authority: Authority,
    /// The mark of the credential that was sent on it, if one was.
    mark: Option<u64>,
    /// How long the TLS handshake took.
    distance: Duration,
}

impl SecureStream {
    /// The connection.
    pub(crate) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// What it was verified for.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns how long the TLS handshake took: a round trip to the origin at the least.
    pub(super) fn distance(&self) -> Duration {
        self.distance
    }

    /// Returns the mark of the credential that was sent on it, if one was.
    pub(crate) fn mark(&self) -> Option<u64> {
        self.mark
    }

    /// Notes which credential is sent on it.
    pub(crate) fn set_mark(&mut self, mark: u64) {
        self.mark = Some(mark);
    }
}

/// Makes connections.
pub(crate) struct Dialer {
    /// Where some authorities are to be found.
    connect_to: Vec<ConnectTo>,
    /// Upstream proxies.
    proxies: ProxySettings,
    /// What origins are verified against.
    trust: Trust,
    /// What may be reached.
    egress: Egress,
    /// Our own listener, if there is one: no connection may lead to it.
    own: Option<SocketAddr>,
    /// Why TLS with some origins fails.
    causes: Causes,
}

/// Where a connection goes, and whether the person named that very address: then it is reached whatever it is.
struct Target {
    /// The host and the port.
    authority: Authority,
    /// Whose word its addresses are held against; nobody's where the person named it.
    asker: Option<Asker>,
    /// The address of the client that wants it; none where that is authsome itself.
    client: Option<IpAddr>,
    /// Whether the upstream proxy is passed over.
    is_direct: bool,
}

/// What a connection is made for.
#[derive(Clone, Copy)]
enum Caller {
    /// The client at this address.
    Client(IpAddr),
    /// A request of authsome's own, for tokens.
    Authsome,
}

impl Caller {
    /// Returns whose options count for the caller.
    fn asker(self) -> Asker {
        match self {
            Self::Client(_) => Asker::Child,
            Self::Authsome => Asker::Authsome,
        }
    }

    /// Returns the address of the client, if the caller is one.
    fn client(self) -> Option<IpAddr> {
        match self {
            Self::Client(address) => Some(address),
            Self::Authsome => None,
        }
    }
}

impl Dialer {
    /// A dialer that never connects to `own`, nor to what `egress` forbids.
    pub(crate) fn new(
        connect_to: Vec<ConnectTo>,
        proxies: ProxySettings,
        trust: Trust,
        egress: Egress,
        own: Option<SocketAddr>,
    ) -> Self {
        Self {
            connect_to,
            proxies,
            trust,
            egress,
            own,
            causes: Causes::default(),
        }
    }

    /// What may be reached.
    pub(crate) fn egress(&self) -> &Egress {
        &self.egress
    }

    /// A connection for the client at this address to the authority, with TLS that was verified for
    /// its host.
    ///
    /// # Errors
    /// What could not be reached or verified. Nothing was sent then but the handshake.
    pub(crate) fn secure(
        &self,
        authority: &Authority,
        client: IpAddr,
    ) -> Result<SecureStream, Error> {
        self.verified(authority, Caller::Client(client))
    }

    /// The same for a request of our own.
    ///
    /// # Errors
    /// What could not be reached or verified.
    pub(super) fn secure_own(&self, authority: &Authority) -> Result<SecureStream, Error> {
        self.verified(authority, Caller::Authsome)
    }

    /// A connection with TLS that was verified for the authority's host.
    fn verified(&self, authority: &Authority, caller: Caller) -> Result<SecureStream, Error> {
        match self.handshake(authority, caller, self.trust.config()) {
            Ok((wire, distance)) => Ok(SecureStream {
                wire,
                authority: authority.clone(),
                mark: None,
                distance,
            }),
            Err(error) if error.kind == Kind::Mismatch => {
                let find = || self.cause(authority, caller);
                let cause = self.causes.of(authority, Instant::now(), find);
                Err(cause.unwrap_or(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Connects and does a TLS handshake with this configuration. Returns the socket and the handshake's duration.
    fn handshake(
        &self,
        authority: &Authority,
        caller: Caller,
        config: Arc<ClientConfig>,
    ) -> Result<(Wire, Duration), Error> {
        let wire = self.tunnel_for(Scheme::Https, authority, caller)?;
        // What came in the clear must not be read as if it had come over TLS.
        if !wire.input().is_empty() {
            let text = format!(
                "the upstream proxy sent bytes behind its answer, before TLS with {authority}"
            );
            return Err(Error::new(Kind::Via, text));
        }
        let begun = Instant::now();
        let wire = with_tls(wire, authority, config)?;
        Ok((wire, begun.elapsed()))
    }

    /// Does another handshake to find out why TLS with an origin failed, if its alert doesn't say. Sends nothing after it.
    fn cause(&self, authority: &Authority, caller: Caller) -> Option<Error> {
        let (config, is_asked) = self.trust.probe();
        let found = self.handshake(authority, caller, config).err();
        let is_certificate = |error: &Error| error.kind == Kind::Certificate;
        // Those that ask for a certificate may need none; their own must be good in any case.
        found.filter(is_certificate).or_else(|| {
            let is_asked = is_asked.load(Ordering::Relaxed);
            is_asked.then(|| Error::of_client_certificate(authority.host.as_str()))
        })
    }

    /// A connection for the client at this address to the authority, through the upstream proxy
    /// if one is set.
    ///
    /// # Errors
    /// What could not be reached.
    pub(crate) fn tunnel(
        &self,
        scheme: Scheme,
        authority: &Authority,
        client: IpAddr,
    ) -> Result<Wire, Error> {
        self.tunnel_for(scheme, authority, Caller::Client(client))
    }

    /// The same, for whoever asks.
    fn tunnel_for(
        &self,
        scheme: Scheme,
        authority: &Authority,
        caller: Caller,
    ) -> Result<Wire, Error> {
        let target = self.target(authority, caller);
        let via = match target.is_direct {
            true => None,
            false => self.via(scheme, authority)?,
        };
        let Some(via) = via else {
            return self.connect(&target);
        };
        self.check_unresolved(&target)?;
        if !via.kind.is_socks() {
            let mut wire = self.reach(via, caller)?;
            http_tunnel::connect(&mut wire, via, &target.authority)?;
            return Ok(wire);
        }
        let destination = match via.kind {
            via::Kind::Socks5 => self.resolved(&target)?,
            _ => target.authority,
        };
        let mut wire = self.reach(via, caller)?;
        socks::connect(&mut wire, via, &destination)?;
        Ok(wire)
    }

    /// Returns the upstream proxy for an authority, if one is set.
    fn via(&self, scheme: Scheme, authority: &Authority) -> Result<Option<&Via>, Error> {
        self.proxies
            .for_authority(scheme, authority)
            .map_err(|invalid| {
                let text = format!(
                    "{authority} is not reached: its upstream proxy can't be used: {invalid}"
                );
                Error::new(Kind::Via, text)
            })
    }

    /// Connects to an upstream proxy, with TLS if its URL says https.
    fn reach(&self, via: &Via, caller: Caller) -> Result<Wire, Error> {
        let wire = self
            .connect(&Target::of(via, caller))
            .map_err(|error| match error.kind {
                Kind::Loop => error,
                _ => Error::new(Kind::Via, format!("the upstream proxy {error}")),
            })?;
        if via.kind != via::Kind::Https {
            return Ok(wire);
        }
        with_tls(wire, &via.authority, self.trust.config())
            .map_err(|error| Error::new(Kind::Via, format!("the upstream proxy: {error}")))
    }

    /// Returns the target with an address in place of its name, for a proxy that gets addresses only.
    fn resolved(&self, target: &Target) -> Result<Authority, Error> {
        let deadline = Instant::now() + CONNECT_TIME;
        let judge = |found| self.permitted(target, found);
        let found = happy_eyeballs::resolve(&target.authority, target.client, deadline, &judge)?;
        Authority::parse(found.to_string().as_bytes(), None).map_err(|_| {
            let text = format!(
                "{} leads to {found}, which SOCKS has no form for",
                target.authority
            );
            Error::new(Kind::Via, text)
        })
    }

    /// A connection for plain http requests of the client at this address to the authority, and the
    /// HTTP proxy that it leads to, if any: requests on it need a target in absolute form.
    ///
    /// # Errors
    /// What could not be reached.
    pub(crate) fn plain(
        &self,
        authority: &Authority,
        client: IpAddr,
    ) -> Result<(Wire, Option<&Via>), Error> {
        let caller = Caller::Client(client);
        let via = self.via(Scheme::Http, authority)?;
        let Some(via) = via.filter(|via| !via.kind.is_socks()) else {
            return Ok((self.tunnel_for(Scheme::Http, authority, caller)?, None));
        };
        self.check_unresolved(&Target {
            authority: authority.clone(),
            asker: Some(Asker::Child),
            client: Some(client),
            is_direct: false,
        })?;
        Ok((self.reach(via, caller)?, Some(via)))
    }

    /// Where connections for the authority go.
    fn target(&self, authority: &Authority, caller: Caller) -> Target {
        let rule = self
            .connect_to
            .iter()
            .find_map(|rule| rule.apply(authority));
        let rule = rule.unwrap_or_else(|| Destination {
            authority: authority.clone(),
            is_address: false,
            is_direct: false,
        });
        Target {
            authority: rule.authority,
            asker: (!rule.is_address).then_some(caller.asker()),
            client: caller.client(),
            is_direct: rule.is_direct,
        }
    }

    /// Refuses what an upstream proxy must not be asked for.
    fn check_unresolved(&self, target: &Target) -> Result<(), Error> {
        let prohibited = target
            .asker
            .and_then(|asker| self.egress.prohibits_unresolved(&target.authority, asker));
        match prohibited {
            Some(why) => Err(prohibited_error(&target.authority, why)),
            None => Ok(()),
        }
    }

    /// Resolves and connects.
    fn connect(&self, target: &Target) -> Result<Wire, Error> {
        let deadline = Instant::now() + CONNECT_TIME;
        let judge = |found| self.permitted(target, found);
        let socket = happy_eyeballs::connect(&target.authority, target.client, deadline, &judge)?;
        let what = target.authority.to_string();
        Wire::plain(socket).map_err(|error| Error::of_connect(&what, &error))
    }

    /// Those of the addresses that may be connected to. They are connected to as they are here: what a name leads to at another time
    /// does not count.
    ///
    /// A prohibited one among others is passed over, and does not refuse the whole: it gains whoever put it there nothing, and the name
    /// of a machine often has its link-local address beside the one that is meant (mDNS, LLMNR).
    fn permitted(
        &self,
        target: &Target,
        addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Error> {
        if addresses.iter().any(|address| self.is_own(*address)) {
            let text = format!("{} is this proxy itself", target.authority);
            return Err(Error::new(Kind::Loop, text));
        }
        let Some(asker) = target.asker else {
            return Ok(addresses);
        };
        let mut permitted = Vec::new();
        let mut refused = None;
        for address in addresses {
            match self.egress.prohibits(address, asker) {
                None => permitted.push(address),
                Some(why) => refused = refused.or(Some(why)),
            }
        }
        match refused {
            Some(why) if permitted.is_empty() => Err(prohibited_error(&target.authority, why)),
            _ => Ok(permitted),
        }
    }

    /// Whether the address is where we listen: the port, on an address of this machine that reaches it.
    fn is_own(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.own.is_some_and(|own| {
            address.port() == own.port()
                && (ip == own.ip().to_canonical()
                    || ip.is_unspecified()
                    || ip.is_loopback()
                    || own.ip().is_unspecified() && is_of_this_machine(ip))
        })
    }
}

/// Whether an address is one of this machine's: no other can be bound to.
fn is_of_this_machine(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

impl Target {
    /// An upstream proxy: the person's choice, wherever it is.
    fn of(via: &Via, caller: Caller) -> Self {
        Self {
            authority: via.authority.clone(),
            asker: None,
            client: caller.client(),
            is_direct: false,
        }
    }
}

/// What is told of an address that may not be connected to.
fn prohibited_error(target: &Authority, why: Prohibited) -> Error {
    Error::new(Kind::Prohibited, format!("{target} is not reached: {why}"))
}

/// Puts TLS on a connection, and verifies the peer for the authority's host.
fn with_tls(wire: Wire, authority: &Authority, config: Arc<ClientConfig>) -> Result<Wire, Error> {
    let host = authority.host.as_str();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Error::new(Kind::TlsProtocol, format!("{host} is no name for TLS")))?;
    let tls = UnbufferedClientConnection::new(config, name)
        .map_err(|error| Error::new(Kind::TlsProtocol, format!("TLS can't start: {error}")))?;
    let failed = |error| tls_failure::of_handshake(host, &error);
    let mut wire = wire.connect_tls(tls).map_err(failed)?;
    wire.handshake(Instant::now() + HANDSHAKE_TIME)
        .map_err(failed)?;
    Ok(wire)
}
