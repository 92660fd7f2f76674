//! Every reading of a path starts with a slash; the first has no dot segments, and is its own first reading. A prefix that covers all of
//! them also covers what a server reads into one of them that a proxy in front of it made.
#![no_main]

use authsome::fuzzing::path_readings;
use libfuzzer_sys::fuzz_target;

/// Whether the path is the prefix or below it.
fn is_below(path: &str, prefix: &str) -> bool {
    path == prefix || path.starts_with(&format!("{prefix}/"))
}

fuzz_target!(|data: &[u8]| {
    let Some(readings) = path_readings(data) else {
        return;
    };
    let first = readings.first().expect("a path has a reading");
    // What a rule could ask for: a path that has one reading.
    let is_rule =
        |prefix: &&str| path_readings(prefix.as_bytes()).is_some_and(|all| all.len() == 1);
    let prefixes: Vec<&str> = first
        .match_indices('/')
        .skip(1)
        .map(|(at, _)| &first[..at])
        .filter(is_rule)
        .collect();
    assert!(
        !first
            .split('/')
            .any(|segment| matches!(segment, "." | "..")),
        "{first}"
    );
    for reading in &readings {
        assert!(reading.starts_with('/'), "{reading}");
        let mut escapes = reading.split('%').skip(1).map(|after| &after[..2]);
        assert!(
            escapes.all(|escape| escape == escape.to_ascii_uppercase()),
            "{reading}"
        );
        let again = path_readings(reading.as_bytes()).expect("a reading can be read");
        if reading == first {
            assert_eq!(again.first(), Some(first));
        }
        for prefix in prefixes
            .iter()
            .filter(|prefix| readings.iter().all(|one| is_below(one, prefix)))
        {
            assert!(
                again.iter().all(|one| is_below(one, prefix)),
                "{prefix}: {again:?} from {reading}"
            );
        }
    }
});
