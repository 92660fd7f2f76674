//! What all pages of a login look like.

use ring::digest;

use crate::encoding;
use crate::encoding::html;
use crate::loopback::Reply;

/// The frame of every page.
const FRAME: &str = include_str!("page.html");

/// The one style sheet.
const STYLE: &str = include_str!("page.css");

/// A page that says one thing: a heading, and what there is to it in HTML.
pub(super) fn message(status: u16, heading: &str, text: &str) -> Reply {
    let content = format!("<h1>{}</h1>\n<p role=\"status\">{text}</p>", html(heading));
    page(status, heading, &content)
}

/// The same about something that went wrong, with what there is to do.
pub(super) fn trouble(status: u16, heading: &str, why: &str, remedy: &str) -> Reply {
    let content = format!(
        "<h1>{}</h1>\n<p class=\"error\" role=\"alert\">{}</p>\n<p>{}</p>",
        html(heading),
        sentence(why),
        sentence(remedy)
    );
    page(status, heading, &content)
}

/// The last page of a login that has gone well.
pub(super) fn connected(provider: &str, text: &str) -> Reply {
    let heading = format!("{provider} is connected");
    let content = format!(
        "<h1 class=\"good\">{}</h1>\n<p role=\"status\">{} You can close this page.</p>",
        html(&heading),
        html(text)
    );
    page(200, &heading, &content)
}

/// A page that isn't there.
pub(super) fn not_found() -> Reply {
    message(
        404,
        "There is no such page",
        "Use the whole address that was printed.",
    )
}

/// The page behind a refusal of the person's.
pub(super) fn cancelled() -> Reply {
    message(
        200,
        "Cancelled",
        "Nothing was stored. You can close this page.",
    )
}

/// A link to a page on the web; none for anything else.
pub(super) fn link(url: Option<&str>) -> Option<String> {
    let url = html(url.filter(|url| url.starts_with("https://"))?);
    Some(format!(
        "<a href=\"{url}\" target=\"_blank\" rel=\"noopener noreferrer\">{url}</a>"
    ))
}

/// An error's words as a sentence, in HTML; what they have in backquotes is code.
pub(super) fn sentence(words: &str) -> String {
    // A name that is no word stays as it is.
    let first_word = words.split(' ').next().unwrap_or_default();
    let text = if first_word.chars().all(char::is_alphabetic) {
        let mut letters = words.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        html(&(first.unwrap_or_default() + letters.as_str()))
    } else {
        html(words)
    };
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('`').peekable();
    let mut is_code = false;
    while let Some(part) = parts.next() {
        // One without a partner stands for itself.
        match (is_code, parts.peek().is_some()) {
            (true, true) => out.push_str(&format!("<code>{part}</code>")),
            (true, false) => out.push_str(&format!("`{part}")),
            (false, _) => out.push_str(part),
        }
        is_code = !is_code;
    }
    if !out.ends_with('.') {
        out.push('.');
    }
    out
}

/// A whole page.
pub(super) fn page(status: u16, title: &str, content: &str) -> Reply {
    let style = STYLE.trim_end();
    let digest = digest::digest(&digest::SHA256, style.as_bytes());
    let digest = encoding::base64(digest.as_ref());
    // The content last, so that nothing in it is taken for a gap.
    let page = FRAME
        .replace("{{style}}", style)
        .replace("{{title}}", &html(title))
        .replace("{{content}}", content);
    Reply {
        status,
        page,
        style: format!("sha256-{}", String::from_utf8_lossy(&digest)),
        location: None,
        cookie: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_shown_as_a_sentence() {
        for (words, shown) in [
            ("it is empty", "It is empty."),
            ("`a<b` is none.", "<code>a&lt;b</code> is none."),
            ("see `a` and `b`", "See <code>a</code> and <code>b</code>."),
            ("a ` alone", "A ` alone."),
            ("", "."),
        ] {
            assert_eq!(sentence(words), shown);
        }
    }
}
