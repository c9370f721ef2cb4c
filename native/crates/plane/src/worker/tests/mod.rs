//! A worker and its peers in one thread and in virtual time: real STUN, DTLS and SRTP, no sockets.

mod adoption;
mod audio_piggyback;
mod balance;
mod clock_jumps;
mod consent;
mod crowds;
mod fast_start;
mod feedback;
mod handover;
mod hostile;
mod keyframes;
mod layers;
mod lip_sync;
mod lip_sync_reports;
mod lives;
mod machine;
mod nomination;
mod old_keyframes;
mod parameter_sets;
mod parameter_sets_odd;
mod paths;
mod peer;
mod probing;
mod relays;
mod rig;
mod tcp;
