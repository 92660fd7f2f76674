//! The service manager that has started this process, if it is one that hands over sockets and wants to hear how the service stands.

use std::ffi::OsString;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::super::error::Error;
use crate::environment::Environment;
use crate::sys::manager;

/// It, if there is one.
pub(super) struct Manager {
    /// Where it is told.
    socket: Option<OsString>,
    /// Whether it was told that the service comes to its end. It hears of nothing else afterwards.
    is_over: Mutex<bool>,
}

/// What it sets.
const VARIABLES: [&str; 5] = [
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
    "NOTIFY_SOCKET",
];

impl Manager {
    /// What this environment says of it, and the socket that it hands over. To be called before anything else is opened. `is_split` says
    /// that this process was split off from process 1, which the manager has started.
    ///
    /// # Errors
    /// When what it hands over is of no use.
    pub(super) fn of(
        parent: &Environment,
        is_split: bool,
    ) -> Result<(Self, Option<TcpListener>), Error> {
        let (pid, count) = (parent.text("LISTEN_PID"), parent.text("LISTEN_FDS"));
        let socket = manager::listener(pid, count, is_split);
        let socket = socket.map_err(|error| {
            Error::new("cannot use the socket that was handed over (LISTEN_FDS)", error)
                .hint("hand over one socket that listens: one ListenStream= with a port in the .socket unit, and Accept=no")
        })?;
        let own = Self {
            socket: parent.get("NOTIFY_SOCKET").map(OsString::from),
            is_over: Mutex::new(false),
        };
        Ok((own, socket))
    }

    /// Takes what it sets out of an environment: it is for no other program.
    pub(super) fn take_from(parent: &mut Environment) {
        for name in VARIABLES {
            parent.remove(name);
        }
    }

    /// The service is ready.
    pub(super) fn ready(&self) {
        self.tell("READY=1", false);
    }

    /// It reads everything anew, and is ready in a moment.
    pub(super) fn reloading(&self) {
        let now = manager::monotonic_microseconds();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}"), false);
    }

    /// It comes to its end.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1", true);
    }

    /// Tells it, unless it has heard of the end. That it can't be told is no reason to do otherwise: it will say that it has heard nothing.
    fn tell(&self, state: &str, is_end: bool) {
        let Some(socket) = &self.socket else {
            return;
        };
        // Kept until it is told: the reload is on another thread.
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_over {
            *is_over = is_end;
            let _ = manager::tell(socket, state);
        }
    }
}
