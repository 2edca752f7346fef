//! `docs/cli-reference.md`, made from the same words as `--help`.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::args;

const HEAD: &str = "\
# Reference of the command line

What `kaspi COMMAND --help` says, on one page. It is made from the program's own definition of its commands
(`src/cli/reference.rs`), and a test compares them: do not edit it by hand. What the commands print, with their JSON:
[cli.md](cli.md).
";

/// The page, as it is in the repository.
#[must_use]
pub fn command_reference() -> String {
    let mut page = String::from(HEAD);
    let whole = args::whole();
    let _ = write!(page, "\n## Options of every command\n\n");
    table(&mut page, whole.get_arguments().filter(|arg| arg.is_global_set()));
    section(&mut page, &whole);
    page
}

/// A command, and those below it.
fn section(page: &mut String, command: &Command) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let _ = write!(page, "\n## {name}\n\n");
    if let Some(about) = command.get_about() {
        let _ = write!(page, "{}\n\n", plain(&about.to_string()));
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let (examples, rest) = foot(command);
    let _ = write!(page, "```text\n{usage}\n```\n");
    let own: Vec<&Arg> = command.get_arguments().filter(|arg| is_own(arg)).collect();
    if !own.is_empty() {
        page.push('\n');
        table(page, own.into_iter());
    }
    if !rest.is_empty() {
        let _ = write!(page, "\n{}\n", plain(&rest));
    }
    let lines: Vec<String> = examples.iter().map(|line| format!("$ {line}")).collect();
    let _ = write!(page, "\n```console\n{}\n```\n", lines.join("\n"));
    let below: Vec<&Command> = command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .collect();
    if !below.is_empty() {
        page.push('\n');
    }
    for below in &below {
        let name = below.get_bin_name().unwrap_or_else(|| below.get_name());
        let about = below.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "- [{name}](#{}): {}", name.replace(' ', "-"), plain(&about));
    }
    for below in below {
        section(page, below);
    }
}

/// What stands below the options: the examples, and the rest of it.
fn foot(command: &Command) -> (Vec<String>, String) {
    let text = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let Some(text) = text.strip_prefix("Examples:\n") else {
        return (Vec::new(), text);
    };
    let (examples, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    (
        examples.lines().map(|line| line.trim().to_owned()).collect(),
        rest.to_owned(),
    )
}

fn is_own(arg: &Arg) -> bool {
    !arg.is_global_set() && !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str())
}

fn table<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    page.push_str("| Argument | Meaning |\n|---|---|\n");
    for arg in arguments {
        let _ = writeln!(page, "| `{}` | {} |", spelled(arg), meaning(arg));
    }
}

fn spelled(arg: &Arg) -> String {
    let mut words = Vec::new();
    words.extend(arg.get_short().map(|short| format!("-{short}")));
    words.extend(arg.get_long().map(|long| format!("--{long}")));
    let mut text = words.join(", ");
    if arg.is_positional() || arg.get_action().takes_values() {
        let id = arg.get_id().as_str().to_uppercase();
        let value = match arg.get_value_names() {
            Some([name, ..]) => name.to_string(),
            _ => id,
        };
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{value}");
    }
    text
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let mut text = plain(&help);
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() {
        let _ = write!(text, ": {}", values.join(", "));
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if !defaults.is_empty() {
        let _ = write!(text, " (default {})", defaults.join(", "));
    }
    text
}

/// Text of a terminal as text of a page.
fn plain(text: &str) -> String {
    text.replace('<', "&lt;").replace('|', "\\|").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;
    use clap_mangen::Man;

    use super::*;

    /// Every command with those below it.
    fn all() -> Vec<Command> {
        fn collect(command: &Command, into: &mut Vec<Command>) {
            into.push(command.clone());
            for below in command.get_subcommands() {
                collect(below, into);
            }
        }
        let mut found = Vec::new();
        collect(&args::whole(), &mut found);
        assert!(found.len() > 40, "only {} commands", found.len());
        found
    }

    fn name(command: &Command) -> &str {
        command.get_bin_name().unwrap_or("kaspi")
    }

    #[test]
    fn every_help_has_examples_that_are_commands_of_the_program() {
        for command in all() {
            let help = command.clone().render_help().to_string();
            assert!(
                help.contains("\nExamples:\n  kaspi "),
                "`{} --help` has no `Examples:`",
                name(&command)
            );
            let (examples, _) = foot(&command);
            for example in examples {
                let example = example
                    .split(" < ")
                    .next()
                    .unwrap()
                    .split(" > ")
                    .next()
                    .unwrap()
                    .to_owned();
                let words = words(&example);
                if name(&command) != "kaspi" {
                    assert!(
                        example.starts_with(name(&command)),
                        "`{} --help`: {example}",
                        name(&command)
                    );
                }
                let read = args::Cli::read(&words.iter().map(Into::into).collect::<Vec<_>>());
                assert!(read.is_ok(), "{example}: {}", read.err().unwrap());
            }
        }
    }

    /// As a shell splits them; the examples quote with '.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for character in line.chars() {
            match character {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                other => words.last_mut().unwrap().push(other),
            }
        }
        words
    }

    #[test]
    fn the_manual_says_what_the_help_says() {
        for command in all() {
            let mut page = Vec::new();
            Man::new(command.clone()).render(&mut page).unwrap();
            let page = String::from_utf8(page)
                .unwrap()
                .replace("\\*(Aq", "'")
                .replace('\\', "");
            let (examples, _) = foot(&command);
            assert!(!examples.is_empty(), "{}", name(&command));
            for example in examples {
                assert!(
                    page.contains(&example),
                    "the page of `{}` lacks `{example}`",
                    name(&command)
                );
            }
            for arg in command.get_arguments().filter(|arg| is_own(arg)) {
                if let Some(long) = arg.get_long() {
                    assert!(
                        page.contains(&format!("--{long}")),
                        "the page of `{}` lacks --{long}",
                        name(&command)
                    );
                }
            }
        }
    }

    #[test]
    fn completions_know_every_command_and_option() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(args::completions(shell)).unwrap();
            for command in all() {
                let word = command.get_name();
                assert!(script.contains(word), "{shell}: no `{word}`");
                for long in command
                    .get_arguments()
                    .filter(|arg| is_own(arg))
                    .filter_map(Arg::get_long)
                {
                    let written = match shell {
                        Shell::Fish => format!("-l {long}"),
                        _ => format!("--{long}"),
                    };
                    assert!(
                        script.contains(&written),
                        "{shell}, `{}`: no --{long}",
                        name(&command)
                    );
                }
            }
        }
    }
}
