//! Readers of settings files: each gives the pairs of key and value that it finds. They are tolerant, since the tools themselves are
//! the judges of their files, and take a line for no more than it says: nothing is expanded, included or run.

use memchr::memmem;

/// Nested mappings of YAML, at the most; no tool's settings come near.
const MAX_DEPTH: usize = 16;

/// Bytes of a key, at the most: one that is longer is none that is looked for. Without a limit, a long section before very many lines
/// would be copied for each of them.
pub(super) const MAX_KEY: usize = 512;

/// The syntax of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `[section]` and `key = value`: INI, TOML, npm's and R's files, Java's properties.
    Sections,
    /// `key value`, `key = value` or `--key value`: curl's file and Yarn's first.
    Words,
    /// `key: value`, nested by indentation.
    Yaml,
    /// A JSON object.
    Json,
    /// Maven's settings: `<proxy>` with `<host>` and `<port>`.
    Maven,
    /// NuGet's configuration: `<add key="..." value="..."/>`.
    NuGet,
}

/// Receives a pair: the key in lower case, as in `section.key`, and the value without quotes.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&str, &str);

/// Gives each pair of a text.
pub(super) fn each(format: Format, text: &str, sink: Sink<'_>) {
    match format {
        Format::Sections => sections(text, sink),
        Format::Words => words(text, sink),
        Format::Yaml => yaml(text, sink),
        Format::Json => json(text, sink),
        Format::Maven => maven(text, sink),
        Format::NuGet => nuget(text, sink),
    }
}

/// Returns whether a key is the one of a pattern, in which a star stands for anything.
pub(super) fn matches(pattern: &str, key: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == key,
        Some((start, end)) => {
            key.len() >= start.len() + end.len() && key.starts_with(start) && key.ends_with(end)
        }
    }
}

/// Reads `[section]` and `key = value`.
fn sections(text: &str, sink: Sink<'_>) {
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';', '!']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.split(']').next().unwrap_or_default();
            section = key_of(name);
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else {
            continue;
        };
        let key = key_of(key);
        match section.as_str() {
            "" => sink(&key, unquoted(value)),
            section => sink(&format!("{section}.{key}"), unquoted(value)),
        }
    }
}

/// Reads `key value`.
fn words(text: &str, sink: Sink<'_>) {
    for line in text.lines().map(str::trim) {
        if line.starts_with('#') {
            continue;
        }
        let line = line.trim_start_matches('-');
        let is_end = |letter: char| letter.is_whitespace() || letter == '=' || letter == ':';
        let (key, value) = line.split_at(line.find(is_end).unwrap_or(line.len()));
        let key = key_of(key.trim_matches('"'));
        sink(&key, unquoted(value.trim_start_matches(is_end)));
    }
}

/// Reads mappings of YAML, one key a line.
fn yaml(text: &str, sink: Sink<'_>) {
    let mut above: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        if bare.is_empty() || bare.starts_with(['#', '-']) {
            continue;
        }
        // Ruby's symbols have a colon in front.
        let bare = bare.trim_start_matches(':');
        let split = bare.split_once(": ");
        let Some((key, value)) = split.or_else(|| Some((bare.trim_end().strip_suffix(':')?, "")))
        else {
            continue;
        };
        while above.last().is_some_and(|(depth, _)| *depth >= indent) {
            above.pop();
        }
        let key = key_of(key.trim().trim_matches(['"', '\'']));
        let full = match above.last() {
            Some((_, section)) => key_of(&format!("{section}.{key}")),
            None => key,
        };
        let value = unquoted(value);
        if !value.is_empty() {
            sink(&full, value);
        } else if above.len() < MAX_DEPTH {
            above.push((indent, full));
        }
    }
}

/// Reads the texts of a JSON object and of the objects in it.
fn json(text: &str, sink: Sink<'_>) {
    /// Goes into the object below this key; what reads JSON has a limit of depth.
    fn walk(above: &str, value: &serde_json::Value, sink: Sink<'_>) {
        let Some(object) = value.as_object() else {
            return;
        };
        for (key, value) in object {
            let key = match above {
                "" => key_of(key),
                above => key_of(&format!("{above}.{}", key_of(key))),
            };
            match value.as_str() {
                Some(text) => sink(&key, text),
                None => walk(&key, value, sink),
            }
        }
    }
    if let Ok(value) = serde_json::from_str(text) {
        walk("", &value, sink);
    }
}

/// Reads the active proxies of Maven's settings.
fn maven(text: &str, sink: Sink<'_>) {
    let text = without_comments(text);
    for part in text.split("<proxy>").skip(1) {
        let part = part.split("</proxy>").next().unwrap_or_default();
        let tag = |name: &str| {
            let (_, rest) = part.split_once(&format!("<{name}>"))?;
            Some(rest.split('<').next().unwrap_or_default().trim())
        };
        if tag("active") == Some("false") {
            continue;
        }
        for name in ["host", "port", "username"] {
            if let Some(value) = tag(name) {
                sink(&format!("proxy.{name}"), value);
            }
        }
    }
}

/// Reads the settings of NuGet.
fn nuget(text: &str, sink: Sink<'_>) {
    let text = without_comments(text);
    for part in text.split("<add ").skip(1) {
        let part = part.split('>').next().unwrap_or_default();
        let attribute = |name: &str| {
            let (_, rest) = part.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        if let (Some(key), Some(value)) = (attribute("key"), attribute("value")) {
            sink(&key_of(key), value);
        }
    }
}

/// A key or a section in lower case; an empty one in the place of one that is too long.
fn key_of(text: &str) -> String {
    let text = text.trim();
    if text.len() > MAX_KEY {
        return String::new();
    }
    text.to_lowercase()
}

/// A text of XML without its comments.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        out.push_str(before);
        let end = memmem::find(after.as_bytes(), b"-->");
        rest = end.and_then(|end| after.get(end + 3..)).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Returns a quoted value without its quotes, and any other value without a comment at its end.
fn unquoted(value: &str) -> &str {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.split(quote).next().unwrap_or_default();
        }
    }
    let comment = [" #", "\t#", " ;"]
        .iter()
        .filter_map(|mark| value.find(mark));
    let end = comment.min().unwrap_or(value.len());
    value.get(..end).unwrap_or_default().trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pairs of a text, a line each.
    fn pairs(format: Format, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        each(format, text, &mut |key, value| {
            found.push(format!("{key}={value}"));
        });
        found
    }

    #[test]
    fn sections_and_their_keys() {
        let text = "Proxy=http://p:1 ; why\n# x=1\n[Global]\r\n cert: '/a b' \r\nx\n[http]\ncainfo = \"/c\" # d\n[unended\nk=";
        assert_eq!(
            pairs(Format::Sections, text),
            [
                "proxy=http://p:1",
                "global.cert=/a b",
                "http.cainfo=/c",
                "unended.k="
            ]
        );
    }

    #[test]
    fn words_with_and_without_dashes() {
        let text = "--proxy http://p:1\n-x \"p:2\"\nproxy = p:3\nproxy=p:4\ncacert: /c\n# proxy p\n\"https-proxy\" \"p:5\"\ninsecure";
        assert_eq!(
            pairs(Format::Words, text),
            [
                "proxy=http://p:1",
                "x=p:2",
                "proxy=p:3",
                "proxy=p:4",
                "cacert=/c",
                "https-proxy=p:5",
                "insecure="
            ]
        );
    }

    #[test]
    fn mappings_nest_by_indentation() {
        let text = "---\n:http_proxy: http://p:1\nproxy_servers:\n  https: http://p:2 # c\n  - x: 1\nnet:\n    \"*.corp\":\n        httpsProxy: \"p\"\n    a: b\nssl_verify: /c\n";
        assert_eq!(
            pairs(Format::Yaml, text),
            [
                "http_proxy=http://p:1",
                "proxy_servers.https=http://p:2",
                "net.*.corp.httpsproxy=p",
                "net.a=b",
                "ssl_verify=/c"
            ]
        );
    }

    #[test]
    fn documents_of_json_and_xml() {
        assert_eq!(
            pairs(Format::Json, r#"{"config": {"cafile": "/c", "n": 1}}"#),
            ["config.cafile=/c"]
        );
        let text = "<!-- <proxy><host>no</host></proxy> --><proxies><proxy><active>false</active><host>off</host></proxy>\
                    <proxy> <host> h </host><port>8</port></proxy><!-- unended <proxy>";
        assert_eq!(pairs(Format::Maven, text), ["proxy.host=h", "proxy.port=8"]);
        let text = r#"<config><add key="HTTP_PROXY" value="http://p:1" /><!-- <add key="a" value="b"/> --></config>"#;
        assert_eq!(pairs(Format::NuGet, text), ["http_proxy=http://p:1"]);
    }

    #[test]
    fn nothing_that_a_file_says_is_too_odd() {
        let deep: String = (0..5000)
            .map(|at| format!("{}k:\n", " ".repeat(at % 300)))
            .collect();
        let brackets = "[".repeat(5000);
        let texts = [
            "",
            "\n",
            "=",
            ":",
            "[",
            "]",
            "'",
            "\"",
            "{",
            "<proxy>",
            "<!--",
            "<add ",
            "<!---->",
            "-->",
            "\u{fc}=\u{1f600}",
            "\u{a0}:",
            &deep,
            &brackets,
        ];
        for text in texts {
            for format in [
                Format::Sections,
                Format::Words,
                Format::Yaml,
                Format::Json,
                Format::Maven,
                Format::NuGet,
            ] {
                pairs(format, text);
            }
        }
    }

    #[test]
    fn a_key_that_is_too_long_is_none() {
        let long = "k".repeat(MAX_KEY + 1);
        for (format, text) in [
            (Format::Sections, format!("[{long}]\n{long}=1\na=2")),
            (Format::Words, format!("{long} 1\na 2")),
            (Format::Yaml, format!("{long}:\n  {long}: 1\na: 2")),
            (
                Format::Json,
                format!("{{\"{long}\": {{\"b\": \"1\"}}, \"a\": \"2\"}}"),
            ),
        ] {
            let found = pairs(format, &text);
            assert!(found.iter().all(|pair| pair.len() < 10), "{found:?}");
            assert!(found.contains(&"a=2".to_owned()), "{found:?}");
        }
    }

    #[test]
    fn a_star_in_a_pattern_stands_for_anything() {
        assert!(matches("*.cert", "global.cert"));
        assert!(matches("a.*.b", "a.x.y.b"));
        assert!(!matches("a.*.b", "a.b"));
        assert!(!matches("*.cert", "cert"));
        assert!(matches("cert", "cert"));
    }
}
