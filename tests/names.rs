//! Failing name servers: a lookup that hangs delays no other name, and addresses that can be found are found.

use std::collections::HashSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::Running;
use crate::support::is_root;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wire::Channel;
use crate::support::wire::PATIENCE;

/// Lookups that clients may have under way for names that end in the same two labels, those of one client, and all.
const ZONE: usize = 32;
const CLIENT: usize = 64;
const ALL: usize = 256;

/// A name server, at an address of loopback where no other is.
struct NameServer(UdpSocket);

/// What is asked for: a name and the kind of its addresses.
type Question = (String, u16);

/// IPv4 addresses (RFC 1035 section 3.2.2).
const A: u16 = 1;
/// IPv6 addresses (RFC 3596 section 2.1).
const AAAA: u16 = 28;

/// What a name server says.
enum Reply {
    /// Nothing.
    Silence,
    /// This code, and no address (RFC 1035 section 4.1.1).
    Code(u8),
    /// An IPv4 address.
    Address(Ipv4Addr),
}

/// The code for a name that has no such address.
const NOTHING: u8 = 0;
/// The code for a name that isn't there.
const NO_NAME: u8 = 3;

impl NameServer {
    /// Starts a name server; `None` where the system doesn't permit it. Concurrent tests need different networks.
    fn start(network: u8) -> Option<Self> {
        let id = std::process::id().to_be_bytes();
        let socket = UdpSocket::bind((Ipv4Addr::new(127, network, id[2], id[3]), 53)).ok()?;
        socket.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(Self(socket))
    }

    /// Starts a name server on its own thread. Returns its address and the questions that it receives.
    fn answering(
        self,
        answer: impl Fn(&str, u16) -> Reply + Send + 'static,
    ) -> (IpAddr, Arc<Mutex<Vec<Question>>>) {
        let address = self.0.local_addr().expect("its address").ip();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let serve = move || {
            let mut bytes = [0; 512];
            while let Ok((length, from)) = self.0.recv_from(&mut bytes) {
                let query = &bytes[..length];
                let (name, end) = name_of(query);
                let kind = u16::from_be_bytes([query[end], query[end + 1]]);
                let (code, address) = match answer(&name, kind) {
                    Reply::Silence => continue,
                    Reply::Code(code) => (code, None),
                    Reply::Address(address) => (NOTHING, Some(address)),
                };
                notes.lock().expect("the notes").push((name, kind));
                let count = u8::from(address.is_some());
                let mut reply = [
                    &query[..2],
                    &[0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0],
                ]
                .concat();
                reply.extend_from_slice(&query[12..end + 4]);
                if let Some(address) = address {
                    reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4]);
                    reply.extend_from_slice(&address.octets());
                }
                let _ = self.0.send_to(&reply, from);
            }
        };
        thread::Builder::new().spawn(serve).expect("a thread");
        (address, asked)
    }

    /// Waits until it was asked for so many names.
    fn wait_for_names(&self, count: usize) {
        let mut names = HashSet::new();
        let mut question = [0; 512];
        while names.len() < count {
            let length = self.0.recv(&mut question).expect("another question");
            names.insert(name_of(&question[..length]).0);
        }
    }
}

/// The name that a query is about, and where it ends: behind twelve bytes of a head, labels with their lengths up to an empty one (RFC
/// 1035 section 4.1.2).
fn name_of(query: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while query[at] > 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_ascii_lowercase());
        at = end;
    }
    (labels.join("."), at + 1)
}

/// Returns `authsome run` with this resolver configuration; `None` where the system doesn't permit it.
fn run_with(home: &Home, resolver: &str, hosts: &str) -> Option<Running> {
    let can_mount = Command::new("unshare").args(["-m", "true"]).output();
    if !is_root() || !can_mount.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let line = "mount --bind \"$HOSTS\" /etc/hosts && mount --bind \"$RESOLVER\" /etc/resolv.conf \
        && mount --bind \"$SERVICES\" /etc/nsswitch.conf && exec \"$BINARY\" run -- sh -c \"$CHILD\"";
    let cmd = Cmd::new(home, "unshare")
        .args(["-m", "sh", "-c", line])
        .env("HOSTS", home.file("hosts", hosts))
        .env("RESOLVER", home.file("resolv.conf", resolver))
        .env("SERVICES", home.file("nsswitch.conf", "hosts: files dns\n"))
        .env("BINARY", BINARY);
    Some(cmd.start_at_terminal())
}

/// Asks for `/` of a host over plain http; the answer comes on the connection.
fn ask(run: &Running, host: &str, port: u16) -> Channel {
    let mut channel = run.proxy.plain();
    let authority = format!("{host}:{port}");
    channel.send(format!(
        "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n\r\n"
    ));
    channel
}

#[test]
fn names_that_are_never_found_keep_nobody_from_other_names() {
    let (home, origin) = (Home::new(), Origin::plain(always_ok));
    let Some(server) = NameServer::start(53) else {
        return;
    };
    let address = server.0.local_addr().expect("its address").ip();
    let resolver = format!("nameserver {address}\noptions timeout:30 attempts:1\n");
    let Some(run) = run_with(&home, &resolver, "127.0.0.1 fine.test\n") else {
        return;
    };
    let ask = |name: &str| ask(&run, name, origin.port);
    let names = (0..ALL + 44).map(|number| format!("x{number}.silent.test"));
    let silent: Vec<Channel> = names.map(|name| ask(&name)).collect();
    server.wait_for_names(ZONE);
    // As many as may be are under way, and the others of that zone wait for them.
    assert_eq!(ask("fine.test").response("GET").text(), "ok");
    drop(silent);
    run.stop();
    origin.finish().only();
}

#[test]
fn a_name_that_the_machine_lists_needs_no_place_of_those_that_are_never_found() {
    let (home, origin) = (Home::new(), Origin::plain(always_ok));
    let Some(server) = NameServer::start(56) else {
        return;
    };
    let address = server.0.local_addr().expect("its address").ip();
    let resolver = format!("nameserver {address}\noptions timeout:30 attempts:1\n");
    let hosts = "127.0.0.1 localhost\n127.0.0.1 fine.test\n";
    let Some(run) = run_with(&home, &resolver, hosts) else {
        return;
    };
    let ask = |name: &str| ask(&run, name, origin.port);
    let names = (0..CLIENT + 16).map(|number| format!("x.silent{number}.test"));
    let silent: Vec<Channel> = names.map(|name| ask(&name)).collect();
    server.wait_for_names(CLIENT);
    for name in ["fine.test", "localhost"] {
        assert_eq!(ask(name).response("GET").text(), "ok");
    }
    drop(silent);
    run.stop();
    assert_eq!(origin.finish().requests.len(), 2);
}

/// An address where no origin listens.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 99);

#[test]
fn a_family_that_is_not_answered_for_does_not_hold_up_the_other() {
    let (home, origin) = (Home::new(), Origin::plain(always_ok));
    let Some(server) = NameServer::start(54) else {
        return;
    };
    let (address, _) = server.answering(|name, kind| match (name, kind) {
        ("lost.test", AAAA) => Reply::Silence,
        ("failed.test", AAAA) => Reply::Code(2),
        ("refused.test", AAAA) => Reply::Code(5),
        ("unknown.test", AAAA) => Reply::Code(NO_NAME),
        (_, A) => Reply::Address(Ipv4Addr::LOCALHOST),
        _ => Reply::Code(NOTHING),
    });
    let resolver = format!("nameserver {address}\noptions timeout:30 attempts:1\n");
    let Some(run) = run_with(&home, &resolver, "") else {
        return;
    };
    let names = ["lost.test", "failed.test", "refused.test", "unknown.test"];
    let asked: Vec<Channel> = names
        .iter()
        .chain(&names)
        .map(|name| ask(&run, name, origin.port))
        .collect();
    for mut channel in asked {
        assert_eq!(channel.response("GET").text(), "ok");
    }
    run.stop();
    assert_eq!(origin.finish().requests.len(), 2 * names.len());
}

#[test]
fn a_search_list_holds_up_no_name_that_has_dots() {
    let (home, origin) = (Home::new(), Origin::plain(always_ok));
    let Some(server) = NameServer::start(55) else {
        return;
    };
    let (address, asked) = server.answering(|name, kind| match (name, kind) {
        ("api.prod.found.local", A) | ("api.dev.found.local", A) => {
            Reply::Address(Ipv4Addr::LOCALHOST)
        }
        ("api.dev" | "listed.by.test", A) => Reply::Address(ELSEWHERE),
        ("api.fine.test" | "fine.test", A) => Reply::Address(Ipv4Addr::LOCALHOST),
        (name, _)
            if name.ends_with(".fine.test.found.local") || name == "fine.test.found.local" =>
        {
            Reply::Silence
        }
        (name, _)
            if name.ends_with(".test") || name == "api.dev" || name.ends_with("found.local") =>
        {
            Reply::Code(NOTHING)
        }
        _ => Reply::Code(NO_NAME),
    });
    let resolver = format!(
        "nameserver {address}\nsearch found.local\noptions ndots:5 timeout:30 attempts:1\n"
    );
    let Some(run) = run_with(&home, &resolver, "127.0.0.1 Listed.by.test\n") else {
        return;
    };
    for name in [
        "api.fine.test",
        "fine.test",
        // Services of a cluster, one of which has the name of somebody's host.
        "api.prod",
        "api.dev",
        "listed.by.test",
    ] {
        let answer = ask(&run, name, origin.port).response("GET");
        assert_eq!(answer.text(), "ok", "{name}");
    }
    run.stop();
    let asked = asked.lock().expect("the notes");
    let first = |start: &str| {
        let mut names = asked.iter().map(|(name, _)| name.as_str());
        names.find(|name| name.starts_with(start))
    };
    assert_eq!(first("api.fine.test"), Some("api.fine.test"));
    assert_eq!(first("listed.by.test"), None, "the file has it");
    assert_eq!(origin.finish().requests.len(), 5);
}
