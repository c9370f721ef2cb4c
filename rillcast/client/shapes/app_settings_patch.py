"""Shapes of calls about app settings patch.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from rillcast.client.shapes.common import LadderRung
from rillcast.contracts.words import SpareCodec


class AppSettingsPatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The keys of AppSettings to change. Absent ones stay."""

    aac_encoding_enabled: bool | UnsetType = UNSET
    abr_down_scale_packet_lost_ratio: float | UnsetType = UNSET
    abr_up_scale_jitter_ms: float | UnsetType = UNSET
    abr_up_scale_packet_lost_ratio: float | UnsetType = UNSET
    abr_up_scale_rtt_ms: float | UnsetType = msgspec.field(name="abrUpScaleRTTMs", default=UNSET)
    accept_only_rooms_in_data_store: bool | UnsetType = UNSET
    accept_only_streams_in_data_store: bool | UnsetType = UNSET
    add_date_time_to_hls_file_name: bool | UnsetType = UNSET
    add_date_time_to_mp4_file_name: bool | UnsetType = UNSET
    add_original_muxer_into_hls_playlist: bool | UnsetType = msgspec.field(
        name="addOriginalMuxerIntoHLSPlaylist", default=UNSET
    )
    allowed_publisher_cidr: str | UnsetType = msgspec.field(name="allowedPublisherCIDR", default=UNSET)
    apn_key_id: str | UnsetType | None = UNSET
    apn_private_key: str | UnsetType | None = UNSET
    apn_team_id: str | UnsetType | None = UNSET
    apns_server: str | UnsetType = UNSET
    app_installation_time: int | UnsetType = UNSET
    app_name: str | UnsetType = UNSET
    app_status: str | UnsetType = UNSET
    audio_bitrate_sfu: int | UnsetType = msgspec.field(name="audioBitrateSFU", default=UNSET)
    audio_level_threshold: int | UnsetType = UNSET
    av1_enabled: bool | UnsetType = UNSET
    cluster_communication_key: str | UnsetType = UNSET
    content_security_policy_header_value: str | UnsetType = UNSET
    create_preview_period: int | UnsetType = UNSET
    custom_settings: dict[str, Any] | UnsetType = UNSET
    dash_extra_window_size: str | UnsetType = UNSET
    dash_fragment_duration: str | UnsetType = UNSET
    dash_http_endpoint: str | UnsetType = UNSET
    dash_http_streaming: bool | UnsetType = UNSET
    dash_muxing_enabled: bool | UnsetType = UNSET
    dash_seg_duration: str | UnsetType = UNSET
    dash_window_size: str | UnsetType = UNSET
    data_channel_enabled: bool | UnsetType = UNSET
    data_channel_player_distribution: str | UnsetType = UNSET
    data_channel_web_hook_url: str | UnsetType = msgspec.field(name="dataChannelWebHookURL", default=UNSET)
    delete_dash_files_on_ended: bool | UnsetType = msgspec.field(name="deleteDASHFilesOnEnded", default=UNSET)
    delete_hls_files_on_ended: bool | UnsetType = msgspec.field(name="deleteHLSFilesOnEnded", default=UNSET)
    disable_i_pv6_candidates: bool | UnsetType = UNSET
    drop_web_rtc_ingest_if_no_packet_received: bool | UnsetType = msgspec.field(
        name="dropWebRTCIngestIfNoPacketReceived", default=UNSET
    )
    enable_time_token_for_play: bool | UnsetType = UNSET
    enable_time_token_for_publish: bool | UnsetType = UNSET
    encoder_name: str | UnsetType = UNSET
    encoder_parameters: dict[str, Any] | UnsetType = UNSET
    encoder_selection_preference: str | UnsetType = UNSET
    encoder_settings: list[LadderRung] | UnsetType = UNSET
    encoder_settings_string: str | UnsetType = UNSET
    encoder_thread_count: int | UnsetType = UNSET
    encoder_thread_type: int | UnsetType = UNSET
    encoding_queue_size: int | UnsetType = UNSET
    endpoint_health_check_period_ms: int | UnsetType = UNSET
    endpoint_republish_limit: int | UnsetType = UNSET
    excessive_bandwidth_algorithm_enabled: bool | UnsetType = UNSET
    excessive_bandwidth_call_threshold: int | UnsetType = UNSET
    excessive_bandwidth_value: int | UnsetType = UNSET
    excessive_bandwith_try_count_before_switchback: int | UnsetType = UNSET
    file_name_format: str | UnsetType = UNSET
    firebase_account_key_json: str | UnsetType | None = msgspec.field(name="firebaseAccountKeyJSON", default=UNSET)
    force_aspect_ratio_in_transcoding: bool | UnsetType = UNSET
    force_decoding: bool | UnsetType = UNSET
    generate_preview: bool | UnsetType = UNSET
    gop_size: int | UnsetType = UNSET
    h264_enabled: bool | UnsetType = UNSET
    h265_enabled: bool | UnsetType = UNSET
    hash_control_play_enabled: bool | UnsetType = UNSET
    hash_control_publish_enabled: bool | UnsetType = UNSET
    height_rtmp_forwarding: int | UnsetType = UNSET
    hls_enabled_via_dash: bool | UnsetType = UNSET
    hls_encryption_key_info_file: str | UnsetType = UNSET
    hls_http_endpoint: str | UnsetType = UNSET
    hls_list_size: str | UnsetType = UNSET
    hls_muxing_enabled: bool | UnsetType = UNSET
    hls_play_list_type: str | UnsetType = UNSET
    hls_segment_file_suffix_format: str | UnsetType = UNSET
    hls_segment_type: str | UnsetType = UNSET
    hls_time: str | UnsetType = UNSET
    hlsflags: str | UnsetType = UNSET
    http_forwarding_base_url: str | UnsetType = msgspec.field(name="httpForwardingBaseURL", default=UNSET)
    http_forwarding_extension: str | UnsetType = UNSET
    hw_decoder_enabled: bool | UnsetType = UNSET
    hw_scaling_enabled: bool | UnsetType = UNSET
    ice_gathering_timeout_ms: int | UnsetType = UNSET
    id3_tag_enabled: bool | UnsetType = UNSET
    ingesting_stream_limit: int | UnsetType = UNSET
    ip_filter_enabled: bool | UnsetType = UNSET
    jwks_url: str | UnsetType = msgspec.field(name="jwksURL", default=UNSET)
    jwt_control_enabled: bool | UnsetType = UNSET
    jwt_secret_key: str | UnsetType = UNSET
    jwt_stream_secret_key: str | UnsetType = UNSET
    l_l_dash_enabled: bool | UnsetType = UNSET
    l_lhls_enabled: bool | UnsetType = msgspec.field(name="lLHLSEnabled", default=UNSET)
    listener_hook_url: str | UnsetType = msgspec.field(name="listenerHookURL", default=UNSET)
    max_analyze_duration_ms: int | UnsetType = msgspec.field(name="maxAnalyzeDurationMS", default=UNSET)
    max_audio_track_count: int | UnsetType = UNSET
    max_fps_accept: int | UnsetType = UNSET
    max_resolution_accept: int | UnsetType = UNSET
    max_video_track_count: int | UnsetType = UNSET
    mp4_muxing_enabled: bool | UnsetType = UNSET
    muxer_finish_script: str | UnsetType = UNSET
    my_sql_client_path: str | UnsetType = UNSET
    origin_edge_idle_timeout: int | UnsetType = UNSET
    packet_loss_diff_threshold_for_switchback: float | UnsetType = UNSET
    participant_visibility_matrix: dict[str, Any] | UnsetType = UNSET
    play_jwt_control_enabled: bool | UnsetType = UNSET
    play_token_control_enabled: bool | UnsetType = UNSET
    play_web_rtc_stream_once_for_each_session: bool | UnsetType = msgspec.field(
        name="playWebRTCStreamOnceForEachSession", default=UNSET
    )
    port_allocator_flags: int | UnsetType = UNSET
    preview_format: str | UnsetType = UNSET
    preview_height: int | UnsetType = UNSET
    preview_overwrite: bool | UnsetType = UNSET
    preview_quality: int | UnsetType = UNSET
    publish_jwt_control_enabled: bool | UnsetType = UNSET
    publish_token_control_enabled: bool | UnsetType = UNSET
    pull_war_file: bool | UnsetType = UNSET
    recording_subfolder: str | UnsetType | None = UNSET
    relay_rtmp_meta_data_to_muxers: bool | UnsetType = msgspec.field(name="relayRTMPMetaDataToMuxers", default=UNSET)
    remote_allowed_cidr: str | UnsetType = msgspec.field(name="remoteAllowedCIDR", default=UNSET)
    replace_candidate_addr_with_server_addr: bool | UnsetType = UNSET
    restart_stream_fetcher_period: int | UnsetType = UNSET
    rtmp_ingest_buffer_time_ms: int | UnsetType = UNSET
    rtmp_playback_enabled: bool | UnsetType = UNSET
    rtsp_pull_transport_type: str | UnsetType = UNSET
    rtsp_timeout_duration_ms: int | UnsetType = UNSET
    rtt_measurement_diff_threshold_for_switchback: float | UnsetType = UNSET
    s3_access_key: str | UnsetType = UNSET
    s3_bucket_name: str | UnsetType = UNSET
    s3_cache_control: str | UnsetType = UNSET
    s3_endpoint: str | UnsetType = UNSET
    s3_path_style_access_enabled: bool | UnsetType = UNSET
    s3_permission: str | UnsetType = UNSET
    s3_previews_folder_path: str | UnsetType = UNSET
    s3_recording_enabled: bool | UnsetType = UNSET
    s3_region_name: str | UnsetType = UNSET
    s3_secret_key: str | UnsetType = UNSET
    s3_storage_class: str | UnsetType = UNSET
    s3_streams_folder_path: str | UnsetType = UNSET
    s3_transfer_buffer_size_in_bytes: int | UnsetType = UNSET
    secure_analytic_endpoint: bool | UnsetType = UNSET
    send_audio_level_to_viewers: bool | UnsetType = UNSET
    signaling_address: str | UnsetType = UNSET
    signaling_enabled: bool | UnsetType = UNSET
    srt_receive_latency_in_ms: int | UnsetType = UNSET
    start_stream_fetcher_automatically: bool | UnsetType = UNSET
    stats_based_abr_enabled: bool | UnsetType = msgspec.field(name="statsBasedABREnabled", default=UNSET)
    stream_ended_script: str | UnsetType = UNSET
    stream_fetcher_buffer_time: int | UnsetType = UNSET
    stream_idle_timeout_script: str | UnsetType = UNSET
    stream_started_script: str | UnsetType = UNSET
    stun_server_uri: str | UnsetType = msgspec.field(name="stunServerURI", default=UNSET)
    sub_folder: str | UnsetType = UNSET
    subscriber_authentication_key: str | UnsetType = UNSET
    target_latency: str | UnsetType = UNSET
    time_token_period: int | UnsetType = UNSET
    time_token_secret_for_play: str | UnsetType | None = UNSET
    time_token_secret_for_publish: str | UnsetType | None = UNSET
    token_hash_secret: str | UnsetType = UNSET
    turn_server_credential: str | UnsetType = UNSET
    turn_server_username: str | UnsetType = UNSET
    update_time: int | UnsetType = UNSET
    upload_extensions_to_s3: int | UnsetType = UNSET
    use_original_web_rtc_enabled: bool | UnsetType = msgspec.field(name="useOriginalWebRTCEnabled", default=UNSET)
    use_timeline_dash_muxing: bool | UnsetType = UNSET
    vod_upload_finish_script: str | UnsetType = UNSET
    vp8_enabled: bool | UnsetType = UNSET
    vp8_encoder_thread_count: int | UnsetType = UNSET
    war_file_origin_server_address: str | UnsetType = UNSET
    web_m_muxing_enabled: bool | UnsetType = UNSET
    web_rtc_client_start_timeout_ms: int | UnsetType = msgspec.field(name="webRTCClientStartTimeoutMs", default=UNSET)
    web_rtc_enabled: bool | UnsetType = msgspec.field(name="webRTCEnabled", default=UNSET)
    web_rtc_frame_rate: int | UnsetType = msgspec.field(name="webRTCFrameRate", default=UNSET)
    web_rtc_keyframe_time: int | UnsetType = msgspec.field(name="webRTCKeyframeTime", default=UNSET)
    web_rtc_port_range_max: int | UnsetType = msgspec.field(name="webRTCPortRangeMax", default=UNSET)
    web_rtc_port_range_min: int | UnsetType = msgspec.field(name="webRTCPortRangeMin", default=UNSET)
    web_rtc_sdp_semantics: str | UnsetType = msgspec.field(name="webRTCSdpSemantics", default=UNSET)
    web_rtc_tcp_candidates_enabled: bool | UnsetType = msgspec.field(name="webRTCTcpCandidatesEnabled", default=UNSET)
    web_rtc_viewer_limit: int | UnsetType = msgspec.field(name="webRTCViewerLimit", default=UNSET)
    webhook_authenticate_url: str | UnsetType = msgspec.field(name="webhookAuthenticateURL", default=UNSET)
    webhook_content_type: str | UnsetType = UNSET
    webhook_play_auth_url: str | UnsetType = UNSET
    webhook_retry_count: int | UnsetType = UNSET
    webhook_retry_delay: int | UnsetType = UNSET
    webhook_stream_status_update_period_ms: int | UnsetType = UNSET
    write_stats_to_datastore: bool | UnsetType = UNSET
    write_subscriber_events_to_datastore: bool | UnsetType = UNSET
    vp9_enabled: bool | UnsetType = UNSET
    strict_codecs: list[SpareCodec] | UnsetType = UNSET
    always_encode: bool | UnsetType = UNSET
    backup_stream_id: str | UnsetType = UNSET
    backup_after_ms: int | UnsetType = UNSET
    backup_longest_s: int | UnsetType = UNSET
    max_ingest_bitrate_bps: int | UnsetType = UNSET
    turn_secret: str | UnsetType = UNSET
    turn_credential_life_s: int | UnsetType = UNSET
    publish_token_secret: str | UnsetType = UNSET
    play_token_secret: str | UnsetType = UNSET
    token_max_life_s: int | UnsetType = UNSET
    time_token_separator: str | UnsetType = UNSET
    webhook_secret: str | UnsetType = UNSET
    jwt_audience: str | UnsetType = UNSET
