//! Whatever an origin sends to answer one request, the client gets at most one response, with interim ones before it, that can be read
//! in one way: the origin's, with its status, its content and fields of its own, or one of the proxy's. Nothing is behind it. What the
//! origin cut short, or what is malformed from some place on, never looks whole. No field leads past the proxy or speaks of another
//! connection, and the credential that the origin sends back is masked. A request of someone else on a connection that is kept gets its
//! own answer.
//!
//! The first byte says what is asked for and how the origin's connection ends, the rest is what the origin sends; `{S}` stands for the
//! credential. Nothing of the program's own reader of HTTP is used here.
#![no_main]

use std::sync::Mutex;
use std::sync::OnceLock;

use authsome_fuzz::contains;
use authsome_fuzz::message;
use authsome_fuzz::message::End;
use authsome_fuzz::message::Field;
use authsome_fuzz::message::Length;
use authsome_fuzz::message::Manner;
use authsome_fuzz::message::Message;
use authsome_fuzz::message::Reading;
use authsome_fuzz::replaced;
use authsome_fuzz::stage::About;
use authsome_fuzz::stage::Came;
use authsome_fuzz::stage::Next;
use authsome_fuzz::stage::Peer;
use authsome_fuzz::stage::Stage;
use libfuzzer_sys::fuzz_target;

/// The credential.
const SECRET: &str = "sk-7Qm2xV9tKcR4w";

/// What stands for it in an input.
const MARK: &[u8] = b"{S}";

/// What the proxy's own answers have.
const OWN: &[u8] = b"authsome; error=";

/// The one origin.
const ORIGINS: [About; 1] = [[
    "whole.test",
    r#"{"name": "whole", "api_url": "whole.test"}"#,
    SECRET,
]];

/// The bit of the first byte for a HEAD instead of a GET.
const HEAD: u8 = 1;
/// The client speaks HTTP/1.0.
const OLD: u8 = 2;
/// It wants to change to WebSocket.
const CHANGES: u8 = 4;
/// The origin's connection ends in order behind a whole response; else it stays open there.
const CLOSES: u8 = 8;
/// Where it ends, it ends as if it had been cut.
const CUTS: u8 = 16;

/// What the origin sends to the next request, and what becomes of its connection.
static ANSWER: Mutex<(Vec<u8>, Next)> = Mutex::new((Vec::new(), Next::End));

/// The origin.
struct Far;

/// The origin.
fn serve(_: usize) -> Box<dyn Peer> {
    Box::new(Far)
}

impl Peer for Far {
    fn turn(&mut self, buffer: &mut Vec<u8>, is_end: bool, answer: &mut Vec<u8>) -> Next {
        match message::request(buffer, Manner::Exact) {
            Reading::Message(request) => {
                buffer.drain(..request.used);
                assert!(buffer.is_empty(), "{}", buffer.escape_ascii());
                let (bytes, next) = &*ANSWER.lock().expect("a panic ends the process");
                answer.extend_from_slice(bytes);
                *next
            }
            Reading::NoHead if is_end => Next::End,
            Reading::NoHead => Next::Open,
            Reading::Wrong(why) => panic!("{why}: {}", buffer.escape_ascii()),
        }
    }

    fn is_between(&self) -> bool {
        true
    }
}

/// What the origin says, by a plain reading.
struct Said {
    /// Interim responses.
    interim: Vec<Message>,
    /// The final response, as far as it goes; nothing where there is none that can be read.
    last: Option<Message>,
}

/// Reads what an origin sends.
fn read(bytes: &[u8], method: &[u8]) -> Said {
    let mut said = Said {
        interim: Vec::new(),
        last: None,
    };
    let mut at = 0;
    while let Reading::Message(mut response) =
        message::response(&bytes[at..], method, Manner::AsSent)
    {
        at += response.used;
        response.used = at;
        if response.status() >= 200 || response.status() == 101 {
            said.last = Some(response);
            break;
        }
        said.interim.push(response);
    }
    said
}

/// With the credential masked.
fn masked(bytes: &[u8]) -> Vec<u8> {
    replaced(bytes, SECRET.as_bytes(), &[b'*'; SECRET.len()])
}

/// Whether all of these fields are in the origin's, in that order.
fn are_of(fields: &[Field], others: &[Field]) -> bool {
    let mut others = others
        .iter()
        .map(|(name, value)| (masked(name), masked(value)));
    fields
        .iter()
        .all(|field| others.any(|other| other == *field))
}

/// Checks the fields of a response that isn't the proxy's own.
fn check_fields(response: &Message, origins: &Message) {
    let is_ours = |(name, value): &&Field| {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        let changes = response.status() == 101 && (is(b"upgrade") || is(b"connection"));
        changes
            || is(b"transfer-encoding")
            || is(b"connection") && value == b"close"
            || is(b"content-length")
    };
    let fields = response
        .fields
        .iter()
        .filter(|field| !is_ours(field))
        .cloned();
    let fields: Vec<Field> = fields.collect();
    assert!(are_of(&fields, &origins.fields), "{fields:?}");
    if response.length == Length::None {
        // The length that another request's answer would have.
        let members = |message: &Message| -> Vec<Vec<u8>> {
            let lists = message
                .all("content-length")
                .flat_map(|value| value.split(|b| *b == b','));
            lists
                .map(|member| message::trimmed(member).to_vec())
                .collect()
        };
        let known = members(origins);
        let value = |digits: &[u8]| String::from_utf8_lossy(digits).parse::<u64>().ok();
        let is_known = |length: &Vec<u8>| known.iter().any(|other| value(other) == value(length));
        assert!(members(response).iter().all(is_known), "{known:?}");
    }
    for name in [
        "alt-svc",
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "trailer",
        "upgrade",
    ] {
        let mut found = fields
            .iter()
            .filter(|field| field.0.eq_ignore_ascii_case(name.as_bytes()));
        assert!(found.next().is_none(), "{name}");
    }
}

/// Holds what came to the client against what the origin said.
fn check(came: &Came, said: &Said, sent: &[u8], kind: u8, is_cut_there: bool) {
    let output = &*came.output;
    let shown = || output.escape_ascii().to_string();
    assert!(!contains(output, SECRET.as_bytes()), "{}", shown());
    let method = method(kind);
    let (mut at, mut interim) = (0, said.interim.iter());
    let response = loop {
        match message::response(&output[at..], method, Manner::Exact) {
            Reading::NoHead if at == output.len() || came.is_cut => {
                assert!(came.is_cut, "an end without an answer: {}", shown());
                return;
            }
            Reading::Message(response) if response.status() < 200 && response.status() != 101 => {
                assert!(kind & OLD == 0, "an interim response to HTTP/1.0");
                let origins = interim.next().expect("one of the origin's");
                assert_eq!(response.start[1], origins.start[1]);
                check_fields(&response, origins);
                at += response.used;
            }
            Reading::Message(response) => break response,
            other => panic!("{other:?}: {}", shown()),
        }
    };
    let is_closed = response.length == Length::UntilClose;
    let is_whole = match response.end {
        End::Whole => !is_closed || !came.is_cut,
        End::Cut => false,
        End::Wrong(why) => panic!("{why}: {}", shown()),
    };
    assert!(
        is_whole || came.is_cut,
        "what is cut ends in order: {}",
        shown()
    );
    assert!(
        !is_closed || kind & OLD != 0 || response.lists("connection", "close"),
        "{}",
        shown()
    );
    let behind = &output[at + response.used..];
    if response
        .all("proxy-status")
        .any(|value| value.starts_with(OWN))
    {
        assert!(is_whole && behind.is_empty(), "{}", shown());
        assert_eq!(response.status(), 502, "{}", shown());
        return;
    }
    let origins = said.last.as_ref().expect("a response of the origin's");
    assert_eq!(response.start[1], origins.start[1], "the status");
    check_fields(&response, origins);
    assert!(are_of(&response.trailers, &origins.trailers), "{}", shown());
    if response.status() == 101 {
        assert!(kind & CHANGES != 0, "a change that nobody asked for");
        let rest = masked(&sent[origins.used..]);
        assert!(rest.starts_with(behind), "{}", shown());
        assert!(came.is_cut || rest.len() == behind.len(), "{}", shown());
        return;
    }
    assert!(behind.is_empty(), "{}", shown());
    let content = masked(&origins.content);
    assert!(content.starts_with(&response.content), "{}", shown());
    assert!(
        !contains(&response.content, SECRET.as_bytes()),
        "{}",
        shown()
    );
    if is_whole {
        let is_there = origins.end == End::Whole;
        let is_sure = origins.length != Length::UntilClose || !is_cut_there;
        assert!(
            is_there && is_sure,
            "a part of a response as a whole one: {}",
            shown()
        );
        assert_eq!(response.content, content, "{}", shown());
    }
}

/// The method that is asked with.
fn method(kind: u8) -> &'static [u8] {
    if kind & HEAD != 0 { b"HEAD" } else { b"GET" }
}

/// Sends a request, and gives what comes back when the origin answers with this.
fn ask(stage: &Stage, kind: u8, answer: Vec<u8>, next: Next) -> Came {
    *ANSWER.lock().expect("a panic ends the process") = (answer, next);
    let version = if kind & OLD != 0 { "1.0" } else { "1.1" };
    let method = String::from_utf8_lossy(method(kind));
    let host = ORIGINS[0][0];
    let upgrade = match kind & CHANGES {
        0 => "",
        _ => "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    };
    let request = format!("{method} / HTTP/{version}\r\nHost: {host}\r\n{upgrade}\r\n");
    stage.exchange(host, request.as_bytes(), b"", |_| true)
}

fuzz_target!(|data: &[u8]| {
    static STAGE: OnceLock<Stage> = OnceLock::new();

    let Some((kind, input)) = data.split_first() else {
        return;
    };
    let sent = replaced(input, MARK, SECRET.as_bytes());
    // An answer that looks like the proxy's own says nothing.
    if sent.len() > 16 * 1024 || contains(&sent, OWN) {
        return;
    }
    let stage = STAGE.get_or_init(|| Stage::new(&ORIGINS, serve));
    let said = read(&sent, method(*kind));
    let is_complete = said.last.as_ref().is_some_and(|last| {
        last.end == End::Whole && last.length != Length::UntilClose && last.status() != 101
    });
    let next = match is_complete && kind & CLOSES == 0 {
        true => Next::Open,
        false if kind & CUTS != 0 => Next::Cut,
        false => Next::End,
    };
    let came = ask(stage, *kind, sent.clone(), next);
    check(&came, &said, &sent, *kind, next == Next::Cut);
    if !came.is_kept {
        return;
    }
    let probe = "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nprobe";
    let came = ask(stage, 0, probe.into(), Next::Open);
    assert_eq!(
        came.output,
        probe.as_bytes(),
        "{}",
        came.output.escape_ascii()
    );
});
