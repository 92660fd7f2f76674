//! Tokens that are let go: the service takes them back (RFC 7009).

use super::grant::About;
use super::grant::Grant;
use crate::oauth::token;
use crate::secret::Secret;
use crate::upstream::dial::Dialer;

/// Has the service take back a grant's tokens: the refresh token first, from which new ones could be had.
///
/// # Errors
/// Why it has not, in words that are fit for anyone.
pub(crate) fn take_back(about: &About, grant: &Grant, dialer: &Dialer) -> Result<(), String> {
    let endpoint = about.revocation_url.as_ref();
    let endpoint = endpoint.ok_or("the service has no way to take tokens back")?;
    let client = grant.client(about);
    let take_back =
        |token: &Secret, hint: &str| token::revoke(dialer, endpoint, &client, token, hint);
    let first = grant
        .refresh
        .as_ref()
        .map(|token| take_back(token, "refresh_token"));
    // Whatever became of the first.
    let second = take_back(&grant.access, "access_token");
    match (first, second) {
        // What came from the refresh token has gone with it (RFC 7009 section 2.1), and some say so.
        (Some(Ok(())), Err(error)) if error.code() == Some("invalid_token") => Ok(()),
        (Some(Err(error)), _) | (_, Err(error)) => Err(error.terse().to_string()),
        (_, Ok(())) => Ok(()),
    }
}
