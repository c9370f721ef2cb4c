"""Files, the store, certificate authorities and HTTP, as TLS needs them."""
