//! The proxy alone, which reads everything anew while it serves: by a signal, and when a file has changed.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use crate::refresh::logged_in;
use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::NOBODY;
use crate::support::SECRET;
use crate::support::client::Proxy;
use crate::support::idp;
use crate::support::idp::Idp;
use crate::support::is_root;
use crate::support::origin;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::raised;
use crate::support::served::PASSWORD;
use crate::support::served::Served;
use crate::support::served::root_file;
use crate::support::served::serve;
use crate::support::served::tls_through;
use crate::support::wire::Channel;
use crate::support::wire::End;

/// Another host of the origin.
const OTHER: &str = "other.test";

/// A request to a host.
fn get(host: &str) -> String {
    format!("GET /v1 HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// Sends a request on a connection, and checks that it is answered.
fn ask(channel: &mut Channel, host: &str) {
    channel.send(get(host));
    assert_eq!(channel.response("GET").text(), "ok");
}

/// The scene: a home with a stored credential, an origin with two hosts, a proxy.
struct Scene {
    /// The home.
    home: Home,
    /// The origin.
    origin: Origin,
    /// The proxy.
    served: Served,
}

impl Scene {
    /// It, with these options.
    fn new(options: &[&str]) -> Self {
        let home = Home::connected("");
        let origin = Origin::start(origin::always_ok);
        let cmd = serve(&home, &origin).args(options);
        let served = Served::start(&home, cmd.args(origin.leads_here(&[OTHER], 443)));
        Self {
            home,
            origin,
            served,
        }
    }

    /// Logs in, where somebody is logged in already.
    fn login(&self, provider: &str, secret: &str) {
        let output = self.home.login(&[provider, "--force"], secret).run();
        output.assert_code(0);
    }

    /// What the last request to arrive had for a credential.
    fn last_credential(&self) -> Option<String> {
        let requests = self.origin.requests();
        let request = requests.last().expect("a request");
        let all = request.all("Authorization");
        all.first().map(|value| (*value).to_owned())
    }

    /// A request on a connection of its own, and what it had for a credential.
    fn credential_for(&self, host: &str) -> Option<String> {
        let answer = self.served.exchange(host, &get(host));
        assert_eq!(answer.text(), "ok", "{answer}");
        self.last_credential()
    }
}

/// The credential as it is sent.
fn bearer(secret: &str) -> Option<String> {
    Some(format!("Bearer {secret}"))
}

/// Puts a file in the place of another, in one step.
fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).expect("a file");
    fs::rename(new, path).expect("another name");
}

/// Has the definition of `acme` send a number along, which it does once it is read anew: the vault is read with each request.
fn set_round(home: &Home, round: usize) {
    let path = home.own("providers/acme.json");
    let text = fs::read_to_string(&path).expect("a definition");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    json["extra_headers"] = json!({"X-Round": round.to_string()});
    replace(&path, &json.to_string());
}

// What can't be read.

#[test]
fn what_can_not_be_read_keeps_everything_as_it_was_and_is_told_of_each_time() {
    let home = Home::connected("");
    let origin = Origin::start(origin::always_ok);
    let password = home.path("password");
    fs::write(&password, PASSWORD).unwrap();
    let spec = format!("file:{}", password.display());
    let cmd = serve(&home, &origin).args(["--password-from", &spec]);
    let served = Served::start(&home, cmd);
    let definition = home.own("providers/acme.json");
    let good = fs::read_to_string(&definition).unwrap();
    let vault = home.vault();
    let half = |text: &str| text.split_at(text.len() / 2).0.to_owned();
    let steps: [(&Path, String, String, &str); 4] = [
        (&definition, half(&good), good.clone(), "acme.json"),
        (
            &password,
            "short".into(),
            PASSWORD.into(),
            "the proxy's password is shorter than 16 bytes",
        ),
        (
            &password,
            "".into(),
            PASSWORD.into(),
            "no password for the proxy: ",
        ),
        (&definition, "{}".into(), good.clone(), "acme.json"),
    ];
    for (number, (path, broken, mended, why)) in steps.iter().enumerate() {
        replace(path, broken);
        // Nobody asks for it, and it is not said again while nothing changes.
        let said = "nothing was reloaded, and all is as it was: ";
        wait_for_count(&served, said, 2 * number + 1);
        let text = served.program.wait_for_stderr(why);
        assert!(!text.contains("reloaded: 0"), "{text}");
        assert_eq!(served.exchange(HOST, &get(HOST)).text(), "ok");
        served.signal("HUP");
        wait_for_count(&served, said, 2 * number + 2);
        assert_eq!(served.exchange(HOST, &get(HOST)).text(), "ok");
        let generation = served.generation();
        replace(path, mended);
        served.wait_for_generation(generation + 1);
    }
    assert!(home.vault() == vault);
    served.stop();
    let arrived = origin.finish();
    assert_eq!(arrived.requests.len(), 2 * steps.len());
    for request in &arrived.requests {
        assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
    }
}

/// Waits until it has said something so often.
fn wait_for_count(served: &Served, words: &str, count: usize) {
    crate::support::wait_until(&format!("it says {words:?} for the {count}th time"), || {
        served.program.stderr_so_far().matches(words).count() >= count
    });
}

// By a signal.

#[test]
fn a_signal_has_it_see_logins_logouts_and_definitions() {
    let scene = Scene::new(&[]);
    let served = &scene.served;
    assert_eq!(scene.credential_for(HOST), bearer(SECRET));
    scene.login("acme", "key-of-acme-2-0123456789");
    served.reload();
    assert_eq!(
        scene.credential_for(HOST),
        bearer("key-of-acme-2-0123456789")
    );

    let definition = r#"{"schema_version": 1, "name": "other", "display_name": "Other",
        "auth_type": "api_key", "api_url": "other.test", "export": {"OTHER_API_KEY": "API_TOKEN"}}"#;
    let file = scene.home.file("other.json", definition);
    let registered = scene.home.authsome(["register", &file]).run();
    registered.assert_code(0);
    scene.login("other", "key-of-other-0123456789");
    served.reload();
    assert_eq!(served.health().json()["connections"], 2);
    assert_eq!(
        scene.credential_for(OTHER),
        bearer("key-of-other-0123456789")
    );

    let mut kept = served.tls(OTHER);
    ask(&mut kept, OTHER);
    scene
        .home
        .authsome(["logout", "other"])
        .run()
        .assert_code(0);
    served.reload();
    // It stays intercepted, and is sent on as it is.
    ask(&mut kept, OTHER);
    assert_eq!(scene.last_credential(), None);
    assert_eq!(served.health().json()["connections"], 1);
    scene.login("other", "key-of-other-2-0123456789");
    served.reload();
    ask(&mut kept, OTHER);
    assert_eq!(scene.last_credential(), bearer("key-of-other-2-0123456789"));
    scene.home.authsome(["remove", "other"]).run();
    fs::remove_file(scene.home.own("providers/other.json")).ok();
    served.reload();
    ask(&mut kept, OTHER);
    assert_eq!(scene.last_credential(), None);
    scene.served.stop().assert_without("key-of-");
}

#[test]
fn a_connection_from_before_has_the_new_credential_with_its_next_request() {
    let scene = Scene::new(&[]);
    let mut kept = scene.served.tls(HOST);
    ask(&mut kept, HOST);
    assert_eq!(scene.last_credential(), bearer(SECRET));
    for round in 0..3 {
        set_round(&scene.home, round);
        let secret = format!("key-of-acme-{round}-0123456789");
        scene.login("acme", &secret);
        scene.served.reload();
        ask(&mut kept, HOST);
        let requests = scene.origin.requests();
        let request = requests.last().unwrap();
        assert_eq!(request.one("X-Round"), round.to_string());
        assert_eq!(request.one("Authorization"), format!("Bearer {secret}"));
    }
    scene.served.stop();
    // Each on a connection to the origin of its own: none is shared by two logins.
    assert_eq!(scene.origin.finish().established, 4);
}

#[test]
fn an_old_password_is_good_for_nothing_that_begins_after_a_reload() {
    let home = Home::connected("");
    let origin = Origin::start(origin::always_ok);
    let password = home.path("password");
    fs::write(&password, PASSWORD).unwrap();
    let spec = format!("file:{}", password.display());
    let cmd = serve(&home, &origin).args(["--password-from", &spec]);
    let blind = Origin::plain(origin::always_ok);
    let cmd = cmd.args(blind.leads_here(&["blind.test"], 443));
    let mut served = Served::start(&home, cmd);
    let mut kept = served.tls(HOST);
    ask(&mut kept, HOST);
    let (_, mut tunnel) = served.connect_with("blind.test", PASSWORD);
    ask(&mut tunnel, "blind.test");

    replace(&password, "another-password-0123456789\n");
    served.reload();
    let (answer, _) = served.connect_with(HOST, PASSWORD);
    answer.assert_refusal(407, "http_request_denied");
    kept.send(get(HOST));
    kept.response("GET")
        .assert_refusal(407, "http_request_denied");
    assert_eq!(kept.rest(), (Vec::new(), End::Clean));
    // Nobody looks into it. It is under way for as long as it is open.
    ask(&mut tunnel, "blind.test");
    drop(tunnel);
    served.password = "another-password-0123456789".into();
    assert_eq!(served.exchange(HOST, &get(HOST)).text(), "ok");
    served.stop();
    assert_eq!(origin.finish().requests.len(), 2);
}

#[test]
fn a_host_that_is_claimed_no_more_is_left_where_only_claimed_ones_are_reached() {
    let scene = Scene::new(&["--only-matched"]);
    let mut kept = scene.served.tls(HOST);
    ask(&mut kept, HOST);
    scene.home.authsome(["logout", "acme"]).run().assert_code(0);
    scene.served.reload();
    kept.send(get(HOST));
    kept.response("GET")
        .assert_refusal(403, "http_request_denied");
    let (answer, _) = scene.served.connect_with(HOST, PASSWORD);
    answer.assert_refusal(403, "http_request_denied");
    scene.served.stop();
    assert_eq!(scene.origin.finish().requests.len(), 1);
}

#[test]
fn a_program_that_gives_a_credential_is_run_again() {
    let home = Home::new();
    home.acme("");
    let key = home.file("key", "key-of-acme-1-0123456789");
    let origin = Origin::start(origin::always_ok);
    let source = format!("acme=command:cat {key}");
    let served = Served::start(&home, serve(&home, &origin).args(["--credential", &source]));
    let sent = || {
        assert_eq!(served.exchange(HOST, &get(HOST)).text(), "ok");
        let requests = origin.requests();
        requests.last().unwrap().one("Authorization").to_owned()
    };
    assert_eq!(sent(), "Bearer key-of-acme-1-0123456789");
    replace(key.as_ref(), "key-of-acme-2-0123456789");
    // It is not looked for there: the answer is good for five minutes.
    assert_eq!(sent(), "Bearer key-of-acme-1-0123456789");
    served.reload();
    assert_eq!(sent(), "Bearer key-of-acme-2-0123456789");
    served.stop();
}

#[test]
fn tokens_that_are_nowhere_but_in_memory_outlive_a_reload() {
    let idp = Idp::start();
    let home = logged_in(&idp, 4);
    idp.change(|manner| manner.expires_in = json!(4));
    let binary = home.copy_of(BINARY, "authsome");
    let ca = home.file("ca.pem", &idp.origin.ca_pem);
    let root = home.temporary().join("root.pem");
    let user = is_root().then_some(NOBODY);
    if let Some(user) = user {
        home.give(user);
    }
    // New tokens can't be stored.
    fs::set_permissions(home.own(""), Permissions::from_mode(0o500)).unwrap();
    let cmd = Cmd::new(&home, &binary)
        .args(["serve", "--listen", "127.0.0.1:0", "--upstream-ca", &ca])
        .args(idp.origin.leads_here(&[HOST, idp::IDP], 443))
        .arg("--ca-file")
        .arg(&root)
        .env("AUTHSOME_PROXY_PASSWORD", PASSWORD);
    let cmd = match user {
        Some(user) => cmd.user(user),
        None => cmd,
    };
    let served = Served::of(cmd.background(), &root);
    for round in 1..=3 {
        idp.wait_for_end_of_tokens();
        assert_eq!(
            served.exchange(HOST, &get(HOST)).text(),
            "ok",
            "round {round}"
        );
        assert_eq!(idp.refreshes().len(), round);
        served.reload();
    }
    fs::set_permissions(home.own(""), Permissions::from_mode(0o700)).unwrap();
    let output = served.stop();
    idp.assert_discreet(&output);
}

// When a file has changed.

#[test]
fn files_that_change_are_seen_without_a_signal() {
    let home = Home::connected("");
    let origin = Origin::start(origin::always_ok);
    // As secrets are mounted into containers: a link to a folder, which is moved over.
    for (folder, text) in [("one", PASSWORD), ("two", "another-password-0123456789")] {
        fs::create_dir(home.path(folder)).unwrap();
        home.file(&format!("{folder}/password"), text);
    }
    let link = |to: &str| {
        std::os::unix::fs::symlink(home.path(to), home.path("new")).unwrap();
        fs::rename(home.path("new"), home.path("data")).unwrap();
    };
    link("one");
    let spec = format!("file:{}", home.path("data/password").display());
    let cmd = serve(&home, &origin).args(["--password-from", &spec]);
    let mut served = Served::start(&home, cmd);
    link("two");
    served.wait_for_generation(1);
    served.password = "another-password-0123456789".into();
    assert_eq!(served.exchange(HOST, &get(HOST)).text(), "ok");
    home.login(&["acme", "--force"], "key-of-acme-2-0123456789")
        .run()
        .assert_code(0);
    served.wait_for_generation(2);
    home.acme(r#""extra_headers": {"X-Round": "3"}"#);
    served.wait_for_generation(3);
    assert_eq!(served.exchange(HOST, &get(HOST)).text(), "ok");
    let requests = origin.requests();
    let request = requests.last().unwrap();
    assert_eq!(
        request.one("Authorization"),
        "Bearer key-of-acme-2-0123456789"
    );
    assert_eq!(request.one("X-Round"), "3");
    let output = served.stop();
    let said = "reloaded: 1 connections (generation ";
    assert_eq!(output.lines_with(said), 3, "{output}");
}

// Under load.

/// What the clients of the test under load share.
struct Load {
    /// The proxy.
    proxy: Proxy,
    /// The round whose end was told last.
    round: AtomicUsize,
    /// Whether it is over.
    is_over: AtomicBool,
    /// Requests that were answered by 200.
    answered: AtomicUsize,
    /// Those that were not.
    lost: AtomicUsize,
}

impl Load {
    /// Six clients, every other one of which stays on one connection.
    fn start(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let clients = (0..6).map(|number| {
            let load = Arc::clone(self);
            let ask = move || load.ask(number % 2 == 0);
            thread::Builder::new().spawn(ask).expect("a thread")
        });
        clients.collect()
    }

    /// Asks until it is over, each time on a new connection or always on one. Each request says which round was told of before it began.
    fn ask(&self, on_one: bool) {
        let mut kept = tls_through(&self.proxy, HOST, PASSWORD);
        while !self.is_over.load(Ordering::SeqCst) {
            if !on_one {
                kept = tls_through(&self.proxy, HOST, PASSWORD);
            }
            let floor = self.round.load(Ordering::SeqCst);
            kept.send(format!(
                "GET /v1 HTTP/1.1\r\nHost: {HOST}\r\nX-Floor: {floor}\r\n\r\n"
            ));
            let answer = kept.response("GET");
            let is_good = answer.status() == 200 && answer.text() == "ok";
            let count = if is_good { &self.answered } else { &self.lost };
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn under_load_no_request_is_lost_and_none_gets_what_was_before_the_reload() {
    /// What a number is written as in a credential.
    fn key(round: usize) -> String {
        format!("key-of-acme-round-{round}-0123456789")
    }

    let Scene {
        home,
        origin,
        served,
    } = Scene::new(&[]);
    let load = Arc::new(Load {
        proxy: Proxy::new(served.proxy.port, &root_file(&home)),
        round: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        answered: AtomicUsize::new(0),
        lost: AtomicUsize::new(0),
    });
    let change = |round: usize| {
        set_round(&home, round);
        home.login(&["acme", "--force"], &key(round))
            .run()
            .assert_code(0);
        served.reload();
        load.round.store(round, Ordering::SeqCst);
    };
    change(1);
    let clients = load.start();
    let (start, before) = (Instant::now(), served.generation());
    let rounds = raised("AUTHSOME_TEST_SECONDS", 10);
    for round in 2..rounds + 2 {
        let due = start + Duration::from_secs(1) * u32::try_from(round - 2).unwrap();
        thread::sleep(due.saturating_duration_since(Instant::now()));
        change(round);
    }
    load.is_over.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().expect("a client that was answered");
    }
    let took = start.elapsed();
    let load = Arc::into_inner(load).expect("nobody else is left");
    let reloads = served.generation() - before;
    served.stop();
    let (answered, lost) = (load.answered.into_inner(), load.lost.into_inner());
    println!(
        "{answered} requests in {:.1} s, {reloads} reloads: {lost} lost",
        took.as_secs_f64()
    );
    assert_eq!(lost, 0);
    assert!(reloads >= u64::try_from(rounds).unwrap());
    let arrived = origin.finish();
    assert_eq!(arrived.requests.len(), answered);
    for request in &arrived.requests {
        let number = |name: &str| request.one(name).parse::<usize>().unwrap();
        let floor = number("X-Floor");
        assert!(number("X-Round") >= floor, "{request}");
        let credential = request.one("Authorization");
        let is_it = |round: usize| credential == format!("Bearer {}", key(round));
        assert!((floor..rounds + 2).any(is_it), "{request}");
    }
}
