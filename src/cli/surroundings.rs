//! The parent's variables and tools' own settings, which say what is trusted and how origins are reached.

use std::sync::Arc;

use super::app::App;
use crate::environment::Environment;
use crate::program;
use crate::settings::Settings;
use crate::settings::upstream::Upstream;
use crate::tls::bundle;

/// Everything besides authsome's own options that decides how origins are reached.
pub(super) struct Surroundings<'a> {
    /// The variables that authsome was started with.
    pub(super) parent: &'a Environment,
    /// Settings of single tools.
    pub(super) settings: Settings,
    /// Certificates that the parent's programs trust, as PEM.
    pub(super) trusted: Option<Arc<[u8]>>,
    /// The settings that name certificates among these, beside those of the system.
    pub(super) others: Vec<String>,
}

impl<'a> Surroundings<'a> {
    /// Reads the certificates that the parent's programs trust, and warns about those that can't be used.
    pub(super) fn read(app: &'a App, settings: Settings) -> Self {
        let trusted = bundle::trusted(&app.parent, &settings);
        for warning in trusted.warnings {
            app.notices.warn(warning);
        }
        Self {
            parent: &app.parent,
            settings,
            trusted: trusted.pem.map(Arc::from),
            others: trusted.others,
        }
    }
}

/// Warns about tools' settings that a run can't overrule; with `is_verbose`, also reports which settings name the upstream proxy and
/// certificates. With `mozilla_only`, no certificate that a setting names verifies an origin.
pub(super) fn report(app: &App, around: &Surroundings<'_>, is_verbose: bool, mozilla_only: bool) {
    // The settings of a tool that isn't installed do no harm.
    for conflict in &around.settings.conflicts {
        if program::is_found(conflict.tool, &app.parent) {
            app.notices.warn(conflict.to_string());
        }
    }
    if !is_verbose {
        return;
    }
    if let Upstream::Adopted(_, places) = Upstream::choose(&app.parent, &around.settings) {
        app.notices.tell(adoption(&places));
    }
    if !around.others.is_empty() {
        app.notices.tell(trust(&around.others, mozilla_only));
    }
}

/// Returns the sentence that says whose certificates count beside those of the system.
pub(super) fn trust(places: &[String], mozilla_only: bool) -> String {
    let who = match mozilla_only {
        true => "a run's programs",
        false => "a run's programs, and authsome where it verifies origins,",
    };
    let places = places.join(", ");
    format!("{who} also trust the certificates that these name: {places}")
}

/// Returns a sentence that says which settings name the upstream proxy.
pub(super) fn adoption(places: &str) -> String {
    format!(
        "origins are reached through the proxy that {places} names, since HTTPS_PROXY names none"
    )
}
