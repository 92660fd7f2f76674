//! A client of HTTP/2 hears the same however its bytes are split: whole frames, each new stream answered once and in order, and GOAWAY as
//! the last word where the connection ends. What it hears has a limit, whatever it sends.
#![no_main]

use authsome::fuzzing::refuse_http2;
use libfuzzer_sys::fuzz_target;

/// The types of frames that a client hears: fields, the end of a stream, settings, pings, the end of the connection.
const KINDS: [u8; 5] = [1, 3, 4, 6, 7];

/// Bytes that a client hears, at the most: a hundred answers, and a thousand pings.
const LIMIT: usize = 50_000;

fuzz_target!(|data: &[u8]| {
    let [cut, input @ ..] = data else {
        return;
    };
    let cut_at = usize::from(*cut) * input.len() / 255;
    let whole = refuse_http2(input, &[]);
    assert_eq!(refuse_http2(input, &[cut_at]), whole, "cut at {cut_at}");
    let each: Vec<usize> = (0..input.len()).collect();
    assert_eq!(refuse_http2(input, &each), whole, "byte by byte");
    let (out, code) = whole;
    assert!(out.len() < LIMIT);
    let (mut rest, mut last, mut has_ended) = (&out[..], 0, false);
    while let [0, high, low, kind, _, a, b, c, d, behind @ ..] = rest {
        let stream = u32::from_be_bytes([*a, *b, *c, *d]);
        assert!(KINDS.contains(kind) && !has_ended);
        if *kind == 1 {
            assert!(stream > last && stream % 2 == 1);
            last = stream;
        }
        has_ended = *kind == 7;
        rest = &behind[usize::from(*high) << 8 | usize::from(*low)..];
    }
    assert!(rest.is_empty());
    assert_eq!(has_ended, code.is_some());
});
