//! `docs/api.md` as it stands: every command of the page is run by bash with the system's curl, in the page's order,
//! against a real API server with the operator at work. The answers must have what the page prints of them, and a call
//! that is repeated must do nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::support::command::{self, Finished};
use crate::support::folder::Folder;
use crate::support::manifests::project;
use crate::support::{ChartServer, wait};
use crate::world::{LIMIT, Place, condition, world};

/// The namespace of the page.
const NAMESPACE: &str = "shop";
/// The address of the page's repository; the one thing that is another one here.
const REPOSITORY: &str = "https://charts.example.com";
/// What stands for anything in an answer of the page.
const ANYTHING: &str = "…";
/// The version that the page asks for and that there is not.
const NO_VERSION: &str = "9.9.9";
/// How long nothing may happen after a repeated call.
const QUIET: Duration = Duration::from_millis(500);

/// What is deployed of the request `web` after the command with a text: the revision and the chart's version.
const DEPLOYED: [(&str, i64, &str); 9] = [
    (r#""name": "web", "labels""#, 1, "0.1.0"),
    (r#"/web" -d '{"spec": {"version": "0.2.0"}}'"#, 2, "0.2.0"),
    (r#"/web" -d '{"spec": {"values": {"image""#, 3, "0.2.0"),
    (r#""kubectl-captain.resync": "build-42""#, 4, "0.2.0"),
    (r#"/web" -d '{"spec": {"rollbackTo": 1}}'"#, 5, "0.1.0"),
    (r#"/web" -d '{"spec": {"rollbackTo": null}}'"#, 6, "0.2.0"),
    (r#"/web" -d '{"spec": {"suspend": true}}'"#, 6, "0.2.0"),
    (r#"/web" -d '{"spec": {"suspend": null}}'"#, 6, "0.2.0"),
    ("good morning", 7, "0.2.0"),
];

#[test]
fn every_command_of_the_page_does_what_the_page_says() -> Result<()> {
    if let Some(program) = ["bash", "curl"].into_iter().find(|program| !is_installed(program)) {
        eprintln!("skipped: the commands of docs/api.md need {program}, and there is none");
        return Ok(());
    }
    let reader = Reader::start()?;
    let mut deployed = DEPLOYED.iter().peekable();
    let steps = steps(&std::fs::read_to_string(project("docs/api.md"))?)?;
    for step in &steps {
        reader.follow(step).with_context(|| format!("docs/api.md:\n{}", step.script))?;
        if let Some((_, revision, version)) = deployed.next_if(|(text, ..)| step.script.contains(text)) {
            reader.until_deployed(*revision, version)?;
        }
        if step.may_be_repeated() {
            reader.repeat(step).with_context(|| format!("docs/api.md, repeated:\n{}", step.script))?;
        }
    }
    ensure!(deployed.len() == 0, "not on the page, or in another order: {deployed:?}");
    ensure!(reader.requests()?.is_empty(), "the page deletes all that it has made");
    Ok(())
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Something to run: a block of the page, or a cell of one of its tables.
struct Step {
    script: String,
    /// What the page prints as its answer.
    answer: Option<Value>,
    in_table: bool,
}

impl Step {
    /// A change that is no refusal on purpose. What is in the tables is on the page before.
    fn may_be_repeated(&self) -> bool {
        let changes = self.script.contains("-X PATCH") || self.script.contains("-X PUT");
        changes && !self.in_table && !self.script.contains("|| test") && !self.script.contains(NO_VERSION)
    }

    /// The exit status of success; a dry run of the plugin tells by it that something would change.
    fn status(&self) -> i32 {
        if self.script.contains("--dry-run") { 2 } else { 0 }
    }
}

/// The commands of a page in their order.
fn steps(page: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match (language, steps.last_mut()) {
                ("console", _) => steps.push(Step { script: block.join("\n"), answer: None, in_table: false }),
                ("json", Some(step)) => {
                    let answer = serde_json::from_str(&block.join("\n"));
                    step.answer = Some(answer.with_context(|| format!("after {}", step.script))?);
                }
                ("text", Some(step)) => step.answer = Some(Value::String(block.join("\n"))),
                _ => bail!("a block of {language:?} is neither a command nor the answer to one"),
            }
        } else if line.starts_with('|') {
            let cells = line.split(" | ").skip(1).map(|cell| cell.trim_matches([' ', '|', '`']));
            let commands = cells.filter(|cell| cell.starts_with("curl ") || cell.starts_with("kubectl captain "));
            steps.extend(commands.map(|command| Step { script: command.to_owned(), answer: None, in_table: true }));
        }
    }
    Ok(steps)
}

/// Who follows the page: a shell in a folder of its own, and the namespace as an administrator sees it.
struct Reader {
    place: Place<'static>,
    shell: Folder,
}

impl Reader {
    fn start() -> Result<Self> {
        let folder = Folder::new("api-page-charts")?;
        let server = ChartServer::start(folder.path())?;
        let place = Place { world: world(), namespace: NAMESPACE.to_owned(), server, folder };
        place.publish(&["hello-0.1.0"])?;
        let shell = Folder::new("api-page")?;
        std::os::unix::fs::symlink(project("config"), shell.path().join("config"))?;
        Ok(Self { place, shell })
    }

    /// Runs a step, compares its answer and waits until the operator has done what it asks for.
    fn follow(&self, step: &Step) -> Result<()> {
        if step.script.contains("coxswain.dev/refresh") {
            // The page: after a chart was published.
            self.place.publish(&["hello-0.1.0", "hello-0.2.0"])?;
        }
        let finished = self.run(&step.script)?;
        ensure!(finished.code == Some(step.status()), "{:?}: {}{}", finished.code, finished.stdout, finished.stderr);
        if let Some(expected) = &step.answer {
            let printed = finished.stdout.trim_end();
            let answer = if expected.is_string() {
                Value::String(printed.to_owned())
            } else {
                serde_json::from_str(printed).with_context(|| printed.to_owned())?
            };
            if let Some(difference) = difference(expected, &answer, "") {
                bail!("{difference}, in {answer}");
            }
        }
        self.settle()
    }

    /// Runs a step again, of which nothing may come.
    fn repeat(&self, step: &Step) -> Result<()> {
        let before = self.traces()?;
        let finished = self.run(&step.script)?;
        ensure!(finished.success, "{}{}", finished.stdout, finished.stderr);
        self.settle()?;
        sleep(QUIET);
        let after = self.traces()?;
        ensure!(before == after, "something was done: {before:?} became {after:?}");
        Ok(())
    }

    /// Runs a script with the variables of those before.
    fn run(&self, script: &str) -> Result<Finished> {
        let folder = self.shell.path();
        // A curl whose watch nobody reads any more goes on until the next event, with the output that it was given.
        let whole = format!(
            "exec > stdout 2> stderr\nset -euo pipefail\nset -a\nif test -f variables; then . ./variables; fi\n{}\n\
             export -p > variables\n",
            script.replace(REPOSITORY, &self.place.server.url())
        );
        std::fs::write(folder.join("script"), whole)?;
        let cluster = &self.place.world.cluster;
        let mut bash = Command::new("bash");
        bash.arg("script").current_dir(folder).env("HOME", folder).env("PATH", self.path()?);
        bash.env("KUBECONFIG", cluster.kubeconfig()).env("NO_PROXY", "*").env("no_proxy", "*");
        let finished = command::finish(&mut bash, 3 * LIMIT)?;
        let written = |name: &str| std::fs::read_to_string(folder.join(name));
        Ok(Finished { stdout: written("stdout")?, stderr: written("stderr")?, ..finished })
    }

    /// The system's programs behind kubectl and the plugin.
    fn path(&self) -> Result<std::ffi::OsString> {
        let kubectl = self.place.world.cluster.bin("kubectl");
        let folder = |program: &Path| program.parent().map(PathBuf::from);
        let ours = [folder(&kubectl), folder(Path::new(env!("CARGO_BIN_EXE_kubectl-captain")))];
        let system = std::env::var_os("PATH").unwrap_or_default();
        let folders = ours.into_iter().flatten().chain(std::env::split_paths(&system));
        Ok(std::env::join_paths(folders)?)
    }

    fn requests(&self) -> Result<Vec<Value>> {
        self.place.world.cluster.objects().list(Some(NAMESPACE), "helmrequests.app.alauda.io", "")
    }

    /// Waits until the repository is read, every request is ready, and those are gone that are being deleted. One asks
    /// for what there is not.
    fn settle(&self) -> Result<()> {
        let settled = wait::until(LIMIT, "what was asked for to be done", || {
            let repository = self.place.get("chartrepo", "charts")?.unwrap_or_default();
            let is_read = is_handled(&repository, "coxswain.dev/refresh", "lastHandledRefresh");
            Ok((is_read && self.requests()?.iter().all(is_settled)).then_some(()))
        });
        settled.with_context(|| format!("{:?}", self.requests().unwrap_or_default()))
    }

    fn until_deployed(&self, revision: i64, version: &str) -> Result<()> {
        let what = format!("revision {revision} of chart version {version}");
        let deployed = self.place.until("helmrequest", "web", &what, |request| {
            let status = &request["status"];
            status["revision"].as_i64() >= Some(revision)
        })?;
        let status = &deployed["status"];
        ensure!(status["revision"] == revision && status["version"] == version, "{what} is expected: {status}");
        Ok(())
    }

    /// What the operator has done so far: by request its generation and revision, by repository the token, and how
    /// often the index was asked for.
    fn traces(&self) -> Result<BTreeMap<String, Value>> {
        let mut traces = BTreeMap::new();
        for request in self.requests()? {
            let (metadata, status) = (&request["metadata"], &request["status"]);
            let done = json!([metadata["generation"], status["revision"], status["lastHandledResync"]]);
            traces.insert(metadata["name"].to_string(), done);
        }
        let repository = self.place.get("chartrepo", "charts")?.unwrap_or_default();
        let reads = self.place.server.count("index.yaml");
        traces.insert("the repository".to_owned(), json!([repository["status"]["lastHandledRefresh"], reads]));
        Ok(traces)
    }
}

fn is_settled(request: &Value) -> bool {
    let (metadata, status) = (&request["metadata"], &request["status"]);
    let is_done = status["observedGeneration"] == metadata["generation"]
        && is_handled(request, "kubectl-captain.resync", "lastHandledResync")
        && condition(request, "Ready").is_some_and(|ready| ready["status"] == "True");
    metadata["deletionTimestamp"].is_null() && (is_done || request["spec"]["version"] == NO_VERSION)
}

/// Whether the token of an annotation, if there is one, was acted on.
fn is_handled(object: &Value, annotation: &str, handled: &str) -> bool {
    let token = &object["metadata"]["annotations"][annotation];
    token.is_null() || *token == object["status"][handled]
}

/// Where an answer has not what is expected of it.
fn difference(expected: &Value, found: &Value, path: &str) -> Option<String> {
    match (expected, found) {
        (Value::Object(fields), _) => {
            fields.iter().find_map(|(name, field)| difference(field, &found[name], &format!("{path}.{name}")))
        }
        // Conditions are a map by their type; in which order they came does not matter.
        (Value::Array(items), Value::Array(all)) if items.iter().all(|item| item["type"].is_string()) => {
            items.iter().find_map(|item| {
                let found = all.iter().find(|found| found["type"] == item["type"]).unwrap_or(&Value::Null);
                difference(item, found, &format!("{path}[{}]", item["type"]))
            })
        }
        (Value::Array(items), Value::Array(all)) => {
            let more = items.last().is_some_and(|last| *last == ANYTHING);
            let items = if more { &items[..items.len() - 1] } else { items };
            if all.len() < items.len() || !more && all.len() > items.len() {
                return Some(format!("{path} has {} items", all.len()));
            }
            let mut pairs = items.iter().zip(all).enumerate();
            pairs.find_map(|(index, (item, found))| difference(item, found, &format!("{path}[{index}]")))
        }
        (Value::String(pattern), Value::String(text)) if fits(pattern, text) => None,
        (Value::String(pattern), _) if pattern == ANYTHING && !found.is_null() => None,
        _ => (expected != found).then(|| format!("{path} is {found} and not {expected}")),
    }
}

/// Whether a text is as printed, with anything where the page has `…`.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split(ANYTHING);
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn an_answer_is_compared_by_what_the_page_prints_of_it() {
    let answer = json!({"code": 404, "items": [{"name": "a"}, {"name": "b"}], "message": "one two three", "more": 1});
    let differs = |expected: Value| difference(&expected, &answer, "");
    assert_eq!(differs(json!({"code": 404, "items": [{"name": "a"}, "…"], "message": "one … three"})), None);
    assert_eq!(differs(json!({"code": "…", "items": ["…", {"name": "b"}], "message": "…"})), None);
    assert_eq!(differs(json!({"code": 403})).as_deref(), Some(".code is 404 and not 403"));
    assert_eq!(differs(json!({"items": [{"name": "a"}]})).as_deref(), Some(".items has 2 items"));
    assert_eq!(
        differs(json!({"message": "one … four"})).as_deref(),
        Some(r#".message is "one two three" and not "one … four""#)
    );
    assert!(differs(json!({"absent": "…"})).is_some());
    let conditions = json!([{"type": "Released", "status": "True"}, {"type": "Ready", "status": "False"}]);
    assert_eq!(difference(&json!([{"type": "Ready", "status": "False"}]), &conditions, ""), None);
    assert!(difference(&json!([{"type": "Ready", "status": "True"}]), &conditions, "").is_some());
}
