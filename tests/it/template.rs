//! `coxswain template` beside `helm template`: the same arguments give the same standard output, the same standard
//! error and the same exit status.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};

use crate::recording;
use crate::support::chart_server::ChartServer;
use crate::support::charts;
use crate::support::cluster::Programs;
use crate::support::folder::{Folder, write_files};
use crate::support::shared;

/// Both programs, for arguments that name files in one folder.
struct Programmes {
    helm: PathBuf,
    folder: Folder,
}

impl Programmes {
    fn new() -> Result<Self> {
        let folder = Folder::new("template")?;
        let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/charts");
        for chart in ["hello-0.1.0", "hooks", "template"] {
            copy(&charts.join(chart), &folder.path().join(chart))?;
        }
        write_files(folder.path(), FILES)?;
        Ok(Self { helm: Programs::locate()?.path("helm"), folder })
    }

    /// What a program says to these arguments of `template`, with text on its standard input.
    fn run(&self, program: &Path, arguments: &[&str], input: &str, kubeconfig: Option<&Path>) -> Result<Output> {
        let mut command = Command::new(program);
        command.arg("template").args(arguments).current_dir(self.folder.path());
        command.env_clear().env("HOME", self.folder.path().join("home"));
        command.envs(kubeconfig.map(|path| ("KUBECONFIG", path)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| program.display().to_string())?;
        let mut stdin = child.stdin.take().context("standard input is a pipe")?;
        // A program that ends without reading is none of our business.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Ok(child.wait_with_output()?)
    }

    /// The difference between the two programs, told in one text; nothing where there is none.
    fn difference(&self, arguments: &[&str], input: &str, kubeconfig: Option<&Path>) -> Result<Option<String>> {
        let helm = self.run(&self.helm, arguments, input, kubeconfig)?;
        let written = self.take_written()?;
        let ours = self.run(Path::new(env!("CARGO_BIN_EXE_coxswain")), arguments, input, kubeconfig)?;
        let ours_written = self.take_written()?;
        let program_name = |text: &[u8]| String::from_utf8_lossy(text).replace("helm template", "coxswain template");
        let (expected, actual) = (program_name(&helm.stderr), String::from_utf8_lossy(&ours.stderr).into_owned());
        let same = helm.status.code() == ours.status.code()
            && helm.stdout == ours.stdout
            && expected == actual
            && written == ours_written;
        let told = || {
            let output = |output: &[u8]| String::from_utf8_lossy(output).chars().take(2_000).collect::<String>();
            format!(
                "template {arguments:?}\nhelm: {}\n{expected}{}\ncoxswain: {}\n{actual}{}\n",
                helm.status,
                output(&helm.stdout),
                ours.status,
                output(&ours.stdout)
            )
        };
        Ok((!same).then(told))
    }

    /// The files below `out`, which is then removed.
    fn take_written(&self) -> Result<Vec<(String, String)>> {
        let out = self.folder.path().join("out");
        let mut written = Vec::new();
        let mut folders = vec![out.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let content = std::fs::read_to_string(&path)?;
                    written.push((path.strip_prefix(&out)?.display().to_string(), content));
                }
            }
        }
        let _ = std::fs::remove_dir_all(&out);
        written.sort();
        Ok(written)
    }

    fn assert_same(&self, cases: &[&[&str]]) -> Result<()> {
        let mut differences = Vec::new();
        for arguments in cases {
            differences.extend(self.difference(arguments, STANDARD_INPUT, None)?);
        }
        ensure!(differences.is_empty(), "{} of {}:\n{}", differences.len(), cases.len(), differences.join("\n"));
        Ok(())
    }
}

const STANDARD_INPUT: &str = "message: from standard input\n";

/// Values, and charts that are wrong in one way each.
const FILES: [(&str, &str); 17] = [
    ("values.yaml", "message: from a file\nlist: [1, 2.5, null]\n"),
    ("more.yaml", "message: later\n---\nnested: {a: {b: 1}}\n"),
    ("text.txt", "line one\nline two, with a comma\n"),
    ("bad.yaml", "a: ["),
    ("list.yaml", "- a\n"),
    ("number.yaml", "nested: 3\n"),
    (
        "home/.kube/config",
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n- name: a\n  context: {namespace: of-a}\n- name: b\n  context: {namespace: of-b}\n",
    ),
    ("other-config", "current-context: c\ncontexts:\n- name: c\n  context: {namespace: of-c}\n"),
    ("library/Chart.yaml", "apiVersion: v2\nname: library\nversion: 1.0.0\ntype: library\n"),
    ("old/Chart.yaml", "apiVersion: v2\nname: old\nversion: 1.0.0\ndeprecated: true\nkubeVersion: '<1.20'\n"),
    (
        "lacking/Chart.yaml",
        "apiVersion: v2\nname: lacking\nversion: 1.0.0\ndependencies:\n- {name: a, version: 1.x, repository: ''}\n- {name: b, version: 1.x, repository: ''}\n",
    ),
    ("nameless/Chart.yaml", "apiVersion: v2\nversion: 1.0.0\n"),
    ("torn/Chart.yaml", "a: ["),
    ("invalid/Chart.yaml", "apiVersion: v2\nname: invalid\nversion: 1.0.0\n"),
    ("invalid/templates/x.yaml", "a: [\n"),
    ("third/Chart.yaml", "apiVersion: v3\nname: third\nversion: 1.0.0\n"),
    ("archive.tgz", "this is no archive"),
];

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[test]
fn flags_do_what_they_do_in_helm() -> Result<()> {
    let cases: [&[&str]; 62] = [
        &["x", "hello-0.1.0"],
        &["hello-0.1.0"],
        &["./hello-0.1.0/../hello-0.1.0/"],
        &["hello-0.1.0", "-g"],
        &["hello-0.1.0", "--generate-name=false"],
        &["hello-0.1.0", "--name-template", "n-{{ upper \"a\" | lower }}"],
        &["hello-0.1.0", "--name-template={{ nothing }}"],
        &["hello-0.1.0", "--name-template", "{{ fail \"no\" }}"],
        &["hello-0.1.0", "--name-template", "{{"],
        &["--", "x", "hello-0.1.0"],
        &["x", "hooks"],
        &["x", "hooks", "--no-hooks"],
        &["x", "hooks", "--no-hooks=true"],
        &["x", "hooks", "--skip-tests"],
        &["x", "hooks", "-s", "templates/before.yaml"],
        &["x", "hooks", "-s", "templates/configmap.yaml", "--show-only", "templates/*"],
        &["x", "hooks", "-s", "templates/before.yaml", "--no-hooks"],
        &["x", "hooks", "--output-dir", "out"],
        &["x", "hooks", "--output-dir", "out/", "--release-name"],
        &["x", "hooks", "--output-dir=out", "--no-hooks", "-s", "templates/before.yaml"],
        &["x", "template"],
        &["x", "template", "--include-crds"],
        &["x", "template", "--include-crds", "--output-dir", "out", "--release-name"],
        &["x", "template", "--skip-tests"],
        &["x", "template", "--skip-tests", "--no-hooks", "--include-crds=false"],
        &["x", "template", "--is-upgrade"],
        &["x", "template", "-n", "elsewhere"],
        &["x", "template", "-nelsewhere"],
        &["x", "template", "--namespace=elsewhere", "--namespace", "there"],
        &["x", "template", "--kube-context", "b"],
        &["x", "template", "--kube-context", "none"],
        &["x", "template", "--kubeconfig", "other-config"],
        &["x", "template", "--kubeconfig", "none"],
        &["x", "template", "--kube-version", "1.29.3-gke.1"],
        &["x", "template", "--kube-version", "v1.30"],
        &["x", "template", "-a", "example.org/v1,example.org/v1/Widget", "--api-versions", "other.org/v2"],
        &["x", "template", "-s", "templates/*.yaml"],
        &["x", "template", "-s", "charts/sub/templates/sub.yaml"],
        &["x", "template", "-s", "charts/*/templates/*"],
        &["x", "template", "-f", "values.yaml"],
        &["x", "template", "-f", "values.yaml,more.yaml"],
        &["x", "template", "--values=more.yaml", "-fvalues.yaml"],
        &["x", "template", "-f", "-"],
        &["x", "template", "-f", "\"values.yaml\",-"],
        &["x", "template", "--set", "message=set,count=3,list={a,b},nested.a.b=null"],
        &["x", "template", "--set", "count=1e3,big=12345678901,zero=007,yes=TRUE", "--set", "extra[2]=x"],
        &["x", "template", "--set-string", "message=07,count=true"],
        &["x", "template", "--set-json", "message=1.50,list=[1,{\"a\":null}]"],
        &["x", "template", "--set-json", " {\"message\": 1000000, \"nested\": {\"a\": {\"c\": [1]}}}"],
        &["x", "template", "--set-file", "message=text.txt,other=values.yaml"],
        &["x", "template", "--set-literal", "message=a,b={c}\\d[0]"],
        &["x", "template", "--set-literal", "message=1", "--set-file", "message=text.txt", "--set", "message=2"],
        &["x", "template", "--set", "message=-1"],
        &["x", "template", "--set", "count=text", "--skip-schema-validation"],
        &["x", "template", "--set", "sub.enabled=false"],
        &["x", "template", "--set", "global.color=blue"],
        &["x", "template", "--dry-run"],
        &["x", "template", "--dry-run=client"],
        &["x", "template", "--dry-run=true"],
        &["x", "template", "--set", "required="],
        &["x", "old", "--kube-version", "1.19"],
        &["x", "template", "--version", "9.9.9", "--devel"],
    ];
    Programmes::new()?.assert_same(&cases)
}

#[test]
fn mistakes_are_told_as_in_helm() -> Result<()> {
    let cases: [&[&str]; 58] = [
        &[],
        &["a", "b", "c", "d"],
        &["nothing"],
        &["./nothing"],
        &["/nothing/at/all"],
        &["repository/chart"],
        &["ftp://127.0.0.1/x.tgz"],
        &["x", "home"],
        &["x", "values.yaml"],
        &["x", "archive.tgz"],
        &["x", "library"],
        &["x", "lacking"],
        &["x", "nameless"],
        &["x", "torn"],
        &["x", "invalid"],
        &["x", "third"],
        &["x", "old"],
        &["X", "hello-0.1.0"],
        &["", "hello-0.1.0"],
        &["a_b", "hello-0.1.0"],
        &["x", "hello-0.1.0", "--generate-name"],
        &["x", "hello-0.1.0", "--name-template", "y"],
        &["hello-0.1.0", "--name-template", "Y"],
        &["x", "hello-0.1.0", "--unknown"],
        &["x", "hello-0.1.0", "--unknown=1"],
        &["x", "hello-0.1.0", "-z"],
        &["x", "hello-0.1.0", "-s"],
        &["x", "hello-0.1.0", "--set"],
        &["x", "hello-0.1.0", "--no-hooks=maybe"],
        &["x", "hello-0.1.0", "-g=maybe"],
        &["x", "hello-0.1.0", "-s", "templates/nothing.yaml"],
        &["x", "hello-0.1.0", "-s", ""],
        &["x", "hello-0.1.0", "-f", "nothing.yaml"],
        &["x", "hello-0.1.0", "-f", "bad.yaml"],
        &["x", "hello-0.1.0", "-f", "list.yaml"],
        &["x", "hello-0.1.0", "-f", "home"],
        &["x", "hello-0.1.0", "--set", "a"],
        &["x", "hello-0.1.0", "--set", "a[70000]=1"],
        &["x", "hello-0.1.0", "--set", "a=1,a.b=2"],
        &["x", "hello-0.1.0", "--set-string", "a,b=1"],
        &["x", "hello-0.1.0", "--set-json", "a={"],
        &["x", "hello-0.1.0", "--set-json", "{a"],
        &["x", "hello-0.1.0", "--set-file", "a=nothing"],
        &["x", "hello-0.1.0", "--set-literal", "a"],
        &["x", "hello-0.1.0", "--kube-version", "new"],
        &["x", "hello-0.1.0", "--kube-version", "1"],
        &["x", "hello-0.1.0", "--kube-version", "01.2"],
        &["x", "hello-0.1.0", "--dry-run=none"],
        &["x", "hello-0.1.0", "--dry-run=false"],
        &["x", "hello-0.1.0", "--dry-run=other"],
        &["x", "hello-0.1.0", "--validate", "--dry-run=client"],
        &["x", "hello-0.1.0", "--repo", "http://127.0.0.1:1/charts"],
        &["x", "http://127.0.0.1:1/x.tgz"],
        &["x", "hello-0.1.0", "-f", "http://127.0.0.1:1/values.yaml"],
        &["x", "template", "--set", "count=text"],
        &["x", "template", "--set", "failure=on purpose"],
        &["x", "template", "--set", "required=null"],
        &["x", "template", "--set", "sub=1"],
    ];
    Programmes::new()?.assert_same(&cases)
}

#[test]
fn what_is_not_supported_is_said() -> Result<()> {
    let programmes = Programmes::new()?;
    let program = Path::new(env!("CARGO_BIN_EXE_coxswain"));
    for (arguments, expected) in [
        (&["x", "hello-0.1.0", "--dependency-update"][..], "Error: --dependency-update is not supported: "),
        (&["x", "hello-0.1.0", "--verify"], "Error: --verify is not supported: "),
    ] {
        let output = programmes.run(program, arguments, "", None)?;
        let told = String::from_utf8(output.stderr)?;
        ensure!(told.starts_with(expected) && output.stdout.is_empty(), "{told}");
        ensure!(output.status.code() == Some(1), "{}", output.status);
    }
    Ok(())
}

/// The arguments that name a repository, before those that a case adds.
fn of_repository<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["x", "hello", "--repo", url];
    arguments.extend(more);
    arguments
}

#[test]
fn charts_come_from_repositories_and_urls_as_in_helm() -> Result<()> {
    let programmes = Programmes::new()?;
    let published = Folder::new("published")?;
    let packed = charts::repository(&[charts::folder("hello-0.1.0"), charts::folder("hello-0.2.0")], published.path())?;
    let server = ChartServer::start(published.path())?;
    let url = server.url();
    let archive = packed.first().and_then(|packed| packed.path.file_name()).context("a chart was packed")?;
    let archive = format!("{url}/{}", archive.to_string_lossy());
    std::fs::write(published.path().join("values.yaml"), "message: from a URL\n")?;
    let (values, absent) = (format!("{url}/values.yaml"), format!("{url}/absent.tgz"));
    let login = ["--username", "ann", "--password", "secret"];
    let mut cases = vec![
        of_repository(&url, &[]),
        of_repository(&url, &["--version", "0.1.0"]),
        of_repository(&url, &["--version", "<0.2.0", "-f", &values]),
        of_repository(&url, &["--version", "9.x"]),
        of_repository(&url, &["--devel"]),
        vec!["x", "absent", "--repo", &url],
        vec!["x", &archive],
        vec!["x", &archive, "-f", &values, "--set-file", "message=text.txt"],
        vec!["x", &absent],
        vec!["x", "hello-0.1.0", "-f", &absent],
        vec!["x", "hello", "--repo", &absent],
    ];
    let mut differences = Vec::new();
    for arguments in cases.drain(..) {
        differences.extend(programmes.difference(&arguments, "", None)?);
    }
    server.require_basic("ann", "secret");
    for arguments in [of_repository(&url, &login), of_repository(&url, &[]), [&["x", &archive][..], &login].concat()] {
        differences.extend(programmes.difference(&arguments, "", None)?);
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_dry_run_on_the_server_reads_the_cluster_as_helm_does() -> Result<()> {
    let programmes = Programmes::new()?;
    let kubeconfig = shared().kubeconfig();
    let mut differences = Vec::new();
    for arguments in [
        &["x", "template", "--dry-run=server", "-n", "default"][..],
        &["x", "template", "--dry-run=server", "--include-crds", "-a", "ignored/v1"],
        &["x", "template", "--validate", "-s", "templates/configmap.yaml"],
        &["X", "hello-0.1.0", "--dry-run=server"],
    ] {
        differences.extend(programmes.difference(arguments, "", Some(kubeconfig))?);
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// How many charts of the recording are rendered by both programs.
const SAMPLE: usize = 40;

/// Charts of other people, each with its first values file. Those whose output changes from run to run are told by a
/// second run of Helm.
#[test]
fn charts_of_others_come_out_as_in_helm() -> Result<()> {
    let Some(folder) = recording::folder() else { return Ok(()) };
    let programmes = Programmes::new()?;
    let subjects = recording::subjects(&folder.join("charts"), &folder.join("values"), |_| true)?;
    let step = (subjects.len() / SAMPLE).max(1);
    let (mut compared, mut differences) = (0, Vec::new());
    for subject in subjects.iter().step_by(step) {
        let archive = subject.archive.canonicalize()?.display().to_string();
        let values = subject.values.first().map(|path| path.canonicalize()).transpose()?;
        let values = values.map(|path| path.display().to_string());
        let mut arguments = vec!["conformance", archive.as_str(), "--include-crds"];
        arguments.extend(values.iter().flat_map(|path| ["--values", path.as_str()]));
        let runs = [(); 2].map(|()| programmes.run(&programmes.helm, &arguments, "", None).map(|run| run.stdout));
        let [first, second] = runs;
        if first? == second? {
            compared += 1;
            differences.extend(programmes.difference(&arguments, "", None)?);
        }
    }
    ensure!(compared > SAMPLE / 4, "only {compared} charts render the same twice");
    ensure!(differences.is_empty(), "{} of {compared}:\n{}", differences.len(), differences.join("\n"));
    Ok(())
}
