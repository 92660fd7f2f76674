//! A record at work in a run: what is done to it in the vault meanwhile counts, and tokens that end are replaced.
//!
//! One refresh serves all that wait, in this process and in others: whoever gets the lock looks into the vault first, and the loser
//! finds the winner's tokens there. New tokens are in the vault before one of them is used, since the server may have made the old
//! ones void (RFC 6749 section 6).

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use super::Error;
use super::Material;
use super::Means;
use super::Surroundings;
use super::Tokens;
use super::grant::About;
use super::grant::Grant;
use super::grant::Standing;
use super::open;
use super::pace::Pace;
use super::record;
use super::record::Held;
use super::record::Record;
use super::store;
use super::store::Snapshot;
use super::store::Store;
use super::take_back::take_back;
use crate::audit::Event;
use crate::audit::Kind;
use crate::clock;
use crate::credential::Credential;
use crate::files::lock;
use crate::files::lock::Lock;
use crate::files::private;
use crate::oauth;
use crate::oauth::token;
use crate::provider::Name;
use crate::secret::Secret;
use crate::url::Scheme;

/// How long a server that failed is left alone while the old token is still good.
const REST: Duration = Duration::from_secs(30);

/// How long a server's failure is the answer for those that need a new token: a crowd that waited for it doesn't ask again one by one.
const SHARED_FAILURE: Duration = Duration::from_secs(2);

/// How long tokens that can't be stored are kept in memory alone before the vault is tried again.
const STORE_REST: Duration = Duration::from_secs(1);

/// A record at work.
pub(crate) struct Stored {
    /// Where it is.
    store: Arc<Store>,
    /// Whose it is.
    provider: Name,
    /// Which.
    connection: Name,
    /// What its credential was for when the routes of this run were made of it.
    routes: Option<Vec<String>>,
    /// What its source is read in, if it has one.
    surroundings: Surroundings,
    /// The record when it was last looked at.
    last: Mutex<Option<Opened>>,
    /// Held while tokens are refreshed.
    refreshing: Mutex<Refreshes>,
    /// How often tokens are replaced because an origin refuses them.
    pace: Mutex<Pace>,
}

/// What there is to know of earlier refreshes.
#[derive(Default)]
struct Refreshes {
    /// When one last failed, and what of it the next that ask are told.
    failure: Option<(Instant, String)>,
    /// When new tokens were last to be stored that could not be.
    stored: Option<Instant>,
}

/// Why another access token is wanted.
#[derive(Clone, Copy)]
enum Need {
    /// The one that there is is good no more.
    Over,
    /// The origin has refused one that is good by its time. That may be for want of a scope: it is not given up for that.
    Refused,
    /// It ends soon; until then it does.
    Ending,
}

/// A record, opened.
#[derive(Clone)]
struct Opened {
    /// The vault then.
    snapshot: Arc<Snapshot>,
    /// The record then.
    record: Record,
    /// Its credential.
    material: Arc<Material>,
    /// The access token in the vault, where the credential is a newer one that could not be stored.
    instead_of: Option<Arc<Secret>>,
}

impl Opened {
    /// The access token that the vault has for these tokens: theirs, or an earlier one where they could not be stored.
    fn in_vault<'a>(&'a self, tokens: &'a Tokens) -> &'a Secret {
        self.instead_of.as_deref().unwrap_or(&tokens.grant.access)
    }
}

impl Stored {
    /// A record of the store.
    pub(crate) fn new(store: &Arc<Store>, record: &Record, surroundings: &Surroundings) -> Self {
        Self {
            store: Arc::clone(store),
            provider: record.provider.clone(),
            connection: record.connection.clone(),
            routes: record.routes.clone(),
            surroundings: surroundings.clone(),
            last: Mutex::default(),
            refreshing: Mutex::default(),
            pace: Mutex::default(),
        }
    }

    /// Whether it is this record, and for the same hosts.
    pub(super) fn is_of(&self, record: &Record) -> bool {
        self.provider == record.provider
            && self.connection == record.connection
            && self.routes == record.routes
    }

    /// The connection's own name.
    pub(super) fn name(&self) -> &Name {
        &self.connection
    }

    /// The credential as it is now: an access token that is good, for as long as one can be had.
    pub(crate) fn current(&self, means: &Means<'_>) -> Result<Arc<Credential>, Error> {
        let opened = self.opened()?;
        match &*opened.material {
            Material::Source(source) => source.current().map_err(Error::Source),
            Material::Tokens(tokens) => match self.standing(&opened, tokens) {
                Standing::Good => Ok(Arc::clone(&tokens.access)),
                Standing::Ending => Ok(self.replaced_if_possible(tokens, means)),
                Standing::Over => self.replaced(tokens, means),
            },
        }
    }

    /// Another access token than the one that the origin has refused; `None` where there can be none. `place` is a hash of what the
    /// request asked for.
    pub(super) fn other_than(
        &self,
        refused: &Credential,
        place: u64,
        means: &Means<'_>,
    ) -> Result<Option<Arc<Credential>>, Error> {
        let opened = self.opened()?;
        let Material::Tokens(tokens) = &*opened.material else {
            return Ok(None);
        };
        if !refused.same_as(&tokens.grant.access) {
            return Ok(Some(Arc::clone(&tokens.access)));
        }
        if tokens.grant.refresh.is_none() {
            return Ok(None);
        }
        let mut refreshes = locked(&self.refreshing);
        // Others were refused at the same time: what one of them has got meanwhile is for all.
        if let Some(access) = self.found_meanwhile(tokens)? {
            return Ok(Some(access));
        }
        if !locked(&self.pace).take_turn(Instant::now(), place) {
            return Ok(None);
        }
        let is_good =
            tokens.about.expires_ms.is_some() && tokens.about.standing(now()) != Standing::Over;
        let need = if is_good { Need::Refused } else { Need::Over };
        self.replaced_under_lock(tokens, &mut refreshes, means, need)
            .map(Some)
    }

    /// Notes that the origin took the access token, for what this is a hash of.
    pub(super) fn note_success(&self, place: u64) {
        locked(&self.pace).note_success(place);
    }

    /// How the access token stands. Tokens that could not be stored are given to the vault once more first.
    fn standing(&self, opened: &Opened, tokens: &Tokens) -> Standing {
        if opened.instead_of.is_some() {
            self.store_again(opened, tokens);
        }
        tokens.about.standing(now())
    }

    /// Stores tokens that could not be stored when they came. That they still can't is no news.
    fn store_again(&self, opened: &Opened, tokens: &Tokens) {
        // Whoever refreshes them stores others.
        let Ok(mut refreshes) = self.refreshing.try_lock() else {
            return;
        };
        let is_recent = |when: Instant| when.elapsed() < STORE_REST;
        if refreshes.stored.is_some_and(is_recent) {
            return;
        }
        refreshes.stored = Some(Instant::now());
        let in_vault = opened.in_vault(tokens);
        let new = (&tokens.about, &tokens.grant);
        let now = record::seconds(clock::now());
        // The vault is another then, and is read anew.
        let _ = self.store.set_grant(&opened.record, in_vault, new, now);
    }

    /// The record as the vault has it now.
    fn opened(&self) -> Result<Opened, Error> {
        let snapshot = self.store.snapshot().map_err(Error::Vault)?;
        let mut last = locked(&self.last);
        if let Some(opened) = &*last
            && Arc::ptr_eq(&opened.snapshot, &snapshot)
        {
            return Ok(opened.clone());
        }
        let record = snapshot
            .find(&self.provider, Some(&self.connection))
            .map_err(|_| Error::LoggedOut)?;
        // The routes are those of the login before, and the credential of this one may be for other hosts.
        let is_for_others = match &self.routes {
            Some(routes) => !record.new_claims(routes).is_empty(),
            None => record.routes.is_some(),
        };
        if is_for_others {
            return Err(Error::ForOthers);
        }
        if let Some(opened) = &mut *last
            && opened.record == record
            && matches!(record.held, Held::Source { .. })
        {
            // Another record has changed: what this one's source remembers is still good.
            opened.snapshot = snapshot;
            return Ok(opened.clone());
        }
        let material = Arc::new(open(&snapshot, &record, &self.surroundings)?);
        if let (Some(opened), Material::Tokens(tokens)) = (&mut *last, &*material)
            && let Some(old) = &opened.instead_of
            && old.same_as(&tokens.grant.access)
        {
            opened.snapshot = snapshot;
            return Ok(opened.clone());
        }
        let opened = Opened {
            snapshot,
            record,
            material,
            instead_of: None,
        };
        *last = Some(opened.clone());
        Ok(opened)
    }

    /// A new access token, or the old one where a new one can't be had at once: it is still good.
    fn replaced_if_possible(&self, old: &Tokens, means: &Means<'_>) -> Arc<Credential> {
        let keep = || Arc::clone(&old.access);
        if old.grant.refresh.is_none() {
            return keep();
        }
        // Whoever comes while another refreshes goes on with what there is.
        let Ok(mut refreshes) = self.refreshing.try_lock() else {
            return keep();
        };
        let is_at_rest = |(when, _): &(Instant, String)| when.elapsed() < REST;
        if refreshes.failure.as_ref().is_some_and(is_at_rest) {
            return keep();
        }
        match self.refresh(old, &mut refreshes, means, Need::Ending) {
            Ok(access) => access,
            Err(error) => {
                means.notices.warn(format!(
                    "the token of {} ends soon and can't be refreshed now; it is used while it is good: {}",
                    self.label(),
                    error.reason()
                ));
                keep()
            }
        }
    }

    /// A new access token in the place of one that is good no more.
    fn replaced(&self, old: &Tokens, means: &Means<'_>) -> Result<Arc<Credential>, Error> {
        if old.grant.refresh.is_none() {
            return Err(Error::LoginNeeded);
        }
        self.replaced_under_lock(old, &mut locked(&self.refreshing), means, Need::Over)
    }

    /// The same, for whoever has the lock.
    fn replaced_under_lock(
        &self,
        old: &Tokens,
        refreshes: &mut Refreshes,
        means: &Means<'_>,
        need: Need,
    ) -> Result<Arc<Credential>, Error> {
        if let Some((when, why)) = &refreshes.failure
            && when.elapsed() < SHARED_FAILURE
        {
            return Err(Error::Refresh(oauth::Error::Again(why.clone())));
        }
        self.refresh(old, refreshes, means, need)
    }

    /// Has the server give new tokens, unless somebody else has done so meanwhile.
    fn refresh(
        &self,
        old: &Tokens,
        refreshes: &mut Refreshes,
        means: &Means<'_>,
        need: Need,
    ) -> Result<Arc<Credential>, Error> {
        if let Some(access) = self.found_meanwhile(old)? {
            return Ok(access);
        }
        let path = self.store.refresh_lock(&self.provider, &self.connection);
        let patience = match need {
            Need::Over | Need::Refused => lock::PATIENCE,
            Need::Ending => Duration::ZERO,
        };
        let lock = Lock::within(&path, patience);
        if let (Need::Ending, Err(private::Error::Busy { .. })) = (need, &lock) {
            // Another process is at it, and there is still a good token.
            return Ok(Arc::clone(&old.access));
        }
        let _lock = turn(lock).map_err(|error| {
            let why = error.to_string();
            refreshes.failure = Some((Instant::now(), why.clone()));
            Error::Refresh(oauth::Error::Again(why))
        })?;
        if let Some(access) = self.found_meanwhile(old)? {
            return Ok(access);
        }
        let opened = self.opened()?;
        let Material::Tokens(tokens) = &*opened.material else {
            return Err(Error::LoggedOut);
        };
        let Some(refresh) = &tokens.grant.refresh else {
            return Err(Error::LoginNeeded);
        };
        let _under_way = self.store.refreshes().begin();
        let answer = self.ask(tokens, refresh, means);
        match answer {
            Ok(found) => {
                refreshes.failure = None;
                self.keep(&opened, tokens, found, means)
            }
            Err(error) if error.is_final() => {
                match need {
                    Need::Over => return self.given_up(&opened, tokens, means),
                    Need::Refused | Need::Ending => {
                        refreshes.failure = Some((Instant::now(), error.terse().to_string()));
                    }
                }
                Err(Error::LoginNeeded)
            }
            Err(error) => {
                let error = error.terse();
                refreshes.failure = Some((Instant::now(), error.to_string()));
                Err(Error::Refresh(error))
            }
        }
    }

    /// Asks the server for new tokens, and tells of that.
    fn ask(
        &self,
        tokens: &Tokens,
        refresh: &Secret,
        means: &Means<'_>,
    ) -> Result<token::Tokens, oauth::Error> {
        let begun = Instant::now();
        let about = &tokens.about;
        let client = tokens.grant.client(about);
        let answer = token::refresh(
            means.dialer,
            &about.token_url,
            &client,
            refresh,
            about.resource.as_deref(),
        );
        let host = about.token_url.authority.to_header(Scheme::Https);
        means.audit.record(Event {
            host: Some(host.into()),
            ms: u64::try_from(begun.elapsed().as_millis()).ok(),
            error: answer
                .as_ref()
                .err()
                .map(|error| error.in_own_words().into()),
            ..Event::about(
                Kind::Refresh,
                self.provider.as_str(),
                Some(self.connection.as_str()),
            )
        });
        answer
    }

    /// The access token that the vault has by now, if it is another one than the old, and good.
    fn found_meanwhile(&self, old: &Tokens) -> Result<Option<Arc<Credential>>, Error> {
        let opened = self.opened()?;
        let Material::Tokens(tokens) = &*opened.material else {
            return Err(Error::LoggedOut);
        };
        let is_other = !tokens.grant.access.same_as(&old.grant.access);
        let is_good = tokens.about.standing(now()) == Standing::Good;
        Ok((is_other && is_good).then(|| Arc::clone(&tokens.access)))
    }

    /// The access token that the vault has by now.
    fn found(&self) -> Result<Arc<Credential>, Error> {
        match &*self.opened()?.material {
            Material::Tokens(tokens) => Ok(Arc::clone(&tokens.access)),
            Material::Source(source) => source.current().map_err(Error::Source),
        }
    }

    /// Stores new tokens, and gives the access token. One that can't be stored is used all the same, as long as this process lives.
    fn keep(
        &self,
        opened: &Opened,
        old: &Tokens,
        found: token::Tokens,
        means: &Means<'_>,
    ) -> Result<Arc<Credential>, Error> {
        let mut about = old.about.clone();
        let mut grant = Grant {
            access: old.grant.access.copy(),
            refresh: old.grant.refresh.as_ref().map(Secret::copy),
            client_secret: old.grant.client_secret.as_ref().map(Secret::copy),
        };
        about.renew(&mut grant, found, now());
        let now = record::seconds(clock::now());
        let in_vault = opened.in_vault(old);
        let stored = self
            .store
            .set_grant(&opened.record, in_vault, (&about, &grant), now);
        let instead_of = stored.is_err().then(|| Arc::new(in_vault.copy()));
        if let Err(error) = stored {
            match error {
                store::Error::NotConnected { .. } => {
                    self.let_go(&about, &grant, means);
                    return Err(Error::LoggedOut);
                }
                // A login meanwhile counts more.
                store::Error::Changed => return self.found(),
                store::Error::Vault(_) | store::Error::Exists(_) => {}
            }
            means.notices.warn(format!(
                "the new tokens of {} can't be stored: {error}; they are used while this runs, and a login may be needed afterwards",
                self.label()
            ));
        }
        let tokens = Tokens::of(about, grant)?;
        let access = Arc::clone(&tokens.access);
        let mut last = locked(&self.last);
        // In memory under the vault as it was: a later change of it counts again.
        *last = Some(Opened {
            snapshot: Arc::clone(&opened.snapshot),
            record: opened.record.clone(),
            material: Arc::new(Material::Tokens(tokens)),
            instead_of,
        });
        Ok(access)
    }

    /// Has the service take back tokens that came when the connection was logged out already: the logout knew only of the ones before.
    fn let_go(&self, about: &About, grant: &Grant, means: &Means<'_>) {
        if about.revocation_url.is_none() {
            return;
        }
        if let Err(why) = take_back(about, grant, means.dialer) {
            means.notices.warn(format!(
                "{} was logged out while its tokens were refreshed, and the service has not taken the new ones back: {why}",
                self.label()
            ));
        }
    }

    /// Notes in the vault that only a login helps, unless there was one meanwhile. Where that can't be noted, the next request finds
    /// out again.
    fn given_up(
        &self,
        opened: &Opened,
        old: &Tokens,
        means: &Means<'_>,
    ) -> Result<Arc<Credential>, Error> {
        let mut about = old.about.clone();
        about.needs_login = true;
        let now = record::seconds(clock::now());
        let in_vault = opened.in_vault(old);
        let noted = self
            .store
            .set_grant(&opened.record, in_vault, (&about, &old.grant), now);
        if matches!(noted, Err(store::Error::Changed)) {
            return self.found();
        }
        means.notices.warn(format!(
            "the service takes the tokens of {} no more: log in again with `{}`",
            self.label(),
            record::login_again(&self.provider, &self.connection)
        ));
        Err(Error::LoginNeeded)
    }

    /// How the connection is called in messages.
    fn label(&self) -> String {
        record::label(&self.provider, &self.connection)
    }
}

/// Whether it is this process's turn to refresh. Where no file can be locked (a home that is mounted read-only) it is on its own; but
/// beside another that is still at it, the same refresh token would be used twice, and some servers then take all of them back
/// (RFC 9700 section 4.14.2).
fn turn(lock: Result<Lock, private::Error>) -> Result<Option<Lock>, private::Error> {
    match lock {
        Ok(lock) => Ok(Some(lock)),
        Err(private::Error::Io { error, .. })
            if matches!(
                error.kind(),
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Milliseconds since 1970, now.
fn now() -> u64 {
    record::milliseconds(clock::now())
}

/// Locks, even where another thread has panicked: what these locks guard is whole at every moment.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn nobody_refreshes_beside_another_that_is_still_at_it() {
        let path = Path::new("/home/refresh.x.lock");
        let busy = private::Error::Busy {
            path: path.to_owned(),
            waited: lock::PATIENCE,
        };
        assert!(turn(Err(busy)).is_err());
        let too_many = private::Error::io("lock", path)(io::Error::from_raw_os_error(libc::EMFILE));
        assert!(turn(Err(too_many)).is_err());
        let read_only = private::Error::io("lock", path)(io::ErrorKind::ReadOnlyFilesystem.into());
        assert!(matches!(turn(Err(read_only)), Ok(None)));
    }
}
