//! A monotonic clock that keeps counting while the machine is suspended. `Instant` stops then, so a socket that it calls
//! recent may be long forgotten by the peer.

use std::time::Duration;

/// The clock that includes suspensions. On macOS it is CLOCK_MONOTONIC; CLOCK_UPTIME_RAW stops.
#[cfg(target_os = "linux")]
const CLOCK: libc::clockid_t = libc::CLOCK_BOOTTIME;
/// The clock that includes suspensions.
#[cfg(not(target_os = "linux"))]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// Returns the time since the machine was started, including suspensions.
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
