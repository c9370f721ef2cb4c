{{/* Values that contradict each other end `helm template` with sentences that say which, all of them at once. */}}
{{- define "rillcast.validate" -}}
{{- $faults := list }}
{{- $values := .Values }}
{{- $signaling := include "rillcast.kind" (list . "signaling") | fromYaml }}
{{- $license := include "rillcast.kind" (list . "license") | fromYaml }}
{{- range $kind := include "rillcast.kinds" . | fromYamlArray }}
{{- $own := include "rillcast.kind" (list $ $kind) | fromYaml }}
{{- $faults = concat $faults (include "rillcast.validateKind" (dict "root" $ "own" $own) | fromYamlArray) }}
{{- end }}
{{- $faults = concat $faults (include "rillcast.validatePorts" . | fromYamlArray) }}

{{- if and .Values.nats.builtIn .Values.nats.url }}
{{- $faults = append $faults "nats.url names your own NATS, so nats.builtIn must be false" }}
{{- end }}
{{- if not (or .Values.nats.builtIn .Values.nats.url) }}
{{- $faults = append $faults "nats.builtIn is false, so nats.url must name your own NATS" }}
{{- end }}
{{- if and .Values.nats.builtIn (gt (int .Values.nats.copies) 1) }}
{{- $faults = append $faults (printf
  "nats.copies is %d, but the NATS of this chart is one server: set nats.url to a cluster of your own"
  (int .Values.nats.copies)) }}
{{- end }}
{{- if and .Values.nats.builtIn .Values.nats.caSecret }}
{{- $faults = append $faults
  "nats.caSecret is for your own NATS; that of this chart has the certificate that is made with the keys" }}
{{- end }}
{{- if eq .Values.discovery "consul" }}
{{- if and .Values.consul.builtIn .Values.consul.url }}
{{- $faults = append $faults "consul.url names your own Consul, so consul.builtIn must be false" }}
{{- end }}
{{- if not (or .Values.consul.builtIn .Values.consul.url) }}
{{- $faults = append $faults
  "consul.builtIn is false, so consul.url must name your own Consul, or discovery must be nats" }}
{{- end }}
{{- if and .Values.consul.builtIn .Values.consul.caSecret }}
{{- $faults = append $faults
  "consul.caSecret is for your own Consul; that of this chart has the certificate that is made with the keys" }}
{{- end }}
{{- else if .Values.consul.url }}
{{- $faults = append $faults "consul.url is of no use with discovery nats" }}
{{- end }}

{{- $doors := list }}
{{- if .Values.ingress.enabled }}{{ $doors = append $doors "ingress" }}{{ end }}
{{- if .Values.gateway.enabled }}{{ $doors = append $doors "gateway" }}{{ end }}
{{- range $doors }}
{{- if not $values.hosts }}
{{- $faults = append $faults (printf "%s is enabled, but hosts is empty: it would lead nobody to signaling" .) }}
{{- end }}
{{- if not $signaling.settings.TRUSTED_PROXIES }}
{{- $faults = append $faults (printf
  "%s is enabled, but signaling.settings.TRUSTED_PROXIES is not set: all clients behind the proxy would count as one, and share the limits of one address"
  .) }}
{{- end }}
{{- if $signaling.tlsSecret }}
{{- $faults = append $faults (printf
  "%s is enabled, and so speaks TLS for signaling: signaling.tlsSecret makes signaling lead its requests to https, in a circle"
  .) }}
{{- end }}
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) }}
{{- $faults = append $faults "gateway is enabled, but gateway.parentRefs names no Gateway" }}
{{- end }}
{{- if and (eq .Values.autoscaling.by "keda") .Values.autoscaling.adapterRules }}
{{- $faults = append $faults "autoscaling.adapterRules is for prometheus-adapter, but autoscaling.by is keda" }}
{{- end }}
{{- if and $license.documentSecret (not $license.settings.PUBLIC_KEY) }}
{{- $faults = append $faults
  "license.documentSecret is set, but license.settings.PUBLIC_KEY is not: without the issuer's key no license document is accepted" }}
{{- end }}
{{- if $faults }}
{{- fail (printf "\n\nthese values cannot be:\n- %s\n" (join "\n- " $faults)) }}
{{- end }}
{{- end }}

{{/* The faults of one kind of node, as a list of sentences. */}}
{{- define "rillcast.validateKind" -}}
{{- $root := .root }}{{ $own := .own }}{{ $values := .root.Values }}{{ $kind := .own.kind }}{{ $faults := list }}
{{- $needed := add (int $own.preStopSeconds) (int $values.drain.deadlineSeconds) 15 }}
{{- if lt (int $values.drain.graceSeconds) (int $needed) }}
{{- $faults = append $faults (printf
  "drain.graceSeconds is %d, but %s needs %d: %d s before SIGTERM (preStopSeconds), %d s to drain (drain.deadlineSeconds) and 15 s to end"
  (int $values.drain.graceSeconds) $kind (int $needed) (int $own.preStopSeconds) (int $values.drain.deadlineSeconds)) }}
{{- end }}
{{- if and (not $own.mediaPort) (ne $own.network "pod") }}
{{- $faults = append $faults (printf
  "%s.network is %s, but clients send no media to %s: it must be pod"
  $kind $own.network $kind) }}
{{- end }}
{{- if and (not $own.mediaPort) (ne $own.advertise "internal") }}
{{- $faults = append $faults (printf
  "%s.advertise is %s, but clients send no media to %s: it must be internal"
  $kind $own.advertise $kind) }}
{{- end }}
{{- if ne (eq $own.network "loadBalancer") (eq $own.advertise "loadBalancer") }}
{{- $faults = append $faults (printf
  "%s.network is %s and %s.advertise is %s: either both are loadBalancer, or none is"
  $kind $own.network $kind $own.advertise) }}
{{- end }}
{{- if and (eq $own.network "pod") (eq $own.advertise "external") }}
{{- $faults = append $faults (printf
  "%s.network is pod, so the machine's external address leads to no pod: %s.network must be host or hostPort for %s.advertise external"
  $kind $kind $kind) }}
{{- end }}
{{- if and (eq $own.advertise "addresses") (not $own.advertiseAddresses) }}
{{- $faults = append $faults (printf "%s.advertise is addresses, but %s.advertiseAddresses is empty" $kind $kind) }}
{{- end }}
{{- if and $own.advertiseAddresses (ne $own.advertise "addresses") }}
{{- $faults = append $faults (printf
  "%s.advertiseAddresses is set, but %s.advertise is %s: nobody would be told them"
  $kind $kind $own.advertise) }}
{{- end }}
{{- if and (eq $own.advertise "addresses") (or $own.autoscaling.enabled (gt (int $own.replicas) 1)) }}
{{- $faults = append $faults (printf
  "%s.advertise is addresses, which are the same for each pod, but there may be more than one pod of %s"
  $kind $kind) }}
{{- end }}
{{- if and (eq $own.network "loadBalancer") (gt (int (default 0 $own.settings.ICE_TCP_CONNECTIONS)) 0) }}
{{- $faults = append $faults (printf
  "%s.settings.ICE_TCP_CONNECTIONS is set, but the load balancers of pods take UDP only"
  $kind) }}
{{- end }}
{{- if and (eq $own.network "loadBalancer") $values.deletionCost.enabled }}
{{- $faults = append $faults (printf
  "%s.network is loadBalancer, so that its pods are a StatefulSet, which always ends the last one: deletionCost cannot be enabled"
  $kind) }}
{{- end }}
{{- if and (eq $own.network "host") $values.networkPolicy.enabled (not $values.networkPolicy.machineCidrs) }}
{{- $faults = append $faults (printf
  "%s.network is host and networkPolicy is enabled, but networkPolicy.machineCidrs is empty: %s would not reach NATS"
  $kind $kind) }}
{{- end }}
{{- $given := index (default dict $own.resources) "requests" | default dict }}
{{- if and $own.autoscaling.schedule (not $own.autoscaling.enabled) }}
{{- $faults = append $faults (printf "%s.autoscaling.schedule is set, but %s.autoscaling.enabled is false" $kind $kind) }}
{{- end }}
{{- if $own.autoscaling.enabled }}
{{- $media := include "rillcast.mediaTargets" . | fromYamlArray }}
{{- if lt (int $own.autoscaling.maxReplicas) (int $own.autoscaling.minReplicas) }}
{{- $faults = append $faults (printf
  "%s.autoscaling.maxReplicas is %d, which is less than minReplicas, %d"
  $kind (int $own.autoscaling.maxReplicas) (int $own.autoscaling.minReplicas)) }}
{{- end }}
{{- if not (or $own.autoscaling.cpu $own.autoscaling.memory $media) }}
{{- $faults = append $faults (printf "%s.autoscaling is enabled, but no measure of it is more than 0" $kind) }}
{{- end }}
{{- range $resource := list "cpu" "memory" }}
{{- if and (index $own.autoscaling $resource) (not (index $given $resource)) }}
{{- $faults = append $faults (printf
  "%s.autoscaling.%s is a percentage of what is requested, but %s.resources.requests.%s is missing"
  $kind $resource $kind $resource) }}
{{- end }}
{{- end }}
{{- if and $own.autoscaling.schedule (ne $values.autoscaling.by "keda") }}
{{- $faults = append $faults (printf
  "%s.autoscaling.schedule is for KEDA, but autoscaling.by is %s: HorizontalPodAutoscalers know no time"
  $kind $values.autoscaling.by) }}
{{- end }}
{{- range $own.autoscaling.schedule }}
{{- if gt (int .replicas) (int $own.autoscaling.maxReplicas) }}
{{- $faults = append $faults (printf
  "%s.autoscaling.schedule wants %d pods, which is more than maxReplicas, %d"
  $kind (int .replicas) (int $own.autoscaling.maxReplicas)) }}
{{- end }}
{{- end }}
{{- if and $media (eq $values.autoscaling.by "keda") (not $values.autoscaling.prometheusUrl) }}
{{- $faults = append $faults (printf
  "%s.autoscaling.media is measured by KEDA, but autoscaling.prometheusUrl is empty"
  $kind) }}
{{- end }}
{{- end }}
{{- toYaml $faults }}
{{- end }}

{{/* Ports that pods on one machine, or the workers of one pod, would both take. */}}
{{- define "rillcast.validatePorts" -}}
{{- $faults := list }}{{ $taken := dict }}
{{- range $kind := include "rillcast.kinds" . | fromYamlArray }}
{{- $own := include "rillcast.kind" (list $ $kind) | fromYaml }}
{{- $space := ternary "the machine" (printf "%s-pod" $kind) (eq $own.network "host") }}
{{- range $which := list "adminPort" "relayPort" "mediaPort" }}
{{- with index $own $which }}
{{- $protocol := ternary "TCP" "UDP" (eq $which "adminPort") }}
{{- range $worker := until (ternary 1 (int $own.workers) (eq $which "adminPort")) }}
{{- $port := add (int (index $own $which)) $worker }}
{{- $here := ternary "the machine" $space (and (eq $which "mediaPort") $own.onMachine) }}
{{- $key := printf "%s %s %d" $here $protocol (int $port) }}
{{- $mine := printf "%s.%s" $kind $which }}
{{- with index $taken $key }}
{{- $faults = append $faults (printf
  "%s and %s both take port %d/%s%s"
  . $mine (int $port) $protocol (ternary " of their machine" "" (eq $here "the machine"))) }}
{{- end }}
{{- $_ := set $taken $key $mine }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml ($faults | uniq) }}
{{- end }}
