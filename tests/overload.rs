//! Too much of everything: connections, peers that take their time, no descriptors, no threads. What is beyond a limit is refused
//! or closed, the others are served, and in the end the process holds what it held before.
//!
//! `AUTHSOME_TEST_CONNECTIONS=10000` makes the crowds as large as that, and `AUTHSOME_TEST_SECONDS=150` has the time limits waited for.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::client;
use crate::support::held::Held;
use crate::support::held::memory;
use crate::support::held::peak_memory;
use crate::support::is_root;
use crate::support::may_take;
use crate::support::origin::Conn;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::raised;
use crate::support::wait_until;
use crate::support::wire::Channel;
use crate::support::wire::End;

/// How many connections a crowd has.
fn crowd() -> usize {
    raised("AUTHSOME_TEST_CONNECTIONS", 300)
}

/// A request that keeps the connection.
fn get() -> String {
    format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// Answers each connection's only request, and keeps nothing open.
fn ok_once(conn: &mut Conn) {
    if conn.request().is_some() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        conn.channel.try_send(answer);
    }
}

/// Checks that a new client is served.
fn assert_serves(run: &Running) {
    assert_eq!(run.proxy.exchange(HOST, &get()).text(), "ok");
}

/// Whether a new client is served.
fn serves(run: &Running) -> bool {
    let mut client = run.proxy.plain();
    client.try_send(format!("GET https://{HOST}/ HTTP/1.0\r\n\r\n"));
    client.rest().0.ends_with(b"\r\n\r\nok")
}

/// What a process holds once it has served someone and all that this took is gone.
fn held_at_rest(run: &Running, origin: &Origin) -> Held {
    assert_serves(run);
    origin.wait_for_end();
    Held::at_rest(run.program.pid)
}

/// Idle connections to the proxy.
struct Crowd(Vec<TcpStream>);

impl Crowd {
    /// So many, and nothing is asked on them.
    fn new(run: &Running, count: usize) -> Self {
        Self(
            (0..count)
                .map(|_| client::connect(run.proxy.port))
                .collect(),
        )
    }

    /// How many have got an answer or were closed.
    fn refused(&self) -> usize {
        let is_refused = |socket: &&TcpStream| {
            socket.set_nonblocking(true).expect("a socket");
            let seen = socket.peek(&mut [0; 1]);
            !matches!(seen, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
        };
        self.0.iter().filter(is_refused).count()
    }

    /// What the proxy has said to those whom it has said something, each followed by its end.
    fn answers(self) -> Vec<Vec<u8>> {
        let answer = |socket: TcpStream| {
            socket.set_nonblocking(false).expect("a socket");
            Channel::new(Box::new(socket)).rest().0
        };
        let refused = self.0.into_iter().filter(|socket| {
            let seen = socket.peek(&mut [0; 1]);
            matches!(seen, Ok(1))
        });
        refused.map(answer).collect()
    }
}

#[test]
fn of_many_idle_connections_as_many_as_may_be_are_served_and_no_more() {
    const LIMIT: usize = 100;

    let home = Home::new();
    home.acme("");
    let origin = Origin::start(ok_once);
    let limit = LIMIT.to_string();
    let run = home
        .run(&origin)
        .args(["--max-connections", &limit])
        .start();
    let pid = run.program.pid;
    let before = held_at_rest(&run, &origin);
    let memory = peak_memory(pid);
    let mut early = run.proxy.tls(HOST);
    let count = crowd();
    let crowd = Crowd::new(&run, count);
    // The early one has a place too.
    let too_many = count - (LIMIT - 1);
    wait_until("those too many are refused", || crowd.refused() >= too_many);
    early.send(get());
    assert_eq!(early.response("GET").text(), "ok");
    assert_eq!(crowd.refused(), too_many);
    if let (Some(before), Some(peak)) = (memory, peak_memory(pid)) {
        println!(
            "{count} connections: {} KiB more at the most",
            peak - before
        );
        assert!(peak - before < 200 * LIMIT, "{peak} KiB");
    }
    let answers = crowd.answers();
    assert!(!answers.is_empty());
    for answer in answers {
        let answer = String::from_utf8(answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with("}\n"), "{answer}");
    }
    drop(early);
    wait_until("there is room", || serves(&run));
    before.wait_for(pid);
    run.stop().assert_quiet();
}

#[test]
fn those_who_are_turned_away_and_stay_take_no_place() {
    /// How many the proxy tells at once that there are too many. Each has a thread until it goes, or for a while.
    const TURNED_AWAY: usize = 64;

    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).args(["--max-connections", "1"]).start();
    let pid = run.program.pid;
    // Again where the machine was so slow that they had gone by the end.
    wait_until("someone is served while they stay", || {
        let mut first = client::connect(run.proxy.port);
        let connect = format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        let mut answer = [0; 12];
        let is_in = first.write_all(connect.as_bytes()).is_ok()
            && first.read_exact(&mut answer).is_ok()
            && answer == *b"HTTP/1.1 200";
        if !is_in {
            return false;
        }
        let stay = Crowd::new(&run, 100);
        wait_until("all are refused", || stay.refused() == 100);
        drop(first);
        wait_until("there is room", || serves(&run));
        let threads = Held::by(pid).threads;
        threads.is_none_or(|threads| threads > TURNED_AWAY)
    });
    run.stop();
}

#[test]
fn a_flood_of_connections_leaves_nothing_behind() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(ok_once);
    let run = home.run(&origin).start();
    let before = held_at_rest(&run, &origin);
    for number in 0..crowd() {
        let mut client = run.proxy.plain();
        match number % 4 {
            0 => {}
            1 => client.send("GET"),
            2 => client.send(format!("CONNECT {HOST}:443 HTTP/1.1\r\n\r\n")),
            _ => client.send("\0"),
        }
    }
    wait_until("there is room", || serves(&run));
    before.wait_for(run.program.pid);
    run.stop().assert_quiet();
}

#[test]
fn slow_heads_hold_nobody_up() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(ok_once);
    let run = home.run(&origin).start();
    let before = held_at_rest(&run, &origin);
    let mut slow: Vec<Channel> = (0..50)
        .map(|number| match number % 2 {
            0 => run.proxy.plain(),
            _ => run.proxy.tls(HOST),
        })
        .collect();
    for byte in b"GET /slow HTTP/1.1\r\nHost: " {
        for client in &mut slow {
            client.send([*byte]);
        }
    }
    assert_serves(&run);
    drop(slow);
    before.wait_for(run.program.pid);
    run.stop();
}

#[test]
fn slow_bodies_hold_nobody_up() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(ok_once);
    let run = home.run(&origin).start();
    let before = held_at_rest(&run, &origin);
    let mut slow: Vec<Channel> = (0..50).map(|_| run.proxy.tls(HOST)).collect();
    let head = format!("POST /slow HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100\r\n\r\n");
    for bytes in [&*head, "a", "b", "c"] {
        for client in &mut slow {
            client.send(bytes);
        }
    }
    assert_serves(&run);
    drop(slow);
    before.wait_for(run.program.pid);
    origin.wait_for_end();
    run.stop();
    let requests = origin.finish().requests;
    assert!(requests.iter().filter(|request| !request.whole).count() <= 50);
}

/// Sends as much as is taken within a second, and gives how much that was.
fn send_until_it_is_stuck(conn: &mut Conn) -> usize {
    const PART: usize = 64 * 1024;

    conn.expect_request();
    conn.send("HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
    let socket = conn.channel.socket();
    let second = Some(Duration::from_secs(1));
    socket.set_write_timeout(second).expect("a timeout");
    let parts = (0..64 * 1024 * 1024 / PART).take_while(|_| conn.channel.try_send([b'x'; PART]));
    parts.count() * PART
}

#[test]
fn clients_that_read_nothing_cost_little_memory() {
    const CLIENTS: usize = 10;

    let home = Home::new();
    home.acme("");
    let (tell, told) = mpsc::channel();
    let origin = Origin::start(move |conn| {
        let sent = send_until_it_is_stuck(conn);
        tell.send(sent).expect("someone who listens");
        // Comes to an end only because the proxy ends the connection.
        while conn.channel.fill() {}
    });
    let run = home.run(&origin).start();
    let pid = run.program.pid;
    let before = Held::by(pid);
    let memory = peak_memory(pid);
    let mut clients: Vec<Channel> = (0..CLIENTS).map(|_| run.proxy.tls(HOST)).collect();
    for client in &mut clients {
        client.send(get());
    }
    let sent: Vec<usize> = told.iter().take(CLIENTS).collect();
    let most = sent.iter().max().expect("one of them");
    assert!(*most < 64 * 1024 * 1024, "all of it was taken");
    if let (Some(before), Some(peak)) = (memory, peak_memory(pid)) {
        let each = (peak - before) / CLIENTS;
        println!("{each} KiB for each client that reads nothing; {most} bytes were taken");
        assert!(each < 800, "{each} KiB");
    }
    drop(clients);
    before.wait_for(pid);
    origin.wait_for_end();
    run.stop();
}

#[test]
fn connections_that_have_carried_much_give_the_memory_back() {
    const CLIENTS: usize = 64;

    let scene = Scene::new("", |conn| {
        while conn.request().is_some() {
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
            conn.send([b'x'; 1_000_000]);
        }
    });
    let pid = scene.run.program.pid;
    let exchange = || {
        let mut client = scene.client();
        client.send(get());
        assert_eq!(client.response("GET").body.len(), 1_000_000);
        client
    };
    exchange();
    let before = memory(pid);
    let clients: Vec<Channel> = (0..CLIENTS).map(|_| exchange()).collect();
    if let (Some(before), Some(after)) = (before, memory(pid)) {
        let each = after.saturating_sub(before) / CLIENTS;
        println!("{each} KiB for each idle connection that has carried much");
        assert!(each < 230, "{each} KiB");
    }
    drop(clients);
    scene.finish();
}

/// `authsome run`, led to this origin, under a limit that the shell sets.
fn limited(home: &Home, origin: &Origin, limit: &str) -> Cmd {
    Cmd::new(home, "sh")
        .args(["-c", &format!("{limit}; exec \"$0\" run \"$@\"")])
        .arg(BINARY)
        .args(origin.args())
        .env("ACME_API_KEY", SECRET)
}

#[test]
fn without_descriptors_connections_are_refused_or_wait_and_it_recovers() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(ok_once);
    for files in [32, 64, 200] {
        let run = limited(&home, &origin, &format!("ulimit -n {files}")).start();
        let before = held_at_rest(&run, &origin);
        let mut early = run.proxy.tls(HOST);
        let crowd = Crowd::new(&run, crowd());
        let few = files / 2;
        wait_until("those too many are refused", || {
            crowd.refused() + few >= crowd.0.len()
        });
        // Its own connection was promised a second descriptor.
        early.send(get());
        assert_eq!(early.response("GET").text(), "ok", "{files}");
        drop((crowd, early));
        wait_until("there is room", || serves(&run));
        before.wait_for(run.program.pid);
        run.stop().assert_quiet();
    }
}

#[test]
fn idle_connections_to_many_origins_do_not_use_up_the_descriptors() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let limits = limited(&home, &origin, "ulimit -n 64");
    let anywhere = format!("--connect-to={HOST}::127.0.0.1:{}", origin.port);
    let run = limits.arg(anywhere).start();
    for port in 1000..1200 {
        let mut client = run.proxy.plain();
        client.send(format!(
            "GET https://{HOST}:{port}/ HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n"
        ));
        let response = client.response("GET");
        assert_eq!(response.status(), 200, "{port}: {response}");
    }
    run.stop().assert_quiet();
}

#[test]
fn without_threads_connections_are_closed_and_it_recovers() {
    /// A user who runs nothing else.
    const USER: u32 = 61_207;

    if !is_root() {
        return;
    }
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(ok_once);
    let ca = home.file("ca.pem", &origin.ca_pem);
    home.give(USER);
    let run = Cmd::new(&home, "prlimit")
        .args(["--nproc=20:20", BINARY, "run", "--admit-root"])
        .args(["--upstream-ca", &ca])
        .args(origin.leads_here(&[HOST], 443))
        .env("ACME_API_KEY", SECRET)
        .user(USER)
        .start();
    let before = held_at_rest(&run, &origin);
    let mut early = run.proxy.tls(HOST);
    let crowd = Crowd::new(&run, 100);
    wait_until("those too many are closed", || crowd.refused() >= 80);
    // A name is resolved on a thread of its own: there is none, and the client hears so.
    early.send(get());
    assert_eq!(early.response("GET").text(), "ok");
    drop(early);
    let mut early = run.proxy.plain();
    early.try_send(
        "GET http://no-such-host.invalid/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    early.rest();
    drop((early, crowd));
    wait_until("there is room", || serves(&run));
    before.wait_for(run.program.pid);
    let output = run.stop();
    output.assert_quiet();
}

/// What the client gets where the origin sends this without end.
fn answered_without_end(first: &str, part: &'static str, version: &str) -> (Vec<u8>, End) {
    let first = first.to_owned();
    let scene = Scene::new("", move |conn| {
        conn.expect_request();
        conn.channel.try_send(&first);
        let parts = part.repeat(100);
        while conn.channel.try_send(&parts) {}
    });
    let mut client = scene.client();
    let lines = format!("Host: {HOST}\r\nConnection: close\r\n");
    client.send(format!("GET / {version}\r\n{lines}\r\n"));
    let (bytes, end) = client.rest();
    scene.finish();
    (bytes, end)
}

#[test]
fn a_response_s_head_without_end_becomes_a_502() {
    for (first, part) in [
        ("HTTP/1.1 200 OK\r\nX: ", "aaaaaaaaaaaaaaaaaaaaaaaa"),
        ("HTTP/1.1 200 OK\r\n", "X-Field: a value of some length\r\n"),
    ] {
        let (bytes, end) = answered_without_end(first, part, "HTTP/1.1");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("HTTP/1.1 502 "), "{text}");
        assert!(text.contains("error=http_protocol_error"), "{text}");
        assert_eq!(end, End::Clean);
    }
}

#[test]
fn interim_answers_without_end_are_cut() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let (bytes, end) = answered_without_end("", hints, "HTTP/1.1");
    assert!(bytes.len() <= 256 * 1024, "{} bytes", bytes.len());
    assert_ne!(end, End::Clean);
    // One that takes no interim answers has got nothing yet.
    let (bytes, end) = answered_without_end("", hints, "HTTP/1.0");
    assert!(bytes.starts_with(b"HTTP/1.1 502 "));
    assert_eq!(end, End::Clean);
}

#[test]
fn lines_of_chunks_and_trailers_without_end_are_refused_both_ways() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    for (first, part, status) in [
        // A size line, the extensions of all chunks together, one trailer, all of them.
        ("1;", "aaaaaaaaaaaaaaaaaaaaaaaa", 400),
        ("", "1;extension=1234567890\r\na\r\n", 400),
        ("0\r\nX: ", "aaaaaaaaaaaaaaaaaaaaaaaa", 431),
        ("0\r\n", "X-Trailer: a value of some length\r\n", 431),
    ] {
        let (bytes, end) = answered_without_end(&format!("{HEAD}{first}"), part, "HTTP/1.1");
        assert!(!bytes.ends_with(b"\r\n0\r\n\r\n"), "{first}");
        assert!(bytes.len() < 64 * 1024, "{first}: {} bytes", bytes.len());
        assert_ne!(end, End::Clean, "{first}");

        let scene = Scene::new("", |conn| while conn.request().is_some_and(|m| m.whole) {});
        let mut client = scene.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{first}"
        ));
        let parts = part.repeat(100);
        for _ in 0..20 {
            if !client.try_send(&parts) {
                break;
            }
        }
        client
            .response("POST")
            .assert_refusal(status, "http_request_error");
        assert!(scene.finish().arrived.requests.iter().all(|m| !m.whole));
    }
}

#[test]
fn heads_as_large_as_may_be_pass_and_larger_ones_do_not() {
    let scene = Scene::new("", |conn| {
        while let Some(request) = conn.request() {
            let size: Result<usize, _> = request.target().trim_start_matches('/').parse();
            let mut head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: ".to_vec();
            head.resize(size.expect("a size") - 4, b'a');
            conn.send([&*head, b"\r\n\r\nok"].concat());
        }
    });
    let exchange =
        |size: usize| scene.exchange(&format!("GET /{size} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(exchange(256 * 1024).text(), "ok");
    exchange(256 * 1024 + 1).assert_refusal(502, "http_protocol_error");
    for (size, status) in [(64 * 1024, 200), (64 * 1024 + 1, 431)] {
        let mut head = format!("GET /100 HTTP/1.1\r\nHost: {HOST}\r\nX: ").into_bytes();
        head.resize(size - 4, b'a');
        let mut client = scene.client();
        client.try_send([&*head, b"\r\n\r\n"].concat());
        assert_eq!(client.response("GET").status(), status, "{size}");
    }
    scene.finish();
}

#[test]
fn pipelined_requests_without_end_cost_little_memory() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let scene = Scene::new("", move |conn| {
        conn.expect_request();
        let _ = wait.lock().expect("the channel").recv();
    });
    let pid = scene.run.program.pid;
    let mut client = scene.client();
    client.send(get());
    scene.origin.wait_for_requests(1);
    let before = peak_memory(pid);
    let socket = client.socket();
    socket
        .set_write_timeout(Some(Duration::from_secs(1)))
        .expect("a timeout");
    let requests = get().repeat(1000);
    let sent = Arc::new(AtomicUsize::new(0));
    while client.try_send(&requests) {
        sent.fetch_add(requests.len(), Ordering::Relaxed);
        assert!(sent.load(Ordering::Relaxed) < 64 * 1024 * 1024);
    }
    if let (Some(before), Some(peak)) = (before, peak_memory(pid)) {
        assert!(peak - before < 1024, "{} KiB more", peak - before);
    }
    drop((client, go));
    scene.finish();
}

#[test]
fn what_takes_too_long_is_ended() {
    if !may_take(150) {
        return;
    }
    let scene = Scene::ok("");
    let before = Held::by(scene.run.program.pid);
    let patient = |channel: Channel, seconds| {
        let longer = Some(Duration::from_secs(seconds));
        let socket = channel.socket();
        socket.set_read_timeout(longer).expect("a timeout");
        channel
    };
    let idle = patient(scene.run.proxy.plain(), 140);
    let idle_in_tls = patient(scene.client(), 140);
    let no_handshake = patient(scene.run.proxy.tunnel(&format!("{HOST}:443")), 140);
    let ends = [idle, idle_in_tls, no_handshake].map(|mut channel| {
        let wait = move || channel.rest();
        thread::Builder::new().spawn(wait).expect("a thread")
    });
    // The head has 30 s, however little time passes between its bytes.
    let slow = [scene.run.proxy.plain(), scene.client()].map(|channel| {
        let mut channel = patient(channel, 20);
        let wait = move || {
            channel.send("GET / HTTP/1.1\r\nX: ");
            for _ in 0..25 {
                thread::sleep(Duration::from_secs(1));
                channel.send("a");
            }
            channel.response("GET")
        };
        thread::Builder::new().spawn(wait).expect("a thread")
    });
    for thread in slow {
        let response = thread.join().expect("an answer");
        response.assert_refusal(408, "http_request_error");
    }
    for thread in ends {
        let (bytes, _) = thread.join().expect("an end");
        assert_eq!(bytes, b"");
    }
    before.wait_for(scene.run.program.pid);
    scene.finish();
}
