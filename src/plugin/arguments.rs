//! The command line: what all commands share, and the commands.
//!
//! `-v` means the chart's version where one can be named, as it did for Captain's plugin, and how much is told in all
//! other commands, as with kubectl; `--v` means the latter everywhere.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, value_parser};

use super::charts::{SearchArguments, ShowArguments};
use super::completion::CompletionArguments;
use super::create::{CreateArguments, RollbackArguments, TriggerArguments, UpgradeArguments};
use super::diff::DiffArguments;
use super::events::EventsArguments;
use super::explain::ExplainArguments;
use super::get::{GetArguments, RevisionArguments};
use super::history::HistoryArguments;
use super::import::ImportArguments;
use super::layers::LayersArguments;
use super::lint::LintArguments;
use super::list::ListArguments;
use super::logs::LogsArguments;
use super::migrate::MigrateArguments;
use super::rbac::RbacArguments;
use super::repositories::{CreateRepoArguments, ResyncRepoArguments};
use super::status::StatusArguments;
use super::switches::{SwitchArguments, UninstallArguments};
use super::template::TemplateArguments;
use super::test::{TestArguments, WaitForArguments};
use super::trace::TraceArguments;

/// The name of the short flag for how much is told, where it is added.
const LEVEL: &str = "level";

/// Works with the releases of HelmRequests, with your own rights on the API.
///
/// A request is a HelmRequest of Coxswain or Captain; its release is what the operator installed for it, recorded as
/// helm does. Exit status: 0 done or nothing to change, 1 failed, 2 a dry run found something to change.
#[derive(Debug, Parser)]
#[command(name = "kubectl-captain", bin_name = "kubectl captain", version, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, max_term_width = 120)]
pub struct Arguments {
    /// What all commands share.
    #[command(flatten)]
    pub global: GlobalArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What all commands share.
#[derive(Clone, Debug, Default, Args)]
pub struct GlobalArguments {
    /// The namespace of the requests; that of the kubeconfig's context unless given
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The context of the kubeconfig; the current one unless given
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// The kubeconfig; what KUBECONFIG names, or ~/.kube/config, unless given
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace where clusters are registered; what is in another cluster is read by what is registered there, as far
    /// as you may read that
    #[arg(long, global = true, value_name = "NAMESPACE", default_value = "captain-system", hide_default_value = true)]
    pub cluster_namespace: String,
    /// How much is told; from 6 on every request to the API server
    #[arg(long, alias = "v", global = true, value_name = "LEVEL", default_value_t = 0, hide_default_value = true)]
    pub verbosity: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List requests and how they stand
    #[command(visible_alias = "ls", after_help = "Example:\n  kubectl captain list -A --phase Failed")]
    List(ListArguments),
    /// Show a request, its objects and what is wrong with them, the worst first
    #[command(after_help = "Example:\n  kubectl captain status web -n shop")]
    Status(StatusArguments),
    /// List the revisions of a request's release
    #[command(visible_alias = "hist", after_help = "Example:\n  kubectl captain history web -o wide")]
    History(HistoryArguments),
    /// Print the values, the manifest, the notes or the hooks of a revision
    #[command(after_help = "Example:\n  kubectl captain get values web --revision 3")]
    Get(GetArguments),
    /// Print the manifest that is deployed
    #[command(after_help = "Example:\n  kubectl captain get-manifest web | kubectl diff -f -")]
    GetManifest(RevisionArguments),
    /// Create a request
    #[command(
        after_help = "Example:\n  kubectl captain create web -c charts/hello -v 0.2.0 --set replicas=2 -w -t 300"
    )]
    Create(Box<CreateArguments>),
    /// Change the version, the repository or the values of a request, and deploy it
    #[command(after_help = "Example:\n  kubectl captain upgrade web -v 0.3.0 --set message=hi -w --timeout 5m")]
    Upgrade(Box<UpgradeArguments>),
    /// Deploy a request once more as it is
    #[command(after_help = "Example:\n  kubectl captain trigger-update web -w")]
    TriggerUpdate(TriggerArguments),
    /// Go back to an earlier revision
    #[command(after_help = "Example:\n  kubectl captain rollback web 3 -w")]
    Rollback(RollbackArguments),
    /// Create a request for a release of the helm command
    #[command(after_help = "Example:\n  kubectl captain import web --repo charts -w")]
    Import(Box<ImportArguments>),
    /// Create a repository of charts
    #[command(after_help = "Example:\n  kubectl captain create-repo charts --url https://charts.example.com -w")]
    CreateRepo(Box<CreateRepoArguments>),
    /// Have a repository read at once
    #[command(after_help = "Example:\n  kubectl captain resync-repo charts -w -t 60")]
    ResyncRepo(ResyncRepoArguments),
    /// Delete requests and uninstall their releases
    #[command(visible_alias = "delete", after_help = "Example:\n  kubectl captain uninstall web -w")]
    Uninstall(UninstallArguments),
    /// Run the tests of a request's chart
    #[command(after_help = "Example:\n  kubectl captain test web -t 5m")]
    Test(TestArguments),
    /// Have nothing more written for a request
    #[command(after_help = "Example:\n  kubectl captain suspend web")]
    Suspend(SwitchArguments),
    /// End a suspension
    #[command(after_help = "Example:\n  kubectl captain resume web")]
    Resume(SwitchArguments),
    /// Wait until requests are ready
    #[command(after_help = "Example:\n  kubectl captain wait web --revision 4 -t 10m")]
    Wait(WaitForArguments),
    /// Show what happened to a request and its objects
    #[command(after_help = "Example:\n  kubectl captain events web --warnings")]
    Events(EventsArguments),
    /// Print the logs of hooks, and of pods that do not work
    #[command(after_help = "Example:\n  kubectl captain logs web --tail 50")]
    Logs(LogsArguments),
    /// Show which request an object belongs to
    #[command(after_help = "Example:\n  kubectl captain trace deployment/web -n shop")]
    Trace(TraceArguments),
    /// Show what differs: between revisions, in the cluster, with another version or other values
    ///
    /// Without flags the deployed revision is compared with the one before. Of Secrets only the names of keys are told.
    /// Exit status 2 if something differs.
    #[command(
        after_help = "Examples:\n  kubectl captain diff web --from 2 --to 4\n  kubectl captain diff web --live\n  \
                      kubectl captain diff web -v 0.3.0 --set replicas=3\n  kubectl captain diff web --of values"
    )]
    Diff(Box<DiffArguments>),
    /// Show the values that the templates of a request see, and where each comes from
    ///
    /// Those from Secrets are printed too, but not with --explain.
    #[command(after_help = "Examples:\n  kubectl captain values web --explain\n  kubectl captain values web image")]
    Values(Box<LayersArguments>),
    /// Render a request, or a chart on this machine, and print the manifest
    #[command(
        after_help = "Examples:\n  kubectl captain template web -v 0.3.0\n  kubectl captain template --path ./chart"
    )]
    Template(Box<TemplateArguments>),
    /// Print the Roles and bindings that the service account of a request needs
    #[command(after_help = "Example:\n  kubectl captain rbac web --account deployer | kubectl apply -f -")]
    Rbac(Box<RbacArguments>),
    /// Look for faults in the chart and the values of a request, or in a chart on this machine
    #[command(after_help = "Examples:\n  kubectl captain lint web\n  kubectl captain lint --path ./chart --strict")]
    Lint(Box<LintArguments>),
    /// Show where a field of an object comes from: template line, values layer, and who changed it
    #[command(after_help = "Example:\n  kubectl captain explain deployment/web .spec.replicas -n shop")]
    Explain(Box<ExplainArguments>),
    /// List the charts of repositories
    #[command(after_help = "Example:\n  kubectl captain search redis --versions")]
    Search(SearchArguments),
    /// Print the default values, the README, the schema, the metadata or the versions of a chart
    #[command(after_help = "Example:\n  kubectl captain show values charts/hello")]
    Show(ShowArguments),
    /// Tell what becomes of each request when Coxswain takes Captain's place
    #[command(after_help = "Example:\n  kubectl captain migrate --check")]
    Migrate(MigrateArguments),
    /// Print what a shell needs to complete commands, flags and names of requests
    #[command(after_help = "Example:\n  kubectl captain completion bash > /etc/bash_completion.d/kubectl-captain")]
    Completion(CompletionArguments),
    /// Print the version of this program
    #[command(after_help = "Example:\n  kubectl captain version")]
    Version,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For people with wide screens.
    Wide,
    /// For programs.
    Json,
    /// For files.
    Yaml,
    /// Only kind and name, for other commands.
    Name,
}

/// The flag `-o`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct OutputArgument {
    /// The form of the output
    #[arg(short, long, value_enum, default_value = "table", hide_default_value = true, value_name = "FORM")]
    pub output: Format,
}

/// The whole command line.
pub fn command() -> clap::Command {
    Arguments::command().mut_subcommands(with_level)
}

/// Adds `-v` to a command where it does not mean something else.
fn with_level(command: clap::Command) -> clap::Command {
    if command.has_subcommands() {
        return command.mut_subcommands(with_level);
    }
    if command.get_arguments().any(|argument| argument.get_short() == Some('v')) {
        return command;
    }
    let level = Arg::new(LEVEL).short('v').value_name("LEVEL").value_parser(value_parser!(u8)).hide(true);
    command.arg(level.help("How much is told, as --verbosity"))
}

/// Reads a command line: the program's name, then its arguments.
///
/// # Errors
/// What clap says; help and version are among it.
pub fn parse(line: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Arguments, clap::Error> {
    let matches = command().try_get_matches_from(line)?;
    let mut arguments = Arguments::from_arg_matches(&matches)?;
    arguments.global.verbosity = arguments.global.verbosity.max(level(&matches));
    Ok(arguments)
}

fn level(matches: &ArgMatches) -> u8 {
    let own = matches.try_get_one::<u8>(LEVEL).ok().flatten().copied().unwrap_or(0);
    matches.subcommand().map_or(own, |(_, deeper)| own.max(level(deeper)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Arguments {
        parse(line.split(' ').map(Into::into)).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn all(command: &clap::Command) -> Vec<&clap::Command> {
        let deeper = command.get_subcommands().flat_map(all);
        std::iter::once(command).chain(deeper).collect()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_gives_an_example() {
        let command = command();
        for command in command.get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} says nothing");
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains(&format!("kubectl captain {name}")), "{name} has no example: {example}");
        }
        for command in all(&command) {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} of {}", argument.get_id(), command.get_name());
            }
        }
    }

    #[test]
    fn shared_flags_stand_before_the_command_or_behind_it() {
        for line in ["captain -n shop list", "captain list -n shop", "captain list --namespace=shop"] {
            assert_eq!(parsed(line).global.namespace.as_deref(), Some("shop"), "{line}");
        }
        for line in ["captain list -v 8", "captain --v=8 list", "captain get values web -v=8"] {
            assert_eq!(parsed(line).global.verbosity, 8, "{line}");
        }
    }
}
