//! The manual page authsome(1), for man(7)'s macros, from the data that the help texts are made of.

use super::super::COMMANDS;
use super::super::syntax::COMMON;
use super::super::syntax::Group;
use super::super::syntax::Syntax;
use super::INTRODUCTION;
use super::option_as_typed;
use super::topics::Part;
use super::topics::TOPICS;
use super::wrap;

/// Columns of the page's source, with some left for escapes.
const SOURCE_WIDTH: usize = 72;

/// The whole page.
pub(super) fn page() -> String {
    let mut page = Page(String::new());
    let version = env!("CARGO_PKG_VERSION");
    // No date: the same sources give the same page.
    page.0.push_str(&format!(
        ".TH AUTHSOME 1 \"\" \"authsome {version}\" \"User Commands\"\n"
    ));
    page.section("NAME");
    page.0
        .push_str("authsome \\- run a program with credentials that it must not see\n");
    page.section("SYNOPSIS");
    page.0
        .push_str(".B authsome\n.I COMMAND\n[\\fIOPTIONS\\fR]\n");
    page.section("DESCRIPTION");
    page.prose(INTRODUCTION);
    page.section("COMMANDS");
    for syntax in COMMANDS {
        page.command(syntax);
    }
    page.section("OPTIONS OF EVERY COMMAND");
    page.options(&COMMON);
    for topic in TOPICS {
        page.section(&topic.name.replace('-', " ").to_uppercase());
        for part in topic.parts {
            page.part(part);
        }
    }
    page.section("EXAMPLES");
    page.verbatim("authsome login openai\nauthsome run -- curl https://api.openai.com/v1/models");
    page.0
}

/// A page under way.
struct Page(String);

impl Page {
    /// Begins a section.
    fn section(&mut self, title: &str) {
        self.0.push_str(&format!(".SH {}\n", quoted(title)));
    }

    /// Begins a paragraph; the first of a section begins by itself.
    fn paragraph(&mut self) {
        let last = self.0.lines().next_back().unwrap_or_default();
        if !last.starts_with(".S") {
            self.0.push_str(".PP\n");
        }
    }

    /// A command, with its own options.
    fn command(&mut self, syntax: &Syntax) {
        let words = syntax.words;
        let title = format!("authsome {} [OPTIONS] {words}", syntax.name);
        self.0
            .push_str(&format!(".SS {}\n", quoted(title.trim_end())));
        self.prose(syntax.about);
        for group in syntax.groups {
            self.title(group.title);
            self.options(group);
        }
        self.prose(syntax.notes);
        self.title("Example");
        self.verbatim(syntax.examples);
    }

    /// A part of a topic.
    fn part(&mut self, part: &Part) {
        self.title(part.title);
        self.prose(part.text);
        for (name, text) in part.rows {
            self.row(name, text);
        }
    }

    /// What stands above options or rows.
    fn title(&mut self, title: &str) {
        if !title.is_empty() {
            self.paragraph();
            self.0.push_str(&format!("{}:\n", escaped(title)));
        }
    }

    /// Options.
    fn options(&mut self, group: &Group) {
        for option in group.options {
            self.row(&option_as_typed(option), option.help);
        }
    }

    /// Something and what it means.
    fn row(&mut self, name: &str, text: &str) {
        self.0
            .push_str(&format!(".TP\n\\fB{}\\fR\n", escaped(name)));
        self.lines(text);
    }

    /// Paragraphs, a line each, or wrapped lines with an empty one between; lines that are indented stay as they are.
    fn prose(&mut self, text: &str) {
        let mut indented = Vec::new();
        let mut begins = true;
        for line in text.lines().chain([""]) {
            if line.starts_with(' ') {
                indented.push(line.trim_end());
                continue;
            }
            if !indented.is_empty() {
                self.verbatim(&indented.join("\n"));
                indented.clear();
            }
            if line.is_empty() {
                begins = true;
                continue;
            }
            if begins {
                self.paragraph();
                begins = false;
            }
            self.lines(line);
        }
    }

    /// A paragraph in lines of the source that can be read.
    fn lines(&mut self, text: &str) {
        for line in wrap(text, SOURCE_WIDTH) {
            self.0.push_str(&format!("{}\n", escaped(&line)));
        }
    }

    /// Lines as they are.
    fn verbatim(&mut self, text: &str) {
        self.paragraph();
        self.0.push_str(".nf\n.RS\n");
        for line in text.lines() {
            self.0.push_str(&format!("{}\n", escaped(line)));
        }
        self.0.push_str(".RE\n.fi\n");
    }
}

/// A text that roff shows as it is: no requests at a line's start, no escapes, and hyphens that can be copied as such.
fn escaped(text: &str) -> String {
    let shown = text.replace('\\', "\\e").replace('-', "\\-");
    if shown.starts_with(['.', '\'']) {
        format!("\\&{shown}")
    } else {
        shown
    }
}

/// The same as one argument of a macro.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text).replace('"', "\\(dq"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_roff_would_take_for_its_own_is_escaped() {
        assert_eq!(escaped(".x"), "\\&.x");
        assert_eq!(escaped("'x"), "\\&'x");
        assert_eq!(escaped("a\\d --b"), "a\\ed \\-\\-b");
        assert_eq!(quoted("a \"b\""), "\"a \\(dqb\\(dq\"");
    }

    #[test]
    fn the_page_has_every_command_and_option_and_topic() {
        let page = page();
        for syntax in COMMANDS {
            let title = format!(".SS \"authsome {}", syntax.name);
            assert!(page.contains(&title), "{title}");
            for option in syntax.options() {
                let name = escaped(&format!("--{}", option.long));
                assert!(page.contains(&name), "{name}");
            }
        }
        for topic in TOPICS {
            let name = topic.name.replace('-', " ").to_uppercase();
            assert!(page.contains(&format!(".SH \"{name}\"")), "{name}");
        }
        // Lines of a request are ours alone.
        let known = [
            ".TH", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi", ".RS", ".RE", ".B", ".I",
        ];
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            let request = line.split(' ').next().unwrap_or_default();
            assert!(known.contains(&request), "{line}");
        }
    }
}
