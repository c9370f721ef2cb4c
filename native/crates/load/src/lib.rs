//! Load: many real WebRTC peers (ICE, DTLS, SRTP) in one native thread, against any server.
//!
//! Signalling is Python's (`rillcast/load`); here a peer begins with what an offer and its answer agreed on.
//! Every packet's sequence is checked, a sample is decrypted. Times are microseconds of CLOCK_MONOTONIC, the clock of
//! Python's `time.monotonic()`.

pub mod config;
pub mod copies;
pub mod media;
pub mod peer;
pub mod ports;
pub mod publisher;
pub mod report;
pub mod thread;
pub mod viewer;
