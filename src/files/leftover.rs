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
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::environment::Environment;

    #[test]
    fn what_a_variable_of_a_living_process_names_is_not_kept() {
        let own = Environment::of_process();
        let path = own.get("PATH").expect("a PATH").as_bytes();
        let mut names = vec![
            CString::new(path).unwrap(),
            c"leftover-that-nobody-has".to_owned(),
        ];
        keep_unnamed(&mut names);
        assert_eq!(names, [c"leftover-that-nobody-has".to_owned()]);
    }
}
