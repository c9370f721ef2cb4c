//! Sender and receiver together.
