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
        }
    }
}

/// Warns about tools' settings that a run can't overrule; with `is_verbose`, also reports which setting names the upstream proxy.
pub(super) fn report(app: &App, settings: &Settings, is_verbose: bool) {
    // The settings of a tool that isn't installed do no harm.
    for conflict in &settings.conflicts {
        if program::is_found(conflict.tool, &app.parent) {
            app.notices.warn(conflict.to_string());
        }
    }
    if is_verbose && let Upstream::Adopted(_, places) = Upstream::choose(&app.parent, settings) {
        app.notices.tell(adoption(&places));
    }
}

/// Returns a sentence that says which settings name the upstream proxy.
pub(super) fn adoption(places: &str) -> String {
    format!(
        "origins are reached through the proxy that {places} names, since HTTPS_PROXY names none"
    )
}
