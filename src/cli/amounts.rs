//! Bytes and times as people read them.

/// The unit behind this one is so many times as large.
const STEP: u64 = 1024;

/// So many bytes, in three or four digits.
pub(super) fn bytes(count: u64) -> String {
    let mut unit = 1_u64;
    for name in ["B", "KiB", "MiB", "GiB", "TiB"] {
        let larger = unit.saturating_mul(STEP);
        if count < larger || name == "TiB" {
            let whole = count / unit;
            // Where it tells something.
            if whole < 10 && unit > 1 {
                return format!("{whole}.{} {name}", count % unit * 10 / unit);
            }
            return format!("{whole} {name}");
        }
        unit = larger;
    }
    String::new()
}

/// So many milliseconds.
pub(super) fn time(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        10_000..600_000 => format!("{} s", ms / 1000),
        _ => format!("{} min", ms / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10 * 1024, "10 KiB"),
            (1024 * 1024 - 1, "1023 KiB"),
            (1024 * 1024, "1.0 MiB"),
            (5 << 40, "5.0 TiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        for (ms, text) in [
            (0, "0 ms"),
            (9999, "9999 ms"),
            (10_000, "10 s"),
            (600_000, "10 min"),
        ] {
            assert_eq!(time(ms), text);
        }
    }
}
