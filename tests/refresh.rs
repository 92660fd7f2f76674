//! Tokens that end, or that the API takes no more: how they are replaced, once for all that need them, and what happens when they
//! can't be.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use crate::oauth::credential;
use crate::oauth::faults;
use crate::oauth::listed;
use crate::revocation::wait_for_its_turn;
use crate::support::BINARY;
use crate::support::Background;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::NOBODY;
use crate::support::Output;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::contains;
use crate::support::idp;
use crate::support::idp::Fault;
use crate::support::idp::Idp;
use crate::support::is_root;
use crate::support::may_take;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::raised;
use crate::support::signal;
use crate::support::wait_until;
use crate::support::wire::Message;

/// A request to the API.
fn get() -> String {
    format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// The answer to it in a run.
fn ask(run: &Running) -> Message {
    run.proxy.exchange(HOST, &get())
}

/// A home that is logged in with tokens that live so many seconds; later ones live an hour.
pub(crate) fn logged_in(idp: &Idp, seconds: u64) -> Home {
    let home = idp::home("pkce", &json!({}));
    idp.change(|manner| manner.expires_in = json!(seconds));
    idp.log_in(&home, &[]);
    idp.change(|manner| manner.expires_in = json!(3600));
    home
}

/// The same with a token that is over.
fn logged_in_once(idp: &Idp) -> Home {
    let home = logged_in(idp, 1);
    idp.wait_for_end_of_tokens();
    home
}

/// The refresh token in the vault.
fn refresh_token(home: &Home, idp: &Idp) -> String {
    let words = ["export", "acme", "--with-refresh-token", "--json"];
    let output = idp.authsome(home, &words).run();
    output.assert_code(0);
    let answer: serde_json::Value = output.json();
    let token = answer["variables"]["ACME_REFRESH_TOKEN"].as_str();
    token.expect("a refresh token").to_owned()
}

/// Ends a run, and checks that it has told no secret.
fn end(idp: &Idp, run: Running) -> Output {
    let output = run.stop();
    idp.assert_discreet(&output);
    output
}

// When they can't be replaced.

/// How many seconds a token lives of which a third is left after a while: from then on a new one is wanted, and not needed.
const LIFE: u64 = 24;

/// Logs in with such a token, waits for its last third, and gives the moment by which it may be over.
fn log_in_and_wait(idp: &Idp, home: &Home) -> Instant {
    idp.change(|manner| manner.expires_in = json!(LIFE));
    let before = Instant::now();
    idp.log_in(home, &["--force"]);
    idp.change(|manner| manner.expires_in = json!(3600));
    thread::sleep(Duration::from_millis(LIFE * 1000 * 2 / 3 + 200));
    before + Duration::from_secs(LIFE)
}

#[test]
fn a_server_in_trouble_costs_nothing_while_the_token_is_good_and_is_told_of_when_it_is_not() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    let words = ["get", "acme", "--field", "credential", "--show-secret"];
    let mut end_of_token = log_in_and_wait(&idp, &home);
    for (fault, why) in faults() {
        let (output, tried) = loop {
            let tried = idp.refreshes().len();
            idp.once("/token", fault.clone());
            let output = idp.authsome(&home, &words).run();
            // A machine that is too slow for this has another try with another token.
            if Instant::now() < end_of_token {
                break (output, tried);
            }
            idp.mend("/token");
            end_of_token = log_in_and_wait(&idp, &home);
        };
        output.assert_code(0).assert_without("leak");
        assert_eq!(output.stdout(), format!("{}\n", idp.newest("access")));
        let warning = "authsome: warning: the token of acme ends soon and can't be refreshed now; \
            it is used while it is good: ";
        output.assert_stderr(&[warning, why]);
        assert_eq!(idp.refreshes().len(), tried + 1);
    }
    let run = loop {
        let tried = idp.refreshes().len();
        idp.always("/token", Fault::Closed);
        let run = idp.run(&home).start();
        let answers: Vec<Message> = (0..3).map(|_| ask(&run)).collect();
        if Instant::now() < end_of_token {
            assert!(answers.iter().all(|answer| answer.text() == "ok"));
            // One attempt, and then the server is left alone for a while.
            assert_eq!(idp.refreshes().len(), tried + 1);
            break run;
        }
        run.stop();
        idp.mend("/token");
        end_of_token = log_in_and_wait(&idp, &home);
    };
    let vault = home.vault();
    idp.wait_for_end_of_tokens();
    for _ in 0..3 {
        let body = ask(&run).assert_refusal(502, "proxy_configuration_error");
        assert_eq!(body["provider"], "acme");
        let error = body["error"].as_str().unwrap();
        assert!(error.contains("its token is over, and there is no new one"));
    }
    idp.mend("/token");
    for (fault, why) in faults() {
        idp.once("/token", fault);
        let output = idp.authsome(&home, &words).run();
        output.assert_code(1).assert_without("leak");
        output.assert_stderr(&["authsome: no credential for acme: ", why, "hint: "]);
    }
    assert!(home.vault() == vault);
    assert_eq!(credential(&idp, &home), idp.newest("access"));
    wait_until("the run asks the server again", || ask(&run).text() == "ok");
    let output = end(&idp, run);
    assert_eq!(output.lines_with("ends soon and can't be refreshed"), 1);
}

#[test]
fn a_refresh_token_that_is_refused_marks_the_connection_until_the_next_login() {
    let idp = Idp::start();
    let home = logged_in_once(&idp);
    let run = idp.run(&home).start();
    idp.forget_refresh_tokens();
    for _ in 0..3 {
        let body = ask(&run).assert_refusal(502, "proxy_configuration_error");
        assert_eq!(body["provider"], "acme");
        let error = body["error"].as_str().unwrap();
        let why = "no credential for acme: the service takes its tokens no more; log in again";
        assert_eq!(error, why);
    }
    assert_eq!(idp.refreshes().len(), 1);
    assert!(idp.seen("/v1").is_empty());
    assert_eq!(listed(&home)["state"], "login needed");
    let words = ["get", "acme", "--show-secret"];
    let output = idp.authsome(&home, &words).run();
    output.assert_code(4);
    output.assert_stderr(&["log in again with `authsome login acme --force`"]);
    let again = idp.run(&home).args(["--", "true"]).run();
    idp.assert_discreet(&again);

    idp.log_in(&home, &["--force"]);
    assert_eq!(listed(&home)["state"], "ok");
    assert_eq!(ask(&run).text(), "ok");
    let sent = idp.last("/v1").authorization;
    assert_eq!(sent, Some(format!("Bearer {}", idp.newest("access"))));
    let output = end(&idp, run);
    output.assert_stderr(&["the service takes the tokens of acme no more: log in again with"]);
}

#[test]
fn all_ways_to_say_that_tokens_are_over_mark_the_connection() {
    for code in [
        "bad_refresh_token",
        "invalid_refresh_token",
        "invalid_client",
        "unauthorized_client",
    ] {
        // Some say so with a status that looks like success, or like trouble.
        for status in [200, 400, 401, 500] {
            let idp = Idp::start();
            let home = logged_in_once(&idp);
            let body = json!({"error": code}).to_string();
            idp.always("/token", Fault::json(status, &body));
            let run = idp.run(&home).start();
            for _ in 0..2 {
                ask(&run).assert_refusal(502, "proxy_configuration_error");
            }
            assert_eq!(idp.refreshes().len(), 1, "{code} {status}");
            assert_eq!(listed(&home)["state"], "login needed", "{code} {status}");
            end(&idp, run);
        }
    }
}

#[test]
fn a_refusal_of_a_token_that_is_still_good_does_not_end_the_login() {
    let idp = Idp::start();
    let home = logged_in(&idp, 3600);
    let token = idp.newest("access");
    let run = idp.run(&home).start();
    idp.forget_refresh_tokens();
    idp.once(
        "/v1",
        Fault::Answer(401, "WWW-Authenticate: Bearer", "no".into()),
    );
    let answer = ask(&run);
    assert_eq!((answer.status(), answer.text().as_str()), (401, "no"));
    assert_eq!(idp.refreshes().len(), 1);
    // The next request may go where the token is taken.
    assert_eq!(listed(&home)["state"], "ok");
    assert_eq!(ask(&run).text(), "ok");
    let sent = idp.last("/v1").authorization;
    assert_eq!(sent, Some(format!("Bearer {token}")));
    end(&idp, run);
}

#[test]
fn a_token_that_is_over_without_another_needs_a_login() {
    let idp = Idp::with(|manner| {
        manner.gives_refresh = false;
        manner.expires_in = json!(1);
    });
    let home = idp::home("pkce", &json!({}));
    let output = idp.log_in(&home, &[]);
    output.assert_stderr(&["Acme gave no refresh token: you will have to log in again"]);
    assert_eq!(listed(&home)["refreshable"], false);
    let run = idp.run(&home).start();
    idp.wait_for_end_of_tokens();
    ask(&run).assert_refusal(502, "proxy_configuration_error");
    for words in [&["get", "acme", "--show-secret"][..], &["export", "acme"]] {
        let output = idp.authsome(&home, words).run();
        output.assert_code(4);
        output.assert_stderr(&["log in again with `authsome login acme --force`"]);
    }
    assert_eq!(listed(&home)["state"], "over: login needed");
    end(&idp, run);
    assert_eq!(idp.seen("/token").len(), 1);
}

/// Sets the mode of a home.
fn set_mode(home: &Home, mode: u32) {
    fs::set_permissions(home.own(""), Permissions::from_mode(mode)).expect("its mode");
}

/// A run in a home that it can't write to.
fn run_that_cannot_write(idp: &Idp, home: &Home) -> Running {
    let binary = home.copy_of(BINARY, "authsome");
    let ca = home.file("ca.pem", &idp.origin.ca_pem);
    let leads_here = idp.origin.leads_here(&[HOST, idp::IDP], 443);
    let mut cmd = Cmd::new(home, &binary)
        .args(["run", "--admit-root", "--upstream-ca", &ca])
        .args(leads_here);
    // Root can write everywhere.
    if is_root() {
        home.give(NOBODY);
        cmd = cmd.user(NOBODY);
    }
    set_mode(home, 0o500);
    cmd.start()
}

#[test]
fn tokens_that_can_not_be_stored_are_used_as_long_as_the_run_lives() {
    let idp = Idp::start();
    let home = logged_in(&idp, 4);
    idp.change(|manner| manner.expires_in = json!(4));
    let first = idp.newest("refresh");
    let run = run_that_cannot_write(&idp, &home);
    // The second and the third time the tokens in memory count, not those in the vault.
    for round in 1..=3 {
        idp.wait_for_end_of_tokens();
        for _ in 0..3 {
            assert_eq!(ask(&run).text(), "ok", "round {round}");
        }
        assert_eq!(idp.refreshes().len(), round);
    }
    assert_eq!(idp.refreshes()[0], first);
    // Where the vault can be written again, the next ones are stored.
    set_mode(&home, 0o700);
    idp.change(|manner| manner.expires_in = json!(3600));
    idp.wait_for_end_of_tokens();
    assert_eq!(ask(&run).text(), "ok");
    let output = end(&idp, run);
    let warnings = output.lines_with("the new tokens of acme can't be stored: ");
    assert_eq!(warnings, 1, "{output}");
    if is_root() {
        home.give(0);
    }
    assert_eq!(refresh_token(&home, &idp), idp.newest("refresh"));
    assert_eq!(credential(&idp, &home), idp.newest("access"));
    assert_eq!(idp.refreshes().len(), 4);
}

#[test]
fn tokens_that_could_not_be_stored_are_stored_as_soon_as_they_can_be() {
    let idp = Idp::start();
    let home = logged_in_once(&idp);
    let run = run_that_cannot_write(&idp, &home);
    assert_eq!(ask(&run).text(), "ok");
    assert_eq!(idp.refreshes().len(), 1);
    set_mode(&home, 0o700);
    let vault = home.vault();
    wait_until("they are stored", || {
        assert_eq!(ask(&run).text(), "ok");
        home.vault() != vault
    });
    let output = end(&idp, run);
    let warnings = output.lines_with("the new tokens of acme can't be stored: ");
    assert_eq!(warnings, 1, "{output}");
    if is_root() {
        home.give(0);
    }
    assert_eq!(refresh_token(&home, &idp), idp.newest("refresh"));
    assert_eq!(credential(&idp, &home), idp.newest("access"));
    assert_eq!(idp.refreshes().len(), 1);
}

// When the API takes a token no more.

#[test]
fn a_token_that_the_api_refuses_is_replaced_once_and_the_request_sent_again() {
    let idp = Idp::start();
    let home = logged_in(&idp, 3600);
    let old = idp.newest("access");
    let run = idp.run(&home).start();
    assert_eq!(ask(&run).text(), "ok");
    idp.forget_access_tokens();
    let mut client = run.proxy.tls(HOST);
    client.send(get());
    let answer = client.response("GET");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    assert!(!answer.has("www-authenticate"));
    // The connection is good for more.
    client.send(get());
    assert_eq!(client.response("GET").text(), "ok");
    drop(client);
    end(&idp, run);
    let new = idp.newest("access");
    let sent: Vec<_> = idp
        .seen("/v1")
        .into_iter()
        .map(|seen| seen.authorization)
        .collect();
    let expected = [&old, &old, &new, &new].map(|token| Some(format!("Bearer {token}")));
    assert_eq!(sent, expected);
    assert_eq!(idp.refreshes().len(), 1);
    assert_eq!(credential(&idp, &home), new);
}

#[test]
fn a_refusal_that_a_new_token_does_not_end_is_the_client_s() {
    let idp = Idp::start();
    let home = logged_in(&idp, 3600);
    let run = idp.run(&home).start();
    idp.always(
        "/v1",
        Fault::Answer(401, "WWW-Authenticate: Bearer scope=\"x\"", "no".into()),
    );
    for _ in 0..3 {
        let answer = ask(&run);
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.one("WWW-Authenticate"), "Bearer scope=\"x\"");
        assert_eq!((answer.text().as_str(), answer.whole), ("no", true));
    }
    // Once for the first; for a while no more.
    assert_eq!(idp.refreshes().len(), 1);
    assert_eq!(idp.seen("/v1").len(), 4);
    end(&idp, run);
}

#[test]
fn a_route_that_takes_no_token_has_them_replaced_more_and_more_seldom() {
    if !may_take(40) {
        return;
    }
    let idp = Idp::start();
    let home = logged_in(&idp, 3600);
    let run = idp.run(&home).start();
    let refusal = || Fault::Answer(401, "WWW-Authenticate: Bearer", "no".into());
    idp.always("/v1", refusal());
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(36) {
        assert_eq!(ask(&run).status(), 401);
        // What is taken elsewhere makes no difference.
        let other = get().replace("/v1", "/v2");
        assert_eq!(run.proxy.exchange(HOST, &other).text(), "ok");
        thread::sleep(Duration::from_millis(500));
    }
    // At once, after ten seconds, and after twenty more.
    assert_eq!(idp.refreshes().len(), 3);
    end(&idp, run);
}

#[test]
fn a_path_that_is_always_refused_keeps_no_other_from_new_tokens() {
    if !may_take(40) {
        return;
    }
    let idp = Idp::start();
    let home = logged_in(&idp, 3600);
    let run = idp.run(&home).start();
    idp.always(
        "/v1",
        Fault::Answer(401, "WWW-Authenticate: Bearer", "no".into()),
    );
    while idp.refreshes().len() < 2 {
        assert_eq!(ask(&run).status(), 401);
        thread::sleep(Duration::from_millis(100));
    }
    // The next one for this path is 20 s away.
    let start = Instant::now();
    let other = get().replace("/v1", "/v2");
    assert_eq!(run.proxy.exchange(HOST, &other).text(), "ok");
    idp.forget_access_tokens();
    while run.proxy.exchange(HOST, &other).status() == 401 {
        assert_eq!(ask(&run).status(), 401);
        thread::sleep(Duration::from_millis(100));
    }
    assert!(start.elapsed() < Duration::from_secs(17));
    assert_eq!(idp.refreshes().len(), 3);
    end(&idp, run);
}

#[test]
fn a_refusal_is_the_client_s_where_there_is_no_other_token() {
    let idp = Idp::with(|manner| manner.gives_refresh = false);
    let home = logged_in(&idp, 3600);
    let run = idp.run(&home).start();
    idp.forget_access_tokens();
    for _ in 0..2 {
        let answer = ask(&run);
        assert_eq!((answer.status(), answer.text().as_str()), (401, "refused"));
    }
    // Nor where the server gives none.
    idp.change(|manner| manner.gives_refresh = true);
    idp.log_in(&home, &["--force"]);
    idp.forget_access_tokens();
    idp.always("/token", Fault::Closed);
    let answer = ask(&run);
    assert_eq!((answer.status(), answer.text().as_str()), (401, "refused"));
    let output = end(&idp, run);
    output.assert_stderr(&["acme was refused, and there is no other token"]);
}

#[test]
fn a_request_with_a_body_is_not_sent_twice() {
    let idp = Idp::start();
    let home = logged_in(&idp, 3600);
    let run = idp.run(&home).start();
    idp.forget_access_tokens();
    let post = format!("POST /v1 HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\nhi");
    let mut client = run.proxy.tls(HOST);
    client.send(post.as_str());
    let answer = client.response("POST");
    assert_eq!((answer.status(), answer.text().as_str()), (401, "refused"));
    assert_eq!(idp.seen("/v1").len(), 1);
    // The next has another token.
    client.send(post.as_str());
    assert_eq!(client.response("POST").text(), "ok");
    assert_eq!(idp.seen("/v1").len(), 2);
    assert_eq!(idp.refreshes().len(), 1);
    drop(client);
    end(&idp, run);
}

#[test]
fn a_crowd_that_is_refused_at_once_has_one_new_token() {
    let idp = Idp::start();
    let home = logged_in(&idp, 3600);
    let run = idp.run(&home).start();
    idp.forget_access_tokens();
    idp.hold();
    let mut clients: Vec<_> = (0..20).map(|_| run.proxy.tls(HOST)).collect();
    for client in &mut clients {
        client.send(get());
    }
    wait_until("all are refused", || idp.seen("/v1").len() == 20);
    idp.wait_for_token_requests(2);
    idp.release();
    for client in &mut clients {
        let answer = client.response("GET");
        assert_eq!(answer.text(), "ok", "{answer}");
    }
    drop(clients);
    assert_eq!(idp.refreshes().len(), 1);
    end(&idp, run);
}

// How they are replaced.

#[test]
fn a_token_is_replaced_before_it_ends() {
    let idp = Idp::start();
    let home = logged_in(&idp, 3);
    let old = idp.newest("access");
    let run = idp.run(&home).start();
    assert_eq!(ask(&run).text(), "ok");
    // It lives three seconds: in the last of them it is replaced.
    let sent = || idp.last("/v1").authorization.unwrap_or_default();
    wait_until("another is used", || {
        assert_eq!(ask(&run).text(), "ok");
        !sent().ends_with(&old)
    });
    assert_eq!(sent(), format!("Bearer {}", idp.newest("access")));
    assert_eq!(idp.refreshes().len(), 1);
    assert!(
        idp.seen("/v1")
            .iter()
            .all(|seen| seen.authorization.is_some())
    );
    end(&idp, run);
}

#[test]
fn a_connection_that_carried_a_credential_carries_no_other() {
    let home = Home::connected("");
    let origin = Origin::start(always_ok);
    let run = home.authsome(["run"]).args(origin.args()).start();
    // On one connection: the origin's is free again when the next request is read.
    let mut client = run.proxy.tls(HOST);
    let mut ask_twice = || {
        for _ in 0..2 {
            client.send(get());
            assert_eq!(client.response("GET").text(), "ok");
        }
    };
    ask_twice();
    let login = home.login(&["acme", "--force"], "another-account-0123456789");
    login.run().assert_code(0);
    ask_twice();
    drop(client);
    run.stop();
    let arrived = origin.finish();
    let sent: Vec<&str> = arrived
        .requests
        .iter()
        .map(|sent| sent.one("Authorization"))
        .collect();
    let (first, second) = (
        format!("Bearer {SECRET}"),
        "Bearer another-account-0123456789",
    );
    assert_eq!(sent, [&first, &first, second, second]);
    assert_eq!(arrived.accepted, 2);
}

#[test]
fn new_tokens_are_in_the_vault_before_they_are_used() {
    let idp = Idp::start();
    let home = logged_in_once(&idp);
    let run = idp.run(&home).start();
    let mut client = run.proxy.tls(HOST);
    client.send(get());
    wait_until("the request has come", || !idp.seen("/v1").is_empty());
    assert!(signal("KILL", &format!("-{}", run.program.pid)));
    let output = run.program.end();
    assert_eq!(output.status.code(), None, "{output}");
    let (access, refresh) = (idp.newest("access"), idp.newest("refresh"));
    assert_eq!(
        idp.last("/v1").authorization,
        Some(format!("Bearer {access}"))
    );

    let run = idp.run(&home).start();
    assert_eq!(ask(&run).text(), "ok");
    end(&idp, run);
    assert_eq!(idp.refreshes().len(), 1);
    assert_eq!(refresh_token(&home, &idp), refresh);
    assert_eq!(credential(&idp, &home), access);
}

#[test]
fn new_tokens_that_are_on_their_way_when_the_program_ends_are_not_lost() {
    let idp = Idp::start();
    let home = logged_in_once(&idp);
    let run = idp.run(&home).start();
    let bundle = PathBuf::from(&run.env["SSL_CERT_FILE"]);
    idp.hold();
    let mut client = run.proxy.tls(HOST);
    client.send(get());
    idp.wait_for_token_requests(2);
    thread::scope(|scope| {
        let ending = scope.spawn(|| end(&idp, run));
        // It goes when the program has ended.
        wait_until("the program has ended", || !bundle.exists());
        idp.release();
        ending.join().expect("the end");
    });
    assert_eq!(credential(&idp, &home), idp.newest("access"));
    assert_eq!(refresh_token(&home, &idp), idp.newest("refresh"));
    assert_eq!(idp.refreshes().len(), 1);
}

/// A command that shows a credential, stopped while new tokens are on their way.
fn stopped_amid_a_refresh(idp: &Idp, home: &Home, words: &[&str]) -> Background {
    let before = idp.seen("/token").len();
    idp.hold_answers();
    let program = idp.authsome(home, words).background();
    idp.wait_for_token_requests(before + 1);
    assert!(signal("INT", &program.pid.to_string()));
    program
}

#[test]
fn ctrl_c_amid_a_refresh_loses_no_tokens() {
    for words in [
        &["get", "acme", "--show-secret"][..],
        &["export", "acme"],
        &["export"],
    ] {
        let idp = Idp::start();
        let home = logged_in_once(&idp);
        let program = stopped_amid_a_refresh(&idp, &home, words);
        program.wait_for_stderr("new tokens are on their way");
        idp.release();
        let output = program.end();
        output.assert_code(130).assert_stderr(&["interrupted"]);
        assert_eq!(output.stdout(), "");
        idp.assert_discreet(&output);
        assert_eq!(credential(&idp, &home), idp.newest("access"));
        assert_eq!(refresh_token(&home, &idp), idp.newest("refresh"));
        assert_eq!(idp.refreshes().len(), 1);
    }
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let idp = Idp::start();
    let home = logged_in_once(&idp);
    let program = stopped_amid_a_refresh(&idp, &home, &["get", "acme", "--show-secret"]);
    program.wait_for_stderr("another signal ends it at once");
    assert!(signal("INT", &program.pid.to_string()));
    // As the signal does by default.
    let output = program.end();
    assert_eq!(output.status.code(), None, "{output}");
    idp.release();
}

#[test]
fn ctrl_c_does_not_wait_where_no_tokens_are_on_their_way() {
    let idp = Idp::start();
    let home = logged_in_once(&idp);
    // Another is at it, whose turn is waited for.
    let first = stopped_amid_a_refresh(&idp, &home, &["get", "acme", "--show-secret"]);
    first.wait_for_stderr("new tokens are on their way");
    let second = idp.authsome(&home, &["get", "acme", "--show-secret"]);
    let second = second.background();
    wait_for_its_turn(&home, &second);
    assert!(signal("INT", &second.pid.to_string()));
    assert_eq!(second.end().status.code(), None);
    idp.release();
    first.end().assert_code(130);
    assert_eq!(idp.refreshes().len(), 1);
}

#[test]
fn a_refresh_token_that_is_not_replaced_stays() {
    let idp = Idp::with(|manner| manner.rotates = false);
    let home = logged_in_once(&idp);
    let refresh = idp.newest("refresh");
    idp.change(|manner| manner.expires_in = json!(1));
    for count in 1..=2 {
        let run = idp.run(&home).start();
        assert_eq!(ask(&run).text(), "ok");
        end(&idp, run);
        assert_eq!(idp.refreshes(), vec![refresh.clone(); count]);
        idp.wait_for_end_of_tokens();
    }
    idp.change(|manner| manner.expires_in = json!(3600));
    assert_eq!(refresh_token(&home, &idp), refresh);
}

#[test]
fn two_hundred_at_once_have_one_new_token() {
    let idp = Idp::start();
    let home = logged_in_once(&idp);
    let run = idp.run(&home).start();
    idp.hold();
    let start = Instant::now();
    let mut clients: Vec<_> = (0..200).map(|_| run.proxy.tls(HOST)).collect();
    for client in &mut clients {
        client.send(get());
    }
    idp.wait_for_token_requests(2);
    idp.release();
    for client in &mut clients {
        let answer = client.response("GET");
        assert_eq!(answer.text(), "ok", "{answer}");
    }
    println!(
        "200 requests: 1 refresh, {} ms",
        start.elapsed().as_millis()
    );
    drop(clients);
    assert_eq!(idp.refreshes().len(), 1);
    end(&idp, run);
}

#[test]
fn four_runs_at_once_have_one_new_token() {
    let idp = Idp::start();
    let home = logged_in_once(&idp);
    let runs: Vec<_> = (0..4).map(|_| idp.run(&home).start()).collect();
    idp.hold();
    let connected = |run: &Running| {
        let clients = (0..50).map(|_| run.proxy.tls(HOST));
        clients.collect::<Vec<_>>()
    };
    let mut clients: Vec<_> = runs.iter().flat_map(connected).collect();
    for client in &mut clients {
        client.send(get());
    }
    idp.wait_for_token_requests(2);
    idp.release();
    for client in &mut clients {
        let answer = client.response("GET");
        assert_eq!(answer.text(), "ok", "{answer}");
    }
    drop(clients);
    assert_eq!(idp.refreshes().len(), 1);
    for run in runs {
        end(&idp, run);
    }
}

#[test]
fn a_run_goes_on_with_tokens_that_live_three_seconds() {
    let idp = Idp::with(|manner| manner.expires_in = json!(3));
    let home = idp::home("pkce", &json!({}));
    idp.log_in(&home, &[]);
    let run = idp.run(&home).start();
    let start = Instant::now();
    let seconds = raised("AUTHSOME_TEST_SECONDS", 10);
    let count = seconds * 20;
    let mut slowest = Duration::ZERO;
    for number in 0..count {
        let due = start + Duration::from_millis(50) * u32::try_from(number).unwrap();
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let asked = Instant::now();
        let answer = ask(&run);
        slowest = slowest.max(asked.elapsed());
        assert_eq!(answer.text(), "ok", "request {number}: {answer}");
    }
    end(&idp, run);
    let refreshes = idp.refreshes();
    println!(
        "{count} requests in {:.1} s: {} refreshes, slowest {} ms",
        start.elapsed().as_secs_f64(),
        refreshes.len(),
        slowest.as_millis()
    );
    // None was refused and sent again, and each refresh token was used once.
    assert_eq!(idp.seen("/v1").len(), count);
    let each: std::collections::BTreeSet<_> = refreshes.iter().collect();
    assert_eq!(each.len(), refreshes.len());
    assert!(refreshes.len() >= seconds / 3, "{refreshes:?}");
}

// After all of it.

#[test]
fn nothing_of_it_is_in_any_file_in_the_clear() {
    let idp = Idp::with(|manner| {
        manner.clients = [("own".to_owned(), Some("leak-of-a-client".to_owned()))].into();
        manner.expires_in = json!(1);
    });
    let home = idp::home("pkce", &json!({"client_id": null}));
    let words = ["--client-id", "own", "--client-secret-from", "env:OWN"];
    let cmd = idp.authsome(&home, &["login", "acme"]).args(words);
    let login = idp.login_by(
        cmd.env("OWN", "leak-of-a-client"),
        crate::support::browser::free_port(),
    );
    let mut outputs = vec![login.complete(&idp)];
    let run = idp.run(&home).arg("--verbose").start();
    idp.wait_for_end_of_tokens();
    assert_eq!(ask(&run).text(), "ok");
    idp.forget_access_tokens();
    assert_eq!(ask(&run).text(), "ok");
    outputs.push(run.stop());
    for words in [
        &["list"][..],
        &["list", "--json"],
        &["get", "acme"],
        &["get", "acme", "--json"],
        &["inspect", "acme"],
        &["doctor"],
        &["whoami"],
        &["explain", HOST],
    ] {
        outputs.push(home.authsome(words).run());
    }
    idp.once("/token", Fault::error("invalid_grant"));
    let run = idp.run(&home).arg("--verbose").start();
    idp.wait_for_end_of_tokens();
    ask(&run).assert_refusal(502, "proxy_configuration_error");
    outputs.push(run.stop());
    let mut secrets = idp.secrets();
    assert!(secrets.len() > 6, "{secrets:?}");
    secrets.push("leak-of-a-client".to_owned());
    for secret in &secrets {
        for output in &outputs {
            output.assert_without(secret);
        }
        for file in home.files() {
            let content = fs::read(&file).unwrap_or_default();
            let is_in = contains(&content, secret.as_bytes());
            assert!(!is_in, "{secret} is in {}", file.display());
        }
    }
}
