//! `coxswain template`: renders a chart without installing it, as `helm template` of Helm v4.3.1 does.
//!
//! The flags, the text on standard output, the messages on standard error and the exit status are Helm's
//! (`pkg/cmd/template.go`, `pkg/cmd/install.go`). Nothing asynchronous is started unless a URL or a cluster is needed,
//! so that a render of local files costs little more than reading them.

mod arguments;
mod chart;
mod cluster;
mod failure;
mod file;
mod kubeconfig;
mod name;
mod output;
mod path;
mod remote;
mod usage;
mod values;

pub use arguments::TemplateArguments;
pub use failure::Failure;
pub use usage::usage_message;

use std::io::Write;
use std::sync::Arc;

use arguments::DryRun;

use crate::chart::{Chart, dependencies};
use crate::render::{
    Capabilities, Input, KubeVersion, Limits, Lookup, NoCluster, OperatingSystem, Program, Release, RenderError,
};
use crate::template::on_large_stack;
use crate::value::Json;
use crate::value::message::presentable;
use crate::yaml::quote::quote;

/// What a render needs, once all files are read.
struct Job {
    program: Program,
    values: Json,
    release: Release,
    capabilities: Capabilities,
}

impl TemplateArguments {
    /// Renders and prints.
    ///
    /// # Errors
    /// [`Failure`], in Helm's words.
    pub fn run(&self) -> Result<(), Failure> {
        if self.validate {
            notice("Flag --validate has been deprecated, use '--dry-run=server' instead");
        }
        self.check_usage()?;
        // Thousands of small allocations are about to be freed one by one for nothing: the process ends.
        on_large_stack(|| self.render().map(std::mem::forget)).map_err(Failure::Thread)?
    }

    fn render(&self) -> Result<Job, Failure> {
        let kube_version = self.kube_version()?;
        let dry_run = self.dry_run()?;
        let (name, chart) = self.name_and_chart()?;
        let source = chart::locate(self, chart)?;
        let values = values::merged(self)?;
        let chart = source.load()?;
        check_installable(&chart)?;
        if chart.metadata.deprecated {
            notice("level=WARN msg=\"this chart is deprecated\"");
        }
        let server = match dry_run {
            DryRun::Client => None,
            DryRun::Server => Some(cluster::Server::connect(self)?),
        };
        check_name(&name)?;
        if server.is_some() && !chart.crds().is_empty() {
            notice(
                "level=WARN msg=\"This chart or one of its subcharts contains CRDs. Rendering may fail or contain \
                 inaccuracies.\"",
            );
        }
        let capabilities = match &server {
            Some(server) => server.capabilities()?,
            None => self.capabilities(kube_version),
        };
        let namespace = kubeconfig::namespace(self);
        let release = Release { name, namespace, revision: 1, is_upgrade: self.is_upgrade };
        let job = Job { program: Program::new(chart), values, release, capabilities };
        match &server {
            Some(server) => self.print(&job, &server.lookup())?,
            None => self.print(&job, &NoCluster)?,
        }
        Ok(job)
    }

    fn print(&self, job: &Job, lookup: &dyn Lookup) -> Result<(), Failure> {
        let input = Input {
            values: &job.values,
            release: &job.release,
            capabilities: &job.capabilities,
            lookup,
            chance: &OperatingSystem,
            limits: Limits::default(),
            validate_schema: !self.skip_schema_validation,
        };
        match job.program.render(&input) {
            Ok(rendered) => {
                let printed = output::Output::new(self, &job.release.name).print(&rendered);
                std::mem::forget(rendered);
                printed
            }
            Err(error) => {
                if let RenderError::Dependencies(_) = error {
                    let cause = error.to_string();
                    let cause = cause.strip_prefix("chart dependencies processing failed: ").unwrap_or(&cause);
                    notice(&format!("level=ERROR msg=\"chart dependencies processing failed\" error={}", quote(cause)));
                }
                if self.debug && matches!(error, RenderError::Document { .. }) {
                    let files = job.program.render_files(&input).unwrap_or_default();
                    output::Output::new(self, &job.release.name).print_invalid(&files)?;
                }
                Err(Failure::Render { error, debug: self.debug })
            }
        }
    }

    fn kube_version(&self) -> Result<Option<KubeVersion>, Failure> {
        if self.kube_version.is_empty() {
            return Ok(None);
        }
        let invalid = |cause| Failure::KubeVersion { text: self.kube_version.clone(), cause };
        KubeVersion::parse(&self.kube_version).map(Some).map_err(invalid)
    }

    fn capabilities(&self, kube_version: Option<KubeVersion>) -> Capabilities {
        let mut capabilities = Capabilities::default();
        if let Some(version) = kube_version {
            capabilities.kube_version = version;
        }
        let more = self.api_versions.iter().flat_map(|list| arguments::comma_separated(list));
        Arc::make_mut(&mut capabilities.api_versions).extend(more);
        capabilities
    }
}

/// Writes a line to standard error; that it cannot be written is no reason to end.
fn notice(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", presentable(line));
}

fn check_installable(chart: &Chart) -> Result<(), Failure> {
    if chart.is_library() {
        return Err(Failure::NotInstallable(chart.metadata.chart_type.clone()));
    }
    let missing = dependencies::missing(chart);
    if missing.is_empty() { Ok(()) } else { Err(Failure::MissingDependencies(missing)) }
}

fn check_name(name: &str) -> Result<(), Failure> {
    name::check(name).map_err(|reason| {
        let error = format!("release name {}: {reason}", quote(name));
        notice(&format!("level=ERROR msg=\"release name check failed\" error={}", quote(&error)));
        Failure::Name(error)
    })
}
