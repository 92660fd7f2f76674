//! The bundled definitions, read as data and asked of the program.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::Home;
use crate::support::SECRET;

/// Providers that share a host on purpose: two ways to log in to one service.
const SHARE_A_HOST: [[&str; 2]; 1] = [["klaviyo", "klaviyo-oauth"]];

/// Variables that two providers export on purpose: the API and the MCP server of one service, which take the same token.
const SHARED_VARIABLES: [&str; 6] = [
    "CLOUDFLARE_API_TOKEN",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "LINEAR_API_KEY",
    "STRIPE_API_KEY",
    "STRIPE_SECRET_KEY",
];

/// Hosts that no bundled definition may claim.
const STRANGERS: [&str; 25] = [
    "example.com",
    "evil.example",
    "api.openai.com.evil.example",
    "evil-api.openai.com",
    "xapi.github.com",
    "github.io",
    "evil.github.io",
    "evilgithubusercontent.com",
    "linear.app.evil.example",
    "evil-googleapis.com",
    "storage.evilgoogleapis.com",
    "evil.atlassian.net.example",
    "evil.herokuapp.com",
    "evil.amazonaws.com",
    "evil.vercel.app",
    "evil.hf.space",
    "a.svc.b.evilpinecone.io",
    "a.svc.us-east-1.byoc.pinecone.io",
    "a.svc.byoc.pinecone.io",
    "a.svc.private.byoc.pinecone.io",
    "a.svc.b.pinecone.io.evil.example",
    "evil.algolianet.com",
    "evil.algolia.net.evil.example",
    "storage-us-east4.api.evilmailgun.net",
    "127.0.0.1",
];

/// The folder of the bundled definitions.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/bundled")
}

/// All definitions, by file name.
fn definitions() -> BTreeMap<String, Value> {
    let entries = fs::read_dir(folder()).expect("the definitions");
    let read = |path: PathBuf| {
        let name = path.file_stem().expect("a name").display().to_string();
        let text = fs::read_to_string(&path).expect("a definition");
        (name, serde_json::from_str(&text).expect("JSON"))
    };
    entries
        .map(|entry| read(entry.expect("an entry").path()))
        .collect()
}

/// The entries of a definition's `api_url`.
fn urls(definition: &Value) -> Vec<String> {
    let entries = match &definition["api_url"] {
        Value::Array(entries) => entries.clone(),
        one => vec![one.clone()],
    };
    let text = |entry: &Value| match entry {
        Value::Object(_) => entry["url"].as_str().expect("a URL").to_owned(),
        text => text.as_str().expect("text").to_owned(),
    };
    entries.iter().map(text).collect()
}

/// The variables that a definition exports.
fn variables(definition: &Value) -> Vec<String> {
    let export = &definition["export"];
    let flat = export.as_object().expect("exports");
    match export["env"].as_object() {
        Some(nested) => nested
            .values()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        None => flat.keys().cloned().collect(),
    }
}

#[test]
fn a_file_s_name_is_its_provider_s_and_the_list_has_them_all() {
    let listed = fs::read_to_string(folder().with_extension("rs")).unwrap();
    let definitions = definitions();
    assert!(definitions.len() >= 60, "only {}", definitions.len());
    for (name, definition) in &definitions {
        assert_eq!(definition["name"], **name);
        assert_eq!(definition["schema_version"], 1, "{name}");
        assert!(definition["display_name"].is_string(), "{name}");
        let file = format!("include_str!(\"bundled/{name}.json\")");
        assert_eq!(listed.matches(&file).count(), 1, "{name}");
    }
    assert_eq!(listed.matches("include_str!(").count(), definitions.len());
}

#[test]
fn no_two_providers_claim_the_same_requests() {
    let mut claims: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, definition) in definitions() {
        let own: BTreeSet<String> = urls(&definition)
            .iter()
            .map(|url| {
                url.trim_start_matches("https://")
                    .trim_end_matches('/')
                    .to_ascii_lowercase()
            })
            .filter(|url| !url.contains("{base_url}"))
            .collect();
        for url in own {
            claims.entry(url).or_default().push(name.clone());
        }
    }
    claims.retain(|_, names| {
        names.len() > 1 && !SHARE_A_HOST.iter().any(|pair| pair == names.as_slice())
    });
    assert!(claims.is_empty(), "{claims:#?}");
}

#[test]
fn a_variable_belongs_to_one_provider_unless_it_is_shared_on_purpose() {
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, definition) in definitions() {
        for variable in variables(&definition) {
            owners.entry(variable).or_default().push(name.clone());
        }
    }
    owners.retain(|variable, names| names.len() > 1 && !SHARED_VARIABLES.contains(&&**variable));
    assert!(owners.is_empty(), "{owners:#?}");
}

#[test]
fn every_credential_goes_over_https_to_a_named_host() {
    for (name, definition) in definitions() {
        for url in urls(&definition) {
            assert!(!url.starts_with("http:"), "{name}: {url}");
            assert!(
                !url.contains("regex:.*") || url.contains("\\."),
                "{name}: {url}"
            );
        }
    }
}

#[test]
fn no_definition_claims_a_stranger_s_host() {
    let home = Home::new();
    for host in STRANGERS {
        let answer = home.explain(&[&format!("https://{host}/")]);
        assert_eq!(answer["decision"], "forward", "{answer}");
        assert!(answer["provider"].is_null(), "{answer}");
    }
}

/// Hosts that a pattern claims, each with its provider: [`sample`] makes none of a pattern.
const OF_PATTERNS: [(&str, &str); 7] = [
    ("algolia", "0abcdefghi.algolia.net"),
    ("algolia", "0abcdefghi-dsn.algolia.net"),
    ("algolia", "0abcdefghi-2.algolianet.com"),
    ("mailgun", "storage-us-east4.api.mailgun.net"),
    ("pinecone", "docs-abc123.svc.aped-4627-b74a.pinecone.io"),
    (
        "pinecone",
        "docs-abc123.svc.private.aped-4627-b74a.pinecone.io",
    ),
    ("google-vertex-ai", "us-east5-aiplatform.googleapis.com"),
];

#[test]
fn what_runs_the_code_of_others_on_a_claimed_host_gets_no_credential() {
    let home = Home::new();
    let key = home.file("key", &format!("nvapi-{SECRET}"));
    let decision = |path: &str| {
        let credential = format!("--credential=nvidia=file:{key}");
        let url = format!("https://api.nvcf.nvidia.com/v2/nvcf/{path}");
        home.explain(&[&credential, &url])["decision"].clone()
    };
    assert_eq!(decision("assets"), "inject");
    assert_eq!(decision("pexec/status/1"), "inject");
    for path in [
        "pexec/functions/1",
        "exec/functions/1",
        "assets/../pexec/functions/1",
    ] {
        assert_ne!(decision(path), "inject", "{path}");
    }
}

#[test]
fn patterns_claim_the_hosts_that_users_have() {
    let home = Home::new();
    let key = home.file("key", SECRET);
    for (name, host) in OF_PATTERNS {
        let credential = format!("--credential={name}=file:{key}");
        let answer = home.explain(&[&credential, &format!("https://{host}/x")]);
        assert_eq!(answer["decision"], "inject", "{answer}");
        assert_eq!(answer["provider"], name, "{answer}");
    }
}

#[test]
fn a_host_that_is_left_out_on_purpose_is_explained() {
    let home = Home::new();
    let mut count = 0;
    for (name, definition) in definitions() {
        let empty = serde_json::Map::new();
        for (host, why) in definition["unclaimed"].as_object().unwrap_or(&empty) {
            let host = host.replace('*', "some");
            let answer = home.explain(&[&format!("https://{host}/x")]);
            assert_eq!(answer["decision"], "forward", "{answer}");
            let why = why.as_str().expect("a reason");
            let reason = answer["reason"].as_str().expect("a reason");
            assert!(reason.ends_with(why), "{name} {host}: {answer}");
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

/// A URL that a rule is met by, if one can be told from the rule: not from a pattern.
fn sample(url: &str) -> Option<String> {
    match url {
        _ if url.contains("{base_url}") || url.starts_with("regex:") => None,
        _ if url.starts_with("https://") => Some(format!("{url}/")),
        host => Some(format!("https://{host}/")),
    }
}

#[test]
fn every_provider_loads_and_gets_its_credential_on_all_its_hosts() {
    let home = Home::new();
    let key = home.file("key", &format!("{SECRET}:{SECRET}"));
    for (name, definition) in definitions() {
        let needs_base = urls(&definition)
            .iter()
            .any(|url| url.contains("{base_url}"));
        if needs_base
            && definition["base_url"].is_null()
            && definition["oauth"]["base_url"].is_null()
        {
            continue;
        }
        let credential = format!("--credential={name}=file:{key}");
        for url in urls(&definition).iter().filter_map(|url| sample(url)) {
            let answer = home.explain(&[&credential, &url]);
            assert_eq!(answer["decision"], "inject", "{name}: {answer}");
            assert_eq!(answer["provider"], *name, "{answer}");
        }
    }
}

#[test]
fn providers_of_one_s_own_installation_load_with_its_url() {
    let home = Home::new();
    let key = home.file("key", &format!("{SECRET}:{SECRET}"));
    for (name, definition) in definitions() {
        if urls(&definition)
            .iter()
            .any(|url| url.contains("{base_url}"))
        {
            let credential = format!("--credential={name}=file:{key}");
            let base = format!("--base-url={name}=https://own.acme.test");
            let rule = urls(&definition)[0].replace("{base_url}", "https://own.acme.test");
            let rule = sample(&rule.replacen("https://https://", "https://", 1)).expect("a URL");
            let answer = home.explain(&[&credential, &base, &rule]);
            assert_eq!(answer["decision"], "inject", "{name}: {answer}");
        }
    }
}

#[test]
fn no_bundled_definition_is_warned_of() {
    let home = Home::new();
    let key = home.file("key", &format!("{SECRET}:{SECRET}"));
    let mut cmd = home.authsome(["explain", "https://nobody.test/"]);
    for (name, definition) in definitions() {
        let is_shared = SHARE_A_HOST.iter().any(|pair| pair.contains(&&*name));
        let needs_base = urls(&definition)
            .iter()
            .any(|url| url.contains("{base_url}"));
        if !is_shared && !needs_base {
            cmd = cmd.arg(format!("--credential={name}=file:{key}"));
        }
    }
    cmd.run().assert_code(0).assert_quiet();
}
