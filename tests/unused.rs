//! Connections whose hosts no request came for: at its end, a run warns about those that the program should have used.

use crate::support::Cmd;
use crate::support::Home;
use crate::support::Output;
use crate::support::SECRET;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;

/// `authsome run` of a script, with these options and the credential of `acme` in a variable of no provider's.
fn named(home: &Home, options: &[&str], script: &str) -> Cmd {
    home.authsome(["run"])
        .args(options)
        .env("MY_SECRET", SECRET)
        .args(["--", "sh", "-c", script])
}

/// `authsome run` of a script, with the credential of `acme` in its usual variable.
fn unnamed(home: &Home, script: &str) -> Cmd {
    home.authsome(["run", "--", "sh", "-c", script])
        .env("ACME_API_KEY", SECRET)
}

/// A home with the provider `acme`.
fn home() -> Home {
    let home = Home::new();
    home.acme("");
    home
}

/// The option that names the connection of `acme`.
const NAMED: [&str; 2] = ["--credential", "acme=env:MY_SECRET"];

/// Checks for one warning line that names the connections and the remedy.
fn assert_told(output: &Output, labels: &str, program: &str) {
    let whose = if labels.contains(',') { "their" } else { "its" };
    let line = format!(
        "authsome: warning: {labels}: connected, but no request for {whose} hosts came through the proxy; if the program sent one, it bypassed the proxy: \
         `authsome doctor -- {program} ...` tests how it connects, `authsome help clients` lists libraries that need a setting\n"
    );
    assert_eq!(output.stderr(), line, "{output}");
}

#[test]
fn a_connection_that_the_user_names_is_told_of_however_the_program_ends() {
    let home = home();
    for code in [0, 1, 7] {
        let output = named(&home, &NAMED, &format!("echo out; exit {code}")).run();
        output.assert_code(code);
        assert_told(&output, "acme", "sh");
        assert_eq!(output.stdout(), "out\n");
    }
    home.login(&["acme", "--connection", "work"], SECRET)
        .run()
        .assert_code(0);
    let output = named(&home, &["--connection", "acme=work"], ":").run();
    assert_told(&output, "acme/work", "sh");
}

#[test]
fn several_are_told_of_in_one_line() {
    let home = home();
    home.like_acme("beta", r#""api_url": "api.beta.test""#);
    let both = [&NAMED[..], &["--credential", "beta=env:MY_SECRET"]].concat();
    assert_told(&named(&home, &both, ":").run(), "acme, beta", "sh");
    // A connection that isn't named gets no warning.
    let output = named(&home, &NAMED, "exit 1").env("BETA_API_KEY", "another-secret-0123456789");
    assert_told(&output.run(), "acme", "sh");
}

#[test]
fn the_only_connection_is_told_of_where_the_program_fails() {
    let home = home();
    unnamed(&home, ":").run().assert_code(0).assert_quiet();
    let output = unnamed(&home, "exit 1").run();
    output.assert_code(1);
    assert_told(&output, "acme", "sh");
    // With two connections, it is unknown which the program needs.
    home.like_acme("beta", r#""api_url": "api.beta.test""#);
    let both = unnamed(&home, "exit 1").env("BETA_API_KEY", SECRET);
    both.run().assert_code(1).assert_quiet();
}

#[test]
fn nothing_is_told_of_a_program_that_has_not_begun_or_was_ended_or_where_silence_is_wanted() {
    let home = home();
    for code in [2, 64, 126, 127, 143] {
        let output = named(&home, &NAMED, &format!("exit {code}")).run();
        output.assert_code(code).assert_quiet();
    }
    let killed = named(&home, &NAMED, "kill -TERM $$").run();
    killed.assert_code(143).assert_quiet();
    let quiet = [&NAMED[..], &["-q"]].concat();
    named(&home, &quiet, "exit 1")
        .run()
        .assert_code(1)
        .assert_quiet();
    let missing = home
        .authsome(["run"])
        .args(NAMED)
        .env("MY_SECRET", SECRET)
        .args(["--", "no-such-program"])
        .run();
    missing.assert_code(127);
    assert_eq!(missing.lines_with("came through"), 0, "{missing}");
}

#[test]
fn a_connection_whose_host_was_asked_for_is_not_told_of_even_if_that_was_refused() {
    for options in [&[][..], &["--deny", HOST]] {
        let home = home();
        let origin = Origin::start(always_ok);
        let run = home
            .authsome(["run"])
            .args(origin.args())
            .args(NAMED)
            .args(options)
            .env("MY_SECRET", SECRET)
            .start();
        let (answer, client) = run.proxy.ask_for(&format!("{HOST}:443"));
        assert_eq!(answer.status() == 403, !options.is_empty());
        drop(client);
        let output = run.stop();
        assert_eq!(output.lines_with("came through"), 0, "{output}");
    }
}
