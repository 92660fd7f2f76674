//! How a provider's keys look: what tells a slip of the hand from a key before it is stored.

use regex_lite::Regex;

/// A pattern, and what it means in words.
pub(crate) struct KeyShape {
    /// As it is written.
    pattern: String,
    /// Made from it.
    regex: Regex,
    /// As a person says it.
    hint: Option<String>,
}

impl KeyShape {
    /// The shape of this pattern.
    ///
    /// # Errors
    /// When it is no regular expression.
    pub(crate) fn new(pattern: &str, hint: Option<String>) -> Result<Self, regex_lite::Error> {
        Ok(Self {
            pattern: pattern.to_owned(),
            regex: Regex::new(pattern)?,
            hint,
        })
    }

    /// Whether the key looks like it.
    pub(crate) fn fits(&self, key: &str) -> bool {
        self.regex.is_match(key)
    }

    /// What a key looks like, in words.
    pub(crate) fn hint(&self) -> String {
        match &self.hint {
            Some(hint) => hint.clone(),
            None => format!("matches {}", self.pattern),
        }
    }

    /// Whether the key begins as all of these do, where that is known.
    pub(crate) fn begins(&self, key: &str) -> bool {
        let Some(rest) = self
            .pattern
            .strip_prefix('^')
            .filter(|_| self.distinctness() > 0)
        else {
            return false;
        };
        let fixed = rest.strip_suffix(fixed_letters(rest).2).unwrap_or(rest);
        Regex::new(&format!("^(?:{fixed})")).is_ok_and(|start| start.is_match(key))
    }

    /// How many letters at the beginning of a key are fixed, or one of a few: how well this shape tells keys from others'.
    pub(crate) fn distinctness(&self) -> usize {
        match self.pattern.strip_prefix('^') {
            // Alternatives of the whole pattern: any of them may have no beginning at all.
            Some(rest) if !has_outer_bar(rest) => fixed_letters(rest).0,
            _ => 0,
        }
    }
}

/// Members of a class of letters that still counts as one of a few.
const FEW: usize = 8;

/// Whether there is a `|` outside of groups and classes.
fn has_outer_bar(pattern: &str) -> bool {
    let mut depth = 0_usize;
    for letter in pattern.chars() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// How many letters at the pattern's beginning are fixed, whether all of it is, and what is behind them.
fn fixed_letters(pattern: &str) -> (usize, bool, &str) {
    let mut count = 0;
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let (letters, is_whole, behind) = match first {
            '[' => {
                let Some((class, behind)) = rest.split_once(']') else {
                    break;
                };
                if class.len() > FEW + 1 || class.contains('-') {
                    break;
                }
                (1, true, behind)
            }
            '(' => {
                let Some((group, behind)) = rest.split_once(')') else {
                    break;
                };
                let alternatives = group.trim_start_matches('(').split('|');
                let each: Vec<_> = alternatives.map(fixed_letters).collect();
                let least = each.iter().map(|(count, ..)| *count).min();
                let is_whole = each.iter().all(|(_, is_whole, _)| *is_whole);
                (least.unwrap_or(0), is_whole, behind)
            }
            letter if letter.is_ascii_alphanumeric() || "-_".contains(letter) => {
                (1, true, rest.strip_prefix(letter).unwrap_or_default())
            }
            _ => break,
        };
        if behind.starts_with(['?', '*', '{']) {
            break;
        }
        count += letters;
        rest = behind;
        if !is_whole {
            break;
        }
    }
    (count, rest.is_empty(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distinctness of a pattern.
    fn distinctness(pattern: &str) -> usize {
        KeyShape::new(pattern, None).unwrap().distinctness()
    }

    #[test]
    fn what_every_key_begins_with_is_counted() {
        for (pattern, count) in [
            ("^sk-[A-Za-z0-9]+$", 3),
            ("^sk-ant-.+", 7),
            ("^(gh[opus]_|github_pat_)[a-z]+$", 4),
            ("^(sk|rk)_x+$", 4),
            ("^xox[a-z](y)?", 3),
            ("^SG\\.x", 2),
            ("^(dop_)?[a-f0-9]{64}$", 0),
            ("^abc?d", 2),
            ("^abc|^d", 0),
            ("^abc$|x", 0),
            ("sk-", 0),
            ("^[a-z]{40}$", 0),
        ] {
            assert_eq!(distinctness(pattern), count, "{pattern}");
        }
    }

    #[test]
    fn a_key_that_is_cut_short_still_begins_as_it_should() {
        for (pattern, key, begins) in [
            ("^sk-[A-Za-z0-9_-]{20,}$", "sk-wrong", true),
            ("^sk-[A-Za-z0-9_-]{20,}$", "sk-", true),
            ("^sk-[A-Za-z0-9_-]{20,}$", "pk-wrong", false),
            ("^(gh[opus]_|github_pat_)[a-z]+$", "github_pat_", true),
            ("^(gh[opus]_|github_pat_)[a-z]+$", "ghx_", false),
            ("^abc?d", "abd", true),
            ("^abc|^d", "abc", false),
            ("^[a-z]{40}$", "abc", false),
        ] {
            let shape = KeyShape::new(pattern, None).unwrap();
            assert_eq!(shape.begins(key), begins, "{pattern} {key}");
        }
    }

    #[test]
    fn a_shape_says_what_it_looks_for() {
        let shape = KeyShape::new("^sk-", Some("starts with sk-".into())).unwrap();
        assert!(shape.fits("sk-1") && !shape.fits("xsk-1"));
        assert_eq!(shape.hint(), "starts with sk-");
        assert_eq!(KeyShape::new("^a$", None).unwrap().hint(), "matches ^a$");
        assert!(KeyShape::new("(", None).is_err());
    }
}
