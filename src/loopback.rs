//! A page for the person's own browser: a listener on loopback that is there for one answer, and ends with it.
//!
//! Whoever is on this machine can connect to it, and any website can have the browser do so. So on Linux other users, root among them, are
//! not heard at all, nothing is answered but to the right Host (a name that was made to lead here, DNS rebinding, is another), nothing is
//! accepted that another site's page sent (Origin, Sec-Fetch-Site), and what a page takes needs a path, or a state, that nobody can guess.
//! Cookies tell browsers apart, and nothing more: a browser sends them to every port of 127.0.0.1, and takes them from every port.
//! What stray connections do holds nobody up: each has a thread, a deadline and a limit.

use std::io;
use std::io::PipeReader;
use std::io::PipeWriter;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::encoding;
use crate::http1::framing::Framing;
use crate::http1::head::HeadScanner;
use crate::http1::head::RequestHead;
use crate::notice::Notices;
use crate::peer::Admission;
use crate::peer::Peers;
use crate::secret::Secret;
use crate::sys::poll;
use crate::wire::Wire;

/// How long a connection may take for its request, and for taking the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections at once; more are closed unheard. Many, since whoever is on this machine can open some and say nothing.
const MAX_CONNECTIONS: usize = 2000;

/// Bytes of a request's head, at the most.
const MAX_HEAD: usize = 16 * 1024;

/// Bytes of a form, at the most: a credential's 16 KiB, each of them escaped, and some.
const MAX_BODY: u64 = 64 * 1024;

/// Stack of a connection's thread, in bytes.
const STACK: usize = 128 * 1024;

/// A request for a page.
pub(crate) struct Request {
    /// GET or POST.
    pub(crate) is_post: bool,
    /// The path, without the query.
    pub(crate) path: String,
    /// Whether the request names the listener by its address, as redirect URIs do, and not as `localhost`.
    pub(crate) is_by_address: bool,
    /// Whether a tab shows the answer: not a fetch ahead of time, not a part of another page. A client that says nothing counts as
    /// a tab.
    pub(crate) is_visit: bool,
    /// Names and values of the query or, behind a POST, of the form.
    fields: Vec<(Vec<u8>, Zeroizing<Vec<u8>>)>,
    /// Names and values of the cookies.
    cookies: Vec<(Vec<u8>, Secret)>,
}

impl Request {
    /// Returns what a head and its body say to the listener at this port.
    fn of(head: &RequestHead, is_post: bool, body: &[u8], port: u16) -> Self {
        let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
        let [address, _] = own_names(port);
        Self {
            is_post,
            path: path.to_owned(),
            is_by_address: head.fields.all("host").eq([address.as_bytes()]),
            is_visit: is_visit(head),
            fields: form_fields(if is_post { body } else { query.as_bytes() }),
            cookies: cookies(head),
        }
    }

    /// A field of the form or the query; nothing where there is none, or more than one.
    pub(crate) fn field(&self, name: &str) -> Option<&[u8]> {
        let mut found = self
            .fields
            .iter()
            .filter(|(known, _)| known == name.as_bytes());
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }

    /// Whether a field is there more than once.
    pub(crate) fn is_repeated(&self, name: &str) -> bool {
        let same = self
            .fields
            .iter()
            .filter(|(known, _)| known == name.as_bytes());
        same.count() > 1
    }

    /// Returns whether a cookie of this name has this value. Another one of the same name, which any port of 127.0.0.1 can set, changes
    /// nothing.
    pub(crate) fn has_cookie(&self, name: &str, value: &Secret) -> bool {
        let mut same = self
            .cookies
            .iter()
            .filter(|(known, _)| known == name.as_bytes());
        same.any(|(_, found)| found.same_as(value))
    }
}

/// An answer.
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: u16,
    /// HTML.
    pub(crate) page: String,
    /// The digest of the one style sheet in it, as Content-Security-Policy names it.
    pub(crate) style: String,
    /// The URL that the browser is sent to, if it is.
    pub(crate) location: Option<String>,
    /// The value of Set-Cookie.
    pub(crate) cookie: Option<String>,
}

impl Reply {
    /// A refusal, in plain words.
    fn refusal(status: u16, text: &str) -> Self {
        Self {
            status,
            page: format!("<!doctype html><title>{text}</title><p>{text}\n"),
            style: String::new(),
            location: None,
            cookie: None,
        }
    }

    /// Returns a redirect to this URL.
    pub(crate) fn redirect(url: String) -> Self {
        Self {
            location: Some(url),
            ..Self::refusal(303, "Go on at the next page.")
        }
    }

    /// Writes it. Nothing is kept, shown in another page, or asked of anyone else.
    fn write(&self, out: &mut Vec<u8>) {
        let reason = match self.status {
            200 => "OK",
            303 => "See Other",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            409 => "Conflict",
            410 => "Gone",
            422 => "Unprocessable Content",
            _ => "Bad Request",
        };
        let style = match self.style.as_str() {
            "" => "'none'".to_owned(),
            digest => format!("'{digest}'"),
        };
        // Forms need `same-origin`: without a referrer their Origin would be null.
        let referrer = match self.location {
            Some(_) => "no-referrer",
            None => "same-origin",
        };
        let more: String = [("Location", &self.location), ("Set-Cookie", &self.cookie)]
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}: {}\r\n", value.as_ref()?)))
            .collect();
        let head = format!(
            "HTTP/1.1 {} {reason}\r\n\
             Content-Type: text/html; charset=utf-8\r\n\
             Content-Length: {}\r\n\
             Connection: close\r\n\
             Cache-Control: no-store\r\n\
             Content-Security-Policy: default-src 'none'; style-src {style}; img-src data:; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'\r\n\
             Referrer-Policy: {referrer}\r\n\
             X-Content-Type-Options: nosniff\r\n\
             X-Frame-Options: DENY\r\n\
             Cross-Origin-Opener-Policy: same-origin\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\n\
             {more}\r\n",
            self.status,
            self.page.len()
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(self.page.as_bytes());
    }
}

/// What an answer means for the listener.
pub(crate) enum Verdict<T> {
    /// It goes on.
    Go(Reply),
    /// It ends with this, once the answer is out.
    End(Reply, T),
}

/// How a listener came to its end.
pub(crate) enum Outcome<T> {
    /// With what it was there for.
    Answer(T),
    /// Nobody answered in time.
    TimedOut,
}

/// Decides on requests.
type Handler<T> = dyn Fn(&Request) -> Verdict<T> + Send + Sync;

/// A listener on 127.0.0.1.
pub(crate) struct Listener {
    /// The socket; non-blocking.
    socket: TcpListener,
    /// Its port.
    port: u16,
    /// Who is heard; where the system tells nothing of it, the unguessable path or state is what a stranger would have to know.
    peers: Option<Peers>,
    /// Where to report connections that are refused.
    notices: Arc<Notices>,
}

/// What the threads of a listener share.
struct Shared<T> {
    /// The port.
    port: u16,
    /// Who is heard; where the system tells nothing of it, the unguessable path or state is what a stranger would have to know.
    peers: Option<Peers>,
    /// Where to report connections that are refused.
    notices: Arc<Notices>,
    /// Decides.
    handler: Box<Handler<T>>,
    /// What the listener was there for.
    answer: Mutex<Option<T>>,
    /// Tells that it is there.
    told: Mutex<PipeWriter>,
    /// How many connections there are.
    connections: AtomicUsize,
}

impl Listener {
    /// Listens on this port, or a free one where it is 0.
    ///
    /// # Errors
    /// When the port is taken, or it can't be found out who connects.
    pub(crate) fn bind(port: u16, admission: Admission, notices: Arc<Notices>) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nonblocking(true)?;
        let peers = match Peers::of(&socket, admission) {
            Ok(peers) => Some(peers),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => None,
            Err(error) => return Err(error),
        };
        let port = socket.local_addr()?.port();
        Ok(Self {
            socket,
            port,
            peers,
            notices,
        })
    }

    /// The URL of a path on it.
    pub(crate) fn url(&self, path: &str) -> String {
        url(self.port, path)
    }

    /// Serves until the handler ends it, or the deadline.
    ///
    /// # Errors
    /// Those of accepting connections.
    pub(crate) fn serve<T: Send + 'static>(
        self,
        deadline: Instant,
        handler: impl Fn(&Request) -> Verdict<T> + Send + Sync + 'static,
    ) -> io::Result<Outcome<T>> {
        let (news, told) = io::pipe()?;
        let shared = Arc::new(Shared {
            port: self.port,
            peers: self.peers,
            notices: self.notices,
            handler: Box::new(handler),
            answer: Mutex::new(None),
            told: Mutex::new(told),
            connections: AtomicUsize::new(0),
        });
        while wait(&self.socket, &news, deadline)? {
            match self.socket.accept() {
                Ok((socket, _)) => start(socket, &shared),
                Err(error) if is_passing(&error) => {}
                // No descriptor is free: a connection that ends gives one back.
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
        let answer = shared
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        Ok(answer.map_or(Outcome::TimedOut, Outcome::Answer))
    }
}

/// Returns the URL of a path on the listener at this port.
pub(crate) fn url(port: u16, path: &str) -> String {
    format!("http://127.0.0.1:{port}{path}")
}

/// Waits for a connection; false when there is an answer, or no time left.
fn wait(socket: &TcpListener, news: &PipeReader, deadline: Instant) -> io::Result<bool> {
    let watch = |fd| poll::Watch {
        fd,
        read: true,
        write: false,
    };
    let watches = [watch(socket.as_fd()), watch(news.as_fd())];
    let [connected, answered] = poll::wait(watches, Some(deadline))?;
    Ok(!answered && (connected || Instant::now() < deadline))
}

/// Whether an error of accept(2) is one of a connection that has gone, or has yet to come.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    )
}

/// Serves a connection on a thread of its own. One too many is closed.
fn start<T: Send + 'static>(socket: TcpStream, shared: &Arc<Shared<T>>) {
    /// Counts a connection as gone.
    struct Slot<T>(Arc<Shared<T>>);
    impl<T> Drop for Slot<T> {
        fn drop(&mut self) {
            self.0.connections.fetch_sub(1, Ordering::AcqRel);
        }
    }

    let before = shared.connections.fetch_add(1, Ordering::AcqRel);
    let slot = Slot(Arc::clone(shared));
    if before >= MAX_CONNECTIONS {
        return;
    }
    let serve = move || {
        // A browser that goes away is no error of ours.
        let _ = converse(socket, &slot.0);
    };
    // Where there is no thread to be had, the connection is closed.
    let _ = thread::Builder::new()
        .name("page".into())
        .stack_size(STACK)
        .spawn(serve);
}

/// One request and its answer.
fn converse<T>(socket: TcpStream, shared: &Shared<T>) -> io::Result<()> {
    let is_admitted = shared
        .peers
        .as_ref()
        .is_none_or(|peers| peers.admit(&socket, "the page of this login", &shared.notices));
    if !is_admitted {
        return Ok(());
    }
    let mut wire = Wire::plain(socket)?;
    let deadline = Instant::now() + PATIENCE;
    let received = receive(&mut wire, shared.port, deadline)?;
    let verdict = match received {
        Ok(request) => (shared.handler)(&request),
        Err(reply) => Verdict::Go(reply),
    };
    let (reply, answer) = match verdict {
        Verdict::Go(reply) => (reply, None),
        Verdict::End(reply, answer) => (reply, Some(answer)),
    };
    reply.write(wire.output());
    let sent = wire.flush_all(Instant::now() + PATIENCE);
    wire.close_gracefully();
    if let Some(answer) = answer {
        let mut first = shared.answer.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(answer);
        drop(first);
        let mut told = shared.told.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = told.write_all(b"!");
    }
    sent
}

/// Reads a request, or tells why it is refused.
fn receive(wire: &mut Wire, port: u16, deadline: Instant) -> io::Result<Result<Request, Reply>> {
    let mut scanner = HeadScanner::default();
    let head = loop {
        match scanner.scan(wire.input(), MAX_HEAD) {
            Ok(Some(range)) => {
                let head = wire.input().get(range.clone()).map(RequestHead::parse);
                wire.consume(range.end);
                break head;
            }
            Ok(None) if wire.end().is_some() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(None) => wire.wait_for_input(deadline)?,
            Err(_) => break None,
        }
    };
    let Some(Ok(head)) = head else {
        return Ok(Err(Reply::refusal(
            400,
            "This is not a request for a page.",
        )));
    };
    let is_post = match &*head.method {
        "GET" => false,
        "POST" => true,
        _ => return Ok(Err(Reply::refusal(405, "This page takes GET and POST."))),
    };
    if !is_for_us(&head, port) {
        return Ok(Err(Reply::refusal(
            403,
            "This page is not for other sites.",
        )));
    }
    if is_post && !is_from_us(&head, port) {
        return Ok(Err(Reply::refusal(
            403,
            "This form was sent by another site.",
        )));
    }
    let length = match Framing::of_request(&head) {
        Ok(Framing::None) => 0,
        Ok(Framing::Length(length)) if length <= MAX_BODY => length,
        _ => return Ok(Err(Reply::refusal(400, "The form is too large."))),
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    while wire.input().len() < length {
        if wire.end().is_some() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        wire.wait_for_input(deadline)?;
    }
    let body = wire.input().get(..length).unwrap_or_default();
    Ok(Ok(Request::of(&head, is_post, body, port)))
}

/// The names that this listener goes by.
fn own_names(port: u16) -> [String; 2] {
    [format!("127.0.0.1:{port}"), format!("localhost:{port}")]
}

/// Whether the request names this listener as its host.
fn is_for_us(head: &RequestHead, port: u16) -> bool {
    let mut hosts = head.fields.all("host");
    let host = hosts.next().unwrap_or_default();
    hosts.next().is_none() && own_names(port).iter().any(|own| own.as_bytes() == host)
}

/// Whether a form comes from a page of this listener. Browsers say so in either field; what says nothing is no browser, and the
/// unguessable path is what it has to know.
fn is_from_us(head: &RequestHead, port: u16) -> bool {
    let is_own = |origin: &[u8]| {
        let own = own_names(port).map(|name| format!("http://{name}"));
        own.iter().any(|own| own.as_bytes() == origin)
    };
    head.fields.all("origin").all(is_own)
        && head
            .fields
            .all("sec-fetch-site")
            .all(|site| site == b"same-origin")
}

/// Returns whether a tab shows the answer. Browsers say so in Sec-Fetch-Dest and Sec-Fetch-Mode; what they fetch ahead of time has a
/// field of its own.
fn is_visit(head: &RequestHead) -> bool {
    let is_ahead = |value: &[u8]| {
        let value = value.to_ascii_lowercase();
        let has = |word: &[u8]| value.windows(word.len()).any(|part| part == word);
        has(b"prefetch") || has(b"prerender") || has(b"preview")
    };
    let mut purposes = ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .into_iter()
        .flat_map(|name| head.fields.all(name));
    let says = |name, word: &[u8]| head.fields.all(name).all(|value| value == word);
    !purposes.any(is_ahead)
        && says("sec-fetch-dest", b"document")
        && says("sec-fetch-mode", b"navigate")
}

/// Returns the names and values of a request's cookies (RFC 6265 section 5.4).
fn cookies(head: &RequestHead) -> Vec<(Vec<u8>, Secret)> {
    let pairs = head
        .fields
        .all("cookie")
        .flat_map(|value| value.split(|byte| *byte == b';'));
    pairs
        .filter_map(|pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = parts.next()?.trim_ascii().to_vec();
            Some((name, Secret::new(parts.next()?.trim_ascii().to_vec())))
        })
        .collect()
}

/// Names and values of `application/x-www-form-urlencoded`.
fn form_fields(text: &[u8]) -> Vec<(Vec<u8>, Zeroizing<Vec<u8>>)> {
    let pairs = text
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = parts.next().unwrap_or_default();
            let value = parts.next().unwrap_or_default();
            (
                encoding::query_decode(name),
                Zeroizing::new(encoding::query_decode(value)),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// A listener for this user on a free port.
    fn bound() -> Listener {
        let notices = Arc::new(Notices::new(|_| {}));
        Listener::bind(0, Admission::own(false), notices).unwrap()
    }

    /// A listener that ends with what is posted to /x as `a`, and its port.
    fn listener() -> (thread::JoinHandle<Outcome<Vec<u8>>>, u16) {
        let listener = bound();
        let port = listener.port;
        let handler = |request: &Request| {
            let reply = |status| Reply::refusal(status, "page");
            match request.field("a") {
                Some(value) if request.is_post && request.path == "/x" => {
                    Verdict::End(reply(200), value.to_vec())
                }
                _ => Verdict::Go(reply(404)),
            }
        };
        let serve = move || {
            let deadline = Instant::now() + Duration::from_secs(30);
            listener.serve(deadline, handler).unwrap()
        };
        (thread::Builder::new().spawn(serve).unwrap(), port)
    }

    /// What the listener answers to this.
    #[expect(clippy::disallowed_methods, reason = "loopback, in a test")]
    fn ask(port: u16, request: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let request = request.replace("PORT", &port.to_string());
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The status of an answer.
    fn status(answer: &str) -> &str {
        answer.get(9..12).unwrap_or_default()
    }

    #[test]
    fn only_its_own_page_is_heard() {
        let (serving, port) = listener();
        for (request, expected) in [
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", "404"),
            ("GET / HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n", "404"),
            ("GET / HTTP/1.1\r\nHost: evil.example:PORT\r\n\r\n", "403"),
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "403"),
            ("GET / HTTP/1.1\r\n\r\n", "403"),
            (
                "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nHost: 127.0.0.1:PORT\r\n\r\n",
                "403",
            ),
            ("PUT /x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", "405"),
            ("nonsense\r\n\r\n", "400"),
            ("GET /x?a=b HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", "404"),
            (
                "POST /x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://evil.example\r\nContent-Length: 3\r\n\r\na=b",
                "403",
            ),
            (
                "POST /x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: null\r\nContent-Length: 3\r\n\r\na=b",
                "403",
            ),
            (
                "POST /x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 3\r\n\r\na=b",
                "403",
            ),
            (
                "POST /x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: 7\r\n\r\na=b&a=c",
                "404",
            ),
            (
                "POST /x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: 99999999\r\n\r\n",
                "400",
            ),
        ] {
            let answer = ask(port, request);
            assert_eq!(status(&answer), expected, "{request}\n{answer}");
        }
        let form = "POST /x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:PORT\r\n\
            Sec-Fetch-Site: same-origin\r\nContent-Length: 7\r\n\r\na=%41+b";
        let answer = ask(port, form);
        assert_eq!(status(&answer), "200", "{answer}");
        assert!(answer.contains("Cache-Control: no-store\r\n"));
        assert!(matches!(serving.join().unwrap(), Outcome::Answer(value) if value == b"A b"));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "loopback, in a test")]
    fn connections_that_say_nothing_hold_nobody_up() {
        let (serving, port) = listener();
        let connect = |_| TcpStream::connect(("127.0.0.1", port)).unwrap();
        let stray: Vec<_> = (0..200).map(connect).collect();
        let form = "POST /x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: 3\r\n\r\na=b";
        assert_eq!(status(&ask(port, form)), "200");
        assert!(matches!(serving.join().unwrap(), Outcome::Answer(_)));
        drop(stray);
    }

    #[test]
    fn a_listener_that_nobody_answers_ends_at_its_deadline() {
        let listener = bound();
        let outcome = listener.serve(Instant::now(), |_| {
            Verdict::End(Reply::refusal(404, ""), ())
        });
        assert!(matches!(outcome.unwrap(), Outcome::TimedOut));
    }
}
