//! An access token that is read from an answer can be sent in a field, and stands in the answer's JSON under its name. What is said of an
//! answer that gives none is one short line of printable text.
#![no_main]

use authsome::fuzzing::read_tokens;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else {
        return;
    };
    let status = [200, 201, 400, 401, 500][usize::from(*first) % 5];
    match read_tokens(status, body) {
        Ok((access, refresh, lifetime)) => {
            assert!(status < 300);
            assert!(!access.is_empty() && !access.iter().any(u8::is_ascii_control));
            assert!(lifetime.is_none_or(|seconds| (1..=315_360_000).contains(&seconds)));
            let json: serde_json::Value = serde_json::from_slice(body).expect("it was read");
            assert_eq!(json["access_token"].as_str().map(str::as_bytes), Some(&*access));
            if let Some(refresh) = refresh {
                assert_eq!(json["refresh_token"].as_str().map(str::as_bytes), Some(&*refresh));
            }
        }
        Err(text) => {
            assert!(text.len() < 1200 && !text.contains(char::is_control), "{text}");
        }
    }
});
