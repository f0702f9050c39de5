//! Charts made here, for machines that have no others: a small one, a wide one and a deep one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::subject::Case;
use super::support::charts;

const HELPERS: &str = r#"{{- define "NAME.fullname" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}
{{- define "NAME.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | default .Chart.Version | quote }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}
"#;

const DEPLOYMENT: &str = r#"{{- if .Values.enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "NAME.fullname" . }}-NUMBER
  labels: {{- include "NAME.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {{- include "NAME.labels" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "NAME.labels" . | nindent 8 }}
      annotations:
        checksum/values: {{ toJson .Values | sha256sum }}
    spec:
      containers:
        - name: main
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
          env:
            {{- range $name, $value := .Values.env }}
            - name: {{ $name | upper | replace "-" "_" }}
              value: {{ tpl $value $ | quote }}
            {{- end }}
          resources: {{- toYaml .Values.resources | nindent 12 }}
{{- end }}
"#;

const VALUES: &str = "enabled: true\nreplicas: 2\nimage: {repository: example.invalid/app, tag: \"\"}\nlabels: {team: \
                      one, tier: back}\nresources:\n  limits: {cpu: 500m, memory: 256Mi}\n  requests: {cpu: 100m, \
                      memory: 128Mi}\nenv:\n";

/// Writes and packs the charts into a folder.
///
/// # Errors
/// When they cannot be written.
pub fn charts(folder: &Path) -> Result<Vec<Case>> {
    let small = folder.join("small");
    write(&small, "small", 1, 4)?;
    let wide = folder.join("wide");
    write(&wide, "wide", 200, 40)?;
    let deep = folder.join("deep");
    write(&deep, "deep", 10, 10)?;
    for number in 0..12 {
        let name = format!("part-{number}");
        let part = deep.join("charts").join(&name);
        write(&part, &name, 10, 10)?;
        write(&part.join("charts/inner"), "inner", 5, 10)?;
    }
    let pack = |chart: &std::path::PathBuf| {
        charts::pack(chart, folder).map(|packed| Case { archive: packed.path, values: None })
    };
    [small, wide, deep].iter().map(pack).collect()
}

fn write(folder: &Path, name: &str, templates: usize, variables: usize) -> Result<()> {
    fs::create_dir_all(folder.join("templates"))?;
    let metadata = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\nappVersion: \"2.1\"\n");
    fs::write(folder.join("Chart.yaml"), metadata)?;
    let values = (0..variables).fold(VALUES.to_owned(), |mut values, number| {
        let _ = writeln!(values, "  name-{number}: \"{{{{ .Release.Name }}}}-{number}\"");
        values
    });
    fs::write(folder.join("values.yaml"), values)?;
    fs::write(folder.join("templates/_helpers.tpl"), HELPERS.replace("NAME", name))?;
    for number in 0..templates {
        let text = DEPLOYMENT.replace("NAME", name).replace("NUMBER", &number.to_string());
        fs::write(folder.join(format!("templates/deployment-{number}.yaml")), text)?;
    }
    Ok(())
}
