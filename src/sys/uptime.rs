//! A clock that nobody sets, and that goes on while the machine is suspended: `Instant` stands still then, and what it calls young may
//! have been forgotten by everyone else.

use std::time::Duration;

/// The clock. That of macOS with the other name stands still.
#[cfg(target_os = "linux")]
const CLOCK: libc::clockid_t = libc::CLOCK_BOOTTIME;
/// The clock.
#[cfg(not(target_os = "linux"))]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// The time since the machine was started, suspensions among it.
pub(crate) fn since_boot() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes a timespec.
    unsafe { libc::clock_gettime(CLOCK, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn it_goes_on_at_least_as_fast_as_the_clock_that_stands_still() {
        let (one, other) = (since_boot(), Instant::now());
        assert!(!one.is_zero());
        while other.elapsed() < Duration::from_millis(5) {
            std::thread::yield_now();
        }
        assert!(since_boot() - one >= Duration::from_millis(5));
    }
}
