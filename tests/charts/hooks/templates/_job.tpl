{{- define "hooks.job" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  annotations:
    helm.sh/hook: {{ .events }}
    helm.sh/hook-weight: {{ .weight | quote }}
    helm.sh/hook-delete-policy: {{ .root.Values.deletePolicy }}
spec:
  backoffLimit: 0
  template:
    metadata:
      annotations:
        kwok-run-for: {{ .root.Values.runFor }}
      labels:
        kwok-fail: {{ .fail | quote }}
    spec:
      restartPolicy: Never
      containers:
        - name: {{ .name }}
          image: example.invalid/hook:1
{{- end -}}
