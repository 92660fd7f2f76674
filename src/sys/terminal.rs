//! The person's terminal: a question, and an answer that isn't shown.

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;

use zeroize::Zeroizing;

use super::poll;
use super::process::TERMINAL;
use super::signal;
use super::signal::Signals;

/// Bytes of an answer, at the most.
const MAX_ANSWER: usize = 64 * 1024;

/// Signals during which a terminal must not stay without echo.
const CAUGHT: [i32; 5] = [
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGTSTP,
];

/// Keys that mean something.
mod key {
    /// Ends the input.
    pub(super) const END: u8 = 0x04;
    /// Takes the last letter back.
    pub(super) const BACKSPACE: u8 = 0x08;
    /// The same, as most terminals send it.
    pub(super) const DELETE: u8 = 0x7f;
    /// Takes everything back.
    pub(super) const KILL: u8 = 0x15;
}

/// What a person answered.
pub(crate) enum Answer {
    /// This, without the line's end.
    Line(Zeroizing<Vec<u8>>),
    /// Nothing: the input ended.
    End,
    /// A signal came meanwhile.
    Interrupted(i32),
}

/// The controlling terminal, whatever the standard streams are.
pub(crate) struct Terminal(File);

impl Terminal {
    /// Opens it.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn open() -> io::Result<Self> {
        File::options()
            .read(true)
            .write(true)
            .open(TERMINAL)
            .map(Self)
    }

    /// Asks, and reads a line without showing it. Whatever happens, the terminal is as it was when this returns.
    ///
    /// # Errors
    /// Those of the terminal.
    pub(crate) fn ask_hidden(&self, question: &str) -> io::Result<Answer> {
        let mut signals = Signals::catch(&CAUGHT)?;
        let answer = self.ask_caught(question, &mut signals);
        signals.release(&CAUGHT)?;
        answer
    }

    /// The same, once signals are caught: one that arrives ends the question.
    fn ask_caught(&self, question: &str, signals: &mut Signals) -> io::Result<Answer> {
        loop {
            let hidden = Hidden::of(&self.0)?;
            (&self.0).write_all(question.as_bytes())?;
            let answer = self.read_line(signals);
            drop(hidden);
            (&self.0).write_all(b"\n")?;
            match answer {
                Ok(Answer::Interrupted(libc::SIGTSTP)) => signal::stop_self()?,
                other => return other,
            }
        }
    }

    /// Asks, and reads a line as the terminal edits it.
    ///
    /// # Errors
    /// Those of the terminal.
    pub(crate) fn ask(&self, question: &str) -> io::Result<Answer> {
        (&self.0).write_all(question.as_bytes())?;
        let mut line = Zeroizing::new(Vec::new());
        let mut byte = [0];
        loop {
            match (&self.0).read(&mut byte) {
                Ok(0) if line.is_empty() => {
                    (&self.0).write_all(b"\n")?;
                    return Ok(Answer::End);
                }
                Ok(1) if byte != *b"\n" && line.len() < MAX_ANSWER => line.extend_from_slice(&byte),
                Ok(_) => return Ok(Answer::Line(line)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads keys up to the end of a line.
    fn read_line(&self, signals: &mut Signals) -> io::Result<Answer> {
        // With all of its room from the start: one that grows leaves copies behind.
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
        let mut keys = Zeroizing::new([0; 256]);
        loop {
            let watch = |fd| poll::Watch {
                fd,
                read: true,
                write: false,
            };
            let [typed, signalled] =
                poll::wait([watch(self.0.as_fd()), watch(signals.as_fd())], None)?;
            if signalled {
                let number = signals.next()?.number;
                if number != libc::SIGCHLD {
                    return Ok(Answer::Interrupted(number));
                }
            }
            if !typed {
                continue;
            }
            let count = match (&self.0).read(&mut *keys) {
                Ok(0) => return Ok(ended(line)),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            for key in keys.get(..count).unwrap_or_default() {
                match *key {
                    b'\n' | b'\r' => return Ok(Answer::Line(line)),
                    key::END => return Ok(ended(line)),
                    key::BACKSPACE | key::DELETE => take_back(&mut line),
                    key::KILL => line.clear(),
                    other if line.len() < MAX_ANSWER => line.push(other),
                    _ => {}
                }
            }
        }
    }
}

/// What was typed before the input ended.
fn ended(line: Zeroizing<Vec<u8>>) -> Answer {
    if line.is_empty() {
        Answer::End
    } else {
        Answer::Line(line)
    }
}

/// Takes the last letter back: all bytes of it (UTF-8).
fn take_back(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

/// A terminal that shows nothing of what is typed and gives each key at once, so that a line may be longer than the 4,095 bytes that
/// it would edit by itself. As it was when this is dropped.
struct Hidden<'a> {
    /// The terminal.
    file: &'a File,
    /// How it was.
    before: libc::termios,
}

impl<'a> Hidden<'a> {
    /// Hides what is typed from here on; what was typed before is thrown away.
    fn of(file: &'a File) -> io::Result<Self> {
        let mut before = MaybeUninit::<libc::termios>::zeroed();
        // SAFETY: writes one termios of ours, for a descriptor that is open.
        if unsafe { libc::tcgetattr(file.as_raw_fd(), before.as_mut_ptr()) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has filled it, and all-zero is valid besides.
        let before = unsafe { before.assume_init() };
        let mut hidden = before;
        hidden.c_lflag &= !(libc::ECHO | libc::ECHONL | libc::ICANON | libc::IEXTEN);
        hidden.c_cc[libc::VMIN] = 1;
        hidden.c_cc[libc::VTIME] = 0;
        set(file, &hidden)?;
        Ok(Self { file, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // That a terminal which is gone can't be set is no matter.
        let _ = set(self.file, &self.before);
    }
}

/// tcsetattr(3), when all that was written is out.
fn set(file: &File, to: &libc::termios) -> io::Result<()> {
    // SAFETY: reads one termios of ours, for a descriptor that is open.
    if unsafe { libc::tcsetattr(file.as_raw_fd(), libc::TCSAFLUSH, &raw const *to) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_taken_back_as_a_whole() {
        let mut line = "aé€".as_bytes().to_vec();
        take_back(&mut line);
        assert_eq!(line, "aé".as_bytes());
        take_back(&mut line);
        take_back(&mut line);
        take_back(&mut line);
        assert!(line.is_empty());
    }
}
