//! Any split of the input scans as the whole does. A head that is accepted has whole lines and no NUL, one field for each line
//! behind the first, and written anew it reads as the same method, target and fields.
#![no_main]

use authsome::fuzzing::parse_request;
use authsome::fuzzing::scan_head;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [cut, limit, input @ ..] = data else {
        return;
    };
    let cut = usize::from(*cut) * input.len() / 255;
    let limit = 16 * usize::from(*limit);
    let whole = scan_head(input, &[], limit).ok();
    assert_eq!(scan_head(input, &[cut], limit).ok(), whole, "cut at {cut}");
    let Some(Some(range)) = whole else {
        return;
    };
    let bytes = &input[range];
    let count = |byte: u8| bytes.iter().filter(|found| **found == byte).count();
    let lines = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
    assert_eq!([count(b'\r'), count(b'\n'), count(0)], [lines, lines, 0]);
    if let Some(head) = parse_request(bytes) {
        assert_eq!(head.fields.len(), lines - 2);
        let written = head.write_request();
        assert_eq!(parse_request(&written), Some(head));
        assert_eq!(
            scan_head(&written, &[], usize::MAX),
            Ok(Some(0..written.len()))
        );
    }
});
