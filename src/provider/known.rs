//! The fields that a definition may have.

use serde_json::Map;
use serde_json::Value;

/// Fields at the top. Those from `header_name` on belong to `api_key` and may stand here too, as older files have them.
const TOP: [&str; 27] = [
    "schema_version",
    "name",
    "display_name",
    "auth_type",
    "flow",
    "api_url",
    "host_url",
    "unclaimed",
    "docs_url",
    "placeholder",
    "base_url",
    "base_url_env",
    "inject",
    "extra_headers",
    "export",
    "api_key",
    "oauth",
    "rules",
    "header_name",
    "header_prefix",
    "in",
    "param",
    "username",
    "username_env",
    "key_as",
    "key_pattern",
    "key_pattern_hint",
];

/// Fields of `api_key`.
const API_KEY: [&str; 10] = [
    "header_name",
    "header_prefix",
    "in",
    "param",
    "username",
    "username_env",
    "key_as",
    "key_pattern",
    "key_pattern_hint",
    "env_var",
];

/// Fields of an `api_url` entry that is an object.
const API_URL: [&str; 7] = [
    "url",
    "in",
    "header_name",
    "header_prefix",
    "param",
    "username",
    "key_as",
];

/// Fields of `oauth`, older files' names among them.
const OAUTH: [&str; 16] = [
    "base_url",
    "authorization_url",
    "token_url",
    "revocation_url",
    "device_authorization_url",
    "registration_endpoint",
    "scopes",
    "pkce",
    "authorization_params",
    "client_auth",
    "client_id",
    "authorization_method",
    "supports_device_code",
    "supports_dcr",
    "device_token_request",
    "issuer",
];

/// The fields that have no meaning here, as paths with dots.
pub(super) fn unknown(fields: &Map<String, Value>) -> Vec<String> {
    let mut unknown = unknown_fields("", fields, &TOP);
    for (name, known) in [("api_key", &API_KEY[..]), ("oauth", &OAUTH[..])] {
        if let Some(Value::Object(inner)) = fields.get(name) {
            unknown.extend(unknown_fields(&format!("{name}."), inner, known));
        }
    }
    let entries = fields.get("api_url").and_then(Value::as_array);
    for (index, entry) in entries.into_iter().flatten().enumerate() {
        if let Value::Object(entry) = entry {
            unknown.extend(unknown_fields(
                &format!("api_url[{index}]."),
                entry,
                &API_URL,
            ));
        }
    }
    unknown
}

/// The fields that aren't among the known ones, with their prefix.
fn unknown_fields(prefix: &str, fields: &Map<String, Value>, known: &[&str]) -> Vec<String> {
    let is_unknown = |name: &&String| !known.contains(&name.as_str()) && *name != "env_var";
    fields
        .keys()
        .filter(is_unknown)
        .map(|name| format!("{prefix}{name}"))
        .collect()
}
