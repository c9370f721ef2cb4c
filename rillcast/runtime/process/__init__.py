"""The life of a process: settings to exit code, signals, readiness, the admin listener, the seat under the license."""
