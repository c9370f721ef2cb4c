"""What webhooks are told, and how it is written."""
