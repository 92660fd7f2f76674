//! Refuses clients that speak only HTTP/2 to a host whose TLS ends here: libraries of gRPC, and streaming clients of some SDKs.
//!
//! Each request gets one answer that both kinds can read: status 505, and gRPC's UNIMPLEMENTED with a message. A connection lasts as long
//! as requests come.

mod refuser;

use std::io;
use std::io::ErrorKind;
use std::time::Duration;
use std::time::Instant;

use super::Shared;
use super::client;
use super::exchange::ANSWER_TIME;
use super::service::Service;
use crate::audit::Event;
use crate::audit::Kind;
use crate::audit::event;
use crate::broker::Connection;
use crate::notice::Step;
use crate::url::Authority;
use crate::url::Scheme;
use crate::wire::Wire;
use refuser::Code;
pub(crate) use refuser::Refuser;

/// The protocol's name in TLS (RFC 9113 section 3.2).
pub(super) const ALPN: &[u8] = b"h2";

/// How long a connection may stay without a new request.
const IDLE_TIME: Duration = Duration::from_secs(120);

/// The refusal for one host: its connection, the answer's message, and the warning.
struct Refused {
    /// Name of the host, without the port.
    name: String,
    /// The host, as events name it.
    host: String,
    /// The connection whose credential its requests would get, where there is only one.
    connection: Option<(String, String)>,
    /// Text for the client, in each answer.
    message: String,
    /// Text for the user.
    warning: String,
}

impl Refused {
    /// Builds the refusal from the current state.
    fn at(authority: &Authority, shared: &Shared) -> Self {
        let state = shared.current.get();
        let claimants = state.router.claimants(authority);
        let connections = claimants.iter().map(|id| state.broker.connection(*id));
        let connections: Vec<&Connection> = connections.collect();
        let labels: Vec<String> = connections.iter().map(|found| found.label()).collect();
        let (host, labels) = (&authority.host, labels.join(" and "));
        Self {
            connection: match connections.as_slice() {
                [only] => Some((only.provider.name.to_string(), only.name.to_string())),
                _ => None,
            },
            message: format!(
                "authsome speaks HTTP/1.1 to {host}, where {labels} is connected; to let this program reach it without the credential use --blind {host}"
            ),
            warning: format!(
                "a client speaks HTTP/2 only to {host}, and authsome speaks HTTP/1.1 there because {labels} is connected: the client's requests are refused; to let it reach {host} without the credential use --blind {host}"
            ),
            name: host.to_string(),
            host: authority.to_header(Scheme::Https),
        }
    }

    /// The event of one answer.
    fn event(&self) -> Event<'_> {
        let of_kind = match &self.connection {
            Some((provider, name)) => Event::about(Kind::Refused, provider, Some(name)),
            None => Event::of(Kind::Refused),
        };
        Event {
            host: Some(self.host.as_str().into()),
            status: Some(505),
            error: Some(event::error("the client speaks HTTP/2 only".to_owned())),
            hint: Some("--blind HOST lets programs reach that host without the credential"),
            ..of_kind
        }
    }
}

/// Serves a connection that speaks HTTP/2 to its end.
pub(super) fn serve(mut client: Wire, authority: &Authority, shared: &Shared) {
    let refused = Refused::at(authority, shared);
    let draining = shared.service.as_ref().map(Service::draining);
    // The end of a run waits for the warning about a client that hangs up because of the certificate.
    let mut first = Some(shared.audit.under_way());
    let mut refuser = Refuser::new(&refused.message, client.output());
    let mut idle = Instant::now() + IDLE_TIME;
    loop {
        let before = refuser.answered;
        let Ok(goes_on) = answer(&mut client, &mut refuser, &refused, shared) else {
            return;
        };
        if !goes_on || client.end().is_some() {
            break;
        }
        if refuser.answered > before {
            idle = Instant::now() + IDLE_TIME;
        }
        if refuser.has_begun {
            first = None;
        }
        match client.wait_for_input_or(draining, idle) {
            Ok(false) => {}
            Err(error) if error.kind() != ErrorKind::TimedOut => break,
            Ok(true) | Err(_) => {
                refuser.end(Code::None, client.output());
                break;
            }
        }
    }
    if first.is_some() && !refuser.has_begun {
        client::tell_no_request(authority, shared);
    }
    client.close_gracefully();
}

/// Answers the received frames, and logs each refusal. Returns whether the socket stays open.
///
/// # Errors
/// When the client does not take the answers.
fn answer(
    client: &mut Wire,
    refuser: &mut Refuser,
    refused: &Refused,
    shared: &Shared,
) -> io::Result<bool> {
    let _under_way = shared.audit.under_way();
    let (before, mut output) = (refuser.answered, Vec::new());
    let read = refuser.read(client.input(), &mut output);
    client.consume(read.unwrap_or(0));
    client.output().append(&mut output);
    if refuser.answered > before {
        shared.notices.step(Step::Trusted, &refused.name);
        shared.notices.warn(&*refused.warning);
        let sent = client.flush_all(Instant::now() + ANSWER_TIME);
        for _ in before..refuser.answered {
            shared.audit.record(refused.event());
        }
        sent?;
    }
    Ok(read.is_ok())
}
