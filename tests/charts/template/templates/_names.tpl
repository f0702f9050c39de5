{{- define "template.name" -}}
{{ .Release.Name }}-{{ .Chart.Name }}
{{- end }}
