//! Command lines in words.

use super::LineError;

/// A command line in words, as a POSIX shell splits them: quotes and backslashes, nothing else. Behind `sh -c`, what isn't quoted
/// as one word is the script as it stands.
///
/// # Errors
/// A quote that isn't closed, a backslash at the end.
pub(crate) fn split_words(line: &str) -> Result<Vec<String>, LineError> {
    let mut words = Vec::new();
    let mut letters = line.chars().peekable();
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        if letters.peek().is_none() {
            break;
        }
        let mut word = String::new();
        while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace()) {
            match letter {
                '\'' => quoted(&mut letters, &mut word)?,
                '"' => double_quoted(&mut letters, &mut word)?,
                '\\' => word.push(letters.next().ok_or(LineError("a backslash at its end"))?),
                other => word.push(other),
            }
        }
        words.push(word);
    }
    let is_script = matches!(&*words, [shell, flag, _, _, ..] if shell == "sh" && flag == "-c");
    if is_script && let Some((_, script)) = line.split_once("-c") {
        return Ok(vec!["sh".into(), "-c".into(), script.trim().to_owned()]);
    }
    Ok(words)
}

/// The letters of a command line.
type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Everything up to the closing single quote.
fn quoted(letters: &mut Letters<'_>, word: &mut String) -> Result<(), LineError> {
    loop {
        match letters.next() {
            Some('\'') => return Ok(()),
            Some(letter) => word.push(letter),
            None => return Err(LineError("a quote that is not closed")),
        }
    }
}

/// Everything up to the closing double quote; a backslash counts before `"`, `\`, `$` and a backquote.
fn double_quoted(letters: &mut Letters<'_>, word: &mut String) -> Result<(), LineError> {
    loop {
        match letters.next() {
            Some('"') => return Ok(()),
            Some('\\') => match letters.next() {
                Some(letter @ ('"' | '\\' | '$' | '`')) => word.push(letter),
                Some(letter) => word.extend(['\\', letter]),
                None => return Err(LineError("a quote that is not closed")),
            },
            Some(letter) => word.push(letter),
            None => return Err(LineError("a quote that is not closed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let words = |line: &str| split_words(line).unwrap();
        assert_eq!(words("op read 'a b'"), ["op", "read", "a b"]);
        assert_eq!(
            words(r#"a "b \"c\" $d" e\ f '' g"h"i"#),
            ["a", r#"b "c" $d"#, "e f", "", "ghi"]
        );
        assert_eq!(words("sh -c 'echo x | cat'"), ["sh", "-c", "echo x | cat"]);
        assert_eq!(words("sh -c echo x | cat"), ["sh", "-c", "echo x | cat"]);
        assert!(split_words("a 'b").is_err());
        assert!(split_words("a \"b").is_err());
        assert!(split_words("a \\").is_err());
    }
}
