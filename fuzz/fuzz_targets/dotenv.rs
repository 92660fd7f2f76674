//! Where the values of a file are replaced, every variable is still there, in order, with the new value and nothing of the old one; an
//! empty one stays empty.
//! What is written as a value reads as that value, and as nothing else.
#![no_main]

use authsome::fuzzing::dotenv_quoted;
use authsome::fuzzing::dotenv_replaced;
use authsome::fuzzing::dotenv_values;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let before = dotenv_values(data);
    let replaced = dotenv_replaced(data, "placeholder");
    let after = dotenv_values(&replaced);
    let names = |found: &[(String, Vec<u8>)]| -> Vec<String> {
        found.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&before), names(&after));
    for ((_, old), (_, new)) in before.iter().zip(&after) {
        let expected: &[u8] = if old.is_empty() { b"" } else { b"placeholder" };
        assert_eq!(new, expected);
    }

    let file = [b"A=".as_slice(), &dotenv_quoted(data), b"\nB=1\n"].concat();
    let expected = [("A".to_owned(), data.to_vec()), ("B".to_owned(), b"1".to_vec())];
    assert_eq!(dotenv_values(&file), expected);
});
