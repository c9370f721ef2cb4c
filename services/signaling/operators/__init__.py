"""Who may operate this cluster: accounts, sessions, tokens, and what each role may do."""
