"""The room of webhooks that are told what happens: streams that start and end, viewers that come and go."""
