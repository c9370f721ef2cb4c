//! Sockets, timers and threads around a [`crate::worker::Worker`]. Everything `unsafe` of this crate is here.

pub mod receiver;
pub mod socket;
pub mod thread;
pub mod wake;
