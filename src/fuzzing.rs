//! The door for `fuzz/`: what its targets call, on bytes and text. Built with `--cfg fuzzing` alone.

pub mod proxied;

use std::ops::Range;

use crate::dotenv;
use crate::http1::body::BodyReader;
use crate::http1::body::BodyWriter;
use crate::http1::framing::Framing;
use crate::http1::head::Fields;
use crate::http1::head::HeadScanner;
use crate::http1::head::RequestHead;
use crate::http1::head::ResponseHead;
use crate::http1::head::Version;
use crate::http1::head::write_field;
use crate::http1::mend::Tolerance;
use crate::oauth::token;
use crate::path;
use crate::provider::Placement;
use crate::provider::definition::Definition;
use crate::provider::definition::Outside;
use crate::provider::host_rule::HostRule;
use crate::proxy::http2::Refuser;
use crate::secret::Secret;
use crate::tls::hello::NameCheck;
use crate::upstream::fetch::Answer;
use crate::url;
use crate::vault::Contents;
use crate::vault::MasterKey;
use crate::vault::open_file;
use crate::vault::sealed_file;

/// Names and values, in order.
pub type FieldList = Vec<(Vec<u8>, Vec<u8>)>;

/// Scans for a head in `input` when it arrives up to each of `cuts` and then whole.
///
/// # Errors
/// What is wrong with it.
pub fn scan_head(
    input: &[u8],
    cuts: &[usize],
    limit: usize,
) -> Result<Option<Range<usize>>, String> {
    scan_with(HeadScanner::default(), input, cuts, limit)
}

/// Scans for the head of a response of which is mended what curl takes.
///
/// # Errors
/// What is wrong with it.
pub fn scan_lenient(
    input: &[u8],
    cuts: &[usize],
    limit: usize,
) -> Result<Option<Range<usize>>, String> {
    scan_with(
        HeadScanner::tolerant(Tolerance::Lenient),
        input,
        cuts,
        limit,
    )
}

/// Scans for a head.
fn scan_with(
    mut scanner: HeadScanner,
    input: &[u8],
    cuts: &[usize],
    limit: usize,
) -> Result<Option<Range<usize>>, String> {
    for end in cuts.iter().chain([&input.len()]) {
        let arrived = input.get(..*end).unwrap_or(input);
        match scanner.scan(arrived, limit) {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(None)
}

/// What the check of server names makes of a client's bytes that arrive up to each of `cuts` and then whole, where `good.test` alone may
/// be asked for: how many may go on, and whether it is over.
///
/// # Errors
/// Why it refuses them.
pub fn check_names(input: &[u8], cuts: &[usize]) -> Result<(u64, bool), String> {
    let accepts = |host: &url::Host| host.as_str() == "good.test";
    let mut check = NameCheck::new(&accepts);
    let mut start = 0;
    for end in cuts.iter().chain([&input.len()]) {
        let piece = input.get(start..*end).unwrap_or_default();
        start = start.max(*end);
        check.see(piece).map_err(|refused| format!("{refused:?}"))?;
        assert!(check.cleared() <= check.seen() && check.seen() == start as u64);
    }
    Ok((check.cleared(), check.is_over()))
}

/// What a client of HTTP/2 is answered whose bytes arrive up to each of `cuts` and then whole, and the code of the connection's end.
#[must_use]
pub fn refuse_http2(input: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<u32>) {
    let mut out = Vec::new();
    let mut refuser = Refuser::new("a message", &mut out);
    let mut used = 0;
    for end in cuts.iter().chain([&input.len()]) {
        let arrived = input.get(used..*end).unwrap_or_default();
        match refuser.read(arrived, &mut out) {
            Ok(count) => used += count,
            Err(code) => return (out, Some(code as u32)),
        }
    }
    (out, None)
}

/// A head in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Method and target, or status and reason.
    pub start: (String, String),
    /// Whether it is HTTP/1.0.
    pub is_http10: bool,
    /// Its fields.
    pub fields: FieldList,
}

impl Head {
    /// The version as it is written.
    fn version(&self) -> &str {
        if self.is_http10 {
            "HTTP/1.0"
        } else {
            "HTTP/1.1"
        }
    }

    /// Writes a start line and the fields.
    fn write(&self, start: [&str; 3]) -> Vec<u8> {
        let mut out = start.join(" ").into_bytes();
        out.extend_from_slice(b"\r\n");
        for (name, value) in &self.fields {
            write_field(&mut out, name, value);
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// Writes the head of a request.
    #[must_use]
    pub fn write_request(&self) -> Vec<u8> {
        self.write([&self.start.0, &self.start.1, self.version()])
    }

    /// Writes the head of a response.
    #[must_use]
    pub fn write_response(&self) -> Vec<u8> {
        self.write([self.version(), &self.start.0, &self.start.1])
    }
}

/// Copies fields.
fn list(fields: &Fields) -> FieldList {
    let copied = fields.iter();
    copied
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

/// The head of a request, if it is one.
#[must_use]
pub fn parse_request(head: &[u8]) -> Option<Head> {
    let head = RequestHead::parse(head).ok()?;
    Some(Head {
        fields: list(&head.fields),
        is_http10: head.version == Version::Http10,
        start: (head.method, head.target),
    })
}

/// The head of a response, if it is one.
#[must_use]
pub fn parse_response(head: &[u8]) -> Option<Head> {
    let head = ResponseHead::parse(head).ok()?;
    Some(Head {
        fields: list(&head.fields),
        is_http10: head.version == Version::Http10,
        start: (head.status.to_string(), head.reason),
    })
}

/// The head of a response of which was mended what curl takes, and whether something was.
#[must_use]
pub fn parse_lenient(head: &[u8]) -> Option<(Head, bool)> {
    let head = ResponseHead::parse_mended(head, Tolerance::Lenient).ok()?;
    let parts = Head {
        fields: list(&head.fields),
        is_http10: head.version == Version::Http10,
        start: (head.status.to_string(), head.reason),
    };
    Some((parts, head.is_mended))
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// There is none.
    None,
    /// After so many bytes.
    Bytes(u64),
    /// Where the chunked coding says so.
    Chunked,
    /// Where the connection ends.
    UntilClose,
}

impl From<Framing> for Length {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::None,
            Framing::Length(length) => Self::Bytes(length),
            Framing::Chunked => Self::Chunked,
            Framing::UntilClose => Self::UntilClose,
        }
    }
}

/// The length of a request's body; nothing where the head is refused.
#[must_use]
pub fn length_of_request(head: &[u8]) -> Option<Result<Length, String>> {
    let head = RequestHead::parse(head).ok()?;
    let framing = Framing::of_request(&head);
    Some(framing.map(Length::from).map_err(|error| error.to_string()))
}

/// The length of a response's body; nothing where the head is refused.
#[must_use]
pub fn length_of_response(head: &[u8], method: &str) -> Option<Result<Length, String>> {
    let head = ResponseHead::parse(head).ok()?;
    let framing = Framing::of_response(&head, method);
    Some(framing.map(Length::from).map_err(|error| error.to_string()))
}

/// What was read of a chunked body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Its content.
    pub content: Vec<u8>,
    /// Bytes of the input that are done with.
    pub used: usize,
    /// Whether it is whole.
    pub is_whole: bool,
    /// The trailer section, with the empty line at its end; empty where there are no trailers.
    pub trailers: Vec<u8>,
}

/// Reads a chunked body that arrives up to each of `cuts` and then whole.
///
/// # Errors
/// What is wrong with it.
pub fn read_chunked(input: &[u8], cuts: &[usize]) -> Result<Body, String> {
    let mut reader = BodyReader::new(Framing::Chunked);
    let (mut content, mut used) = (Vec::new(), 0);
    for end in cuts.iter().chain([&input.len()]) {
        while let Some(arrived) = input.get(used..*end) {
            let step = reader.step(arrived).map_err(|error| error.to_string())?;
            used += step.used;
            content.extend_from_slice(step.content);
            if step.used == 0 {
                break;
            }
        }
    }
    Ok(Body {
        content,
        used,
        is_whole: reader.is_done(),
        trailers: reader.trailers().to_vec(),
    })
}

/// Writes a chunked body of these pieces, with all of the trailers.
///
/// # Errors
/// When the trailer section is malformed.
pub fn write_chunked(pieces: &[&[u8]], trailers: &[u8]) -> Result<Vec<u8>, String> {
    let trailers = match trailers {
        [] => Fields::default(),
        section => Fields::parse(section).map_err(|error| error.to_string())?,
    };
    let mut out = Vec::new();
    for piece in pieces {
        BodyWriter::Chunked.write(&[piece], &mut out);
    }
    BodyWriter::Chunked.finish(&trailers, |_, _| true, &mut out);
    Ok(out)
}

/// The fields of a trailer section, if it is one.
#[must_use]
pub fn trailer_fields(section: &[u8]) -> Option<FieldList> {
    Fields::parse(section).ok().as_ref().map(list)
}

/// A host as it is printed.
#[must_use]
pub fn host(text: &[u8]) -> Option<String> {
    url::Host::parse(text).ok().map(|host| host.to_string())
}

/// An authority as it is printed.
#[must_use]
pub fn authority(text: &[u8], default_port: Option<u16>) -> Option<String> {
    let authority = url::Authority::parse(text, default_port).ok()?;
    Some(authority.to_string())
}

/// A URL as it is printed, its authority and its target.
#[must_use]
pub fn url(text: &[u8]) -> Option<[String; 3]> {
    let url = url::Url::parse(text).ok()?;
    Some([url.to_string(), url.authority.to_string(), url.target])
}

/// The ways in which servers read a path.
#[must_use]
pub fn path_readings(path: &[u8]) -> Option<Vec<String>> {
    path::path_readings(path).ok()
}

/// A host rule.
pub struct Rule(HostRule);

impl Rule {
    /// The rule, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        HostRule::parse(text).ok().map(Self)
    }

    /// The rule as it is printed.
    #[must_use]
    pub fn print(&self) -> String {
        self.0.to_string()
    }

    /// The host of an exact rule, as it is printed.
    #[must_use]
    pub fn exact_host(&self) -> Option<String> {
        self.0.exact_host().map(url::Host::to_string)
    }

    /// Whether it is a pattern that a stranger's host could match.
    #[must_use]
    pub fn is_loose(&self) -> bool {
        self.0.is_loose()
    }

    /// Whether it is for this host, on whatever port. What is no host is claimed by none.
    #[must_use]
    pub fn claims_host(&self, host: &[u8]) -> bool {
        url::Host::parse(host).is_ok_and(|host| self.0.claims_host(&host))
    }

    /// Whether it is for this host and port.
    #[must_use]
    pub fn claims(&self, authority: &[u8]) -> bool {
        url::Authority::parse(authority, None).is_ok_and(|authority| self.0.claims(&authority))
    }
}

/// What the targets ask of a definition that was accepted.
pub struct Provider {
    /// Its host rules.
    pub rules: Vec<Rule>,
    /// The fields that it writes, with the part of their values that is known.
    pub fields: Vec<(String, String)>,
    /// What the child gets instead of a credential.
    pub placeholder: String,
}

/// The provider that a definition's text describes, each variable of the environment having this value.
#[must_use]
pub fn provider(text: &[u8], variable: Option<&str>) -> Option<Provider> {
    let definition = Definition::parse("definition.json", text).ok()?;
    let outside = Outside {
        base_url: None,
        username: None,
        variable: &|_: &str| variable.map(str::to_owned),
    };
    let provider = definition.provider(&outside).ok()?;
    let mut fields = provider.extra_headers;
    for rule in &provider.rules {
        if let Placement::Header { name, prefix } = &rule.placement {
            fields.push((name.clone(), prefix.clone().unwrap_or_default()));
        }
    }
    Some(Provider {
        rules: provider
            .rules
            .into_iter()
            .map(|rule| Rule(rule.host))
            .collect(),
        fields,
        placeholder: provider.placeholder,
    })
}

/// Names and values of the variables in a file.
#[must_use]
pub fn dotenv_values(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let found = dotenv::parse(text).into_iter();
    found.map(|one| (one.name, one.value.to_vec())).collect()
}

/// The file with this in the place of every value that isn't empty.
#[must_use]
pub fn dotenv_replaced(text: &[u8], by: &str) -> Vec<u8> {
    let mut found = dotenv::parse(text);
    found.retain(|one| !one.value.is_empty());
    let places: Vec<_> = found.into_iter().map(|one| (one.range, by)).collect();
    dotenv::replaced(text, &places).to_vec()
}

/// A value as it is written in such a file.
#[must_use]
pub fn dotenv_quoted(value: &[u8]) -> Vec<u8> {
    dotenv::quoted(value).to_vec()
}

/// The key of the vaults here.
fn vault_key() -> MasterKey {
    let text = Secret::new(vec![b'0'; 64]);
    MasterKey::from_text(&text).expect("64 digits are a key")
}

/// The names and secrets of a vault's file, if it can be opened.
///
/// # Errors
/// Why it can't.
pub fn open_vault(file: &[u8]) -> Result<FieldList, String> {
    let contents = open_file(file, &vault_key()).map_err(|error| error.to_string())?;
    let names: Vec<String> = contents.iter().map(|(name, _)| name.to_owned()).collect();
    let entries = names.into_iter().map(|name| {
        let secret = contents.secret(&name).map_err(|error| error.to_string())?;
        let secret = secret.map(|secret| secret.expose().to_vec());
        Ok((name.into_bytes(), secret.unwrap_or_default()))
    });
    entries.collect()
}

/// A vault's file with these names and secrets.
#[must_use]
pub fn seal_vault(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let key = vault_key();
    let mut contents = Contents::empty(&key);
    for (name, secret) in entries {
        let put = contents.put(name, serde_json::Value::Null, Some(secret));
        put.expect("there is randomness");
    }
    sealed_file(&contents, &key).expect("there is randomness")
}

/// Access token, refresh token and lifetime in an answer of a token endpoint.
pub type TokenAnswer = (Vec<u8>, Option<Vec<u8>>, Option<u64>);

/// Reads such an answer.
///
/// # Errors
/// What a person would read.
pub fn read_tokens(status: u16, body: &[u8]) -> Result<TokenAnswer, String> {
    let host = url::Authority::parse(b"idp.test", Some(443)).expect("a good name");
    let answer = Answer {
        status,
        challenges: Vec::new(),
        body: body.to_vec().into(),
    };
    let tokens = token::parse(&answer, &host).map_err(|error| error.to_string())?;
    let bytes = |secret: &Secret| secret.expose().to_vec();
    let refresh = tokens.refresh.as_ref().map(bytes);
    Ok((bytes(&tokens.access), refresh, tokens.lifetime))
}
