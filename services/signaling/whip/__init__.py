"""The room of WHIP (RFC 9725) and WHEP."""
