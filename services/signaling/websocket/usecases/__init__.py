"""What one socket and all sockets together do."""
