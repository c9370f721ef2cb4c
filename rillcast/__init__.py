"""Rillcast: clustered WebRTC live streaming. Start at docs/architecture.md."""
