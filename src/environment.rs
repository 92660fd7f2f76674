//! A set of environment variables: read from the process once, changed for the child, never written back.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ffi::OsString;

/// Environment variables by name.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// What this process was given.
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The variable's value, if it is set to something that isn't empty.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// The same, if it is also valid UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.to_str()
    }

    /// Whether the variable is set at all, even to nothing.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(OsStr::new(name))
    }

    /// Sets a variable.
    pub(crate) fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// Removes a variable.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(OsStr::new(name));
    }

    /// Removes the variables whose name the test accepts.
    pub(crate) fn remove_where(&mut self, test: impl Fn(&OsStr) -> bool) {
        self.0.retain(|name, _| !test(name));
    }

    /// All variables, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
