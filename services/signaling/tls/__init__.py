"""TLS of the public listener: where its certificate comes from, and what the plain listener says instead."""
