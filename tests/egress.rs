//! Where the program of a run may go: hosts by name, addresses whatever name leads there, and what a provider's rules let it do with the
//! credential.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use serde_json::Value;
use serde_json::json;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::client;
use crate::support::client::tls_over;
use crate::support::idp;
use crate::support::idp::Idp;
use crate::support::is_root;
use crate::support::origin::Arrived;
use crate::support::origin::Conn;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wire::Channel;
use crate::support::wire::End;
use crate::support::wire::Message;

/// A request that says nothing.
fn get(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// The answer to a CONNECT and, where that opens a tunnel, to a request in the clear within it.
fn tunnel(run: &Running, authority: &str) -> Message {
    let (answer, mut client) = run.proxy.ask_for(authority);
    if answer.status() != 200 {
        assert_eq!(client.rest().0, b"", "behind the answer to {authority}");
        return answer;
    }
    client.send(get(authority, "/tunnel"));
    client.response("GET")
}

/// The answer to a request in absolute form.
fn plain(run: &Running, url: &str) -> Message {
    let mut client = run.proxy.plain();
    client.send(get("ignored.test", url));
    client.response("GET")
}

/// A run with these options behind which every host leads to an origin in the clear, [`HOST`] to one with TLS.
struct Reach {
    /// The run.
    run: Running,
    /// Where [`HOST`] leads.
    secure: Origin,
    /// Where all else leads.
    clear: Origin,
}

impl Reach {
    /// Starts it.
    fn with(options: &[&str]) -> Self {
        let home = Home::new();
        home.acme("");
        let secure = Origin::start(always_ok);
        let clear = Origin::plain(always_ok);
        let run = home
            .run(&secure)
            .arg(format!("--connect-to=::127.0.0.1:{}", clear.port))
            .args(options)
            .start();
        Self { run, secure, clear }
    }

    /// What of these is reached, by CONNECT and by plain http alike; what is not is refused as a host that is not to be gone to.
    fn reached<'a>(&self, hosts: &[&'a str], option: &str) -> Vec<&'a str> {
        let (mut reached, before) = (Vec::new(), self.clear.requests().len());
        for host in hosts {
            let authority = if host.ends_with("]") || !host.contains(':') {
                format!("{host}:80")
            } else {
                (*host).to_owned()
            };
            let answers = [
                tunnel(&self.run, &authority),
                plain(&self.run, &format!("http://{authority}/plain")),
            ];
            if answers.iter().all(|answer| answer.status() == 200) {
                reached.push(*host);
                continue;
            }
            for answer in answers {
                assert_denied(&answer, option);
            }
        }
        let arrived = self.clear.requests().len();
        assert_eq!(arrived - before, 2 * reached.len(), "{reached:?}");
        reached
    }

    /// Ends it; what arrived at [`HOST`], and elsewhere.
    fn finish(self) -> [Arrived; 2] {
        self.run.stop();
        [self.secure.finish(), self.clear.finish()]
    }
}

/// Checks that a host was refused by its name, and that the option is named.
fn assert_denied(answer: &Message, option: &str) {
    let body = answer.assert_refusal(403, "http_request_denied");
    assert!(body.to_string().contains(option), "{body}");
}

/// Checks that it was refused for its address, and that the answer has these words.
fn assert_prohibited(answer: &Message, words: &str) {
    let body = answer.assert_refusal(403, "destination_ip_prohibited");
    let error = body["error"].as_str().expect("text");
    assert!(error.contains(words), "{error}");
    let hint = body["hint"].as_str().expect("text");
    assert!(hint.contains("`--allow-address`"), "{hint}");
}

/// What a request to [`HOST`] through TLS is answered.
fn ask(run: &Running) -> Message {
    run.proxy.exchange(HOST, &get(HOST, "/v1"))
}

// Hosts by name.

#[test]
fn hosts_are_reached_where_nothing_is_said() {
    let reach = Reach::with(&[]);
    let hosts = ["other.test", "192.0.2.1", "localhost", "[2001:db8::1]"];
    assert_eq!(reach.reached(&hosts, ""), hosts);
    assert_eq!(ask(&reach.run).text(), "ok");
    let [secure, _] = reach.finish();
    assert_eq!(secure.requests.len(), 1);
}

#[test]
fn only_what_is_allowed_and_what_is_claimed_is_reached() {
    for (options, reached, refused) in [
        (
            &["--allow=other.test", "--allow", "third.test:8080"][..],
            &["other.test", "OTHER.test.:81", "third.test:8080"][..],
            &[
                "third.test",
                "x.other.test",
                "xother.test",
                "192.0.2.1",
                // Claimed on another port, and over TLS only.
                "api.acme.test",
                "api.acme.test:8443",
            ][..],
        ),
        (
            &["--allow=*.other.test"],
            &["x.other.test", "x.y.other.test:81"],
            &["other.test", "xother.test"],
        ),
        (
            &["--allow=*:80"],
            &["other.test", "api.acme.test", "localhost"],
            &["other.test:81", "192.0.2.1", "[2001:db8::1]"],
        ),
        (
            &[
                "--allow=192.0.2.1",
                "--allow=198.51.100.0/24",
                "--allow=[2001:db8::1]:80",
            ],
            &[
                "192.0.2.1",
                "[::ffff:192.0.2.1]",
                "198.51.100.9",
                "[2001:DB8:0::1]",
            ],
            &[
                "192.0.2.2",
                "198.51.101.1",
                "[2001:db8::2]",
                "[2001:db8::1]:81",
                "other.test",
            ],
        ),
    ] {
        let reach = Reach::with(options);
        let hosts: Vec<&str> = [reached, refused].concat();
        assert_eq!(reach.reached(&hosts, "--allow"), reached, "{options:?}");
        assert_eq!(ask(&reach.run).text(), "ok", "{options:?}");
        let [secure, _] = reach.finish();
        let sent = secure.only().one("Authorization");
        assert_eq!(sent, format!("Bearer {SECRET}"));
    }
}

#[test]
fn what_is_denied_is_not_reached_and_deny_wins() {
    let reach = Reach::with(&[
        "--deny=other.test",
        "--deny=*.third.test:80",
        "--deny=192.0.2.0/24",
    ]);
    let hosts = [
        "other.test",
        "other.test:81",
        "x.third.test",
        "192.0.2.7",
        "[::ffff:192.0.2.7]",
        "x.other.test",
        "x.third.test:81",
        "192.0.3.7",
    ];
    assert_eq!(reach.reached(&hosts, "--deny"), hosts[5..]);
    assert_eq!(ask(&reach.run).text(), "ok");
    reach.finish();
    let reach = Reach::with(&["--allow=*.test", "--deny=x.other.test"]);
    assert_eq!(
        reach.reached(&["y.other.test", "x.other.test"], "--deny"),
        ["y.other.test"]
    );
    reach.finish();
}

#[test]
fn a_claimed_host_can_be_denied() {
    let reach = Reach::with(&["--allow=*", "--deny", HOST]);
    let authority = format!("{HOST}:443");
    assert_denied(&tunnel(&reach.run, &authority), "--deny");
    let absolute = plain(&reach.run, &format!("https://{HOST}/v1"));
    // Its Host names another, which is told first: only then is it known where it would go.
    absolute.assert_refusal(400, "http_request_error");
    let mut client = reach.run.proxy.plain();
    client.send(get(HOST, &format!("https://{HOST}/v1")));
    assert_denied(&client.response("GET"), "--deny");
    // The connection is good for more.
    client.send(get("other.test", "http://other.test/"));
    assert_eq!(client.response("GET").text(), "ok");
    let [secure, clear] = reach.finish();
    assert_eq!((secure.accepted, clear.requests.len()), (0, 1));
}

#[test]
fn only_matched_leaves_what_is_claimed_and_what_is_allowed() {
    let hosts = ["other.test", "api.acme.test", "192.0.2.1"];
    let reach = Reach::with(&["--only-matched"]);
    assert!(reach.reached(&hosts, "--only-matched").is_empty());
    // Its port alone doesn't make a request one that is claimed.
    let clear = plain(&reach.run, &format!("http://{HOST}:443/v1"));
    assert_denied(&clear, "--only-matched");
    assert_eq!(ask(&reach.run).text(), "ok");
    let mut client = reach.run.proxy.plain();
    client.send(get(HOST, &format!("https://{HOST}/v1")));
    assert_eq!(client.response("GET").text(), "ok");
    let [secure, clear] = reach.finish();
    assert_eq!((secure.requests.len(), clear.accepted), (2, 0));
    let reach = Reach::with(&["--only-matched", "--allow=other.test"]);
    assert_eq!(reach.reached(&hosts, "--allow"), ["other.test"]);
    reach.finish();
}

#[test]
fn a_host_that_is_none_is_wrong_usage_before_the_child_runs() {
    for (option, host, words) in [
        ("--allow", "", "the host is missing"),
        ("--allow", "https://a.test", "no network"),
        ("--allow", "a.*.test", "host names don't have"),
        ("--allow", "127.1", "ends in a number"),
        ("--deny", "a.test:0", "1 to 65535"),
        ("--deny", "10.0.0.1/8", "no network"),
        ("--deny", "*.10.0.0.1", "nothing lies below an address"),
        ("--allow-address", "a.test", "this is a name"),
        ("--allow-address", "*", "this is a name"),
        ("--allow-address", "10.0.0.1/8", "no network"),
    ] {
        let home = Home::new();
        let output = home
            .authsome(["run", option, host, "--", "sh", "-c", "echo ran"])
            .run();
        output
            .assert_code(2)
            .assert_stderr(&[option, words, "hint: see `authsome run --help`"])
            .assert_without("ran");
    }
}

// Addresses.

/// Spellings of addresses where clouds keep their metadata, that are on the link, or that are no
/// single machine's.
const METADATA: [&str; 30] = [
    "169.254.169.254",
    "169.254.0.1",
    "169.254.170.2",
    "[::ffff:169.254.169.254]",
    "[::FFFF:A9FE:A9FE]",
    "[::169.254.169.254]",
    "[64:ff9b::169.254.169.254]",
    "[2002:a9fe:a9fe::1]",
    "[fe80::1]",
    "[febf::1]",
    "[fd00:ec2::254]",
    "[fd00:0ec2:0:0:0:0:0:0254]",
    "[fd20:ce::254]",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "[fd00:42::42]",
    "[fd00:c1::a9fe:a9fe]",
    "[fd00:a9fe:a9fe::1]",
    "[fd00:100::100:200]",
    "[fd12:3456::100.100.100.200]",
    "[2001:db8:64::169.254.169.254]",
    "[2001:db8:122:344:a9:fea9:fe00:0]",
    "[2001:0:0:0:0:0:5601:5601]",
    "[2001:db8::5efe:169.254.169.254]",
    "[2001:db8::200:5efe:169.254.169.254]",
    "224.0.0.1",
    "[ff02::1]",
    "255.255.255.255",
    "240.0.0.1",
];

#[test]
fn metadata_addresses_are_refused_in_every_spelling() {
    let home = Home::new();
    let run = home.authsome(["run"]).start();
    for host in METADATA {
        for answer in [
            tunnel(&run, &format!("{host}:80")),
            plain(&run, &format!("http://{host}/latest/meta-data/")),
        ] {
            assert_prohibited(&answer, "refused unless --allow-address names it");
        }
    }
    for host in [
        "2852039166",
        "0xa9fea9fe",
        "169.254.43518",
        "0251.0376.0251.0376",
    ] {
        tunnel(&run, &format!("{host}:80")).assert_refusal(400, "http_request_error");
        plain(&run, &format!("http://{host}/")).assert_refusal(400, "http_request_error");
    }
    run.stop().assert_quiet();
}

#[test]
fn a_link_local_address_that_is_allowed_is_tried() {
    let home = Home::new();
    // One of this kind can't be connected to without saying on which link, which fails at once.
    let run = home.authsome(["run", "--allow=fe80::/10"]).start();
    tunnel(&run, "[fe80::1]:80").assert_refusal(502, "destination_unavailable");
    let answer = tunnel(&run, "[::ffff:169.254.169.254]:80");
    assert_denied(&answer, "--allow");
    run.stop();
}

#[test]
fn what_the_hint_names_lifts_the_refusal_and_refuses_nothing_else() {
    let home = Home::new();
    let origin = Origin::plain(always_ok);
    // No link is named, so connecting fails at once.
    let run = home
        .authsome(["run", "--allow-address=[fe80::1]:80"])
        .start();
    tunnel(&run, "[fe80::1]:80").assert_refusal(502, "destination_unavailable");
    for authority in ["[fe80::1]:81", "[fe80::2]:80", "169.254.169.254:80"] {
        assert_prohibited(
            &tunnel(&run, authority),
            "refused unless --allow-address names it",
        );
    }
    // Every other host is reached as before.
    let authority = format!("127.0.0.1:{}", origin.port);
    assert_eq!(tunnel(&run, &authority).text(), "ok");
    run.stop().assert_quiet();

    let denied = [
        "--allow-address=127.0.0.1",
        "--deny-private",
        "--deny=127.0.0.1",
    ];
    let lifted = home.authsome(["run"]).args(&denied[..2]).start();
    assert_eq!(tunnel(&lifted, &authority).text(), "ok");
    lifted.stop();
    let run = home.authsome(["run"]).args(denied).start();
    assert_denied(&tunnel(&run, &authority), "--deny");
    run.stop();
    // A list of hosts grows by nothing.
    let listed = ["--allow=a.test", "--allow-address=127.0.0.1"];
    let run = home.authsome(["run"]).args(listed).start();
    assert_denied(&tunnel(&run, &authority), "no --allow names it");
    run.stop();
    assert_eq!(origin.finish().accepted, 2);
}

#[test]
fn private_addresses_are_reached_unless_that_is_denied() {
    let origin = Origin::plain(always_ok);
    let home = Home::new();
    let spellings = ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"];
    let ask = |options: &[&str], hosts: &[&str]| -> Vec<Message> {
        let run = home.authsome(["run"]).args(options).start();
        let answers = hosts.iter().flat_map(|host| {
            let authority = format!("{host}:{}", origin.port);
            [
                tunnel(&run, &authority),
                plain(&run, &format!("http://{authority}/")),
            ]
        });
        let answers = answers.collect();
        run.stop();
        answers
    };
    for answer in ask(&[], &spellings) {
        assert_eq!(answer.text(), "ok");
    }
    let arrived = origin.requests().len();
    assert_eq!(arrived, 2 * spellings.len());
    for answer in ask(&["--deny-private"], &spellings) {
        assert_prohibited(&answer, "a loopback address: refused by --deny-private");
    }
    let others = [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "[fd12::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[2002:a00:1::]",
    ];
    for answer in ask(&["--deny-private"], &others) {
        assert_prohibited(&answer, "refused by --deny-private");
    }
    // The owner of a name could let it lead anywhere; an address is what it is.
    for answer in ask(&["--deny-private", "--allow=localhost"], &["localhost"]) {
        assert_prohibited(&answer, "a loopback address");
    }
    assert_eq!(origin.requests().len(), arrived);
    let named = [
        "--deny-private",
        "--allow=127.0.0.0/8",
        "--allow=::1",
        "--allow=localhost",
    ];
    for answer in ask(&named, &spellings) {
        assert_eq!(answer.text(), "ok");
    }
    assert_eq!(origin.finish().requests.len(), 2 * arrived);
}

#[test]
fn an_address_that_is_denied_is_not_reached_by_name_either() {
    let origin = Origin::plain(always_ok);
    let home = Home::new();
    let run = home
        .authsome(["run", "--deny=127.0.0.0/8", "--deny=::1"])
        .start();
    let authority = format!("localhost:{}", origin.port);
    assert_prohibited(&tunnel(&run, &authority), "refused by --deny");
    let url = format!("http://{authority}/");
    assert_prohibited(&plain(&run, &url), "refused by --deny");
    let literal = format!("127.0.0.1:{}", origin.port);
    assert_denied(&tunnel(&run, &literal), "--deny");
    for unspecified in ["0.0.0.0", "[::]", "[::ffff:0.0.0.0]"] {
        let authority = format!("{unspecified}:{}", origin.port);
        assert_prohibited(&tunnel(&run, &authority), "refused by --deny");
    }
    run.stop();
    assert_eq!(origin.finish().accepted, 0);
}

#[test]
fn a_harmless_name_that_leads_to_this_machine_gets_nothing_and_no_credential_leaves() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let clear = Origin::plain(always_ok);
    // Names both: neither is an address that the person wrote.
    let leads = [
        format!("--connect-to={HOST}:443:localhost:{}", origin.port),
        format!("--connect-to=other.test::localhost:{}", clear.port),
    ];
    let start = |options: &[&str]| {
        home.authsome(["run", "--upstream-ca", &origin.ca_file()])
            .args(&leads)
            .args(options)
            .env("ACME_API_KEY", SECRET)
            .start()
    };
    let run = start(&["--deny-private", "--allow=other.test", "--allow", HOST]);
    assert_prohibited(&ask(&run), "a loopback address");
    assert_prohibited(&tunnel(&run, "other.test:80"), "a loopback address");
    assert_prohibited(&plain(&run, "http://other.test/"), "a loopback address");
    run.stop().assert_without(SECRET);
    assert_eq!((origin.requests().len(), clear.requests().len()), (0, 0));
    let run = start(&[]);
    assert_eq!(ask(&run).text(), "ok");
    assert_eq!(tunnel(&run, "other.test:80").text(), "ok");
    run.stop();
    assert_eq!(origin.finish().accepted, 1);
    assert_eq!(clear.finish().accepted, 1);
}

#[test]
fn an_address_that_the_person_wrote_is_reached() {
    // Every host of it leads to 127.0.0.1.
    let reach = Reach::with(&["--deny-private"]);
    assert_eq!(
        reach.reached(&["other.test", "10.0.0.1"], ""),
        ["other.test", "10.0.0.1"]
    );
    assert_eq!(ask(&reach.run).text(), "ok");
    reach.finish();
}

/// Runs `authsome run $WORDS` where these are all the names that this machine knows; nothing where that can't be.
fn run_with_hosts(home: &Home, hosts: &str, words: &[String]) -> Option<Cmd> {
    let can_mount = Command::new("unshare").args(["-m", "true"]).output();
    if !is_root() || !can_mount.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let file = home.file("hosts", hosts);
    let line =
        "mount --bind \"$HOSTS\" /etc/hosts && exec \"$BINARY\" run $WORDS -- sh -c \"$CHILD\"";
    let cmd = Cmd::new(home, "unshare")
        .args(["-m", "sh", "-c", line])
        .env("HOSTS", file)
        .env("BINARY", BINARY)
        .env("WORDS", words.join(" "))
        .env("ACME_API_KEY", SECRET);
    Some(cmd)
}

#[test]
fn a_name_that_resolves_to_a_prohibited_address_is_refused_and_a_mixed_one_leads_to_the_other() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::plain(always_ok);
    let hosts = format!(
        "169.254.169.254 {HOST} meta.test\nfd00:ec2::254 meta6.test\n127.0.0.1 home.test\n\
         fe80::1 mixed.test\n127.0.0.1 mixed.test\n::ffff:169.254.169.254 mapped.test\n"
    );
    let port = origin.port;
    let words = ["--allow=*".to_owned()];
    let Some(cmd) = run_with_hosts(&home, &hosts, &words) else {
        return;
    };
    let run = cmd.start_at_terminal();
    for name in ["meta.test", "meta6.test", "mapped.test"] {
        let words = "refused unless --allow-address names it";
        assert_prohibited(&tunnel(&run, &format!("{name}:{port}")), words);
        assert_prohibited(&plain(&run, &format!("http://{name}:{port}/")), words);
    }
    // A host that the credential is for is no better than its address.
    assert_prohibited(&ask(&run), "169.254.169.254 is a link-local address");
    for name in ["home.test", "mixed.test"] {
        assert_eq!(tunnel(&run, &format!("{name}:{port}")).text(), "ok");
    }
    run.stop().assert_without(SECRET);
    assert_eq!(origin.requests().len(), 2);

    let words = ["--deny-private".to_owned()];
    let cmd = run_with_hosts(&home, &hosts, &words).expect("what was there before");
    let run = cmd.start_at_terminal();
    for name in ["home.test", "mixed.test"] {
        assert_prohibited(&tunnel(&run, &format!("{name}:{port}")), "refused");
    }
    run.stop();
    let arrived = origin.finish();
    assert_eq!((arrived.requests.len(), arrived.accepted), (2, 2));
}

#[test]
fn an_upstream_proxy_is_not_asked_for_prohibited_addresses() {
    let home = Home::new();
    // It is on loopback itself: the person's choice.
    let proxy = Origin::plain(always_ok);
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let run = home
        .authsome(["run", "--deny-private"])
        .env("HTTPS_PROXY", &url)
        .env("HTTP_PROXY", &url)
        .start();
    for host in ["169.254.169.254", "[::ffff:10.0.0.1]", "localhost"] {
        assert_prohibited(&tunnel(&run, &format!("{host}:80")), "refused");
        assert_prohibited(&plain(&run, &format!("http://{host}/")), "refused");
    }
    let answer = plain(&run, "http://other.test/asked");
    assert_eq!(answer.text(), "ok");
    run.stop();
    let arrived = proxy.finish();
    assert_eq!(arrived.only().target(), "http://other.test/asked");
}

#[test]
fn a_token_is_refreshed_where_the_program_may_not_go() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    idp.change(|manner| manner.expires_in = json!(1));
    idp.log_in(&home, &[]);
    idp.change(|manner| manner.expires_in = json!(3600));
    idp.wait_for_end_of_tokens();
    let port = idp.origin.port;
    let run = home
        .authsome(["run", "--deny-private", "--upstream-ca"])
        .arg(idp.origin.ca_file())
        .arg(format!("--connect-to={HOST}:443:127.0.0.1:{port}"))
        .arg(format!("--connect-to={}:443:localhost:{port}", idp::IDP))
        .start();
    assert_eq!(ask(&run).text(), "ok");
    assert_eq!(idp.refreshes().len(), 1);
    let answer = tunnel(&run, &format!("{}:443", idp::IDP));
    assert_prohibited(&answer, "a loopback address");
    idp.assert_discreet(&run.stop());
}

#[test]
fn an_authorization_server_at_a_metadata_address_is_not_asked() {
    let home = Home::new();
    let place = "https://169.254.169.254/latest";
    let oauth = json!({
        "device_authorization_url": place,
        "token_url": place,
        "client_id": "public-client",
    });
    home.acme(&format!(
        r#""auth_type": "oauth2", "flow": "device_code", "oauth": {oauth}"#
    ));
    let output = home.authsome(["login", "acme"]).run();
    output
        .assert_code(1)
        .assert_stderr(&["169.254.169.254 is a link-local address"]);
}

// The server name of TLS in a tunnel.

/// Options each of which restricts where the program may go, and leaves `other.test`.
const RESTRICTING: [&str; 4] = [
    "--allow=other.test",
    "--deny=third.test",
    "--deny=192.0.2.0/24",
    "--deny-private",
];

/// TLS that trusts nobody, for what is only to be begun.
fn trusting_nobody() -> Arc<ClientConfig> {
    client::trusting(b"")
}

/// The ClientHello of a client that wants this server.
fn client_hello(name: &str, config: Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut tls = ClientConnection::new(config, name).expect("a client");
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).expect("a hello");
    hello
}

/// The same in a record for each byte.
fn in_small_records(hello: &[u8]) -> Vec<u8> {
    let (_, message) = hello.split_at(5);
    let record = |byte: &u8| [22, 3, 1, 0, 1, *byte];
    message.iter().flat_map(record).collect()
}

/// A run with these options behind which every host leads to an origin in the clear.
fn run_towards(origin: &Origin, options: &[&str]) -> (Home, Running) {
    let home = Home::new();
    home.acme("");
    let leads = format!("--connect-to=::127.0.0.1:{}", origin.port);
    let cmd = home.authsome(["run", "--verbose", &leads]).args(options);
    let run = cmd.start();
    (home, run)
}

/// Greets the client, then takes everything up to its end.
fn greet(conn: &mut Conn) {
    if conn.channel.try_send("hello\n") {
        conn.channel.rest();
    }
}

/// Sends to a tunnel and ends; how that ended for the client, which must have heard nothing but the greeting.
fn send_and_end(mut tunnel: Channel, bytes: &[u8]) -> End {
    assert_eq!(tunnel.take(6), b"hello\n");
    if tunnel.try_send(bytes) {
        tunnel.end_sending();
    }
    let (rest, end) = tunnel.rest();
    assert_eq!(rest, b"");
    end
}

#[test]
fn a_tunnel_leads_to_no_other_site_by_its_server_name() {
    let evil = client_hello("evil.test", trusting_nobody());
    let alert_first = [&[21, 3, 1, 0, 2, 1, 0][..], &evil].concat();
    // Java's servers take any version of a record.
    let mut no_version = evil.clone();
    no_version[1..3].copy_from_slice(&[0xff, 0xff]);
    let (front, _) = evil.split_at(evil.len() - 1);
    let hellos = [
        (evil.clone(), "the client asked for evil.test by TLS"),
        (no_version, "the client asked for evil.test by TLS"),
        (
            in_small_records(&evil),
            "the client asked for evil.test by TLS",
        ),
        (alert_first, "doesn't begin with a ClientHello"),
        (front.to_vec(), "doesn't begin with a ClientHello"),
    ];
    for option in RESTRICTING {
        let origin = Origin::plain(greet);
        let (home, run) = run_towards(&origin, &[option]);
        for (hello, words) in &hellos {
            let tunnel = run.proxy.tunnel("other.test:443");
            let end = send_and_end(tunnel, hello);
            assert_eq!(end, End::Reset, "{option}: {words}");
            run.program.wait_for_stderr(words);
        }
        let output = run.stop();
        output.assert_stderr(&["other.test", "must be the host of the CONNECT"]);
        origin.finish().assert_nothing();
        let log = fs::read_to_string(home.own("audit.log")).expect("a log");
        let refused = log.lines().map(|line| -> Value {
            serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))
        });
        let refused: Vec<Value> = refused
            .filter(|event| event["event"] == "refused")
            .collect();
        assert_eq!(refused.len(), hellos.len(), "{log}");
        for event in refused {
            assert_eq!(event["host"], "other.test", "{event}");
            assert_eq!(event["method"], "CONNECT", "{event}");
        }
    }
}

#[test]
fn a_second_hello_asks_for_no_other_site_either() {
    let change = [20, 3, 3, 0, 1, 1];
    let good = client_hello("other.test", trusting_nobody());
    let evil = client_hello("evil.test", trusting_nobody());
    let origin = Origin::plain(greet);
    let (_home, run) = run_towards(&origin, &["--allow=other.test"]);
    let bytes = [&good[..], &change, &evil].concat();
    let end = send_and_end(run.proxy.tunnel("other.test:443"), &bytes);
    assert_eq!(end, End::Reset);
    run.stop();
    origin.finish().assert_without("evil.test");
}

#[test]
fn tls_with_the_right_name_or_none_passes_unchanged() {
    let mut nameless = (*trusting_nobody()).clone();
    nameless.enable_sni = false;
    let hello = client_hello("other.test", trusting_nobody());
    let nameless = client_hello("evil.test", Arc::new(nameless));
    for option in RESTRICTING {
        let origin = Origin::plain(greet);
        let (_home, run) = run_towards(&origin, &[option]);
        let all = [hello.clone(), in_small_records(&hello), nameless.clone()];
        for bytes in &all {
            // However the CONNECT spells it.
            let end = send_and_end(run.proxy.tunnel("OTHER.test.:443"), bytes);
            assert_eq!(end, End::Clean, "{option}");
        }
        run.stop();
        assert!(origin.finish().bytes == all.concat(), "{option}");
        // And with somebody who answers.
        let origin = Origin::start(always_ok);
        let (_home, run) = run_towards(&origin, &[option]);
        let trusting = client::trusting(origin.ca_pem.as_bytes());
        let tunnel = run.proxy.tunnel("other.test:443");
        let mut client = tls_over(tunnel, "other.test", trusting).expect("TLS");
        client.send(get("other.test", "/"));
        assert_eq!(client.response("GET").text(), "ok");
        drop(client);
        run.stop();
        origin.finish();
    }
}

#[test]
fn what_is_no_tls_passes_and_so_does_any_name_where_nothing_is_restricted() {
    let evil = client_hello("evil.test", trusting_nobody());
    let old = b"\x80\x2e\x01\x03\x01".to_vec();
    for (options, bytes) in [
        (&["--allow=other.test"][..], b"SSH-2.0-x\r\n".to_vec()),
        (&["--allow=other.test"], b"EHLO x\r\n".to_vec()),
        (&["--allow=other.test"], old),
        (&[], evil),
    ] {
        let origin = Origin::plain(greet);
        let (_home, run) = run_towards(&origin, options);
        let end = send_and_end(run.proxy.tunnel("other.test:443"), &bytes);
        assert_eq!(end, End::Clean);
        run.stop();
        assert_eq!(origin.finish().bytes, bytes);
    }
}

#[test]
fn behind_an_address_a_name_may_be_meant_that_the_program_could_ask_for() {
    for (options, name, end) in [
        (&["--allow=192.0.2.1"][..], "other.test", End::Reset),
        (
            &["--allow=192.0.2.1", "--allow=other.test"],
            "other.test",
            End::Clean,
        ),
        (
            &["--allow=192.0.2.1", "--allow=*:80"],
            "other.test",
            End::Reset,
        ),
        (&["--deny=third.test"], "third.test", End::Reset),
        (&["--deny=third.test"], "other.test", End::Clean),
        (&["--deny-private"], "other.test", End::Clean),
    ] {
        let origin = Origin::plain(greet);
        let (_home, run) = run_towards(&origin, options);
        let hello = client_hello(name, trusting_nobody());
        let ended = send_and_end(run.proxy.tunnel("192.0.2.1:443"), &hello);
        assert_eq!(ended, end, "{options:?} {name}");
        run.stop();
        let arrived = origin.finish().bytes;
        assert_eq!(arrived.is_empty(), end == End::Reset, "{options:?} {name}");
    }
}

#[test]
fn the_status_line_of_a_refused_connect_says_why() {
    let reach = Reach::with(&["--deny=tracker.example"]);
    let answer = tunnel(&reach.run, "tracker.example:443");
    assert_denied(&answer, "--deny");
    let line = "HTTP/1.1 403 authsome: tracker.example:443 is refused by --deny";
    assert_eq!(answer.line, line);
    for arrived in reach.finish() {
        arrived.assert_nothing();
    }
}

// What a provider's rules say.

#[test]
fn rules_of_a_service_at_aws_refuse_with_a_status_that_its_clients_show() {
    let host = "bedrock-runtime.us-east-1.amazonaws.com";
    let home = Home::new();
    home.acme(&format!(
        r#""api_url": "{host}", "rules": [{{"methods": ["GET"], "action": "allow"}}]"#
    ));
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).start();
    let request = format!("POST /model/m HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
    let answer = run.proxy.exchange(host, &request);
    answer.assert_refusal(400, "http_request_denied");
    assert_eq!(answer.one("X-Should-Retry"), "false");
    run.stop();
    origin.finish().assert_nothing();
}

/// Whoever may read only: never what is below `/secret`, and one search by POST.
const READ_ONLY: &str = r#""rules": [
    {"path": "/secret*", "action": "deny"},
    {"methods": ["POST"], "path": "/search", "action": "allow"},
    {"methods": ["GET", "HEAD"], "action": "allow"}]"#;

/// A request with a body, where its method has one.
fn request(method: &str, target: &str, field: &str) -> String {
    let length = if method == "GET" || method == "HEAD" {
        ""
    } else {
        "Content-Length: 0\r\n"
    };
    format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n{field}{length}\r\n")
}

#[test]
fn rules_judge_bytes_above_ascii_as_they_leave() {
    let scene = Scene::ok(READ_ONLY);
    let ask = |target: &str| scene.exchange(&request("GET", target, ""));
    assert_eq!(ask("/Z\u{fc}rich?q=\u{20ac}").status(), 200);
    ask("/secret-\u{fc}").assert_refusal(403, "http_request_denied");
    // A wide slash is one to some servers.
    ask("/x\u{ff0f}..\u{ff0f}secret").assert_refusal(400, "http_request_denied");
    let arrived = scene.finish().arrived;
    assert_eq!(arrived.only().target(), "/Z%C3%BCrich?q=%E2%82%AC");
}

#[test]
fn a_provider_that_is_read_only_gets_nothing_but_reads() {
    let scene = Scene::ok(READ_ONLY);
    let passes = [
        ("GET", "/repos/a?secret=/secret"),
        ("HEAD", "/repos/a"),
        ("POST", "/search?q"),
        ("GET", "/Secret"),
    ];
    for (method, target) in passes {
        let mut client = scene.client();
        client.send(request(method, target, ""));
        assert_eq!(client.response(method).status(), 200, "{method} {target}");
    }
    let refused = [
        ("POST", "/repos/a", "none of the rules"),
        ("DELETE", "/repos/a", "none of the rules"),
        ("delete", "/repos/a", "none of the rules"),
        ("PATCH", "/search", "none of the rules"),
        ("get", "/repos/a", "none of the rules"),
        ("GETS", "/repos/a", "none of the rules"),
        ("GET", "/secret", "rules[0]"),
        ("GET", "/secrets/x?y", "rules[0]"),
        ("GET", "/%73ecret", "rules[0]"),
        ("GET", "/secret/../secrets", "rules[0]"),
        ("POST", "/secret", "rules[0]"),
    ];
    for (method, target, words) in refused {
        let answer = scene.exchange(&request(method, target, ""));
        let body = answer.assert_refusal(403, "http_request_denied");
        let error = body["error"].as_str().expect("text");
        assert!(error.contains(words), "{method} {target}: {error}");
        assert_eq!(body["provider"], "acme");
    }
    for target in [
        "/x/..%2fsecret",
        "//secret",
        "/a\\..\\secret",
        "/x/..;/secret",
        "/x%EF%BC%8F..%EF%BC%8Fsecret",
        "/x/%E2%80%A5/secret",
        "/x/%EF%B8%B0/secret",
        "/x/%EF%B9%92%EF%B9%92/secret",
        "/x%EF%B9%A8..%EF%B9%A8secret",
        "/x%EF%BC%BC%EF%BC%8E%EF%BC%8E%EF%BC%BCsecret",
        "/%E2%88%95secret",
        "/;x/secret",
        "/%3bx/secret",
    ] {
        let answer = scene.exchange(&request("GET", target, ""));
        answer.assert_refusal(400, "http_request_denied");
    }
    let arrived = scene.finish().arrived;
    let lines: Vec<&str> = arrived.requests.iter().map(|sent| &*sent.line).collect();
    let expected = passes.map(|(method, target)| format!("{method} {target} HTTP/1.1"));
    assert_eq!(lines, expected);
    for sent in arrived.requests {
        assert_eq!(sent.one("Authorization"), format!("Bearer {SECRET}"));
    }
}

#[test]
fn what_servers_take_for_parameters_makes_no_path_one_that_a_rule_allows() {
    let scene = Scene::ok(r#""rules": [{"path": "/*-public", "action": "allow"}]"#);
    for target in ["/keys;-public", "/keys%3B-public", "/a/keys;x=%2f-public"] {
        let answer = scene.exchange(&request("GET", target, ""));
        answer.assert_refusal(400, "http_request_denied");
    }
    let answer = scene.exchange(&request("GET", "/a;x=1/keys-public", ""));
    assert_eq!(answer.status(), 200);
    assert_eq!(scene.finish().arrived.requests.len(), 1);
}

#[test]
fn a_field_that_asks_for_another_method_is_refused_where_there_are_rules() {
    let fields = [
        "X-HTTP-Method-Override: DELETE\r\n",
        "x-http-method-override: GET\r\n",
        "X_HTTP_Method_Override: DELETE\r\n",
        "X-HTTP-Method: DELETE\r\n",
        "X-Method-Override: DELETE\r\n",
        "X-METHOD_OVERRIDE:\r\n",
        "X.HTTP.Method.Override: DELETE\r\n",
        "X_Http-Method~override: DELETE\r\n",
        "XHTTPMethod: DELETE\r\n",
        "Connection: X-HTTP-Method-Override\r\nX-HTTP-Method-Override: PUT\r\n",
    ];
    let scene = Scene::ok(READ_ONLY);
    for field in fields {
        for (method, target) in [("GET", "/repos"), ("POST", "/search")] {
            let answer = scene.exchange(&request(method, target, field));
            let body = answer.assert_refusal(403, "http_request_denied");
            let hint = body["hint"].as_str().expect("text");
            assert!(hint.contains("without that field"), "{hint}");
        }
    }
    scene.finish().arrived.assert_nothing();
    // Without rules it is the service's business.
    let scene = Scene::ok("");
    let answer = scene.exchange(&request("GET", "/repos", fields[0]));
    assert_eq!(answer.text(), "ok");
    let arrived = scene.finish().arrived;
    assert_eq!(arrived.only().one("X-HTTP-Method-Override"), "DELETE");
}

#[test]
fn the_first_rule_that_fits_wins_and_an_empty_list_is_none() {
    for (rules, status) in [
        (
            r#"[{"path": "/v1", "action": "allow"}, {"action": "deny"}]"#,
            200,
        ),
        (
            r#"[{"action": "deny"}, {"path": "/v1", "action": "allow"}]"#,
            403,
        ),
        (
            r#"[{"methods": ["GET"], "action": "deny"}, {"action": "allow"}]"#,
            403,
        ),
        (r#"[{"methods": ["PUT"], "action": "deny"}]"#, 403),
        ("[]", 200),
        ("null", 200),
    ] {
        let scene = Scene::ok(&format!(r#""rules": {rules}"#));
        let answer = scene.exchange(&get(HOST, "/v1"));
        assert_eq!(answer.status(), status, "{rules}");
        let arrived = scene.finish().arrived.requests.len();
        assert_eq!(arrived, usize::from(status == 200), "{rules}");
    }
}

#[test]
fn rules_are_about_requests_that_get_the_credential() {
    let fields = r#""auth_type": "oauth2", "api_url": "https://api.acme.test/v1",
        "oauth": {"token_url": "https://api.acme.test/v1/token"},
        "rules": [{"methods": ["GET"], "action": "allow"}]"#;
    let scene = Scene::ok(fields);
    for (method, target) in [("POST", "/v1/token"), ("POST", "/v2")] {
        let own = "Authorization: Basic bWluZQ==\r\n";
        let answer = scene.exchange(&request(method, target, own));
        assert_eq!(answer.text(), "ok", "{target}");
    }
    let answer = scene.exchange(&request("POST", "/v1/a", ""));
    answer.assert_refusal(403, "http_request_denied");
    let requests = scene.finish().arrived.requests;
    assert_eq!(requests.len(), 2);
    for sent in requests {
        assert_eq!(sent.one("Authorization"), "Basic bWluZQ==");
    }
}

#[test]
fn explain_says_what_the_rules_do() {
    let home = Home::new();
    home.acme(READ_ONLY);
    let url = |path: &str| format!("https://{HOST}{path}");
    for (method, path, decision, reason) in [
        ("GET", "/repos", "inject", ""),
        ("POST", "/search", "inject", ""),
        (
            "GET",
            "/secret/x",
            "refuse",
            "rules[0] of its definition denies it",
        ),
        (
            "DELETE",
            "/repos",
            "refuse",
            "none of the rules of its definition allows it",
        ),
        (
            "GET",
            "/x/..%2fsecret",
            "refuse",
            "servers could read the path",
        ),
    ] {
        let answer = home.explain(&[method, &url(path)]);
        assert_eq!(answer["decision"], decision, "{answer}");
        let found = answer["reason"].as_str().unwrap_or_default();
        assert!(found.starts_with(reason), "{answer}");
        if reason.contains("its definition") {
            assert_eq!(answer["provider"], "acme");
            assert_eq!(answer["route"], format!("https://{HOST}"));
            let hint = answer["hint"].as_str().expect("what to do");
            assert!(hint.contains("authsome inspect"), "{hint}");
        }
    }
    let text = home
        .authsome(["explain", "DELETE", &url("/repos")])
        .env("ACME_API_KEY", SECRET)
        .run();
    text.assert_code(0);
    assert!(text.stdout().contains("\n  is refused\n"), "{text}");
    assert!(text.stdout().contains("provider    acme"), "{text}");
}

#[test]
fn the_example_of_the_readme_reads_and_fetches_only() {
    let readme = include_str!("../README.md");
    let (_, rest) = readme
        .split_once("```json\n\"rules\": ")
        .expect("rules in the README");
    let (rules, _) = rest.split_once("```").expect("their end");
    let home = Home::new();
    home.acme(&format!(r#""rules": {rules}"#));
    for (method, path, decision) in [
        ("GET", "/repos/a/b/issues", "inject"),
        ("POST", "/a/b.git/git-upload-pack", "inject"),
        ("POST", "/a/b.git/git-receive-pack", "refuse"),
        ("POST", "/graphql", "refuse"),
        ("DELETE", "/repos/a/b", "refuse"),
        ("GET", "/repos/a/b/actions/secrets", "refuse"),
    ] {
        let answer = home.explain(&[method, &format!("https://{HOST}{path}")]);
        assert_eq!(answer["decision"], decision, "{answer}");
    }
}

#[test]
fn inspect_shows_the_rules() {
    let home = Home::new();
    home.acme(READ_ONLY);
    let output = home.authsome(["inspect", "acme"]).run();
    let expected = "rules        deny every method /secret*
             allow POST /search
             allow GET,HEAD every path
             deny everything else
";
    assert!(output.stdout().contains(expected), "{output}");
    let output = home.authsome(["inspect", "acme", "--json"]).run();
    let answer: Value = output.json();
    assert_eq!(
        answer["rules"],
        json!([
            {"path": "/secret*", "action": "deny"},
            {"methods": ["POST"], "path": "/search", "action": "allow"},
            {"methods": ["GET", "HEAD"], "action": "allow"},
        ])
    );
}

#[test]
fn a_mistake_in_the_rules_names_file_and_field_and_nothing_runs() {
    let home = Home::new();
    home.acme(r#""rules": [{"action": "allow"}, {"methods": ["GET"], "action": "permit"}]"#);
    let output = home
        .authsome(["run", "--", "sh", "-c", "echo ran"])
        .env("ACME_API_KEY", SECRET)
        .run();
    output
        .assert_code(125)
        .assert_stderr(&[
            "acme.json: rules[1].action: neither allow nor deny",
            "hint:",
        ])
        .assert_without("ran");
}

#[test]
fn rules_that_allow_nothing_are_warned_of() {
    let home = Home::new();
    let register = |rules: &str| {
        let definition = json!({
            "name": "acme",
            "api_url": HOST,
            "rules": serde_json::from_str::<Value>(rules).expect("rules"),
        });
        let file = home.file("acme.json", &definition.to_string());
        let output = home.authsome(["register", "--force", &file]).run();
        output.assert_code(0);
        output.lines_with("allow nothing")
    };
    assert_eq!(
        register(r#"[{"methods": ["DELETE"], "action": "deny"}]"#),
        1
    );
    let mended = r#"[{"methods": ["DELETE"], "action": "deny"}, {"action": "allow"}]"#;
    assert_eq!(register(mended), 0);
    assert_eq!(register("[]"), 0);
}

#[test]
fn no_entry_of_no_proxy_leads_past_what_was_said() {
    let home = Home::new();
    for words in [
        &["--only-matched"][..],
        &["--allow", "a.test"],
        &["--deny", "a.test"],
        &["--deny-private"],
    ] {
        let print = ["--", "sh", "-c", "printf %s \"$NO_PROXY,$no_proxy\""];
        let cmd = home.authsome(["run"]).args(words).args(print);
        let output = cmd.env("NO_PROXY", "b.test,10.0.0.0/8,localhost").run();
        let local = "127.0.0.1,localhost,::1";
        assert_eq!(output.stdout(), format!("{local},{local}"), "{words:?}");
        output
            .assert_code(0)
            .assert_stderr(&["NO_PROXY is left out"]);
    }
}
