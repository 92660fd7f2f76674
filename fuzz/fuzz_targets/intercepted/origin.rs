//! The origins: they note what arrives, check each request by itself, and answer it.

use std::sync::Mutex;
use std::sync::MutexGuard;

use authsome_fuzz::contains;
use authsome_fuzz::count;
use authsome_fuzz::message;
use authsome_fuzz::message::End;
use authsome_fuzz::message::Field;
use authsome_fuzz::message::Manner;
use authsome_fuzz::message::Message;
use authsome_fuzz::message::Reading;
use authsome_fuzz::stage::About;
use authsome_fuzz::stage::Next;
use authsome_fuzz::stage::Peer;

/// The credential. Inputs that have it already say nothing.
pub(crate) const SECRET: &str = "sk-7Qm2xV9tKcR4w";

/// What a child holds instead.
const PLACEHOLDER: &[u8] = b"authsome-proxy-managed";

/// An origin all of whose requests get the credential, and one where those below a path do, but for what its rules deny.
pub(crate) const ORIGINS: [About; 2] = [
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
];

/// The bit of the first byte that chooses the second of them.
pub(crate) const IN_PART: u8 = 1;
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
}

/// The one book.
static BOOK: Mutex<Book> = Mutex::new(Book {
    run: 0,
    manner: 0,
    arrived: Vec::new(),
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
}

/// An origin.
pub(crate) fn serve(origin: usize) -> Box<dyn Peer> {
    Box::new(Far {
        origin,
        is_armed: None,
        place: None,
        is_answered: false,
        has_changed: false,
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
            let has_credential = check(&request, &buffer[..request.used], self.origin);
            let is_armed = *self.is_armed.get_or_insert(has_credential);
            assert_eq!(is_armed, has_credential, "a shared connection");
            let place = self.place.get_or_insert_with(|| enter(&request));
            place.update(&request);
            let is_whole = request.end == End::Whole;
            if !self.is_answered && (is_whole || place.manner & EARLY != 0) {
                self.is_answered = true;
                answer.extend(self::answer(&request, place));
            }
            if !is_whole {
                break;
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

/// Takes a request into the book.
fn enter(request: &Message) -> Place {
    let mut book = book();
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
fn answer(request: &Message, place: &Place) -> Vec<u8> {
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
    let echoed = request.all("authorization").next().unwrap_or_default();
    let echo = format!("X-Echo: {}\r\n", String::from_utf8_lossy(echoed));
    let secret = if contains(echoed, SECRET.as_bytes()) {
        SECRET
    } else {
        "sixteen letters!"
    };
    let (some, others) = secret.split_at(8);
    let (length, content) = match has(CHUNKED) {
        true => (
            "Transfer-Encoding: chunked".into(),
            format!("8\r\n{some}\r\n8\r\n{others}\r\n0\r\n\r\n"),
        ),
        false => (
            format!("Content-Length: {}", secret.len()),
            secret.to_owned(),
        ),
    };
    let content = if request.start[0] == b"HEAD" {
        ""
    } else {
        &content
    };
    format!("{interim}HTTP/1.1 200 \r\n{number}{echo}{close}{length}\r\n\r\n{content}").into_bytes()
}

/// Checks a request at an origin, by itself; tells whether it has the credential.
fn check(request: &Message, bytes: &[u8], origin: usize) -> bool {
    let shown = || bytes.escape_ascii().to_string();
    if let End::Wrong(why) = request.end {
        panic!("{why}: {}", shown());
    }
    let fields: Vec<Field> = request.fields.iter().map(fold).collect();
    let folded = |name: &str| -> Vec<&[u8]> {
        let own = fields.iter().filter(|field| field.0 == name.as_bytes());
        own.map(|field| &*field.1).collect()
    };
    assert_eq!(
        folded("host"),
        [ORIGINS[origin][0].as_bytes()],
        "{}",
        shown()
    );
    let lengths = folded("content-length").len() + folded("transfer-encoding").len();
    assert!(lengths < 2, "{}", shown());
    let connection = [folded("connection"), folded("upgrade")].concat();
    let is_upgrade = connection == [&b"Upgrade"[..], b"websocket"];
    assert!(connection.is_empty() || is_upgrade, "{}", shown());

    let own = format!("Bearer {SECRET}").into_bytes();
    let has_credential = contains(bytes, SECRET.as_bytes());
    if has_credential {
        assert_eq!(folded("authorization"), [&*own], "{}", shown());
        assert_eq!(count(bytes, SECRET.as_bytes()), 1, "{}", shown());
        assert_eq!(folded("accept-encoding"), [b"identity"], "{}", shown());
        let fields = request.fields.iter().chain(&request.trailers);
        assert!(
            !fields
                .into_iter()
                .any(|field| contains(&field.1, PLACEHOLDER)),
            "{}",
            shown()
        );
        let mut trailers = request.trailers.iter();
        let own = b"authorization";
        assert!(!trailers.any(|field| fold(field).0 == own), "{}", shown());
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
            .any(|name| field.0.eq_ignore_ascii_case(name.as_bytes()))
    };
    assert!(!request.trailers.iter().any(is_ours), "{}", shown());
    let path = plain_path(&request.start[1]);
    let is_in_part = path == b"/v1" || path.starts_with(b"/v1/");
    assert_eq!(has_credential, origin == 0 || is_in_part, "{}", shown());
    if has_credential && origin == 1 {
        let methods: [&[u8]; 3] = [b"GET", b"HEAD", b"POST"];
        let is_allowed = methods.contains(&&*request.start[0]) && !path.starts_with(b"/v1/private");
        let overrides = [
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
        ];
        let overrides = overrides.iter().any(|name| !folded(name).is_empty());
        assert!(is_allowed && !overrides, "{}", shown());
    }
    has_credential
}

/// A field with its name as servers that fold case and underscores read it.
fn fold((name, value): &Field) -> Field {
    let mut name = name.to_ascii_lowercase();
    for byte in name.iter_mut().filter(|byte| **byte == b'_') {
        *byte = b'-';
    }
    (name, value.clone())
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
