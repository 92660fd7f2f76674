//! An exact rule claims its own canonical host and no other. A pattern that doesn't count as loose claims no host below a domain
//! that a stranger could register.
#![no_main]

use authsome::fuzzing::Rule;
use authsome::fuzzing::host;
use libfuzzer_sys::fuzz_target;

/// A name that no pattern has in it by chance.
const STRANGER: &str = "zq9";

/// Hosts of strangers that look like this one: behind it, or with another label where it was registered.
fn strangers(own: &str) -> Vec<String> {
    let labels: Vec<&str> = own.split('.').collect();
    let mut found = vec![
        STRANGER.into(),
        format!("{STRANGER}.example"),
        format!("{own}.{STRANGER}.example"),
    ];
    if let [.., second, top] = labels[..] {
        found.extend([
            format!("{STRANGER}{second}.{top}"),
            format!("a.{STRANGER}-{second}.{top}"),
        ]);
    }
    if let [.., third, second @ ("co" | "com" | "org" | "github"), top] = labels[..]
        && (top.len() == 2 || second == "github" && top == "io")
    {
        found.push(format!("{STRANGER}{third}.{second}.{top}"));
    }
    found
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (rule_text, other) = text.rsplit_once('\n').unwrap_or((&text, "api.x.com"));
    let Some(rule) = Rule::parse(rule_text) else {
        return;
    };
    assert_eq!(
        Rule::parse(&rule.print()).map(|again| again.print()),
        Some(rule.print())
    );
    // What a person would take the pattern for: a host near those that it matches.
    let plain = rule_text.trim_start_matches("regex:").replace(
        |c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-',
        "",
    );
    let mut hosts = [strangers(&plain), strangers(other)].concat();
    if let Some(exact) = rule.exact_host() {
        assert!(rule.claims_host(exact.as_bytes()), "{exact}");
        hosts.extend([
            other.to_owned(),
            plain,
            format!("a.{exact}"),
            format!("a{exact}"),
        ]);
        hosts.retain(|name| host(name.as_bytes()).as_ref() != Some(&exact));
    } else if rule.is_loose() || rule_text.to_ascii_lowercase().contains(STRANGER) {
        return;
    }
    let claimed = hosts.iter().find(|name| rule.claims_host(name.as_bytes()));
    assert_eq!(claimed, None, "{rule_text}");
});
