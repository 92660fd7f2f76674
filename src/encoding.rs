//! Text forms of bytes: base64 (RFC 4648), hex, percent-encoding (RFC 3986), PEM (RFC 7468), and escaping for messages.

/// The base64 alphabet, RFC 4648 section 4.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The base64 form of `bytes`, padded (RFC 4648 section 4).
pub(crate) fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            if i <= group.len() {
                out.push(BASE64[(bits >> (18 - 6 * i) & 63) as usize]);
            } else {
                out.push(b'=');
            }
        }
    }
    out
}

/// The base64url form of `bytes`, without padding (RFC 4648 section 5).
pub(crate) fn base64url(bytes: &[u8]) -> String {
    let letters = base64(bytes).into_iter().filter(|letter| *letter != b'=');
    letters
        .map(|letter| match letter {
            b'+' => '-',
            b'/' => '_',
            other => char::from(other),
        })
        .collect()
}

/// The bytes that padded base64 stands for (RFC 4648 section 4); `None` when it isn't that.
pub(crate) fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    let body = text
        .strip_suffix(b"==")
        .or_else(|| text.strip_suffix(b"="))
        .unwrap_or(text);
    if !text.len().is_multiple_of(4) || body.len() % 4 == 1 {
        return None;
    }
    let (groups, rest) = body.as_chunks::<4>();
    // With all of its room from the start: one that grows leaves copies behind, and it may be a key.
    let mut out = Vec::with_capacity(groups.len() * 3 + 2);
    out.resize(groups.len() * 3, 0);
    for (group, bytes) in groups.iter().zip(out.as_chunks_mut::<3>().0) {
        let values = group.map(|letter| u32::from(BASE64_VALUES[usize::from(letter)]));
        let [first, second, third, fourth] = values;
        if first | second | third | fourth > 63 {
            return None;
        }
        let bits = first << 18 | second << 12 | third << 6 | fourth;
        let [_, high, middle, low] = bits.to_be_bytes();
        *bytes = [high, middle, low];
    }
    let mut bits = 0_u32;
    for letter in rest {
        let value = BASE64_VALUES[usize::from(*letter)];
        if value == NO_VALUE {
            return None;
        }
        bits = bits << 6 | u32::from(value);
    }
    if let Some(count) = rest.len().checked_sub(1) {
        bits <<= 6 * (4 - rest.len());
        out.extend_from_slice(bits.to_be_bytes().get(1..=count)?);
    }
    Some(out)
}

/// What stands for no letter of the base64 alphabet.
const NO_VALUE: u8 = u8::MAX;

/// The place of each letter in the base64 alphabet: certificates are long, and a program waits for them at the start of a run.
const BASE64_VALUES: [u8; 256] = {
    let mut values = [NO_VALUE; 256];
    let mut place = 0_u8;
    while place < 64 {
        values[BASE64[place as usize] as usize] = place;
        place += 1;
    }
    values
};

/// The lower-case hexadecimal form of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

/// The bytes that hexadecimal digits stand for, two a byte; `None` when they aren't that.
pub(crate) fn hex_decode(text: &[u8]) -> Option<Vec<u8>> {
    // With all of its room from the start: one that grows leaves copies behind, and it may be a key.
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.chunks(2) {
        let [high, low] = pair else { return None };
        bytes.push(hex_value(*high)? << 4 | hex_value(*low)?);
    }
    Some(bytes)
}

/// The value of one hexadecimal digit.
pub(crate) fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Whether RFC 3986 section 2.3 calls the byte unreserved.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `bytes` with all but unreserved bytes percent-encoded, for a query's name or value.
pub(crate) fn percent_encode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if is_unreserved(byte) {
            out.push(byte);
        } else {
            out.push(b'%');
            out.extend(hex(&[byte]).to_ascii_uppercase().bytes());
        }
    }
    out
}

/// `bytes` with each valid `%XX` decoded. What is not a valid escape stays.
pub(crate) fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, escape_value(tail)) {
            (b'%', Some(value)) => {
                out.push(value);
                rest = &tail[2..];
            }
            _ => out.push(byte),
        }
    }
    out
}

/// The same with `+` read as a space, as servers read a query.
pub(crate) fn query_decode(bytes: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = bytes
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decode(&spaced)
}

/// The byte that the two hexadecimal digits at the start of `after_percent` stand for.
pub(crate) fn escape_value(after_percent: &[u8]) -> Option<u8> {
    let high = hex_value(*after_percent.first()?)?;
    let low = hex_value(*after_percent.get(1)?)?;
    Some(high << 4 | low)
}

/// One PEM block (RFC 7468): label lines around base64 in lines of 64.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in base64(der).chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// Bytes from outside, made safe to print in one line: control and non-ASCII bytes as `\xNN`, at most `limit` bytes of them.
pub(crate) fn printable(bytes: &[u8], limit: usize) -> String {
    let shown = bytes.get(..limit).unwrap_or(bytes);
    let mut out: String = shown.escape_ascii().to_string();
    if shown.len() < bytes.len() {
        out.push_str("...");
    }
    out
}

/// Text from outside, made safe to show: what a terminal takes for a command, and what turns the direction of text around or begins another
/// line, as `\xNN` or `\u{NNNN}`.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match u32::from(letter) {
            code if letter.is_control() => out.push_str(&format!("\\x{code:02x}")),
            0x061c | 0x200e | 0x200f | 0x2028..=0x202e | 0x2066..=0x2069 => {
                out.extend(letter.escape_unicode());
            }
            _ => out.push(letter),
        }
    }
    out
}

/// Text that means itself in HTML, within elements and quoted attributes.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_rfc_4648_vectors() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded.as_bytes(), "{plain}");
            assert_eq!(
                base64_decode(coded.as_bytes()).unwrap(),
                plain.as_bytes(),
                "{coded}"
            );
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        let texts = ["Z", "Zg", "Zg=", "Z===", "Zm9v!===", "Zm 9v===", "===="];
        let within = ["Zm9!Zm9v", "!m9vZm9v", "Zm9vZ!==", "Zm9v=m9v", "Zm\u{e9}v"];
        for text in texts.into_iter().chain(within) {
            assert_eq!(base64_decode(text.as_bytes()), None, "{text}");
        }
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(base64_decode(&base64(&every)).unwrap(), every);
    }

    #[test]
    fn a_query_value_survives_encoding_and_decoding() {
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(query_decode(&percent_encode(&every)), every);
        assert_eq!(query_decode(b"a%2Gb%"), b"a%2Gb%");
        assert_eq!(percent_encode(b"a b/c"), b"a%20b%2Fc");
    }

    #[test]
    fn what_is_printed_has_no_control_bytes() {
        assert_eq!(printable(b"a\x1b[31m\r\nb", 64), "a\\x1b[31m\\r\\nb");
        assert_eq!(printable(b"abcdef", 3), "abc...");
    }

    #[test]
    fn what_is_shown_commands_no_terminal() {
        assert_eq!(visible("a\x1b[2J\r\n\x7f"), "a\\x1b[2J\\x0d\\x0a\\x7f");
        assert_eq!(visible("\u{9b}2Jx\u{202e}y"), "\\x9b2Jx\\u{202e}y");
        assert_eq!(visible("x\u{61c}\u{2028}y"), "x\\u{61c}\\u{2028}y");
        assert_eq!(visible("Größe \\ 日本 🙂"), "Größe \\ 日本 🙂");
    }

    #[test]
    fn pem_lines_are_64_wide() {
        let text = pem("CERTIFICATE", &[0; 100]);
        assert!(text.starts_with("-----BEGIN CERTIFICATE-----\n"));
        assert!(text.lines().all(|line| line.len() <= 64));
    }
}
