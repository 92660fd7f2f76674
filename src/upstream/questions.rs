//! What the system's resolver is asked to find a name's addresses, and in which order its answers count.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::sys::resolver::Family;

/// How long a question has before further ones are asked beside it.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

/// How long a name that stands for itself has before a search list is asked for it.
const SEARCH_DELAY: Duration = Duration::from_secs(2);

/// The most that is read of a file of the resolver's.
const MOST: u64 = 1024 * 1024;

/// A question for the system's resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The name; with a dot at its end where no search list counts for it.
    pub(super) name: String,
    /// Which addresses are wanted.
    pub(super) family: Family,
    /// How long after the first question it is asked, unless all that are asked sooner have failed.
    pub(super) after: Duration,
}

/// Returns the questions for a name on this machine, those first whose answers count most.
pub(super) fn of(host: &str) -> Vec<Question> {
    let text = |path: &str| read(Path::new(path));
    match text("/etc/resolv.conf") {
        Some(resolver) if dots(host) > 0 && dots(host) < least_dots(&resolver) => {
            // What can't be read whole may have the name.
            let is_listed = text("/etc/hosts").is_none_or(|hosts| lists(&hosts, host));
            plan(host, !is_listed)
        }
        _ => plan(host, false),
    }
}

/// Returns the questions for a name, and whether the resolver would try a search list before the name itself.
///
/// The first is for both families at once, and alone decides where all goes well: only that one honors everything that a machine's
/// files and services say of a name. Where one family's answer is missing, those for a single family help.
///
/// A name that the resolver would try below its search list first is asked for as it is (RFC 1535 section 6): a domain of the list that
/// fails would fail all, and each costs time. In a name of two labels, such as a cluster's SERVICE.NAMESPACE, the second may be a
/// top-level domain by chance, and the name then leads out of the cluster: such names are asked for both ways, and the search list
/// counts first if it answers.
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
    // In the order in which they are asked: none has to wait for one that is asked later.
    questions.sort_by_key(|question| question.after);
    questions
}

/// Returns how many dots a name has.
fn dots(name: &str) -> usize {
    name.bytes().filter(|byte| *byte == b'.').count()
}

/// Returns how many dots a name needs to be asked for before it is tried below the search list: `ndots` of resolv.conf(5), which is 1
/// where the file doesn't say, and 15 at the most.
fn least_dots(resolver: &str) -> usize {
    let lines = resolver.lines().map(str::split_ascii_whitespace);
    let options = lines.filter_map(|mut words| (words.next() == Some("options")).then_some(words));
    let mut counts = options
        .flatten()
        .filter_map(|option| option.strip_prefix("ndots:")?.parse::<usize>().ok());
    counts.next_back().unwrap_or(1).min(15)
}

/// Returns whether a file of hosts(5) has the name.
fn lists(hosts: &str, name: &str) -> bool {
    hosts.lines().any(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut names = line.split_ascii_whitespace().skip(1);
        names.any(|other| other.eq_ignore_ascii_case(name))
    })
}

/// Reads a file of text, an absent one as empty; nothing where it can't be read whole.
fn read(path: &Path) -> Option<String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(String::new()),
        Err(_) => return None,
    };
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).ok()?;
    let is_whole = u64::try_from(bytes.len()).is_ok_and(|length| length <= MOST);
    is_whole.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that are asked for, and after how many milliseconds, in the order in which they count.
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
