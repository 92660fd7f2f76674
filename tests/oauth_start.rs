//! The page that a login in the browser starts at: who learns the authorization URL, how often, and which browser may come back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use crate::support::Cmd;
use crate::support::Home;
use crate::support::NOBODY;
use crate::support::browser::free_port;
use crate::support::browser::get;
use crate::support::idp;
use crate::support::idp::Idp;
use crate::support::idp::PUBLIC;
use crate::support::is_root;
use crate::support::wait_until;

/// The command with a browser's opener that writes its arguments to the file.
fn with_opener(home: &Home, cmd: Cmd) -> (Cmd, PathBuf) {
    let opened = home.path("opened");
    let script = home.file(
        "browser",
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$OPENED.new\"; mv \"$OPENED.new\" \"$OPENED\"\n",
    );
    let mode = PermissionsExt::from_mode(0o700);
    fs::set_permissions(&script, mode).expect("a program of ours");
    (cmd.env("BROWSER", &script).env("OPENED", &opened), opened)
}

// Who learns the authorization URL.

#[test]
fn neither_the_opener_s_arguments_nor_what_is_printed_has_the_state() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    let (cmd, opened) = with_opener(&home, idp.authsome(&home, &["login", "acme"]));
    let login = idp.login_by(cmd, free_port());
    wait_until("the browser is started", || opened.exists());
    let arguments = fs::read_to_string(&opened).unwrap();
    assert_eq!(arguments, format!("{}\n", login.start));
    let (state, challenge) = (login.state(), login.fields()["code_challenge"].clone());
    assert!(!arguments.contains(&state), "{arguments}");
    let output = login.complete(&idp);
    output
        .assert_code(0)
        .assert_without(&state)
        .assert_without(&challenge)
        .assert_without("idp.test/authorize");
}

#[test]
#[cfg(target_os = "linux")]
fn another_user_who_knows_the_link_and_the_answer_is_not_heard() {
    if !is_root() {
        return; // nobody else can be had
    }
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    let mut login = idp.login_unopened(&home, &[]);
    let ask = |url: &str| {
        let cmd = Cmd::new(&home, "curl").args(["-sS", "-i", "--max-time", "30", url]);
        let output = cmd.folder("/".into()).user(NOBODY).run();
        assert!(!output.status.success(), "{output}");
        assert!(output.stdout.is_empty(), "{output}");
    };
    ask(&login.start);
    login.follow();
    let target = login.agree(&idp);
    ask(&format!("http://127.0.0.1:{}{target}", login.port));
    assert!(idp.seen("/token").is_empty());
    login.come_back(&target);
    login.end(&idp).assert_code(0);
}

#[test]
fn the_opener_of_a_page_for_codes_does_not_get_the_code() {
    let idp = Idp::start();
    idp.change(|manner| {
        let complete = "https://idp.test/activate?code=WDJB-MJHT";
        manner.device_start["verification_uri_complete"] = complete.into();
    });
    let home = idp::home("device_code", &json!({}));
    let (cmd, opened) = with_opener(&home, idp.authsome(&home, &["login", "acme"]));
    cmd.run().assert_code(0);
    wait_until("the browser is started", || opened.exists());
    let arguments = fs::read_to_string(&opened).unwrap();
    assert_eq!(arguments, "https://idp.test/activate\n");
}

#[test]
fn both_hosts_are_named_where_they_differ() {
    let idp = Idp::start();
    let elsewhere = json!({"token_url": "https://other.test/token"});
    for (flow, words) in [
        ("pkce", "Agree at idp.test; the code goes to other.test."),
        (
            "device_code",
            "Agree at idp.test; the tokens come from other.test.",
        ),
    ] {
        let home = idp::home(flow, &elsewhere);
        let log_in = |words: &[&str]| match flow {
            "pkce" => idp.log_in(&home, words),
            _ => idp.authsome(&home, &["login", "acme"]).args(words).run(),
        };
        log_in(&[]).assert_code(0).assert_stderr(&[words]);
        let output = log_in(&["--force", "--json"]);
        let said: Value = serde_json::from_str(&output.stderr()).unwrap();
        assert_eq!(said["agree_at"], "idp.test");
        assert_eq!(said["code_goes_to"], "other.test");
    }
    let home = idp::home("pkce", &json!({}));
    idp.log_in(&home, &[])
        .assert_stderr(&["Agree at idp.test. This link leads there once"]);
}

// How often.

#[test]
fn the_start_page_leads_on_once() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    let mut login = idp.login_unopened(&home, &["--connection", "work"]);
    let first = login.open();
    assert_eq!(first.status(), 303, "{first}");
    assert_eq!(first.one("Cache-Control"), "no-store");
    assert_eq!(first.one("Referrer-Policy"), "no-referrer");
    let place = first.one("Location").to_owned();
    assert!(place.starts_with("https://idp.test/authorize?"), "{first}");
    assert!(!first.text().contains("idp.test"), "{first}");
    login.url = place;
    for _ in 0..2 {
        let again = login.open();
        assert_eq!(again.status(), 410, "{again}");
        assert!(again.all("Location").is_empty(), "{again}");
        let page = again.text();
        assert!(page.contains("This link has been used"), "{again}");
        let command = "<code>authsome login acme --connection work</code>";
        assert!(page.contains(command), "{again}");
        assert!(!page.contains(&login.state()), "{again}");
    }
    // The login is as it was.
    login.complete(&idp).assert_code(0);
}

#[test]
fn of_many_that_open_the_start_page_at_once_one_is_led_on() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    let mut login = idp.login_unopened(&home, &[]);
    let request = get(login.start_path());
    let channels: Vec<_> = (0..20).map(|_| login.channel(&request)).collect();
    let answers: Vec<_> = channels
        .into_iter()
        .map(|mut channel| channel.response("GET"))
        .collect();
    let led: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status() == 303)
        .collect();
    let [one] = &*led else {
        panic!("{} were led on", led.len());
    };
    login.url = one.one("Location").to_owned();
    assert!(answers.iter().all(|a| [303, 410].contains(&a.status())));
    login.complete(&idp).assert_code(0);
}

#[test]
fn what_is_no_visit_does_not_use_the_start_page_up() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    let mut login = idp.login_unopened(&home, &[]);
    let path = login.start_path().to_owned();
    let with = |field: &str| get(&path).replacen("\r\n\r\n", &format!("\r\n{field}\r\n\r\n"), 1);
    let mut requests: Vec<(String, u16)> = [
        "Sec-Purpose: prefetch",
        "Sec-Purpose: prefetch;prerender",
        "Sec-Purpose: prefetch;anonymous-client-ip",
        "Purpose: Prefetch",
        "X-Purpose: preview",
        "X-Moz: prefetch",
        "Sec-Fetch-Dest: iframe",
        "Sec-Fetch-Dest: empty",
        "Sec-Fetch-Dest: image",
        "Sec-Fetch-Mode: no-cors",
        "Sec-Fetch-Mode: cors",
        "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Purpose: prefetch",
    ]
    .map(|field| (with(field), 403))
    .into();
    requests.extend([
        (get(&path).replace("GET", "HEAD"), 405),
        (get(&path).replace("GET", "OPTIONS"), 405),
        (get(&path).replace("GET", "POST"), 404),
        (get(&path).replace("127.0.0.1", "evil.test"), 403),
        (get(&path).replace("127.0.0.1:PORT", "127.0.0.1"), 403),
        (get("/"), 404),
        (get("/login"), 404),
        (get("/login/"), 404),
        (get(&format!("{path}/")), 404),
        (get(&path.replace("/login/", "/login/0")), 404),
        (get("/login/00000000000000000000000000000000"), 404),
    ]);
    for (request, status) in requests {
        let answer = login.send(&request);
        assert_eq!(answer.status(), status, "{request}\n{answer}");
        assert!(answer.all("Location").is_empty(), "{request}\n{answer}");
        assert!(answer.all("Set-Cookie").is_empty(), "{request}\n{answer}");
    }
    // Under the listener's other name it leads to the address that the browser comes back to, and there alone to the service.
    let answer = login.send(&get(&path).replace("127.0.0.1", "localhost"));
    assert_eq!(answer.status(), 303, "{answer}");
    assert_eq!(answer.one("Location"), login.start);
    let visit =
        with("Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site");
    let answer = login.send(&visit);
    assert_eq!(answer.status(), 303, "{answer}");
    login.url = answer.one("Location").to_owned();
    login.complete(&idp).assert_code(0);
}

#[test]
fn a_parameter_of_the_definition_does_not_break_out_of_the_redirect() {
    let idp = Idp::start();
    let name = "a b\r\nSet-Cookie: evil=1\r\n\r\n<p>";
    let params = json!({"authorization_params": {name: "x\r\ny"}});
    let home = idp::home("pkce", &params);
    let login = idp.login(&home, &[]);
    assert_eq!(login.cookie, None);
    assert_eq!(login.fields()[name], "x\r\ny");
    login.complete(&idp).assert_code(0);
}

// Which browser may come back.

#[test]
fn without_pkce_and_secret_only_the_browser_that_started_comes_back() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({"pkce": false}));
    let mut login = idp.login_unopened(&home, &[]);
    let led = login.open();
    login.url = led.one("Location").to_owned();
    let cookie = led.one("Set-Cookie");
    let (pair, attributes) = cookie.split_once("; ").expect("attributes");
    let expected = "Path=/callback; Max-Age=300; HttpOnly; SameSite=Lax";
    assert_eq!(attributes, expected);
    let (name, value) = pair.split_once('=').expect("a name and a value");
    assert_eq!((name.len(), value.len()), ("authsome-".len() + 32, 32));
    let target = login.agree(&idp);
    let back = |cookies: &[&str]| {
        let fields: String = cookies
            .iter()
            .map(|cookie| format!("Cookie: {cookie}\r\n"))
            .collect();
        get(&target).replacen("\r\n\r\n", &format!("\r\n{fields}\r\n"), 1)
    };
    let short = pair.strip_suffix(char::is_alphanumeric).expect("a letter");
    for cookies in [
        &[][..],
        &["other=1"],
        &[name],
        &[&*format!("{name}=")],
        &[short],
        &[&*format!("{pair}0")],
        &[&*format!("x{pair}")],
        &[&*format!(
            "authsome-00000000000000000000000000000000={value}"
        )],
        &[&*format!("{value}={name}")],
    ] {
        let answer = login.send(&back(cookies));
        assert_eq!(answer.status(), 403, "{cookies:?}\n{answer}");
        let page = answer.text();
        assert!(page.contains("This browser did not start the login"));
        assert!(
            page.contains("<code>authsome login acme</code>"),
            "{answer}"
        );
        assert!(!page.contains(value), "{answer}");
    }
    assert!(idp.seen("/token").is_empty());
    // What another port of 127.0.0.1 sets beside it, under its name too, is not in the way.
    let among = format!("a=b; {name}=evil; {pair}; {name}=; =; ;c");
    let answer = login.send(&back(&["x=y", &among]));
    assert!(answer.text().contains("Acme is connected"), "{answer}");
    login.end(&idp).assert_code(0);
    assert_eq!(idp.last("/token").field("client_id"), PUBLIC);
}

#[test]
fn a_cookie_is_of_one_login_and_only_of_those_that_need_one() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({"pkce": false}));
    let one = idp.login(&home, &[]);
    let two = idp.login(&home, &["--connection", "two"]);
    let cookies = [&one.cookie, &two.cookie].map(|cookie| cookie.clone().expect("a cookie"));
    let names = cookies
        .each_ref()
        .map(|cookie| cookie.split('=').next().unwrap());
    assert_ne!(names[0], names[1]);
    one.complete(&idp).assert_code(0);
    two.complete(&idp).assert_code(0);
    // With PKCE, or with a secret, a browser with several stores of cookies may come back by another of them.
    let home = idp::home("pkce", &json!({}));
    let login = idp.login(&home, &[]);
    assert_eq!(login.cookie, None);
    login.complete(&idp).assert_code(0);
    let home = idp::home("pkce", &json!({"pkce": false, "client_id": null}));
    let words = ["--client-id", "own", "--client-secret-from", "env:OWN"];
    let cmd = idp.authsome(&home, &["login", "acme"]).args(words);
    let login = idp.login_by(cmd.env("OWN", "client-secret-0123"), free_port());
    assert_eq!(login.cookie, None);
    login.complete(&idp).assert_code(0);
}
