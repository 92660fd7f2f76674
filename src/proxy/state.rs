//! What a request is judged by: which connections there are, which requests meet them, the proxy's password. It can be replaced while
//! requests are served; each sees one of it from its head to its end.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

use super::access::Password;
use super::route::Router;
use crate::broker::Broker;
use crate::http1::head::RequestHead;

/// What a request is judged by. Never changed.
pub(crate) struct State {
    /// What is asked for, if anything is.
    password: Option<Arc<Password>>,
    /// Which requests get whose credential.
    pub(super) router: Router,
    /// The credentials.
    pub(super) broker: Broker,
}

impl State {
    /// These connections, and the password if one is asked for.
    pub(crate) fn new(broker: Broker, password: Option<Password>) -> Self {
        Self {
            password: password.map(Arc::new),
            router: Router::new(&broker),
            broker,
        }
    }

    /// Which requests get whose credential.
    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    /// The connections.
    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Whether the request has the password, if there is one.
    pub(super) fn allows(&self, head: &RequestHead) -> bool {
        let password = self.password.as_ref();
        password.is_none_or(|password| password.is_in(head))
    }
}

/// The state that counts now.
pub(crate) struct Current(RwLock<Arc<State>>);

impl Current {
    /// This one.
    pub(crate) fn new(state: State) -> Self {
        Self(RwLock::new(Arc::new(state)))
    }

    /// It, for one request.
    pub(super) fn get(&self) -> Arc<State> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
