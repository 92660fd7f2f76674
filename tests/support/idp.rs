//! An authorization server that does what it is told, and the API which its tokens are for: one origin under two hosts.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use ring::digest;
use serde_json::Value;
use serde_json::json;

use super::Cmd;
use super::Home;
use super::Output;
use super::origin::Conn;
use super::origin::HOST;
use super::origin::Origin;
use super::wire::Message;
use super::wire::PATIENCE;
use super::wire::base64;

/// The authorization server's host.
pub(crate) const IDP: &str = "idp.test";

/// Who it says it is.
pub(crate) const ISSUER: &str = "https://idp.test";

/// Another host that it answers under.
pub(crate) const OTHER: &str = "other.test";

/// A public client that anyone may use.
pub(crate) const PUBLIC: &str = "public-client";

/// How the server behaves.
pub(crate) struct Manner {
    /// `expires_in` as it is written; null where it is left out. A small whole number counts at the API, too.
    pub(crate) expires_in: Value,
    /// Whether tokens come with a refresh token.
    pub(crate) gives_refresh: bool,
    /// Whether a refresh token is good only once.
    pub(crate) rotates: bool,
    /// The scopes that are said to be granted, where something is said.
    pub(crate) scope: Option<&'static str>,
    /// The clients that are known, each with its secret; where there are none, everyone may come.
    pub(crate) clients: BTreeMap<String, Option<String>>,
    /// Who the server says it is on the way back.
    pub(crate) iss: Option<&'static str>,
    /// What is answered to questions for a device's tokens before there are any.
    pub(crate) device: VecDeque<Fault>,
    /// What a device is told beside the codes.
    pub(crate) device_start: Value,
    /// Documents, by host and path.
    pub(crate) documents: BTreeMap<String, Value>,
    /// Whether clients that register get a secret.
    pub(crate) registers_secret: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            expires_in: json!(3600),
            gives_refresh: true,
            rotates: true,
            scope: None,
            clients: BTreeMap::new(),
            iss: None,
            device: VecDeque::new(),
            device_start: json!({
                "verification_uri": "https://idp.test/activate",
                "expires_in": 600,
                "interval": 1,
            }),
            documents: BTreeMap::new(),
            registers_secret: false,
        }
    }
}

/// Something else than the usual answer.
#[derive(Clone)]
pub(crate) enum Fault {
    /// The connection ends without an answer.
    Closed,
    /// The connection ends within the body.
    Short(&'static str),
    /// Interim responses, for as long as somebody reads them.
    Interim,
    /// An answer: its status, a field, and its body.
    Answer(u16, &'static str, String),
}

impl Fault {
    /// An answer in JSON.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::Answer(status, "Content-Type: application/json", body.to_owned())
    }

    /// An error as RFC 6749 has it.
    pub(crate) fn error(code: &str) -> Self {
        Self::json(400, &json!({"error": code}).to_string())
    }

    /// Sends it; tells whether the connection goes on.
    fn send(&self, conn: &mut Conn) -> bool {
        match self {
            Self::Closed => conn.cut(),
            Self::Short(body) => {
                let length = body.len() + 100;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                let _ = conn.channel.try_send(head + body);
                conn.cut();
            }
            Self::Interim => {
                let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
                while conn.channel.try_send(&hints) {}
                conn.cut();
            }
            Self::Answer(status, field, body) => {
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} So\r\n{field}\r\nContent-Length: {length}\r\n\r\n");
                return conn.channel.try_send(head + body);
            }
        }
        false
    }
}

/// A request that arrived.
#[derive(Clone)]
pub(crate) struct Seen {
    /// For which host.
    pub(crate) host: String,
    /// Its method.
    pub(crate) method: String,
    /// Its path, without the query.
    pub(crate) path: String,
    /// The fields of its form, or of its query.
    pub(crate) fields: BTreeMap<String, String>,
    /// Its Authorization, if it has one.
    pub(crate) authorization: Option<String>,
    /// Its body.
    pub(crate) body: String,
    /// When it came.
    pub(crate) at: Instant,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host, method, path, ..
        } = self;
        write!(
            f,
            "{method} {host}{path} {:?} {:?}",
            self.fields, self.authorization
        )
    }
}

impl Seen {
    /// What there is to know of a request.
    fn of(request: &Message) -> Self {
        let target = request.target();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let body = request.text();
        let is_form = request.all("content-type") == ["application/x-www-form-urlencoded"];
        Self {
            host: request.one("host").to_owned(),
            method: request.method().to_owned(),
            path: path.to_owned(),
            fields: fields(if is_form { &body } else { query }),
            authorization: request
                .all("authorization")
                .first()
                .map(|text| (*text).to_owned()),
            body,
            at: Instant::now(),
        }
    }

    /// A field; empty where it isn't there.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// What a code, a device code or a refresh token stands for.
#[derive(Clone, Default)]
struct Agreed {
    /// Who may redeem it.
    client: String,
    /// For which redirect URI.
    redirect_uri: String,
    /// The challenge whose verifier must come along, if there was one.
    challenge: Option<String>,
    /// For which resource.
    resource: String,
}

/// What the server knows.
#[derive(Default)]
struct State {
    /// How it behaves.
    manner: Manner,
    /// What arrived.
    seen: Vec<Seen>,
    /// What comes in the place of answers, by path: the first counts, and is used up unless it is there for good.
    faults: BTreeMap<String, VecDeque<(Fault, bool)>>,
    /// Codes.
    codes: BTreeMap<String, Agreed>,
    /// Refresh tokens that are good.
    refresh: BTreeMap<String, Agreed>,
    /// Access tokens, and how long each is good.
    access: BTreeMap<String, Option<Instant>>,
    /// Everything that nobody but the client may see, in the order in which it was made.
    secrets: Vec<String>,
    /// Whether the token endpoint keeps those that ask waiting.
    is_held: bool,
    /// Whether it keeps its answers.
    are_answers_held: bool,
}

impl State {
    /// A new secret of this kind, unlike all others.
    fn fresh(&mut self, kind: &str) -> String {
        let number = self.secrets.len();
        let mut bytes = [0; 12];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
            .expect("randomness");
        let mark: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let secret = format!("{kind}-{number}-{mark}");
        self.secrets.push(secret.clone());
        secret
    }

    /// Whether a client is one that is known, and shows what it must.
    fn is_client(&self, seen: &Seen) -> bool {
        let basic = |id: &str, secret: &str| {
            let pair = format!("{}:{}", escaped(id), escaped(secret));
            format!("Basic {}", base64(pair.as_bytes()))
        };
        let known = self.manner.clients.iter();
        self.manner.clients.is_empty()
            || known.into_iter().any(|(id, secret)| match secret {
                None => seen.field("client_id") == id && seen.authorization.is_none(),
                Some(secret) => {
                    let in_body =
                        seen.field("client_id") == id && seen.field("client_secret") == secret;
                    let in_field =
                        seen.authorization.as_deref() == Some(basic(id, secret).as_str());
                    in_body != in_field
                }
            })
    }

    /// Takes a token back (RFC 7009 section 2.2: one that isn't known is no error).
    fn revoke(&mut self, seen: &Seen) -> Fault {
        if !self.is_client(seen) {
            return Fault::error("invalid_client");
        }
        self.refresh.remove(seen.field("token"));
        self.access.remove(seen.field("token"));
        Fault::json(200, "{}")
    }

    /// New tokens, as an answer.
    fn tokens(&mut self, agreed: Agreed, with_refresh: bool) -> Fault {
        let access = self.fresh("access");
        let lives = self
            .manner
            .expires_in
            .as_u64()
            .filter(|seconds| (1..100).contains(seconds));
        let end = lives.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        self.access.insert(access.clone(), end);
        let mut answer = json!({"access_token": access, "token_type": "bearer"});
        if !self.manner.expires_in.is_null() {
            answer["expires_in"] = self.manner.expires_in.clone();
        }
        if with_refresh && self.manner.gives_refresh {
            let refresh = self.fresh("refresh");
            self.refresh.insert(refresh.clone(), agreed);
            answer["refresh_token"] = refresh.into();
        }
        if let Some(scope) = self.manner.scope {
            answer["scope"] = scope.into();
        }
        Fault::json(200, &answer.to_string())
    }

    /// Where a person is sent back to, who always agrees.
    fn authorize(&mut self, seen: &Seen) -> Fault {
        assert_eq!(seen.field("response_type"), "code", "{seen:?}");
        let challenge = seen.fields.get("code_challenge").cloned();
        if challenge.is_some() {
            assert_eq!(seen.field("code_challenge_method"), "S256", "{seen:?}");
        }
        let code = self.fresh("code");
        let agreed = Agreed {
            client: seen.field("client_id").to_owned(),
            redirect_uri: seen.field("redirect_uri").to_owned(),
            challenge,
            resource: seen.field("resource").to_owned(),
        };
        self.codes.insert(code.clone(), agreed);
        let mut place = format!(
            "Location: {}?code={code}&state={}",
            seen.field("redirect_uri"),
            seen.field("state")
        );
        if let Some(iss) = self.manner.iss {
            place.push_str(&format!("&iss={}", escaped(iss)));
        }
        Fault::Answer(302, place.leak(), String::new())
    }

    /// Tokens for what is brought.
    fn token(&mut self, seen: &Seen) -> Fault {
        if !self.is_client(seen) {
            return Fault::json(401, r#"{"error": "invalid_client"}"#);
        }
        match seen.field("grant_type") {
            "authorization_code" => self.redeem(seen),
            "refresh_token" => {
                let token = seen.field("refresh_token");
                let Some(agreed) = self.refresh.get(token).cloned() else {
                    return Fault::error("invalid_grant");
                };
                assert_eq!(seen.field("resource"), agreed.resource, "{seen:?}");
                let rotates = self.manner.rotates;
                if rotates {
                    self.refresh.remove(token);
                }
                self.tokens(agreed, rotates)
            }
            "urn:ietf:params:oauth:grant-type:device_code" => {
                if let Some(fault) = self.manner.device.pop_front() {
                    return fault;
                }
                match self.codes.remove(seen.field("device_code")) {
                    Some(agreed) => self.tokens(agreed, true),
                    None => Fault::error("invalid_grant"),
                }
            }
            _ => Fault::error("unsupported_grant_type"),
        }
    }

    /// Tokens for a code.
    fn redeem(&mut self, seen: &Seen) -> Fault {
        let verifier = seen.field("code_verifier");
        if !verifier.is_empty() {
            self.secrets.push(verifier.to_owned());
        }
        let Some(agreed) = self.codes.remove(seen.field("code")) else {
            return Fault::error("invalid_grant");
        };
        let is_verified = match &agreed.challenge {
            None => verifier.is_empty(),
            Some(challenge) => *challenge == s256(verifier),
        };
        let fits = seen.field("redirect_uri") == agreed.redirect_uri
            && seen.field("resource") == agreed.resource
            && (seen.authorization.is_some() || seen.field("client_id") == agreed.client);
        if !is_verified || !fits {
            return Fault::error("invalid_grant");
        }
        self.tokens(agreed, true)
    }

    /// Codes for a device.
    fn device(&mut self, seen: &Seen) -> Fault {
        if !self.is_client(seen) {
            return Fault::json(401, r#"{"error": "invalid_client"}"#);
        }
        let code = self.fresh("device");
        self.codes.insert(code.clone(), Agreed::default());
        let mut answer = self.manner.device_start.clone();
        answer["device_code"] = code.into();
        answer["user_code"] = "WDJB-MJHT".into();
        Fault::json(200, &answer.to_string())
    }

    /// A new client.
    fn register(&mut self, seen: &Seen) -> Fault {
        let mut answer: Value = serde_json::from_str(&seen.body).expect("a request in JSON");
        let id = format!("client-{}", self.manner.clients.len() + 1);
        let token = self.fresh("registration");
        let secret = match self.manner.registers_secret {
            true => Some(self.fresh("client-secret")),
            false => None,
        };
        if let Some(secret) = &secret {
            answer["client_secret"] = secret.clone().into();
            answer["token_endpoint_auth_method"] = "client_secret_post".into();
        }
        answer["client_id"] = id.clone().into();
        answer["registration_client_uri"] = format!("{ISSUER}/register/{id}").into();
        answer["registration_access_token"] = token.into();
        self.manner.clients.insert(id, secret);
        Fault::json(201, &answer.to_string())
    }

    /// What is answered to whoever asks for a registered client.
    fn registered(&self, id: &str) -> Fault {
        match self.manner.clients.contains_key(id) {
            true => Fault::json(200, &json!({"client_id": id}).to_string()),
            false => Fault::json(401, r#"{"error": "invalid_token"}"#),
        }
    }

    /// The API's answer: to a token that is good it is `ok`.
    fn api(&self, seen: &Seen) -> Fault {
        let token = seen
            .authorization
            .as_deref()
            .and_then(|text| text.strip_prefix("Bearer "));
        let known = token.and_then(|token| self.access.get(token));
        match known {
            Some(end) if end.is_none_or(|end| Instant::now() < end) => {
                Fault::Answer(200, "Content-Type: text/plain", "ok".into())
            }
            _ => Fault::Answer(401, "WWW-Authenticate: Bearer", "refused".into()),
        }
    }

    /// The answer to a request.
    fn answer(&mut self, seen: &Seen) -> Fault {
        let of_path = self.faults.get_mut(&seen.path);
        if let Some(faults) = of_path
            && let Some((fault, is_for_good)) = faults.pop_front()
        {
            if is_for_good {
                faults.push_front((fault.clone(), true));
            }
            return fault;
        }
        let place = format!("{}{}", seen.host, seen.path);
        if let Some(document) = self.manner.documents.get(&place) {
            return Fault::json(200, &document.to_string());
        }
        match (&*seen.method, &*seen.host, &*seen.path) {
            (_, HOST, path) if !is_server(path) => self.api(seen),
            ("GET", _, "/authorize") => self.authorize(seen),
            ("POST", _, "/token") => self.token(seen),
            ("POST", _, "/device") => self.device(seen),
            ("POST", _, "/register") => self.register(seen),
            ("POST", _, "/revoke") => self.revoke(seen),
            ("GET", _, path) if path.starts_with("/register/") => {
                self.registered(path.trim_start_matches("/register/"))
            }
            _ => Fault::Answer(404, "Content-Type: text/html", "<p>not here".into()),
        }
    }
}

/// Whether a path is one of the authorization server's, under the API's host too.
fn is_server(path: &str) -> bool {
    path.starts_with("/.well-known/") || ["/authorize", "/token", "/register"].contains(&path)
}

/// The state, and news of it.
type Shared = Arc<(Mutex<State>, Condvar)>;

/// The state of it, even if a thread has failed.
fn locked(shared: &Shared) -> MutexGuard<'_, State> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of a connection.
fn serve(conn: &mut Conn, shared: &Shared) {
    while let Some(request) = conn.request() {
        let seen = Seen::of(&request);
        let is_token = seen.path == "/token";
        let mut state = locked(shared);
        state.seen.push(seen.clone());
        shared.1.notify_all();
        if is_token {
            let wait = shared
                .1
                .wait_timeout_while(state, PATIENCE, |state| state.is_held);
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
        let answer = state.answer(&seen);
        if is_token {
            shared.1.notify_all();
            let wait = shared
                .1
                .wait_timeout_while(state, PATIENCE, |state| state.are_answers_held);
            drop(wait);
        } else {
            drop(state);
        }
        if !answer.send(conn) || request.all("connection") == ["close"] {
            return;
        }
    }
}

/// The server at work.
pub(crate) struct Idp {
    /// Where it is.
    pub(crate) origin: Origin,
    /// What it knows.
    shared: Shared,
}

impl Idp {
    /// One that behaves well.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// One that behaves like this.
    pub(crate) fn with(change: impl FnOnce(&mut Manner)) -> Self {
        let shared = Shared::default();
        change(&mut locked(&shared).manner);
        let serving = Arc::clone(&shared);
        let origin = Origin::start(move |conn| serve(conn, &serving));
        Self { origin, shared }
    }

    /// Has it behave otherwise.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Manner)) {
        change(&mut locked(&self.shared).manner);
    }

    /// Has the next request for a path, that has not been thought of, get this.
    pub(crate) fn once(&self, path: &str, fault: Fault) {
        let mut state = locked(&self.shared);
        let faults = state.faults.entry(path.to_owned()).or_default();
        faults.push_back((fault, false));
    }

    /// Has all requests for a path get this.
    pub(crate) fn always(&self, path: &str, fault: Fault) {
        let mut state = locked(&self.shared);
        state
            .faults
            .insert(path.to_owned(), VecDeque::from([(fault, true)]));
    }

    /// Has a path behave well again.
    pub(crate) fn mend(&self, path: &str) {
        locked(&self.shared).faults.remove(path);
    }

    /// Has whoever asks for tokens wait.
    pub(crate) fn hold(&self) {
        locked(&self.shared).is_held = true;
    }

    /// Has them wait once it is decided what they get.
    pub(crate) fn hold_answers(&self) {
        locked(&self.shared).are_answers_held = true;
    }

    /// Answers them.
    pub(crate) fn release(&self) {
        let mut state = locked(&self.shared);
        (state.is_held, state.are_answers_held) = (false, false);
        drop(state);
        self.shared.1.notify_all();
    }

    /// Lets no refresh token be good any more.
    pub(crate) fn forget_refresh_tokens(&self) {
        locked(&self.shared).refresh.clear();
    }

    /// Lets no access token be good any more.
    pub(crate) fn forget_access_tokens(&self) {
        locked(&self.shared).access.clear();
    }

    /// What arrived at a path.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let state = locked(&self.shared);
        let seen = state.seen.iter().filter(|seen| seen.path == path);
        seen.cloned().collect()
    }

    /// The last request for a path.
    pub(crate) fn last(&self, path: &str) -> Seen {
        let last = self.seen(path).pop();
        last.unwrap_or_else(|| panic!("nothing came for {path}"))
    }

    /// The refresh tokens that have been brought, one for each time.
    pub(crate) fn refreshes(&self) -> Vec<String> {
        let seen = self.seen("/token").into_iter();
        seen.filter(|seen| seen.field("grant_type") == "refresh_token")
            .map(|seen| seen.field("refresh_token").to_owned())
            .collect()
    }

    /// Waits until so many requests for tokens have come.
    pub(crate) fn wait_for_token_requests(&self, count: usize) {
        let is_less = |state: &mut State| {
            let seen = state.seen.iter().filter(|seen| seen.path == "/token");
            seen.count() < count
        };
        let waited = self
            .shared
            .1
            .wait_timeout_while(locked(&self.shared), PATIENCE, is_less);
        let (_state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(
            !timeout.timed_out(),
            "waited for {count} requests for tokens"
        );
    }

    /// Everything that nobody but the client may see.
    pub(crate) fn secrets(&self) -> Vec<String> {
        locked(&self.shared).secrets.clone()
    }

    /// The last secret of a kind that was made: `access`, `refresh`, `code`.
    pub(crate) fn newest(&self, kind: &str) -> String {
        let secrets = self.secrets();
        let mut of_kind = secrets.into_iter().filter(|text| text.starts_with(kind));
        of_kind
            .next_back()
            .unwrap_or_else(|| panic!("no {kind} was given"))
    }

    /// Waits until every access token that was given is over, for the client too: it counts from when it got the token.
    pub(crate) fn wait_for_end_of_tokens(&self) {
        let ends = locked(&self.shared)
            .access
            .values()
            .copied()
            .collect::<Vec<_>>();
        let last = ends.into_iter().flatten().max().expect("tokens that end");
        let moment = Duration::from_millis(200);
        let left = last.saturating_duration_since(Instant::now());
        std::thread::sleep(left + moment);
    }

    /// `authsome` with these words, and with what leads it here.
    pub(crate) fn authsome(&self, home: &Home, words: &[&str]) -> Cmd {
        let (command, rest) = words.split_first().expect("a command");
        home.authsome([command])
            .args(self.origin.args_for(&[HOST, IDP, OTHER]))
            .args(rest)
    }

    /// `authsome run` that is led here.
    pub(crate) fn run(&self, home: &Home) -> Cmd {
        self.authsome(home, &["run"])
    }

    /// Checks that nothing of what only the client may see was written.
    pub(crate) fn assert_discreet(&self, output: &Output) {
        for secret in self.secrets() {
            output.assert_without(&secret);
        }
    }
}

/// Writes the definition of `acme`, which logs in here by this flow, with these fields of `oauth` beside the usual ones; null takes
/// one out.
pub(crate) fn define(home: &Home, flow: &str, oauth: &Value) {
    let mut fields = json!({
        "authorization_url": "https://idp.test/authorize",
        "token_url": "https://idp.test/token",
        "device_authorization_url": "https://idp.test/device",
        "scopes": ["read", "write"],
        "client_id": PUBLIC,
    });
    let known = fields.as_object_mut().expect("an object");
    for (name, value) in oauth.as_object().expect("an object") {
        match value {
            Value::Null => known.remove(name),
            value => known.insert(name.clone(), value.clone()),
        };
    }
    let definition = json!({
        "schema_version": 1,
        "name": "acme",
        "display_name": "Acme",
        "auth_type": "oauth2",
        "flow": flow,
        "api_url": HOST,
        "oauth": fields,
        "export": {"ACME_TOKEN": "ACCESS_TOKEN", "ACME_REFRESH_TOKEN": "REFRESH_TOKEN"},
    });
    home.provider("acme", &definition.to_string());
}

/// A home with that definition.
pub(crate) fn home(flow: &str, oauth: &Value) -> Home {
    let home = Home::new();
    define(&home, flow, oauth);
    home
}

/// The challenge of a verifier (RFC 7636 section 4.2).
fn s256(verifier: &str) -> String {
    let digest = digest::digest(&digest::SHA256, verifier.as_bytes());
    let text = base64(digest.as_ref());
    text.trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

/// Text with all but unreserved letters escaped (RFC 3986 section 2.3).
pub(crate) fn escaped(text: &str) -> String {
    let one = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

/// Names and values of a form. A name twice is a fault of whoever sent it.
pub(crate) fn fields(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').expect("a name and a value");
        let before = found.insert(unescaped(name), unescaped(value));
        assert_eq!(before, None, "{name} is there twice");
    }
    found
}

/// Text with its escapes read.
fn unescaped(text: &str) -> String {
    let (mut bytes, mut out) = (text.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    let digit = bytes.next().map(char::from);
                    digit
                        .and_then(|digit| digit.to_digit(16))
                        .expect("a hexadecimal digit")
                };
                let value = digit() * 16 + digit();
                u8::try_from(value).expect("a byte")
            }
            byte => byte,
        });
    }
    String::from_utf8(out).expect("text")
}
