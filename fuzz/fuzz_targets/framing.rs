//! A body's length is what a plain reading of RFC 9112 section 6.3 gives, and a message is refused where that gives none: so one
//! that is accepted never has both lengths.
#![no_main]

use authsome::fuzzing::Length;
use authsome::fuzzing::length_of_request;
use authsome::fuzzing::length_of_response;
use authsome::fuzzing::scan_head;
use libfuzzer_sys::fuzz_target;

/// The values of all fields of this name.
fn values(head: &str, name: &str) -> Vec<String> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let own = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    own.map(|(_, value)| value.trim_matches([' ', '\t']).to_ascii_lowercase())
        .collect()
}

/// The one number that all of them name: `Some(None)` where there is no field.
fn number(values: &[String]) -> Option<Option<u64>> {
    let joined = values.join(",");
    let mut members = joined
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']));
    let is_number =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && (1..19).contains(&text.len());
    match (values.is_empty(), members.clone().all(is_number)) {
        (true, _) => Some(None),
        (false, false) => None,
        (false, true) => {
            let first: u64 = members.next()?.parse().ok()?;
            members
                .all(|other| other.parse() == Ok(first))
                .then_some(Some(first))
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let [kind, lines @ ..] = data else {
        return;
    };
    let version = ["HTTP/1.1", "HTTP/1.0"][usize::from(kind & 1)];
    let status = ["", "200", "101", "204", "304", "404", "199", "205"][usize::from(kind >> 1 & 7)];
    let method = ["GET", "HEAD"][usize::from(kind >> 4 & 1)];
    let start = if status.is_empty() {
        format!("POST / {version}")
    } else {
        format!("{version} {status} ")
    };
    let bytes = [start.as_bytes(), b"\r\n", lines, b"\r\n\r\n"].concat();
    let Ok(Some(range)) = scan_head(&bytes, &[], usize::MAX) else {
        return;
    };
    let head = &bytes[range];
    let found = if status.is_empty() {
        length_of_request(head)
    } else {
        length_of_response(head, method)
    };
    let text: String = head.iter().map(|byte| char::from(*byte)).collect();
    let codings = values(&text, "transfer-encoding");
    let is_empty =
        !status.is_empty() && (method == "HEAD" || matches!(status, "101" | "199" | "204" | "304"));
    let expected = match (number(&values(&text, "content-length")), &codings[..]) {
        (Some(_), []) if is_empty => Some(Length::None),
        (Some(_), [one]) if is_empty && one == "chunked" => Some(Length::None),
        (Some(None), []) if status.is_empty() => Some(Length::None),
        (Some(None), []) => Some(Length::UntilClose),
        (Some(Some(length)), []) => Some(Length::Bytes(length)),
        (Some(None), [one]) if one == "chunked" && version == "HTTP/1.1" => Some(Length::Chunked),
        _ => None,
    };
    if let Some(found) = found {
        assert_eq!(found.ok(), expected, "{}", head.escape_ascii());
    }
});
