//! What a request is judged by: which connections there are, which requests meet them, the proxy's password. It can be replaced while
//! requests are served; each sees one of it from its head to its end.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

use super::access::Password;
use super::route::Router;
use super::stray::Placeholders;
use crate::broker::Broker;
use crate::http1::head::RequestHead;
use crate::upstream::egress::Pattern;

/// What a request is judged by. Never changed.
pub(crate) struct State {
    /// How many there were before.
    pub(super) generation: u64,
    /// What is asked for, if anything is.
    password: Option<Arc<Password>>,
    /// Which requests get whose credential.
    pub(super) router: Router,
    /// The placeholders of all connections.
    pub(super) placeholders: Placeholders,
    /// The credentials.
    pub(super) broker: Broker,
}

impl State {
    /// These connections, and the password if one is asked for.
    pub(crate) fn new(broker: Broker, password: Option<Password>) -> Self {
        Self {
            generation: 0,
            password: password.map(Arc::new),
            router: Router::new(&broker),
            placeholders: Placeholders::new(&broker),
            broker,
        }
    }

    /// Returns the same state with hosts that are left unread.
    pub(crate) fn blind_to(self, hosts: Vec<Pattern>) -> Self {
        let router = self.router.blind_to(hosts);
        Self { router, ..self }
    }

    /// Which requests get whose credential.
    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    /// The connections.
    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    /// What is kept of the state that has let a tunnel through.
    pub(crate) fn pass(&self) -> Pass {
        Pass {
            generation: self.generation,
            password: self.password.clone(),
        }
    }

    /// Whether a tunnel was let through by this very state.
    pub(super) fn has_given(&self, pass: &Pass) -> bool {
        self.generation == pass.generation
    }

    /// Whether whoever has asked for a tunnel then has the password of now.
    pub(super) fn still_allows(&self, pass: &Pass) -> bool {
        match (&self.password, &pass.password) {
            (None, _) => true,
            (Some(own), Some(given)) => own.is(given),
            (Some(_), None) => false,
        }
    }

    /// Whether the request has the password, if there is one.
    pub(super) fn allows(&self, head: &RequestHead) -> bool {
        let password = self.password.as_ref();
        password.is_none_or(|password| password.is_in(head))
    }
}

/// What a tunnel was let through by. Not the state itself: a tunnel may last for long, and credentials shall not.
pub(crate) struct Pass {
    /// Which state.
    generation: u64,
    /// The password that was given, if one was asked for.
    password: Option<Arc<Password>>,
}

/// The state that counts now.
pub(crate) struct Current(RwLock<Arc<State>>);

impl Current {
    /// This one.
    pub(crate) fn new(state: State) -> Self {
        Self(RwLock::new(Arc::new(state)))
    }

    /// It, for one request.
    pub(crate) fn get(&self) -> Arc<State> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another in its place, for all requests that begin from now on; gives its number.
    pub(crate) fn replace(&self, state: State) -> u64 {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let generation = current.generation + 1;
        *current = Arc::new(State {
            generation,
            ..state
        });
        generation
    }
}
