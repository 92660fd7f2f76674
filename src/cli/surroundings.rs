//! What surrounds authsome: the parent's variables, and tools' own settings, which say what is trusted and how origins are reached.

use std::sync::Arc;

use super::app::App;
use crate::environment::Environment;
use crate::program;
use crate::settings::Settings;
use crate::settings::upstream::Upstream;
use crate::tls::bundle;

/// What a run, or another command that reaches origins, is made of.
pub(super) struct Surroundings<'a> {
    /// The variables that authsome was started with.
    pub(super) parent: &'a Environment,
    /// What tools' own settings say.
    pub(super) settings: Settings,
    /// What the parent's programs trust, as PEM.
    pub(super) trusted: Option<Arc<[u8]>>,
}

impl<'a> Surroundings<'a> {
    /// Reads what the parent's programs trust, and warns of what can't be used.
    pub(super) fn of(app: &'a App, settings: Settings) -> Self {
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

/// Tells the user what single tools prefer to what a run gives them, and with `is_verbose` where the upstream proxy is from.
pub(super) fn tell(app: &App, settings: &Settings, is_verbose: bool) {
    // A file of a tool that isn't there leads nobody anywhere.
    for told in &settings.told {
        if program::is_found(told.tool, &app.parent) {
            app.notices.warn(told.to_string());
        }
    }
    if is_verbose && let Upstream::Adopted(_, places) = Upstream::of(&app.parent, settings) {
        app.notices.tell(adopted(&places));
    }
}

/// Says where the upstream proxy is from.
pub(super) fn adopted(places: &str) -> String {
    format!(
        "origins are reached through the proxy that {places} names, since HTTPS_PROXY names none"
    )
}
