"""Who is there: heartbeats, the directory of the living nodes, and `Discovery` on Consul or on the bus alone."""
