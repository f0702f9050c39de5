//! `completion`: what a shell needs to complete `kubectl-captain` where it is called by its own name. The shell asks the
//! program itself, as kubectl does, so the script knows no commands and needs no renewal.

use clap::{Args, ValueEnum};

use super::screen::Screen;
use super::{Error, Outcome};

/// The flags of `completion`.
#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionArguments {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// The shells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

/// The word by which the shell asks for candidates.
pub const ASK: &str = "__complete";

const BASH: &str = r#"_kubectl_captain() {
    local IFS=$'\n' line
    COMPREPLY=()
    while IFS= read -r line; do
        [[ $line == :* ]] || COMPREPLY+=("${line%%$'\t'*}")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _kubectl_captain kubectl-captain
"#;

const ZSH: &str = r#"#compdef kubectl-captain
_kubectl_captain() {
    local line
    local -a candidates
    while IFS= read -r line; do
        [[ $line == :* ]] && continue
        line=${line//:/\\:}
        candidates+=("${line/$'\t'/:}")
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    _describe 'kubectl-captain' candidates
}
compdef _kubectl_captain kubectl-captain
"#;

const FISH: &str = r"function __kubectl_captain
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null | string match -v ':*'
end
complete -c kubectl-captain -f -a '(__kubectl_captain)'
";

impl CompletionArguments {
    /// Prints the script.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn run(self) -> Result<Outcome, Error> {
        let script = match self.shell {
            Shell::Bash => BASH,
            Shell::Zsh => ZSH,
            Shell::Fish => FISH,
        };
        Screen::of_process().print(script)?;
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_asks_the_program_itself() {
        for script in [BASH, ZSH, FISH] {
            assert!(script.contains(ASK) && script.contains("kubectl-captain"), "{script}");
        }
    }
}
