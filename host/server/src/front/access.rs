//! Whether a caller may call a handler: who it is, what it may, and how often.

use std::sync::Arc;

use belljar::package::Auth;
use http::request::Parts;

use super::Front;
use super::auth::AuthError;
use super::problem::Problem;
use super::proxy::{External, counted_as};
use super::rate::{Client, RateKey};
use crate::directory::{Active, Identity};
use crate::dispatch::Refusal;

impl Front {
    /// Who calls, as far as the handler wants to know.
    pub(super) async fn identity(
        &self,
        auth: Auth,
        permissions: &[String],
        active: &Active,
        head: &Parts,
        external: &External,
    ) -> Result<Option<Arc<Identity>>, Problem> {
        if auth == Auth::None {
            // Nobody is known, so nobody holds a permission; the build refuses such a manifest.
            return if permissions.is_empty() { Ok(None) } else { Err(Problem::forbidden("nobody may call this")) };
        }
        let guesses = RateKey { of: None, client: Client::Address(counted_as(external.client)) };
        let failed_max = self.config.failed_keys_per_minute_max;
        let identity = match self.authenticator.identify(head).await {
            // Who has guessed too often learns nothing more, right or wrong.
            Ok(Some(_)) | Err(AuthError::Invalid) if self.rates.look(&guesses, failed_max).is_err() => {
                return Err(Problem::too_many(self.rates.look(&guesses, failed_max).err().unwrap_or(1)));
            }
            Err(AuthError::Invalid) => {
                let _ = self.rates.call(&guesses, failed_max);
                return Err(Problem::unauthorized(true));
            }
            Err(AuthError::Unavailable(unavailable)) => return Err(unavailable.into()),
            Ok(identity) => identity,
        };
        match &identity {
            None if auth == Auth::Required || !permissions.is_empty() => Err(Problem::unauthorized(false)),
            None => Ok(None),
            Some(known) if known.tenant != active.tenant.id => Err(Problem::forbidden("the key is not of this tenant")),
            Some(known) if !permissions.iter().all(|permission| known.permissions.contains(permission)) => {
                Err(Problem::forbidden("the user lacks a permission"))
            }
            Some(_) => Ok(identity),
        }
    }

    pub(super) fn check_rate(
        &self,
        active: &Arc<Active>,
        handler: &str,
        auth: Auth,
        rate: Option<u32>,
        identity: Option<&Identity>,
        external: &External,
    ) -> Result<(), Problem> {
        let general = if auth == Auth::None { self.config.anonymous_per_minute_max } else { None };
        let Some(per_minute) = rate.or(general) else { return Ok(()) };
        let client = match identity {
            Some(identity) => Client::User(identity.user.clone()),
            None => Client::Address(counted_as(external.client)),
        };
        let of = (active.tenant.id.clone(), active.release.applet().clone(), handler.to_owned());
        self.rates.call(&RateKey { of: Some(of), client }, per_minute).map_err(|seconds| {
            let user = identity.map(|identity| identity.user.clone());
            Problem::refused(&self.dispatcher.refuse(active, handler, user, Refusal::Rate, Some(seconds)))
        })
    }
}
