//! A run, its origins and a client, on which cases are played one after another.

use std::fmt;
use std::sync::Arc;

use super::board::Board;
use super::board::PATIENCE;
use super::board::pieces;
use super::case;
use super::case::Arrival;
use super::case::Case;
use super::case::Door;
use super::case::Receipt;
use super::case::Side;
use super::case::Then;
use super::case::short;
use super::normal::find;
use super::normal::normal;
use crate::support::Home;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::queue::Queue;
use crate::support::wire::Channel;
use crate::support::wire::End;
use crate::support::wire::Filled;

/// The providers: their names and fields, for different hosts and ways to take a credential.
const PROVIDERS: [(&str, &str); 6] = [
    ("acme", ""),
    (
        "keyed",
        r#""api_url": "auth.acme.test", "header_name": "X-Api-Key", "header_prefix": null, "extra_headers": {"X-Version": "7"}"#,
    ),
    (
        "basic",
        r#""api_url": "api7.acme.test", "in": "basic", "username": "token""#,
    ),
    (
        "query",
        r#""api_url": "idp.test", "in": "query", "param": "key""#,
    ),
    ("paths", r#""api_url": "https://apix.github.com/v1""#),
    (
        "lenient",
        r#""api_url": "uploads.github.com", "inject": "if-placeholder""#,
    ),
];

/// The hosts that lead to the origin with TLS.
const HOSTS: [&str; 7] = [
    HOST,
    "auth.acme.test",
    "api7.acme.test",
    "idp.test",
    "apix.github.com",
    "uploads.github.com",
    "other.test",
];

/// The hosts that lead to the origin in the clear.
const PLAIN: [&str; 2] = ["plain.test", HOST];

/// A play that did not go as its case says.
pub(super) struct Failure {
    /// The case: its place and name.
    case: String,
    /// The pieces.
    cuts: String,
    /// What was wrong.
    what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}:\n{}", self.case, self.cuts, self.what)
    }
}

/// A client's connection.
struct Client {
    /// Where it leads.
    door: Door,
    /// Its bytes.
    channel: Channel,
    /// What the proxy has not read of it.
    queue: Queue,
}

/// Where cases are played.
pub(super) struct Stage {
    /// The run.
    run: Running,
    /// The origin with TLS.
    secure: Origin,
    /// The origin without.
    plain: Origin,
    /// What both know.
    board: Arc<Board>,
    /// The connection that is open.
    client: Option<Client>,
}

impl Stage {
    /// A new one.
    pub(super) fn new() -> Self {
        let home = Home::new();
        for (name, fields) in PROVIDERS {
            home.like_acme(name, fields);
        }
        let board = Arc::new(Board::default());
        let serving = Arc::clone(&board);
        let secure = Origin::start(move |conn| serving.serve(conn));
        let serving = Arc::clone(&board);
        let plain = Origin::plain(move |conn| serving.serve(conn));
        let mut cmd = home
            .authsome(["run", "--quiet"])
            .args(secure.args_for(&HOSTS))
            .args(plain.leads_here(&PLAIN, 80));
        for (name, _) in PROVIDERS {
            cmd = cmd.env(&format!("{}_API_KEY", name.to_ascii_uppercase()), SECRET);
        }
        let mut stage = Self {
            run: cmd.start(),
            secure,
            plain,
            board,
            client: None,
        };
        // What goes without a credential to where one was sent is asked for another answer: so that the order of cases doesn't count,
        // it was sent to each of those where some go without.
        for host in ["apix.github.com", "uploads.github.com"] {
            let played = stage.play(&case::first(host), &[]);
            played.unwrap_or_else(|failure| panic!("{failure}"));
            stage.client = None;
        }
        stage
    }

    /// Plays a case with its bytes cut at these places.
    pub(super) fn play(&mut self, case: &Case, cuts: &[usize]) -> Result<(), Failure> {
        let before = self.board.begin(case, cuts);
        let mut what = String::new();
        if !before.is_empty() {
            what = format!("  since the play before, there arrived\n{}", shown(&before));
        }
        if let Err(wrong) = self.act(case, cuts) {
            what.push_str(&wrong);
        }
        if what.is_empty() {
            return Ok(());
        }
        self.client = None;
        Err(Failure {
            case: format!("{} ({})", case.name, case.place),
            cuts: match cuts {
                [] => "in one piece".to_owned(),
                [at] => format!("cut at {at}"),
                many => format!("in {} pieces", many.len() + 1),
            },
            what,
        })
    }

    /// Sends what the client sends, and holds what both sides receive against what they shall.
    fn act(&mut self, case: &Case, cuts: &[usize]) -> Result<(), String> {
        let mut client = match self.client.take() {
            Some(client) if client.door == case.door => client,
            _ => self.connect(&case.door),
        };
        let cuts = if case.side == Side::Client { cuts } else { &[] };
        for (index, piece) in pieces(&case.send, cuts).iter().enumerate() {
            if index > 0 && !client.queue.wait_until_read(|| false) {
                return Err(format!("  the proxy does not read beyond piece {index}\n"));
            }
            // The proxy may have had enough.
            if !client.channel.try_send(piece) {
                break;
            }
        }
        if case.ends_sending {
            client.channel.end_sending();
        }
        let received = client.receive(case);
        let mut what = received.err().unwrap_or_default();
        // A request that is not completed takes its connection along, and there is no other: see `play_all`.
        if matches!(case.arrival, Arrival::Part(_)) && !self.secure.is_left_alone() {
            what.push_str("  the connection to the origin stays open\n");
        }
        let (arrived, is_right) = self.board.conclude(case);
        if !is_right {
            what.push_str(&format!(
                "  the origin received\n{}  and shall receive\n    {}\n",
                shown(&arrived),
                case.arrival
            ));
        }
        if what.is_empty() {
            if case.then == Then::Open {
                self.client = Some(client);
            }
            return Ok(());
        }
        Err(format!("{what}  of\n{}", shown(&case.send)))
    }

    /// A connection to there.
    fn connect(&self, door: &Door) -> Client {
        let channel = match door {
            Door::Tls(host) => self.run.proxy.tls(host),
            Door::Proxy => self.run.proxy.plain(),
        };
        let socket = channel.socket();
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Client {
            door: door.clone(),
            queue: Queue::of_peer(&socket),
            channel,
        }
    }

    /// Ends the run. Whatever arrived after the last play is a failure.
    pub(super) fn finish(mut self) {
        self.client = None;
        self.run.stop().assert_without(SECRET).assert_quiet();
        self.secure.finish();
        self.plain.finish();
        let late = self.board.rest();
        assert!(
            late.is_empty(),
            "after all plays, there arrived\n{}",
            shown(&late)
        );
    }
}

impl Client {
    /// Receives, and holds it against what shall come.
    fn receive(&mut self, case: &Case) -> Result<(), String> {
        let mut all = Vec::new();
        let mut end = None;
        let is_kept = matches!(case.then, Then::Open | Then::Tunnel);
        let mut progress = progress_of(case, &all);
        while end.is_none()
            && !(is_kept && progress == Progress::Whole || progress == Progress::Wrong)
        {
            match self.channel.try_fill() {
                Filled::More => all.extend(self.channel.received()),
                Filled::Ended(how) => end = Some(how),
                Filled::Nothing => break,
            }
            progress = progress_of(case, &all);
        }
        let is_end_right = match (case.then, end) {
            (Then::Open | Then::Tunnel, None) | (Then::Closed, Some(End::Clean)) => true,
            // A reset says so too.
            (Then::Cut, Some(how)) => how != End::Clean,
            _ => false,
        };
        if progress == Progress::Whole && is_end_right {
            return Ok(());
        }
        Err(format!(
            "  the client received\n{}    and then {}\n  and shall receive\n    {}\n    and then {:?}\n",
            shown(&normal(&all)),
            end.map_or_else(|| "nothing".to_owned(), |how| format!("{how:?}")),
            case.receipt,
            case.then
        ))
    }
}

/// How far what the client receives has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// It is what shall come.
    Whole,
    /// There is more to come.
    Part,
    /// It is something else.
    Wrong,
}

/// How far this is.
fn progress_of(case: &Case, received: &[u8]) -> Progress {
    match &case.receipt {
        Receipt::Bytes(expected) => {
            let received = normal(received);
            if received == *expected {
                Progress::Whole
            } else if expected.starts_with(&received) {
                Progress::Part
            } else {
                Progress::Wrong
            }
        }
        // The end tells.
        Receipt::Part(most) if most.starts_with(&normal(received)) => Progress::Whole,
        Receipt::Part(_) => Progress::Wrong,
        Receipt::Refused(status, token) => {
            let line = format!("HTTP/1.1 {status} ");
            let Some(end) = find(received, b"\r\n\r\n") else {
                return Progress::Part;
            };
            let (head, body) = received.split_at(end + 4);
            let head = String::from_utf8_lossy(head);
            let has = |field: &str| head.contains(&format!("\r\n{field}\r\n"));
            let is_right = head.starts_with(&line)
                && has(&format!("Proxy-Status: authsome; error={token}"))
                && has("Content-Type: application/json")
                && has("Connection: close") == (case.then != Then::Open);
            let length = head.split("\r\nContent-Length: ").nth(1);
            let length = length.and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
            let expected = if case.send.starts_with(b"HEAD ") {
                Some(0)
            } else {
                length
            };
            match expected.map(|expected| body.len().cmp(&expected)) {
                Some(std::cmp::Ordering::Less) if is_right => Progress::Part,
                Some(std::cmp::Ordering::Equal) if is_right && is_answer(body) => Progress::Whole,
                _ => Progress::Wrong,
            }
        }
    }
}

/// Whether it is the body of an answer of the proxy's own, or none.
fn is_answer(body: &[u8]) -> bool {
    let parsed: Result<serde_json::Value, _> = serde_json::from_slice(body);
    let members = ["error", "hint", "message"];
    body.is_empty() || parsed.is_ok_and(|body| members.iter().all(|name| body[name].is_string()))
}

/// Bytes as text.
fn shown(bytes: &[u8]) -> String {
    format!("    \"{}\"\n", short(bytes))
}
