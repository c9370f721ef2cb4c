"""What every room of signaling uses: who a client is, who may do what, where sessions go. Knows no room."""
