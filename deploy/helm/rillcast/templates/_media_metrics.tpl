{{/*
What autoscalers know of media, by kind and by the name of its target in the values. `name` is what the metric is called
in the API of Kubernetes, `series` what nodes export. Targets are averages per pod. `of` is the setting whose share the
target is, and `limit` its default; `times` turns the series into the unit of that setting.
*/}}
{{- define "rillcast.mediaMetrics" -}}
signaling:
  sockets: { name: rillcast_signaling_sockets, series: rillcast_signaling_sockets }
origin:
  publishers: { name: rillcast_origin_publishers, series: rillcast_origin_publishers }
  ingestShare: &received
    name: rillcast_packets_received_per_second
    series: rillcast_plane_packets_total
    labels: direction="in"
    of: MAX_PPS
    limit: 1000000
  packetShare: &sent
    name: rillcast_packets_sent_per_second
    series: rillcast_plane_packets_total
    labels: direction="out"
    of: MAX_PPS
    limit: 1000000
edge:
  viewers: { name: rillcast_edge_viewers, series: rillcast_edge_viewers }
  packetShare: *sent
  egressShare:
    name: rillcast_bits_sent_per_second
    series: rillcast_plane_bytes_total
    labels: direction="out"
    times: 8
    of: MAX_EGRESS_BPS
    limit: 10000000000
transcoder:
  encoderLoad: { name: rillcast_transcoder_cpu_ratio, series: rillcast_transcoder_cpu_ratio }
  jobs: { name: rillcast_transcoder_jobs, series: rillcast_transcoder_jobs }
license: {}
{{- end }}

{{/* PromQL of one of them, summed. Call it with (dict "metric" it "matchers" labels "by" a clause). */}}
{{- define "rillcast.query" -}}
{{- $matchers := compact (list (default "" .metric.labels) .matchers) | join "," -}}
{{- $series := printf "%s{%s}" .metric.series $matchers -}}
{{- if .metric.of }}{{ $series = printf "rate(%s[1m])" $series }}{{ end -}}
sum({{ $series }}){{ .by }}{{ with .metric.times }} * {{ int . }}{{ end }}
{{- end }}

{{/* The metrics that count for a kind: a list of dicts with `metric` and its `target` in the metric's own unit. */}}
{{- define "rillcast.mediaTargets" -}}
{{- $root := .root }}{{ $own := .own }}{{ $table := index (include "rillcast.mediaMetrics" . | fromYaml) $own.kind }}
{{- range $name, $wanted := default dict $own.autoscaling.media }}
{{- if gt (float64 $wanted) 0.0 }}
{{- $metric := index $table $name }}
{{- $target := float64 $wanted }}
{{- if $metric.of }}
{{- $limit := default $metric.limit (index $root.Values.settings $metric.of) }}
{{- $target = mulf $target (float64 (default $limit (index $own.settings $metric.of))) }}
{{- end }}
- metric: {{ toJson $metric }}
  milli: {{ mulf $target 1000 | int64 | toString | quote }}
{{- end }}
{{- end }}
{{- end }}
