//! The preload for Node: its file, the NODE_OPTIONS that name it, and what a Node does with it, where there is one.

use std::fs;
use std::process::Command;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::Output;
use crate::support::PLACEHOLDER;
use crate::support::SECRET;
use crate::support::is_root;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
#[cfg(target_os = "linux")]
use crate::support::wait_until;

/// Prints NODE_OPTIONS between brackets, and then whether the file behind the last `--require` can be read.
const SHOW: &str = "echo \"[${NODE_OPTIONS-none}]\"
file=${NODE_OPTIONS##*--require }; case $file in '\"'*) file=${file#?}; file=${file%?};; esac
test -r \"$file\" && echo readable; true";

/// NODE_OPTIONS of a program in this run, and whether the preload can be read in it.
fn shown(cmd: Cmd) -> (String, bool) {
    let output = cmd.args(["--", "/bin/sh", "-c", SHOW]).run();
    output.assert_code(0).assert_quiet();
    let text = output.stdout();
    let (options, rest) = text.split_once("]\n").expect("two parts");
    let options = options.strip_prefix('[').expect("a bracket");
    (options.to_owned(), rest == "readable\n")
}

#[test]
fn the_preload_is_there_during_the_run_and_gone_after_it() {
    let home = Home::new();
    let (options, is_readable) = shown(home.authsome(["run"]));
    let file = options.strip_prefix("--require ").expect("an option");
    let folder = home.temporary().join("authsome-run-");
    assert!(file.starts_with(&*folder.to_string_lossy()), "{options}");
    assert!(file.ends_with("/node-preload.cjs"), "{options}");
    assert!(is_readable);
    assert!(!fs::exists(file).expect("an answer"));
}

#[cfg(target_os = "linux")]
#[test]
fn what_outlives_the_run_finds_the_preload_and_the_next_run_after_it_removes_it() {
    let home = Home::new();
    let left = home.path("left");
    // Reads a line from a named pipe, and ends.
    let script = "mkfifo \"$0\"; cat \"$0\" >/dev/null 2>&1 & echo \"${NODE_OPTIONS#--require }\"";
    let cmd = home.authsome(["run", "--", "/bin/sh", "-c", script]);
    let output = cmd.arg(&left).run();
    output.assert_code(0);
    let text = output.stdout();
    let file = text.trim_end();
    assert!(fs::exists(file).expect("an answer"), "{output}");
    let next = || {
        let output = home.authsome(["run", "--", "true"]).run();
        output.assert_code(0);
    };
    next();
    assert!(fs::exists(file).expect("an answer"));
    fs::write(&left, "x\n").expect("a reader");
    wait_until("the preload is removed", || {
        next();
        !fs::exists(file).expect("an answer")
    });
}

#[test]
fn the_parent_s_options_stay_in_front_and_what_node_refuses_stays_alone() {
    let home = Home::new();
    let with = |options: &str| shown(home.authsome(["run"]).env("NODE_OPTIONS", options)).0;
    let options = with("--max-old-space-size=99");
    let start = "--max-old-space-size=99 --require /";
    assert!(options.starts_with(start), "{options}");
    assert_eq!(with("--title=\"half"), "--title=\"half");
}

#[test]
fn a_folder_with_a_space_and_quotes_gets_quotes_around_it() {
    let home = Home::new();
    let folder = home.path("tmp/with space");
    fs::create_dir(&folder).expect("a folder");
    let (options, is_readable) = shown(home.authsome(["run"]).env("TMPDIR", &folder));
    let start = format!("--require \"{}/authsome-run-", folder.display());
    assert!(options.starts_with(&start), "{options}");
    assert!(options.ends_with('"'), "{options}");
    assert!(is_readable);
}

#[test]
fn without_the_preload_nothing_is_added_and_nothing_written() {
    let home = Home::new();
    let without = || home.authsome(["run", "--no-node-preload"]);
    assert_eq!(shown(without()).0, "none");
    let (options, _) = shown(without().env("NODE_OPTIONS", "--inspect"));
    assert_eq!(options, "--inspect");
    let script = "ls \"${SSL_CERT_FILE%/*}\"";
    let output = without().args(["--", "sh", "-c", script]).run();
    assert!(!output.stdout().contains("node-preload"), "{output}");
}

#[test]
fn a_run_within_a_run_has_its_own_preload_alone() {
    let home = Home::new();
    let outer = |words: &[&str]| {
        let cmd = home.authsome(["run", "--", BINARY, "run"]).args(words);
        shown(cmd.env("NODE_OPTIONS", "--inspect"))
    };
    let (options, is_readable) = outer(&[]);
    assert_eq!(options.matches("--require ").count(), 1, "{options}");
    assert!(options.starts_with("--inspect --require /"), "{options}");
    assert!(is_readable);
    assert_eq!(outer(&["--no-node-preload"]).0, "--inspect");
}

#[test]
fn the_password_is_not_in_the_preload() {
    let home = Home::new();
    let script = "cat \"${NODE_OPTIONS#--require }\"; echo \"$HTTPS_PROXY\"";
    let output = home
        .authsome(["run", "--proxy-auth", "--", "/bin/sh", "-c", script])
        .run();
    output.assert_code(0);
    let text = output.stdout();
    let (user, address) = text.trim_end().rsplit_once('@').expect("a user");
    let (preload, url) = user.rsplit_once('\n').expect("two lines");
    let (_, password) = url.rsplit_once(':').expect("a password");
    assert!(preload.contains(&format!("'{address}'")), "{output}");
    assert!(preload.contains("-----BEGIN CERTIFICATE-----"), "{output}");
    assert!(!preload.contains(password), "{output}");
}

#[test]
fn the_program_of_another_user_can_read_the_preload() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    home.open_up();
    let cmd = home.authsome(["run", "--user", "65534"]);
    assert!(shown(cmd.folder("/".into())).1);
}

/// A run in which `node` is found, and is new enough for the preload; `None` where there is no such Node.
fn with_node(cmd: Cmd, script: &str) -> Option<Output> {
    let is_new = "process.exit(parseInt(process.versions.node) < 16 ? 1 : 0)";
    let found = Command::new("node").args(["-e", is_new]).status();
    if !found.is_ok_and(|status| status.success()) {
        return None;
    }
    let output = cmd
        .env("NODE_NO_WARNINGS", "1")
        .args(["--", "node", "-e", script])
        .run();
    output.assert_code(0);
    Some(output)
}

#[test]
fn an_agent_and_certificates_of_a_library_s_own_make_no_difference() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let script = format!(
        "const https = require('https'), tls = require('tls');
         const options = {{ agent: new https.Agent({{ keepAlive: true }}), ca: tls.rootCertificates[0] }};
         options.headers = {{ Authorization: 'Bearer ' + process.env.ACME_API_KEY }};
         https.get('https://{HOST}/v1', options, (answer) => {{
           console.log(answer.statusCode, answer.socket.authorized, answer.socket.remoteAddress);
           answer.resume();
         }}).on('socket', (socket) => socket.on('lookup', (error, address, family, host) => console.log(error, host)));"
    );
    let Some(output) = with_node(home.run(&origin), &script) else {
        return;
    };
    let expected = format!("null {HOST}\n200 true 127.0.0.1\n");
    assert_eq!(output.stdout(), expected, "{output}");
    let arrived = origin.finish();
    let authorization = format!("Bearer {SECRET}");
    assert_eq!(arrived.only().one("authorization"), authorization);
    arrived.assert_without(PLACEHOLDER);
}

#[test]
fn a_server_that_speaks_first_and_one_that_echoes_are_heard_in_order() {
    let home = Home::new();
    let origin = Origin::plain(|conn| {
        conn.send("220 hello\n");
        let line = conn.channel.take(6);
        conn.send(line);
    });
    let script = "const socket = require('net').connect(5432, 'db.test');
        const seen = [];
        for (const event of ['lookup', 'connect', 'ready', 'end', 'close']) socket.on(event, () => seen.push(event));
        seen.push(socket.connecting);
        socket.write('early\\n');
        let text = '';
        socket.on('data', (data) => (text += data));
        socket.on('close', () => console.log(JSON.stringify([text, ...seen])));";
    let cmd = home.authsome(["run", "--proxy-auth"]);
    let cmd = cmd.arg(format!(
        "--connect-to=db.test:5432:127.0.0.1:{}",
        origin.port
    ));
    let Some(output) = with_node(cmd, script) else {
        return;
    };
    let expected = r#"["220 hello\nearly\n",true,"lookup","connect","ready","end","close"]"#;
    assert_eq!(output.stdout().trim_end(), expected, "{output}");
}

#[test]
fn what_the_proxy_refuses_fails_with_its_words() {
    let home = Home::new();
    let script = "for (const module of ['net', 'tls'])
          require(module).connect(443, 'denied.test').on('error', (error) => console.log(module, error.code, error.message));";
    let cmd = home.authsome(["run", "--deny", "denied.test"]);
    let Some(output) = with_node(cmd, script) else {
        return;
    };
    let text = output.stdout();
    assert_eq!(text.lines().count(), 2, "{output}");
    for line in text.lines() {
        let said = "EACCES connect denied.test:443: authsome: denied.test:443 is refused by --deny";
        assert!(line.contains(said), "{output}");
    }
}

#[test]
fn this_machine_and_what_no_proxy_names_are_reached_directly() {
    let home = Home::new();
    let script = "const net = require('net');
        const server = net.createServer((socket) => socket.end('direct')).listen(0, '127.0.0.1', async () => {
          const { port } = server.address();
          require('dns').lookup = (host, options, done) =>
            options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
          for (const host of ['127.0.0.1', 'localhost', 'at.this.test', 'port.test'])
            await new Promise((next) => {
              const socket = net.connect({ host, port });
              socket.on('data', (data) => console.log(`${host} ${data}`)).on('error', console.log).on('close', next);
            });
          server.close();
        });
        process.env.NO_PROXY = '';";
    let cmd = home
        .authsome(["run", "--verbose"])
        .env("NO_PROXY", ".this.test,port.test");
    let Some(output) = with_node(cmd, script) else {
        return;
    };
    assert_eq!(output.stdout().matches(" direct\n").count(), 4, "{output}");
    assert!(!output.stderr().contains(".test"), "{output}");
}

#[test]
fn what_an_upstream_proxy_does_not_lead_to_is_reached_without_it_unless_egress_is_restricted() {
    let home = Home::new();
    let proxy = Origin::plain(|conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    });
    let script = "const net = require('net');
        const server = net.createServer((socket) => socket.end('direct')).listen(0, '127.0.0.1', () => {
          require('dns').lookup = (host, options, done) =>
            options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
          const socket = net.connect({ host: 'db.test', port: server.address().port });
          socket.on('data', (data) => console.log(`${data}`)).on('error', (error) => console.log(error.code));
          socket.on('close', () => server.close());
        });";
    let run = |words: &[&str]| {
        let url = format!("http://127.0.0.1:{}", proxy.port);
        let cmd = home.authsome(["run"]).args(words);
        with_node(cmd.env("HTTPS_PROXY", url), script)
    };
    let Some(output) = run(&[]) else {
        return;
    };
    assert_eq!(output.stdout(), "direct\n", "{output}");
    let output = run(&["--deny", "other.test"]).expect("a Node");
    assert_eq!(output.stdout(), "EHOSTUNREACH\n", "{output}");
    assert_eq!(proxy.requests().len(), 2);
}

#[test]
fn no_entry_of_no_proxy_keeps_node_from_starting() {
    let home = Home::new();
    let strange = "10.0.0.0/x,10.0.0.0/99,fe80::1%lo/64,[::1]:80,1.2.3.4/,/,%,:80,*.,**,[";
    let script = "require('net').connect(443, 'denied.test').on('error', (error) => console.log(error.code))";
    // Through the proxy, whose resolver finds nothing.
    let cmd = home.authsome(["run"]).env("NO_PROXY", strange);
    let Some(output) = with_node(cmd.env("HTTPS_PROXY", "http://127.0.0.1:1"), script) else {
        return;
    };
    assert_eq!(output.stdout(), "EHOSTUNREACH\n", "{output}");
}

#[test]
fn a_lookup_of_the_program_s_own_may_refuse_a_host_or_lead_it_to_this_machine() {
    let home = Home::new();
    let origin = Origin::plain(|conn| conn.send("through"));
    let script = "const net = require('net');
        const say = (name, socket) =>
          socket.on('data', (data) => console.log(name, `${data}`)).on('error', (error) => console.log(name, error.message));
        const found = (address) => (host, options, done) =>
          options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4);
        const server = net.createServer((socket) => socket.end('direct')).listen(0, '127.0.0.1', () => {
          const { port } = server.address();
          say('here', net.connect({ host: 'mock.test', port, lookup: found('127.0.0.1') }));
          say('there', net.connect({ host: 'db.test', port: 5432, lookup: found('192.0.2.1') }));
          say('nowhere', net.connect({ host: 'db.test', port: 5432, lookup: (host, options, done) => done(new Error('not allowed')) }));
          say('tls', require('tls').connect({ host: 'db.test', port: 5432, lookup: (host, options, done) => done(new Error('not allowed')) }));
          server.once('connection', () => server.close());
        });";
    let cmd = home.authsome(["run"]);
    let cmd = cmd.arg(format!(
        "--connect-to=db.test:5432:127.0.0.1:{}",
        origin.port
    ));
    let Some(output) = with_node(cmd, script) else {
        return;
    };
    let text = output.stdout();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let expected = [
        "here direct",
        "nowhere not allowed",
        "there through",
        "tls not allowed",
    ];
    assert_eq!(lines, expected, "{output}");
}
