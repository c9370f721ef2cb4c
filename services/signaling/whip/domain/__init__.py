"""Names of WHIP and WHEP sessions."""
