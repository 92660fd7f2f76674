//! Logging out of what was logged in to by OAuth: the service takes the tokens back (RFC 7009), and whatever it says, they are gone here.

use std::fs;

use serde_json::Value;
use serde_json::json;

use crate::json::LetGo;
use crate::support::Background;
use crate::support::Home;
use crate::support::Running;
use crate::support::idp;
use crate::support::idp::Fault;
use crate::support::idp::Idp;
use crate::support::is_root;
use crate::support::origin::HOST;
use crate::support::wait_until;
use crate::support::wire::Channel;

/// A definition's way to take tokens back.
const REVOCATION: &str = "https://idp.test/revoke";

/// A home that is logged in, to a server with that way or without.
fn logged_in(idp: &Idp, revocation: Option<&str>) -> Home {
    let home = idp::home("pkce", &json!({"revocation_url": revocation}));
    idp.log_in(&home, &[]);
    home
}

/// Tokens that the server was asked to take back, each with what it is.
fn taken_back(idp: &Idp) -> Vec<(String, String)> {
    let seen = idp.seen("/revoke").into_iter();
    let field = |seen: &idp::Seen, name: &str| seen.field(name).to_owned();
    seen.map(|seen| (field(&seen, "token_type_hint"), field(&seen, "token")))
        .collect()
}

/// Checks that nothing is stored any more.
fn assert_nothing_left(home: &Home) {
    let output = home.authsome(["list", "--json"]).run();
    output.assert_code(0);
    assert_eq!(output.json::<Value>()["connections"], json!([]));
}

#[test]
fn a_server_in_trouble_does_not_keep_tokens_here() {
    let idp = Idp::start();
    for (fault, why) in [
        (Fault::Closed, "ended the connection"),
        (Fault::json(500, "leak-me"), "status 500"),
        (Fault::json(302, ""), "status 302"),
        (
            Fault::error("invalid_client"),
            "the server says invalid_client",
        ),
        (
            Fault::error("leak-me-0123"),
            "the server says that something is wrong",
        ),
    ] {
        for command in ["logout", "revoke"] {
            let home = logged_in(&idp, Some(REVOCATION));
            idp.once("/revoke", fault.clone());
            let output = idp.authsome(&home, &[command, "acme"]).run();
            output.assert_code(0).assert_without("leak-me");
            output.assert_stderr(&[
                "the tokens of acme/default are gone from here, but the service has not taken them back: ",
                why,
            ]);
            idp.assert_discreet(&output);
            assert_nothing_left(&home);
        }
    }
    // A server that can't be reached at all.
    let home = logged_in(&idp, Some(REVOCATION));
    let output = home
        .authsome(["logout", "acme", "--connect-to", "idp.test:443:127.0.0.1:1"])
        .run();
    output
        .assert_code(0)
        .assert_stderr(&["refused the connection"]);
    assert_nothing_left(&home);
}

#[test]
fn a_server_without_a_way_to_take_tokens_back_is_told_of() {
    let idp = Idp::start();
    let home = logged_in(&idp, None);
    let output = idp.authsome(&home, &["revoke", "acme", "--json"]).run();
    output.assert_code(0);
    let answer: LetGo = output.json();
    assert_eq!((answer.version, answer.provider.as_str()), (1, "acme"));
    let [revocation] = &answer.revocations[..] else {
        panic!("{output}");
    };
    assert_eq!(revocation.connection, "default");
    assert!(!revocation.revoked);
    let reason = revocation.reason.as_deref().expect("a reason");
    assert!(reason.contains("no way to take tokens back"), "{reason}");
    assert_eq!(taken_back(&idp), []);
    assert_nothing_left(&home);
}

#[test]
fn the_refresh_token_is_taken_back_first_and_then_the_access_token() {
    let idp = Idp::start();
    for command in ["logout", "revoke"] {
        let home = logged_in(&idp, Some(REVOCATION));
        let (refresh, access) = (idp.newest("refresh"), idp.newest("access"));
        let before = taken_back(&idp).len();
        let output = idp.authsome(&home, &[command, "acme"]).run();
        output
            .assert_code(0)
            .assert_stderr(&["the service has taken its tokens back"]);
        idp.assert_discreet(&output);
        let expected = [
            ("refresh_token".to_owned(), refresh),
            ("access_token".to_owned(), access),
        ];
        assert_eq!(taken_back(&idp).split_off(before), expected);
        assert_nothing_left(&home);
    }
    for seen in idp.seen("/revoke") {
        assert_eq!(seen.field("client_id"), idp::PUBLIC);
    }
}

#[test]
fn an_access_token_that_went_with_its_refresh_token_is_no_trouble() {
    let idp = Idp::start();
    let home = logged_in(&idp, Some(REVOCATION));
    idp.once("/revoke", Fault::json(200, "{}"));
    idp.once("/revoke", Fault::error("invalid_token"));
    let output = idp.authsome(&home, &["revoke", "acme", "--json"]).run();
    output.assert_code(0);
    assert!(output.json::<LetGo>().revocations[0].revoked);
    assert_nothing_left(&home);
}

#[test]
fn the_access_token_is_taken_back_even_if_the_refresh_token_is_not() {
    let idp = Idp::start();
    let home = logged_in(&idp, Some(REVOCATION));
    let access = idp.newest("access");
    idp.once("/revoke", Fault::error("unsupported_token_type"));
    let output = idp.authsome(&home, &["revoke", "acme", "--json"]).run();
    output.assert_code(0);
    assert!(!output.json::<LetGo>().revocations[0].revoked);
    let taken: Vec<_> = taken_back(&idp)
        .into_iter()
        .map(|(_, token)| token)
        .collect();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[1], access);
    assert_nothing_left(&home);
}

#[test]
fn all_connections_of_a_provider_have_their_tokens_taken_back() {
    let idp = Idp::start();
    let home = logged_in(&idp, Some(REVOCATION));
    idp.log_in(&home, &["--connection", "work"]);
    let output = idp.authsome(&home, &["revoke", "acme", "--json"]).run();
    output.assert_code(0);
    let answer: LetGo = output.json();
    assert_eq!(answer.removed, ["default", "work"]);
    assert_eq!(answer.revocations.len(), 2);
    assert!(answer.revocations.iter().all(|one| one.revoked));
    // Everything was taken back, so there is nothing for the person to do.
    assert_eq!((answer.revoke_at, answer.new_default), (None, None));
    assert_eq!(taken_back(&idp).len(), 4);
}

#[test]
fn a_token_of_one_s_own_is_not_sent_anywhere_to_be_taken_back() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({"revocation_url": REVOCATION}));
    home.login(&["acme"], "a-token-of-my-own-0123")
        .run()
        .assert_code(0);
    idp.authsome(&home, &["logout", "acme"])
        .run()
        .assert_code(0);
    assert_eq!(taken_back(&idp), []);
    assert_nothing_left(&home);
}

/// A home whose token is over, a run there, and a client of it whose request waits for new tokens: these are on their way, and nobody but
/// the server knows of them.
fn amid_a_refresh(idp: &Idp) -> (Home, Running, Channel) {
    idp.change(|manner| manner.expires_in = json!(1));
    let home = logged_in(idp, Some(REVOCATION));
    idp.change(|manner| manner.expires_in = json!(3600));
    idp.wait_for_end_of_tokens();
    let run = idp.run(&home).start();
    let mut client = run.proxy.tls(HOST);
    let old = idp.newest("refresh");
    idp.hold_answers();
    client.send(format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    wait_until("there are new tokens", || idp.newest("refresh") != old);
    (home, run, client)
}

/// Waits until a program has the lock of the refresh open, as it has while it waits for it. Only root sees that.
pub(crate) fn wait_for_its_turn(home: &Home, program: &Background) {
    if !is_root() {
        return;
    }
    let lock = home.own("refresh.acme.default.lock");
    wait_until("it waits for the refresh", || {
        let open = fs::read_dir(format!("/proc/{}/fd", program.pid));
        let mut open = open.into_iter().flatten().flatten();
        open.any(|entry| fs::read_link(entry.path()).is_ok_and(|path| path == lock))
    });
}

#[test]
fn a_logout_waits_for_new_tokens_and_has_these_taken_back() {
    let idp = Idp::start();
    for words in [
        &["logout", "acme"][..],
        &["logout", "acme", "--all"],
        &["revoke", "acme"],
    ] {
        let (home, run, mut client) = amid_a_refresh(&idp);
        let before = taken_back(&idp).len();
        let logout = idp.authsome(&home, words).background();
        wait_for_its_turn(&home, &logout);
        assert_eq!(taken_back(&idp).len(), before);
        idp.release();
        logout.end().assert_code(0);
        // It has the new token, unless it comes too late for that.
        let status = client.response("GET").status();
        assert!([200, 401, 502].contains(&status), "{status}");
        let expected = [("refresh_token", "refresh"), ("access_token", "access")];
        let expected = expected.map(|(hint, kind)| (hint.to_owned(), idp.newest(kind)));
        assert_eq!(taken_back(&idp).split_off(before), expected, "{words:?}");
        idp.assert_discreet(&run.stop());
        assert_nothing_left(&home);
    }
}

#[test]
fn a_login_in_the_place_of_another_waits_for_its_new_tokens() {
    let idp = Idp::start();
    let (home, run, mut client) = amid_a_refresh(&idp);
    let file = home.file("token", "a-token-of-my-own-0123");
    let words = ["login", "acme", "--force", "--from"];
    let login = home.authsome(words).arg(format!("file:{file}"));
    let login = login.background();
    wait_for_its_turn(&home, &login);
    login.wait_for_stderr("another process is getting new tokens of acme: waiting for it");
    idp.release();
    login.end().assert_code(0);
    assert_eq!(client.response("GET").status(), 200);
    drop(client);
    idp.assert_discreet(&run.stop());
    let words = ["get", "acme", "--field", "credential", "--show-secret"];
    let output = home.authsome(words).run();
    assert_eq!(output.stdout(), "a-token-of-my-own-0123\n");
}

#[test]
fn tokens_that_come_after_the_logout_are_taken_back_too() {
    let idp = Idp::start();
    for command in ["logout", "revoke"] {
        let (home, run, mut client) = amid_a_refresh(&idp);
        let before = taken_back(&idp).len();
        // Without it nobody waits for anybody.
        fs::remove_file(home.own("refresh.acme.default.lock")).expect("a lock");
        idp.authsome(&home, &[command, "acme"]).run().assert_code(0);
        idp.release();
        client
            .response("GET")
            .assert_refusal(502, "proxy_configuration_error");
        let taken = taken_back(&idp).split_off(before);
        for (kind, hint) in [("access", "access_token"), ("refresh", "refresh_token")] {
            let newest = (hint.to_owned(), idp.newest(kind));
            assert!(taken.contains(&newest), "{command}: {taken:?}");
        }
        idp.assert_discreet(&run.stop());
        assert_nothing_left(&home);
    }
}

#[test]
fn tokens_that_came_before_the_logout_are_the_ones_that_are_taken_back() {
    let idp = Idp::start();
    idp.change(|manner| manner.expires_in = json!(1));
    let home = logged_in(&idp, Some(REVOCATION));
    idp.change(|manner| manner.expires_in = json!(3600));
    idp.wait_for_end_of_tokens();
    let run = idp.run(&home).start();
    let answer = run
        .proxy
        .exchange(HOST, &format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(answer.text(), "ok");
    idp.authsome(&home, &["logout", "acme"])
        .run()
        .assert_code(0);
    let taken: Vec<String> = taken_back(&idp)
        .into_iter()
        .map(|(_, token)| token)
        .collect();
    assert_eq!(taken, [idp.newest("refresh"), idp.newest("access")]);
    run.stop();
}
