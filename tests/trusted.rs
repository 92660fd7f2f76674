//! `run --user`: what the program's user can change is neither run nor read by root, and other processes of that user are out of the
//! program's reach.

use std::fs;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

use crate::support::BINARY;
use crate::support::Background;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::NOBODY;
use crate::support::SECRET;
use crate::support::is_over;
use crate::support::is_root;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::signal;

/// Sets a mode.
fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode");
}

/// Gives a file or a link itself to the program's user.
fn give(path: impl AsRef<Path>) {
    std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).expect("its owner");
}

/// A home that every user can come to, with the provider `acme`, a folder `theirs` of the program's user and a folder `roots` of root's.
fn home() -> Home {
    let home = Home::new();
    for name in ["", "home", "tmp"] {
        set_mode(home.path(name), 0o711);
    }
    for name in ["theirs", "roots"] {
        fs::create_dir(home.path(name)).expect("a folder");
        set_mode(home.path(name), 0o755);
    }
    give(home.path("theirs"));
    home.acme("");
    home
}

/// `authsome run --user nobody`, in the root directory.
fn run(home: &Home, origin: &Origin) -> Cmd {
    let cmd = home.authsome(["run", "--user", "nobody"]);
    cmd.args(origin.args()).folder("/".into())
}

/// A run's program that asks the origin.
fn asks(cmd: Cmd) -> Cmd {
    cmd.args(["--", "curl", "-sS", &format!("https://{HOST}/")])
}

/// Writes a program that leaves a mark when it runs, and prints a credential.
fn write_program(home: &Home, name: &str, credential: &str) -> PathBuf {
    let mark = home.path("mark").display().to_string();
    let text = format!("#!/bin/sh\necho $0 >>{mark}\necho {credential}\n");
    let path = PathBuf::from(home.file(name, &text));
    set_mode(&path, 0o755);
    path
}

/// PATH with these folders of a home first.
fn search_path(home: &Home, names: &[&str]) -> String {
    let folders = names.iter().map(|name| home.path(name));
    let folders = folders.chain(["/usr/bin", "/bin"].map(PathBuf::from));
    let joined = std::env::join_paths(folders).expect("a PATH");
    joined.into_string().expect("UTF-8")
}

/// Asserts that the run was refused before its program ran, and says why in these words; that nothing was run, and nothing sent.
fn assert_refused(home: &Home, cmd: Cmd, words: &[&str]) {
    let output = cmd.args(["--", "echo", "ran"]).run();
    output.assert_code(125).assert_without("ran\n");
    output.assert_stderr(words);
    assert!(!home.path("mark").exists(), "{output}");
}

#[test]
fn a_source_s_program_in_a_folder_of_the_program_s_user_is_not_run() {
    if !is_root() {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    give(write_program(&home, "theirs/get-token", "of-theirs"));
    write_program(&home, "roots/get-token", SECRET);
    let output = asks(run(&home, &origin).arg("--credential=acme=command:get-token"))
        .env("PATH", search_path(&home, &["theirs", "roots"]))
        .run();
    output.assert_code(0);
    assert_eq!(output.stdout(), "ok", "{output}");
    let theirs = home.path("theirs").display().to_string();
    assert_eq!(output.lines_with(&theirs), 1, "{output}");
    output.assert_stderr(&["warning: ", "left out of PATH", "belongs to user 65534"]);
    let ran = fs::read_to_string(home.path("mark")).expect("it ran");
    let roots = home.path("roots/get-token").display().to_string();
    assert!(ran.lines().all(|line| line == roots), "{ran}");
    let arrived = origin.finish();
    assert_eq!(
        arrived.only().one("Authorization"),
        format!("Bearer {SECRET}")
    );
}

#[test]
fn a_program_that_is_found_nowhere_else_is_an_error_that_names_the_folder() {
    if !is_root() {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    give(write_program(&home, "theirs/get-token", "of-theirs"));
    let theirs = home.path("theirs").display().to_string();
    for (path, words) in [
        (search_path(&home, &["theirs"]), [&*theirs, "belongs to"]),
        (
            format!("theirs:{}", search_path(&home, &[])),
            ["theirs", "not an absolute path"],
        ),
    ] {
        let cmd = run(&home, &origin)
            .arg("--credential=acme=command:get-token")
            .env("PATH", path)
            .folder(home.path(""));
        assert_refused(
            &home,
            cmd,
            &["was not found in the folders", words[0], words[1]],
        );
    }
    // Without `--user` it is as it always was.
    let cmd = home
        .authsome(["run", "--credential=acme=command:get-token"])
        .args(origin.args());
    let output = asks(cmd).env("PATH", search_path(&home, &["theirs"])).run();
    assert_eq!(output.stdout(), "ok", "{output}");
}

#[test]
fn no_way_to_a_program_leads_through_what_others_can_change() {
    if !is_root() {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    let mine = |name: &str| home.path(name).display().to_string();
    write_program(&home, "roots/good", SECRET);
    give(write_program(&home, "roots/given", "x"));
    set_mode(write_program(&home, "roots/open", "x"), 0o775);
    write_program(&home, "theirs/of-root", "x");
    symlink(home.path("theirs/of-root"), home.path("roots/link")).expect("a link");
    symlink(home.path("roots"), home.path("theirs/folder")).expect("a link");
    for (name, mode) in [("group", 0o775), ("all", 0o757), ("sticky", 0o1777)] {
        fs::create_dir(home.path(name)).expect("a folder");
        write_program(&home, &format!("{name}/tool"), "x");
        set_mode(home.path(name), mode);
    }
    for (path, why) in [
        (mine("roots/given"), "belongs to user 65534, not to root"),
        (
            mine("roots/open"),
            "can be written to by others (mode 0775)",
        ),
        (mine("theirs/of-root"), "belongs to user 65534, not to root"),
        (mine("roots/link"), "belongs to user 65534, not to root"),
        (
            mine("theirs/folder/good"),
            "belongs to user 65534, not to root",
        ),
        (
            mine("theirs/../roots/../theirs/of-root"),
            "belongs to user 65534",
        ),
        (mine("group/tool"), "others can replace files (mode 0775)"),
        (mine("all/tool"), "others can replace files (mode 0757)"),
        // A file of root's may have been moved there.
        (
            mine("sticky/tool"),
            "is in a folder that others can write to",
        ),
    ] {
        let cmd = run(&home, &origin).arg(format!("--credential=acme=command:{path}"));
        assert_refused(&home, cmd, &["is not run as root", why]);
    }
    // What is all root's may be a link, and lead through any number of them.
    symlink(home.path("roots"), home.path("way")).expect("a link");
    symlink("good", home.path("roots/alias")).expect("a link");
    let path = mine("./way/../roots/alias");
    let output = asks(run(&home, &origin).arg(format!("--credential=acme=command:{path}"))).run();
    assert_eq!(output.stdout(), "ok", "{output}");
}

#[test]
fn a_script_gets_neither_the_folders_nor_the_working_directory_of_the_user() {
    if !is_root() {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    let seen = home.path("seen").display().to_string();
    let line = format!("sh -c 'echo $PATH >{seen}; pwd >>{seen}; echo {SECRET}'");
    for (folder, expected) in [("theirs", "/".to_owned()), ("roots", String::new())] {
        let folder = home.path(folder);
        let output = asks(run(&home, &origin).arg(format!("--credential=acme=command:{line}")))
            .env("PATH", search_path(&home, &["theirs", "roots"]))
            .folder(folder.clone())
            .run();
        assert_eq!(output.stdout(), "ok", "{output}");
        let found = fs::read_to_string(&seen).expect("it ran");
        let lines: Vec<&str> = found.lines().collect();
        assert_eq!(lines[0], search_path(&home, &["roots"]));
        let expected = match expected.is_empty() {
            true => folder.display().to_string(),
            false => expected,
        };
        assert_eq!(lines[1], expected);
    }
}

#[test]
fn a_command_gets_no_variable_that_leads_to_what_the_user_could_change() {
    if !is_root() {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    let seen = home.path("seen").display().to_string();
    let mark = home.path("mark").display().to_string();
    let script = home.file("theirs/env.sh", &format!("echo ran >>{mark}\n"));
    give(&script);
    let (theirs, roots) = (home.path("theirs"), home.path("roots"));
    let (theirs, roots) = (theirs.display(), roots.display());
    let line = format!("bash -c 'env >{seen}; echo {SECRET}'");
    let cmd = asks(run(&home, &origin).arg(format!("--credential=acme=command:{line}")))
        .env("BASH_ENV", &script)
        .env("HOME", home.path("theirs"))
        .env("PYTHONPATH", format!("{roots}:{theirs}/none"))
        .env("NODE_OPTIONS", format!("--no-warnings --require={script}"))
        .env("PERL5LIB", "/tmp")
        .env("RUBYLIB", format!("{roots}"))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("TMPDIR", "/tmp")
        .env("LANG", "C");
    let output = cmd.run();
    assert_eq!(output.stdout(), "ok", "{output}");
    assert!(!Path::new(&mark).exists(), "root has run the user's script");
    output.assert_stderr(&[
        "warning: left out for the commands that root runs",
        "user 65534 could change: ",
        "BASH_ENV",
        "PYTHONPATH",
    ]);
    let found = fs::read_to_string(&seen).expect("it ran");
    for name in ["BASH_ENV", "PYTHONPATH", "NODE_OPTIONS", "PERL5LIB"] {
        assert!(!found.contains(&format!("{name}=")), "{found}");
    }
    let roots_line = format!("RUBYLIB={roots}");
    for line in [
        &roots_line,
        "GIT_CONFIG_GLOBAL=/dev/null",
        "TMPDIR=/tmp",
        "LANG=C",
    ] {
        assert!(found.lines().any(|other| other == line), "{line}: {found}");
    }
    let has = |home: &str| found.lines().any(|line| line == format!("HOME={home}"));
    assert!(has("/root") || has("/"), "{found}");
}

#[test]
fn a_script_finds_no_program_in_a_folder_where_everybody_may_put_some() {
    if !is_root() {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    fs::create_dir(home.path("sticky")).expect("a folder");
    set_mode(home.path("sticky"), 0o1777);
    give(write_program(&home, "sticky/get-token", "of-theirs"));
    write_program(&home, "roots/get-token", SECRET);
    let seen = home.path("seen").display().to_string();
    let line = format!("sh -c 'pwd >{seen}; get-token'");
    let output = asks(run(&home, &origin).arg(format!("--credential=acme=command:{line}")))
        .env("PATH", search_path(&home, &["sticky", "roots"]))
        .folder(home.path("sticky"))
        .run();
    assert_eq!(output.stdout(), "ok", "{output}");
    let sticky = home.path("sticky").display().to_string();
    output.assert_stderr(&["left out of PATH", &sticky, "others can make files"]);
    let ran = fs::read_to_string(home.path("mark")).expect("it ran");
    let roots = home.path("roots/get-token").display().to_string();
    assert!(ran.lines().all(|line| line == roots), "{ran}");
    assert_eq!(fs::read_to_string(&seen).expect("it ran"), "/\n");
    let arrived = origin.finish();
    assert_eq!(
        arrived.only().one("Authorization"),
        format!("Bearer {SECRET}")
    );
}

#[test]
fn the_command_for_the_vault_s_key_is_found_in_the_same_way() {
    if !is_root() {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let login = home
        .login(&["acme"], SECRET)
        .env("AUTHSOME_MASTER_KEY", key);
    login.run().assert_code(0);
    give(write_program(&home, "theirs/get-key", key));
    let with = |names: &[&str]| {
        let cmd = run(&home, &origin).env("AUTHSOME_MASTER_KEY_COMMAND", "get-key");
        cmd.env("PATH", search_path(&home, names))
    };
    assert_refused(
        &home,
        with(&["theirs"]),
        &[
            "AUTHSOME_MASTER_KEY_COMMAND",
            "get-key was not found",
            "belongs to user 65534",
        ],
    );
    write_program(&home, "roots/get-key", key);
    let output = asks(with(&["theirs", "roots"])).run();
    assert_eq!(output.stdout(), "ok", "{output}");
    output.assert_stderr(&["warning: ", "left out of PATH"]);
    // A file with the key, likewise.
    fs::remove_file(home.path("mark")).expect("it ran");
    let file = home.file("theirs/key", key);
    let cmd = run(&home, &origin).env("AUTHSOME_MASTER_KEY_FILE", file);
    assert_refused(
        &home,
        cmd,
        &["theirs is a folder that belongs to user 65534"],
    );
}

#[test]
fn a_file_that_the_program_s_user_could_replace_is_not_read() {
    if !is_root() {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    let mine = |name: &str| home.path(name).display().to_string();
    for (name, mode) in [("group", 0o775), ("all", 0o757), ("sticky", 0o1777)] {
        fs::create_dir(home.path(name)).expect("a folder");
        home.file(&format!("{name}/key"), SECRET);
        set_mode(home.path(name), mode);
    }
    home.file("roots/key", SECRET);
    give(home.file("roots/given", SECRET));
    set_mode(home.file("roots/open", SECRET), 0o660);
    home.file("theirs/of-root", SECRET);
    symlink(home.path("roots/key"), home.path("theirs/link")).expect("a link");
    symlink(home.path("theirs/of-root"), home.path("roots/link")).expect("a link");
    symlink(home.path("roots/key"), home.path("sticky/link")).expect("a link");
    give(home.path("sticky/link"));
    for (path, why) in [
        (
            mine("roots/given"),
            "belongs to user 65534, the program's own",
        ),
        (
            mine("roots/open"),
            "can be written to by others (mode 0660)",
        ),
        (
            mine("theirs/of-root"),
            "is a folder that belongs to user 65534",
        ),
        (
            mine("theirs/link"),
            "is a folder that belongs to user 65534",
        ),
        (mine("roots/link"), "is a folder that belongs to user 65534"),
        (mine("sticky/link"), "in a folder that others can write to"),
        (mine("group/key"), "others can replace files (mode 0775)"),
        (mine("all/key"), "others can replace files (mode 0757)"),
        (mine("roots"), "directory"),
    ] {
        let cmd = run(&home, &origin).arg(format!("--credential=acme=file:{path}"));
        assert_refused(&home, cmd, &["no credential for acme", why]);
    }
    // A stored one is left out with a warning, as any that gives nothing.
    let login = [
        "login",
        "acme",
        "--from",
        &format!("file:{}", mine("theirs/of-root")),
    ];
    home.authsome(login).run().assert_code(0);
    let output = asks(run(&home, &origin)).run();
    output.assert_stderr(&["belongs to user 65534"]);
    origin.finish().assert_without(SECRET);
}

#[test]
fn secrets_are_read_as_containers_and_systemd_lay_them() {
    if !is_root() {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    // The kubelet: a folder that is open to all and sticky, links to links.
    let pod = home.path("pod");
    fs::create_dir_all(pod.join("..first")).expect("a folder");
    home.file("pod/..first/key", "of-the-first-0123");
    symlink("..first", pod.join("..data")).expect("a link");
    symlink("..data/key", pod.join("key")).expect("a link");
    set_mode(home.path("pod/..first/key"), 0o400);
    set_mode(&pod, 0o1777);
    // With the group that a pod asks for.
    chown(pod.join("..first"), Some(0), Some(4002)).expect("its group");
    set_mode(pod.join("..first"), 0o2755);
    // An engine's: a file of the host's in a folder of its own.
    let engine = home.file("roots/secret", "of-the-engine-0123");
    chown(&engine, Some(4003), Some(4003)).expect("its owner");
    set_mode(&engine, 0o600);
    // systemd's.
    fs::create_dir(home.path("unit")).expect("a folder");
    set_mode(home.file("unit/key", "of-the-unit-0123"), 0o400);
    set_mode(home.path("unit"), 0o500);
    let key = pod.join("key").display().to_string();
    for (path, secret) in [
        (&*key, "of-the-first-0123"),
        (&engine, "of-the-engine-0123"),
        (
            &home.path("unit/key").display().to_string(),
            "of-the-unit-0123",
        ),
    ] {
        let count = origin.requests().len();
        let output = asks(run(&home, &origin).arg(format!("--credential=acme=file:{path}"))).run();
        output.assert_quiet();
        assert_eq!(output.stdout(), "ok", "{output}");
        let sent = origin.requests()[count].one("Authorization").to_owned();
        assert_eq!(sent, format!("Bearer {secret}"), "{path}");
    }
    // A new value, by one link that is turned.
    let url = format!("https://{HOST}/");
    let script = format!("curl -sS {url}; read line; curl -sS {url}");
    let mut running = run(&home, &origin)
        .arg(format!("--credential=acme=file:{key}"))
        .args(["--", "sh", "-c", &script])
        .background();
    running.wait_for_stdout(b"ok");
    fs::create_dir(pod.join("..second")).expect("a folder");
    home.file("pod/..second/key", "of-the-second-0123");
    symlink("..second", pod.join("..new")).expect("a link");
    fs::rename(pod.join("..new"), pod.join("..data")).expect("the link turned");
    let mut input = running.stdin.take().expect("its input");
    input.write_all(b"\n").expect("a line");
    assert_eq!(running.end().stdout(), "okok");
    let requests = origin.finish().requests;
    let sent = requests.last().expect("it").one("Authorization");
    assert_eq!(sent, "Bearer of-the-second-0123");
}

#[test]
fn certificates_that_the_program_s_user_could_change_are_not_trusted() {
    if !is_root() {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    let theirs = home.path("theirs/ca.pem");
    fs::copy(origin.ca_file(), &theirs).expect("a copy");
    let cmd = |home: &Home| {
        let cmd = home
            .authsome(["run", "--user", "nobody"])
            .folder("/".into());
        cmd.args(origin.leads_here(&[HOST], 443))
            .env("ACME_API_KEY", SECRET)
    };
    let named = cmd(&home).arg("--upstream-ca").arg(&theirs);
    assert_refused(&home, named, &["--upstream-ca", "belongs to user 65534"]);
    let output = asks(cmd(&home).env("SSL_CERT_FILE", &theirs)).run();
    output.assert_stderr(&[
        "warning: SSL_CERT_FILE is not used",
        "belongs to user 65534",
    ]);
    assert_ne!(output.stdout(), "ok", "{output}");
    origin.finish().assert_nothing();
    // What Node trusts besides comes from root's reading too.
    let secret = home.file("roots/secret.pem", "-----BEGIN CERTIFICATE-----\ncanary\n");
    set_mode(&secret, 0o600);
    symlink(secret, home.path("theirs/extra.pem")).expect("a link");
    let output = home
        .authsome([
            "run",
            "--user",
            "nobody",
            "--",
            "sh",
            "-c",
            "cat $NODE_EXTRA_CA_CERTS",
        ])
        .env("NODE_EXTRA_CA_CERTS", home.path("theirs/extra.pem"))
        .folder("/".into())
        .run();
    output.assert_code(0).assert_without("canary");
    output.assert_stderr(&["warning: NODE_EXTRA_CA_CERTS is not used"]);
}

#[test]
fn a_home_definitions_and_a_log_in_the_user_s_folders_are_refused() {
    if !is_root() {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    let theirs = home.path("theirs/own");
    fs::create_dir_all(theirs.join("providers")).expect("a folder");
    for folder in [&theirs, &theirs.join("providers")] {
        set_mode(folder, 0o700);
    }
    for name in ["own", "new"] {
        let cmd = run(&home, &origin).env("AUTHSOME_HOME", home.path("theirs").join(name));
        assert_refused(
            &home,
            cmd,
            &["the home can't be used", "belongs to user 65534"],
        );
    }
    // Where somebody else could make it in the meantime, it is made at the start.
    fs::create_dir(home.path("sticky")).expect("a folder");
    set_mode(home.path("sticky"), 0o1777);
    let own = home.path("sticky/own/home");
    let cmd = run(&home, &origin).env("AUTHSOME_HOME", &own);
    cmd.args(["--no-audit", "--", "true"]).run().assert_code(0);
    for folder in [own.clone(), home.path("sticky/own")] {
        let mode = fs::metadata(folder).expect("it").permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
    }
    give(home.path("sticky/own"));
    let cmd = run(&home, &origin).env("AUTHSOME_HOME", &own);
    assert_refused(
        &home,
        cmd,
        &["the home can't be used", "belongs to user 65534"],
    );
    let log = run(&home, &origin)
        .arg("--audit-file")
        .arg(home.path("theirs/log"));
    assert_refused(
        &home,
        log,
        &["the audit log can't be used", "belongs to user 65534"],
    );
    assert!(!home.path("theirs/log").exists());
    // A definition that a link of root's leads to.
    let definition = home.own("providers/acme.json");
    fs::rename(&definition, home.path("theirs/acme.json")).expect("moved");
    symlink(home.path("theirs/acme.json"), &definition).expect("a link");
    let output = asks(run(&home, &origin).env("ACME_API_KEY", SECRET)).run();
    output.assert_stderr(&[
        "acme.json: ",
        "theirs is a folder that belongs to user 65534",
        "passed over",
    ]);
    origin.finish().assert_without(SECRET);
}

#[test]
fn a_run_s_files_are_never_where_others_can_replace_them() {
    if !is_root() {
        return;
    }
    let (home, tell) = (
        home(),
        "echo $SSL_CERT_FILE; cat $SSL_CERT_FILE >/dev/null && echo read",
    );
    let open = home.path("open");
    fs::create_dir(&open).expect("a folder");
    for mode in [0o777, 0o770] {
        set_mode(&open, mode);
        for user in [&["--user", "nobody"][..], &[]] {
            let words = [&["run"], user, &["--", "sh", "-c", tell]].concat();
            let cmd = home.authsome(words).folder("/".into());
            let output = cmd.env("TMPDIR", &open).run();
            output.assert_code(0).assert_quiet();
            let place = match user {
                [] => home.own("").display().to_string(),
                _ => "/dev/shm/".to_owned(),
            };
            assert!(output.stdout().starts_with(&place), "{output}");
            assert!(output.stdout().ends_with("read\n"), "{output}");
            let bundle = output.stdout();
            let bundle = Path::new(bundle.lines().next().expect("a line"));
            assert!(!bundle.parent().expect("a folder").exists(), "{output}");
        }
        assert_eq!(fs::read_dir(&open).expect("it").count(), 0);
    }
    // One of the user's own, and a way through one.
    let theirs = home.path("theirs");
    fs::create_dir(theirs.join("inner")).expect("a folder");
    for place in [theirs.clone(), theirs.join("inner")] {
        let cmd = home.authsome(["run", "--user", "nobody", "--", "sh", "-c", tell]);
        let output = cmd.env("TMPDIR", &place).folder("/".into()).run();
        assert!(output.stdout().starts_with("/dev/shm/"), "{output}");
    }
}

#[test]
fn without_a_place_for_temporary_files_the_user_still_reads_the_certificates() {
    if !is_root() {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    let cmd = run(&home, &origin).env("ACME_API_KEY", SECRET);
    let output = asks(cmd.env("TMPDIR", home.path("none"))).run();
    assert_eq!(output.stdout(), "ok", "{output}");
}

#[test]
fn who_moves_a_run_s_folder_away_has_root_change_nothing_else() {
    if !is_root() {
        return;
    }
    let home = home();
    let victim = home.path("roots/victim");
    fs::create_dir(&victim).expect("a folder");
    set_mode(&victim, 0o700);
    // As fast as a shell can: into the place of what is being made, a link to a folder of root's.
    let attack = "echo begun; cd \"$1\" || exit; i=0; while :; do for f in authsome-*; do i=$((i+1)); \
        mv -T \"$f\" moved$i && ln -s \"$2\" \"$f\" && echo moved; done; done 2>/dev/null";
    for mode in [0o777, 0o1777] {
        let place = home.path(&format!("place-{mode:o}"));
        fs::create_dir(&place).expect("a folder");
        set_mode(&place, mode);
        let attacker = Cmd::new(&home, "sh")
            .args(["-c", attack, "sh"])
            .arg(&place)
            .arg(&victim)
            .folder("/".into())
            .user(NOBODY)
            .background();
        attacker.wait_for_stdout(b"begun");
        for _ in 0..10 {
            let cmd = home.authsome(["run", "--user", "nobody", "--"]);
            let cmd = cmd.args(["sh", "-c", "cat $SSL_CERT_FILE >/dev/null"]);
            let output = cmd.env("TMPDIR", &place).folder("/".into()).run();
            output.assert_code(0).assert_quiet();
        }
        signal("KILL", &attacker.pid.to_string());
        attacker.end().assert_without("moved");
        let found = fs::metadata(&victim).expect("it").permissions().mode();
        assert_eq!(found & 0o7777, 0o700);
        assert_eq!(fs::read_dir(&place).expect("it").count(), 0);
    }
}

/// Whether Landlock's scopes are there: its ABI 6.
#[cfg(target_os = "linux")]
fn has_scopes(home: &Home) -> bool {
    let ask = "import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))";
    let cmd = Cmd::new(home, "/usr/bin/env").args(["python3", "-c", ask]);
    let version = cmd.run().stdout().trim().parse::<i32>();
    version.is_ok_and(|version| version >= 6)
}

/// Shell lines that print what works of these.
#[cfg(target_os = "linux")]
fn what_works(tries: &[String]) -> String {
    let tried = tries.iter().map(|what| {
        format!(
            "if ({what}) >/dev/null 2>&1; then echo '{}'; fi\n",
            what.replace('\'', "")
        )
    });
    tried.collect()
}

/// A process of this user beside the run, with a secret in its environment and a socket without a file.
#[cfg(target_os = "linux")]
fn bystander(home: &Home, name: &str, user: u32) -> Background {
    let script = format!(
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('\\0{name}'); s.listen(); print('up', flush=True); input()"
    );
    let cmd = Cmd::new(home, "/usr/bin/env").args(["python3", "-c", &script]);
    let cmd = cmd.env("CANARY", "of-the-bystander").folder("/".into());
    let other = cmd.user(user).background();
    other.wait_for_stdout(b"up");
    other
}

/// What a process may try with another.
#[cfg(target_os = "linux")]
fn tries_with(pid: u32, name: &str) -> Vec<String> {
    let connect = format!("import socket; socket.socket(socket.AF_UNIX).connect(\"\\0{name}\")");
    let attach =
        format!("import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(16, {pid}, 0, 0) != 0)");
    vec![
        format!("kill -0 {pid}"),
        format!("readlink /proc/{pid}/exe"),
        format!("ls /proc/{pid}/cwd/"),
        format!("dd if=/proc/{pid}/mem of=/dev/null count=0"),
        format!("/usr/bin/env python3 -c '{attach}'"),
        format!("cat /proc/{pid}/environ"),
        format!("/usr/bin/env python3 -c '{connect}'"),
    ]
}

#[test]
#[cfg(target_os = "linux")]
fn other_processes_of_the_program_s_user_are_out_of_its_reach() {
    let home = home_of_any();
    if !is_root() || !has_scopes(&home) {
        return;
    }
    let name = format!("authsome-test-{}-theirs", std::process::id());
    let other = bystander(&home, &name, NOBODY);
    let tries = tries_with(other.pid, &name);
    let script = what_works(&tries);
    let output = home
        .authsome(["run", "--user", "nobody", "--", "sh", "-c", &script])
        .folder("/".into())
        .run();
    output.assert_code(0);
    assert_eq!(output.stdout(), "", "{output}");
    // Without authsome, by the same user, all of it works.
    let cmd = Cmd::new(&home, "sh").args(["-c", &script]);
    let output = cmd.folder("/".into()).user(NOBODY).run();
    assert_eq!(output.stdout().lines().count(), tries.len(), "{output}");
    signal("KILL", &other.pid.to_string());
    other.end();
}

/// A home for any user who runs the tests.
#[cfg(target_os = "linux")]
fn home_of_any() -> Home {
    match is_root() {
        true => home(),
        false => Home::new(),
    }
}

#[test]
#[cfg(target_os = "linux")]
fn root_s_own_program_is_kept_from_other_processes_but_may_mount_and_connect() {
    let home = home_of_any();
    if !is_root() || !has_scopes(&home) {
        return;
    }
    let name = format!("authsome-test-{}-roots", std::process::id());
    let other = bystander(&home, &name, 0);
    let tries = tries_with(other.pid, &name);
    let output = home
        .authsome(["run", "--", "sh", "-c", &what_works(&tries)])
        .run();
    output.assert_code(0);
    // An administrator may look at a process (CAP_PERFMON), whatever its domain; and sockets without a file are many a tool's way.
    let text = output.stdout();
    let works: Vec<&str> = text.lines().collect();
    assert!(
        works.iter().any(|line| line.contains("connect(")),
        "{output}"
    );
    for denied in &tries[..5] {
        assert!(!works.contains(&&*denied.replace('\'', "")), "{output}");
    }
    let folder = home.path("roots").display().to_string();
    let mount = format!("mount -t tmpfs none {folder} && umount {folder}");
    let alone = Cmd::new(&home, "unshare").args(["--mount", "sh", "-c", &mount]);
    if alone.run().stderr().is_empty() {
        let words = ["run", "--", "unshare", "--mount", "sh", "-c", &mount];
        home.authsome(words).run().assert_code(0).assert_quiet();
    }
    signal("KILL", &other.pid.to_string());
    other.end();
}

#[test]
#[cfg(target_os = "linux")]
fn without_root_it_takes_no_new_privileges_to_be_kept_from_others() {
    let home = home_of_any();
    if !is_root() || !has_scopes(&home) {
        return;
    }
    let binary = home.copy_of(BINARY, "authsome");
    home.give(NOBODY);
    let name = format!("authsome-test-{}-free", std::process::id());
    let other = bystander(&home, &name, NOBODY);
    let script = what_works(&[format!("kill -0 {}", other.pid)]);
    // The other home is the other user's.
    let roots = Home::new();
    let own = roots.own("");
    let has_none = ["--bounding-set=-all", "--inh-caps=-all"];
    for (privileges, user, expected) in [
        (&["--no-new-privs"][..], NOBODY, 0),
        (&["--inh-caps=-all"], NOBODY, 1),
        // As in a container whose root may do nothing.
        (&has_none, 0, 0),
    ] {
        let cmd = Cmd::new(&home, "setpriv").args(privileges).arg(&binary);
        let cmd = cmd.args(["run", "--quiet", "--no-audit", "--"]);
        let cmd = match user {
            0 => cmd
                .env("AUTHSOME_HOME", &own)
                .env("TMPDIR", roots.temporary()),
            _ => cmd.user(user),
        };
        let output = cmd.args(["sh", "-c", &script]).folder("/".into()).run();
        output.assert_code(0);
        assert_eq!(output.stdout().lines().count(), expected, "{output}");
    }
    signal("KILL", &other.pid.to_string());
    other.end();
}

#[test]
#[cfg(target_os = "linux")]
fn within_a_run_processes_signal_each_other_and_runs_nest() {
    if !is_root() {
        return;
    }
    let home = home();
    let script = format!(
        "export HOME=$(mktemp -d)
        sleep 60 & kill -TERM $!; wait $!; echo child $?
        sh -c 'sleep 60 & echo $! >$HOME/pid; mv $HOME/pid $HOME/there; wait' & first=$!
        while ! [ -e $HOME/there ]; do sleep 0.01; done
        kill -TERM $(cat $HOME/there); wait $first; echo grandchild $?
        cat /proc/$$/environ >/dev/null; echo own $?
        sleep 60 & kill -STOP $!; kill -CONT $!; kill -TERM $!; wait $!; echo stopped $?
        {BINARY} run --quiet -- sh -c 'kill -TERM $$'; echo inner $?
        rm -rf $HOME
        trap 'echo heard' TERM; kill -TERM 0; echo after"
    );
    let expected = "child 143\ngrandchild 0\nown 0\nstopped 143\ninner 143\nheard\nafter\n";
    for user in [&["--user", "nobody"][..], &[]] {
        let words = [&["run"], user, &["--", "sh", "-c", &script]].concat();
        let cmd = home.authsome(words).folder("/".into());
        let output = cmd.env("TMPDIR", "/tmp").run();
        output.assert_code(0);
        assert_eq!(output.stdout(), expected, "{output}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_end_of_authsome_is_heard_in_the_domain() {
    if !is_root() {
        return;
    }
    let home = home();
    let script = "trap 'echo gone >&2; exit' TERM; echo pid=$$.; while :; do sleep 0.05; done";
    let run = home
        .authsome(["run", "--", "sh", "-c", script])
        .background();
    let printed = run.wait_for_stdout(b".\n");
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let child = printed
        .trim()
        .trim_start_matches("pid=")
        .trim_end_matches('.');
    assert!(signal("KILL", &run.pid.to_string()));
    crate::support::wait_until("the child has ended", || is_over(child));
    run.wait_for_stderr("gone");
}

/// Gives this thread, and what it starts, a keyring of its own with a key of this name in it; false where there are no keyrings.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library makes keys in the kernel")]
fn make_key(name: &std::ffi::CStr) -> bool {
    let none = std::ptr::null::<u8>();
    // SAFETY: KEYCTL_JOIN_SESSION_KEYRING with no name; no memory is read.
    if unsafe { libc::syscall(libc::SYS_keyctl, 1_i64, none) } < 0 {
        return false;
    }
    let kind = c"user".as_ptr();
    // SAFETY: add_key(2) reads two strings that end with a zero, and so many bytes; KEY_SPEC_SESSION_KEYRING.
    let made = unsafe {
        libc::syscall(
            libc::SYS_add_key,
            kind,
            name.as_ptr(),
            SECRET.as_ptr(),
            SECRET.len(),
            -3_i64,
        )
    };
    made > 0
}

#[test]
#[cfg(target_os = "linux")]
fn keys_that_the_kernel_keeps_for_root_are_not_handed_on() {
    const NAME: &str = "authsome-test-of-keys";

    if !is_root() || !make_key(c"authsome-test-of-keys") {
        return;
    }
    let (home, origin) = (home(), Origin::start(always_ok));
    // A change of user alone leaves them in reach.
    let plain = Cmd::new(&home, "cat").arg("/proc/keys").user(NOBODY);
    let plain = plain.folder("/".into()).run();
    assert!(plain.stdout().contains(NAME), "{plain}");
    let output = run(&home, &origin).args(["--", "cat", "/proc/keys"]).run();
    output.assert_code(0).assert_without(NAME);
}
