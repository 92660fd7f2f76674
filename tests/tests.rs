//! The product from outside: the real binary, real TLS on loopback, what arrived at the origin and what the client received.
#![expect(
    clippy::disallowed_methods,
    reason = "tests start programs, write files and connect as they like"
)]
#![expect(
    clippy::panic,
    reason = "a check in support code that fails is a failed test"
)]

// What all of them use: homes, runs, origins, clients.
mod support;

// The log of what was done: what is in it, who may read it, what becomes of trouble with it.
mod audit;
// A certificate authority that stays.
mod ca;

// The command that shows it, and what a run tells of its requests besides.
mod audit_view;

// `--blind`: hosts whose TLS a run doesn't open.
mod blind;

// The program that is run: environment, streams, exit code, signals, what is left afterwards.
mod child;

// The command line: usage, errors, `explain`.
mod cli;

// Messages and what becomes of each, byte for byte and whatever the pieces that they come in.
mod corpus;

// Origins that leave content unread, and what the next request meets there.
mod desync;

// `doctor`: what is wrong with a home, and how far a program comes.
mod doctor;

// Where a program may go, and what a provider's rules let it do.
mod egress;

// Ways for the child to get at the credential that no other file is about.
mod escape;

// What breaks on the way: origins, clients, names, certificates.
mod faults;

// HTTP on the wire: what is refused, how messages are framed, streams and upgrades.
mod http;

// Clients that speak HTTP/2 only.
mod http2;

// What becomes of a request that gets a credential.
mod inject;

// The shape of every answer as JSON.
mod json;

// What Java and PHP get, which read no variable for certificates.
mod languages;

// Secrets are nowhere but where they belong.
mod leaks;

// Connections: how they come into the vault, which of them is used, how they are let go.
mod login;

// The credential in what the origin sends back.
mod masking;

// Looking up names that are never found.
mod names;

// The preload for Node.
mod node;

// Logging in by OAuth in the browser: what the person is sent to, what comes back, the client, trouble with the server.
mod oauth;

// Logging in by OAuth with a code that is typed in elsewhere.
mod oauth_device;

// Servers that are found by asking, and clients that are registered there.
mod oauth_discovery;

// Authorization servers that stand in for one another.
mod oauth_mixup;

// The page that a login in the browser starts at.
mod oauth_start;

// Too much of everything: connections, slow peers, no descriptors, no threads.
mod overload;

// Addresses of this machine, for those who are another user or elsewhere.
mod own_addresses;
mod patience;

// Who may use the proxy: which users, and with a password.
mod peer;

// Placeholders that authsome doesn't replace.
mod placeholders;

// The bundled definitions.
mod providers;

// Tokens that end: how they are replaced in a run, and what happens when they can't be.
mod refresh;

// One test a fault that was found and mended.
mod regression;

// Tokens that the service takes back.
mod revocation;

// Which requests get a credential: hosts, ports, paths, spellings.
mod route;

// The proxy alone: password, health, its end, sockets that are handed over.
mod serve;

// The proxy alone, which reads everything anew while it serves.
mod serve_reload;

// `serve` under connections of people who don't know its password.
#[cfg(target_os = "linux")]
mod serve_strangers;

// Tools' own settings of a proxy and of certificates.
mod settings;

// Signals that the program receives, and those that it inherits as blocked or ignored.
#[cfg(target_os = "linux")]
mod signals;

// Where credentials come from.
mod sources;

// What root reads and runs while the program is another user, and what that one can do to other processes.
mod trusted;

// Connections whose hosts no request came for.
mod unused;

// The way to origins: certificates, failures, kept connections, proxies on the way.
mod upstream;

// Origins' certificates and TLS, and the errors about them.
mod upstream_tls;

// Malformed responses that are mended, and the sockets behind them.
mod mended;

// Upstream proxies that use TLS or SOCKS, and those that can't be used.
mod upstream_proxies;

// The program as another user, and what it finds of authsome then.
mod user;

// The vault: faults, keys, many at once, and a run that sees what becomes of it.
mod vault;
