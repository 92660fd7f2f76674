//! The vault, and what can befall it. Whatever goes wrong, the old or the new content is there, the error says what to do, and nothing
//! is lost.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::NOBODY;
use crate::support::Output;
use crate::support::PLACEHOLDER;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::is_root;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wire::Message;

/// How many logins are killed.
const KILLED_LOGINS: usize = 300;

/// How many changes of the key are killed.
const KILLED_REKEYS: usize = 100;

/// How many imports are killed.
const KILLED_IMPORTS: usize = 100;

/// How many connections each of two writers stores.
const RECORDS: usize = 250;

/// Sets a file's or a folder's mode.
fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode that can be set");
}

/// Puts these bytes into a file that only this user may use.
fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file");
    set_mode(path, 0o600);
}

/// A time from nothing to `most`, by chance.
fn some_time(most: Duration) -> Duration {
    let mut bytes = [0; 4];
    getrandom::getrandom(&mut bytes).expect("randomness");
    most * u32::from_ne_bytes(bytes).min(u32::MAX - 1) / u32::MAX
}

/// How long one run takes: the middle of some, and half as much again.
fn typical_time(start: impl Fn() -> Cmd) -> Duration {
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            let before = Instant::now();
            start().run().assert_code(0);
            before.elapsed()
        })
        .collect();
    times.sort();
    times[4] * 3 / 2
}

/// The names of the connections that `list` tells of, all of which must have their credential.
fn connections(home: &Home) -> BTreeSet<String> {
    names(&home.authsome(["list", "--json"]).run())
}

/// The names of the connections in an answer of `list`.
fn names(listed: &Output) -> BTreeSet<String> {
    listed.assert_code(0).assert_quiet();
    let answer: serde_json::Value = listed.json();
    let views = answer["connections"].as_array().expect("connections");
    let good = views.iter().filter(|view| view["state"] == "ok");
    let names: BTreeSet<String> = good
        .map(|view| view["connection"].to_string().replace('"', ""))
        .collect();
    assert_eq!(names.len(), views.len(), "{listed}");
    names
}

/// The credential that is stored.
fn stored(home: &Home) -> String {
    let output = home
        .authsome(["get", "acme", "--field", "credential", "--show-secret"])
        .run();
    output.assert_code(0);
    output.stdout()
}

/// Checks that a command fails with a hint, and that the vault is byte for byte as before.
fn assert_refused(home: &Home, cmd: Cmd, words: &[&str]) -> Output {
    let before = fs::read(home.own("vault")).ok();
    let output = cmd.run();
    output
        .assert_code(1)
        .assert_stderr(&["authsome: ", "hint: "]);
    output.assert_stderr(words).assert_without(SECRET);
    assert!(output.stdout.is_empty(), "{output}");
    assert_eq!(fs::read(home.own("vault")).ok(), before, "{output}");
    output
}

/// Checks that neither a reader nor writers get past what is wrong with the vault.
fn assert_all_refused(home: &Home, words: &[&str]) {
    assert_refused(home, home.authsome(["list"]), words);
    assert_refused(
        home,
        home.login(&["acme", "--force"], "another-0123"),
        words,
    );
    assert_refused(home, home.authsome(["logout", "acme"]), words);
    assert_refused(home, home.authsome(["vault", "rekey"]), words);
}

/// Checks that everything is there as it was.
fn assert_whole(home: &Home) {
    assert_eq!(stored(home), format!("{SECRET}\n"));
}

/// Checks that the vault with these bytes in its place is refused and left alone, and that the right ones bring everything back.
fn assert_damaged(home: &Home, bytes: &[u8], words: &[&str]) {
    let (good, key) = (home.vault(), key(home));
    put(&home.own("vault"), bytes);
    assert_refused(home, home.authsome(["list"]), words);
    assert_refused(
        home,
        home.login(&["acme", "--force"], "another-0123"),
        words,
    );
    assert_eq!(home.vault(), bytes);
    assert_eq!(super::vault::key(home), key);
    put(&home.own("vault"), &good);
}

/// The key beside the vault.
fn key(home: &Home) -> String {
    fs::read_to_string(home.own("master.key")).expect("a key")
}

/// Where the sealed contents begin.
fn body_at(vault: &[u8]) -> usize {
    let ends = vault.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at + 1).nth(1).expect("two lines")
}

#[test]
fn a_vault_cut_short_is_damaged_and_left_as_it_is() {
    let home = Home::connected("");
    let good = home.vault();
    let body = body_at(&good);
    let last = good.len() - 1;
    for length in [
        0,
        1,
        14,
        16,
        17,
        40,
        body - 1,
        body,
        body + 1,
        body + 12,
        body + 28,
        last,
    ] {
        assert_damaged(
            &home,
            &good[..length],
            &["the vault is damaged", "bring the file back from a copy"],
        );
    }
    let longer = [&good[..], b"\0"].concat();
    assert_damaged(&home, &longer, &["its contents are not as they were"]);
    assert_whole(&home);
}

#[test]
fn a_vault_with_one_bit_changed_is_refused_and_left_as_it_is() {
    let home = Home::connected("");
    let good = home.vault();
    let body = body_at(&good);
    for (index, at) in (0..good.len()).step_by(9).enumerate() {
        let mut changed = good.clone();
        changed[at] ^= 1 << (index % 8);
        let words: &[&str] = if at < body {
            // The head: another version, another key, or nothing that can be read.
            &["the vault "]
        } else {
            &["the vault is damaged: its contents are not as they were written"]
        };
        assert_damaged(&home, &changed, words);
    }
    assert_whole(&home);
}

#[test]
fn blocks_that_changed_places_are_noticed() {
    let home = Home::connected("");
    let good = home.vault();
    let start = body_at(&good) + 12;
    for size in [1, 16, 64] {
        let mut swapped = good.clone();
        let (front, back) = swapped.split_at_mut(start + size);
        front[start..].swap_with_slice(&mut back[..size]);
        assert_ne!(swapped, good);
        assert_damaged(&home, &swapped, &["the vault is damaged"]);
    }
    assert_whole(&home);
}

#[test]
fn a_vault_of_a_newer_version_is_left_to_a_newer_authsome() {
    let home = Home::connected("");
    let good = home.vault();
    let rest = good.strip_prefix(b"authsome-vault 1").expect("its version");
    for (version, words) in [
        ("2", "the vault has version 2 of its format"),
        ("12", "the vault has version 12 of its format"),
    ] {
        let newer = [format!("authsome-vault {version}").as_bytes(), rest].concat();
        let hint = "use the authsome that wrote it, or a newer one";
        assert_damaged(&home, &newer, &[words, hint]);
    }
    assert_whole(&home);
}

#[test]
fn a_vault_of_another_home_is_not_opened_with_this_one_s_key() {
    let (home, other) = (Home::connected(""), Home::connected(""));
    let words = &["sealed with another key", "bring the right key back"];
    assert_damaged(&home, &other.vault(), words);
    // Nor does this one's head make it one of ours.
    let (own, foreign) = (home.vault(), other.vault());
    let (own_head, _) = own.split_at(body_at(&own));
    let (_, foreign_body) = foreign.split_at(body_at(&foreign));
    let joined = [own_head, foreign_body].concat();
    assert_damaged(&home, &joined, &["the vault is damaged"]);
    assert_whole(&home);
}

#[test]
fn a_key_that_is_missing_or_wrong_or_none_is_told_and_nothing_is_made_in_its_place() {
    let home = Home::connected("");
    let (path, good) = (home.own("master.key"), key(&home));
    fs::remove_file(&path).unwrap();
    assert_all_refused(
        &home,
        &["the vault's key is missing", "bring the right key back"],
    );
    assert!(!path.exists());
    for (text, words) in [
        (key(&Home::connected("")), "sealed with another key"),
        (String::new(), "holds no key"),
        ("no key".to_owned(), "holds no key"),
        (good.chars().skip(2).collect(), "holds no key"),
    ] {
        put(&path, text.as_bytes());
        assert_all_refused(&home, &[words]);
        assert_eq!(key(&home), text);
    }
    put(&path, good.as_bytes());
    assert_whole(&home);
}

#[test]
fn a_vault_that_is_no_plain_file_is_not_used() {
    let home = Home::connected("");
    let (vault, away) = (home.own("vault"), home.path("vault-of-old"));
    fs::rename(&vault, &away).unwrap();

    symlink(&away, &vault).unwrap();
    let link = |home: &Home, words: &[&str]| {
        assert_all_refused(home, words);
        assert_eq!(fs::read_link(home.own("vault")).unwrap(), away);
    };
    link(&home, &["cannot read", "vault"]);
    fs::remove_file(&vault).unwrap();

    let made = Command::new("mkfifo").arg(&vault).status().unwrap();
    assert!(made.success());
    set_mode(&vault, 0o600);
    for cmd in [
        home.authsome(["list"]),
        home.login(&["acme", "--force"], "another-0123"),
    ] {
        let output = cmd.run();
        output
            .assert_code(1)
            .assert_stderr(&["is not a plain file", "hint: move it away"]);
    }
    fs::remove_file(&vault).unwrap();

    fs::create_dir(&vault).unwrap();
    assert_all_refused(&home, &["is not a plain file", "hint: move it away"]);
    fs::remove_dir(&vault).unwrap();

    fs::rename(&away, &vault).unwrap();
    assert_whole(&home);
}

#[test]
fn a_run_does_not_start_with_a_vault_that_cannot_be_opened() {
    let home = Home::connected("");
    put(&home.own("vault"), b"nonsense");
    let output = home.authsome(["run", "--", "echo", "ran"]).run();
    output
        .assert_code(125)
        .assert_stderr(&["the vault is damaged", "hint:"])
        .assert_without("ran");
}

/// Checks that this mode is refused, and that the command which the hint names mends it.
fn assert_mode_refused(home: &Home, path: &Path, mode: u32) {
    let before = path.metadata().expect("a file").permissions();
    set_mode(path, mode);
    let shown = path.display().to_string();
    let asked = format!("can be used by others (mode {mode:04o})");
    let words = &[&*shown, &*asked, "hint: chmod go-"];
    let output = assert_refused(home, home.authsome(["list"]), words);
    assert_refused(
        home,
        home.login(&["acme", "--force"], "another-0123"),
        words,
    );
    let told = output.stderr();
    let (_, hint) = told.split_once("hint: ").expect("a hint");
    let (command, _) = hint.split_once(", if nobody").expect("a command in it");
    let mended = Command::new("sh")
        .args(["-c", command])
        .status()
        .expect("sh");
    assert!(mended.success(), "{command}");
    assert_whole(home);
    set_mode(path, before.mode());
}

#[test]
fn what_others_can_use_is_refused_until_its_mode_is_mended() {
    let home = Home::connected("");
    for mode in [0o770, 0o707, 0o720, 0o777] {
        assert_mode_refused(&home, &home.path("home/.authsome"), mode);
        assert_mode_refused(&home, &home.own("providers"), mode);
    }
    for mode in [0o644, 0o640, 0o604, 0o620, 0o602] {
        assert_mode_refused(&home, &home.own("vault"), mode);
        assert_mode_refused(&home, &home.own("master.key"), mode);
    }
}

#[test]
fn a_home_of_another_user_is_refused() {
    if is_root() {
        let home = Home::connected("");
        let words = &["belongs to user 65534, but this is user 0", "chown -R 0 "];
        for path in [home.own(""), home.own("vault"), home.own("master.key")] {
            chown(&path, Some(NOBODY), None).unwrap();
            assert_refused(&home, home.authsome(["list"]), words);
            assert_refused(
                &home,
                home.login(&["acme", "--force"], "another-0123"),
                words,
            );
            chown(&path, Some(0), None).unwrap();
        }
        assert_whole(&home);
    } else {
        let home = Home::new();
        let cmd = home.authsome(["list"]).env("AUTHSOME_HOME", "/");
        assert_refused(&home, cmd, &["/ belongs to user 0", "chown -R"]);
    }
}

#[test]
fn a_home_that_cannot_be_written_to_is_read_and_a_change_is_refused() {
    let home = Home::connected("");
    let binary = home.copy_of(BINARY, "authsome");
    let user = is_root().then_some(NOBODY);
    if let Some(user) = user {
        home.give(user);
    }
    set_mode(&home.own(""), 0o500);
    let cmd = |words: &[&str]| {
        let cmd = Cmd::new(&home, &binary).args(words).stdin(b"another-0123");
        match user {
            Some(user) => cmd.user(user),
            None => cmd,
        }
    };
    for words in [
        &["login", "acme", "--stdin", "--force"][..],
        &["login", "acme", "--stdin", "--connection", "second"],
        &["logout", "acme"],
        &["vault", "rekey"],
    ] {
        let words_of_error = &["cannot write", "Permission denied", "check the folder"];
        assert_refused(&home, cmd(words), words_of_error);
    }
    assert_eq!(names(&cmd(&["list", "--json"]).run()).len(), 1);
    cmd(&["run", "true"]).run().assert_code(0).assert_quiet();
    // Nor can a lock be made there, nor a vault.
    set_mode(&home.own(""), 0o700);
    fs::remove_file(home.own("vault.lock")).unwrap();
    set_mode(&home.own(""), 0o500);
    let words = &["cannot lock", "Permission denied", "check the folder"];
    assert_refused(&home, cmd(&["logout", "acme"]), words);
    set_mode(&home.own(""), 0o700);
    cmd(&["login", "acme", "--stdin", "--force"])
        .run()
        .assert_code(0);
}

#[test]
fn a_disk_that_takes_no_more_bytes_leaves_the_old_content() {
    let home = Home::connected("");
    for number in 0..7 {
        let name = format!("c{number}");
        let login = home.login(&["acme", "--connection", &name], SECRET);
        login.run().assert_code(0);
    }
    assert!(home.vault().len() > 1024, "too small to meet the limit");
    let before = home.files();
    // A file may have 512 bytes (or 1,024, as some shells count): writing more is an error, not a signal.
    let limited = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
    for words in [
        &["login", "acme", "--stdin", "--connection", "c9"][..],
        &["login", "acme", "--stdin", "--force"],
        &["logout", "acme"],
        &["default", "acme", "c1"],
        &["vault", "rekey"],
    ] {
        let cmd = Cmd::new(&home, "sh")
            .args(["-c", limited, BINARY])
            .args(words)
            .stdin(b"another-0123");
        assert_refused(
            &home,
            cmd,
            &[
                "cannot write",
                "vault.new",
                "File too large",
                "hint: make room, or raise the limit (ulimit -f), and try again: nothing was changed",
            ],
        );
    }
    assert_eq!(connections(&home).len(), 8);
    let login = home.login(&["acme", "--connection", "c9"], SECRET);
    login.run().assert_code(0);
    assert_eq!(connections(&home).len(), 9);
    // What a change of the key had prepared is gone with it.
    let sorted = |files: Vec<_>| files.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(sorted(home.files()), sorted(before));
    assert_whole(&home);
}

/// Fills a small disk under the home: in a mount namespace of its own, so that nothing of it is left.
const FULL_DISK: &str = r#"
set -u
mount -t tmpfs -o size=64k,mode=700 none "$AUTHSOME_HOME" || exit 77
"$BINARY" register acme.json || exit 10
echo one-0123456789 | "$BINARY" login acme --stdin || exit 11
cp "$AUTHSOME_HOME/vault" before && cp "$AUTHSOME_HOME/master.key" key || exit 12
cat /dev/zero > "$AUTHSOME_HOME/fill" 2>/dev/null && exit 13
echo two-0123456789 | "$BINARY" login acme --stdin --connection second && exit 14
echo two-0123456789 | "$BINARY" login acme --stdin --force && exit 15
"$BINARY" vault rekey && exit 16
cmp before "$AUTHSOME_HOME/vault" && cmp key "$AUTHSOME_HOME/master.key" || exit 17
"$BINARY" get acme --field credential --show-secret || exit 18
rm "$AUTHSOME_HOME/fill"
echo two-0123456789 | "$BINARY" login acme --stdin --connection second || exit 19
ls "$AUTHSOME_HOME"
"#;

#[test]
fn a_full_disk_leaves_the_old_content_and_asks_for_room() {
    let home = Home::new();
    home.acme("");
    fs::rename(home.own("providers/acme.json"), home.path("acme.json")).unwrap();
    // Where no disk can be made, the test above does what can be done.
    let can_mount = Command::new("unshare").args(["-m", "true"]).output();
    if !is_root() || !can_mount.is_ok_and(|output| output.status.success()) {
        return;
    }
    let output = Cmd::new(&home, "unshare")
        .args(["-m", "sh", "-c", FULL_DISK])
        .env("BINARY", BINARY)
        .run();
    if output.status.code() == Some(77) {
        return;
    }
    output.assert_code(0);
    assert_eq!(
        output.stdout(),
        "one-0123456789\naudit.log\nmaster.key\nproviders\nvault\nvault.lock\n"
    );
    let hint = "hint: make room on that disk, and try again: nothing was changed";
    assert_eq!(output.lines_with(hint), 3, "{output}");
}

#[test]
fn logins_that_are_killed_at_any_moment_leave_the_old_content_or_the_new() {
    let home = Home::connected("");
    let login = |name: &str| home.login(&["acme", "--connection", name], SECRET);
    let most = typical_time(|| login("measured").arg("--force"));
    let (mut before, mut after, mut ended) = (0, 0, 0);
    let mut known = connections(&home);
    for number in 0..KILLED_LOGINS {
        let name = format!("c{number}");
        let code = login(&name).killed_after(some_time(most));
        let now = connections(&home);
        let is_there = now.contains(&name);
        match code {
            None if is_there => after += 1,
            None => before += 1,
            Some(code) => {
                assert_eq!(code, 0, "{name}");
                assert!(is_there, "{name} was stored, and is not there");
                ended += 1;
            }
        }
        if is_there {
            known.insert(name);
        }
        assert_eq!(now, known);
    }
    println!(
        "{before} killed before the change, {after} after it, {ended} not killed; up to {most:?}"
    );
    assert_eq!(before + after + ended, KILLED_LOGINS);
    assert!(
        before > 0 && after + ended > 0,
        "it was never interrupted, or always"
    );
    assert_whole(&home);
}

#[test]
fn changes_of_the_key_that_are_killed_at_any_moment_leave_a_vault_that_opens() {
    let home = Home::connected("");
    let rekey = || home.authsome(["vault", "rekey"]);
    let most = typical_time(rekey);
    let (mut before, mut after) = (0, 0);
    for number in 0..KILLED_REKEYS {
        let sealed = home.vault();
        rekey().killed_after(some_time(most));
        if home.vault() == sealed {
            before += 1;
        } else {
            after += 1;
        }
        assert_whole(&home);
        // What was left half done is no obstacle to the next that writes.
        if number % 3 == 0 {
            let login = home.login(&["acme", "--connection", "second", "--force"], SECRET);
            login.run().assert_code(0);
            assert!(!home.own("master.key.next").exists());
            assert_whole(&home);
        }
    }
    println!("{before} killed before the change, {after} after it or not at all; up to {most:?}");
    assert!(
        before > 0 && after > 0,
        "it was never interrupted, or always"
    );
}

#[test]
fn imports_that_are_killed_at_any_moment_lose_no_key() {
    let home = Home::new();
    home.acme("");
    let file = home.path("env").display().to_string();
    let original = format!("A=b\nACME_API_KEY={SECRET}\n");
    let replaced = original.replace(SECRET, PLACEHOLDER);
    let import = || {
        home.file("env", &original);
        home.authsome(["logout", "acme", "--all"]).run();
        home.authsome(["import", "--yes", "--replace", &file])
    };
    let most = typical_time(import);
    let (mut before, mut after) = (0, 0);
    for _ in 0..KILLED_IMPORTS {
        import().killed_after(some_time(most));
        let content = fs::read_to_string(&file).unwrap();
        if content == original {
            before += 1;
            continue;
        }
        after += 1;
        assert_eq!(content, replaced);
        // What the file has lost is in the vault, and what it was can be had again.
        assert_whole(&home);
        let restore = home.authsome(["import", "--restore", &file]);
        restore.run().assert_code(0);
        assert_eq!(fs::read_to_string(&file).unwrap(), original);
    }
    println!("{before} killed before the change, {after} after it or not at all; up to {most:?}");
    assert!(
        before > 0 && after > 0,
        "it was never interrupted, or always"
    );
}

#[test]
fn two_that_write_at_once_lose_nothing() {
    let home = Home::connected("");
    let start = Instant::now();
    thread::scope(|scope| {
        for writer in ["a", "b"] {
            let home = &home;
            let write = move || {
                for number in 0..RECORDS {
                    let name = format!("{writer}{number}");
                    let login = home.login(
                        &["acme", "--connection", &name],
                        &format!("{SECRET}-{name}"),
                    );
                    login.run().assert_code(0);
                }
            };
            scope.spawn(write);
        }
    });
    println!("{} records in {:?}", 2 * RECORDS, start.elapsed());
    assert_eq!(connections(&home).len(), 2 * RECORDS + 1);
    for name in ["a0", "b0", "a249", "b249"] {
        let words = [
            "get",
            "acme",
            "--field",
            "credential",
            "--show-secret",
            "--connection",
            name,
        ];
        let output = home.authsome(words).run();
        assert_eq!(output.stdout(), format!("{SECRET}-{name}\n"));
    }
}

#[test]
fn four_that_make_the_home_at_once_make_one_key_and_lose_nothing() {
    for _ in 0..5 {
        let home = Home::new();
        let fresh = home.path("not/there/yet");
        let at_fresh = |cmd: Cmd| cmd.env("AUTHSOME_HOME", &fresh);
        thread::scope(|scope| {
            for number in 0..4 {
                let name = format!("c{number}");
                let login = at_fresh(home.login(&["huggingface", "--connection", &name], SECRET));
                scope.spawn(move || login.run().assert_code(0).status);
            }
        });
        let listed = at_fresh(home.authsome(["list", "--json"])).run();
        assert_eq!(names(&listed).len(), 4);
        assert_eq!(listed.stdout().matches("\"default\":true").count(), 1);
        let mut files: Vec<_> = fs::read_dir(&fresh)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().display().to_string())
            .collect();
        files.sort();
        assert_eq!(
            files,
            ["audit.log", "master.key", "vault", "vault.lock"],
            "{listed}"
        );
        for name in files {
            assert_eq!(fresh.join(name).metadata().unwrap().mode() & 0o777, 0o600);
        }
        assert_eq!(fresh.metadata().unwrap().mode() & 0o777, 0o700);
    }
}

#[test]
fn where_nothing_is_stored_no_command_makes_a_key_or_a_vault() {
    let home = Home::new();
    home.acme("");
    for words in [
        &["list"][..],
        &["list", "--all"],
        &["whoami"],
        &["get", "acme"],
        &["inspect", "acme"],
        &["export"],
        &["explain", HOST],
        &["doctor"],
        &["run", "true"],
        &["login", "acme", "--stdin"],
        &["login", "acme", "--from", "env:NO_SUCH"],
        &["default", "acme", "work"],
        &["logout", "acme"],
        &["logout", "acme", "--all"],
        &["revoke", "acme"],
        &["import", "--restore", "/no/such/file"],
    ] {
        let output = home.authsome(words).run();
        for name in ["vault", "master.key"] {
            assert!(!home.own(name).exists(), "{output}");
        }
    }
}

#[test]
fn a_new_key_that_is_none_changes_nothing() {
    let home = Home::connected("");
    let file = |name: &str, text: &str| format!("file:{}", home.file(name, text));
    let short = file("short", "00112233");
    let empty = home.file("empty", "\n");
    for (words, what) in [
        (&["--key", "env:NO_SUCH"][..], "NO_SUCH is not set"),
        (&["--key", "file:/no/such/file"], "no new key"),
        (&["--key", &short], "64 hexadecimal digits"),
        (&["--key", "command:echo leak-me"], "64 hexadecimal digits"),
        (&["--key", "command:false"], "no new key"),
        (&["--key", "command:no-such-program"], "no new key"),
        (
            &["--passphrase-file", "/no/such/file"],
            "cannot read the passphrase",
        ),
        (&["--passphrase-file", &empty], "the passphrase is empty"),
        (&["--passphrase"], "terminal"),
    ] {
        let before = home.vault();
        let output = home.authsome(["vault", "rekey"]).args(words).run();
        output.assert_code(1).assert_stderr(&[what, "hint: "]);
        output.assert_without("leak-me");
        assert_eq!(home.vault(), before, "{output}");
    }
    for words in [
        &["vault"][..],
        &["vault", "open"],
        &["vault", "rekey", "--key", "leak-me"],
        &["vault", "rekey", "--key", "env:A", "--passphrase"],
    ] {
        let output = home.authsome(words).run();
        output.assert_code(2).assert_without("leak-me");
    }
    assert_whole(&home);
}

#[test]
fn a_new_kept_key_shuts_the_old_one_out() {
    let home = Home::connected("");
    let old = key(&home);
    let output = home.authsome(["vault", "rekey"]).run();
    output
        .assert_code(0)
        .assert_stderr(&["with a new key, in master.key"]);
    let new = key(&home);
    assert_ne!(new, old);
    assert_whole(&home);
    let with = |key: &str| home.authsome(["list"]).env("AUTHSOME_MASTER_KEY", key);
    assert_refused(
        &home,
        with(&old),
        &["sealed with another key", "AUTHSOME_MASTER_KEY"],
    );
    with(&new).run().assert_code(0);
    put(&home.own("master.key"), old.as_bytes());
    assert_all_refused(&home, &["sealed with another key"]);
}

#[test]
fn a_passphrase_takes_the_place_of_the_key() {
    let home = Home::connected("");
    let file = home.file("passphrase", "correct horse\nsecond line\n");
    let output = home
        .authsome(["vault", "rekey", "--passphrase-file", &file])
        .run();
    output.assert_code(0).assert_without("correct horse");
    assert!(!home.own("master.key").exists());
    assert!(!contains(&home.vault(), SECRET) && !contains(&home.vault(), "correct horse"));

    let words = &[
        "it has a passphrase, and there is no terminal",
        "AUTHSOME_PASSPHRASE_FILE",
    ];
    assert_refused(&home, home.authsome(["list"]), words);
    assert_refused(
        &home,
        home.login(&["acme", "--force"], "another-0123"),
        words,
    );
    let with = |text: &str, words: &[&str]| {
        let file = home.file("given", text);
        home.authsome(words).env("AUTHSOME_PASSPHRASE_FILE", file)
    };
    for wrong in ["wrong horse", "correct horse \n"] {
        assert_refused(
            &home,
            with(wrong, &["list"]),
            &["sealed with another key", "passphrase"],
        );
    }
    assert_refused(&home, with("\n", &["list"]), &["is empty"]);
    for right in [
        "correct horse",
        "correct horse\n",
        "correct horse\r\n",
        "correct horse\nsecond line\n",
    ] {
        with(right, &["list"]).run().assert_code(0);
    }
    // And back.
    with("correct horse", &["vault", "rekey"])
        .run()
        .assert_code(0);
    assert_whole(&home);
}

/// Whether the bytes have this in them.
fn contains(all: &[u8], words: &str) -> bool {
    crate::support::contains(all, words.as_bytes())
}

#[test]
fn a_key_that_is_kept_elsewhere_takes_the_place_of_the_file() {
    let hex = "0123456789abcdef".repeat(4);
    let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let home = Home::connected("");
    let old = key(&home);
    let rekey = |source: &str| home.authsome(["vault", "rekey", "--key", source]);

    let output = rekey("env:NEW_KEY").env("NEW_KEY", &hex).run();
    output.assert_code(0).assert_without(&hex);
    assert!(!home.own("master.key").exists());
    assert_refused(
        &home,
        home.authsome(["list"]),
        &["the vault's key is missing"],
    );
    let with = |name: &str, value: &str, words: &[&str]| home.authsome(words).env(name, value);
    with("AUTHSOME_MASTER_KEY", &hex, &["list"])
        .run()
        .assert_code(0);
    let old_one = with("AUTHSOME_MASTER_KEY", &old, &["list"]);
    assert_refused(&home, old_one, &["sealed with another key"]);
    // A new one can't be kept where it is the environment that names it.
    let kept = with("AUTHSOME_MASTER_KEY", &hex, &["vault", "rekey"]);
    assert_refused(&home, kept, &["comes from the environment", "--key SOURCE"]);

    let file = home.file("key", &format!("{base64}\n"));
    let source = format!("file:{file}");
    let output = rekey(&source).env("AUTHSOME_MASTER_KEY", &hex).run();
    output.assert_code(0).assert_without(base64);
    with("AUTHSOME_MASTER_KEY_FILE", &file, &["list"])
        .run()
        .assert_code(0);
    let missing = with("AUTHSOME_MASTER_KEY_FILE", "/no/such/file", &["list"]);
    assert_refused(
        &home,
        missing,
        &["/no/such/file", "AUTHSOME_MASTER_KEY_FILE"],
    );

    let source = format!("command:echo {hex}");
    let output = rekey(&source).env("AUTHSOME_MASTER_KEY_FILE", &file).run();
    output.assert_code(0).assert_without(&hex);
    let command = format!("echo {hex}");
    with("AUTHSOME_MASTER_KEY_COMMAND", &command, &["list"])
        .run()
        .assert_code(0);
    let failing = with("AUTHSOME_MASTER_KEY_COMMAND", "false", &["list"]);
    assert_refused(&home, failing, &["AUTHSOME_MASTER_KEY_COMMAND", "false"]);
}

/// The answer to one request of a run.
fn ask(run: &Running) -> Message {
    run.proxy
        .exchange(HOST, &format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"))
}

#[test]
fn a_run_that_is_going_on_sees_what_becomes_of_the_vault() {
    let home = Home::connected("");
    let origin = Origin::start(always_ok);
    let run = home.authsome(["run"]).args(origin.args()).start();
    let change = |cmd: Cmd| cmd.run().assert_code(0).status;
    assert_eq!(ask(&run).status(), 200);
    change(home.authsome(["vault", "rekey"]));
    assert_eq!(ask(&run).status(), 200);
    change(home.login(&["acme", "--force"], "the-second-0123"));
    assert_eq!(ask(&run).status(), 200);
    change(home.login(&["acme", "--connection", "other"], "the-third-0123"));
    assert_eq!(ask(&run).status(), 200);
    change(home.authsome(["logout", "acme"]));
    let refused = ask(&run);
    let body = refused.assert_refusal(502, "proxy_configuration_error");
    let error = "no credential for acme: it was logged out meanwhile; log in again";
    assert_eq!(body["error"], error);
    assert_eq!(body["provider"], "acme");
    assert_eq!(body.as_object().unwrap().len(), 4, "{refused}");
    change(home.login(&["acme"], "the-fourth-0123"));
    assert_eq!(ask(&run).status(), 200);
    run.stop().assert_without(SECRET);
    let sent: Vec<String> = origin
        .finish()
        .requests
        .iter()
        .map(|request| request.one("Authorization").to_owned())
        .collect();
    let second = "Bearer the-second-0123";
    let first = format!("Bearer {SECRET}");
    assert_eq!(
        sent,
        [&*first, &*first, second, second, "Bearer the-fourth-0123"]
    );
}

#[test]
fn a_login_for_another_installation_brings_nothing_to_the_one_that_a_run_has() {
    let home = Home::new();
    let base_url = |host: &str| format!("https://{host}");
    let own = base_url(HOST);
    let login = home.login(
        &["gitlab", "--flow=api_key", "--base-url", &own],
        "the-first-0123",
    );
    login.run().assert_code(0);
    let origin = Origin::start(always_ok);
    let run = home.authsome(["run"]).args(origin.args()).start();
    let ask = || {
        let request = format!("GET /api/v4/user HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        run.proxy.exchange(HOST, &request)
    };
    assert_eq!(ask().status(), 200);
    let login = |host: &str, secret: &str| {
        let url = base_url(host);
        let words = ["gitlab", "--flow=api_key", "--force", "--base-url", &url];
        home.login(&words, secret).run().assert_code(0);
    };
    login("other.acme.test", SECRET);
    let body = ask().assert_refusal(502, "proxy_configuration_error");
    let error = "no credential for gitlab: there was a login for other hosts meanwhile; start authsome anew to use it";
    assert_eq!(body["error"], error);
    login(HOST, "the-third-0123");
    assert_eq!(ask().status(), 200);
    run.stop().assert_without(SECRET);
    let arrived = origin.finish();
    let arrived = arrived.requests.iter();
    let sent: Vec<_> = arrived
        .map(|request| request.one("Authorization").to_owned())
        .collect();
    assert_eq!(sent, ["Bearer the-first-0123", "Bearer the-third-0123"]);
}

#[test]
fn a_run_that_is_going_on_sends_nothing_while_the_vault_is_damaged() {
    let home = Home::connected("");
    let origin = Origin::start(always_ok);
    let run = home.authsome(["run"]).args(origin.args()).start();
    assert_eq!(ask(&run).status(), 200);
    let good = home.vault();
    put(&home.own("vault"), &good[..good.len() - 1]);
    let body = ask(&run).assert_refusal(502, "proxy_configuration_error");
    assert!(
        body["error"]
            .as_str()
            .unwrap()
            .contains("the vault is damaged")
    );
    put(&home.own("vault"), &good);
    assert_eq!(ask(&run).status(), 200);
    run.stop();
    assert_eq!(origin.finish().requests.len(), 2);
}

#[test]
fn a_new_key_that_would_be_lost_is_refused() {
    let home = Home::connected("");
    let shown = home.own("master.key").display().to_string();
    let link = home.path("link");
    symlink(&shown, &link).unwrap();
    let rekey = |words: &[&str]| home.authsome(["vault", "rekey"]).args(words);
    for path in [&*shown, &link.display().to_string()] {
        let words = &["keeps its own key", "copy it to another place"];
        let source = format!("file:{path}");
        assert_refused(&home, rekey(&["--key", &source]), words);
        assert_refused(&home, rekey(&["--passphrase-file", path]), words);
    }
    let random = "command:sh -c 'od -An -vtx1 -N32 /dev/urandom | tr -d \" \\n\"'";
    let words = &["gives another key each time", "keeps the key"];
    assert_refused(&home, rekey(&["--key", random]), words);
    assert_whole(&home);
    // One that reads the key where it is has it stay there.
    let source = format!("command:cat {shown}");
    rekey(&["--key", &source]).run().assert_code(0);
    assert_whole(&home);
}

#[test]
fn a_setting_for_the_key_that_is_of_no_use_is_an_error_and_no_key_is_made() {
    let no_text = OsStr::from_bytes(b"echo \xff");
    for (name, value) in [
        ("AUTHSOME_MASTER_KEY", OsStr::new("")),
        ("AUTHSOME_MASTER_KEY_FILE", OsStr::new("")),
        ("AUTHSOME_MASTER_KEY_COMMAND", OsStr::new("")),
        ("AUTHSOME_MASTER_KEY_COMMAND", no_text),
        ("AUTHSOME_PASSPHRASE_FILE", OsStr::new("")),
    ] {
        let home = Home::new();
        home.acme("");
        let login = home.login(&["acme"], SECRET).env(name, value);
        assert_refused(&home, login, &["no key for the vault", name]);
        assert!(!home.own("vault").exists() && !home.own("master.key").exists());
        let doctor = home.authsome(["doctor"]).env(name, value).run();
        doctor.assert_code(1);
        assert!(doctor.stdout().contains(name), "{doctor}");
    }
}

#[test]
fn who_makes_a_vault_is_told_where_its_key_is() {
    let home = Home::new();
    home.acme("");
    let login = |words: &[&str]| home.login(&["acme", "--force"], SECRET).args(words).run();
    let told = "made a vault; its key comes from ";
    let forget = || fs::remove_file(home.own("vault")).unwrap();
    let kept = home.own("master.key").display().to_string();
    login(&[]).assert_stderr(&[told, &kept]);
    assert_eq!(login(&[]).lines_with(told), 0);
    forget();
    login(&["--quiet"]).assert_quiet();
    forget();
    login(&["--json"]).assert_quiet();
    forget();
    let given = home
        .login(&["acme"], SECRET)
        .env("AUTHSOME_MASTER_KEY", key(&home));
    given
        .run()
        .assert_stderr(&[told, "the variable AUTHSOME_MASTER_KEY"]);
}

#[test]
fn what_fails_after_the_vault_was_written_is_told_so() {
    let home = Home::connected("");
    let hex = "0123456789abcdef".repeat(4);
    let with = |words: &[&str]| home.authsome(words).env("AUTHSOME_MASTER_KEY", key(&home));
    let rekey = with(&["vault", "rekey", "--key", "env:NEW_KEY"]).env("NEW_KEY", &hex);
    fs::remove_file(home.own("master.key")).unwrap();
    fs::create_dir(home.own("master.key")).unwrap();
    rekey
        .run()
        .assert_code(1)
        .assert_stderr(&["the vault was written, but ", "master.key is not a plain"]);
    let list = home.authsome(["list"]).env("AUTHSOME_MASTER_KEY", &hex);
    list.run().assert_code(0);
}

#[test]
fn a_folder_that_cannot_be_written_to_the_disk_is_told_and_the_change_is_there() {
    let home = Home::connected("");
    let binary = home.copy_of(BINARY, "authsome");
    let user = is_root().then_some(NOBODY);
    if let Some(user) = user {
        home.give(user);
    }
    let cmd = |words: &[&str]| {
        let cmd = Cmd::new(&home, &binary).args(words);
        match user {
            Some(user) => cmd.user(user),
            None => cmd,
        }
    };
    // Entries can be changed, but the folder itself can't be opened.
    set_mode(&home.own(""), 0o300);
    let logout = cmd(&["logout", "acme"]).run();
    set_mode(&home.own(""), 0o700);
    logout
        .assert_code(1)
        .assert_stderr(&["the vault was written, but ", "hint: check the folder"]);
    assert!(names(&cmd(&["list", "--json"]).run()).is_empty());
}

/// A line of the shell at a terminal; none where there is no program that makes one.
fn at_terminal(home: &Home, line: &str) -> Option<Cmd> {
    let found = Command::new("script").arg("--version").output();
    let is_known = found.is_ok_and(|output| contains(&output.stdout, "util-linux"));
    let cmd = Cmd::new(home, "script").args(["-qec", line, "/dev/null"]);
    is_known.then(|| cmd.env("BINARY", BINARY).env("TERM", "dumb"))
}

/// A home whose vault is sealed with a passphrase.
fn with_passphrase() -> Home {
    let home = Home::connected("");
    seal_with_passphrase(&home);
    home
}

/// Seals a home's vault with a passphrase.
fn seal_with_passphrase(home: &Home) {
    let file = home.file("passphrase", "correct horse\n");
    let rekey = home.authsome(["vault", "rekey", "--passphrase-file", &file]);
    rekey.run().assert_code(0);
}

#[test]
fn a_key_that_interrupts_at_the_passphrase_is_told_as_such() {
    let home = with_passphrase();
    for words in ["list", "run -- echo ran", "logout acme"] {
        let Some(cmd) = at_terminal(&home, &format!("exec \"$BINARY\" {words}")) else {
            return;
        };
        let mut asked = cmd.background();
        asked.wait_for_stdout(b"Passphrase of the vault: ");
        let typed = asked.stdin.as_mut().map(|stdin| stdin.write_all(b"\x03"));
        typed.expect("its input").expect("a key typed");
        asked.wait_for_stdout(b"interrupted; nothing was changed");
        let output = asked.end();
        output.assert_code(130).assert_without("hint:");
    }
}

#[test]
fn a_vault_that_gets_a_passphrase_during_a_run_asks_nobody_and_the_run_ends() {
    let home = Home::connected("");
    let origin = Origin::start(always_ok);
    let line = "exec \"$BINARY\" run $ORIGIN -- sh -c \"$CHILD\"";
    let Some(cmd) = at_terminal(&home, line) else {
        return;
    };
    let cmd = cmd.env("ORIGIN", origin.args().join(" "));
    let run = cmd.start_at_terminal();
    assert_eq!(ask(&run).status(), 200);
    seal_with_passphrase(&home);
    let body = ask(&run).assert_refusal(502, "proxy_configuration_error");
    let error = body["error"].to_string();
    assert!(error.contains("a passphrase meanwhile"), "{error}");
    assert!(!contains(&run.stop().stdout, "Passphrase of the vault"));
}
