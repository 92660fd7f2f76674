//! Any split of a chunked body reads as the whole does: the same content, the same bytes used, the same error. What was read,
//! written anew in other chunks, reads back as the same content and trailers.
#![no_main]

use authsome::fuzzing::read_chunked;
use authsome::fuzzing::trailer_fields;
use authsome::fuzzing::write_chunked;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [cut, input @ ..] = data else {
        return;
    };
    let cut_at = usize::from(*cut) * input.len() / 255;
    let whole = read_chunked(input, &[]);
    assert_eq!(read_chunked(input, &[cut_at]), whole, "cut at {cut_at}");
    let each: Vec<usize> = (0..input.len().min(256)).collect();
    assert_eq!(read_chunked(input, &each), whole, "byte by byte");
    let Ok(body) = whole else {
        return;
    };
    assert!(body.used <= input.len() && body.content.len() <= body.used);
    let pieces: Vec<&[u8]> = body.content.chunks(1 + usize::from(*cut)).collect();
    if let Ok(written) = write_chunked(&pieces, if body.is_whole { &body.trailers } else { b"" }) {
        let back = read_chunked(&written, &[]).expect("what was written is well-formed");
        assert_eq!(back.content, body.content);
        assert_eq!((back.used, back.is_whole), (written.len(), true));
        assert!(!body.is_whole || trailer_fields(&back.trailers) == trailer_fields(&body.trailers));
    }
});
