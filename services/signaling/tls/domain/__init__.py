"""When a certificate is to be renewed, and what is answered to requests without TLS. No I/O, no clock."""
