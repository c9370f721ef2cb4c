//! What each fuzz target does with an input. A target takes any bytes at all and panics when a promise is broken.
//!
//! `native/fuzz` looks for inputs with libFuzzer and sanitizers; `tests/inputs.rs` replays the kept ones without. So the
//! two can't drift apart, and a plain `cargo test` shows a fault that the fuzzer once found.

mod bwe;
mod codec;
mod dtls;
mod framing;
mod rtcp;
mod rtp;
mod srtp;
mod stun;
mod worker;

/// A target: what is to be done with one input.
pub type Target = fn(&[u8]);

/// All targets by their names, which are those of the files in `native/fuzz/fuzz_targets` and `native/fuzz/corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("bwe", bwe::run),
    ("codec", codec::run),
    ("dtls", dtls::run),
    ("framing", framing::run),
    ("rtcp", rtcp::run),
    ("rtp", rtp::run),
    ("srtp", srtp::run),
    ("stun", stun::run),
    ("worker", worker::run),
];

/// The target of this name.
///
/// # Panics
/// If there is none.
pub fn target(name: &str) -> Target {
    TARGETS.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no target is called {name}")).1
}
