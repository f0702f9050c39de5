//! Submodules: repositories within one, whose addresses stand in what was checked out, so that whoever writes there chooses
//! them. They are looked at before the program asks them, one level of nesting after the other.

use std::collections::HashSet;
use std::path::Path;

use super::address::Address;
use super::client::Client;
use crate::source::SourceError;
use crate::source::command::Run;

/// How deep they are nested at most.
const DEEPEST: usize = 8;

/// Notes what `.gitmodules` names, and tells the addresses.
const NAME: &str = "git submodule --quiet init && git config --get-regexp '^submodule[.].*[.]url$' || :";
/// Checks out what was noted.
const UPDATE: &str = "git submodule --quiet update --depth=1";

impl Client<'_> {
    /// Checks out the submodules of what was checked out, and theirs.
    pub(super) async fn check_out_submodules(&self, tree: &Path) -> Result<(), SourceError> {
        let mut known = HashSet::new();
        for _ in 0..DEEPEST {
            let named = self.everywhere(tree, NAME).await?;
            let urls = named.lines().filter_map(|line| line.split_once(' ')).map(|(_, url)| url.to_owned());
            let new: Vec<String> = urls.filter(|url| known.insert(url.clone())).collect();
            if new.is_empty() {
                return Ok(());
            }
            for url in new {
                let address = Address::parse(&url)?;
                self.reach().check(&address.url, address.shown()).await?;
            }
            self.everywhere(tree, UPDATE).await?;
        }
        let cause = format!("its submodules are nested more than {DEEPEST} deep");
        Err(SourceError::Client { program: "git", url: self.shown().to_owned(), cause })
    }

    /// Runs a line of the shell in the repository and in all submodules that are there; gives what they say.
    async fn everywhere(&self, tree: &Path, line: &str) -> Result<String, SourceError> {
        let own = self.in_tree(tree, "sh", &["-c", line]);
        let below = self.in_tree(tree, "git", &["submodule", "--quiet", "foreach", "--quiet", "--recursive", line]);
        let mut said = self.succeed(&own, "submodules").await?;
        said.extend(self.succeed(&below, "submodules").await?);
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    fn in_tree(&self, tree: &Path, program: &'static str, arguments: &[&str]) -> Run {
        Run { program, folder: tree.to_owned(), filling: Some(self.room_for_submodules()), ..self.run(arguments) }
    }
}
