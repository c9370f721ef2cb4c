"""Metrics that are for whoever looks for a fault, and that no dashboard or alert needs to show. Every other metric is
shown by one. Names as Prometheus has them; for histograms without the suffixes."""

from __future__ import annotations

DIAGNOSTIC: frozenset[str] = frozenset(
    {
        "rillcast_background_tasks_refused_total",
        "rillcast_background_tasks_running",
        "rillcast_background_tasks_waiting",
        "rillcast_edge_plane_commands_dropped_total",
        "rillcast_edge_relay_standbys",
        "rillcast_garbage_collection_seconds",
        "rillcast_kv_buckets_created_total",
        "rillcast_kv_follow_retries_total",
        "rillcast_kv_watch_restarts_total",
        "rillcast_lease_no_record_total",
        "rillcast_node_answers_refused_total",
        "rillcast_node_events_unchecked_total",
        "rillcast_node_vouches_total",
        "rillcast_service_manager_failures_total",
        "rillcast_signaling_ambiguous_subscribers_total",
        "rillcast_signaling_events_written_total",
        "rillcast_signaling_first_frames_total",
        "rillcast_signaling_holds_late",
        "rillcast_signaling_kept_offers_bytes",
        "rillcast_signaling_not_served_total",
        "rillcast_signaling_player_reports_unwritten_total",
        "rillcast_signaling_previews_total",
        "rillcast_signaling_reservations_displaced_total",
        "rillcast_signaling_short_subscriber_secrets_total",
        "rillcast_signaling_undeclared_proxies_total",
        "rillcast_transcoder_picture_processes_lost_total",
        "rillcast_transcoder_preview_seconds",
        "rillcast_transcoder_previews_total",
    }
)
