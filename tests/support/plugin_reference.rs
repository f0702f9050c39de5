//! The commands of `kubectl captain` with their flags, from its command line.

use clap::{Arg, Command};
use coxswain::plugin::command;

use super::table;

/// The flags that every command has.
pub fn global_flags() -> String {
    let command = command();
    flags(command.get_arguments().filter(|argument| argument.is_global_set()))
}

/// A section for each command.
pub fn commands() -> String {
    let mut command = command();
    command.build();
    command.get_subcommands().map(|command| section(command, "")).collect()
}

fn section(command: &Command, parent: &str) -> String {
    let name = format!("{parent}{}", command.get_name());
    if command.has_subcommands() {
        return command.get_subcommands().map(|deeper| section(deeper, &format!("{name} "))).collect();
    }
    let mut text = format!("### {name}\n\n{}.\n\n", plain(command.get_about()));
    let aliases: Vec<String> = command.get_visible_aliases().map(|alias| format!("`{alias}`")).collect();
    if !aliases.is_empty() {
        text.push_str(&format!("Also called {}.\n\n", aliases.join(", ")));
    }
    let example = plain(command.get_after_help()).replace("Examples:\n", "").replace("Example:\n", "");
    let example: Vec<&str> = example.lines().map(str::trim).collect();
    text.push_str(&format!("```console\n{}\n```\n\n", example.join("\n")));
    let own = command.get_arguments().filter(|argument| !argument.is_global_set() && !argument.is_hide_set());
    let own: Vec<&Arg> = own.filter(|argument| argument.get_id() != "help").collect();
    if !own.is_empty() {
        text.push_str(&flags(own.into_iter()));
        text.push('\n');
    }
    text
}

fn flags<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let row = |argument: &Arg| vec![name(argument), plain(argument.get_help())];
    table(&["Flag", "What"], arguments.map(row).collect::<Vec<_>>())
}

fn name(argument: &Arg) -> String {
    let value = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let value = value.filter(|_| argument.get_action().takes_values()).unwrap_or_default();
    let Some(long) = argument.get_long() else { return format!("`{value}`") };
    let short = argument.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    if argument.get_num_args().is_some_and(|count| count.min_values() == 0) && !value.is_empty() {
        return format!("{short}`--{long}[={value}]`");
    }
    let space = if value.is_empty() { "" } else { " " };
    format!("{short}`--{long}{space}{value}`")
}

fn plain(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}
