//! The flags of `coxswain template`: those of `helm template` that bear on what is rendered.
//!
//! They are read as Helm's are (`github.com/spf13/pflag`): a flag may stand anywhere, the last of several wins, a
//! switch takes `=false`, and `--values` and `--api-versions` split their values at commas.

use clap::{ArgAction, Args};

use super::{Failure, notice};

/// The flags of `coxswain template`.
#[derive(Clone, Debug, Default, Args)]
#[command(args_override_self = true, disable_version_flag = true)]
pub struct TemplateArguments {
    /// The release's name, which may be left out, and the chart: a directory, an archive, a URL, or a name with --repo
    #[arg(value_name = "[NAME] CHART", allow_hyphen_values = false)]
    pub name_and_chart: Vec<String>,
    /// Values in a YAML file or at a URL; `-` is standard input. May be given several times, the last wins
    #[arg(short = 'f', long, allow_hyphen_values = true, value_name = "FILES")]
    pub values: Vec<String>,
    /// A value, such as key1=val1,key2=val2. May be given several times
    #[arg(long, allow_hyphen_values = true, value_name = "EXPRESSION")]
    pub set: Vec<String>,
    /// A value that is always text, such as key1=val1,key2=val2. May be given several times
    #[arg(long, allow_hyphen_values = true, value_name = "EXPRESSION")]
    pub set_string: Vec<String>,
    /// A value in JSON, such as key1=[1,2], or an object of values. May be given several times
    #[arg(long, allow_hyphen_values = true, value_name = "EXPRESSION")]
    pub set_json: Vec<String>,
    /// A value that is the content of a file, such as key1=path1,key2=path2. May be given several times
    #[arg(long, allow_hyphen_values = true, value_name = "EXPRESSION")]
    pub set_file: Vec<String>,
    /// A value that is text taken as it is. May be given several times
    #[arg(long, allow_hyphen_values = true, value_name = "EXPRESSION")]
    pub set_literal: Vec<String>,
    /// The release's namespace; the one of the kubeconfig's context unless given
    #[arg(
        short,
        long,
        env = "HELM_NAMESPACE",
        default_value = "",
        allow_hyphen_values = true,
        hide_default_value = true
    )]
    pub namespace: String,
    /// The chart's version or a range of versions; the newest that is stable unless given
    #[arg(long, default_value = "", allow_hyphen_values = true, hide_default_value = true)]
    pub version: String,
    /// Use pre-releases too, as with --version '>0.0.0-0'
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub devel: bool,
    /// URL of the repository that has the chart
    #[arg(long, default_value = "", allow_hyphen_values = true, hide_default_value = true, value_name = "URL")]
    pub repo: String,
    /// User for the repository
    #[arg(long, default_value = "", allow_hyphen_values = true, hide_default_value = true)]
    pub username: String,
    /// Password for the repository
    #[arg(long, default_value = "", allow_hyphen_values = true, hide_default_value = true)]
    pub password: String,
    /// Certificates of the authorities that HTTPS servers are trusted by, a PEM file
    #[arg(long, default_value = "", allow_hyphen_values = true, hide_default_value = true, value_name = "FILE")]
    pub ca_file: String,
    /// Our own certificate for HTTPS servers, a PEM file
    #[arg(long, default_value = "", allow_hyphen_values = true, hide_default_value = true, value_name = "FILE")]
    pub cert_file: String,
    /// The key of our own certificate, a PEM file
    #[arg(long, default_value = "", allow_hyphen_values = true, hide_default_value = true, value_name = "FILE")]
    pub key_file: String,
    /// Do not verify the certificates of HTTPS servers
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub insecure_skip_tls_verify: bool,
    /// Speak HTTP instead of HTTPS with a registry
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub plain_http: bool,
    /// Send user and password also to other hosts that the repository's index names
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub pass_credentials: bool,
    /// Kubernetes version for .Capabilities.KubeVersion
    #[arg(long, default_value = "", allow_hyphen_values = true, hide_default_value = true, value_name = "VERSION")]
    pub kube_version: String,
    /// More API versions for .Capabilities.APIVersions, separated by commas. May be given several times
    #[arg(short, long, allow_hyphen_values = true, value_name = "VERSIONS")]
    pub api_versions: Vec<String>,
    /// Print the files of crds/ too
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub include_crds: bool,
    /// Leave out hooks
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub no_hooks: bool,
    /// Leave out tests
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub skip_tests: bool,
    /// Print only what these templates made; a path in the chart or a pattern. May be given several times
    #[arg(short, long, allow_hyphen_values = true, value_name = "PATTERN")]
    pub show_only: Vec<String>,
    /// Set .Release.IsUpgrade instead of .Release.IsInstall
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub is_upgrade: bool,
    /// Refuse a name; the release is named release-name, as Helm has it
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub generate_name: bool,
    /// A template for the release's name
    #[arg(long, default_value = "", allow_hyphen_values = true, hide_default_value = true, value_name = "TEMPLATE")]
    pub name_template: String,
    /// Write files into this directory instead of standard output
    #[arg(long, default_value = "", allow_hyphen_values = true, hide_default_value = true, value_name = "DIRECTORY")]
    pub output_dir: String,
    /// Use the release's name in the path below --output-dir
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub release_name: bool,
    /// Do not check values against the charts' schemas
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub skip_schema_validation: bool,
    /// `client` knows no cluster; `server` uses the cluster's capabilities and answers lookups from it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "unset", value_name = "client|server")]
    pub dry_run: Option<String>,
    /// Deprecated: use --dry-run=server
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub validate: bool,
    /// Print also output that is not valid YAML
    #[arg(long, env = "HELM_DEBUG", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub debug: bool,
    /// Not supported: put the dependencies into charts/ first
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub dependency_update: bool,
    /// Not supported: verify with the helm command
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide = true, value_name = "BOOL", value_parser = boolean, action = ArgAction::Set)]
    pub verify: bool,
    /// The kubeconfig file; KUBECONFIG and then ~/.kube/config unless given
    #[arg(long, default_value = "", allow_hyphen_values = true, hide_default_value = true, value_name = "FILE")]
    pub kubeconfig: String,
    /// The context of the kubeconfig; its current one unless given
    #[arg(
        long,
        env = "HELM_KUBECONTEXT",
        default_value = "",
        allow_hyphen_values = true,
        hide_default_value = true,
        value_name = "NAME"
    )]
    pub kube_context: String,
}

/// Whom the render asks for the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DryRun {
    /// Nobody: Helm's default capabilities, and lookups find nothing.
    Client,
    /// The API server.
    Server,
}

impl TemplateArguments {
    /// What Helm refuses before it looks at anything.
    pub(super) fn check_usage(&self) -> Result<(), Failure> {
        if self.name_and_chart.is_empty() {
            return Err(Failure::NoChart);
        }
        if self.validate && self.dry_run.is_some() {
            return Err(Failure::ValidateAndDryRun);
        }
        Ok(())
    }

    /// The dry run that is asked for, old spellings included (`pkg/cmd/helpers.go`).
    pub(super) fn dry_run(&self) -> Result<DryRun, Failure> {
        let asked = match self.dry_run.as_deref().unwrap_or("client") {
            "client" => DryRun::Client,
            "server" => DryRun::Server,
            "unset" => {
                notice("level=WARN msg=\"--dry-run is deprecated and should be replaced with '--dry-run=client'\"");
                DryRun::Client
            }
            value => {
                let invalid = |allowed| Failure::DryRun { value: value.to_owned(), allowed };
                match boolean(value) {
                    Ok(true) => notice(&format!(
                        "level=WARN msg=\"boolean '--dry-run={value}' flag is deprecated and must be replaced with \
                         '--dry-run=client'\""
                    )),
                    Err(_) if value != "none" => return Err(invalid("\"none\", \"server\", or \"client\"")),
                    Ok(false) | Err(_) => return Err(invalid("\"server\" or \"client\"")),
                }
                DryRun::Client
            }
        };
        Ok(if self.validate { DryRun::Server } else { asked })
    }

    /// The version of the chart that is asked for.
    pub(super) fn wanted_version(&self) -> &str {
        if self.version.is_empty() && self.devel { ">0.0.0-0" } else { self.version.trim() }
    }
}

/// A switch's value, as Go's `strconv.ParseBool` reads it.
fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", crate::yaml::quote::quote(text))),
    }
}

/// The fields of one line of comma-separated values; a field in quotes may hold commas, and quotes doubled.
pub(super) fn comma_separated(line: &str) -> Vec<String> {
    if line.is_empty() {
        return Vec::new();
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted),
            None => {
                rest.split_once(',').map_or((rest.to_owned(), None), |(field, after)| (field.to_owned(), Some(after)))
            }
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return fields,
        }
    }
}

fn quoted_field(text: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('"') {
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return (field, after.strip_prefix(',')),
        }
    }
    field.push_str(rest);
    (field, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_commas() {
        for (line, expected) in [
            ("", &[][..]),
            ("a", &["a"]),
            ("a,b,", &["a", "b", ""]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"a\"\"b\"", &["a\"b"]),
        ] {
            assert_eq!(comma_separated(line), expected, "{line}");
        }
    }
}
