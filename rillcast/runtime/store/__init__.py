"""`KeyValue` on JetStream, and following a bucket for as long as a node lives."""
