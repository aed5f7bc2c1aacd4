{{/* Prefix of every name: the release's own name where it says "dbmigrations" already. 40 characters leave room for suffixes. */}}
{{- define "dbmigrations.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (.Release.Name | trunc 27 | trimSuffix "-") .Chart.Name -}}
{{- end -}}
{{- end -}}

{{- define "dbmigrations.operatorName" -}}
{{- include "dbmigrations.fullname" . }}-operator
{{- end -}}

{{- define "dbmigrations.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "dbmigrations.operatorName" .) -}}
{{- else -}}
{{- required "serviceAccount.create is false, so serviceAccount.name must name an existing service account: the operator gets its rights bound to it" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What a Deployment may never change afterwards: keep it free of versions. */}}
{{- define "dbmigrations.selectorLabels" -}}
app.kubernetes.io/name: dbmigrations
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "dbmigrations.labels" -}}
{{ include "dbmigrations.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Reference of an image. Arguments: image (repository, tag, digest) and root. */}}
{{- define "dbmigrations.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
