//! The program that is run: its environment, its streams, its exit code, signals, and what is left afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use crate::support::Cmd;
use crate::support::Home;
use crate::support::PLACEHOLDER;
use crate::support::SECRET;
use crate::support::contains;
use crate::support::is_ignored;
use crate::support::is_over;
use crate::support::run_directories;
use crate::support::signal;
use crate::support::wait_until;

/// `authsome run -- sh -c SCRIPT`.
fn script(home: &Home, script: &str) -> Cmd {
    home.authsome(["run", "--", "sh", "-c", script])
}

/// The environment that a child gets in a run like this.
fn environment(cmd: Cmd) -> BTreeMap<String, String> {
    let output = cmd.args(["--", "env", "-0"]).run();
    output.assert_code(0);
    let text = output.stdout();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_environment_is_the_parent_s_with_the_changes_of_the_contract() {
    let home = Home::new();
    home.acme("");
    let cmd = home
        .authsome(["run"])
        .env("ACME_API_KEY", SECRET)
        .env("ALL_PROXY", "http://127.0.0.1:9")
        .env("all_proxy", "http://127.0.0.1:9")
        .env("NO_PROXY", "intranet.test")
        .env("AUTHSOME_MASTER_KEY", "own-secret")
        .env("AUTHSOME_MASTER_KEY_FILE", "own-secret")
        .env("AUTHSOME_PASSPHRASE", "own-secret")
        .env("ODD", "two\nlines = \u{fc} ")
        .env("EMPTY", "");
    let mut expected = cmd.environment();
    let mut child = environment(cmd);
    // tests/node.rs and tests/languages.rs are about these.
    for name in ["NODE_OPTIONS", "APT_CONFIG", "SYSTEM_WGETRC"] {
        child.remove(name);
    }
    // Only where there is a Java, or a PHP; tests/languages.rs is about that.
    child.remove("JAVA_TOOL_OPTIONS");
    child.remove("PHP_INI_SCAN_DIR");
    let proxy = child["HTTPS_PROXY"].clone();
    let bundle = child["SSL_CERT_FILE"].clone();
    let extra = child["NODE_EXTRA_CA_CERTS"].clone();
    for name in [
        "ALL_PROXY",
        "all_proxy",
        "AUTHSOME_MASTER_KEY",
        "AUTHSOME_MASTER_KEY_FILE",
        "AUTHSOME_PASSPHRASE",
    ] {
        expected.remove(name);
    }
    let mut set = |names: &[&str], value: &str| {
        for name in names {
            expected.insert((*name).to_owned(), value.to_owned());
        }
    };
    set(&PROXY, &proxy);
    set(
        &["NO_PROXY", "no_proxy", "npm_config_noproxy"],
        "intranet.test,127.0.0.1,localhost,::1",
    );
    set(&BUNDLE, &bundle);
    set(&["NODE_EXTRA_CA_CERTS", "DENO_CERT"], &extra);
    set(
        &["NODE_USE_ENV_PROXY", "PERL_LWP_ENV_PROXY", "AUTHSOME_RUN"],
        "1",
    );
    set(&["AUTHSOME_PROXY_MODE"], "true");
    set(&["ACME_API_KEY"], PLACEHOLDER);
    assert_eq!(child, expected);
    let port = proxy.strip_prefix("http://127.0.0.1:").expect("loopback");
    assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "{proxy}");
}

/// The variables that name the proxy, as the contract lists them.
const PROXY: [&str; 10] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "WSS_PROXY",
    "wss_proxy",
    "YARN_HTTP_PROXY",
    "YARN_HTTPS_PROXY",
    "npm_config_https_proxy",
    "CARGO_HTTP_PROXY",
];

/// The variables that name a bundle, as the contract lists them.
const BUNDLE: [&str; 16] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
    "NIX_SSL_CERT_FILE",
    "HTTPLIB2_CA_CERTS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "BUNDLE_SSL_CA_CERT",
    "COMPOSER_CAFILE",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "HEX_CACERTS_PATH",
    "npm_config_cafile",
    "PERL_LWP_SSL_CA_FILE",
];

#[test]
fn no_proxy_keeps_the_parent_s_entries_of_both_variables_once_each() {
    let home = Home::new();
    let cmd = home
        .authsome(["run"])
        .env("NO_PROXY", " a.test ,,b.test,localhost")
        .env("no_proxy", "b.test, c.test");
    let child = environment(cmd);
    assert_eq!(
        child["NO_PROXY"],
        "a.test,b.test,localhost,c.test,127.0.0.1,::1"
    );
    assert_eq!(child["NO_PROXY"], child["no_proxy"]);
}

#[test]
fn no_proxy_loses_the_entries_that_exempt_a_claimed_host_and_says_so() {
    for entry in [
        "api.acme.test",
        "API.ACME.TEST",
        ".acme.test",
        "acme.test",
        "*.acme.test",
        "test",
        "*",
        "api.acme.test:443",
    ] {
        let home = Home::new();
        home.acme("");
        let output = home
            .authsome(["run", "--", "sh", "-c", "printf %s \"$NO_PROXY\""])
            .env("ACME_API_KEY", SECRET)
            .env("NO_PROXY", format!("kept.example,{entry}"))
            .run();
        output.assert_code(0);
        assert_eq!(
            output.stdout(),
            "kept.example,127.0.0.1,localhost,::1",
            "{entry}"
        );
        assert_eq!(output.lines_with("NO_PROXY"), 1, "{output}");
    }
}

#[test]
fn no_proxy_keeps_what_only_looks_like_a_claimed_host() {
    let home = Home::new();
    home.acme("");
    let entries = "pi.acme.test,api.acme.test.evil.example,10.0.0.0/8,acme";
    let output = home
        .authsome(["run", "--", "sh", "-c", "printf %s \"$NO_PROXY\""])
        .env("ACME_API_KEY", SECRET)
        .env("NO_PROXY", entries)
        .run();
    assert_eq!(
        output.stdout(),
        format!("{entries},127.0.0.1,localhost,::1")
    );
    output.assert_quiet();
}

#[test]
fn the_secret_is_nowhere_in_the_child_s_environment() {
    let home = Home::new();
    let output = script(&home, "env; cat /proc/self/environ /proc/self/cmdline")
        .env("OPENAI_API_KEY", SECRET)
        .env("GITHUB_TOKEN", SECRET)
        .env("ANTHROPIC_API_KEY", SECRET)
        .run();
    output.assert_code(0).assert_without(SECRET);
    assert!(contains(
        &output.stdout,
        format!("OPENAI_API_KEY={PLACEHOLDER}").as_bytes()
    ));
}

#[test]
fn a_provider_s_other_names_get_the_placeholder_too_and_its_url_its_url() {
    let home = Home::new();
    let fields = r#""export": {"ACME_API_KEY": "API_TOKEN", "ACME_OTHER": "API_TOKEN", "ACME_URL": "API_URL"}"#;
    home.acme(fields);
    let child = environment(home.authsome(["run"]).env("ACME_API_KEY", SECRET));
    assert_eq!(child["ACME_OTHER"], PLACEHOLDER);
    assert_eq!(child["ACME_URL"], "https://api.acme.test");
}

#[test]
fn a_provider_that_is_not_connected_adds_nothing() {
    let home = Home::new();
    home.acme("");
    let child = environment(home.authsome(["run"]));
    assert!(!child.contains_key("ACME_API_KEY"));
    assert!(!child.contains_key("OPENAI_API_KEY"));
}

#[test]
fn the_parent_s_own_extra_certificates_stay_trusted() {
    let home = Home::new();
    let origin = crate::support::origin::Origin::plain(|_| {});
    let output = script(
        &home,
        "cat \"$NODE_EXTRA_CA_CERTS\"; echo =; cat \"$DENO_CERT\"; echo =; cat \"$SSL_CERT_FILE\"",
    )
    .env("NODE_EXTRA_CA_CERTS", origin.ca_file())
    .env("SSL_CERT_FILE", origin.ca_file())
    .run();
    output.assert_code(0);
    let text = output.stdout();
    let count = text.matches("BEGIN CERTIFICATE").count();
    let files = text.matches(origin.ca_pem.as_str()).count();
    assert_eq!(files, 2, "{output}");
    // Beside them the root, three times; and what this machine's tools trust, in the last.
    assert!(count >= 5, "{count}");
}

#[test]
fn exit_codes_are_the_child_s() {
    let home = Home::new();
    for code in [0, 1, 7, 125, 255] {
        let output = script(&home, &format!("exit {code}")).run();
        output.assert_code(code).assert_quiet();
    }
}

#[test]
fn a_child_that_a_signal_ended_gives_128_and_its_number() {
    let home = Home::new();
    let signals = [("TERM", 15), ("KILL", 9), ("INT", 2), ("SEGV", 11)];
    for (name, number) in signals
        .into_iter()
        .filter(|(_, number)| !is_ignored(*number))
    {
        let output = script(&home, &format!("kill -{name} $$")).run();
        output.assert_code(128 + number);
    }
}

#[test]
fn a_program_that_is_not_there_gives_127() {
    let home = Home::new();
    for program in ["no-such-program-here", "/no/such/program"] {
        let output = home.authsome(["run", "--", program]).run();
        output.assert_code(127).assert_stderr(&[program, "hint:"]);
        assert!(run_directories(&home.temporary()).is_empty());
    }
}

#[test]
fn a_program_that_may_not_be_executed_gives_126() {
    let home = Home::new();
    let file = home.file("plain.txt", "no program");
    for program in [&*file, "/"] {
        let output = home.authsome(["run", "--", program]).run();
        output.assert_code(126).assert_stderr(&[program, "hint:"]);
    }
}

#[test]
fn standard_streams_are_the_child_s() {
    let home = Home::new();
    let input: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let output = script(&home, "cat; echo >&2 problem").stdin(&input).run();
    output.assert_code(0);
    assert!(output.stdout == input, "the bytes have changed");
    assert_eq!(output.stderr(), "problem\n");
}

#[test]
fn the_working_directory_is_the_child_s() {
    let home = Home::new();
    let output = home.authsome(["run", "pwd"]).folder(home.temporary()).run();
    let expected = fs::canonicalize(home.temporary()).expect("a path");
    assert_eq!(output.stdout(), format!("{}\n", expected.display()));
}

#[test]
fn words_behind_the_command_are_the_child_s() {
    let home = Home::new();
    let words = [
        "--quiet",
        "-h",
        "--",
        "a b",
        "",
        "$HOME",
        "--credential",
        "*",
        "run",
    ];
    for separator in [&["--"][..], &[]] {
        let output = home
            .authsome(["run"])
            .args(separator)
            .args(["printf", "[%s]"])
            .args(words)
            .run();
        output.assert_code(0).assert_quiet();
        let expected: String = words.iter().map(|word| format!("[{word}]")).collect();
        assert_eq!(output.stdout(), expected);
    }
}

#[test]
fn a_word_that_is_no_utf_8_reaches_the_child() {
    use std::os::unix::ffi::OsStrExt;
    let home = Home::new();
    let word = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let output = home
        .authsome(["run", "--", "printf", "%s"])
        .arg(word)
        .env("ODD", word)
        .run();
    assert_eq!(output.stdout, b"\xff\xfe");
}

#[test]
fn killing_authsome_ends_the_child_and_the_next_run_sweeps_what_was_left() {
    let home = Home::new();
    let run = script(&home, "echo pid=$$.; exec cat").background();
    let printed = run.wait_for_stdout(b".\n");
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let child = printed
        .trim()
        .trim_start_matches("pid=")
        .trim_end_matches('.')
        .to_owned();
    assert!(signal("KILL", &run.pid.to_string()));
    wait_until("the child has ended", || is_over(&child));
    let output = run.end();
    assert_eq!(output.status.signal(), Some(9));
    let left = run_directories(&home.temporary());
    assert_eq!(left.len(), 1);
    // What is left is public.
    let text =
        fs::read_to_string(home.temporary().join(&left[0]).join("ca.pem")).expect("the root");
    assert!(text.contains("BEGIN CERTIFICATE") && !text.contains("PRIVATE"));
    script(&home, ":").run().assert_code(0).assert_quiet();
    assert!(run_directories(&home.temporary()).is_empty());
}

#[test]
fn a_living_run_s_files_are_not_swept() {
    let home = Home::new();
    let first = home.authsome(["run"]).start();
    script(&home, ":").run().assert_code(0);
    assert!(Path::new(&first.env["SSL_CERT_FILE"]).exists());
    first.stop();
    assert!(run_directories(&home.temporary()).is_empty());
}

#[test]
fn the_certificate_files_are_public_in_a_folder_that_only_we_can_write() {
    let home = Home::new();
    let run = home.authsome(["run"]).start();
    let mode = |path: &Path| fs::metadata(path).expect("a file").mode() & 0o7777;
    for name in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        let path = Path::new(&run.env[name]);
        assert_eq!(mode(path), 0o644);
        assert_eq!(mode(path.parent().expect("a folder")), 0o700);
        assert!(path.starts_with(home.temporary()));
        let text = fs::read_to_string(path).expect("PEM");
        assert!(!text.contains("PRIVATE KEY"));
    }
    run.stop();
    assert!(run_directories(&home.temporary()).is_empty());
}

#[test]
fn the_files_go_to_the_home_where_there_is_no_place_for_temporary_ones() {
    let home = Home::new();
    let output = script(&home, "printf %s \"$SSL_CERT_FILE\"")
        .env("TMPDIR", "/no/such/folder")
        .run();
    output.assert_code(0);
    let expected = home.path("home/.authsome").display().to_string();
    assert!(output.stdout().starts_with(&expected), "{output}");
    assert!(run_directories(&home.path("home/.authsome")).is_empty());
}

#[test]
fn the_child_has_no_open_files_of_authsome_s() {
    let home = Home::new();
    // Those that the test's own parent left open are in both lists, and so is the one of ls.
    let alone = Cmd::new(&home, "ls").arg("/proc/self/fd").run();
    let output = home.authsome(["run", "--", "ls", "/proc/self/fd"]).run();
    assert_eq!(output.stdout(), alone.stdout(), "{output}");
}

#[test]
fn the_child_s_limits_are_the_parent_s() {
    let home = Home::new();
    let limits = "ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc";
    let set = "ulimit -Sn 200; ulimit -c 0 2>/dev/null;";
    let expected = Cmd::new(&home, "sh")
        .args(["-c", &format!("{set} {limits}")])
        .run();
    let binary = env!("CARGO_BIN_EXE_authsome");
    let inner = format!("{set} exec {binary} run -- sh -c '{limits}'");
    let output = Cmd::new(&home, "sh").args(["-c", &inner]).run();
    output.assert_code(0);
    assert_eq!(output.stdout(), expected.stdout());
}

#[test]
fn authsome_s_own_memory_and_environment_are_closed_to_others_of_the_same_user() {
    let home = Home::new();
    home.acme("");
    let run = home.authsome(["run"]).env("ACME_API_KEY", SECRET).start();
    let pid = run.program.pid;
    // What is not dumpable belongs to root, whoever runs it; a test as root sees no difference there, but in no case a core file.
    let owner = fs::metadata(format!("/proc/{pid}/environ"))
        .expect("the process")
        .uid();
    assert_eq!(owner, 0);
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let soft = core
        .and_then(|line| line.split_whitespace().nth(4))
        .map(str::to_owned);
    assert_eq!(soft.as_deref(), Some("0"), "{limits}");
    let command = fs::read(format!("/proc/{pid}/cmdline")).expect("its arguments");
    assert!(!contains(&command, SECRET.as_bytes()));
    run.stop();
}

#[test]
fn a_background_process_of_the_child_does_not_keep_authsome() {
    let home = Home::new();
    // It holds no stream of ours, so that only authsome itself could wait for it.
    let line = "(exec sleep 1000) </dev/null >/dev/null 2>&1 & echo $!";
    let output = script(&home, line).run();
    output.assert_code(0);
    assert!(signal("KILL", output.stdout().trim()), "{output}");
}

#[test]
fn nothing_is_written_to_the_home_by_a_run() {
    let home = Home::new();
    script(&home, ":")
        .env("OPENAI_API_KEY", SECRET)
        .run()
        .assert_code(0);
    let entries: Vec<_> = fs::read_dir(home.path("home/.authsome"))
        .expect("it")
        .collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
}

#[test]
fn a_run_needs_no_home_at_all() {
    let home = Home::new();
    let output = script(&home, "echo fine")
        .without("HOME")
        .without("AUTHSOME_HOME")
        .run();
    output.assert_code(0).assert_quiet();
    assert_eq!(output.stdout(), "fine\n");
}
