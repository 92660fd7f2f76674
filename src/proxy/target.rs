//! What a request is for: read once from its target and its Host, and carried as a value from there on.

use std::borrow::Cow;

use super::refusal::Refusal;
use crate::http1::head::RequestHead;
use crate::http1::head::Version;
use crate::url::Authority;
use crate::url::Scheme;
use crate::url::Url;

/// Where a request came in.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// On the proxy's own port: the target says everything.
    Proxy,
    /// Within the TLS of a CONNECT: all requests are for its authority.
    Intercepted(&'a Authority),
}

/// What a request is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// Its scheme.
    pub(crate) scheme: Scheme,
    /// The origin's host and port.
    pub(crate) authority: Authority,
    /// The target to send: origin form, or `*`.
    pub(crate) target: String,
    /// The value of Host to send.
    pub(crate) host: String,
}

impl Destination {
    /// Reads a request's destination.
    ///
    /// # Errors
    /// When it has none, or its parts name different hosts: on a connection that was opened for one host, a request that names
    /// another would get that one's credential, or give it to another server behind the same address.
    pub(crate) fn of(head: &RequestHead, scope: Scope<'_>) -> Result<Self, Refusal> {
        let host = host_field(head)?;
        match scope {
            Scope::Proxy => Self::of_absolute(head, host, None),
            Scope::Intercepted(authority) if head.target.starts_with('/') || head.target == "*" => {
                if head.target == "*" && head.method != "OPTIONS" {
                    return Err(Refusal::Target("the target * is for OPTIONS only"));
                }
                if let Some(host) = host {
                    check_host(host, authority)?;
                }
                Ok(Self {
                    scheme: Scheme::Https,
                    authority: authority.clone(),
                    target: head.target.clone(),
                    host: authority.to_header(Scheme::Https),
                })
            }
            Scope::Intercepted(authority) => Self::of_absolute(head, host, Some(authority)),
        }
    }

    /// The destination of a target in absolute form (RFC 9112 section 3.2.2).
    fn of_absolute(
        head: &RequestHead,
        host: Option<&[u8]>,
        within: Option<&Authority>,
    ) -> Result<Self, Refusal> {
        if head.target.starts_with('/') || head.target == "*" {
            return Err(Refusal::Target(
                "the request is for this proxy itself, which serves nothing",
            ));
        }
        let url = Url::parse(head.target.as_bytes()).map_err(|error| match error {
            crate::url::Error::Scheme if head.target.contains("://") => Refusal::Scheme,
            crate::url::Error::HostByte => Refusal::Target(
                "the target's host has a byte that host names don't have (write international names in their xn-- form)",
            ),
            _ => Refusal::Target("the target is no URL"),
        })?;
        let is_https_within = within
            .is_none_or(|authority| url.scheme == Scheme::Https && url.authority == *authority);
        if !is_https_within {
            return Err(Refusal::Target(
                "the target names another host than the CONNECT",
            ));
        }
        // For http the target wins and Host is written anew; what may get a credential must not be named twice.
        if url.scheme == Scheme::Https
            && let Some(host) = host
        {
            check_host(host, &url.authority)?;
        }
        let target = match url.target.as_str() {
            "" if head.method == "OPTIONS" => "*".to_owned(),
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        };
        let host = url.authority.to_header(url.scheme);
        Ok(Self {
            scheme: url.scheme,
            authority: url.authority,
            target,
            host,
        })
    }

    /// The host with its port where that isn't 443, as an event has it.
    pub(crate) fn named(&self) -> Cow<'_, str> {
        match self.scheme {
            Scheme::Https => self.host.as_str().into(),
            Scheme::Http => self.authority.to_header(Scheme::Https).into(),
        }
    }
}

/// The one Host field. HTTP/1.1 must have it (RFC 9112 section 3.2).
fn host_field(head: &RequestHead) -> Result<Option<&[u8]>, Refusal> {
    let mut hosts = head.fields.all("host");
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Refusal::Target("the request has two Host fields")),
        (None, _) if head.version == Version::Http11 => {
            Err(Refusal::Target("the request has no Host field"))
        }
        (host, _) => Ok(host),
    }
}

/// Refuses a Host that names another host, or another port.
fn check_host(host: &[u8], authority: &Authority) -> Result<(), Refusal> {
    let named = Authority::parse(host, Some(authority.port))
        .map_err(|_| Refusal::Target("the Host field is malformed"))?;
    if named != *authority {
        return Err(Refusal::Target(
            "the Host field names another host than the connection",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The destination of a request, as scheme, authority, target and host.
    fn read(line: &str, hosts: &[&str], within: Option<&str>) -> Result<(String, String), u16> {
        let fields: String = hosts
            .iter()
            .map(|host| format!("Host: {host}\r\n"))
            .collect();
        let head = RequestHead::parse(format!("{line}\r\n{fields}\r\n").as_bytes()).unwrap();
        let within = within.map(|text| Authority::parse(text.as_bytes(), None).unwrap());
        let scope = within.as_ref().map_or(Scope::Proxy, Scope::Intercepted);
        let found = Destination::of(&head, scope).map_err(|refusal| refusal.status())?;
        Ok((
            format!("{}://{}", found.scheme.as_str(), found.authority),
            found.target,
        ))
    }

    #[test]
    fn forms_of_a_target() {
        let ok = |url: &str, target: &str| Ok((url.to_owned(), target.to_owned()));
        let x = Some("x.com:443");
        assert_eq!(
            read("GET /a?b HTTP/1.1", &["X.com."], x),
            ok("https://x.com:443", "/a?b")
        );
        assert_eq!(read("GET / HTTP/1.0", &[], x), ok("https://x.com:443", "/"));
        assert_eq!(
            read("GET https://x.com/a HTTP/1.1", &["x.com"], x),
            ok("https://x.com:443", "/a")
        );
        assert_eq!(
            read("OPTIONS * HTTP/1.1", &["x.com"], x),
            ok("https://x.com:443", "*")
        );
        assert_eq!(
            read("GET http://y?q HTTP/1.1", &["other"], None),
            ok("http://y:80", "/?q")
        );
        assert_eq!(
            read("OPTIONS http://y HTTP/1.1", &["y"], None),
            ok("http://y:80", "*")
        );
        assert_eq!(
            read("GET https://y/a HTTP/1.1", &["y"], None),
            ok("https://y:443", "/a")
        );
    }

    #[test]
    fn requests_whose_parts_differ_are_refused() {
        let x = Some("x.com:443");
        for (line, hosts, within, status) in [
            ("GET / HTTP/1.1", &["y.com"][..], x, 400),
            ("GET / HTTP/1.1", &["x.com:8443"], x, 400),
            ("GET / HTTP/1.1", &["x.com", "x.com"], x, 400),
            ("GET / HTTP/1.1", &[], x, 400),
            ("GET / HTTP/1.1", &["u@x.com"], x, 400),
            ("GET / HTTP/1.1", &["x.com, y.com"], x, 400),
            ("GET https://y.com/ HTTP/1.1", &["y.com"], x, 400),
            ("GET http://x.com/ HTTP/1.1", &["x.com"], x, 400),
            ("GET https://x.com@y.com/ HTTP/1.1", &["x.com"], x, 400),
            ("GET * HTTP/1.1", &["x.com"], x, 400),
            ("GET / HTTP/1.1", &["x.com"], None, 400),
            ("GET https://y/ HTTP/1.1", &["x"], None, 400),
            ("GET ftp://y/ HTTP/1.1", &["y"], None, 501),
            ("GET y.com HTTP/1.1", &["y"], None, 400),
        ] {
            assert_eq!(read(line, hosts, within), Err(status), "{line} {hosts:?}");
        }
    }
}
