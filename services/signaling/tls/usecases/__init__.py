"""Gets certificates and keeps them fresh."""
