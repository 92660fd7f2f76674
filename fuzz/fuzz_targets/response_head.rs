//! Any split of the input scans as the whole does. A head that is accepted has whole lines and no NUL, one field for each line
//! behind the first, and written anew it reads as the same status, reason and fields. One that had to be mended says so, and what became of
//! it needs no mending; no line with a length is lost.
#![no_main]

use authsome::fuzzing::parse_lenient;
use authsome::fuzzing::parse_response;
use authsome::fuzzing::scan_head;
use authsome::fuzzing::scan_lenient;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [cut, limit, input @ ..] = data else {
        return;
    };
    let cut = usize::from(*cut) * input.len() / 255;
    let limit = 16 * usize::from(*limit);
    let lenient = scan_lenient(input, &[], limit).ok();
    assert_eq!(scan_lenient(input, &[cut], limit).ok(), lenient, "cut at {cut}");
    if let Some(Some(range)) = lenient
        && let Some((head, is_mended)) = parse_lenient(&input[range.clone()])
    {
        let strict = scan_head(&input[range.clone()], &[], usize::MAX).ok();
        let strict = strict.and_then(|found| parse_response(&input[range.clone()][found?]));
        assert!(is_mended || strict.as_ref() == Some(&head));
        for name in [&b"content-length:"[..], b"transfer-encoding:"] {
            let has_name = |line: &[u8]| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
            let lines = input[range.clone()].split(|byte| *byte == b'\n').skip(1);
            let is = |field: &[u8]| field.eq_ignore_ascii_case(&name[..name.len() - 1]);
            let fields = head.fields.iter().filter(|(field, _)| is(field));
            assert_eq!(fields.count(), lines.filter(|line| has_name(line)).count());
        }
        assert_eq!(parse_response(&head.write_response()), Some(head));
    }
    let whole = scan_head(input, &[], limit).ok();
    assert_eq!(scan_head(input, &[cut], limit).ok(), whole, "cut at {cut}");
    let Some(Some(range)) = whole else {
        return;
    };
    let bytes = &input[range];
    let count = |byte: u8| bytes.iter().filter(|found| **found == byte).count();
    let lines = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
    assert_eq!([count(b'\r'), count(b'\n'), count(0)], [lines, lines, 0]);
    if let Some(head) = parse_response(bytes) {
        assert_eq!(head.fields.len(), lines - 2);
        let written = head.write_response();
        assert_eq!(parse_response(&written), Some(head));
        assert_eq!(
            scan_head(&written, &[], usize::MAX),
            Ok(Some(0..written.len()))
        );
    }
});
