//! No text brings the reader down. What it accepts claims no loopback host, writes only fields whose names are tokens and whose values
//! stay in one line, leaves the fields that frame or route a message alone, and has a placeholder of printable ASCII.
#![no_main]

use authsome::fuzzing::provider;
use libfuzzer_sys::fuzz_target;

/// This machine's names and addresses.
const LOOPBACK: [&str; 10] = [
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:0.0.0.0]",
];

/// Fields that say where a message goes and where it ends.
const FRAMING: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

fuzz_target!(|data: &[u8]| {
    for variable in [
        None,
        Some("https://base.example/v1/"),
        Some("[::ffff:0.0.0.0]"),
        Some("user:name"),
    ] {
        let Some(provider) = provider(data, variable) else {
            continue;
        };
        for rule in &provider.rules {
            for host in LOOPBACK {
                assert!(
                    !rule.claims_host(host.as_bytes()),
                    "{host}: {}",
                    rule.print()
                );
                assert!(
                    !rule.claims(format!("{host}:443").as_bytes()),
                    "{host}: {}",
                    rule.print()
                );
            }
        }
        for (name, value) in &provider.fields {
            let is_token =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert!(!name.is_empty() && name.bytes().all(is_token), "{name:?}");
            assert!(
                !value.bytes().any(|byte| byte.is_ascii_control()),
                "{value:?}"
            );
            assert!(!FRAMING.contains(&&*name.to_ascii_lowercase()), "{name}");
        }
        let placeholder = provider.placeholder.as_bytes();
        assert!(placeholder.len() > 7 && placeholder.iter().all(u8::is_ascii_graphic));
    }
});
