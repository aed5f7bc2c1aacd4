{{/*
What the operator may do, in one place for both flavours: a ClusterRole, or a Role in each watched namespace.
There is nothing on secrets: they reach the Jobs by reference, and only the kubelet reads them.
*/}}
{{- define "dbmigrations.operatorRules" -}}
# The resource: read it, and hold a finalizer while something must be undone.
- apiGroups: [dbmigrations.dev]
  resources: [databasemigrations]
  verbs: [get, list, watch, patch]
- apiGroups: [dbmigrations.dev]
  resources: [databasemigrations/status]
  verbs: [get, update, patch]
# The steps of a run.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
# Results are read from Pods. "create" serves server-side dry runs only: quota, Pod Security and policies are
# asked before the downtime. RBAC cannot tell a dry run from a real one, and who may create Jobs gets Pods anyway.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete]
# The plan: what the rehearsal's report printed, kept in ConfigMaps of the resource.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, create, delete]
# The application: stop it, set its image, bring it back.
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, patch]
# The probe resolves a Service and its named port.
- apiGroups: [""]
  resources: [services]
  verbs: [get]
# What happened, on the resource.
- apiGroups: [""]
  resources: [events]
  verbs: [get, list, create, patch]
{{- end -}}
