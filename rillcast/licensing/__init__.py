"""The cluster license: the signed document, and the signed report of its use. No I/O."""
