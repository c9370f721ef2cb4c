"""What every media node (origin, edge, transcoder) is made of around its own work: load, addresses, events of the
media plane, background tasks."""
