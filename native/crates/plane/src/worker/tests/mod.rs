//! A worker and its peers in one thread and in virtual time: real STUN, DTLS and SRTP, no sockets.

mod adoption;
mod audio_piggyback;
mod balance;
mod crowds;
mod fast_start;
mod feedback;
mod hostile;
mod layers;
mod lives;
mod machine;
mod paths;
mod relays;
mod rig;
