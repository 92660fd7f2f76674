//! Reading a log: all of its files from the oldest on, and what is added meanwhile.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use super::event::Event;
use super::log;

/// Bytes of a line, at the most. Ours are shorter.
const MAX_LINE: usize = 64 * 1024;

/// What a line of ours begins with.
const BEGINNING: &[u8] = b"{\"time\":";

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// What events are given to.
pub(crate) type Taker<'a> = &'a mut dyn FnMut(Event<'static>);

/// A log that is being read.
pub(crate) struct Reader {
    /// Where it is.
    path: PathBuf,
    /// The files, the oldest first. After the first time the last one is read on, and the one before it as long as it may grow.
    files: Vec<Part>,
    /// Lines that could not be read.
    damaged: u64,
}

/// One of its files.
struct Part {
    /// It.
    file: File,
    /// Its device and inode.
    identity: (u64, u64),
    /// The beginning of a line whose end is not there yet.
    begun: Vec<u8>,
    /// Whether the line is so long that its beginning was dropped.
    is_overlong: bool,
    /// Bytes that were read.
    offset: u64,
}

impl Reader {
    /// Opens all files of a log. There may be none.
    ///
    /// # Errors
    /// When one that is there can't be opened.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut files: Vec<Part> = Vec::new();
        // The newest first: one that is put aside meanwhile is met twice then, and none is missed.
        let older = (1..=log::KEPT).map(|number| log::put_aside(path, number));
        for path in [path.to_owned()].into_iter().chain(older) {
            if let Some(part) = Part::open(&path)?
                && files.iter().all(|other| other.identity != part.identity)
            {
                files.push(part);
            }
        }
        files.reverse();
        Ok(Self {
            path: path.to_owned(),
            files,
            damaged: 0,
        })
    }

    /// Whether there is anything to read.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Gives what there is, the oldest first.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn read(&mut self, take: Taker<'_>) -> io::Result<()> {
        for part in &mut self.files {
            self.damaged += part.read(take)?;
        }
        Ok(())
    }

    /// Tells that no more will be read: what is begun and has no end is a damaged line.
    pub(crate) fn damaged(mut self) -> u64 {
        let unfinished = self.files.iter_mut().filter(|part| part.is_unfinished());
        self.damaged + unfinished.count() as u64
    }

    /// Gives what has been added since, also where the file was put aside meanwhile.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn read_on(&mut self, take: Taker<'_>) -> io::Result<()> {
        let in_place = self.files.last().map(|part| part.identity);
        let is_other = match fs::symlink_metadata(&self.path) {
            Ok(found) => in_place != Some((found.dev(), found.ino())),
            Err(_) => false,
        };
        // Whoever had looked before that may still write to the old one.
        self.read(take)?;
        if is_other && let Some(part) = Part::open(&self.path)? {
            self.files.push(part);
            let over = self.files.len().saturating_sub(2);
            self.files.drain(..over);
            self.read(take)?;
        }
        Ok(())
    }
}

impl Part {
    /// Opens one; `None` where there is none.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let opened = OpenOptions::new()
            .read(true)
            // Without waiting for a pipe's other end.
            .custom_flags(libc::O_NONBLOCK)
            .open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = file.metadata()?;
        if !found.is_file() {
            let why = format!("{} is no plain file", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(Some(Self {
            file,
            identity: (found.dev(), found.ino()),
            begun: Vec::new(),
            is_overlong: false,
            offset: 0,
        }))
    }

    /// Gives what there is; counts damaged lines.
    fn read(&mut self, take: Taker<'_>) -> io::Result<u64> {
        if self.file.metadata()?.len() < self.offset {
            // Somebody has emptied it.
            self.offset = self.file.seek(SeekFrom::Start(0))?;
            self.begun.clear();
        }
        let mut damaged = 0;
        let mut bytes = vec![0; PIECE];
        loop {
            let count = self.file.read(&mut bytes)?;
            if count == 0 {
                return Ok(damaged);
            }
            self.offset += count as u64;
            let mut rest = bytes.get(..count).unwrap_or_default();
            while let Some(end) = memchr::memchr(b'\n', rest) {
                let (line, behind) = rest.split_at(end);
                rest = behind.get(1..).unwrap_or_default();
                self.begun.extend_from_slice(line);
                damaged += u64::from(!self.take_line(take));
            }
            self.begun.extend_from_slice(rest);
            if self.begun.len() > MAX_LINE {
                self.begun.clear();
                self.is_overlong = true;
            }
        }
    }

    /// Whether a line is begun that has no end, and could not be read as it is.
    fn is_unfinished(&self) -> bool {
        self.is_overlong || !self.begun.is_empty()
    }

    /// Gives the line that has come to its end. Tells whether it was whole.
    fn take_line(&mut self, take: Taker<'_>) -> bool {
        let is_overlong = std::mem::take(&mut self.is_overlong);
        let line = self.begun.as_slice();
        let is_whole = match parse(line) {
            Some(event) => {
                take(event);
                !is_overlong
            }
            // Behind a torn one, as it should be.
            None if line.is_empty() => !is_overlong,
            None => {
                // What another process has written behind a part of a line is whole.
                let begins = memchr::memmem::rfind(line, BEGINNING).filter(|at| *at > 0);
                let behind = begins.and_then(|at| line.get(at..)).and_then(parse);
                if let Some(event) = behind {
                    take(event);
                }
                false
            }
        };
        self.begun.clear();
        is_whole
    }
}

/// The event of a line.
fn parse(line: &[u8]) -> Option<Event<'static>> {
    serde_json::from_slice(line).ok()
}
