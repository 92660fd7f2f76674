//! What there must be before the proxy serves: a root, a place to listen, the way to origins.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use super::super::app::App;
use super::super::error::Error;
use super::super::output;
use super::super::root;
use super::super::surroundings::Surroundings;
use super::LISTEN;
use super::ServeArgs;
use super::Served;
use super::address::Address;
use crate::files::private;
use crate::proxy::Access;
use crate::proxy::Listener;
use crate::proxy::Shared;
use crate::proxy::capacity::Capacity;
use crate::proxy::mask;
use crate::proxy::service::Service;
use crate::proxy::state::Current;
use crate::proxy::state::State;
use crate::settings::Settings;
use crate::sys::process;
use crate::tls;
use crate::tls::bundle;
use crate::tls::leaf::LeafCache;
use crate::tls::root::Root;
use crate::tls::root::Scope;
use crate::upstream::pool::Pool;

/// The mode of what everyone may read.
const PUBLIC: u32 = 0o644;

/// Version 1 of the shape of what is said once it listens.
#[derive(serde::Serialize)]
struct Answer<'a> {
    /// Version of this shape.
    version: u8,
    /// The proxy's URL, without the password.
    listening: &'a str,
}

/// Starts the proxy, on the socket that was given if there is one, and says where it listens.
///
/// # Errors
/// What can't be made or used.
pub(super) fn start(
    args: &ServeArgs,
    app: &App,
    state: State,
    given: Option<TcpListener>,
) -> Result<Served, Error> {
    let around = Surroundings::read(app, Settings::from_env(&app.parent));
    let root = root(args, app, around.trusted.as_deref())?;
    let listener = listener(args, given)?;
    let address = listener.address();
    let (dialer, warnings) = args.origins.dialer(&around, Some(address), None)?;
    for warning in warnings {
        app.notices.warn(warning);
    }
    let failed = |error: io::Error| Error::new("cannot start the proxy", error);
    let capacity = Capacity::of_service(args.max_connections, process::open_files());
    let leaves = LeafCache::new(root, tls::crypto())
        .map_err(|error| Error::new("no certificates", error))?;
    warn_of_outside(app, &leaves, &state);
    let shared = Arc::new(Shared {
        access: Access::by_password(),
        current: Current::new(state),
        leaves,
        dialer,
        pool: Pool::new(capacity.idle),
        masking: mask::Known::new().map_err(|error| Error::new("no randomness", error))?,
        notices: Arc::clone(&app.notices),
        audit: Arc::clone(&app.audit),
        patience: args.origins.timeout,
        capacity,
        service: Some(Service::new().map_err(failed)?),
    });
    app.audit.begin("authsome serve");
    let ended = listener.serve(Arc::clone(&shared)).map_err(failed)?;
    tell(app, &format!("http://{address}"));
    Ok((shared, ended))
}

/// Says where it listens.
fn tell(app: &App, url: &str) {
    if app.verbosity.json {
        output::json(&Answer {
            version: 1,
            listening: url,
        });
    } else {
        output::note(app.verbosity, &format!("authsome: listening on {url}"));
    }
}

/// Takes the socket that was given, or listens.
fn listener(args: &ServeArgs, given: Option<TcpListener>) -> Result<Listener, Error> {
    if let Some(socket) = given {
        if args.listen.is_some() {
            return Err(Error::plain(
                "a socket was handed over (LISTEN_FDS), and --listen names another",
            )
            .hint("leave --listen out, or start it without that socket"));
        }
        return Listener::given(socket)
            .map_err(|error| Error::new("cannot use the socket that was handed over", error));
    }
    let address = args.listen.or_else(|| Address::parse(LISTEN));
    let addresses = address.map(Address::to_listen_on).unwrap_or_default();
    let mut last = None;
    for address in addresses {
        match Listener::at(address) {
            Ok(listener) => return Ok(listener),
            Err(error) if is_without(&error) => last = last.or(Some((address, error))),
            Err(error) => return Err(cannot_listen(address, &error)),
        }
    }
    Err(match last {
        Some((address, error)) => cannot_listen(address, &error),
        None => Error::plain("there is no address to listen on"),
    })
}

/// Whether this machine has no such addresses.
fn is_without(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAFNOSUPPORT)
        || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// What is told when an address can't be listened on.
fn cannot_listen(address: std::net::SocketAddr, error: &io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "something listens there already: stop it, or take another port with --listen"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are for root, or for who has CAP_NET_BIND_SERVICE: take another with --listen"
        }
        io::ErrorKind::AddrNotAvailable => {
            "it is none of this machine's addresses; `--listen :PORT` is on all of them"
        }
        _ => "take another address or port with --listen",
    };
    Error::new(&format!("cannot listen on {address}"), error).hint(hint)
}

/// The root that the proxy's certificates lead to, written to where programs are to find it: one of its own for --ca-file, else the one
/// that is kept.
fn root(args: &ServeArgs, app: &App, trusted: Option<&[u8]>) -> Result<Root, Error> {
    let root = match &args.ca_file {
        // Any name: a reload may bring other hosts.
        Some(_) => root::own("authsome serve", &Scope::AnyName, args.ca_lifetime)?,
        None => {
            let snapshot = app.store.snapshot().map_err(Error::from)?;
            if snapshot.authority().map_err(Error::from)?.is_none() {
                return Err(Error::plain("programs need a root certificate to trust, and there is none").hint(
                    "make one that stays with `authsome ca create`, or have one made now and written to a file with --ca-file PATH",
                ));
            }
            root::kept(app)?
        }
    };
    if let Some(path) = &args.ca_file {
        write(path, root.pem().as_bytes())?;
    }
    if let Some(path) = &args.bundle_file {
        write(path, &bundle::for_child(trusted, &root.pem()))?;
    }
    Ok(root)
}

/// Writes a file that everyone may read, in the place of the one that may be there.
fn write(path: &Path, pem: &[u8]) -> Result<(), Error> {
    private::replace_beside(path, pem, PUBLIC).map_err(|error| {
        Error::new("cannot write the root certificate", error)
            .hint("name a file in a folder that can be written to")
    })
}

/// Warns of hosts that programs will refuse.
pub(super) fn warn_of_outside(app: &App, leaves: &LeafCache, state: &State) {
    let scope = &leaves.root().certificate().scope;
    let remedy =
        "a CA that is made with `authsome ca create --host HOST` may, where --ca-file is left out";
    root::warn_of_outside(app, scope, state.router(), remedy);
}
