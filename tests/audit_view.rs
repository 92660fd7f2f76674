//! `authsome audit`, which shows the log of what was done, and what a run tells of its requests besides.

use std::fs;

use serde_json::Value;
use serde_json::json;

use crate::audit::CANARY;
use crate::audit::files;
use crate::audit::get;
use crate::audit::line;
use crate::audit::send;
use crate::audit::write_log;
use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::Output;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wait_until;

// The command.

/// `authsome audit` with these words.
fn audit(home: &Home, words: &[&str]) -> Output {
    let output = home.authsome(["audit"]).args(words).run();
    output.assert_code(0);
    output
}

/// The paths of the events that it gives.
fn paths(home: &Home, words: &[&str]) -> Vec<String> {
    let answer: Value = audit(home, &[&["--json"], words].concat()).json();
    assert_eq!(answer["version"], 1);
    let events = answer["events"].as_array().expect("events").iter();
    events
        .map(|event| event["path"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// A home with a log of four events in three files, two runs and two providers.
fn with_a_log() -> Home {
    let home = Home::new();
    for (name, time, run, provider, path) in [
        (
            "audit.log.2",
            "2026-01-01T00:00:00",
            "aaaaaaaa",
            "acme",
            "/1",
        ),
        (
            "audit.log.1",
            "2026-01-02T00:00:00",
            "aaaaaaaa",
            "beta",
            "/2",
        ),
        ("audit.log", "2026-01-03T10:00:00", "bbbbbbbb", "acme", "/3"),
        ("audit.log", "2126-01-03T10:00:00", "bbbbbbbb", "acme", "/4"),
    ] {
        let time = format!("{time}.000Z");
        let line = line(&time, run, provider, &json!({"path": path}));
        write_log(&home, name, &line);
    }
    home
}

#[test]
fn events_are_chosen_by_time_provider_run_and_number() {
    let home = with_a_log();
    for (words, expected) in [
        ("", "/1 /2 /3 /4"),
        ("--lines 2", "/3 /4"),
        ("--lines 1 --provider beta", "/2"),
        ("--run aaaaaaaa", "/1 /2"),
        ("--run aaaaaaaa --provider acme", "/1"),
        ("--provider none", ""),
        ("--since 2026-01-02", "/2 /3 /4"),
        ("--since 2026-01-03T12:00:00+02:00", "/3 /4"),
        ("--since 2026-01-03T12:00:00Z", "/4"),
        ("--since 90s", "/4"),
    ] {
        let words: Vec<&str> = words.split_whitespace().collect();
        assert_eq!(paths(&home, &words).join(" "), expected, "{words:?}");
    }
    for words in [
        "--since yesterday",
        "--lines -1",
        "--follow --summary",
        "word",
    ] {
        let output = home.authsome(["audit"]).args(words.split(' ')).run();
        output.assert_code(2);
    }
}

#[test]
fn events_stand_in_a_table_and_where_there_are_none_that_is_said() {
    let table = audit(&with_a_log(), &["--provider", "beta"]).stdout();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("TIME"), "{table}");
    let words: Vec<&str> = lines[1].split_whitespace().collect();
    let expected =
        "01-02 00:00:00Z aaaaaaaa request beta GET api.acme.test/2 200 0 B 10 B 5 ms reused";
    assert_eq!(words.join(" "), expected, "{table}");
    let home = Home::new();
    let output = audit(&home, &[]);
    output.assert_stderr(&["nothing has been logged yet"]);
    assert!(output.stdout.is_empty(), "{output}");
    let words = ["audit", "--audit-file", "/nonexistent"];
    let output = home.authsome(words).run();
    output
        .assert_code(1)
        .assert_stderr(&["cannot read /nonexistent"]);
}

#[test]
fn damaged_lines_are_passed_over_and_nothing_commands_the_terminal() {
    let home = Home::new();
    let good = |path: &str| {
        line(
            "2026-01-01T00:00:00.000Z",
            "aaaaaaaa",
            "acme",
            &json!({"path": path}),
        )
    };
    let (one, two, three) = (good("/1"), good("/2"), good("/3\u{1b}]0;x\u{7}\u{202e}"));
    let (torn, _) = one.split_at(one.len() / 2);
    let long = "x".repeat(200_000);
    let text = format!("{one}no json\n\n{{\"time\":1}}\n{torn}{two}{long}\n\u{0}\n{three}{torn}");
    write_log(&home, "audit.log", &text);
    let output = audit(&home, &[]);
    output.assert_stderr(&["6 lines of the log are damaged"]);
    let table = output.stdout();
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.contains("/3\\x1b]0;x\\x07\\u{202e}"), "{table}");
    let json = audit(&home, &["--json"]).stdout();
    for letter in ['\u{1b}', '\u{7}', '\u{202e}'] {
        assert!(
            !table.contains(letter) && !json.contains(letter),
            "{letter:?}"
        );
    }
    assert_eq!(paths(&home, &[])[..2], ["/1", "/2"]);
}

#[test]
fn the_summary_has_the_figures_of_each_provider_and_a_bar_an_hour() {
    let home = Home::new();
    for (hour, ms, status) in [
        ("08", 10, 200),
        ("10", 20, 200),
        ("10", 30, 500),
        ("10", 40, 200),
    ] {
        let time = format!("2026-01-01T{hour}:30:00.000Z");
        let more = json!({"ms": ms, "status": status, "sent": 1024, "received": 1536});
        write_log(&home, "audit.log", &line(&time, "aaaaaaaa", "acme", &more));
    }
    let cut = json!({"error": "the answer was cut short"});
    let refused = json!({"event": "refused", "status": 403});
    for more in [cut, refused] {
        write_log(
            &home,
            "audit.log",
            &line("2026-01-01T09:00:00.000Z", "bbbbbbbb", "beta", &more),
        );
    }
    let answer: Value = audit(&home, &["--summary", "--json"]).json();
    let expected = json!({"version": 1, "providers": [
        {"provider": "acme", "requests": 4, "errors": 1, "refused": 0, "sent": 4096, "received": 6144,
         "p50_ms": 20, "p95_ms": 40, "hours": {"2026-01-01T08": 1, "2026-01-01T10": 3}},
        {"provider": "beta", "requests": 1, "errors": 1, "refused": 1, "sent": 0, "received": 10,
         "p50_ms": 5, "p95_ms": 5, "hours": {"2026-01-01T09": 1}},
    ]});
    assert_eq!(answer, expected);
    let text = |locale: &str| {
        let output = home
            .authsome(["audit", "--summary"])
            .env("LC_ALL", locale)
            .run();
        output.assert_code(0);
        output.stdout()
    };
    let plain = text("C");
    let expected = "\
PROVIDER  REQUESTS  ERRORS  REFUSED  UP       DOWN     P50    P95
acme      4         1       0        4.0 KiB  6.0 KiB  20 ms  40 ms
beta      1         1       1        0 B      10 B     5 ms   5 ms

requests by the hour, 2026-01-01 08h to 2026-01-01 10h UTC; # is 3
acme |- #|
beta | - |
";
    assert_eq!(plain, expected);
    assert!(text("C.UTF-8").ends_with("█ is 3\nacme |▃ █|\nbeta | ▃ |\n"));
    let since = audit(&home, &["--summary", "--since", "2027-01-01"]);
    assert_eq!(since.stdout(), "no requests\n");
}

#[test]
fn following_goes_on_where_the_log_is_put_aside_and_ends_with_who_reads_it() {
    let home = Home::new();
    home.acme("");
    let follow = home.authsome(["audit", "--follow"]).background();
    let lines = home.authsome(["audit", "-f", "--json"]).background();
    follow.wait_for_stdout(b"TIME");
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).start();
    for name in ["/before", "/after"] {
        assert_eq!(run.proxy.exchange(HOST, &get(name)).status(), 200);
        follow.wait_for_stdout(name.as_bytes());
        lines.wait_for_stdout(format!("\"{name}\"").as_bytes());
        let _ = fs::rename(home.own("audit.log"), home.own("audit.log.1"));
    }
    run.stop();
    let text = lines.wait_for_stdout(b"/after");
    let text = String::from_utf8(text).expect("text");
    let is_event = |line: &str| serde_json::from_str::<Value>(line).is_ok();
    assert!(text.lines().all(is_event), "{text}");
    // The reader is gone, and nothing more is logged.
    let piped = Cmd::new(&home, "sh")
        .args(["-c", "\"$0\" audit -f | head -n 1", BINARY])
        .run();
    piped.assert_code(0);
    assert!(piped.stdout().starts_with("TIME"), "{piped}");
    let pid = follow.pid.to_string();
    assert!(crate::support::signal("INT", &pid));
    wait_until("it has ended", || crate::support::is_over(&pid));
}

// What a run tells besides.

#[test]
fn a_run_sums_up_in_the_end_without_a_log_too() {
    let home = Home::new();
    home.acme(r#""rules": [{"methods": ["GET"], "action": "allow"}]"#);
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).args(["--summary", "--no-audit"]).start();
    send(&run.proxy, 3);
    run.proxy
        .exchange(HOST, &format!("DELETE / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    let errors = run.stop().stderr();
    let lines: Vec<Vec<&str>> = errors
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines.len(), 2, "{errors}");
    assert_eq!(
        lines[0],
        [
            "PROVIDER", "REQUESTS", "ERRORS", "REFUSED", "UP", "DOWN", "P50", "P95"
        ]
    );
    assert_eq!(lines[1][..8], ["acme", "3", "0", "1", "0", "B", "6", "B"]);
    assert!(files(&home).is_empty());
    let output = home
        .authsome(["run", "--summary", "sh", "-c", "exit 7"])
        .run();
    output.assert_code(7).assert_stderr(&["no requests"]);
    assert!(output.stdout.is_empty(), "{output}");
}

#[test]
fn live_lines_stand_in_columns_and_say_why_and_what_to_do() {
    let home = Home::new();
    home.acme(r#""rules": [{"methods": ["GET"], "action": "allow"}]"#);
    let origin = Origin::start(always_ok);
    let run = home
        .run(&origin)
        .args(["-v", "--deny", "denied.test"])
        .start();
    send(&run.proxy, 2);
    run.proxy.exchange(
        HOST,
        &format!("DELETE /9?{CANARY} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
    );
    assert_eq!(run.proxy.ask_for("denied.test:443").0.status(), 403);
    let output = run.stop();
    output.assert_without(CANARY).assert_without("\u{1b}");
    let errors = output.stderr();
    let with = |words: &str| {
        let found: Vec<&str> = errors.lines().filter(|line| line.contains(words)).collect();
        match found.as_slice() {
            [only] => *only,
            _ => panic!("not one {words} in\n{errors}"),
        }
    };
    assert_eq!(errors.lines().count(), 4, "{errors}");
    let (first, second) = (with("/0 "), with("/1 "));
    for part in ["https://", " 200 ", " acme"] {
        assert_eq!(first.find(part), second.find(part), "{errors}");
    }
    assert!(
        first.ends_with(" ms") && second.ends_with(" ms  reused"),
        "{errors}"
    );
    let denied = with("DELETE");
    for part in ["/9 ", " 403 acme", "none of the rules", "hint: "] {
        assert!(denied.contains(part), "{errors}");
    }
    assert!(
        with("CONNECT denied.test").contains("refused by --deny; hint: "),
        "{errors}"
    );
}
