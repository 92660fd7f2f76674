//! What listens on this machine is reached as authsome's own user: no program of another user and
//! no neighbor is led there.

use std::path::Path;
use std::process::Command;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::is_root;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::served::PASSWORD;
use crate::support::served::Served;
use crate::support::served::field;
use crate::support::served::serve;

/// The status that each of these is answered through a proxy of `authsome run $OPTIONS`, in a
/// network of its own with three addresses besides loopback's, and two networks that are routed to
/// this machine as a whole; nothing where there can't be one.
fn statuses_within(home: &Home, options: &str, hosts: &[&str]) -> Option<Vec<String>> {
    let can = Command::new("unshare").args(["-n", "ip", "link"]).output();
    let has_ipv6 = Path::new("/proc/net/if_inet6").exists();
    if !is_root() || !has_ipv6 || !can.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let network = "ip link set lo up
        ip addr add 10.99.0.1/32 dev lo && ip addr add 10.99.0.7/32 dev lo
        ip addr add 2001:db8:99::1/128 dev lo nodad
        ip route add local 198.51.100.0/24 dev lo
        ip -6 route add local 2001:db8:5::/48 dev lo
        exec \"$BINARY\" run $OPTIONS -- sh -c \"$CHILD\"";
    let child = "for host in $HOSTS; do
        curl -gsS --noproxy '' -x \"$http_proxy\" -o /dev/null -w '%{http_code} ' \"http://$host:9/\"
        curl -gsS --noproxy '' -x \"$http_proxy\" -p -o /dev/null -w '%{http_connect}\\n' \"http://$host:9/\"
        done 2>/dev/null";
    let output = Cmd::new(home, "unshare")
        .args(["-n", "sh", "-c", network])
        .env("BINARY", BINARY)
        .env("OPTIONS", options)
        .env("CHILD", child)
        .env("HOSTS", hosts.join(" "))
        .folder("/".into())
        .run();
    let text = output.stdout();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), hosts.len(), "{output}");
    Some(lines)
}

/// Addresses of the machine in a network of [`statuses_within`]: loopback, of an interface, of all
/// networks that lead to it.
const OWN: [&str; 12] = [
    "127.0.0.1",
    "127.8.8.8",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
    "[::]",
    "localhost",
    "10.99.0.1",
    "10.99.0.7",
    "[::ffff:10.99.0.7]",
    "[2001:db8:99::1]",
    "198.51.100.77",
];

#[test]
fn a_program_of_another_user_is_led_to_no_address_of_this_machine() {
    let home = Home::new();
    home.open_up();
    let hosts: Vec<&str> = OWN.into_iter().chain(["[2001:db8:5::77]"]).collect();
    let Some(refused) = statuses_within(&home, "--user nobody", &hosts) else {
        return;
    };
    for (host, statuses) in hosts.iter().zip(&refused) {
        assert_eq!(statuses, "403 403", "{host}");
    }
    // Nobody listens there, which is found out by trying.
    let tried = "502 502";
    let lifted = "--user nobody --allow-address 127.0.0.1 --allow-address 10.99.0.7 --allow-address 198.51.100.0/24:9";
    let statuses = statuses_within(&home, lifted, &hosts).expect("what was there before");
    for (host, statuses) in hosts.iter().zip(&statuses) {
        let is_lifted = [
            "127.0.0.1",
            "[::ffff:127.0.0.1]",
            "localhost",
            "10.99.0.7",
            "[::ffff:10.99.0.7]",
            "198.51.100.77",
        ];
        let expected = if is_lifted.contains(host) {
            tried
        } else {
            "403 403"
        };
        assert_eq!(statuses, expected, "{host}");
    }
    // What is no address of this machine is tried, and so is everything where the program is who
    // authsome is.
    let elsewhere = ["203.0.113.1", "[2001:db8:aaaa::1]"];
    let statuses = statuses_within(&home, "--user nobody", &elsewhere);
    assert_eq!(statuses.expect("as before"), [tried; 2]);
    let statuses = statuses_within(&home, "", &["127.0.0.1", "10.99.0.7"]);
    assert_eq!(statuses.expect("as before"), [tried; 2]);
}

#[test]
fn a_program_of_another_user_reaches_an_origin_that_was_named_and_the_demonstration() {
    if !is_root() {
        return;
    }
    let home = Home::connected("");
    home.open_up();
    let origin = Origin::start(always_ok);
    let clear = Origin::plain(always_ok);
    let line = format!(
        "curl -sS https://{HOST}/ && curl -sS https://demo.authsome.test/ -o /dev/null -w ' %{{http_code}} ' \
         && curl -sS --noproxy '' -x \"$http_proxy\" http://127.0.0.1:{}/",
        clear.port
    );
    let run = |options: &[&str]| {
        home.authsome(["run", "--quiet", "--user", "nobody", "--demo"])
            .args(origin.args())
            .args(options)
            .args(["--", "sh", "-c", &line])
            .folder("/".into())
            .run()
    };
    let refused = run(&[]);
    let text = refused.stdout();
    assert!(text.starts_with("ok 200 {"), "{refused}");
    assert!(
        text.contains(
            "127.0.0.1 is a loopback address: refused with --user unless --allow-address names it"
        ),
        "{refused}"
    );
    assert!(clear.requests().is_empty());
    let lifted = run(&["--allow-address=127.0.0.1"]);
    assert_eq!(lifted.stdout(), "ok 200 ok", "{lifted}");
    assert_eq!(clear.finish().requests.len(), 1);
}

#[test]
fn nobody_on_the_network_is_led_to_what_listens_on_the_service_s_machine() {
    let home = Home::connected("");
    let origin = Origin::start(always_ok);
    let inside = Origin::plain(always_ok);
    let hosts = ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"];
    let ask = |served: &Served, host: &str| {
        let fields = field(PASSWORD);
        let authority = format!("{host}:{}", inside.port);
        let mut tunnel = served.proxy.plain();
        tunnel.send(format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: x\r\n{fields}\r\n"
        ));
        let plain = served.ask("GET", &format!("http://{authority}/"), &fields);
        [tunnel.response("CONNECT"), plain]
    };
    let served = Served::start(&home, serve(&home, &origin));
    for host in hosts {
        for answer in ask(&served, host) {
            let body = answer.assert_refusal(403, "destination_ip_prohibited");
            let error = body["error"].as_str().expect("text");
            let why = "is a loopback address: refused by `authsome serve` unless --allow-address names it";
            assert!(error.ends_with(why), "{error}");
        }
    }
    // What `--connect-to` names is the choice of who has started it.
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    assert_eq!(served.exchange(HOST, &request).text(), "ok");
    served.stop();
    assert_eq!(inside.requests().len(), 0);
    for option in ["--allow-address", "--allow"] {
        let cmd = serve(&home, &origin).args([option, "127.0.0.1", option, "localhost"]);
        let cmd = match option {
            "--allow" => cmd,
            _ => serve(&home, &origin).args([option, "127.0.0.1"]),
        };
        let served = Served::start(&home, cmd);
        for host in hosts {
            for answer in ask(&served, host) {
                assert_eq!(answer.status(), 200, "{option} {host}");
            }
        }
        served.stop();
    }
    assert_eq!(inside.finish().requests.len(), 2 * hosts.len());
}
