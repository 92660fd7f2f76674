//! The file that events go to: one line each, in one write, from any number of processes at once; put aside when it is large.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use super::event::Event;
use super::event::Kind;
use crate::clock;
use crate::files::Home;
use crate::files::append::Growing;
use crate::files::lock::Lock;
use crate::files::private;
use crate::files::private::Error;
use crate::notice::Notices;

/// Bytes of the file before it is put aside.
pub(crate) const MAX_SIZE: u64 = 10 * 1024 * 1024;

/// Files that are kept, put aside: `FILE.1` is the newest of them.
pub(crate) const KEPT: u32 = 4;

/// By how much the file grows before it is tried again to put it aside, where that has failed.
const RETRY: u64 = 1024 * 1024;

/// Where one of the files is that were put aside.
pub(super) fn put_aside(path: &Path, number: u32) -> PathBuf {
    with_ending(path, &number.to_string())
}

/// The path with a dot and more behind its last name.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// A log.
pub(crate) struct Log {
    /// Where it is.
    path: PathBuf,
    /// The home that it is in, to be made with it; `None` where the person named the file.
    home: Option<Home>,
    /// Who is told that it can't be written.
    notices: Arc<Notices>,
    /// What changes.
    state: Mutex<State>,
}

/// What changes with each event.
#[derive(Default)]
struct State {
    /// The file, once there was something to write.
    file: Option<Growing>,
    /// Lines that go out with the next event, whichever that is.
    held: Vec<u8>,
    /// The line that is being written, so that its memory is used again.
    line: Vec<u8>,
    /// Whether the last thing in the file is a part of a line.
    is_torn: bool,
    /// Events that could not be written and that nothing in the log tells of yet.
    lost: u64,
    /// Whether that was told.
    has_warned: bool,
    /// The size at which it is tried again to put the file aside.
    retry_at: u64,
}

impl Log {
    /// The log in a home, which is made when there is something to write.
    ///
    /// # Errors
    /// When what is there is a link, another user's, or open to others.
    pub(crate) fn in_home(home: &Home, notices: Arc<Notices>) -> Result<Self, Error> {
        let path = home.audit_log();
        private::check_file(&path)?;
        Ok(Self {
            path,
            home: Some(home.clone()),
            notices,
            state: Mutex::default(),
        })
    }

    /// The log in a file that the person named, which may be a terminal, a pipe or the like.
    ///
    /// # Errors
    /// When it can't be opened, is a link, another user's, or open to others.
    pub(crate) fn at(path: PathBuf, notices: Arc<Notices>) -> Result<Self, Error> {
        let file = Growing::open_any(&path)?;
        Ok(Self {
            path,
            home: None,
            notices,
            state: Mutex::new(State {
                file: Some(file),
                ..State::default()
            }),
        })
    }

    /// Holds an event back until there is another: where nothing follows, there is nothing to tell.
    pub(super) fn hold(&self, event: &Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        add_line(event, &mut state.held);
    }

    /// Writes an event, and before it what was held back. Waits for nobody; what can't be written is counted.
    pub(super) fn write(&self, event: &Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = std::mem::take(&mut state.line);
        if let Err(error) = self.write_all(&mut state, event, &mut line) {
            state.lost += 1;
            if !std::mem::replace(&mut state.has_warned, true) {
                let path = self.path.display();
                self.notices.warn(format!(
                    "the audit log {path} can't be written: {error}; requests go on without it"
                ));
            }
        }
        state.line = line;
    }

    /// Writes how many events were lost, if there were some, then what was held back with the event.
    fn write_all(
        &self,
        state: &mut State,
        event: &Event<'_>,
        line: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if state.lost > 0 {
            let lost = Event {
                time: event.time.clone(),
                run: event.run.clone(),
                count: Some(state.lost),
                ..Event::of(Kind::Lost)
            };
            line.clear();
            add_line(&lost, line);
            self.put(state, line)?;
            state.lost = 0;
        }
        line.clear();
        line.extend_from_slice(&state.held);
        add_line(event, line);
        self.put(state, line)?;
        state.held = Vec::new();
        Ok(())
    }

    /// Puts whole lines at the end of the file.
    fn put(&self, state: &mut State, lines: &mut Vec<u8>) -> Result<(), Error> {
        if state.is_torn {
            lines.insert(0, b'\n');
        }
        let file = self.ready(state, lines.len() as u64)?;
        let failed = Error::io("write to", &self.path);
        let written = file.append(lines).map_err(&failed)?;
        // One that was cut must not spoil the next.
        state.is_torn = written < lines.len() && (written > 0 || state.is_torn);
        if written < lines.len() {
            return Err(failed(io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }

    /// The file, with room for so many bytes more: opened where it isn't yet or another has taken its place, put aside where it is large.
    fn ready<'a>(&self, state: &'a mut State, more: u64) -> Result<&'a Growing, Error> {
        let size = match &state.file {
            Some(file) if !file.is_plain() => Some(0),
            Some(file) => file.size_at(&self.path),
            None => None,
        };
        let is_large = |size: u64| size > 0 && size.saturating_add(more) > MAX_SIZE;
        match size {
            Some(size) if !is_large(size) => {}
            Some(size) if size < state.retry_at => {}
            Some(size) => match self.put_aside(state.file.as_ref(), &is_large) {
                Ok(()) => state.file = Some(self.open()?),
                Err(error) => {
                    state.retry_at = size.saturating_add(RETRY);
                    if !matches!(error, Error::Busy { .. }) {
                        self.notices
                            .warn(format!("the audit log can't be put aside: {error}"));
                    }
                }
            },
            // Not there yet, removed, or put aside by another process.
            None => {
                state.is_torn = false;
                state.file = Some(self.open()?);
            }
        }
        state
            .file
            .as_ref()
            .ok_or_else(|| Error::io("open", &self.path)(io::ErrorKind::NotFound.into()))
    }

    /// Opens the file, and makes the home that it is in.
    fn open(&self) -> Result<Growing, Error> {
        match &self.home {
            Some(home) => {
                home.create()
                    .map_err(Error::io("make the folder", home.path()))?;
                Growing::open(&self.path)
            }
            None => Growing::open_any(&self.path),
        }
    }

    /// Gives the file another name, unless another process has done so already or is about to: then this one waits for nothing.
    fn put_aside(
        &self,
        file: Option<&Growing>,
        is_large: &dyn Fn(u64) -> bool,
    ) -> Result<(), Error> {
        let _lock = Lock::within(&with_ending(&self.path, "lock"), Duration::ZERO)?;
        let size = file.and_then(|file| file.size_at(&self.path));
        if !size.is_some_and(is_large) {
            return Ok(());
        }
        for number in (0..KEPT).rev() {
            let from = match number {
                0 => self.path.clone(),
                number => put_aside(&self.path, number),
            };
            match fs::rename(&from, put_aside(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("rename", &from)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Adds an event's line.
fn add_line(event: &Event<'_>, lines: &mut Vec<u8>) {
    let start = lines.len();
    // Of texts and numbers, in memory: it has no reason to fail, and half a line is none.
    match serde_json::to_writer(&mut *lines, event) {
        Ok(()) => lines.push(b'\n'),
        Err(_) => lines.truncate(start),
    }
}

/// The time of an event that is told now.
pub(super) fn time() -> String {
    clock::rfc3339_millis(clock::now())
}
