"""Where Ant Media's pages are, which people have in their bookmarks and on their sites, and which of ours does it."""

from __future__ import annotations

from collections.abc import Mapping

_OURS: Mapping[str, tuple[str, ...]] = {
    "publish.html": (
        "publish_webrtc",
        "publish_webrtc_frame",
        "publish_webrtc_new",
        "publish_webrtc_virtual_background",
        "publish_webrtc_virtual_background_frame",
        "publish_webrtc_deep_ar_effects",
        "publish_webrtc_deep_ar_effects_frame",
        "publish_with_timestamp",
        "publish_audio",
        "audio_publish",
        "camera_plus_screen",
        "custom_video_source_demo",
        "whip",
    ),
    "watch.html": (
        "player",
        "play",
        "play_webrtc",
        "play_audio",
        "play_embed",
        "embededplay",
        "cam_play",
        "audio_player",
        "player_with_timestamp",
        "whep",
    ),
    "index.html": ("samples", "index", "index-new"),
}
_ABSENT: Mapping[str, tuple[str, ...]] = {
    "Conference rooms are not served here.": (
        "conference",
        "conference-deprecated",
        "conference-enter",
        "conference-room",
        "multitrack-conference",
        "multitrack-conference-frame",
        "multitrack-conference-experimental",
        "multitrack-play",
        "multitrackplayer",
        "merge_streams",
        "mcu",
        "student-room",
        "teacher-room",
    ),
    "Calls between two clients are not served here.": ("peer", "multipeerplay"),
    "Data channels are not served here.": (
        "chat",
        "datachannel",
        "datachannel_example",
        "datachannel_only_webrtc_frame",
        "canvas-publish",
        "canvas-player",
    ),
    "Push notifications are not served here.": ("push-notification-register-and-send-draft",),
}
LEADS_TO: Mapping[str, str] = {f"{name}.html": page for page, names in _OURS.items() for name in names}
SAMPLES = "samples"
"""Their folder of pages, to which they link without a slash as well."""
"""Ours for each of theirs, by the file's name; they lie in the folder of the app or in ``samples`` below it."""
ABSENT: Mapping[str, str] = {f"{name}.html": words for words, names in _ABSENT.items() for name in names}
"""Why there is none for the others, in words."""
