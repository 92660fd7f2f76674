//! Which connection a request meets, if any. Pure: the proxy and `explain` ask the same function.
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::ConnectionId;
use crate::path;
use crate::provider::Placement;
use crate::provider::host_rule::HostRule;
use crate::provider::policy::Denied;
use crate::provider::policy::Policy;
use crate::upstream::egress::Pattern;
use crate::url;
use crate::url::Authority;
use crate::url::Host;
use crate::url::Scheme;
use crate::url::Url;

/// A host rule of a connected provider.
struct Route {
    /// Whose.
    connection: ConnectionId,
    /// Which requests.
    rule: HostRule,
    /// How the host takes the credential.
    placement: Placement,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?}", self.rule, self.connection)
    }
}

/// All routes of a run.
pub(crate) struct Router {
    /// Those with an exact host, by host.
    exact: HashMap<Host, Vec<Arc<Route>>>,
    /// Those with a pattern.
    patterns: Vec<Arc<Route>>,
    /// The OAuth endpoints of each connection's provider, by host.
    endpoints: HashMap<Host, Vec<(ConnectionId, Url)>>,
    /// The rules of each connection's provider, where there are some.
    policies: HashMap<ConnectionId, Policy>,
    /// Hosts that are left unread, whoever claims them.
    blind: Vec<Pattern>,
}

/// Whether a method is refused where a credential would go: the origin would send it back (RFC 9110 section 9.3.8).
///
/// Case does not count here, although methods differ by it (section 9.1): some servers fold it.
pub(crate) fn is_refused_method(method: &str) -> bool {
    ["TRACE", "TRACK"]
        .iter()
        .any(|refused| method.eq_ignore_ascii_case(refused))
}

/// What is matched: where a request goes, its method, and its target's path.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Its scheme.
    pub(crate) scheme: Scheme,
    /// Its host and port.
    pub(crate) authority: &'a Authority,
    /// Path and query as they will be sent; only the path counts.
    pub(crate) path: &'a str,
    /// Its method.
    pub(crate) method: &'a str,
    /// Whether a field of it asks for another method, as some servers would have it.
    pub(crate) overrides_method: bool,
}

/// A route that a request met, whose connection's rules deny it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    /// Whose credential the request would get.
    pub(crate) connection: ConnectionId,
    /// The host rule that was met, as text.
    pub(crate) route: String,
    /// Why it doesn't.
    pub(crate) why: Denied,
}

/// A route that a request met. Only [`Router::decide`] makes one.
#[derive(Debug)]
pub(crate) struct Match {
    /// The route.
    route: Arc<Route>,
    /// The only authority that it may be sent to.
    authority: Authority,
}

impl PartialEq for Match {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.route, &other.route) && self.authority == other.authority
    }
}

impl Eq for Match {}

impl Match {
    /// Whose credential the request gets.
    pub(crate) fn connection(&self) -> ConnectionId {
        self.route.connection
    }

    /// How it gets it.
    pub(crate) fn placement(&self) -> &Placement {
        &self.route.placement
    }

    /// The only authority that it may be sent to.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The rule that was met, as text.
    pub(crate) fn rule(&self) -> String {
        self.route.rule.to_string()
    }
}

/// What is done with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It gets a credential.
    Inject(Match),
    /// It is forwarded as it is.
    Forward(Why),
    /// Rules keep it from the credential: it is refused.
    Deny(Denial),
    /// Servers could read its path in ways that lead to different decisions: it is refused.
    RefusePath,
}

impl Decision {
    /// Whether it comes to the same: which rule denies a request doesn't matter to it.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Deny(one), Self::Deny(other)) => one.connection == other.connection,
            _ => self == other,
        }
    }
}

/// Why a request gets no credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Plain http never gets one.
    PlainHttp,
    /// This machine never gets one.
    Loopback,
    /// No route has this host.
    NoRoute,
    /// Routes have this host, but on another port.
    OtherPort,
    /// Routes have this host, but other paths.
    OtherPath,
    /// The host is left unread.
    Blind,
    /// It is an OAuth endpoint of this connection's provider.
    OauthEndpoint(ConnectionId),
    /// Routes of different connections are equally good.
    Ambiguous(Vec<ConnectionId>),
}

impl Router {
    /// The routes of all connections.
    pub(crate) fn new(broker: &Broker) -> Self {
        let mut router = Self {
            exact: HashMap::new(),
            patterns: Vec::new(),
            endpoints: HashMap::new(),
            policies: HashMap::new(),
            blind: Vec::new(),
        };
        for (id, connection) in broker.connections() {
            for rule in &connection.provider.rules {
                let route = Arc::new(Route {
                    connection: id,
                    rule: rule.host.clone(),
                    placement: rule.placement.clone(),
                });
                match rule.host.exact_host() {
                    Some(host) => router.exact.entry(host.clone()).or_default().push(route),
                    None => router.patterns.push(route),
                }
            }
            for url in &connection.provider.oauth_endpoints {
                let host = url.authority.host.clone();
                let of_host = router.endpoints.entry(host).or_default();
                of_host.push((id, url.clone()));
            }
            let policy = &connection.provider.policy;
            if !policy.is_empty() {
                router.policies.insert(id, policy.clone());
            }
        }
        router
    }

    /// Returns the same routes but for hosts that are left unread: their requests get no credential.
    pub(crate) fn blind_to(self, hosts: Vec<Pattern>) -> Self {
        Self {
            blind: hosts,
            ..self
        }
    }

    /// Returns whether the authority is left unread, whoever claims it.
    fn is_blind(&self, authority: &Authority) -> bool {
        self.blind.iter().any(|hosts| hosts.has_host(authority))
    }

    /// Returns whether TLS to the authority ends here.
    pub(crate) fn reads(&self, authority: &Authority) -> bool {
        self.claims(authority) && !self.is_blind(authority)
    }

    /// Whether some request to the authority could meet a route, be it left unread. If none can, its TLS is none of our business.
    pub(crate) fn claims(&self, authority: &Authority) -> bool {
        !authority.host.is_loopback()
            && self
                .of_host(&authority.host)
                .any(|route| route.rule.claims(authority))
    }

    /// Returns the connections whose routes the authority could match.
    pub(super) fn claimants(&self, authority: &Authority) -> Vec<ConnectionId> {
        let routes = self.of_host(&authority.host);
        let claiming = routes.filter(|route| route.rule.claims(authority));
        let mut claimants: Vec<ConnectionId> = claiming.map(|route| route.connection).collect();
        claimants.sort();
        claimants.dedup();
        claimants
    }

    /// The exact hosts of all routes that are read; `None` when a pattern is among them.
    pub(crate) fn exact_hosts(&self) -> Option<Vec<Host>> {
        self.patterns.is_empty().then(|| {
            let rules = self.rules();
            let mut hosts: Vec<Host> = rules.filter_map(HostRule::exact_host).cloned().collect();
            hosts.sort();
            hosts.dedup();
            hosts
        })
    }

    /// Returns names that all hosts of routes that are read equal or lie below; `None` where a pattern tells none.
    pub(crate) fn domains(&self) -> Option<Vec<Host>> {
        let domains: Option<Vec<Vec<Host>>> = self.rules().map(HostRule::domains).collect();
        let mut domains = domains?.concat();
        domains.sort();
        domains.dedup();
        Some(domains)
    }

    /// All rules but those of hosts that are left unread.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &HostRule> {
        self.exact
            .values()
            .flatten()
            .chain(&self.patterns)
            .map(|route| &route.rule)
            .filter(|rule| match rule {
                HostRule::Exact { authority, .. } => !self.is_blind(authority),
                HostRule::Pattern { .. } => true,
            })
    }

    /// What is done with a request.
    pub(crate) fn decide(&self, target: Target<'_>) -> Decision {
        let host = &target.authority.host;
        if host.is_loopback() {
            return Decision::Forward(Why::Loopback);
        }
        let of_host: Vec<&Arc<Route>> = self.of_host(host).collect();
        if of_host.is_empty() {
            return Decision::Forward(Why::NoRoute);
        }
        if target.scheme != Scheme::Https {
            return Decision::Forward(Why::PlainHttp);
        }
        let mut routes = of_host;
        routes.retain(|route| route.rule.claims(target.authority));
        if routes.is_empty() {
            return Decision::Forward(Why::OtherPort);
        }
        if self.is_blind(target.authority) {
            return Decision::Forward(Why::Blind);
        }
        self.decide_by_path(&routes, target)
    }

    /// The routes that have the host.
    fn of_host<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = &'a Arc<Route>> {
        let exact = self.exact.get(host).into_iter().flatten();
        exact.chain(
            self.patterns
                .iter()
                .filter(|route| route.rule.claims_host(host)),
        )
    }

    /// The decision among the routes of an authority. It must be the same for all readings of the path.
    fn decide_by_path(&self, routes: &[&Arc<Route>], target: Target<'_>) -> Decision {
        let path = url::split_query(target.path.as_bytes()).0;
        let path: &[u8] = if path.is_empty() || path == b"*" {
            b"/"
        } else {
            path
        };
        let has_path = |route: &&Arc<Route>| {
            let policy = self.policies.get(&route.connection);
            route.rule.path().is_some() || policy.is_some_and(Policy::has_paths)
        };
        let counts = routes.iter().any(has_path)
            || self
                .endpoints_of(target.authority)
                .any(|(_, url)| url.authority == *target.authority);
        if !counts {
            return self.choose(routes, target, "/");
        }
        let Ok(readings) = path::path_readings(path) else {
            return Decision::RefusePath;
        };
        let mut decisions = readings
            .iter()
            .map(|reading| self.choose(routes, target, reading));
        let Some(first) = decisions.next() else {
            return Decision::RefusePath;
        };
        if decisions.all(|other| other.is_like(&first)) {
            first
        } else {
            Decision::RefusePath
        }
    }

    /// The best route for one reading of the path: the longest prefix, then an exact host over a pattern.
    fn choose(&self, routes: &[&Arc<Route>], target: Target<'_>, path: &str) -> Decision {
        let authority = target.authority;
        let rank = |route: &Route| {
            (
                route.rule.path().map_or(0, str::len),
                route.rule.exact_host().is_some(),
            )
        };
        let mut fitting: Vec<&Arc<Route>> = routes.to_vec();
        fitting.retain(|route| {
            route
                .rule
                .path()
                .is_none_or(|prefix| path::path_is_below(path, prefix))
        });
        let Some(best) = fitting.iter().map(|route| rank(route)).max() else {
            return Decision::Forward(Why::OtherPath);
        };
        fitting.retain(|route| rank(route) == best);
        let mut connections: Vec<ConnectionId> =
            fitting.iter().map(|route| route.connection).collect();
        connections.sort();
        connections.dedup();
        let ([connection], Some(route)) = (connections.as_slice(), fitting.first()) else {
            return Decision::Forward(Why::Ambiguous(connections));
        };
        if self.is_endpoint(*connection, authority, path) {
            return Decision::Forward(Why::OauthEndpoint(*connection));
        }
        if let Err(why) = self.judge(*connection, target, path) {
            return Decision::Deny(Denial {
                connection: *connection,
                route: route.rule.to_string(),
                why,
            });
        }
        Decision::Inject(Match {
            route: Arc::clone(route),
            authority: authority.clone(),
        })
    }

    /// Holds a request that would get the connection's credential against its provider's rules.
    fn judge(&self, id: ConnectionId, target: Target<'_>, path: &str) -> Result<(), Denied> {
        let Some(policy) = self.policies.get(&id) else {
            return Ok(());
        };
        policy.judge(target.method, path)?;
        // The rules have judged the method that is written, and the server might run the other.
        if target.overrides_method {
            return Err(Denied::Override);
        }
        Ok(())
    }

    /// The OAuth endpoints at the authority's host.
    fn endpoints_of(&self, authority: &Authority) -> impl Iterator<Item = &(ConnectionId, Url)> {
        self.endpoints.get(&authority.host).into_iter().flatten()
    }

    /// Whether host and path are those of an OAuth endpoint of the connection's provider.
    fn is_endpoint(&self, connection: ConnectionId, authority: &Authority, path: &str) -> bool {
        self.endpoints_of(authority).any(|(of, url)| {
            *of == connection
                && url.authority == *authority
                && path::path_is_below(path, url.path())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Connection;
    use crate::provider::definition::Definition;
    use crate::provider::definition::Outside;
    use crate::source::Source;

    /// A router over definitions; connections are numbered as they come.
    fn router(definitions: &[&str]) -> (Router, Vec<ConnectionId>) {
        let connections = definitions.iter().enumerate().map(|(index, rest)| {
            let text = format!(r#"{{"name": "p{index}", {rest}}}"#);
            let outside = Outside {
                base_url: None,
                username: None,
                variable: &|_| None,
            };
            let definition = Definition::parse("test", text.as_bytes()).unwrap();
            let provider = definition.provider(&outside).unwrap();
            let source = Source::held("test", b"secret").unwrap();
            Connection::given(provider, source)
        });
        let broker = Broker::new(connections.collect());
        let ids = broker.connections().map(|(id, _)| id).collect();
        (Router::new(&broker), ids)
    }

    /// What the router says of a GET of a URL.
    fn decide(router: &Router, url: &str) -> Decision {
        decide_for(router, "GET", url)
    }

    /// What it says of another method.
    fn decide_for(router: &Router, method: &str, url: &str) -> Decision {
        let url = Url::parse(url.as_bytes()).unwrap();
        router.decide(Target {
            scheme: url.scheme,
            authority: &url.authority,
            path: &url.target,
            method,
            overrides_method: false,
        })
    }

    /// Which connection the URL's request gets, by number.
    fn meets(router: &Router, ids: &[ConnectionId], url: &str) -> Option<usize> {
        match decide(router, url) {
            Decision::Inject(found) => ids.iter().position(|id| *id == found.connection()),
            _ => None,
        }
    }

    #[test]
    fn only_https_to_the_host_and_port_is_met() {
        let (router, ids) = router(&[r#""api_url": "api.x.com""#]);
        assert_eq!(meets(&router, &ids, "https://api.x.com/v1"), Some(0));
        assert_eq!(meets(&router, &ids, "https://API.X.com.:443"), Some(0));
        for (url, why) in [
            ("http://api.x.com/", Why::PlainHttp),
            ("http://api.x.com:443/", Why::PlainHttp),
            ("https://api.x.com:8443/", Why::OtherPort),
            ("https://x.com/", Why::NoRoute),
            ("https://api.x.com.evil.example/", Why::NoRoute),
            ("https://localhost/", Why::Loopback),
        ] {
            assert_eq!(decide(&router, url), Decision::Forward(why), "{url}");
        }
    }

    #[test]
    fn the_longest_prefix_wins_then_the_exact_host() {
        let (router, ids) = router(&[
            r#""api_url": "www.x.com""#,
            r#""api_url": "https://www.x.com/docs/v1""#,
            r#""api_url": "https://www.x.com/docs""#,
            r#""api_url": "regex:.*\\.x\\.com""#,
        ]);
        assert_eq!(meets(&router, &ids, "https://www.x.com/docs/v1/a"), Some(1));
        assert_eq!(meets(&router, &ids, "https://www.x.com/docs/v10"), Some(2));
        assert_eq!(meets(&router, &ids, "https://www.x.com/docsy"), Some(0));
        assert_eq!(meets(&router, &ids, "https://api.x.com/docs"), Some(3));
    }

    #[test]
    fn equal_routes_of_different_connections_are_ambiguous() {
        let (router, ids) = router(&[
            r#""api_url": "api.x.com""#,
            r#""api_url": ["api.x.com", "api.x.com"]"#,
        ]);
        let expected = Decision::Forward(Why::Ambiguous(ids));
        assert_eq!(decide(&router, "https://api.x.com/"), expected);
        let (router, ids) = self::router(&[r#""api_url": ["api.x.com", "api.x.com"]"#]);
        assert_eq!(meets(&router, &ids, "https://api.x.com/"), Some(0));
    }

    #[test]
    fn oauth_endpoints_pass() {
        let (router, ids) = router(&[r#""auth_type": "oauth2", "api_url": "x.com",
            "oauth": {"token_url": "https://x.com/oauth/token"}"#]);
        let endpoint = Decision::Forward(Why::OauthEndpoint(ids[0]));
        assert_eq!(decide(&router, "https://x.com/oauth/token?x"), endpoint);
        assert_eq!(decide(&router, "https://x.com/oauth/%74oken/"), endpoint);
        assert_eq!(meets(&router, &ids, "https://x.com/oauth/tokens"), Some(0));
        assert_eq!(
            decide(&router, "https://x.com/a/..%2foauth/token"),
            Decision::RefusePath
        );
    }

    #[test]
    fn paths_with_two_readings_are_refused_where_it_matters() {
        let (router, ids) = router(&[r#""api_url": "https://x.com/v1""#]);
        for url in [
            "https://x.com/v1/%2e%2e%2fadmin",
            "https://x.com/v1/..%5cadmin",
            "https://x.com/v1//../admin",
            "https://x.com/v1/..;/admin",
            "https://x.com//v1/a",
            "https://x.com/../v1",
        ] {
            assert_eq!(decide(&router, url), Decision::RefusePath, "{url}");
        }
        // Both readings lie below the prefix: GitLab's clients write project names so.
        assert_eq!(
            meets(&router, &ids, "https://x.com/v1/group%2fproject"),
            Some(0)
        );
        let (router, ids) = self::router(&[r#""api_url": "x.com""#]);
        assert_eq!(meets(&router, &ids, "https://x.com/a/..%2f..%2f"), Some(0));
    }

    #[test]
    fn rules_are_held_against_every_reading_of_a_path() {
        let (router, ids) = router(&[r#""auth_type": "oauth2", "api_url": "x.com",
            "oauth": {"token_url": "https://x.com/token"}, "rules": [
            {"path": "/admin*", "action": "deny"},
            {"methods": ["GET"], "path": "/v1/*", "action": "allow"}]"#]);
        let denied = |method: &str, url: &str| match decide_for(&router, method, url) {
            Decision::Deny(denial) => Some(denial.why),
            _ => None,
        };
        assert_eq!(meets(&router, &ids, "https://x.com/v1/a?b=/admin"), Some(0));
        assert_eq!(meets(&router, &ids, "https://x.com/v1/a%2fb"), Some(0));
        assert_eq!(meets(&router, &ids, "https://x.com/%761/a"), Some(0));
        for (method, url, why) in [
            ("GET", "https://x.com/adm%69n", Denied::Rule(0)),
            ("GET", "https://x.com/admin/../admins", Denied::Rule(0)),
            // Both readings are denied, each by another rule or by none.
            ("GET", "https://x.com//admin", Denied::NoRule),
            ("POST", "https://x.com/v1/a", Denied::NoRule),
            ("get", "https://x.com/v1/a", Denied::NoRule),
            ("GET", "https://x.com", Denied::NoRule),
        ] {
            assert_eq!(denied(method, url), Some(why), "{method} {url}");
        }
        for url in [
            "https://x.com/v1/..%2fadmin",
            "https://x.com/v1/../admin",
            "https://x.com/v2/../v1/a",
            "https://x.com/v1%2fa",
            "https://x.com//v1/a",
            "https://x.com/v1/..;/admin",
        ] {
            assert_eq!(decide(&router, url), Decision::RefusePath, "{url}");
        }
        // The child logs in there with what is its own.
        let endpoint = decide_for(&router, "POST", "https://x.com/token");
        assert_eq!(endpoint, Decision::Forward(Why::OauthEndpoint(ids[0])));
        let plain = decide_for(&router, "POST", "http://x.com/v1/a");
        assert_eq!(plain, Decision::Forward(Why::PlainHttp));
    }

    #[test]
    fn rules_without_a_path_leave_paths_alone() {
        let (router, ids) = router(&[r#""api_url": "x.com",
            "rules": [{"methods": ["GET"], "action": "allow"}]"#]);
        assert_eq!(meets(&router, &ids, "https://x.com/a/..%2f..;/"), Some(0));
        assert!(matches!(
            decide_for(&router, "PUT", "https://x.com/a/..%2f..;/"),
            Decision::Deny(_)
        ));
    }

    #[test]
    fn what_no_route_claims_is_left_alone() {
        let (router, _) = router(&[r#""api_url": "https://api.x.com:8443/v1""#]);
        let claims = |text: &str| router.claims(&Authority::parse(text.as_bytes(), None).unwrap());
        assert!(claims("api.x.com:8443"));
        assert!(!claims("api.x.com:443"));
        assert!(!claims("localhost:8443"));
    }
}
