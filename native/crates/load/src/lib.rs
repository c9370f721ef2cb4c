//! Load: many real WebRTC peers (ICE, DTLS, SRTP) in one native thread, against any server.
//!
//! Signalling is Python's (`rillcast/load`); here a peer begins with what an offer and its answer agreed on.
//! Two kinds of viewers: `viewer` is cheap, for thousands; `browser` sits behind a simulated link and answers as a
//! browser does.
//!
//! Every packet's sequence is checked, a sample is decrypted. Times are microseconds of CLOCK_MONOTONIC, the clock of
//! Python's `time.monotonic()`.

pub mod browser;
pub mod clock;
pub mod config;
pub mod copies;
pub mod failure;
pub mod link;
pub mod media;
pub mod member;
pub mod nacks;
pub mod peer;
pub mod pictures;
pub mod ports;
pub mod publisher;
pub mod receiving;
pub mod reception;
pub mod remb;
pub mod report;
pub mod thread;
pub mod viewer;
