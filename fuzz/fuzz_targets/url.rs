//! What is accepted prints as text that reads as the same. A host is an IP address or lower-case labels of letters, digits, dashes
//! and underscores, the last of them no number.
#![no_main]

use authsome::fuzzing::authority;
use authsome::fuzzing::host;
use authsome::fuzzing::url;
use libfuzzer_sys::fuzz_target;

/// Whether the text is a canonical host.
fn is_canonical(text: &str) -> bool {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Ok(ip) = bare.unwrap_or(text).parse::<std::net::IpAddr>() {
        return ip.to_string() == bare.unwrap_or(text) && ip.is_ipv6() == bare.is_some();
    }
    let is_byte =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let is_label = |label: &str| (1..64).contains(&label.len()) && label.bytes().all(is_byte);
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() < 254 && text.split('.').all(is_label) && last.parse::<u64>().is_err()
}

fuzz_target!(|data: &[u8]| {
    if let Some(printed) = host(data) {
        assert!(is_canonical(&printed), "{printed}");
        assert_eq!(host(printed.as_bytes()), Some(printed));
    }
    for default in [None, Some(443)] {
        if let Some(printed) = authority(data, default) {
            let (name, port) = printed.rsplit_once(':').expect("a port is printed");
            assert!(
                is_canonical(name) && port.parse::<u16>().is_ok_and(|port| port > 0),
                "{printed}"
            );
            assert_eq!(authority(printed.as_bytes(), None), Some(printed));
        }
    }
    if let Some([printed, place, target]) = url(data) {
        assert_eq!(authority(place.as_bytes(), None).as_ref(), Some(&place));
        assert!(
            target.is_empty() || target.starts_with(['/', '?']),
            "{target}"
        );
        assert_eq!(url(printed.as_bytes()), Some([printed, place, target]));
    }
});
