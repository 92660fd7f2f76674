//! Files that grow by whole pieces, each in one write(2), so that several processes can add to the same one.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use super::private;
use super::private::Error;
use super::trusted;
use crate::sys::descriptor;
use crate::sys::poll;
use crate::sys::poll::Watch;
use crate::sys::process;

/// What is written to.
pub(crate) struct Growing {
    /// It, open.
    file: File,
    /// Device and inode of a file of ours; `None` for what leads elsewhere: a terminal, a pipe, something that this process was given.
    identity: Option<(u64, u64)>,
    /// How large a file may become.
    limit: u64,
}

impl Growing {
    /// Opens a file of this user's that nobody else can read or write; makes it if it isn't there.
    ///
    /// # Errors
    /// When it is a link or no plain file, another user's, or open to others; those of opening.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        // So that a link is told as such. That it is none is made sure of by how the file is opened.
        private::check_file(path)?;
        let file = open(path, true)?;
        let found = file.metadata().map_err(Error::io("open", path))?;
        private::check_plain(path, &found)?;
        private::check(path, &found, 0o077, "go-rwx")?;
        Ok(Self::of(file, Some((found.dev(), found.ino()))))
    }

    /// The same, but that it may be a device like a terminal, a named pipe, or what this process was given: `/dev/stderr`, `/dev/fd/5`.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub(crate) fn open_any(path: &Path) -> Result<Self, Error> {
        if let Some(number) = super::own_descriptor(path) {
            let file = descriptor::copy(number).map_err(Error::io("open", path))?;
            return Ok(Self::of(file, None));
        }
        if let (Some(other), Some(folder)) = (trusted::kept_from(), path.parent()) {
            trusted::check_way(folder, other)?;
        }
        let is_stream = fs::symlink_metadata(path).is_ok_and(|found| {
            let kind = found.file_type();
            kind.is_char_device() || kind.is_fifo()
        });
        if !is_stream {
            return Self::open(path);
        }
        if let Some(other) = trusted::kept_from() {
            trusted::check_way(path, other)?;
        }
        let file = open(path, false)?;
        Ok(Self::of(file, None))
    }

    /// An open file.
    fn of(file: File, identity: Option<(u64, u64)>) -> Self {
        Self {
            file,
            identity,
            limit: process::file_size(),
        }
    }

    /// Whether it is a file of ours, which can be put aside when it is large.
    pub(crate) fn is_plain(&self) -> bool {
        self.identity.is_some()
    }

    /// How large the file is that is found under this path, if it is this one.
    pub(crate) fn size_at(&self, path: &Path) -> Option<u64> {
        let found = fs::symlink_metadata(path).ok()?;
        (self.identity == Some((found.dev(), found.ino()))).then_some(found.len())
    }

    /// Adds these bytes in one write, without waiting: where there is no room for them now, none are written. Tells how many were, which
    /// are fewer where the disk becomes full.
    ///
    /// # Errors
    /// Those of write(2); `WouldBlock` where whoever reads has not kept up, `FileTooLarge` at the limit of this process.
    pub(crate) fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.limit != u64::MAX {
            let found = self.file.metadata()?;
            let after = found.len().saturating_add(bytes.len() as u64);
            // The system would end this process for it.
            if found.is_file() && after > self.limit {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
        if !self.is_plain() {
            let watch = Watch {
                fd: self.file.as_fd(),
                read: false,
                write: true,
            };
            if poll::wait([watch], Some(Instant::now()))? == [false] {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        loop {
            match (&self.file).write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

/// Opens it to append to, and not through a link.
fn open(path: &Path, create: bool) -> Result<File, Error> {
    OpenOptions::new()
        .append(true)
        .create(create)
        .mode(0o600)
        // Without waiting for a pipe's reader, and without making a terminal this process's own.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(Error::io("open", path))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::files::private::tests::folder;
    use crate::files::private::tests::make_pipe;

    #[test]
    fn what_others_can_use_or_leads_elsewhere_is_refused() {
        let (_run, path) = folder(0o644);
        let is_refused = |path: &Path| {
            let opened = [Growing::open(path), Growing::open_any(path)];
            opened
                .iter()
                .all(|opened| matches!(opened, Err(Error::NotPrivate { .. })))
        };
        assert!(is_refused(&path));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(Growing::open(&path).is_ok());
        let link = path.with_file_name("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(is_refused(&link));
        assert!(is_refused(path.parent().unwrap()));
        assert!(Growing::open(Path::new("/dev/null")).is_err());
        assert!(Growing::open_any(Path::new("/dev/null")).is_ok());
    }

    #[test]
    fn a_new_file_is_this_user_s_alone_and_pieces_are_added_to_its_end() {
        let (_run, path) = folder(0o600);
        let new = path.with_file_name("new");
        let (one, other) = (Growing::open(&new).unwrap(), Growing::open(&new).unwrap());
        for growing in [&one, &other, &one] {
            assert_eq!(growing.append(b"piece\n").unwrap(), 6);
        }
        assert_eq!(fs::read(&new).unwrap(), b"piece\n".repeat(3));
        let mode = fs::metadata(&new).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(one.size_at(&new), Some(18));
        fs::rename(&new, &path).unwrap();
        assert_eq!(one.size_at(&new), None);
        assert_eq!(one.size_at(&path), Some(18));
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_not_waited_for() {
        let (_run, path) = folder(0o600);
        let pipe = path.with_file_name("pipe");
        make_pipe(&pipe);
        assert!(Growing::open_any(&pipe).is_err());
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&pipe)
            .unwrap();
        let growing = Growing::open_any(&pipe).unwrap();
        let line = [b'x'; 1024];
        let full = (0..4096).find_map(|_| growing.append(&line).err());
        assert_eq!(
            full.map(|error| error.kind()),
            Some(io::ErrorKind::WouldBlock)
        );
        drop(reader);
    }
}
