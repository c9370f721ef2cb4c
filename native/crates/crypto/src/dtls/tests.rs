//! DTLS pairs in one process, under a clock that only moves when told.
