//! What the lower layers have to say to the person, on its way to the one layer that prints.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Warnings that are shown, at the most: texts can hold names that the child chose.
const MAX_WARNINGS: usize = 1024;

/// One thing worth a line on stderr.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Something is not as the person would expect; shown unless `--quiet`.
    Warning(String),
    /// Something that was done besides, and that the person should know of; shown unless `--quiet` or `--json`.
    Told(String),
    /// A client has come so far with the host that it wants, by name; shown by who asks for it.
    Step(Step, String),
}

/// How far a client has come with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It has asked the proxy for it, by a CONNECT or for an https URL.
    Asked,
    /// It has asked the proxy for an http URL there.
    AskedInTheClear,
    /// It has sent a request over TLS that ends here, so it trusts our root. That TLS was set up is not enough: some check the
    /// certificate afterwards.
    Trusted,
}

/// Where notices go. Shared by all threads.
pub(crate) struct Notices {
    /// Prints one notice.
    sink: Box<dyn Fn(&Notice) + Send + Sync>,
    /// Warnings already given, so that each is given once.
    given: Mutex<HashSet<String>>,
}

impl Notices {
    /// Notices that go to `sink`.
    pub(crate) fn new(sink: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self {
            sink: Box::new(sink),
            given: Mutex::default(),
        }
    }

    /// Warns, once for each text.
    pub(crate) fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.len() > MAX_WARNINGS || !given.insert(text.clone()) {
            return;
        }
        let is_beyond = given.len() > MAX_WARNINGS;
        drop(given);
        (self.sink)(&Notice::Warning(if is_beyond {
            "there have been very many warnings: no further ones are shown".to_owned()
        } else {
            text
        }));
    }

    /// Tells of something that was done besides.
    pub(crate) fn tell(&self, text: String) {
        (self.sink)(&Notice::Told(text));
    }

    /// Tells how far a client has come with a host.
    pub(crate) fn step(&self, step: Step, host: &str) {
        (self.sink)(&Notice::Step(step, host.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_warning_is_given_once() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let notices = Notices::new(move |notice| log.lock().unwrap().push(format!("{notice:?}")));
        notices.warn("a");
        notices.warn("b");
        notices.warn("a");
        assert_eq!(*seen.lock().unwrap(), ["Warning(\"a\")", "Warning(\"b\")"]);
    }

    #[test]
    fn very_many_warnings_end_with_one_that_says_so() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let notices = Notices::new(move |notice| log.lock().unwrap().push(format!("{notice:?}")));
        for number in 0..2000 {
            notices.warn(number.to_string());
        }
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), MAX_WARNINGS + 1);
        assert!(seen.last().unwrap().contains("no further ones are shown"));
        assert_eq!(notices.given.lock().unwrap().len(), MAX_WARNINGS + 1);
    }
}
