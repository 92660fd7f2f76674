//! Names whose name server is silent: looking them up keeps nobody else from theirs.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::net::UdpSocket;
use std::process::Command;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::Running;
use crate::support::is_root;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wire::Channel;
use crate::support::wire::PATIENCE;

/// Lookups that clients may have under way for names that end in the same two labels, and in all.
const ZONE: usize = 32;
const ALL: usize = 256;

/// A name server that answers nothing.
struct Silent(UdpSocket);

impl Silent {
    /// One at an address of loopback where no other is; nothing where there can't be one.
    fn start() -> Option<Self> {
        let id = std::process::id().to_be_bytes();
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 53, id[2], id[3]), 53)).ok()?;
        socket.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(Self(socket))
    }

    /// Waits until it was asked for so many names.
    fn wait_for_names(&self, count: usize) {
        let mut names = HashSet::new();
        let mut question = [0; 512];
        while names.len() < count {
            let length = self.0.recv(&mut question).expect("another question");
            // Behind twelve bytes of a head: labels with their lengths, up to an empty one (RFC
            // 1035 section 4.1.2).
            let name = question[12..length].split(|byte| *byte == 0).next();
            names.insert(name.expect("a name").to_vec());
        }
    }
}

/// `authsome run` where this is the only name server, and `fine.test` is found without it; nothing
/// where that can't be.
fn run_with_silent(home: &Home, server: &Silent) -> Option<Running> {
    let can_mount = Command::new("unshare").args(["-m", "true"]).output();
    if !is_root() || !can_mount.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let address = server.0.local_addr().expect("its address").ip();
    let resolver = format!("nameserver {address}\noptions timeout:30 attempts:1\n");
    let line = "mount --bind \"$HOSTS\" /etc/hosts && mount --bind \"$RESOLVER\" /etc/resolv.conf \
        && exec \"$BINARY\" run -- sh -c \"$CHILD\"";
    let cmd = Cmd::new(home, "unshare")
        .args(["-m", "sh", "-c", line])
        .env("HOSTS", home.file("hosts", "127.0.0.1 fine.test\n"))
        .env("RESOLVER", home.file("resolv.conf", &resolver))
        .env("BINARY", BINARY);
    Some(cmd.start_at_terminal())
}

#[test]
fn names_that_are_never_found_keep_nobody_from_other_names() {
    let (home, origin) = (Home::new(), Origin::plain(always_ok));
    let Some(server) = Silent::start() else {
        return;
    };
    let Some(run) = run_with_silent(&home, &server) else {
        return;
    };
    let ask = |name: &str| {
        let mut channel = run.proxy.plain();
        let authority = format!("{name}:{}", origin.port);
        channel.send(format!(
            "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n\r\n"
        ));
        channel
    };
    let names = (0..ALL + 44).map(|number| format!("x{number}.silent.test"));
    let silent: Vec<Channel> = names.map(|name| ask(&name)).collect();
    server.wait_for_names(ZONE);
    // As many as may be are under way, and the others of that zone wait for them.
    assert_eq!(ask("fine.test").response("GET").text(), "ok");
    drop(silent);
    run.stop();
    origin.finish().only();
}
