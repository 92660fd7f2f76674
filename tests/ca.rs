//! `ca`: a certificate authority that stays. What it is, where its key isn't, who accepts what it vouches for, and how it is replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use ring::aead;
use ring::hkdf;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use crate::support::Background;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::NOBODY;
use crate::support::Output;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::client;
use crate::support::contains;
use crate::support::is_root;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wire;

/// The certificate's copy in the home.
const PEM: &str = "ca/ca.pem";

/// The systems that there are instructions for.
const SYSTEMS: [&str; 9] = [
    "debian", "fedora", "alpine", "arch", "macos", "windows", "firefox", "chromium", "java",
];

/// What a private key of P-256 begins with (PKCS#8, RFC 5208 and RFC 5915), up to the 32 bytes that are secret.
const PKCS8: [u8; 36] = [
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
    0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02,
    0x01, 0x01, 0x04, 0x20,
];

/// `authsome ca` with these words.
fn ca(home: &Home, words: &[&str]) -> Cmd {
    home.authsome(["ca"]).args(words)
}

/// What it says as JSON.
fn said(home: &Home, words: &[&str]) -> Value {
    let output = ca(home, words).arg("--json").run();
    output.assert_code(0);
    output.json()
}

/// A home with the provider `acme` and a CA that was made with these options.
fn with_ca(options: &[&str]) -> Home {
    let home = Home::new();
    home.acme("");
    ca(&home, &["create"]).args(options).run().assert_code(0);
    home
}

/// The certificate of a PEM file.
fn der(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap_or_else(|error| panic!("{error}"))
}

/// The CA's certificate, from its copy.
fn certificate(home: &Home) -> CertificateDer<'static> {
    der(&home.own(PEM))
}

/// A value, with its tag and its length in front (DER, of fewer than 128 bytes).
fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).expect("a short one");
    [&[tag, length], value].concat()
}

/// Checks that a certificate has this in it.
fn assert_has(certificate: &[u8], what: &str, bytes: &[u8]) {
    assert!(contains(certificate, bytes), "no {what}");
}

/// The first eight digits of a CA's fingerprint.
fn short(view: &Value) -> String {
    let fingerprint = view["fingerprint"].as_str().unwrap_or_default();
    let digits = fingerprint.chars().filter(|letter| *letter != ':').take(8);
    digits.collect::<String>().to_ascii_lowercase()
}

/// Seconds since 1970 of a time in RFC 3339, UTC.
fn seconds(time: &str) -> i64 {
    let number = |from: usize, to: usize| -> i64 {
        let digits = time.get(from..to).expect("a time");
        digits.parse().expect("digits")
    };
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    // Days from 0000-03-01, so that a leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    (days - 719_468) * 86_400 + number(11, 13) * 3600 + number(14, 16) * 60 + number(17, 19)
}

/// A time of RFC 3339 as a certificate has it (UTCTime).
fn utc_time(time: &str) -> Vec<u8> {
    let digits: String = time
        .chars()
        .skip(2)
        .filter(|letter| letter.is_ascii_digit())
        .collect();
    tagged(0x17, format!("{digits}Z").as_bytes())
}

/// `authsome run --ca persistent` there.
fn start(home: &Home, origin: &Origin) -> Running {
    home.run(origin).args(["--ca", "persistent"]).start()
}

/// Asks for something of a host as a client does that trusts these certificates alone; why it didn't, where it didn't.
fn ask(run: &Running, host: &str, pem: &[u8]) -> Result<u16, String> {
    let tunnel = run.proxy.tunnel(&format!("{host}:443"));
    let mut channel = client::tls_over(tunnel, host, client::trusting(pem))?;
    channel.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    Ok(channel.response("GET").status())
}

#[test]
fn words_and_options_that_do_not_go_together_are_usage_errors() {
    let home = Home::new();
    for words in [
        &["ca"][..],
        &["ca", "sign"],
        &["ca", "show", "debian"],
        &["ca", "trust", "plan9"],
        &["ca", "trust", "debian", "more"],
        &["ca", "show", "--host", "a.test"],
        &["ca", "remove", "--lifetime", "3"],
        &["ca", "trust", "--old"],
        &["ca", "create", "--host", "a.test", "--any-name"],
        &["ca", "create", "--host", "*.a.test"],
        &["ca", "create", "--host", ".a.test"],
        &["ca", "create", "--host", "https://a.test"],
        &["ca", "create", "--host", "a.test:443"],
        &["ca", "create", "--host", "10.0.0.0/8"],
        &["ca", "create", "--host", ""],
        &["ca", "create", "--any-name", "--lifetime", "0"],
        &["ca", "create", "--any-name", "--lifetime", "3651"],
        &["run", "--ca", "mine", "true"],
        &["run", "--ca", "persistent", "--ca-lifetime", "3", "true"],
    ] {
        home.authsome(words).run().assert_code(2);
    }
    assert!(!home.own("vault").exists() && !home.own("ca").exists());
}

#[test]
fn where_there_is_no_ca_each_word_says_what_to_do() {
    let home = Home::new();
    for words in [
        &["show"][..],
        &["fingerprint"],
        &["export"],
        &["trust", "debian"],
        &["untrust", "debian"],
        &["rotate"],
        &["remove"],
    ] {
        let output = ca(&home, words).run();
        output.assert_code(1).assert_stderr(&["authsome ca create"]);
        assert!(output.stdout.is_empty(), "{output}");
    }
    let output = home.authsome(["run", "--ca", "persistent", "echo", "ran"]);
    let output = output.run();
    output
        .assert_code(125)
        .assert_stderr(&["there is no CA", "authsome ca create"])
        .assert_without("ran");
}

#[test]
fn hosts_are_named_or_are_those_of_connected_providers() {
    let home = Home::new();
    let output = ca(&home, &["create"]).run();
    output
        .assert_code(1)
        .assert_stderr(&["--host", "--any-name"]);
    home.acme(r#""api_url": ["regex:^api[0-9]+[.]acme[.]test$", "api.acme.test"]"#);
    home.login(&["acme"], SECRET).run().assert_code(0);
    let output = ca(&home, &["create"]).run();
    output.assert_code(1).assert_stderr(&[
        "regex:^api[0-9]+[.]acme[.]test$",
        "--host",
        "--any-name",
    ]);
    home.acme(r#""api_url": ["api.acme.test", "https://other.test:8443/v1"]"#);
    home.login(&["acme", "--force"], SECRET)
        .run()
        .assert_code(0);
    let view = said(&home, &["create"]);
    let expected = serde_json::json!(["api.acme.test", "other.test"]);
    assert_eq!(view["hosts"], expected);
}

#[test]
fn the_certificate_is_what_it_says() {
    let home = with_ca(&["--host", "b.test", "--host", "A.test.", "--lifetime", "10"]);
    let view = said(&home, &["show"]);
    let certificate = certificate(&home);
    let text = |name: &str| view[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(view["hosts"], serde_json::json!(["a.test", "b.test"]));
    assert_eq!(view["state"], "ends_soon");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = i64::try_from(now.unwrap().as_secs()).unwrap();
    let (from, until) = (seconds(&text("from")), seconds(&text("until")));
    assert_eq!(until - from, 10 * 86_400 + 3600);
    assert!((now - 60..=now).contains(&(until - 10 * 86_400)), "{until}");
    let name = text("subject");
    let name = name.strip_prefix("CN=").unwrap();
    for (what, bytes) in [
        ("start", utc_time(&text("from"))),
        ("end", utc_time(&text("until"))),
        ("name", tagged(0x0c, name.as_bytes())),
        // A CA that has none below it, which signs certificates, of servers.
        ("pathLen 0", tagged(0x30, &[1, 1, 0xff, 2, 1, 0])),
        ("keyCertSign", tagged(4, &[3, 2, 2, 4])),
        ("serverAuth", tagged(6, &[0x2b, 6, 1, 5, 5, 7, 3, 1])),
        ("a.test", tagged(0x30, &tagged(0x82, b"a.test"))),
        ("b.test", tagged(0x30, &tagged(0x82, b"b.test"))),
        ("no IPv4", tagged(0x30, &tagged(0x87, &[0; 8]))),
        ("no IPv6", tagged(0x30, &tagged(0x87, &[0; 32]))),
    ] {
        assert_has(&certificate, what, &bytes);
    }
    let fingerprint = ca(&home, &["fingerprint"]).run();
    fingerprint.assert_code(0).assert_quiet();
    let hash = ring::digest::digest(&ring::digest::SHA256, &certificate);
    let hash: Vec<String> = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    assert_eq!(fingerprint.stdout(), format!("{}\n", hash.join(":")));
    let export = ca(&home, &["export"]).run();
    export.assert_code(0).assert_quiet();
    assert_eq!(export.stdout, fs::read(home.own(PEM)).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.own("ca")), 0o700);
    assert_eq!(mode(&home.own(PEM)), 0o644);
}

#[test]
fn addresses_are_vouched_for_only_where_they_are_named_and_then_names_are_not() {
    let home = with_ca(&["--host", "192.0.2.1", "--host", "2001:db8::1"]);
    let certificate = certificate(&home);
    let ipv4 = [192, 0, 2, 1, 255, 255, 255, 255];
    assert_has(&certificate, "IPv4", &tagged(0x30, &tagged(0x87, &ipv4)));
    assert_has(&certificate, "no name", &tagged(0x30, &tagged(0x82, b"")));
    let view = said(&home, &["show"]);
    assert_eq!(
        view["hosts"],
        serde_json::json!(["192.0.2.1", "[2001:db8::1]"])
    );
}

#[test]
fn one_that_is_there_is_never_overwritten() {
    let home = with_ca(&["--any-name"]);
    let (pem, vault) = (fs::read(home.own(PEM)).unwrap(), home.vault());
    let output = ca(&home, &["create", "--host", "a.test"]).run();
    output.assert_code(1).assert_stderr(&["authsome ca rotate"]);
    assert_eq!(fs::read(home.own(PEM)).unwrap(), pem);
    assert_eq!(home.vault(), vault);
    // The certificate of another vault's is somebody's too.
    fs::remove_file(home.own("vault")).unwrap();
    let output = ca(&home, &["create", "--any-name"]).run();
    output.assert_code(1).assert_stderr(&[PEM, "move it away"]);
    assert_eq!(fs::read(home.own(PEM)).unwrap(), pem);
    assert!(!home.own("vault").exists());
}

#[test]
fn of_many_that_are_made_at_once_one_is() {
    let home = Home::new();
    let at_once = |words: &[&str]| -> Vec<Output> {
        let started: Vec<Background> = (0..6).map(|_| ca(&home, words).background()).collect();
        started.into_iter().map(Background::end).collect()
    };
    let succeeded = |outputs: &[Output]| {
        let good = outputs.iter().filter(|output| output.status.success());
        good.count()
    };
    let created = at_once(&["create", "--any-name"]);
    assert_eq!(succeeded(&created), 1);
    assert_eq!(
        ca(&home, &["export"]).run().stdout,
        fs::read(home.own(PEM)).unwrap()
    );
    let rotated = at_once(&["rotate"]);
    assert_eq!(succeeded(&rotated), 6, "{}", rotated[0]);
    let view = said(&home, &["show"]);
    assert_eq!(view["old"].as_array().unwrap().len(), 6, "{view}");
    assert_eq!(
        ca(&home, &["export"]).run().stdout,
        fs::read(home.own(PEM)).unwrap()
    );
}

#[test]
fn a_strict_client_that_trusts_it_alone_accepts_permitted_hosts_in_every_run() {
    let home = with_ca(&["--host", HOST]);
    let pem = fs::read(home.own(PEM)).unwrap();
    for _ in 0..2 {
        let origin = Origin::start(always_ok);
        let run = start(&home, &origin);
        assert_eq!(ask(&run, HOST, &pem), Ok(200));
        let bundle = fs::read(&run.env["SSL_CERT_FILE"]).unwrap();
        assert!(bundle.ends_with(&pem), "the root is in the bundle as ever");
        assert_eq!(
            run.proxy
                .exchange(HOST, "GET / HTTP/1.1\r\nHost: api.acme.test\r\n\r\n")
                .status(),
            200
        );
        run.stop().assert_quiet();
        let arrived = origin.finish();
        let requests = arrived.requests.iter();
        for request in requests {
            assert_eq!(request.all("authorization"), [format!("Bearer {SECRET}")]);
        }
        assert_eq!(arrived.requests.len(), 2);
    }
    // A run's own root is another, whatever is kept.
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).start();
    assert!(ask(&run, HOST, &pem).is_err());
    run.stop();
}

#[test]
fn a_run_s_own_root_vouches_for_no_more_than_the_names_above_a_pattern() {
    let home = Home::new();
    let key = home.file("key", SECRET);
    let origin = Origin::start(always_ok);
    let credential = format!("--credential=mailgun=file:{key}");
    let run = home.run(&origin).arg(credential).start();
    let bundle = fs::read(&run.env["SSL_CERT_FILE"]).unwrap();
    let roots = CertificateDer::pem_slice_iter(&bundle);
    let root = roots.last().expect("the run's root is the last").unwrap();
    for domain in ["api.mailgun.net", "api.eu.mailgun.net"] {
        assert!(contains(&root, domain.as_bytes()), "{domain}");
    }
    run.stop();
}

#[test]
fn a_host_that_it_may_not_vouch_for_is_told_before_and_refused_by_clients() {
    let home = with_ca(&["--host", "sub.api.acme.test", "--host", "other.test"]);
    let pem = fs::read(home.own(PEM)).unwrap();
    let origin = Origin::start(always_ok);
    let run = start(&home, &origin);
    let why = ask(&run, HOST, &pem).expect_err("a refusal");
    assert!(why.contains("NameConstraintViolation"), "{why}");
    run.stop()
        .assert_stderr(&[HOST, "ca rotate", "--host", "--any-name"]);
    assert!(origin.finish().requests.is_empty());
    // The names below a host are its own.
    ca(&home, &["rotate", "--host", "acme.test"])
        .run()
        .assert_code(0);
    let pem = fs::read(home.own(PEM)).unwrap();
    let origin = Origin::start(always_ok);
    let run = start(&home, &origin);
    assert_eq!(ask(&run, HOST, &pem), Ok(200));
    run.stop().assert_quiet();
}

#[test]
fn python_with_strict_checks_accepts_it() {
    let home = with_ca(&["--host", HOST, "--lifetime", "60"]);
    let probe = Cmd::new(&home, "/usr/bin/env").args(["python3", "-c", "import ssl"]);
    if !probe.run().status.success() {
        return;
    }
    let program = "import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT
with urllib.request.urlopen(sys.argv[2], context=context) as answer:
    print(answer.status)";
    let origin = Origin::start(always_ok);
    let output = home
        .run(&origin)
        .args(["--ca", "persistent", "--", "python3", "-c", program])
        .arg(home.own(PEM))
        .arg(format!("https://{HOST}/"))
        .run();
    output.assert_code(0).assert_quiet();
    assert_eq!(output.stdout(), "200\n");
}

/// The CA's private key, read from the vault as its documentation says.
fn key(home: &Home) -> Vec<u8> {
    /// 32 bytes of a key.
    struct Length;

    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            32
        }
    }

    let text = fs::read_to_string(home.own("master.key")).expect("a key");
    let master = base64_decode(text.trim());
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&master);
    let open = |info: &str, about: &[u8], sealed: &[u8]| -> Vec<u8> {
        let info = format!("authsome-vault 1 {info}");
        let info = [info.as_bytes()];
        let mut key = [0; 32];
        let expanded = extracted.expand(&info, Length).expect("32 bytes");
        expanded.fill(&mut key).expect("32 bytes");
        let key = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, &key).expect("32 bytes");
        let nonce = aead::Nonce::try_assume_unique_for_key(&sealed[..12]).expect("12 bytes");
        let mut rest = sealed[12..].to_vec();
        let opened =
            aead::LessSafeKey::new(key).open_in_place(nonce, aead::Aad::from(about), &mut rest);
        opened.expect("what was sealed").to_vec()
    };
    let vault = home.vault();
    let lines: Vec<usize> = vault
        .iter()
        .enumerate()
        .filter_map(|(index, byte)| (*byte == b'\n').then_some(index))
        .collect();
    let (head, body) = vault.split_at(lines[1] + 1);
    let contents: Value = serde_json::from_slice(&open("contents", head, body)).expect("JSON");
    let sealed = contents["entries"]["ca/root"]["secret"]
        .as_str()
        .expect("base64");
    open(
        "secret",
        b"authsome-vault 1\nca/root",
        &base64_decode(sealed),
    )
}

/// The bytes that base64 stands for.
fn base64_decode(text: &str) -> Vec<u8> {
    // What reads PEM reads base64.
    let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    CertificateDer::from_pem_slice(pem.as_bytes())
        .expect("base64")
        .to_vec()
}

/// Bytes as they could stand in a file: as they are, as hexadecimal digits, and as base64 wherever they begin.
fn spellings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![
        bytes.to_vec(),
        hex.to_ascii_uppercase().into_bytes(),
        hex.into_bytes(),
    ];
    // Groups of three that lie wholly within the bytes.
    for start in 0..3 {
        let whole = &bytes[start..];
        let whole = &whole[..whole.len() / 3 * 3];
        all.push(wire::base64(whole).into_bytes());
    }
    all
}

#[test]
fn its_key_is_nowhere_in_the_clear_and_without_the_vault_s_key_it_signs_nothing() {
    let home = with_ca(&["--any-name"]);
    let key = key(&home);
    assert!(key.starts_with(&PKCS8), "{key:?}");
    let secret = key[PKCS8.len()..][..32].to_vec();
    let mut wanted = spellings(&secret);
    wanted.push(PKCS8.to_vec());
    wanted.push(b"PRIVATE KEY".to_vec());
    let origin = Origin::start(always_ok);
    let run = start(&home, &origin);
    assert_eq!(ask(&run, HOST, &fs::read(home.own(PEM)).unwrap()), Ok(200));
    let files = home.files();
    assert!(files.len() > 5, "{files:?}");
    for path in files {
        let bytes = fs::read(&path).unwrap_or_default();
        assert!(
            !wanted.iter().any(|wanted| contains(&bytes, wanted)),
            "{path:?}"
        );
    }
    run.stop();
    for words in [
        &["show"][..],
        &["show", "--json"],
        &["export"],
        &["trust", "--json", "java"],
        &["rotate", "--json"],
        &["remove", "--json"],
    ] {
        let output = ca(&home, words).run();
        output.assert_code(0);
        for wanted in &wanted {
            let said = [&output.stdout, &output.stderr];
            assert!(!said.iter().any(|said| contains(said, wanted)), "{output}");
        }
    }
    ca(&home, &["create", "--any-name"]).run().assert_code(0);
    fs::remove_file(home.own("master.key")).unwrap();
    let output = home
        .authsome(["run", "--ca", "persistent", "echo", "ran"])
        .run();
    output
        .assert_code(125)
        .assert_stderr(&["the vault's key is missing"])
        .assert_without("ran");
    let other = "11".repeat(32);
    for words in [
        &["show"][..],
        &["rotate"],
        &["remove"],
        &["create", "--any-name"],
    ] {
        let cmd = ca(&home, words).env("AUTHSOME_MASTER_KEY", &other);
        cmd.run().assert_code(1).assert_stderr(&["another key"]);
    }
    assert!(home.own(PEM).exists());
}

#[test]
fn rotating_keeps_hosts_and_lifetime_and_the_old_certificate_without_its_key() {
    let home = with_ca(&["--host", HOST, "--lifetime", "100"]);
    let before = said(&home, &["show"]);
    let old = fs::read(home.own(PEM)).unwrap();
    let old_key = key(&home);
    let after = said(&home, &["rotate"]);
    assert_ne!(before["fingerprint"], after["fingerprint"]);
    assert_ne!(before["subject"], after["subject"]);
    assert_eq!(before["hosts"], after["hosts"]);
    let length = |view: &Value| {
        let time = |name: &str| seconds(view[name].as_str().unwrap());
        time("until") - time("from")
    };
    assert_eq!(length(&before), length(&after));
    assert_ne!(old_key, key(&home));
    let (until, _) = before["until"].as_str().unwrap().split_once('T').unwrap();
    let short = short(&before);
    let kept = home.own(&format!("ca/ca-{until}-{short}.pem"));
    assert_eq!(fs::read(&kept).unwrap(), old);
    assert_eq!(
        after["old"],
        serde_json::json!([kept.display().to_string()])
    );
    // What is signed from now on leads to the new one alone.
    let origin = Origin::start(always_ok);
    let run = start(&home, &origin);
    assert!(ask(&run, HOST, &old).is_err());
    assert_eq!(ask(&run, HOST, &fs::read(home.own(PEM)).unwrap()), Ok(200));
    run.stop();
    let told = said(&home, &["untrust", "java", "--old"]);
    assert_eq!(
        told["fingerprints"],
        serde_json::json!([before["fingerprint"]])
    );
    let told = said(&home, &["untrust", "java"]);
    assert_eq!(
        told["fingerprints"],
        serde_json::json!([after["fingerprint"]])
    );
    let view = said(&home, &["rotate", "--any-name", "--lifetime", "7"]);
    assert_eq!(
        (&view["any_name"], &view["hosts"]),
        (&true.into(), &serde_json::json!([]))
    );
    assert_eq!(length(&view), 7 * 86_400 + 3600);
}

#[test]
fn what_is_removed_can_still_be_untrusted() {
    let home = with_ca(&["--host", HOST]);
    let before = said(&home, &["show"]);
    ca(&home, &["remove"])
        .run()
        .assert_code(0)
        .assert_stderr(&["untrust --old"]);
    assert!(!home.own(PEM).exists());
    ca(&home, &["show"]).run().assert_code(1);
    for words in [&["untrust", "debian"][..], &["untrust", "debian", "--old"]] {
        let told = said(&home, words);
        assert_eq!(
            told["fingerprints"],
            serde_json::json!([before["fingerprint"]])
        );
    }
    let after = said(&home, &["create", "--host", HOST]);
    assert_ne!(before["fingerprint"], after["fingerprint"]);
}

#[test]
fn a_copy_that_differs_is_an_error_and_one_that_is_missing_is_written_anew() {
    let home = with_ca(&["--any-name"]);
    let pem = fs::read_to_string(home.own(PEM)).unwrap();
    let foreign = Origin::start(always_ok).ca_pem;
    for text in [foreign.clone(), format!("{pem}{foreign}"), String::new()] {
        fs::write(home.own(PEM), &text).unwrap();
        for words in [
            &["show"][..],
            &["fingerprint"],
            &["export"],
            &["trust", "firefox"],
            &["rotate"],
            &["remove"],
        ] {
            let output = ca(&home, words).run();
            output.assert_code(1).assert_stderr(&[PEM, "move it away"]);
            assert!(output.stdout.is_empty(), "{output}");
        }
        let run = home.authsome(["run", "--ca", "persistent", "echo", "ran"]);
        run.run().assert_code(125).assert_without("ran");
        assert_eq!(fs::read_to_string(home.own(PEM)).unwrap(), text);
        let doctor = home.authsome(["doctor"]).run();
        doctor.assert_code(1);
        assert!(
            doctor.stdout().contains("is not its certificate"),
            "{doctor}"
        );
    }
    fs::remove_file(home.own(PEM)).unwrap();
    let doctor = home.authsome(["doctor"]).run();
    doctor.assert_code(0);
    assert!(doctor.stdout().contains("ca.pem is not there"), "{doctor}");
    home.authsome(["run", "--ca", "persistent", "true"])
        .run()
        .assert_code(0);
    ca(&home, &["show"]).run().assert_code(0).assert_quiet();
    assert_eq!(fs::read_to_string(home.own(PEM)).unwrap(), pem);
    let doctor = home.authsome(["doctor"]).run();
    assert!(
        doctor.stdout().contains("ca.pem is its certificate"),
        "{doctor}"
    );
}

#[test]
fn a_home_that_can_only_be_read_is_good_enough_for_a_run() {
    let home = with_ca(&["--host", HOST]);
    fs::remove_file(home.own(PEM)).unwrap();
    if is_root() {
        home.give(NOBODY);
        chown(home.own("ca"), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let as_a_person = |cmd: Cmd| {
        // Root can write everywhere.
        let cmd = if is_root() { cmd.user(NOBODY) } else { cmd };
        cmd.folder(home.temporary()).run()
    };
    for folder in ["", "ca"] {
        fs::set_permissions(home.own(folder), fs::Permissions::from_mode(0o500)).unwrap();
    }
    let run = as_a_person(home.authsome(["run", "--ca", "persistent", "true"]));
    let show = as_a_person(ca(&home, &["show"]));
    let trust = as_a_person(ca(&home, &["trust", "debian"]));
    for folder in ["", "ca"] {
        fs::set_permissions(home.own(folder), fs::Permissions::from_mode(0o700)).unwrap();
    }
    run.assert_code(0).assert_quiet();
    show.assert_code(0)
        .assert_stderr(&["authsome: warning", PEM]);
    // Its commands need no file.
    trust.assert_code(0).assert_quiet();
}

#[test]
fn one_that_ends_soon_is_told_of_in_a_run_and_by_doctor() {
    let home = with_ca(&["--host", HOST, "--lifetime", "29"]);
    let run = home.authsome(["run", "--ca", "persistent", "true"]).run();
    run.assert_code(0)
        .assert_stderr(&["ends soon", "ca rotate"]);
    let doctor = home.authsome(["doctor"]).run();
    doctor.assert_code(0);
    assert!(doctor.stdout().contains("the CA ends soon"), "{doctor}");
    ca(&home, &["rotate", "--lifetime", "31"])
        .run()
        .assert_code(0);
    let run = home.authsome(["run", "--ca", "persistent", "true"]).run();
    run.assert_code(0).assert_quiet();
}

/// The commands that have the CA trusted in this system's way.
fn commands(home: &Home, system: &str) -> Vec<String> {
    let told = said(home, &["trust", system]);
    serde_json::from_value(told["commands"].clone()).expect("texts")
}

#[test]
fn the_commands_take_the_certificate_that_was_printed_whatever_becomes_of_its_file() {
    let home = with_ca(&["--host", HOST]);
    let pem = fs::read_to_string(home.own(PEM)).unwrap();
    let folders = [
        ("debian", "/usr/local/share/ca-certificates/"),
        ("fedora", "/etc/pki/ca-trust/source/anchors/"),
        ("alpine", "/usr/local/share/ca-certificates/"),
        ("arch", "/etc/ca-certificates/trust-source/anchors/"),
        ("macos", "/etc/ssl/"),
    ];
    let all: Vec<(&str, Vec<String>)> = SYSTEMS
        .iter()
        .map(|system| (*system, commands(&home, system)))
        .collect();
    let foreign = Origin::start(always_ok).ca_pem;
    fs::write(home.own(PEM), &foreign).unwrap();
    for (system, commands) in all {
        // None of them reads what the person's own programs can change.
        let text = commands.join("\n");
        let place = home.path("").display().to_string();
        assert!(!text.contains(&place), "{text}");
        let Some((_, folder)) = folders.iter().find(|(name, _)| *name == system) else {
            continue;
        };
        let target = home.path(system);
        fs::create_dir(&target).unwrap();
        let command = commands[0]
            .replace(folder, &format!("{}/", target.display()))
            .replace("sudo ", "");
        for shell in ["sh", "bash", "zsh", "fish"] {
            let strict = format!("umask 077\n{command}");
            let is_there = Command::new(shell).args(["-c", ":"]).output();
            if shell != "sh" && is_there.is_err() {
                continue;
            }
            let output = Cmd::new(&home, shell).args(["-c", &strict]).run();
            output.assert_code(0).assert_quiet();
            let mut files = fs::read_dir(&target).unwrap().flatten();
            let file = files.next().expect("a file").path();
            assert_eq!(
                fs::read_to_string(&file).unwrap(),
                pem,
                "{shell}: {command}"
            );
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o644, "{shell}: {command}");
            fs::remove_file(&file).unwrap();
        }
    }
}

#[test]
fn instructions_for_each_system_say_which_certificate_and_how_to_end_it() {
    let home = with_ca(&["--host", HOST]);
    let view = said(&home, &["show"]);
    let hex = view["fingerprint"]
        .as_str()
        .unwrap()
        .replace(':', "")
        .to_ascii_lowercase();
    let name = format!("authsome-{}", short(&view));
    for system in SYSTEMS {
        let trust = ca(&home, &["trust", system]).run();
        trust.assert_code(0).assert_quiet();
        let text = trust.stdout();
        for words in [HOST, "impersonate", &format!("ca untrust {system}")] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let told = said(&home, &["untrust", system]);
        let commands = told["commands"].to_string();
        let is_named = commands.contains(&name) || commands.contains(&hex);
        let sha1 =
            ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate(&home));
        let sha1: String = sha1
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(is_named || commands.contains(&sha1), "{commands}");
        let lines = ca(&home, &["trust", system, "--quiet"]).run().stdout();
        assert!(lines.lines().all(|line| !line.starts_with('#')), "{lines}");
        assert!(!lines.is_empty());
    }
    let own = ca(&home, &["trust", "debian", "--quiet"]).run().stdout();
    assert_eq!(own.matches("sudo ").count(), if is_root() { 0 } else { 2 });
    // Whichever system this is, or none of these.
    let here = ca(&home, &["trust"]).run();
    assert!(matches!(here.status.code(), Some(0 | 1)), "{here}");
    assert!(
        SYSTEMS
            .iter()
            .all(|system| format!("{here}").contains(system)),
        "{here}"
    );
}
