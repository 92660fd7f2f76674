//! Programs that run beside the bench, and what the system says of them.

use std::fs;
use std::fs::File;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::net::Ipv4Addr;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use super::Outcome;
use super::Trying;

/// How long a program may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs its arguments as a program, says its number, and ends it when there is nothing more to read: be it that the bench was killed.
const TETHER: &str = "signal=$1; shift; \"$@\" </dev/null & echo $!; cat >/dev/null; kill -s $signal $! 2>/dev/null; wait $!";

/// A program that ends when this is dropped, or with the bench.
pub(crate) struct Program {
    /// What was started: the program itself, or the shell that it hangs on.
    child: Child,
    /// The program's number.
    pub(crate) pid: u32,
}

impl Program {
    /// A program that ends when its standard input does.
    pub(crate) fn new(child: Child) -> Self {
        let pid = child.id();
        Self { child, pid }
    }

    /// Starts a program that would never end by itself, but does by this signal. Its errors go to a file.
    pub(crate) fn tethered(command: &Command, signal: &str, log: &Path) -> Outcome<Self> {
        let name = command.get_program().display().to_string();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", TETHER, "sh", signal])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?);
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                shell.env(name, value);
            }
        }
        let mut child = shell.spawn().trying(&name)?;
        let mut said = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut said)?;
        }
        let pid = said.trim().parse().trying(&name)?;
        Ok(Self { child, pid })
    }

    /// Whether it is there still.
    fn is_running(&mut self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid));
        // One that has ended stays as a zombie until the shell asks for it.
        let is_there = stat.is_ok_and(|stat| !stat.contains(") Z "));
        is_there && matches!(self.child.try_wait(), Ok(None))
    }

    /// The CPU time of all its threads so far, those that have ended too.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        cpu_time(self.pid).trying("its CPU time")
    }

    /// Its memory in KiB, now.
    pub(crate) fn memory(&self) -> Outcome<f64> {
        self.status("VmRSS:")
    }

    /// The most that it ever was.
    pub(crate) fn peak_memory(&self) -> Outcome<f64> {
        self.status("VmHWM:")
    }

    /// A number of KiB from its status.
    fn status(&self, name: &str) -> Outcome<f64> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).trying(&path)?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("a number that is missing")?.parse()?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a program listens on its port.
pub(crate) fn wait_for_port(program: &mut Program, port: u16, log: &Path) -> Outcome<()> {
    let start = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if !program.is_running() || start.elapsed() > PATIENCE {
            let said = fs::read(log).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).into_owned();
            return Err(format!("it does not listen\n{said}").into());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// The CPU time of a process; /proc has it in steps of 10 ms, which are too long.
#[expect(
    unsafe_code,
    reason = "no library reads the CPU clock of another process"
)]
fn cpu_time(pid: u32) -> io::Result<Duration> {
    let pid = pid.try_into().map_err(io::Error::other)?;
    let mut clock = 0;
    // SAFETY: writes one number to memory of ours.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes one timespec to memory of ours.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let seconds = time.tv_sec.try_into().map_err(io::Error::other)?;
    let nanos = time.tv_nsec.try_into().map_err(io::Error::other)?;
    Ok(Duration::new(seconds, nanos))
}
