//! Whatever a client sends within the TLS of a CONNECT, each request that reaches the origin is one that the client sent, in the one way
//! in which it can be read: its method, its target, its content, fields of its own, and one Host, one length and one credential, which
//! stands in its own field and nowhere else. What begins within another message never arrives as a request.
//!
//! The client gets one answer for each request, in order, each from the origin's answer to that very request or the proxy's own, up to
//! the one that ends the connection; no credential is in them. A request of someone else that follows on the same connections to the
//! origin gets its own answer.
//!
//! An origin that reads no content never gets another request behind some, and its answers to what stands in the content reach nobody. A
//! request whose token was refused is sent once more with another, and is the same otherwise.
//!
//! The first byte says how the origin answers, the second which it is; the rest is what the client sends. Nothing of the program's own
//! reader of HTTP is used here.
#![no_main]

mod origin;

use std::sync::OnceLock;

use authsome_fuzz::contains;
use authsome_fuzz::count;
use authsome_fuzz::message;
use authsome_fuzz::message::End;
use authsome_fuzz::message::Field;
use authsome_fuzz::message::Length;
use authsome_fuzz::message::Manner;
use authsome_fuzz::message::Message;
use authsome_fuzz::message::Reading;
use authsome_fuzz::stage::Stage;
use libfuzzer_sys::fuzz_target;
use origin::Arrived;
use origin::DEAF;
use origin::EARLY;
use origin::LOGINS;
use origin::ORIGINS;
use origin::QUERY;
use origin::SECRETS;
use origin::book;

/// In these bits: how many quarters of its bytes the client holds back until it has the answers to the others.
const HELD: u8 = 64;

/// The target of someone else's request.
const PROBE: &str = "/v1/probe";

/// Holds a request at the origin against what the client sent.
fn compare(sent: &Message, arrived: &Arrived, input: &[u8], host: &str) {
    let request = &arrived.request;
    assert_eq!(request.start[0], sent.start[0], "the method");
    let mut expected = target(&sent.start[0], &sent.start[1], host);
    if host == ORIGINS[QUERY][0] {
        expected = with_key(&expected);
    }
    assert_eq!(request.start[1], expected, "the target");
    assert_eq!(request.length, sent.length, "the length");
    let hosts: Vec<&[u8]> = sent.all("host").collect();
    let names_host = |value: &&[u8]| is_host(&String::from_utf8_lossy(value), host);
    let is_enough = hosts.len() == 1 || hosts.is_empty() && sent.start[2] == b"HTTP/1.0";
    assert!(is_enough && hosts.iter().all(names_host), "{hosts:?}");
    let is_whole = request.end == End::Whole;
    assert!(
        !is_whole || sent.end == End::Whole,
        "a part of a body as a whole one"
    );
    assert!(sent.content.starts_with(&request.content), "the content");
    assert!(
        !is_whole || sent.content == request.content,
        "the whole content"
    );
    let is_ours = |field: &&Field| {
        let ours = [
            "host",
            "authorization",
            "content-length",
            "transfer-encoding",
            "connection",
            "upgrade",
            // Which is asked for with a credential, so that answers can be looked through.
            "accept-encoding",
            // A list that is written anew where the placeholder is in it.
            "sec-websocket-protocol",
        ];
        ours.iter()
            .any(|name| field.0.eq_ignore_ascii_case(name.as_bytes()))
    };
    let fields: Vec<&Field> = request
        .fields
        .iter()
        .filter(|field| !is_ours(field))
        .collect();
    assert!(is_part_of(&fields, &sent.fields), "{fields:?}");
    let trailers: Vec<&Field> = request.trailers.iter().collect();
    assert!(is_part_of(&trailers, &sent.trailers), "{trailers:?}");
    if let Some(behind) = &arrived.behind {
        assert_eq!(
            behind,
            &input[sent.used..],
            "what is behind the change of protocol"
        );
    }
}

/// Whether all of these fields are in the others, in that order.
fn is_part_of(fields: &[&Field], others: &[Field]) -> bool {
    let mut others = others.iter();
    fields
        .iter()
        .all(|field| others.any(|other| other == *field))
}

/// A target as an origin gets it.
fn target(method: &[u8], sent: &[u8], host: &str) -> Vec<u8> {
    if sent.starts_with(b"/") || sent == b"*" {
        return sent.to_vec();
    }
    let text = String::from_utf8_lossy(sent);
    let (scheme, rest) = text.split_once("://").expect("a URL");
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    assert!(
        scheme.eq_ignore_ascii_case("https") && is_host(authority, host),
        "{text}"
    );
    let text = match (rest, method) {
        ("", b"OPTIONS") => "*".to_owned(),
        (rest, _) if rest.starts_with('/') => rest.to_owned(),
        (rest, _) => format!("/{rest}"),
    };
    text.into_bytes()
}

/// A target with the credential as the last of its parameters, and the only one of its name.
fn with_key(target: &[u8]) -> Vec<u8> {
    let mut parts = target.splitn(2, |byte| *byte == b'?');
    let path = parts.next().unwrap_or_default();
    let pairs = parts.next().unwrap_or_default().split(|byte| *byte == b'&');
    let mut out = [path, b"?"].concat();
    for pair in pairs.filter(|pair| !pair.is_empty() && !is_key(pair)) {
        out.extend_from_slice(pair);
        out.push(b'&');
    }
    [&*out, b"key=", SECRETS[0].as_bytes()].concat()
}

/// Whether a parameter is called `key`, be it in escapes.
fn is_key(pair: &[u8]) -> bool {
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    let (mut plain, mut rest) = (Vec::new(), name);
    while let [first, after @ ..] = rest {
        let digits = after
            .get(..2)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let text = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = text.and_then(|text| u8::from_str_radix(text, 16).ok());
        rest = match (first, escaped) {
            (b'%', Some(byte)) => {
                plain.push(byte);
                &after[2..]
            }
            _ => {
                plain.push(*first);
                after
            }
        };
    }
    plain == b"key"
}

/// Whether the text names this host, with its port or without.
fn is_host(text: &str, host: &str) -> bool {
    let name = text.strip_suffix(":443").unwrap_or(text);
    name.strip_suffix('.')
        .unwrap_or(name)
        .eq_ignore_ascii_case(host)
}

/// Who has answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The origin, this request of this input.
    Origin(usize),
    /// The proxy.
    Own,
}

/// The response at the start of what a client got, and bytes that it has.
fn read_answer(output: &[u8], method: &[u8], is_http10: bool, run: u64) -> (Message, Answer) {
    let mut at = 0;
    let mut response = loop {
        match message::response(&output[at..], method, Manner::Exact) {
            Reading::Message(interim)
                if (100..200).contains(&interim.status()) && interim.status() != 101 =>
            {
                assert!(!is_http10, "an interim response to HTTP/1.0");
                at += interim.used;
            }
            Reading::Message(response) => break response,
            other => panic!("{other:?}: {}", output.escape_ascii()),
        }
    };
    response.used += at;
    let is_hidden = response.all("x-hidden").next().is_some();
    assert!(!is_hidden, "an answer to content");
    let own = response
        .all("proxy-status")
        .any(|value| value.starts_with(b"authsome; error="));
    let number: Vec<&[u8]> = response.all("x-number").collect();
    let answer = match (own, &*number) {
        (true, []) => Answer::Own,
        (false, [number]) => {
            let text = std::str::from_utf8(number).expect("the origin's text");
            let (of, index) = text.split_once(' ').expect("two numbers");
            assert_eq!(of.parse(), Ok(run), "an answer to an earlier input");
            Answer::Origin(index.parse().expect("a number"))
        }
        _ => panic!("{response:?}"),
    };
    (response, answer)
}

/// Whether there are interim responses and nothing behind them.
fn is_interim_only(output: &[u8], method: &[u8]) -> bool {
    let mut at = 0;
    while let Reading::Message(interim) = message::response(&output[at..], method, Manner::Exact) {
        if !(100..200).contains(&interim.status()) || interim.status() == 101 {
            return false;
        }
        at += interim.used;
    }
    at > 0 && at == output.len()
}

/// How many answers there are, about.
fn answers(output: &[u8]) -> usize {
    count(output, b"\r\nX-Number: ") + count(output, b"\r\nProxy-Status: ")
}

/// How many answers these bytes get when there are no others yet, unless one ends the connection.
fn due(input: &[u8], manner: u8) -> usize {
    let requests = message::requests(input);
    let is_due = |request: &&Message| request.end != End::Cut || manner & EARLY != 0;
    requests.iter().filter(is_due).count()
}

/// Sends `input`, and checks what becomes of it. Gives how many requests have arrived, and whether a connection is kept.
fn run(stage: &Stage, host: &str, manner: u8, input: &[u8]) -> (usize, bool) {
    let run = {
        let mut book = book();
        book.run += 1;
        book.manner = manner;
        book.arrived.clear();
        book.refused = None;
        book.run
    };
    let (first, rest) = input.split_at(input.len() - input.len() * usize::from(manner / HELD) / 4);
    let is_enough = |output: &[u8]| answers(output) >= due(first, manner);
    let came = stage.exchange(host, first, rest, is_enough);
    let output = came.output;
    let mut secrets = SECRETS.iter();
    let is_shown = secrets.any(|secret| contains(&output, secret.as_bytes()));
    assert!(!is_shown, "{}", output.escape_ascii());
    let sent = message::requests(input);
    let book = book();
    let (mut at, mut index, mut answered) = (0, 0, 0);
    let mut is_over = false;
    while at < output.len() {
        assert!(
            !is_over,
            "an answer behind the last: {}",
            output.escape_ascii()
        );
        let request = sent.get(index);
        let is_http10 = request.is_some_and(|sent| sent.start[2] == b"HTTP/1.0");
        let method = request.map_or(&b"GET"[..], |sent| &sent.start[0]);
        // Of a client that leaves in the midst of its request, the connection is reset, wherever its answer stands.
        let has_left = came.is_cut && request.is_some_and(|sent| sent.end == End::Cut);
        if has_left && is_interim_only(&output[at..], method) {
            break;
        }
        let (mut response, mut answer) = read_answer(&output[at..], method, is_http10, run);
        let rest = &output[at + response.used..];
        let is_next = rest.is_empty() || rest.starts_with(b"HTTP/1.1 ");
        if answer == Answer::Own && (!is_next || response.end != End::Whole) {
            // Of a head that was refused one may or may not know the method.
            let other: &[u8] = if method == b"HEAD" { b"GET" } else { b"HEAD" };
            (response, answer) = read_answer(&output[at..], other, is_http10, run);
            is_over = true;
        }
        let is_whole = response.end == End::Whole || has_left && response.end == End::Cut;
        assert!(is_whole, "{:?}: {}", response.end, output.escape_ascii());
        at += response.used;
        match answer {
            Answer::Origin(number) => {
                assert_eq!(number, answered, "an answer to another request");
                answered += 1;
                let sent = request.expect("a request that was answered");
                compare(sent, &book.arrived[number], input, host);
            }
            Answer::Own => {
                let known = [400, 403, 405, 414, 417, 431, 501, 505];
                assert!(
                    known.contains(&response.status()),
                    "{}",
                    output.escape_ascii()
                );
            }
        }
        let is_last =
            response.lists("connection", "close") || response.length == Length::UntilClose;
        is_over |= is_last || response.status() == 101;
        let wants_end = request.is_none_or(|sent| is_http10 || sent.lists("connection", "close"));
        assert!(
            !wants_end || is_over,
            "kept open: {}",
            output.escape_ascii()
        );
        // A request whose answer was the proxy's own, after a part of it had left.
        if !(answer == Answer::Own && is_over && book.arrived.len() > answered) {
            index += 1;
        }
    }
    if let [last] = &book.arrived[answered.min(book.arrived.len())..] {
        let sent = sent.get(index).expect("a request that has arrived in part");
        compare(sent, last, input, host);
    }
    assert!(
        book.arrived.len() <= answered + 1,
        "requests that nobody sent"
    );
    (book.arrived.len(), came.is_kept)
}

fuzz_target!(|data: &[u8]| {
    static STAGE: OnceLock<Stage> = OnceLock::new();

    let [manner, place, input @ ..] = data else {
        return;
    };
    let mut secrets = SECRETS.iter();
    if input.len() > 32 * 1024 || secrets.any(|secret| contains(input, secret.as_bytes())) {
        return;
    }
    let stage = STAGE.get_or_init(|| {
        let stage = Stage::new(&ORIGINS, origin::serve);
        LOGINS.get_or_init(|| stage.logins());
        stage
    });
    let place = usize::from(*place) % ORIGINS.len();
    let host = ORIGINS[place][0];
    let manner = if place == DEAF {
        manner | EARLY
    } else {
        *manner
    };
    if let (1.., true) = run(stage, host, manner, input) {
        let probe = format!("GET {PROBE} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(
            run(stage, host, 0, probe.as_bytes()).0,
            1,
            "someone else's request"
        );
    }
});
