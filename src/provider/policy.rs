//! What a provider's credential may be used for: `rules` of a definition, which allow and deny requests by method and path.
#![deny(clippy::indexing_slicing)]

use std::fmt;

use serde_json::Value;

use super::reader::Invalid;
use super::reader::Reader;
use super::reader::is_token;
use crate::path;

/// What a rule does with a request that it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It gets the credential.
    Allow,
    /// It is refused.
    Deny,
}

impl Action {
    /// Its word in a definition.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// One entry of `rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    /// The methods that it is about; all where there is no list.
    pub(crate) methods: Option<Vec<String>>,
    /// The paths that it is about, in their normal form, with a `*` for any characters; all where there is none.
    pub(crate) path: Option<String>,
    /// What it does.
    pub(crate) action: Action,
}

/// The rules of a provider, in order. None at all allow everything; of some, what none fits is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy(Vec<Clause>);

/// Why a request is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// By the rule of this number, from 0.
    Rule(usize),
    /// No rule fits it.
    NoRule,
    /// One of its fields asks for another method than its own, which servers may follow.
    Override,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(number) => write!(f, "rules[{number}] of its definition denies it"),
            Self::NoRule => f.write_str("none of the rules of its definition allows it"),
            Self::Override => f.write_str(
                "its definition has rules, and a field of the request asks for another method (X-HTTP-Method-Override)",
            ),
        }
    }
}

impl Denied {
    /// What to do.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Rule(_) | Self::NoRule => {
                "`authsome inspect` shows the rules of the provider; who may change its definition changes them"
            }
            Self::Override => "send the method itself, without that field",
        }
    }
}

impl Policy {
    /// Reads `rules`.
    ///
    /// # Errors
    /// The first field that is wrong. One that isn't known is: a rule that is about less than its author thinks would allow more.
    pub(super) fn read(top: &Reader<'_>) -> Result<Self, Invalid> {
        let entries = match top.get("rules") {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(top.invalid("rules", "not a list", "put the rules into [ ]")),
        };
        let clause = |(index, entry): (usize, &Value)| {
            let place = format!("rules[{index}]");
            let Value::Object(fields) = entry else {
                return Err(top.invalid(&place, "not an object", "put it into { }"));
            };
            Clause::read(&Reader {
                file: top.file,
                prefix: format!("{place}."),
                fields: Some(fields),
            })
        };
        let clauses = entries.iter().enumerate().map(clause);
        clauses.collect::<Result<_, _>>().map(Self)
    }

    /// The rules.
    pub(crate) fn clauses(&self) -> &[Clause] {
        &self.0
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are rules, and none of them allows anything.
    pub(crate) fn denies_everything(&self) -> bool {
        !self.is_empty() && self.0.iter().all(|clause| clause.action == Action::Deny)
    }

    /// Whether it depends on a request's path.
    pub(crate) fn has_paths(&self) -> bool {
        self.0.iter().any(|clause| clause.path.is_some())
    }

    /// What the first rule that fits says of a request with this path, as a server may read it.
    ///
    /// # Errors
    /// Why it is denied.
    pub(crate) fn judge(&self, method: &str, path: &str) -> Result<(), Denied> {
        if self.is_empty() {
            return Ok(());
        }
        let mut clauses = self.0.iter().enumerate();
        match clauses.find(|(_, clause)| clause.fits(method, path)) {
            None => Err(Denied::NoRule),
            Some((number, clause)) => match clause.action {
                Action::Allow => Ok(()),
                Action::Deny => Err(Denied::Rule(number)),
            },
        }
    }
}

impl Clause {
    /// Reads one.
    fn read(entry: &Reader<'_>) -> Result<Self, Invalid> {
        let known = ["methods", "path", "action"];
        let mut names = entry.fields.into_iter().flat_map(|fields| fields.keys());
        if let Some(name) = names.find(|name| !known.contains(&name.as_str())) {
            return Err(entry.invalid(
                name,
                "not a field of a rule",
                "use methods, path and action",
            ));
        }
        let action = match entry.text("action")? {
            Some("allow") => Action::Allow,
            Some("deny") => Action::Deny,
            _ => {
                return Err(entry.invalid("action", "neither allow nor deny", "write one of them"));
            }
        };
        Ok(Self {
            methods: methods(entry)?,
            path: entry
                .text("path")?
                .map(|path| glob(entry, path))
                .transpose()?,
            action,
        })
    }

    /// Whether it is about such a request. Methods differ by case (RFC 9110 section 9.1), but some servers fold it: what denies one
    /// denies all its spellings.
    fn fits(&self, method: &str, path: &str) -> bool {
        let is_same = |own: &String| match self.action {
            Action::Allow => own == method,
            Action::Deny => own.eq_ignore_ascii_case(method),
        };
        let methods = self.methods.as_ref();
        methods.is_none_or(|methods| methods.iter().any(is_same))
            && self.path.as_ref().is_none_or(|glob| fits(glob, path))
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = self.methods.as_ref().map(|methods| methods.join(","));
        let methods = methods.as_deref().unwrap_or("every method");
        let path = self.path.as_deref().unwrap_or("every path");
        write!(f, "{} {methods} {path}", self.action.as_str())
    }
}

/// The methods of a rule. In capital letters: `get` is another method than `GET`, and never the one that is meant.
fn methods(entry: &Reader<'_>) -> Result<Option<Vec<String>>, Invalid> {
    let wrong = |why: &str| {
        Err(entry.invalid(
            "methods",
            why,
            "write a list like [\"GET\", \"HEAD\"], or leave it out for all",
        ))
    };
    let list = match entry.get("methods") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(list)) if !list.is_empty() => list,
        Some(_) => return wrong("empty, or not a list"),
    };
    let mut methods = Vec::new();
    for method in list {
        match method.as_str() {
            Some(method) if is_token(method) && method.to_ascii_uppercase() == method => {
                methods.push(method.to_owned());
            }
            _ => return wrong("not all are methods in capital letters"),
        }
    }
    Ok(Some(methods))
}

/// The path of a rule, if it is written as paths are compared: otherwise it would never fit, or fit something else.
fn glob(entry: &Reader<'_>, text: &str) -> Result<String, Invalid> {
    if !text.starts_with('/') {
        return Err(entry.invalid(
            "path",
            "doesn't begin with /",
            "write the whole path; * stands for any characters",
        ));
    }
    if text.contains(['?', '#']) {
        return Err(entry.invalid(
            "path",
            "has a query",
            "leave it out: only paths are compared",
        ));
    }
    match path::normalise_path(text.as_bytes()) {
        Ok(normal) if normal == text => Ok(normal),
        Ok(normal) => Err(entry.invalid(
            "path",
            "not as paths are compared",
            &format!("write it as {normal}"),
        )),
        Err(_) => Err(entry.invalid(
            "path",
            "can be read in more than one way",
            "write it without encoded slashes, semicolons, empty segments and dot segments, other bytes as %XX",
        )),
    }
}

/// Whether a path is what a glob describes: `*` stands for any characters, slashes too, or for none.
fn fits(glob: &str, path: &str) -> bool {
    let Some((start, rest)) = glob.split_once('*') else {
        return glob == path;
    };
    let Some(mut left) = path.strip_prefix(start) else {
        return false;
    };
    let mut parts = rest.split('*');
    let end = parts.next_back().unwrap_or_default();
    // The first place is as good as any: what stands before it is any characters.
    for part in parts {
        match left.split_once(part) {
            Some((_, behind)) => left = behind,
            None => return false,
        }
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The policy of such rules.
    fn policy(rules: &str) -> Result<Policy, Invalid> {
        let fields: Value = serde_json::from_str(&format!(r#"{{"rules": {rules}}}"#)).unwrap();
        Policy::read(&Reader {
            file: "x.json",
            prefix: String::new(),
            fields: fields.as_object(),
        })
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (glob, has, has_not) in [
            ("/a", &["/a"][..], &["/", "/a/", "/A", "/ab", "/a/b"][..]),
            ("/*", &["/", "/a", "/a/b"], &[]),
            (
                "/repos/*",
                &["/repos/", "/repos/a/b"],
                &["/repos", "/repo/a", "/x/repos/a"],
            ),
            ("/a*", &["/a", "/ab", "/a/b"], &["/b"]),
            (
                "/a/*/c",
                &["/a/b/c", "/a//c", "/a/b/b/c", "/a/c/c"],
                &["/a/c", "/a/b/c/d"],
            ),
            (
                "/*ab*ab",
                &["/abab", "/xabab", "/ababab"],
                &["/ab", "/aba", "/xab"],
            ),
            ("/**", &["/", "/a"], &[]),
            ("/a**b*", &["/ab", "/axbx"], &["/a", "/b"]),
        ] {
            for path in has {
                assert!(fits(glob, path), "{glob} {path}");
            }
            for path in has_not {
                assert!(!fits(glob, path), "{glob} {path}");
            }
        }
    }

    #[test]
    fn the_first_rule_that_fits_counts_and_no_rule_is_a_denial() {
        let policy = policy(
            r#"[{"path": "/a/secret*", "action": "deny"},
                {"methods": ["POST"], "path": "/a/graphql", "action": "allow"},
                {"methods": ["DELETE"], "action": "deny"},
                {"methods": ["GET", "HEAD", "DELETE"], "path": "/a/*", "action": "allow"}]"#,
        )
        .unwrap();
        for (method, path, expected) in [
            ("GET", "/a/b", Ok(())),
            ("HEAD", "/a/b", Ok(())),
            ("POST", "/a/graphql", Ok(())),
            ("GET", "/a/secrets", Err(Denied::Rule(0))),
            ("DELETE", "/a/b", Err(Denied::Rule(2))),
            ("Delete", "/a/b", Err(Denied::Rule(2))),
            ("get", "/a/b", Err(Denied::NoRule)),
            ("POST", "/a/b", Err(Denied::NoRule)),
            ("GET", "/b", Err(Denied::NoRule)),
            ("GET", "/A/b", Err(Denied::NoRule)),
        ] {
            assert_eq!(policy.judge(method, path), expected, "{method} {path}");
        }
        assert!(policy.has_paths() && !policy.denies_everything());
    }

    #[test]
    fn no_rules_allow_everything() {
        for rules in ["[]", "null"] {
            let policy = policy(rules).unwrap();
            assert_eq!(policy.judge("DELETE", "/"), Ok(()));
            assert!(!policy.denies_everything() && !policy.has_paths());
        }
        let only_deny = policy(r#"[{"action": "deny", "methods": ["GET"]}]"#).unwrap();
        assert!(only_deny.denies_everything());
        assert_eq!(only_deny.judge("POST", "/"), Err(Denied::NoRule));
    }

    #[test]
    fn errors_name_the_rule_and_the_field() {
        for (rules, field, why) in [
            ("{}", "rules", "not a list"),
            (r#"["GET"]"#, "rules[0]", "not an object"),
            (
                r#"[{"action": "allow"}, {}]"#,
                "rules[1].action",
                "neither allow nor deny",
            ),
            (
                r#"[{"action": "Allow"}]"#,
                "rules[0].action",
                "neither allow nor deny",
            ),
            (
                r#"[{"action": "allow", "method": ["GET"]}]"#,
                "rules[0].method",
                "not a field of a rule",
            ),
            (
                r#"[{"action": "allow", "methods": "GET"}]"#,
                "rules[0].methods",
                "empty, or not a list",
            ),
            (
                r#"[{"action": "allow", "methods": []}]"#,
                "rules[0].methods",
                "empty, or not a list",
            ),
            (
                r#"[{"action": "allow", "methods": ["GET", "get"]}]"#,
                "rules[0].methods",
                "not all are methods in capital letters",
            ),
            (
                r#"[{"action": "allow", "methods": ["GE T"]}]"#,
                "rules[0].methods",
                "not all are methods in capital letters",
            ),
            (
                r#"[{"action": "allow", "path": "repos/*"}]"#,
                "rules[0].path",
                "doesn't begin with /",
            ),
            (
                r#"[{"action": "allow", "path": "/a?b=*"}]"#,
                "rules[0].path",
                "has a query",
            ),
            (
                r#"[{"action": "allow", "path": "/a/../*"}]"#,
                "rules[0].path",
                "can be read in more than one way",
            ),
            (
                r#"[{"action": "allow", "path": "/%7euser"}]"#,
                "rules[0].path",
                "not as paths are compared",
            ),
            (
                r#"[{"action": "allow", "path": "/a%2fb"}]"#,
                "rules[0].path",
                "can be read in more than one way",
            ),
            (
                r#"[{"action": "allow", "path": "/caf\u00e9"}]"#,
                "rules[0].path",
                "can be read in more than one way",
            ),
        ] {
            let invalid = policy(rules).unwrap_err();
            assert_eq!((&*invalid.field, &*invalid.why), (field, why), "{rules}");
            assert!(!invalid.remedy.is_empty());
        }
    }
}
