//! Which questions to the system's resolver find a name's addresses, and which answer counts first.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::sys::resolver::Family;
use crate::url::Host;

/// Delay before questions for a single family start beside the one for both.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

/// Delay before the search list is tried for a name that was asked for as it is.
const SEARCH_DELAY: Duration = Duration::from_secs(2);

/// Bytes of a resolver's file, at most: a larger file counts as unreadable.
const MAX_FILE: u64 = 1024 * 1024;

/// A question for the system's resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The name; a dot at its end keeps the search list away from it.
    pub(super) name: String,
    /// The wanted addresses.
    pub(super) family: Family,
    /// Delay behind the first question; skipped once all sooner questions have failed.
    pub(super) after: Duration,
}

/// Returns the questions for a name on this machine, the most important first.
pub(super) fn of(host: &str) -> Vec<Question> {
    let text = |path: &str| read(Path::new(path));
    match text("/etc/resolv.conf") {
        Some(resolver) if dots(host) > 0 && dots(host) < least_dots(&resolver) => {
            // An unreadable file may list the name, and the resolver knows.
            let is_listed = text("/etc/hosts").is_none_or(|hosts| lists(&hosts, host));
            plan(host, !is_listed)
        }
        _ => plan(host, false),
    }
}

/// Returns whether the machine most likely knows the name without a name server: its hosts file lists it, or
/// it is a name of loopback (RFC 6761 section 6.3).
pub(super) fn is_local(host: &Host) -> bool {
    host.is_loopback()
        || read(Path::new("/etc/hosts")).is_some_and(|hosts| lists(&hosts, host.as_str()))
}

/// Returns the questions for a name; `is_searched` says that the resolver would try its search list
/// before the name itself.
///
/// The first question is for both families at once and normally the only one: it alone honors all
/// that a machine's files and services say of a name. Questions for a single family follow if one
/// family's answer is missing.
///
/// A searched name is asked for as it is first (RFC 1535 section 6): each domain of the list costs
/// time, and on musl one that fails ends the lookup. Names of two labels are the exception: in a
/// cluster's SERVICE.NAMESPACE the namespace may equal a top-level domain (`api.dev`), and the name
/// as it is would lead out of the cluster. Both forms are asked for at once, and the search list's
/// answer counts first if it comes.
fn plan(host: &str, is_searched: bool) -> Vec<Question> {
    let whole = format!("{host}.");
    let zero = Duration::ZERO;
    let names = match (is_searched, dots(host)) {
        (false, _) => vec![(host, zero)],
        (true, 0 | 1) => vec![(host, zero), (&*whole, zero)],
        (true, _) => vec![(&*whole, zero), (host, SEARCH_DELAY)],
    };
    let mut questions = Vec::new();
    for (name, start) in names {
        for (family, delay) in [
            (Family::Any, zero),
            (Family::V6, PATIENCE),
            (Family::V4, PATIENCE),
        ] {
            questions.push(Question {
                name: name.to_owned(),
                family,
                after: start + delay,
            });
        }
    }
    // By start time: no answer has to wait for a question that starts later.
    questions.sort_by_key(|question| question.after);
    questions
}

/// Returns how many dots a name has.
fn dots(name: &str) -> usize {
    name.bytes().filter(|byte| *byte == b'.').count()
}

/// Returns `ndots` of resolv.conf(5): with fewer dots than this, a name is searched first. The default
/// is 1 and the cap 15, as in glibc and musl.
fn least_dots(resolver: &str) -> usize {
    let lines = resolver.lines().map(str::split_ascii_whitespace);
    let options = lines.filter_map(|mut words| (words.next() == Some("options")).then_some(words));
    let mut counts = options
        .flatten()
        .filter_map(|option| option.strip_prefix("ndots:")?.parse::<usize>().ok());
    counts.next_back().unwrap_or(1).min(15)
}

/// Returns whether a hosts(5) file lists the name.
fn lists(hosts: &str, name: &str) -> bool {
    hosts.lines().any(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut names = line.split_ascii_whitespace().skip(1);
        names.any(|other| other.eq_ignore_ascii_case(name))
    })
}

/// Reads a text file; an absent one counts as empty. Returns nothing if it can't be read whole.
fn read(path: &Path) -> Option<String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(String::new()),
        Err(_) => return None,
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).ok()?;
    let is_whole = u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE);
    is_whole.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The planned names, families and delays in milliseconds, the most important first.
    fn asked(host: &str, is_searched: bool) -> Vec<(String, Family, u128)> {
        let questions = plan(host, is_searched).into_iter();
        questions
            .map(|question| (question.name, question.family, question.after.as_millis()))
            .collect()
    }

    #[test]
    fn a_name_is_asked_for_as_the_system_would_and_by_family_where_that_takes_long() {
        for host in ["a.b.test", "test", "a.test"] {
            let expected = [
                (host.to_owned(), Family::Any, 0),
                (host.to_owned(), Family::V6, 250),
                (host.to_owned(), Family::V4, 250),
            ];
            assert_eq!(asked(host, false), expected);
        }
    }

    #[test]
    fn a_dotted_name_is_asked_for_as_it_is_before_the_search_list() {
        let found = asked("a.b.test", true);
        let order: Vec<(&str, u128)> = found
            .iter()
            .map(|(name, _, after)| (name.as_str(), *after))
            .collect();
        let (whole, searched) = ("a.b.test.", "a.b.test");
        let expected = [
            (whole, 0),
            (whole, 250),
            (whole, 250),
            (searched, 2000),
            (searched, 2250),
            (searched, 2250),
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn a_name_of_two_labels_may_be_a_service_of_a_cluster() {
        let found = asked("api.dev", true);
        let order: Vec<(&str, u128)> = found
            .iter()
            .take(2)
            .map(|(name, _, after)| (name.as_str(), *after))
            .collect();
        assert_eq!(order, [("api.dev", 0), ("api.dev.", 0)]);
        assert_eq!(found.len(), 6);
    }

    #[test]
    fn the_files_of_the_resolver_are_read_as_it_reads_them() {
        for (text, expected) in [
            ("", 1),
            ("nameserver 10.0.0.1\noptions ndots:5 timeout:1\n", 5),
            ("options ndots:2\noptions  edns0\tndots:3", 3),
            ("options ndots:x\n# options ndots:5\n", 1),
            ("options ndots:99", 15),
        ] {
            assert_eq!(least_dots(text), expected, "{text}");
        }
        let hosts = "127.0.0.1 localhost\n10.0.0.1\tA.test b.test # c.test\n#10.0.0.2 d.test\n";
        for (name, expected) in [
            ("a.test", true),
            ("b.test", true),
            ("c.test", false),
            ("d.test", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(lists(hosts, name), expected, "{name}");
        }
    }
}
