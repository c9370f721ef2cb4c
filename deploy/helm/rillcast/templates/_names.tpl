{{/* Names and labels, and what a kind of node is. */}}

{{- define "rillcast.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $both .Values.fullnameOverride | replace "." "-" | trunc 30 | trimSuffix "-" -}}
{{- end }}

{{/* Of objects outside of namespaces. */}}
{{- define "rillcast.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "rillcast.fullname" .) -}}
{{- end }}

{{- define "rillcast.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Of every object. Call it with the root, and with `component` for those of one part: (merge (dict …) $). */}}
{{- define "rillcast.labels" -}}
{{ include "rillcast.selector" . }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "rillcast.image" -}}
{{- with .Values.image -}}
{{- $tagged := printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- ternary (printf "%s@%s" .repository .digest) $tagged (ne .digest "") -}}
{{- end -}}
{{- end }}

{{/* The values of a kind of node: those of all kinds, and its own, which win. Call it with (list $ kind). */}}
{{- define "rillcast.kind" -}}
{{- $root := index . 0 }}{{ $kind := index . 1 -}}
{{- $own := mergeOverwrite (deepCopy $root.Values.node) (deepCopy (index $root.Values $kind)) -}}
{{- if $own.rawEgress -}}
{{- $_ := set $own "settings" (merge (dict "EGRESS" "raw") $own.settings) -}}
{{- end -}}
{{- $stateful := eq $own.network "loadBalancer" -}}
{{- $ports := dict "workers" (int (default 1 (default $root.Values.settings.WORKERS $own.settings.WORKERS))) -}}
{{- $extra := dict
  "kind" $kind
  "name" (printf "%s-%s" (include "rillcast.fullname" $root) $kind)
  "isMedia" (has $kind (list "origin" "edge" "transcoder"))
  "onMachine" (has $own.network (list "host" "hostPort"))
  "workload" (ternary "StatefulSet" "Deployment" $stateful)
  "asksPlace" (or $root.Values.topology.fromMachines (has $own.advertise (list "external" "loadBalancer"))) -}}
{{- toYaml (merge $extra $ports $own) -}}
{{- end }}

{{/* "yes" if what runs a kind is there, and nobody but helm has said how many pods it has. */}}
{{- define "rillcast.helmCounts" -}}
{{- $there := lookup "apps/v1" .own.workload .root.Release.Namespace .own.name }}
{{- range dig "metadata" "managedFields" list $there }}
{{- if and (eq .manager "helm") (hasKey (dig "fieldsV1" "f:spec" dict .) "f:replicas") }}yes{{ end }}
{{- end }}
{{- end }}

{{- define "rillcast.kinds" -}}
[signaling, origin, edge, transcoder, license]
{{- end }}

{{- define "rillcast.keysPrefix" -}}
{{- default (printf "%s-keys" (include "rillcast.fullname" .)) .Values.keys.prefix -}}
{{- end }}

{{/* A number as people write it: Helm reads 1000000 as 1e+06. */}}
{{- define "rillcast.number" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end }}

{{- define "rillcast.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "rillcast.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities: { drop: [ALL] }
{{- end }}

{{/* The container of a node that opens packet sockets: root, until setpriv has made the usual user of it. */}}
{{- define "rillcast.rawSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
runAsNonRoot: false
runAsUser: 0
capabilities: { drop: [ALL], add: [NET_RAW, SETUID, SETGID, SETPCAP] }
{{- end }}

{{- define "rillcast.rawCommand" -}}
- setpriv
- --reuid=10001
- --regid=10001
- --clear-groups
- --inh-caps=-all,+net_raw
- --ambient-caps=-all,+net_raw
- --bounding-set=-all,+net_raw
{{- end }}

{{/* The account of a pod at the API server, for a container that needs it: all others see none. */}}
{{- define "rillcast.accountVolume" -}}
name: account
projected:
  defaultMode: 0440
  sources:
    - serviceAccountToken: { path: token, expirationSeconds: 3600 }
    - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
    - downwardAPI: { items: [{ path: namespace, fieldRef: { fieldPath: metadata.namespace } }] }
{{- end }}

{{- define "rillcast.accountMount" -}}
{ name: account, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true }
{{- end }}

{{/* A part that runs beside the nodes. */}}
{{- define "rillcast.helper" -}}
image: {{ include "rillcast.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- include "rillcast.containerSecurity" . | nindent 2 }}
{{- end }}

{{- define "rillcast.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
