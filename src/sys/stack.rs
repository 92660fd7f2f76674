//! The memory of a thread's stack that lies idle.

use std::cell::Cell;
use std::ptr;

thread_local! {
    /// The addresses of this thread's stack; none where they aren't known, or not to be used.
    static STACK: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// What is left alone below this function's frame: those of the system call's wrapper and of a signal's handler, should one run just then.
/// It need not be exact: what is gone comes back as zeros, and nothing that is there is read again.
const MARGIN: usize = 2 * 1024;

/// Finds out where the stack of this thread is, for [`give_back`]. Not for the main thread, whose stack grows as it goes.
pub(crate) fn find() {
    STACK.set(stack().unwrap_or_default());
}

/// Gives the pages below the caller's frame back to the system: what was called before, a TLS handshake for one, went far deeper than
/// whoever waits for bytes does. They are there again, as zeros, once something goes as deep. Does nothing in a thread that has not
/// called [`find`].
#[inline(never)]
pub(crate) fn give_back() {
    let here = 0u8;
    let (lowest, end) = STACK.get();
    // SAFETY: sysconf(3) has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Some(page) = usize::try_from(page)
        .ok()
        .filter(|page| page.is_power_of_two())
    else {
        return;
    };
    let here = (&raw const here).addr();
    if !(lowest..end).contains(&here) {
        return;
    }
    let top = here.saturating_sub(MARGIN) & !(page - 1);
    let bottom = lowest.next_multiple_of(page);
    let Some(length) = top.checked_sub(bottom).filter(|length| *length > 0) else {
        return;
    };
    // SAFETY: the range is page-aligned and within this thread's stack, wholly below all frames in use: those end at `here`, this
    // function's, but for those of madvise(2) itself, for which the margin is. No object of Rust's is there.
    unsafe {
        libc::madvise(
            ptr::without_provenance_mut(bottom),
            length,
            libc::MADV_DONTNEED,
        );
    }
}

/// The lowest address of this thread's stack, and the first behind it.
#[cfg(target_os = "linux")]
fn stack() -> Option<(usize, usize)> {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: pthread_self(3) has no preconditions.
    let own = unsafe { libc::pthread_self() };
    // SAFETY: initialises `attributes` where it returns 0.
    if unsafe { libc::pthread_getattr_np(own, attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    let (mut lowest, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the attributes are initialised, and both results are written to places of their types.
    let found =
        unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut size) };
    // SAFETY: initialised above, and used no more.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    (found == 0).then(|| (lowest.addr(), lowest.addr() + size))
}

/// The addresses of this thread's stack: not asked for here.
#[cfg(not(target_os = "linux"))]
fn stack() -> Option<(usize, usize)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes deep, and tells what it found there.
    #[inline(never)]
    fn deep(depth: usize) -> u8 {
        let mut frame = [1u8; 4096];
        std::hint::black_box(&mut frame);
        if depth == 0 {
            return frame[0];
        }
        deep(depth - 1) + std::hint::black_box(frame)[17] - 1
    }

    /// KiB of this thread's stack that take memory.
    #[cfg(target_os = "linux")]
    fn resident() -> usize {
        let maps = std::fs::read_to_string("/proc/thread-self/smaps").unwrap();
        let here = 0u8;
        let here = (&raw const here).addr();
        let mut is_it = false;
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let first = words.next().unwrap();
            if let Some((from, to)) = first.split_once('-') {
                let number = |text| usize::from_str_radix(text, 16);
                is_it = matches!((number(from), number(to)), (Ok(from), Ok(to)) if (from..to).contains(&here));
            } else if is_it && first == "Rss:" {
                return words.next().unwrap().parse().unwrap();
            }
        }
        panic!("no such mapping");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_below_is_given_back_and_what_is_in_use_stays() {
        let thread = std::thread::Builder::new()
            .stack_size(512 * 1024)
            .spawn(|| {
                let used = std::hint::black_box([7u8; 10_000]);
                assert_eq!(deep(20), 1);
                let before = resident();
                give_back();
                assert!(resident() + 16 > before, "given back without `find`");
                find();
                for _ in 0..3 {
                    assert_eq!(deep(20), 1);
                    give_back();
                    assert!(
                        resident() + 64 < before,
                        "{before} KiB, then {}",
                        resident()
                    );
                    assert!(used.iter().all(|byte| *byte == 7));
                }
            });
        thread.unwrap().join().unwrap();
    }
}
