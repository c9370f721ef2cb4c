"""What becomes of a session that was opened over HTTP."""
