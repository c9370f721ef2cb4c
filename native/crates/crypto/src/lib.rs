//! SRTP and DTLS for WebRTC sessions, on BoringSSL. No I/O: packets and datagrams go in, packets and datagrams come out.
//!
//! `srtp` protects and opens RTP and RTCP packets (RFC 3711, RFC 7714); `dtls` runs the handshake that makes their keys
//! (RFC 5764 over DTLS 1.2 and 1.3); `gcm` seals outbound RTP. Everything `unsafe` is in `ffi`, `memory`
//! and `gcm::vaes`.

pub mod dtls;
mod ffi;
pub mod gcm;
pub mod memory;
pub mod random;
pub mod srtp;
