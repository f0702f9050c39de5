//! Completion for kubectl: under the name `kubectl_complete-captain` the program is given the words behind `kubectl
//! captain` and prints what the last of them may become, as kubectl wants it (Cobra's protocol).

use std::path::Path;

use clap::Command;
use kube::ResourceExt;
use kube::api::ListParams;

use super::Error;
use super::arguments::{GlobalArguments, command};
use super::session::Session;
use crate::cluster::pages::all_metadata;

/// The name under which kubectl looks for it.
const NAME: &str = "kubectl_complete-captain";
/// What tells kubectl that files are no candidates.
const NO_FILES: &str = ":4\n";
/// How many requests one page of a list has.
const PAGE: u32 = 500;

/// Whether the program was called to complete.
pub fn is_wanted(program: &str) -> bool {
    Path::new(program).file_stem().is_some_and(|name| name == NAME)
}

/// What the last of the words may become.
#[derive(Debug, PartialEq, Eq)]
enum Candidates {
    /// These, each with what it means.
    Known(Vec<(String, String)>),
    /// The names of requests.
    Requests,
}

/// Prints the candidates. What cannot be found out is not proposed.
///
/// # Errors
/// The output cannot be written.
pub async fn run(words: &[String]) -> Result<(), Error> {
    let screen = super::Screen::of_process();
    let begun = words.last().map(String::as_str).unwrap_or_default();
    let found = match candidates(words) {
        Candidates::Known(known) => known,
        Candidates::Requests => requests(words).await.into_iter().map(|name| (name, String::new())).collect(),
    };
    let fitting = found.into_iter().filter(|(candidate, _)| candidate.starts_with(begun));
    let lines: String = fitting.map(|(candidate, meaning)| format!("{candidate}\t{meaning}\n")).collect();
    screen.print(&format!("{lines}{NO_FILES}"))
}

fn candidates(words: &[String]) -> Candidates {
    let mut command = command();
    command.build();
    let (begun, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let mut at = &command;
    for word in before {
        at = at.find_subcommand(word).unwrap_or(at);
    }
    if begun.starts_with('-') {
        return Candidates::Known(flags(at));
    }
    if at.has_subcommands() {
        let shown = at.get_subcommands().filter(|deeper| !deeper.is_hide_set());
        return Candidates::Known(shown.map(|deeper| (deeper.get_name().to_owned(), meaning(deeper))).collect());
    }
    let is_named = at.get_positionals().any(|argument| ["name", "names"].contains(&argument.get_id().as_str()));
    if is_named && at.get_name() != "create" { Candidates::Requests } else { Candidates::Known(Vec::new()) }
}

fn flags(command: &Command) -> Vec<(String, String)> {
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let flag = |argument: &clap::Arg| {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        Some((format!("--{}", argument.get_long()?), help))
    };
    shown.filter_map(flag).collect()
}

fn meaning(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// The names of the requests in the namespace that the words say.
async fn requests(words: &[String]) -> Vec<String> {
    let Ok(session) = Session::connect(&global(words)).await else { return Vec::new() };
    let listed = all_metadata(&session.requests(), ListParams::default().limit(PAGE)).await;
    listed.unwrap_or_default().iter().map(ResourceExt::name_any).collect()
}

/// The shared flags among the words, which need not be a whole command line.
fn global(words: &[String]) -> GlobalArguments {
    let value = |names: &[&str]| {
        words.iter().enumerate().find_map(|(at, word)| match word.split_once('=') {
            Some((name, value)) if names.contains(&name) => Some(value.to_owned()),
            _ if names.contains(&word.as_str()) => words.get(at + 1).cloned(),
            _ => None,
        })
    };
    GlobalArguments {
        namespace: value(&["-n", "--namespace"]),
        context: value(&["--context"]),
        kubeconfig: value(&["--kubeconfig"]).map(Into::into),
        ..GlobalArguments::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn commands_flags_and_requests_are_proposed_where_they_stand() {
        let known = |line: &str| match candidates(&words(line)) {
            Candidates::Known(known) => known.into_iter().map(|(name, _)| name).collect(),
            Candidates::Requests => vec!["requests".to_owned()],
        };
        assert!(known("st").contains(&"status".to_owned()));
        assert!(known("get ").contains(&"values".to_owned()));
        assert!(known("list --").contains(&"--phase".to_owned()));
        for line in ["status w", "get values w", "wait -n shop ", "uninstall a b"] {
            assert_eq!(known(line), ["requests"], "{line}");
        }
        assert!(known("create ").is_empty(), "a new name");
    }

    #[test]
    fn the_namespace_of_the_words_counts() {
        for line in ["status -n shop w", "status --namespace=shop w", "-n shop status "] {
            assert_eq!(global(&words(line)).namespace.as_deref(), Some("shop"), "{line}");
        }
        assert_eq!(global(&words("status w")).namespace, None);
    }

    #[test]
    fn it_is_called_by_its_name() {
        assert!(is_wanted("/usr/local/bin/kubectl_complete-captain"));
        assert!(!is_wanted("/usr/local/bin/kubectl-captain"));
    }
}
