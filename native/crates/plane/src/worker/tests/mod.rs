//! A worker and its peers in one thread and in virtual time: real STUN, DTLS and SRTP, no sockets.

mod balance;
mod catching;
mod crowds;
mod feedback;
mod hostile;
mod layers;
mod lives;
mod relays;
mod riding;
mod rig;
