//! Random bytes from the operating system.

use std::io;

/// 128 random bits as 32 hexadecimal digits: names that nobody can guess or meet by chance.
///
/// # Errors
/// When the operating system has no randomness to give.
pub(crate) fn token() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::getrandom(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Random bytes.
///
/// # Errors
/// When the operating system has no randomness to give.
pub(crate) fn fill(bytes: &mut [u8]) -> io::Result<()> {
    Ok(getrandom::getrandom(bytes)?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn tokens_are_long_and_differ() {
        let (one, two) = (super::token().unwrap(), super::token().unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, two);
    }
}
