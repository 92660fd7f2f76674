//! What surrounds authsome: the parent's variables, and tools' own settings, which say what is trusted and how origins are reached.

use super::app::App;
use crate::environment::Environment;
use crate::program;
use crate::settings::Settings;
use crate::settings::upstream::Upstream;
use crate::tls::bundle;

/// What a dialer is made of.
pub(super) struct Surroundings<'a> {
    pub(super) parent: &'a Environment,
    pub(super) settings: &'a Settings,
    /// What the parent's programs trust, as PEM.
    pub(super) trusted: Option<Vec<u8>>,
}

/// Reads what the parent's programs trust, and warns of what can't be used.
pub(super) fn certificates(app: &App, settings: &Settings) -> Option<Vec<u8>> {
    let trusted = bundle::trusted(&app.parent, settings);
    for warning in trusted.warnings {
        app.notices.warn(warning);
    }
    trusted.pem
}

/// Tells the user what single tools prefer to what a run gives them, and with `is_verbose` where the upstream proxy is from.
pub(super) fn tell(app: &App, settings: &Settings, is_verbose: bool) {
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
