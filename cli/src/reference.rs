//! docs/commands.md, out of both grammars: this program's and the console's. It is made by its own test, which
//! fails when the file is not what the grammars say.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command, CommandFactory as _};
use spaces_protocol::command::ConsoleLine;

use crate::arguments::Arguments;

const AGAIN: &str = "UPDATE_DOCS=1 cargo nextest run --release -p spaces-cli reference";

const HEAD: &str = "\
The same words work in two places: after `spaces`, and after `ssh spaces@HOST`. They give the same answers on standard
output, say what else there is to know on standard error, and end with the same status: 0 done, 1 failed, 2 wrong usage, 75
try again later. `connect` ends with the status of what ran in the Space. `request` is for people who are not known yet: over
ssh it goes to `join@HOST`.

A Space is named by its exact name or by its `sp_...` id. `help` lists the commands, `COMMAND --help` tells about one.
specs/ shows them at work.
";

#[test]
fn the_command_reference_is_what_the_grammars_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/commands.md");
    let text = reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/commands.md is stale; make it anew: {AGAIN}");
}

fn reference() -> String {
    let (mut spaces, mut console) = (Arguments::command(), ConsoleLine::command());
    // An argument cannot be shown before.
    spaces.build();
    console.build();
    let mut text =
        format!("# Commands\n\n<!-- Made from the grammar; to make it anew: {AGAIN} -->\n\n{HEAD}");
    text.push_str("\n## With every command\n\n");
    text.push_str(&table(&global(&spaces, &console)));
    section(&mut text, "", Some(&spaces), Some(&console));
    text
}

/// One command: itself where it has no subcommands, otherwise these. Both grammars have the same order.
fn section(text: &mut String, path: &str, spaces: Option<&Command>, console: Option<&Command>) {
    let Some(command) = spaces.or(console) else { return };
    if !path.is_empty() && !command.has_subcommands() {
        return leaf(text, path, spaces, console);
    }
    let names = |command: Option<&Command>| -> Vec<String> {
        let all = command.into_iter().flat_map(Command::get_subcommands);
        all.map(|command| command.get_name().to_owned()).filter(|name| name != "help").collect()
    };
    let mut all = names(spaces);
    all.extend(names(console).into_iter().filter(|name| !all.contains(name)).collect::<Vec<_>>());
    for name in all {
        let path = format!("{path} {name}");
        let find =
            |command: Option<&Command>| command.and_then(|command| command.find_subcommand(&name)).cloned();
        section(text, path.trim(), find(spaces).as_ref(), find(console).as_ref());
    }
}

fn leaf(text: &mut String, path: &str, spaces: Option<&Command>, console: Option<&Command>) {
    writeln!(text, "\n## {path}").unwrap();
    let sides = [("spaces", spaces), ("ssh spaces@HOST", console)];
    let sides: Vec<(&str, &Command)> =
        sides.into_iter().filter_map(|(prefix, command)| Some((prefix, command?))).collect();
    let same = sides.windows(2).all(|pair| rows(pair[0].1) == rows(pair[1].1));
    for group in if same { vec![sides.as_slice()] } else { sides.chunks(1).collect() } {
        let command = group[0].1;
        writeln!(text, "\n{}.\n", about(command)).unwrap();
        for (prefix, command) in group {
            writeln!(text, "    {prefix} {}", usage(path, command)).unwrap();
        }
        if !rows(command).is_empty() {
            text.push('\n');
            text.push_str(&table(&rows(command)));
        }
    }
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// The arguments that a command has for itself.
fn own(command: &Command) -> impl Iterator<Item = &Arg> {
    let shown =
        |argument: &&Arg| !argument.is_global_set() && !argument.is_hide_set() && argument.get_id() != "help";
    command.get_arguments().filter(shown)
}

fn usage(path: &str, command: &Command) -> String {
    let mut words = vec![path.to_owned()];
    let (last, mut others): (Vec<&Arg>, Vec<&Arg>) =
        own(command).partition(|argument| argument.is_last_set());
    others.sort_by_key(|argument| !argument.is_positional());
    words.extend(others.into_iter().map(|argument| {
        let brackets = !argument.is_required_set() && !argument.is_positional();
        if brackets { format!("[{argument}]") } else { argument.to_string() }
    }));
    words.extend(last.into_iter().map(|argument| format!("[-- {argument}]")));
    words.join(" ")
}

/// What stands in the table of a command: the argument, and what it means.
fn rows(command: &Command) -> Vec<[String; 2]> {
    own(command).map(row).collect()
}

fn row(argument: &Arg) -> [String; 2] {
    let mut meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let default: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if argument.get_action().takes_values() && !default.is_empty() {
        write!(meaning, "; {} unless given", default.join(" ")).unwrap();
    }
    let short = argument.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    [format!("{short}`{argument}`"), meaning]
}

fn global(spaces: &Command, console: &Command) -> Vec<[String; 2]> {
    let of = |command: &Command| -> Vec<[String; 2]> {
        command.get_arguments().filter(|argument| argument.is_global_set()).map(row).collect()
    };
    let shared = of(console);
    let only = |[argument, meaning]: [String; 2]| [argument, format!("{meaning} (`spaces` only)")];
    of(spaces).into_iter().map(|row| if shared.contains(&row) { row } else { only(row) }).collect()
}

fn table(rows: &[[String; 2]]) -> String {
    let mut text = "| argument | meaning |\n|---|---|\n".to_owned();
    for [argument, meaning] in rows {
        writeln!(text, "| {argument} | {} |", meaning.replace('|', "\\|")).unwrap();
    }
    text
}
