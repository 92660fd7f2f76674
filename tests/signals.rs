//! Signals: which ones the program receives, how often, and which it inherits as blocked or ignored.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use crate::support::BINARY;
use crate::support::Background;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::is_ignored;
use crate::support::run_directories;
use crate::support::signal;
use crate::support::wait_until;

/// `authsome run -- sh -c SCRIPT`.
fn script(home: &Home, script: &str) -> Cmd {
    home.authsome(["run", "--", "sh", "-c", script])
}

// These children look for a signal again and again: a shell that waits in `read` may miss one that comes just before.
#[test]
fn term_reaches_a_child_that_catches_it_and_no_file_is_left() {
    let home = Home::new();
    let trap = "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let run = script(&home, trap).background();
    run.wait_for_stdout(b"ready");
    assert_eq!(run_directories(&home.temporary()).len(), 1);
    assert!(signal("TERM", &run.pid.to_string()));
    run.wait_for_stdout(b"caught");
    run.end().assert_code(3);
    assert!(run_directories(&home.temporary()).is_empty());
}

#[test]
fn a_signal_that_authsome_was_told_to_ignore_is_ignored_by_the_child_too() {
    let home = Home::new();
    let line = "trap '' HUP; exec \"$0\" run -- sh -c 'kill -HUP $$; echo alive'";
    let output = Cmd::new(&home, "sh").args(["-c", line, BINARY]).run();
    output.assert_code(0);
    assert_eq!(output.stdout(), "alive\n");
}

#[test]
fn other_signals_reach_the_child_too() {
    let signals = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("USR1", 10),
        ("USR2", 12),
        ("WINCH", 28),
    ];
    for (name, _) in signals
        .into_iter()
        .filter(|(_, number)| !is_ignored(*number))
    {
        let home = Home::new();
        let trap =
            format!("trap 'echo caught; exit 4' {name}; echo ready; while :; do sleep 0.05; done");
        let run = script(&home, &trap).background();
        run.wait_for_stdout(b"ready");
        assert!(signal(name, &run.pid.to_string()));
        run.wait_for_stdout(b"caught");
        run.end().assert_code(4);
    }
}

#[test]
fn a_child_that_term_ends_gives_143_and_no_file_is_left() {
    let home = Home::new();
    let run = script(&home, "echo ready; exec sleep 600").background();
    run.wait_for_stdout(b"ready");
    assert!(signal("TERM", &run.pid.to_string()));
    let output = run.end();
    output.assert_code(143).assert_quiet();
    assert!(run_directories(&home.temporary()).is_empty());
}

#[test]
fn a_child_that_ignores_term_goes_on() {
    let home = Home::new();
    let run = script(
        &home,
        "trap '' TERM; echo ready; read line; echo \"got $line\"",
    )
    .background();
    run.wait_for_stdout(b"ready");
    for _ in 0..2 {
        assert!(signal("TERM", &run.pid.to_string()));
    }
    let mut run = run;
    let mut stdin = run.stdin.take().expect("its input");
    stdin.write_all(b"more\n").expect("a line");
    run.wait_for_stdout(b"got more");
    run.end().assert_code(0);
}

/// A program that prints a word for each SIGTERM that it hears, and ends at a SIGWINCH. Of two signals that wait for it, it takes
/// SIGTERM first, whose number is lower. It never sleeps, so that no two are taken for one.
const COUNTER: &str =
    "trap 'echo heard' TERM; trap 'echo end; exit 5' WINCH; echo ready; while :; do :; done";

/// Ends [`COUNTER`] by way of authsome, and returns how often it has heard the signal: what authsome passes on, it passes on in order.
fn heard(run: Background) -> usize {
    run.wait_for_stdout(b"heard");
    assert!(signal("WINCH", &run.pid.to_string()));
    run.wait_for_stdout(b"end");
    let output = run.end();
    output.assert_code(5).assert_quiet();
    output.stdout().matches("heard").count()
}

/// The shell takes two signals for one if they come close enough together; so this is tried again and again.
#[test]
fn a_signal_to_the_whole_group_is_heard_once() {
    const TIMES: usize = 30;

    let home = Home::new();
    let run = script(&home, COUNTER).background();
    run.wait_for_stdout(b"ready");
    for sent in 1..=TIMES {
        assert!(signal("TERM", &format!("-{}", run.pid)));
        wait_until("the signal is heard", || {
            let printed = run.wait_for_stdout(b"heard");
            String::from_utf8_lossy(&printed).matches("heard").count() >= sent
        });
    }
    assert_eq!(heard(run), TIMES);
}

#[test]
fn a_signal_to_authsome_alone_is_heard_once() {
    let home = Home::new();
    let run = script(&home, COUNTER).background();
    run.wait_for_stdout(b"ready");
    assert!(signal("TERM", &run.pid.to_string()));
    assert_eq!(heard(run), 1);
}

#[test]
fn a_signal_to_authsome_and_at_once_to_the_group_is_heard_once() {
    let home = Home::new();
    let run = script(&home, COUNTER).background();
    run.wait_for_stdout(b"ready");
    // As timeout(1) does, in one system call after the other.
    let kill = format!("kill -s TERM -- {0} -{0}", run.pid);
    let sent = Cmd::new(&home, "sh").args(["-c", &kill]).run();
    sent.assert_code(0);
    assert_eq!(heard(run), 1);
}

#[test]
fn a_stop_right_behind_a_continuation_does_not_have_that_heard_again() {
    let home = Home::new();
    let counter = COUNTER.replace("' TERM", "' CONT; trap : TSTP");
    let run = script(&home, &counter).background();
    run.wait_for_stdout(b"ready");
    // As a shell's fg, and the terminal's suspend key soon behind it.
    assert!(signal("CONT", &format!("-{}", run.pid)));
    run.wait_for_stdout(b"heard");
    assert!(signal("TSTP", &format!("-{}", run.pid)));
    assert_eq!(heard(run), 1);
}

#[test]
fn a_program_that_has_left_the_group_hears_a_signal_to_it() {
    if !has("setsid") {
        return;
    }
    let home = Home::new();
    let run = home
        .authsome(["run", "--", "setsid", "sh", "-c", COUNTER])
        .background();
    run.wait_for_stdout(b"ready");
    assert!(signal("TERM", &format!("-{}", run.pid)));
    assert_eq!(heard(run), 1);
}

#[test]
fn authsome_s_second_process_ends_with_it_and_has_no_words_to_be_picked_by() {
    let home = Home::new();
    let run = script(&home, "echo ready; exec sleep 600").background();
    run.wait_for_stdout(b"ready");
    let others = processes_of_group(run.pid);
    let words = |pid: &String| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let silent: Vec<_> = others
        .iter()
        .filter(|pid| words(pid).iter().all(|byte| *byte == 0))
        .collect();
    assert_eq!((others.len(), silent.len()), (3, 1), "{others:?}");
    assert!(signal("KILL", &run.pid.to_string()));
    wait_until("the group is gone", || {
        processes_of_group(run.pid).is_empty()
    });
    run.end();
}

/// The processes of a group that have not ended.
fn processes_of_group(group: u32) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("processes");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
            let fields: Vec<_> = fields.split_whitespace().take(3).collect();
            matches!(fields[..], [state, _, its] if state != "Z" && its == group.to_string())
        })
        .collect()
}

/// Which signals are blocked and ignored in a child that this starts.
fn signals(cmd: Cmd) -> Vec<u64> {
    // The C library uses 32 and 33 for itself, and leaves them ignored in some children.
    const OF_LIBC: u64 = 0b11 << 31;

    let output = cmd.run();
    let text = output.stdout();
    let words = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    let masks = words.map(|word| u64::from_str_radix(word, 16).expect("a mask") & !OF_LIBC);
    masks.collect()
}

#[test]
fn the_child_s_signals_are_as_they_were_for_authsome() {
    let home = Home::new();
    let words = ["-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    // What the test's own parent ignores is ignored in both.
    let alone = signals(Cmd::new(&home, "grep").args(words));
    let child = signals(home.authsome(["run", "--", "grep"]).args(words));
    assert_eq!(alone.len(), 2);
    assert_eq!(child, alone);
}

/// Returns whether a program of this name is installed.
fn has(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// A command that starts authsome with the first signal blocked and the second ignored; `None` where env(1) can't do that.
fn with_signals(home: &Home, blocked: &str, ignored: &str) -> Option<Cmd> {
    let options = [
        format!("--block-signal={blocked}"),
        format!("--ignore-signal={ignored}"),
    ];
    let cmd = || Cmd::new(home, "env").args(&options);
    (cmd().args(["true"]).run().status.code() == Some(0)).then(cmd)
}

#[test]
fn a_run_that_was_started_to_hear_nothing_of_its_children_ends_with_the_program() {
    let home = Home::new();
    for (blocked, ignored) in [("CHLD", "USR1"), ("USR1", "CHLD"), ("TERM,CHLD", "PIPE")] {
        let Some(cmd) = with_signals(&home, blocked, ignored) else {
            return;
        };
        let run = [BINARY, "run", "--", "sh", "-c", "exit 3"];
        cmd.args(run).run().assert_code(3).assert_quiet();
    }
}

#[test]
fn what_was_blocked_or_ignored_for_authsome_is_so_for_the_program() {
    let home = Home::new();
    let words = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    for (blocked, ignored) in [("CHLD", "PIPE"), ("TERM,INT,USR2", "CHLD"), ("PIPE", "HUP")] {
        let Some(alone) = with_signals(&home, blocked, ignored) else {
            return;
        };
        let behind = with_signals(&home, blocked, ignored).expect("the same");
        let behind = behind.args([BINARY, "run", "--"]).args(words);
        assert_eq!(
            signals(behind),
            signals(alone.args(words)),
            "{blocked} {ignored}"
        );
    }
}

#[test]
fn a_script_without_an_interpreter_is_run_by_the_shell() {
    let home = Home::new();
    let folder = home.path("scripts");
    fs::create_dir(&folder).expect("a folder");
    let file = folder.join("says");
    fs::write(&file, "echo \"$0 says $*\"; exit 6\n").expect("a script");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("executable");
    let path = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    )))
    .expect("a path");
    let path = path.to_str().expect("text");
    let file = file.to_str().expect("text");
    for name in [file, "says"] {
        let output = home
            .authsome(["run", "--", name, "a", "b c"])
            .env("PATH", path)
            .run();
        output.assert_code(6).assert_quiet();
        assert_eq!(output.stdout(), format!("{file} says a b c\n"));
    }
}
