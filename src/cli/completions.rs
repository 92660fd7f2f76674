//! `authsome completions`: what a shell needs to complete command lines, made from what each command says of itself.

use super::COMMANDS;
use super::error::Error;
use super::help;
use super::output;
use super::syntax::Opt;
use super::syntax::Parsed;
use super::syntax::Syntax;

/// What `completions` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "completions",
    summary: "print completions for bash, zsh or fish",
    words: "SHELL",
    ends_at_word: false,
    about: "Print what SHELL (bash, zsh or fish) needs to complete authsome's commands, options and the names of providers.",
    groups: &[],
    notes: "bash: put it into ~/.local/share/bash-completion/completions/authsome\nzsh: as _authsome into a folder of $fpath\nfish: into ~/.config/fish/completions/authsome.fish",
    examples: "authsome completions fish > ~/.config/fish/completions/authsome.fish",
    run: completions,
};

/// Version 1 of the shape.
#[derive(serde::Serialize)]
struct Answer<'a> {
    /// Version of this shape.
    version: u8,
    /// The shell.
    shell: &'a str,
    /// What it reads.
    script: String,
}

/// Prints them.
fn completions(parsed: &Parsed) -> Result<u8, Error> {
    let words = parsed.words(1..=1, "bash, zsh or fish")?;
    let shell = words.first().copied().unwrap_or_default();
    let script = match shell {
        "bash" => bash(),
        "zsh" => zsh(),
        "fish" => fish(),
        _ => return Err(parsed.usage("completions are there for bash, zsh and fish")),
    };
    if parsed.verbosity.json {
        output::json(&Answer {
            version: 1,
            shell,
            script,
        });
    } else {
        output::text(&script);
    }
    Ok(0)
}

/// What a command's word is, where that can be completed.
enum Word {
    /// The name of a provider that is connected.
    Connected,
    /// The name of any provider.
    Any,
    /// A file.
    File,
    /// The name of a command or of a topic of help.
    Helped,
    /// Another program's command line.
    Program,
    /// One of these.
    OneOf(&'static str),
    /// Nothing that could be completed.
    Free,
}

/// What the first word of a command is.
fn word(syntax: &Syntax) -> Word {
    match syntax.name {
        "login" | "inspect" | "remove" => Word::Any,
        "get" | "export" | "default" | "logout" | "revoke" => Word::Connected,
        "register" | "import" => Word::File,
        "help" => Word::Helped,
        "completions" => Word::OneOf("bash zsh fish"),
        "vault" => Word::OneOf("rekey"),
        "ca" => Word::OneOf("create show fingerprint export trust untrust rotate remove"),
        _ if syntax.ends_at_word => Word::Program,
        _ => Word::Free,
    }
}

/// What an option's value is.
fn value(option: &Opt) -> Word {
    match option.value {
        Some("FILE") => Word::File,
        Some("FORMAT") => Word::OneOf("env shell json"),
        Some("run|persistent") => Word::OneOf("run persistent"),
        Some("system|mozilla") => Word::OneOf("system mozilla"),
        Some("F") => Word::OneOf("pkce device_code dcr_pkce api_key"),
        _ => Word::Free,
    }
}

/// The command that prints names of providers.
fn names(word: &Word) -> &'static str {
    match word {
        Word::Connected => "authsome list --names 2>/dev/null",
        _ => "authsome list --all --names 2>/dev/null",
    }
}

/// All commands' names.
fn command_names() -> String {
    let names: Vec<&str> = COMMANDS.iter().map(|syntax| syntax.name).collect();
    names.join(" ")
}

/// The same, and all topics: what help is there for.
fn helped_names() -> String {
    let topics = help::topics();
    let names = COMMANDS.iter().map(|syntax| syntax.name).chain(topics);
    names.collect::<Vec<_>>().join(" ")
}

/// A command's options as they are typed.
fn option_words(syntax: &Syntax) -> String {
    let words = syntax.options().map(|option| format!("--{}", option.long));
    words.collect::<Vec<_>>().join(" ")
}

/// For bash, with nothing but what bash itself has.
fn bash() -> String {
    let mut cases = String::new();
    for syntax in COMMANDS {
        let mut values = String::new();
        for option in syntax.options().filter(|option| option.value.is_some()) {
            let reply = bash_reply(&value(option));
            values.push_str(&format!(
                "          --{}) {reply}; return ;;\n",
                option.long
            ));
        }
        let words = match word(syntax) {
            Word::Program => {
                "_command_offset \"$i\" 2>/dev/null || COMPREPLY=($(compgen -c -- \"$cur\"))"
                    .to_owned()
            }
            other => bash_reply(&other),
        };
        cases.push_str(&format!(
            "    {})\n      case $prev in\n{values}      esac\n      case $cur in\n        -*) COMPREPLY=($(compgen -W \"{}\" -- \"$cur\")) ;;\n        *) {words} ;;\n      esac ;;\n",
            syntax.name,
            option_words(syntax)
        ));
    }
    format!(
        "# bash completion for authsome\n\
         _authsome() {{\n\
         \x20 local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} i=2\n\
         \x20 COMPREPLY=()\n\
         \x20 if ((COMP_CWORD == 1)); then\n\
         \x20   COMPREPLY=($(compgen -W \"{} --help --version\" -- \"$cur\"))\n\
         \x20   return\n\
         \x20 fi\n\
         \x20 while ((i < COMP_CWORD)) && [[ ${{COMP_WORDS[i]}} == -* ]]; do i=$((i + 1)); done\n\
         \x20 case ${{COMP_WORDS[1]}} in\n\
         {cases}\x20 esac\n\
         }}\n\
         complete -F _authsome authsome\n",
        command_names()
    )
}

/// How bash completes a word.
fn bash_reply(word: &Word) -> String {
    match word {
        Word::Connected | Word::Any => {
            format!(
                "COMPREPLY=($(compgen -W \"$({})\" -- \"$cur\"))",
                names(word)
            )
        }
        Word::File => "COMPREPLY=($(compgen -f -- \"$cur\"))".into(),
        Word::Helped => format!(
            "COMPREPLY=($(compgen -W \"{}\" -- \"$cur\"))",
            helped_names()
        ),
        Word::OneOf(words) => format!("COMPREPLY=($(compgen -W \"{words}\" -- \"$cur\"))"),
        Word::Program => "COMPREPLY=($(compgen -c -- \"$cur\"))".into(),
        Word::Free => ":".into(),
    }
}

/// For zsh.
fn zsh() -> String {
    let mut cases = String::new();
    for syntax in COMMANDS {
        let mut specs: Vec<String> = syntax.options().map(zsh_option).collect();
        specs.push(match word(syntax) {
            Word::Program => "'*::command:_normal'".into(),
            Word::Free => "'*: :'".into(),
            Word::File => "'*:file:_files'".into(),
            other => format!("'1:word:{}'", zsh_action(&other)),
        });
        cases.push_str(&format!(
            "    {}) _arguments -s {} ;;\n",
            syntax.name,
            specs.join(" ")
        ));
    }
    let list: String = COMMANDS
        .iter()
        .map(|syntax| format!("    '{}:{}'\n", syntax.name, zsh_text(syntax.summary)))
        .collect();
    format!(
        "#compdef authsome\n\
         _authsome_names() {{ local -a names; names=(${{(f)\"$(authsome list --names \"$@\" 2>/dev/null)\"}}); compadd -a names }}\n\
         _authsome() {{\n\
         \x20 local -a commands; commands=(\n{list}\x20 )\n\
         \x20 if ((CURRENT == 2)); then _describe command commands; return; fi\n\
         \x20 local name=$words[2]\n\
         \x20 shift words; ((CURRENT--))\n\
         \x20 case $name in\n{cases}\x20 esac\n\
         }}\n\
         if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _authsome \"$@\"; else compdef _authsome authsome; fi\n"
    )
}

/// An option as zsh's _arguments wants it.
fn zsh_option(option: &Opt) -> String {
    let text = zsh_text(option.help);
    match option.value {
        None => format!("'--{}[{text}]'", option.long),
        Some(name) => {
            let name = name.replace(':', " ");
            format!(
                "'--{}=[{text}]:{name}:{}'",
                option.long,
                zsh_action(&value(option))
            )
        }
    }
}

/// How zsh completes a word.
fn zsh_action(word: &Word) -> String {
    match word {
        // The space: no words of _arguments itself are put in.
        Word::Connected => " _authsome_names".into(),
        Word::Any => " _authsome_names --all".into(),
        Word::File => "_files".into(),
        Word::Helped => format!("({})", helped_names()),
        Word::OneOf(words) => format!("({words})"),
        Word::Program => "_normal".into(),
        Word::Free => " ".into(),
    }
}

/// Text within single quotes, brackets and colons of zsh.
fn zsh_text(text: &str) -> String {
    text.replace('\'', "")
        .replace(['[', ']'], "")
        .replace(':', "\\:")
}

/// For fish.
fn fish() -> String {
    let mut script = String::from("# fish completion for authsome\ncomplete -c authsome -f\n");
    for syntax in COMMANDS {
        let name = syntax.name;
        script.push_str(&format!(
            "complete -c authsome -n __fish_use_subcommand -a {name} -d '{}'\n",
            fish_text(syntax.summary)
        ));
        let here = format!("complete -c authsome -n '__fish_seen_subcommand_from {name}'");
        for option in syntax.options() {
            let short = option
                .short
                .map_or_else(String::new, |letter| format!(" -s {letter}"));
            let value = match (option.value, value(option)) {
                (None, _) => String::new(),
                (Some(_), Word::File) => " -r -F".into(),
                (Some(_), Word::OneOf(words)) => format!(" -x -a '{words}'"),
                (Some(_), _) => " -x".into(),
            };
            script.push_str(&format!(
                "{here} -l {}{short}{value} -d '{}'\n",
                option.long,
                fish_text(option.help)
            ));
        }
        let words = match word(syntax) {
            word @ (Word::Connected | Word::Any) => format!(" -a '({})'", names(&word)),
            Word::File => " -F".into(),
            Word::Helped => format!(" -a '{}'", helped_names()),
            Word::OneOf(words) => format!(" -a '{words}'"),
            Word::Program => " -a '(__fish_complete_subcommand)'".into(),
            Word::Free => continue,
        };
        script.push_str(&format!("{here}{words}\n"));
    }
    script
}

/// Text within single quotes of fish.
fn fish_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_option_is_in_every_script() {
        let scripts = [bash(), zsh(), fish()];
        for syntax in COMMANDS {
            for script in &scripts {
                assert!(script.contains(syntax.name), "{}", syntax.name);
                for option in syntax.options() {
                    let is_there = [format!("--{}", option.long), format!("-l {}", option.long)];
                    assert!(
                        is_there.iter().any(|word| script.contains(word)),
                        "{}",
                        option.long
                    );
                }
            }
        }
    }
}
