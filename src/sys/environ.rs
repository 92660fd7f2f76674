//! The block of memory in which this process was given its environment: what `/proc/PID/environ` shows, and a core file has.

use std::ffi::CStr;
use std::ffi::OsStr;
use std::ffi::c_char;
use std::os::unix::ffi::OsStrExt;

use zeroize::Zeroize;

/// Overwrites the values of variables by zeros where they are; whoever reads them afterwards finds nothing in them. Only for variables
/// of which this process has its own copy, and that the C library doesn't read.
pub(crate) fn wipe(is_secret: impl Fn(&OsStr) -> bool) {
    let mut entry = entries();
    if entry.is_null() {
        return;
    }
    loop {
        // SAFETY: `environ` is an array of pointers that ends with a null one, and `entry` hasn't passed that. Nothing here sets
        // variables, so it is as it was at the start.
        let text = unsafe { *entry };
        if text.is_null() {
            return;
        }
        // SAFETY: each is a string that ends with a zero.
        let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
        let mut parts = bytes.splitn(2, |byte| *byte == b'=');
        if let (Some(name), Some(value)) = (parts.next(), parts.next())
            && is_secret(OsStr::from_bytes(name))
        {
            let (start, length) = (name.len() + 1, value.len());
            // SAFETY: where the value begins, within the string.
            let value = unsafe { text.add(start) };
            // SAFETY: so many bytes are there, up to the zero, on the stack that the kernel has prepared, which may be written to. No
            // reference to them is used any more, and no other thread reads them: that would be the C library, which reads others.
            let value = unsafe { std::slice::from_raw_parts_mut(value.cast::<u8>(), length) };
            value.zeroize();
        }
        // SAFETY: one further is at most the null pointer at the end.
        entry = unsafe { entry.add(1) };
    }
}

/// Overwrites the words that this process was started with by zeros: what `/proc/PID/cmdline` shows. Only for a process that reads
/// them no more.
///
/// # Errors
/// When the kernel doesn't say where they are.
#[cfg(target_os = "linux")]
pub(crate) fn wipe_arguments() -> std::io::Result<()> {
    /// Fields of proc_pid_stat(5) between the name in parentheses and `arg_start`, behind which there is `arg_end`.
    const BEFORE: usize = 45;

    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut addresses = fields
        .split_whitespace()
        .skip(BEFORE)
        .map_while(|field| field.parse::<usize>().ok());
    let (Some(start @ 1..), Some(end)) = (addresses.next(), addresses.next()) else {
        return Err(std::io::ErrorKind::NotFound.into());
    };
    let start = std::ptr::with_exposed_provenance_mut::<u8>(start);
    // SAFETY: the kernel says that the words are there, on the stack that it has prepared, which may be written to. Nothing in this
    // process reads them any more.
    let words = unsafe { std::slice::from_raw_parts_mut(start, end.saturating_sub(start.addr())) };
    words.zeroize();
    Ok(())
}

/// Where the array of variables begins.
fn entries() -> *const *mut c_char {
    #[cfg(not(target_os = "macos"))]
    {
        unsafe extern "C" {
            /// environ(7)
            static environ: *const *mut c_char;
        }
        // SAFETY: a pointer that the C library has set before main, and that nobody changes.
        unsafe { environ }
    }
    #[cfg(target_os = "macos")]
    {
        // SAFETY: takes nothing, cannot fail.
        let address = unsafe { libc::_NSGetEnviron() };
        // SAFETY: the address of that pointer, which is valid as long as the process is.
        unsafe { *address }.cast_const()
    }
}
