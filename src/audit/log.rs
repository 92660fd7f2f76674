//! The file that events go to: whole lines in each write, from any number of processes at once; put aside when it is large.

use std::fs;
use std::io;
use std::mem;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::TryLockError;
use std::time::Duration;
use std::time::Instant;

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

/// How long what was seen of the file is good.
const MOMENT: Duration = Duration::from_millis(100);

/// Bytes that wait to be written, at the most. So many are there only where the disk takes very long.
const MAX_QUEUE: usize = 1024 * 1024;

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

/// A log. Whoever has something to write leaves it in the queue, and writes all that is there unless another is at it, who then does: a
/// thread never waits for one that waits for the disk.
pub(crate) struct Log {
    /// Where it is.
    path: PathBuf,
    /// The home that it is in, to be made with it; `None` where the person named the file.
    home: Option<Home>,
    /// What the events of this process are known by.
    pub(super) run: String,
    /// Who is told that it can't be written.
    notices: Arc<Notices>,
    /// What is to be written.
    queue: Mutex<Queue>,
    /// What writes it.
    writer: Mutex<Writer>,
}

/// What is to be written.
#[derive(Default)]
struct Queue {
    /// Lines that go out with the next event, whichever that is.
    held: Vec<u8>,
    /// Whole lines.
    lines: Vec<u8>,
    /// Events for which there was no room.
    dropped: u64,
}

/// The file, and what is known of it.
#[derive(Default)]
struct Writer {
    /// It, once there was something to write.
    file: Option<Growing>,
    /// What is being written, so that its memory is used again.
    lines: Vec<u8>,
    /// Whether the last thing in the file is a part of a line.
    is_torn: bool,
    /// Events that could not be written and that nothing in the log tells of yet.
    lost: u64,
    /// Whether that was told.
    has_warned: bool,
    /// The size at which it is tried again to put the file aside.
    retry_at: u64,
    /// When it was last looked whether the file is in its place.
    looked: Option<Instant>,
    /// How large it was then, with what this process has written since.
    size: u64,
}

impl Writer {
    /// Whether it was looked a moment ago, and the file was not too large for so many bytes more. What is written in that moment is in the
    /// file that it was meant for also where that has another name by now.
    fn has_looked(&self, more: u64) -> bool {
        let is_recent = self.looked.is_some_and(|when| when.elapsed() < MOMENT);
        is_recent && self.size.saturating_add(more) <= MAX_SIZE
    }
}

impl Log {
    /// The log in a home, which is made when there is something to write.
    ///
    /// # Errors
    /// When what is there is a link, another user's, or open to others.
    pub(crate) fn in_home(home: &Home, notices: Arc<Notices>) -> Result<Self, Error> {
        let path = home.audit_log();
        private::check_file(&path)?;
        let log = Self::new(path, notices, Writer::default());
        Ok(Self {
            home: Some(home.clone()),
            ..log
        })
    }

    /// The log in a file that the person named, which may be a terminal, a pipe or the like.
    ///
    /// # Errors
    /// When it can't be opened, is a link, another user's, or open to others.
    pub(crate) fn at(path: PathBuf, notices: Arc<Notices>) -> Result<Self, Error> {
        let writer = Writer {
            file: Some(Growing::open_any(&path)?),
            ..Writer::default()
        };
        Ok(Self::new(path, notices, writer))
    }

    /// A log that nothing was written to.
    fn new(path: PathBuf, notices: Arc<Notices>, writer: Writer) -> Self {
        Self {
            path,
            home: None,
            run: String::new(),
            notices,
            queue: Mutex::default(),
            writer: Mutex::new(writer),
        }
    }

    /// Holds an event back until there is another: where nothing follows, there is nothing to tell.
    pub(super) fn hold(&self, event: &Event<'_>) {
        self.queue().held = line(event);
    }

    /// Has an event written, and before it what was held back. Waits for nobody; what can't be written is counted.
    pub(super) fn write(&self, event: &Event<'_>) {
        let line = line(event);
        let mut queue = self.queue();
        if queue.lines.len() < MAX_QUEUE {
            let held = mem::take(&mut queue.held);
            queue.lines.extend_from_slice(&held);
            queue.lines.extend_from_slice(&line);
        } else {
            queue.dropped += 1;
        }
        drop(queue);
        while !self.queue().is_empty() {
            let mut writer = match self.writer.try_lock() {
                Ok(writer) => writer,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // Whoever is at it looks into the queue once more afterwards.
                Err(TryLockError::WouldBlock) => return,
            };
            self.write_queue(&mut writer);
        }
    }

    /// Writes what is left, once whoever is at it has ended.
    pub(super) fn finish(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_queue(&mut writer);
    }

    /// The queue.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all that is in the queue.
    fn write_queue(&self, writer: &mut Writer) {
        let mut lines = mem::take(&mut writer.lines);
        lines.clear();
        let mut queue = self.queue();
        mem::swap(&mut lines, &mut queue.lines);
        writer.lost += mem::take(&mut queue.dropped);
        drop(queue);
        if let Err(error) = self.write_lines(writer, &mut lines)
            && !mem::replace(&mut writer.has_warned, true)
        {
            let path = self.path.display();
            self.notices.warn(format!(
                "the audit log {path} can't be written: {error}; requests go on without it"
            ));
        }
        writer.lines = lines;
    }

    /// Writes how many events were lost, if there were some, then these lines; counts those that can't be written.
    fn write_lines(&self, writer: &mut Writer, lines: &mut Vec<u8>) -> Result<(), Error> {
        let count = count(lines);
        if writer.lost > 0 {
            let mut lost = line(&Event {
                time: time().into(),
                run: self.run.as_str().into(),
                count: Some(writer.lost),
                ..Event::of(Kind::Lost)
            });
            let told = self.put(writer, &mut lost);
            if told.0 == 0 {
                writer.lost += count;
                return told.1;
            }
            writer.lost = 0;
        }
        if lines.is_empty() {
            return Ok(());
        }
        let (whole, result) = self.put(writer, lines);
        writer.lost += count.saturating_sub(whole);
        result
    }

    /// Puts whole lines at the end of the file; tells how many of them are there now.
    fn put(&self, writer: &mut Writer, lines: &mut Vec<u8>) -> (u64, Result<(), Error>) {
        let is_torn = writer.is_torn;
        if is_torn {
            lines.insert(0, b'\n');
        }
        let file = match self.ready(writer, lines.len() as u64) {
            Ok(file) => file,
            Err(error) => return (0, Err(error)),
        };
        let mut written = 0;
        let mut result = Ok(());
        // A pipe has room for one line where it has room at all.
        let pieces: Vec<&[u8]> = match file.is_plain() {
            true => vec![lines.as_slice()],
            false => lines.split_inclusive(|byte| *byte == b'\n').collect(),
        };
        for piece in pieces {
            let done = match file.append(piece) {
                Ok(done) if done < piece.len() => Err((done, io::ErrorKind::StorageFull.into())),
                Ok(_) => Ok(()),
                Err(error) => Err((0, error)),
            };
            match done {
                Ok(()) => written += piece.len(),
                Err((part, error)) => {
                    written += part;
                    result = Err(Error::io("write to", &self.path)(error));
                    break;
                }
            }
        }
        let done = lines.get(..written).unwrap_or_default();
        if let Some(last) = done.last() {
            // One that was cut must not spoil the next.
            writer.is_torn = *last != b'\n';
        }
        let ends = count(done);
        (ends.saturating_sub(u64::from(is_torn)), result)
    }

    /// The file, with room for so many bytes more.
    fn ready<'a>(&self, writer: &'a mut Writer, more: u64) -> Result<&'a Growing, Error> {
        let is_stream = writer.file.as_ref().is_some_and(|file| !file.is_plain());
        if !is_stream && !writer.has_looked(more) {
            self.look(writer, more)?;
            writer.looked = Some(Instant::now());
        }
        writer.size = writer.size.saturating_add(more);
        writer
            .file
            .as_ref()
            .ok_or_else(|| Error::io("open", &self.path)(io::ErrorKind::NotFound.into()))
    }

    /// Opens the file where it isn't yet, or where another has taken its place; puts it aside where it is large.
    fn look(&self, writer: &mut Writer, more: u64) -> Result<(), Error> {
        let size_of = |file: &Growing| file.size_at(&self.path);
        let is_large = |size: u64| size > 0 && size.saturating_add(more) > MAX_SIZE;
        match writer.file.as_ref().and_then(size_of) {
            Some(size) if !is_large(size) || size < writer.retry_at => {
                writer.size = size;
                return Ok(());
            }
            Some(size) => {
                if let Err(error) = self.put_aside(writer.file.as_ref(), &is_large) {
                    writer.size = size;
                    writer.retry_at = size.saturating_add(RETRY);
                    if !matches!(error, Error::Busy { .. }) {
                        self.notices
                            .warn(format!("the audit log can't be put aside: {error}"));
                    }
                    return Ok(());
                }
            }
            // Not there yet, removed, or put aside by another process.
            None => {}
        }
        let file = self.open()?;
        writer.size = size_of(&file).unwrap_or(0);
        writer.retry_at = 0;
        writer.is_torn = false;
        writer.file = Some(file);
        Ok(())
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

impl Queue {
    /// Whether there is nothing in it to be written, or to be told.
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }
}

/// An event's line.
fn line(event: &Event<'_>) -> Vec<u8> {
    let mut line = Vec::with_capacity(512);
    // Of texts and numbers, in memory: it has no reason to fail, and half a line is none.
    match serde_json::to_writer(&mut line, event) {
        Ok(()) => line.push(b'\n'),
        Err(_) => line.clear(),
    }
    line
}

/// How many lines these are.
fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

/// The time of an event that is told now.
pub(super) fn time() -> String {
    clock::rfc3339_millis(clock::now())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::files::RunDirectory;

    #[test]
    fn of_many_threads_that_write_at_once_every_line_is_there_and_whole() {
        const THREADS: u64 = 8;
        const EACH: u64 = 300;

        let run = RunDirectory::create(&std::env::temp_dir()).unwrap();
        let placeholder = run.write_public("f", b"").unwrap();
        let path = placeholder.with_file_name("log");
        let log = Log::at(path.clone(), Arc::new(Notices::new(|_| {}))).unwrap();
        log.hold(&Event::of(Kind::Start));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for number in 0..EACH {
                        log.write(&Event {
                            ms: Some(number),
                            ..Event::of(Kind::Request)
                        });
                    }
                });
            }
        });
        log.finish();
        let text = fs::read_to_string(path).unwrap();
        let read = |line| serde_json::from_str::<Event<'_>>(line).unwrap();
        let events: Vec<Event<'_>> = text.lines().map(read).collect();
        assert!(events[0].is(Kind::Start));
        let sum: u64 = events.iter().filter_map(|event| event.ms).sum();
        assert_eq!(events.len() as u64, 1 + THREADS * EACH);
        assert_eq!(sum, THREADS * EACH * (EACH - 1) / 2);
    }
}
