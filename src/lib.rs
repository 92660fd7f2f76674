//! authsome runs a program behind a local proxy that adds the credentials which the program must not see.
//!
//! # Bird's eye
//!
//! `authsome run -- COMMAND` starts a proxy on loopback, points COMMAND at it by environment variables, and puts the right
//! credential on each request to a host that a connected provider claims. Everything else passes as it is.
//!
//! # Layers
//!
//! A module imports only from layers below its own; `tests/layering.rs` holds that.
//!
//! ```text
//! 8  cli ························· words and exit codes; the only layer that prints
//! 7  proxy      child ············ serve requests; run the program
//! 6  broker ······················ the one door to credentials
//! 5  oauth ······················· tokens from authorization servers
//! 4  upstream ···················· sockets to origins
//! 3  source  vault  tls  audit ··· where a credential comes from, where it is kept; certificates; what was done
//! 2  provider  credential  loopback  account  program  settings ·· the domain; pages for the user's browser; users; programs; tools' own settings
//! 1  url  path  files  dotenv  http1  wire  peer ·· formats; the way to disk; a connection
//! 0  secret  encoding  environment  notice  clock  random  slot  sys
//! ```
//!
//! # A request's way
//!
//! ```text
//! proxy::mod ── accept ──▶ client.rs ── Access: whose connection? its password? ── CONNECT host:port
//!                             ├─ Egress::admit says no ─▶ 403
//!                             ├─ no route can match, or --blind names it ─▶ tunnel: bytes both ways; where egress is restricted, the server name of TLS is read
//!                             └─ some route can ─▶ 200, TLS with a leaf for the host, then requests in a loop (HTTP/2 alone: http2 refuses each):
//! exchange.rs   Framing::of_request ─▶ Destination::of ─▶ Router::decide
//! sending.rs    ─▶ Connection::current ─▶ Outgoing::arm ─▶ Pool::take or Dialer::secure ─▶ Armed::send ─▶ Relay::run ─▶ Pool::put
//!               (a token that the origin refuses: Connection::other_than, and once more)
//! ```
//!
//! # What never happens
//!
//! - A credential leaves by no other way than `proxy::inject::Armed::send`, which takes a connection that was verified for the
//!   very authority that the route was met for.
//! - A stored credential goes to no host that its login didn't name (`broker::record`), whatever becomes of the definition.
//! - Metadata of an authorization server speaks for its issuer's host alone (`oauth::discovery`), and a client's secret goes to no host
//!   that the client wasn't kept for (`broker::client`).
//! - A request goes to an origin only if everyone would read it the same way; nothing is repaired but bytes above 0x7F of its target, which
//!   are percent-encoded before anything judges it.
//! - A response that had to be mended (`http1::mend`) is the last on its connection, and the client gets it in one clear form.
//! - A connection is kept only where the origin surely reads what comes next as a request (`proxy::relay`): content that it left unread
//!   would be the beginning of one.
//! - A request that can't be sent twice meets no end of a connection that its client, alone, would not have used (`upstream::habit`).
//! - No name leads to a link-local or metadata address: what is connected to is what was judged (`upstream::egress`).
//! - Nobody is lent an identity: where authsome isn't who the client is (`--user`, `serve`), no request leads to this machine.
//! - What was cut short never looks complete to the client.
//! - A request is judged by one state of connections and password from its head to its end (`proxy::state`); one that begins after a
//!   reload, by nothing of before.
//! - No thread blocks on one side of a connection while the other has something to say.
//! - Nothing of a credential is in an error, a log, a `Debug` or an argument.
//! - While authsome is root and the program is not (`run --user`), nothing is read or run as root that the program's user could have
//!   changed (`files::trusted` has the rule).
//! - A vault that can't be opened is never written to, and whatever ends a writer leaves the old content or the new.
//!
//! # The vault
//!
//! `vault::format` describes the file, so that another program could read it: a head of two lines of text, then everything else
//! sealed (ChaCha20-Poly1305) by a key that comes from the master key (HKDF-SHA256), and in there each secret sealed once more for
//! its own name. `vault` replaces the file as a whole, under a lock; `vault::key` finds the master key; `broker::store` knows what the
//! entries mean: `connection/PROVIDER/NAME`, a stored connection (`broker::record`), `client/...`, a client of an authorization server
//! (`broker::client`), `ca/root`, the certificate authority that stays (`broker::authority`), and `backup/NUMBER/PATH`, a file as it was
//! before `import` changed it.
//!
//! # Words
//!
//! **provider**: a definition: which hosts, which header. **connection**: a named login to a provider. **credential**: the secret
//! itself. **route**: a host rule of a connected provider. **match**: a route that a request met. **record**: a stored
//! connection. **placeholder**: what the child holds instead of a credential. **origin**: the server that a request is for. **source**: where a credential comes from when it
//! isn't stored. **egress**: where the child may go. **policy**: a definition's `rules`: which requests that meet a route may have the
//! credential.
//!
//! # Where to add
//!
//! - A provider: a file in `src/provider/bundled/`, a line in `bundled.rs`.
//! - A command: a file in `src/cli/` with its `Syntax` and what runs it, a row in `cli::COMMANDS`. Help, completions and the reading of
//!   its words come from the `Syntax`.
//! - An answer of the proxy's own: a variant of `proxy::refusal::Refusal` and its row in the table.

mod account;
mod audit;
mod broker;
mod child;
mod cli;
mod clock;
mod credential;
mod dotenv;
mod encoding;
mod environment;
mod files;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http1;
mod loopback;
mod notice;
mod oauth;
mod path;
mod peer;
mod program;
mod provider;
mod proxy;
mod random;
mod secret;
mod settings;
mod slot;
mod source;
mod sys;
mod tls;
mod upstream;
mod url;
mod vault;
mod wire;

use std::process::ExitCode;

/// Runs the command line of this process, and gives the exit code for it.
#[must_use]
pub fn main() -> ExitCode {
    cli::main()
}
