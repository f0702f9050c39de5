{{- define "hooks.job" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  annotations:
    helm.sh/hook: {{ .events }}
    helm.sh/hook-weight: {{ .weight | quote }}
    helm.sh/hook-delete-policy: {{ .root.Values.deletePolicy }}
    {{- with .root.Values.outputLogPolicy }}
    helm.sh/hook-output-log-policy: {{ . }}
    {{- end }}
spec:
  backoffLimit: 0
  {{- with .root.Values.keepFor }}
  ttlSecondsAfterFinished: {{ trimSuffix "s" . }}
  {{- end }}
  template:
    metadata:
      annotations:
        kwok-run-for: {{ .root.Values.runFor }}
      labels:
        kwok-fail: {{ .fail | quote }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ .root.Release.Name }}-jobs
      containers:
        - name: {{ .name }}
          image: example.invalid/hook:1
{{- end -}}
