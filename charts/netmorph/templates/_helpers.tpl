{{- define "netmorph.name" -}}
{{- if contains "netmorph" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-netmorph" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "netmorph.selector" -}}
app.kubernetes.io/name: netmorph
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "netmorph.labels" -}}
{{ include "netmorph.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "netmorph.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "netmorph.claim" -}}
{{ .Values.storage.existingClaim | default (printf "%s-storage" (include "netmorph.name" .)) }}
{{- end }}

{{- define "netmorph.usesClaim" -}}
{{- if hasPrefix "file://" .Values.storage.url }}true{{ end }}
{{- end }}

{{- define "netmorph.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- end }}

{{- define "netmorph.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "netmorph.secrets" -}}
{{- range $name := .names }}
- name: NETMORPH_{{ $name | upper | replace "-" "_" }}
  valueFrom: {secretKeyRef: {name: {{ $.root.Values.existingSecret | quote }}, key: {{ $name }}}}
{{- end }}
{{- end }}

{{- define "netmorph.environment" -}}
{{- range $name, $value := . }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}
