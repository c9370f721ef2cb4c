{{/* The environment of a node. Call it with (dict "root" $ "own" the values of the kind). */}}
{{- define "rillcast.env" -}}
{{- $root := .root }}{{ $own := .own }}{{ $values := .root.Values }}
{{- $prefix := printf "RILLCAST_%s" (upper $own.kind) }}
- { name: RILLCAST_NODE_ID, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
- { name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
- { name: RILLCAST_ADMIN_HOST, value: $(POD_IP) }
- { name: RILLCAST_ADMIN_PORT, value: {{ $own.adminPort | int | quote }} }
- { name: RILLCAST_ADVERTISE_ADDRESS, value: $(POD_IP) }
- { name: RILLCAST_DRAIN_TIMEOUT_S, value: {{ $values.drain.deadlineSeconds | int | quote }} }
- { name: RILLCAST_DISCOVERY, value: {{ $values.discovery }} }
- { name: RILLCAST_NATS_URL, value: {{ include "rillcast.natsUrl" $root | quote }} }
- { name: RILLCAST_NATS_NKEY_FILE, value: /run/rillcast/nats.nkey }
- { name: RILLCAST_NATS_CA, value: {{ if $values.nats.caSecret }}/run/nats-ca/ca.crt{{ else }}/run/rillcast/ca.pem{{ end }} }
- { name: RILLCAST_KV_REPLICAS, value: {{ $values.nats.copies | int | quote }} }
{{- with $values.nats.serverName }}
- { name: RILLCAST_NATS_SERVER_NAME, value: {{ . }} }
{{- end }}
{{- if eq $values.discovery "consul" }}
- { name: RILLCAST_CONSUL_URL, value: {{ include "rillcast.consulUrl" $root | quote }} }
- { name: RILLCAST_CONSUL_TOKEN_FILE, value: /run/rillcast/consul.token }
- name: RILLCAST_CONSUL_CA
  value: {{ if $values.consul.caSecret }}/run/consul-ca/ca.crt{{ else }}/run/rillcast/ca.pem{{ end }}
{{- end }}
{{- if $own.asksPlace }}
- { name: RILLCAST_REGION_FILE, value: /run/place/region }
- { name: RILLCAST_ZONE_FILE, value: /run/place/zone }
{{- else }}
{{- with $values.topology.region }}
- { name: RILLCAST_REGION, value: {{ . | quote }} }
{{- end }}
{{- with $values.topology.zone }}
- { name: RILLCAST_ZONE, value: {{ . | quote }} }
{{- end }}
{{- end }}
{{- if $own.isMedia }}
- { name: {{ $prefix }}_RELAY_BIND, value: $(POD_IP) }
- { name: {{ $prefix }}_RELAY_PORT, value: {{ $own.relayPort | int | quote }} }
{{- end }}
{{- if $own.mediaPort }}
- { name: {{ $prefix }}_MEDIA_PORT, value: {{ $own.mediaPort | int | quote }} }
{{- if eq $own.advertise "addresses" }}
- { name: {{ $prefix }}_ADVERTISE_MEDIA_ADDRESSES, value: {{ join "," $own.advertiseAddresses | quote }} }
{{- else if and (eq $own.advertise "internal") (eq $own.network "hostPort") }}
- { name: {{ $prefix }}_ADVERTISE_MEDIA_ADDRESSES, valueFrom: { fieldRef: { fieldPath: status.hostIP } } }
{{- else if has $own.advertise (list "external" "loadBalancer") }}
- { name: {{ $prefix }}_ADVERTISE_MEDIA_ADDRESSES_FILE, value: /run/place/media-addresses }
{{- end }}
{{- end }}
{{- if eq $own.kind "signaling" }}
- { name: RILLCAST_SIGNALING_PORT, value: "5080" }
- { name: RILLCAST_SIGNALING_LOCAL_TOKEN_PATH, value: /tmp/rillcast-operator-token }
{{- with $values.hosts }}
- { name: RILLCAST_SIGNALING_ALLOWED_HOSTS, value: {{ join "," . | quote }} }
{{- end }}
{{- if or $own.operatorSecret $values.keys.generate }}
- { name: RILLCAST_SIGNALING_ADMIN_PASSWORD_FILE, value: /run/operator/password }
{{- end }}
{{- if $own.apps }}
- { name: RILLCAST_SIGNALING_APPS_FILE, value: /etc/rillcast/apps.json }
{{- end }}
{{- if $own.tlsSecret }}
- { name: RILLCAST_SIGNALING_TLS_PORT, value: "5443" }
- { name: RILLCAST_SIGNALING_PUBLIC_TLS_PORT, value: "443" }
- { name: RILLCAST_SIGNALING_TLS_CERTIFICATE, value: /run/tls/tls.crt }
- { name: RILLCAST_SIGNALING_TLS_KEY, value: /run/tls/tls.key }
{{- end }}
{{- end }}
{{- if eq $own.kind "license" }}
- { name: RILLCAST_TOOLS_NATS_NKEY_FILE, value: /run/rillcast-tools/nats.nkey }
{{- if $own.documentSecret }}
- { name: RILLCAST_LICENSE_FILE, value: /run/license/license.jwt }
{{- end }}
{{- end }}
{{- range $field, $value := $values.settings }}
- { name: RILLCAST_{{ $field }}, value: {{ include "rillcast.number" $value | quote }} }
{{- end }}
{{- range $field, $value := $own.settings }}
- { name: {{ $prefix }}_{{ $field }}, value: {{ include "rillcast.number" $value | quote }} }
{{- end }}
{{- range $field, $at := $own.secretSettings }}
- { name: {{ $prefix }}_{{ $field }}, valueFrom: { secretKeyRef: { name: {{ $at.name }}, key: {{ $at.key }} } } }
{{- end }}
{{- end }}

{{- define "rillcast.natsUrl" -}}
{{- ternary (printf "tls://%s-nats:4222" (include "rillcast.fullname" .)) .Values.nats.url .Values.nats.builtIn -}}
{{- end }}

{{- define "rillcast.consulUrl" -}}
{{- $own := printf "https://%s-consul:8501" (include "rillcast.fullname" .) -}}
{{- ternary $own .Values.consul.url .Values.consul.builtIn -}}
{{- end }}

{{/* What a node reads from files: a list of dicts with `name`, `path`, and `secret` or `configMap`. */}}
{{- define "rillcast.files" -}}
{{- $root := .root }}{{ $own := .own }}{{ $values := .root.Values }}{{ $prefix := include "rillcast.keysPrefix" .root }}
- { name: keys, path: /run/rillcast, secret: {{ default (printf "%s-%s" $prefix $own.kind) $own.keysSecret }} }
{{- with $values.nats.caSecret }}
- { name: nats-ca, path: /run/nats-ca, secret: {{ . }} }
{{- end }}
{{- if eq $values.discovery "consul" }}
{{- with $values.consul.caSecret }}
- { name: consul-ca, path: /run/consul-ca, secret: {{ . }} }
{{- end }}
{{- end }}
{{- if eq $own.kind "signaling" }}
{{- if or $own.operatorSecret $values.keys.generate }}
- { name: operator, path: /run/operator, secret: {{ default (printf "%s-operator" $prefix) $own.operatorSecret }} }
{{- end }}
{{- with $own.tlsSecret }}
- { name: tls, path: /run/tls, secret: {{ . }} }
{{- end }}
{{- if $own.apps }}
- { name: apps, path: /etc/rillcast, configMap: {{ $own.name }}-apps }
{{- end }}
{{- end }}
{{- if eq $own.kind "license" }}
- { name: tools, path: /run/rillcast-tools, secret: {{ $prefix }}-tools }
{{- with $own.documentSecret }}
- { name: license, path: /run/license, secret: {{ . }} }
{{- end }}
{{- end }}
{{- end }}

{{/* The ports of a node: a list as in a container. */}}
{{- define "rillcast.ports" -}}
{{- $own := .own }}{{ $host := eq $own.network "host" }}
- { name: admin, containerPort: {{ int $own.adminPort }}{{ if $host }}, hostPort: {{ int $own.adminPort }}{{ end }} }
{{- if eq $own.kind "signaling" }}
- { name: http, containerPort: 5080 }
{{- if $own.tlsSecret }}
- { name: https, containerPort: 5443 }
{{- end }}
{{- end }}
{{- range $worker := until (int $own.workers) }}
{{- if $own.isMedia }}
{{- $relay := add (int $own.relayPort) $worker }}
- name: relay-{{ $worker }}
  containerPort: {{ $relay }}
  protocol: UDP
  {{- if $host }}
  hostPort: {{ $relay }}
  {{- end }}
{{- end }}
{{- if $own.mediaPort }}
{{- $media := add (int $own.mediaPort) $worker }}
{{- $byTcp := gt (int (default 0 $own.settings.ICE_TCP_CONNECTIONS)) 0 }}
{{- range $protocol := ternary (list "UDP" "TCP") (list "UDP") $byTcp }}
- name: {{ ternary "media" "mtcp" (eq $protocol "UDP") }}-{{ $worker }}
  containerPort: {{ $media }}
  protocol: {{ $protocol }}
  {{- if $own.onMachine }}
  hostPort: {{ $media }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
