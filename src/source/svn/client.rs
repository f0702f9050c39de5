//! The svn program, as a child process, for the reasons that Git's is one: with its protocols, and with the servers that
//! speak them, people know it to work. It reads the settings that are written for it, keeps no passwords, and is told
//! ours on its input.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::{Inner, Target, failure, settings};
use crate::source::SourceError;
use crate::source::command::{Run, RunError};
use crate::source::revision::Revision;
use crate::source::workshop::Bench;

/// The most bytes that are exported.
const EXPORTED: u64 = 320 << 20;
/// The most bytes of a program's output.
const OUTPUT: u64 = 1 << 20;
/// How long an export may take.
const EXPORT: Duration = Duration::from_secs(300);
/// What may be wrong with a certificate that is not verified.
const ANY_CERTIFICATE: &str = "--trust-server-cert-failures=unknown-ca,cn-mismatch,expired,not-yet-valid,other";

/// The program, for one repository on one bench.
pub(super) struct Client<'a> {
    inner: &'a Inner,
    bench: &'a Bench,
}

impl<'a> Client<'a> {
    /// Puts on the bench what the program needs; nothing is sent.
    pub(super) fn new(inner: &'a Inner, bench: &'a Bench) -> Result<Self, SourceError> {
        let written = settings::write(bench, &inner.url, &inner.options.tls);
        written.map_err(|error| SourceError::disk(inner.url.as_str(), &error))?;
        Ok(Self { inner, bench })
    }

    /// The last revision that changed the folder, up to the wanted one.
    pub(super) async fn find(&self, url: Url) -> Result<Target, SourceError> {
        let wanted = &self.inner.wanted;
        let run = self.run("info", &["--xml", "--", &format!("{url}@{wanted}")]);
        let run = Run { limit: self.inner.options.timeout, ..run };
        let output = self.succeed(&run, wanted).await?;
        let (peg, id, created) = described(&String::from_utf8_lossy(&output)).ok_or_else(|| SourceError::Client {
            program: "svn",
            url: self.inner.url.to_string(),
            cause: "svn info does not tell the revision".to_owned(),
        })?;
        Ok(Target { url, peg, revision: Revision { url: self.inner.url.to_string(), id, created } })
    }

    /// Exports the folder in its state; gives where it is.
    pub(super) async fn export(&self, target: &Target) -> Result<PathBuf, SourceError> {
        let tree = self.bench.path().join("tree");
        let from = format!("{}@{}", target.url, target.peg);
        let run = self.run("export", &["--quiet", "--ignore-externals", "--", &from, "tree"]);
        let run = Run { filling: Some((tree.clone(), EXPORTED)), ..run };
        self.succeed(&run, &target.peg).await?;
        // An address may be one of a file.
        if tree.is_dir() { Ok(tree) } else { Err(SourceError::no_chart(&target.revision, "")) }
    }

    fn run(&self, command: &str, rest: &[&str]) -> Run {
        let mut arguments: Vec<OsString> =
            [command, "--non-interactive", "--no-auth-cache", "--config-dir"].map(Into::into).into();
        arguments.push(self.bench.path().into());
        if self.inner.options.tls.insecure_skip_verify {
            arguments.push(ANY_CERTIFICATE.into());
        }
        let login = self.inner.credentials.as_ref();
        if let Some(login) = login {
            arguments.extend(["--password-from-stdin".into(), "--username".into(), login.username.clone().into()]);
        }
        arguments.extend(rest.iter().map(OsString::from));
        Run {
            program: "svn",
            arguments,
            environment: vec![("HOME".into(), self.bench.path().into()), ("TMPDIR".into(), self.bench.path().into())],
            folder: self.bench.path().to_owned(),
            input: login.map(|login| format!("{}\n", login.password).into_bytes()),
            limit: EXPORT.max(self.inner.options.timeout),
            output: OUTPUT,
            filling: None,
        }
    }

    async fn succeed(&self, run: &Run, wanted: &str) -> Result<Vec<u8>, SourceError> {
        let url = || self.inner.url.to_string();
        let finished = run.finish().await.map_err(|error| match error {
            RunError::Missing => SourceError::NoProgram { program: "svn", needed_for: "Subversion" },
            RunError::Timeout => SourceError::Timeout { url: url(), limit: run.limit },
            RunError::Output => SourceError::TooLarge { url: url(), limit: run.output },
            RunError::Filled => SourceError::TooLarge { url: url(), limit: EXPORTED },
            RunError::Io(error) => SourceError::disk(&url(), &error),
        })?;
        if finished.status.success() {
            return Ok(finished.output);
        }
        Err(failure::meaning(&finished.complaints, self.inner, wanted, run.limit))
    }
}

/// What `svn info --xml` tells: the revision that was asked, the last one that changed something, as `r7`, and its time.
fn described(xml: &str) -> Option<(String, String, Option<String>)> {
    let (entry, commit) = xml.split_once("<commit")?;
    let entry = entry.split_once("<entry")?.1;
    let number = |text: &str| {
        let number = text.split_once("revision=\"")?.1.split_once('"')?.0.to_owned();
        (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
    };
    let created = commit.split_once("<date>").and_then(|(_, rest)| rest.split_once('<'));
    Some((number(entry)?, format!("r{}", number(commit)?), created.map(|(created, _)| created.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_folder_is_read() {
        let xml = "<?xml version=\"1.0\"?>\n<info>\n<entry\n   kind=\"dir\"\n   path=\"a\"\n   revision=\"12\">\n<url>x</url>\n\
                   <commit\n   revision=\"7\">\n<author>ann</author>\n<date>2026-01-02T03:04:05.000001Z</date>\n</commit>\n";
        let created = Some("2026-01-02T03:04:05.000001Z".to_owned());
        assert_eq!(described(xml), Some(("12".to_owned(), "r7".to_owned(), created)));
        for other in ["", "<entry revision=\"x\"><commit revision=\"7\">", "<entry revision=\"1\">"] {
            assert_eq!(described(other), None, "{other}");
        }
    }
}
