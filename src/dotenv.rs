//! Files of variables (.env): where each value stands, so that it can be replaced and nothing else changes; and how one is written.
//!
//! There is no standard. What is read here is what the readers of Node, Python, Ruby and Docker Compose have in common: `NAME=value`,
//! `export` before it, single, double and back quotes, comments. Of what they read differently nothing is a credential.
#![deny(clippy::indexing_slicing)]

use std::ops::Range;

use zeroize::Zeroizing;

/// A variable in a file.
pub(crate) struct Assignment {
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: Zeroizing<Vec<u8>>,
    /// Where the value stands, within its quotes if it has some.
    pub(crate) range: Range<usize>,
}

/// The variables of a file, in order.
pub(crate) fn parse(text: &[u8]) -> Vec<Assignment> {
    let mut found = Vec::new();
    let mut at = if text.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    while at < text.len() {
        let line = at..line_end(text, at);
        match assignment(text, line.clone()) {
            Some(assignment) => {
                // A value in quotes may go on over several lines.
                at = line_end(text, assignment.range.end) + 1;
                found.push(assignment);
            }
            None => at = line.end + 1,
        }
    }
    found
}

/// Where the line that this is in ends: at its line feed, or with the text.
fn line_end(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let length = rest.iter().position(|byte| *byte == b'\n');
    from + length.unwrap_or(rest.len())
}

/// The variable that a line begins.
fn assignment(text: &[u8], line: Range<usize>) -> Option<Assignment> {
    let at = skip_blanks(text, line.start, line.end);
    let rest = text.get(at..line.end)?;
    let at = match rest.strip_prefix(b"export") {
        Some(behind) if behind.first().is_some_and(|byte| is_blank(*byte)) => {
            skip_blanks(text, at + b"export".len(), line.end)
        }
        _ => at,
    };
    let rest = text.get(at..line.end)?;
    let length = rest.iter().position(|byte| !is_name(*byte))?;
    let name = str::from_utf8(rest.get(..length)?).ok()?.to_owned();
    let at = skip_blanks(text, at + length, line.end);
    if name.is_empty() || text.get(at) != Some(&b'=') {
        return None;
    }
    let start = skip_blanks(text, at + 1, line.end);
    let (value, range) = in_quotes(text, start).unwrap_or_else(|| bare(text, start..line.end));
    Some(Assignment { name, value, range })
}

/// A value in quotes, if there is one, and where it stands within them: it may hold line ends.
fn in_quotes(text: &[u8], start: usize) -> Option<(Zeroizing<Vec<u8>>, Range<usize>)> {
    let quote = *text.get(start)?;
    if !b"'\"`".contains(&quote) {
        return None;
    }
    let room = line_end(text, start).saturating_sub(start);
    let mut value = Zeroizing::new(Vec::with_capacity(room));
    let mut at = start + 1;
    loop {
        let byte = *text.get(at)?;
        at += 1;
        match byte {
            _ if byte == quote => {
                // What goes on behind the quote is no quoted value.
                let rest = text.get(at..line_end(text, at))?.trim_ascii_start();
                let is_end = rest.is_empty() || rest.starts_with(b"#");
                return is_end.then_some((value, start + 1..at - 1));
            }
            b'\\' if quote == b'"' => {
                let next = *text.get(at)?;
                at += 1;
                match next {
                    b'n' => value.push(b'\n'),
                    b'r' => value.push(b'\r'),
                    b't' => value.push(b'\t'),
                    b'"' | b'\\' | b'$' | b'`' => value.push(next),
                    other => value.extend_from_slice(&[b'\\', other]),
                }
            }
            other => value.push(other),
        }
    }
}

/// A value without quotes: up to a comment or the line's end, without the blanks around it.
fn bare(text: &[u8], rest: Range<usize>) -> (Zeroizing<Vec<u8>>, Range<usize>) {
    let line = text.get(rest.clone()).unwrap_or_default();
    let is_comment = |(index, byte): (usize, &u8)| {
        let before = index.checked_sub(1).and_then(|before| line.get(before));
        *byte == b'#' && before.is_none_or(|byte| is_blank(*byte))
    };
    let end = line
        .iter()
        .enumerate()
        .position(is_comment)
        .unwrap_or(line.len());
    let value = line.get(..end).unwrap_or_default().trim_ascii_end();
    (
        Zeroizing::new(value.to_vec()),
        rest.start..rest.start + value.len(),
    )
}

/// The first place from here on that is no blank.
fn skip_blanks(text: &[u8], from: usize, end: usize) -> usize {
    let rest = text.get(from..end).unwrap_or_default();
    from + rest.iter().take_while(|byte| is_blank(**byte)).count()
}

/// A space or a tab.
fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// What variables' names are made of.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The text with other bytes in these places, which are in order and apart.
pub(crate) fn replaced(text: &[u8], places: &[(Range<usize>, &str)]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + 64 * places.len()));
    let mut at = 0;
    for (range, new) in places {
        out.extend_from_slice(text.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(new.as_bytes());
        at = range.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

/// A value as .env files have it: bare where all readers agree on it, in single quotes where nothing in it has a meaning there, else
/// in double quotes with backslashes, as shells take them. Readers differ on those: Node's leave the backslashes in, Python's some of
/// them; so they are for what can't do without.
pub(crate) fn quoted(value: &[u8]) -> Zeroizing<Vec<u8>> {
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:+=@%~,".contains(byte);
    let mut out = Zeroizing::new(Vec::with_capacity(2 * value.len() + 2));
    if !value.is_empty() && value.iter().all(is_bare) {
        out.extend_from_slice(value);
        return out;
    }
    // Python's reader takes the one before a quote or another one for an escape between single quotes too.
    let is_escape = value.ends_with(b"\\") || value.windows(2).any(|pair| pair == b"\\\\");
    let quote = if is_escape || value.iter().any(|byte| b"'\n\r".contains(byte)) {
        b'"'
    } else {
        b'\''
    };
    out.push(quote);
    for byte in value {
        match (quote, *byte) {
            (b'"', b'\n') => out.extend_from_slice(b"\\n"),
            (b'"', b'\r') => out.extend_from_slice(b"\\r"),
            (b'"', b'"' | b'\\' | b'$' | b'`') => out.extend_from_slice(&[b'\\', *byte]),
            (_, byte) => out.push(byte),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and values of a text.
    fn read(text: &str) -> Vec<(String, String)> {
        let found = parse(text.as_bytes()).into_iter();
        found
            .map(|one| (one.name, String::from_utf8(one.value.to_vec()).unwrap()))
            .collect()
    }

    #[test]
    fn values_are_read_as_the_usual_readers_do() {
        for (text, value) in [
            ("A=sk-1", "sk-1"),
            ("A=sk-1\r\n", "sk-1"),
            ("  export\tA = sk-1  ", "sk-1"),
            ("A=sk-1 # comment", "sk-1"),
            ("A=sk#1", "sk#1"),
            ("A='sk $1 # \" x' # c", "sk $1 # \" x"),
            ("A=\"a\\\"b\\n\\$c\\x\"", "a\"b\n$c\\x"),
            ("A=`a'b\"c`", "a'b\"c"),
            ("A='one\ntwo'", "one\ntwo"),
            ("A='not closed", "'not closed"),
            ("A=", ""),
            ("A=#x", ""),
            ("\u{feff}A=x", "x"),
            ("A=a=b", "a=b"),
            ("A='a'b", "'a'b"),
            ("exported=x", "x"),
        ] {
            let found = read(text);
            assert_eq!(found.len(), 1, "{text:?}");
            assert_eq!(found[0].1, value, "{text:?}");
        }
        for text in ["", "#A=x", "A", "=x", "A B=x", "A-B=x", "export", "\n\n"] {
            assert!(read(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn each_line_is_its_own_whatever_stands_before() {
        let text = "A='1\n2'\n# B=x\nC=3\nnonsense\nD=\"4\" # E=5\nF=6";
        let names: Vec<String> = read(text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "C", "D", "F"]);
    }

    #[test]
    fn only_the_values_change() {
        let text = b"# keys\r\nA='secret' # mine\r\nB = other\nC=x";
        let places: Vec<_> = parse(text)
            .into_iter()
            .filter(|one| one.name != "C")
            .map(|one| (one.range, "-"))
            .collect();
        assert_eq!(
            &**replaced(text, &places),
            b"# keys\r\nA='-' # mine\r\nB = -\nC=x"
        );
    }

    #[test]
    fn any_prefix_of_a_file_is_read_without_harm() {
        let text = b"\xef\xbb\xbfexport A=\"x\\\"\\\\y\" # c\nB='z\n'\n`C=`\xff";
        for end in 0..=text.len() {
            let part = &text[..end];
            for one in parse(part) {
                assert!(one.range.end <= part.len());
            }
        }
    }

    #[test]
    fn a_dotenv_value_is_quoted_no_more_than_needed() {
        for (value, expected) in [
            ("sk-abc_1.2", "sk-abc_1.2"),
            ("", "''"),
            ("a b", "'a b'"),
            ("a#b", "'a#b'"),
            ("$x`y`", "'$x`y`'"),
            ("a\"b", "'a\"b'"),
            ("it's $5", "\"it's \\$5\""),
            ("a\nb", "\"a\\nb\""),
            ("a\\b", "'a\\b'"),
            ("a\\", "\"a\\\\\""),
            ("it's `id`", "\"it's \\`id\\`\""),
        ] {
            assert_eq!(&**quoted(value.as_bytes()), expected.as_bytes());
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        for value in [
            "",
            "sk-1",
            "a b#c",
            "it's",
            "\"$x\\\n\r\t`'",
            " a ",
            "#",
            "é",
        ] {
            let line = [b"A=", &**quoted(value.as_bytes()), b"\nB=1"].concat();
            let found = parse(&line);
            assert_eq!(found.len(), 2, "{value:?}");
            assert_eq!(&**found[0].value, value.as_bytes(), "{value:?}");
        }
    }
}
