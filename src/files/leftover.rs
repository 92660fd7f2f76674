//! Processes that a finished run has left behind, such as a build server: what their variables name must stay where it is. Node, for one,
//! does not start without a file that NODE_OPTIONS names.

use std::ffi::CStr;
use std::fs;
use std::fs::File;
use std::io::Read;

use memchr::memmem;
use zeroize::Zeroizing;

/// Bytes of a process's environment, at the most.
const MAX_ENVIRONMENT: u64 = 1024 * 1024;

/// Keeps those of these names that are in no environment of a living process. A process that this user may not look at counts for none,
/// and so does every process where the system shows none in `/proc`.
pub(super) fn keep_unnamed<T: AsRef<CStr>>(names: &mut Vec<T>) {
    if names.is_empty() {
        return;
    }
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let number = process.file_name();
        if !number.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // Other processes' environments may hold secrets.
        let mut environment = Zeroizing::new(Vec::new());
        let file = File::open(process.path().join("environ"));
        let read = file.and_then(|file| file.take(MAX_ENVIRONMENT).read_to_end(&mut environment));
        if read.is_ok() {
            names.retain(|name| memmem::find(&environment, name.as_ref().to_bytes()).is_none());
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_name_is_kept_once_no_process_has_it_in_a_variable() {
        let name = c"leftover-0d1f7a52c3";
        let unnamed = || {
            let mut names = vec![name, c"leftover-that-nobody-has"];
            keep_unnamed(&mut names);
            names.len()
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "a process to be found, in a test"
        )]
        let mut process = Command::new("cat")
            .env("FILE", "/x/leftover-0d1f7a52c3/y")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(unnamed(), 1);
        drop(process.stdin.take());
        process.wait().unwrap();
        assert_eq!(unnamed(), 2);
    }
}
