//! The origins: they note what arrives, check each request by itself, and answer it.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;

use authsome::fuzzing::proxied::Logins;
use authsome_fuzz::contains;
use authsome_fuzz::count;
use authsome_fuzz::message;
use authsome_fuzz::message::End;
use authsome_fuzz::message::Field;
use authsome_fuzz::message::Length;
use authsome_fuzz::message::Manner;
use authsome_fuzz::message::Message;
use authsome_fuzz::message::Reading;
use authsome_fuzz::stage::About;
use authsome_fuzz::stage::Next;
use authsome_fuzz::stage::Peer;

/// The credential.
const SECRET: &str = "sk-7Qm2xV9tKcR4w";

/// The other token of the login that is replaced: each takes the place of the other.
const OTHER: &str = "sk-Zb8nQ4yLwX1dU";

/// User and credential in basic authentication.
const PAIR: &str = "dG9rZW46c2stN1FtMnhWOXRLY1I0dw==";

/// Everything that no client may see. Inputs that have one of these already say nothing.
pub(crate) const SECRETS: [&str; 3] = [SECRET, OTHER, PAIR];

/// What a child holds instead.
const PLACEHOLDER: &[u8] = b"authsome-proxy-managed";

/// An origin all of whose requests get the credential; one where those below a path do, but for what its rules deny; one that reads no
/// content; two that take the credential in the query and by basic authentication; and one that may refuse a token, while the person logs
/// in anew.
pub(crate) const ORIGINS: [About; 6] = [
    [
        "whole.test",
        r#"{"name": "whole", "api_url": "whole.test"}"#,
        SECRET,
    ],
    [
        "part.test",
        r#"{"name": "part", "api_url": "https://part.test/v1", "rules": [{"path": "/v1/private*", "action": "deny"},
            {"methods": ["GET", "HEAD", "POST"], "action": "allow"}]}"#,
        SECRET,
    ],
    [
        "deaf.test",
        r#"{"name": "deaf", "api_url": "deaf.test"}"#,
        SECRET,
    ],
    [
        "query.test",
        r#"{"name": "query", "api_url": "query.test", "api_key": {"in": "query", "param": "key"}}"#,
        SECRET,
    ],
    [
        "basic.test",
        r#"{"name": "basic", "api_url": "basic.test", "api_key": {"in": "basic", "username": "token"}}"#,
        SECRET,
    ],
    [
        RENEWED,
        r#"{"name": "renewed", "auth_type": "oauth2", "flow": "pkce", "api_url": "renewed.test", "oauth": {"client_id": "client",
            "authorization_url": "https://idp.test/authorize", "token_url": "https://idp.test/token"}}"#,
        SECRET,
    ],
];

/// The host of the last of them.
const RENEWED: &str = "renewed.test";
/// The place of the one with rules.
const PART: usize = 1;
/// The place of the origin that reads no content: it answers when it has the head, and takes what follows for requests.
pub(crate) const DEAF: usize = 2;
/// The place of the one with the credential in the query.
pub(crate) const QUERY: usize = 3;
/// The place of the one with basic authentication.
const BASIC: usize = 4;

/// The logins, once there is a stage.
pub(crate) static LOGINS: OnceLock<Arc<Logins>> = OnceLock::new();

/// The bit of the first byte that has an origin refuse a token.
pub(crate) const REFUSES: u8 = 1;
/// It answers when it has the head, before the content.
pub(crate) const EARLY: u8 = 2;
/// It changes to another protocol where it is asked to.
const CHANGES: u8 = 4;
/// It sends an interim response before each other.
const INTERIM: u8 = 8;
/// Its answers are chunked.
const CHUNKED: u8 = 16;
/// It ends the connection with each answer.
const CLOSES: u8 = 32;

/// A request at an origin.
pub(crate) struct Arrived {
    /// As far as it has come.
    pub(crate) request: Message,
    /// Bytes behind it, where the connection is of another protocol from there on.
    pub(crate) behind: Option<Vec<u8>>,
}

/// What the origins share.
pub(crate) struct Book {
    /// Which input it is about.
    pub(crate) run: u64,
    /// How they answer.
    pub(crate) manner: u8,
    /// What has arrived, in order.
    pub(crate) arrived: Vec<Arrived>,
    /// A request that was refused, as far as it isn't the credential's: it comes once more.
    pub(crate) refused: Option<Repeated>,
    /// The token of the login that is replaced.
    token: &'static str,
}

/// What of a request is the same when it is sent once more: method, target and version, and its fields.
type Repeated = ([Vec<u8>; 3], Vec<Field>);

/// What of it is.
fn repeated(request: &Message) -> Repeated {
    let mut fields = request.fields.clone();
    fields.retain(|(name, _)| !name.eq_ignore_ascii_case(b"authorization"));
    (request.start.clone(), fields)
}

/// The one book.
static BOOK: Mutex<Book> = Mutex::new(Book {
    run: 0,
    manner: 0,
    arrived: Vec::new(),
    refused: None,
    token: SECRET,
});

/// The book, for a moment.
pub(crate) fn book() -> MutexGuard<'static, Book> {
    BOOK.lock().expect("a panic ends the process")
}

/// A request's place in the book.
struct Place {
    /// The input.
    run: u64,
    /// Which of its requests.
    index: usize,
    /// How it is answered.
    manner: u8,
}

impl Place {
    /// The entry.
    fn with(&self, change: impl FnOnce(&mut Arrived)) {
        let mut book = book();
        assert_eq!(
            book.run, self.run,
            "a request that goes on after its client is gone"
        );
        change(&mut book.arrived[self.index]);
    }

    /// Writes down that a request has come so far.
    fn update(&self, request: &Message) {
        self.with(|arrived| arrived.request = request.clone());
    }

    /// Writes down bytes behind it.
    fn add(&self, bytes: Vec<u8>) {
        self.with(|arrived| arrived.behind.get_or_insert_default().extend(bytes));
    }
}

/// An origin's side of a connection.
struct Far {
    /// Which origin.
    origin: usize,
    /// Whether the connection's requests have the credential.
    is_armed: Option<bool>,
    /// The request that isn't done with.
    place: Option<Place>,
    /// Whether it has its answer.
    is_answered: bool,
    /// Whether its connection is of another protocol now.
    has_changed: bool,
    /// Why no other request may come on the connection.
    is_last: Option<&'static str>,
}

/// An origin.
pub(crate) fn serve(origin: usize) -> Box<dyn Peer> {
    Box::new(Far {
        origin,
        is_armed: None,
        place: None,
        is_answered: false,
        has_changed: false,
        is_last: None,
    })
}

impl Peer for Far {
    fn turn(&mut self, buffer: &mut Vec<u8>, is_end: bool, answer: &mut Vec<u8>) -> Next {
        while !self.has_changed {
            let request = match message::request(buffer, Manner::Exact) {
                Reading::NoHead => break,
                Reading::Wrong(why) => panic!("{why}: {}", buffer.escape_ascii()),
                Reading::Message(request) => request,
            };
            assert_eq!(self.is_last, None, "{}", buffer.escape_ascii());
            let has_credential = check(&request, &buffer[..request.used], self.origin);
            let is_armed = *self.is_armed.get_or_insert(has_credential);
            assert_eq!(is_armed, has_credential, "a shared connection");
            if self.place.is_none() && self.refuses(&request) {
                answer.extend_from_slice(b"HTTP/1.1 401 \r\nContent-Length: 2\r\n\r\nno");
                buffer.drain(..request.used);
                continue;
            }
            let place = self.place.get_or_insert_with(|| enter(&request));
            place.update(&request);
            let is_whole = request.end == End::Whole;
            if !self.is_answered && (is_whole || place.manner & EARLY != 0) {
                self.is_answered = true;
                answer.extend(self::answer(&request, place, self.origin));
            }
            if !is_whole {
                break;
            }
            self.is_last = why_last(&request, self.origin);
            if self.origin == DEAF {
                answer.extend(hidden_answers(&request.content));
            }
            buffer.drain(..request.used);
            if changes(&request, place.manner) {
                self.has_changed = true;
                break;
            }
            let closes = place.manner & CLOSES != 0;
            (self.place, self.is_answered) = (None, false);
            if closes {
                return Next::End;
            }
        }
        match &self.place {
            Some(place) if self.has_changed => place.add(std::mem::take(buffer)),
            Some(_) => {}
            None => assert!(
                !is_end || buffer.is_empty(),
                "a part of a head: {}",
                buffer.escape_ascii()
            ),
        }
        if is_end { Next::End } else { Next::Open }
    }

    fn is_between(&self) -> bool {
        self.place.is_none()
    }
}

impl Far {
    /// Whether the origin refuses the token of a request, the first of an input. It is sent once more then, unless it has content: so
    /// the person has logged in anew meanwhile.
    fn refuses(&self, request: &Message) -> bool {
        let mut book = book();
        let is_first = book.arrived.is_empty() && book.refused.is_none();
        let is_empty = matches!(request.length, Length::None | Length::Bytes(0));
        let refuses = ORIGINS[self.origin][0] == RENEWED && book.manner & REFUSES != 0;
        if !(refuses && is_first && is_empty) {
            return false;
        }
        book.refused = Some(repeated(request));
        book.token = if book.token == SECRET { OTHER } else { SECRET };
        let logins = LOGINS.get().expect("a stage");
        logins.replace("renewed", book.token);
        true
    }
}

/// Returns whether a request has content; chunks that end at once count.
fn has_content(request: &Message) -> bool {
    !matches!(request.length, Length::None | Length::Bytes(0))
}

/// Whether servers read content with its method.
fn is_usual(request: &Message) -> bool {
    let methods: [&[u8]; 3] = [b"POST", b"PUT", b"PATCH"];
    methods.contains(&&*request.start[0])
}

/// Why no other request may come behind this one, where that is so.
fn why_last(request: &Message, origin: usize) -> Option<&'static str> {
    match (has_content(request), is_usual(request)) {
        (true, false) => Some("a request behind content that many servers don't read"),
        (true, true) if origin == DEAF => Some("a request behind content that was not read"),
        _ => None,
    }
}

/// What an origin answers that takes content for requests.
fn hidden_answers(content: &[u8]) -> Vec<u8> {
    let (mut answers, mut at) = (Vec::new(), 0);
    while let Reading::Message(hidden) = message::request(&content[at..], Manner::AsSent) {
        at += hidden.used;
        answers.extend_from_slice(b"HTTP/1.1 200 \r\nX-Hidden: 1\r\nContent-Length: 0\r\n\r\n");
    }
    answers
}

/// Takes a request into the book.
fn enter(request: &Message) -> Place {
    let mut book = book();
    if let Some(before) = book.refused.take() {
        assert!(before == repeated(request), "another request than before");
        // Once is enough.
        book.manner &= !REFUSES;
    }
    book.arrived.push(Arrived {
        request: request.clone(),
        behind: None,
    });
    Place {
        run: book.run,
        index: book.arrived.len() - 1,
        manner: book.manner,
    }
}

/// Whether the origin changes to another protocol.
fn changes(request: &Message, manner: u8) -> bool {
    manner & CHANGES != 0 && request.lists("upgrade", "websocket")
}

/// What the origin answers. Each answer says which request it is for, and has the credential in it if that was there.
fn answer(request: &Message, place: &Place, origin: usize) -> Vec<u8> {
    let number = format!("X-Number: {} {}\r\n", place.run, place.index);
    if changes(request, place.manner) {
        let change = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
        return format!("HTTP/1.1 101 \r\n{number}{change}\r\n").into_bytes();
    }
    let has = |bit: u8| place.manner & bit != 0;
    let interim = if has(INTERIM) {
        "HTTP/1.1 103 \r\nLink: x\r\n\r\n"
    } else {
        ""
    };
    let close = if has(CLOSES) {
        "Connection: close\r\n"
    } else {
        ""
    };
    // As the origin would have it, had it read the field.
    let echoed = match origin {
        QUERY => &request.start[1],
        _ => request.all("authorization").next().unwrap_or_default(),
    };
    let echo = format!("X-Echo: {}\r\n", String::from_utf8_lossy(echoed));
    let mut secrets = SECRETS.iter();
    let secret = secrets.find(|secret| contains(echoed, secret.as_bytes()));
    let secret = secret.unwrap_or(&"sixteen letters!");
    let (some, others) = secret.split_at(secret.len() / 2);
    let (length, content) = match has(CHUNKED) {
        true => (
            "Transfer-Encoding: chunked".into(),
            format!(
                "{0:x}\r\n{some}\r\n{0:x}\r\n{others}\r\n0\r\n\r\n",
                some.len()
            ),
        ),
        false => (
            format!("Content-Length: {}", secret.len()),
            (*secret).to_owned(),
        ),
    };
    let is_unread = origin == DEAF && has_content(request) && is_usual(request);
    let status = if is_unread { 404 } else { 200 };
    let content = if request.start[0] == b"HEAD" {
        ""
    } else {
        &content
    };
    format!("{interim}HTTP/1.1 {status} \r\n{number}{echo}{close}{length}\r\n\r\n{content}")
        .into_bytes()
}

/// Checks a request at an origin, by itself; tells whether it has the credential.
fn check(request: &Message, bytes: &[u8], origin: usize) -> bool {
    let shown = || bytes.escape_ascii().to_string();
    if let End::Wrong(why) = request.end {
        panic!("{why}: {}", shown());
    }
    let named = |name: &str| -> Vec<&[u8]> {
        let own = request.fields.iter();
        let own = own.filter(|field| fold(&field.0) == fold(name.as_bytes()));
        own.map(|field| &*field.1).collect()
    };
    assert_eq!(
        named("host"),
        [ORIGINS[origin][0].as_bytes()],
        "{}",
        shown()
    );
    let lengths = named("content-length").len() + named("transfer-encoding").len();
    assert!(lengths < 2, "{}", shown());
    let secret = match origin {
        BASIC => PAIR.as_bytes(),
        _ if contains(bytes, OTHER.as_bytes()) => OTHER.as_bytes(),
        _ => SECRET.as_bytes(),
    };
    let has_credential = contains(bytes, secret);
    let upgrade: Vec<&[u8]> = match has_credential {
        true => named("upgrade"),
        false => request.all("upgrade").collect(),
    };
    let connection = [named("connection"), upgrade].concat();
    let expected: &[&[u8]] = match (has_content(request), is_usual(request)) {
        (true, false) => &[b"close"],
        _ if connection.is_empty() => &[],
        _ => &[b"Upgrade", b"websocket"],
    };
    assert_eq!(connection, expected, "{}", shown());
    let expectations: Vec<&[u8]> = request.all("expect").collect();
    let is_known = |value: &&[u8]| value.eq_ignore_ascii_case(b"100-continue");
    let is_known = expectations.len() < 2 && expectations.iter().all(is_known);
    assert!(is_known, "{}", shown());
    if has_credential {
        check_credential(request, bytes, (origin, secret), named);
    }
    let ours = [
        "host",
        "content-length",
        "transfer-encoding",
        "authorization",
        "cookie",
    ];
    let is_ours = |field: &Field| {
        ours.iter()
            .any(|name| fold(&field.0) == fold(name.as_bytes()))
    };
    assert!(!request.trailers.iter().any(is_ours), "{}", shown());
    let path = plain_path(&request.start[1]);
    let is_in_part = path == b"/v1" || path.starts_with(b"/v1/");
    assert_eq!(has_credential, origin != PART || is_in_part, "{}", shown());
    if has_credential && origin == PART {
        let methods: [&[u8]; 3] = [b"GET", b"HEAD", b"POST"];
        let is_allowed = methods.contains(&&*request.start[0]) && !path.starts_with(b"/v1/private");
        let overrides = [
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
        ];
        let overrides = overrides.iter().any(|name| !named(name).is_empty());
        let is_hiding = has_content(request) && !is_usual(request);
        assert!(is_allowed && !overrides && !is_hiding, "{}", shown());
    }
    has_credential
}

/// Checks what stands beside the credential in a request. `named` gives the values of the fields that some server takes for this name.
fn check_credential<'a>(
    request: &Message,
    bytes: &[u8],
    (origin, secret): (usize, &[u8]),
    named: impl Fn(&str) -> Vec<&'a [u8]>,
) {
    let shown = || bytes.escape_ascii().to_string();
    let all: usize = SECRETS
        .iter()
        .map(|secret| count(bytes, secret.as_bytes()))
        .sum();
    assert_eq!(all, 1, "{}", shown());
    match origin {
        QUERY => assert!(contains(&request.start[1], secret), "{}", shown()),
        BASIC => {
            let own = [b"Basic ", secret].concat();
            assert_eq!(named("authorization"), [&*own], "{}", shown());
        }
        _ => {
            let own = [b"Bearer ", secret].concat();
            assert_eq!(named("authorization"), [&*own], "{}", shown());
        }
    }
    assert_eq!(named("accept-encoding"), [b"identity"], "{}", shown());
    for name in [
        "te",
        "trailer",
        "keep-alive",
        "proxy-authorization",
        "x-original-url",
    ] {
        assert!(named(name).is_empty(), "{name}: {}", shown());
    }
    assert!(named("expect").len() < 2, "{}", shown());
    let mut fields = request.fields.iter();
    let has_placeholder = fields.any(|field| contains(&field.1, PLACEHOLDER));
    assert!(
        !has_placeholder && request.trailers.is_empty(),
        "{}",
        shown()
    );
}

/// A field's name as the most lenient of servers reads it: its letters and digits, in one case.
fn fold(name: &[u8]) -> Vec<u8> {
    let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    letters.map(u8::to_ascii_lowercase).collect()
}

/// A target's path as most servers read it: escapes decoded, dot segments resolved.
fn plain_path(target: &[u8]) -> Vec<u8> {
    let path = target
        .split(|byte| *byte == b'?')
        .next()
        .unwrap_or_default();
    let (mut plain, mut rest) = (Vec::new(), path);
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let decoded = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        (rest, plain) = match (first, decoded) {
            (b'%', Some(byte)) => (&after[2..], [&*plain, &[byte]].concat()),
            _ => (after, [&*plain, &[*first]].concat()),
        };
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in plain.split(|byte| *byte == b'/').skip(1) {
        match segment {
            b"." => {}
            b".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    [b"/", &*segments.join(&b'/')].concat()
}
