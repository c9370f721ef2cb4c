//! What travels on a media socket, read and written without I/O, clocks or `unsafe`.
//!
//! Every parser takes any bytes at all, never panics, does work bounded by the datagram and allocates nothing; what it
//! hands back borrows from the datagram. Writers append to a caller's buffer, so a compound RTCP packet is several calls.
//!
//! | module | what | by |
//! |---|---|---|
//! | [`demux`] | which protocol a datagram is | RFC 7983, RFC 5761 |
//! | [`stun`] | ICE connectivity checks | RFC 8489, RFC 8445 |
//! | [`rtp`] | headers, header extensions, sequence numbers | RFC 3550, RFC 8285 |
//! | [`rtcp`] | reports and feedback | RFC 3550, RFC 4585, RFC 5104, REMB and TWCC drafts |
//! | [`codec`] | where frames and keyframes start | RFC 6184, 7798, 7741, 9628, AV1 RTP |
//! | [`bwe`] | how much a publisher may send | draft-ietf-rmcat-gcc-02, draft-alvestrand-rmcat-remb-03 |

pub mod bwe;
mod bytes;
pub mod codec;
pub mod demux;
pub mod rtcp;
pub mod rtp;
pub mod stun;
