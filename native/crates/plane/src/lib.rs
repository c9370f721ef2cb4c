//! The media plane of a Rillcast node.
//!
//! Layers, from the inside out:
//!
//! * [`packet`], [`layers`], [`ring`], [`thinning`], [`nack`], [`source`]: a track arriving at the node, kept for repair and
//!   instant start.
//! * [`session`], [`relay`]: who sends to us and whom we send to.
//! * [`tcp`]: clients' TCP connections: their framing, and how many there may be.
//! * [`srtp_state`]: a session's association on its way from one plane to another.
//! * [`worker`]: everything one thread owns. Datagrams, commands and `now` go in; datagrams go out through
//!   [`egress::Egress`], events through [`events::EventQueue`]. No sockets, no clock: tests run in virtual time.
//! * [`router`], [`registry`], [`mailbox`], [`waker`]: from a command to the worker that has its object.
//!
//! Sockets and threads are in a crate of their own, `rillcast-plane-driver`.
//!
//! Time is `u64` microseconds on a monotonic clock that starts with the plane.

pub mod config;
pub mod egress;
pub mod events;
mod figures;
pub mod layers;
pub mod mailbox;
pub mod nack;
pub mod packet;
mod prefetch;
pub mod refusal;
pub mod registry;
pub mod relay;
pub mod ring;
pub mod router;
#[cfg(test)]
mod schema;
pub mod session;
pub mod source;
pub mod srtp_state;
pub mod tcp;
pub mod thinning;
pub mod waker;
pub mod worker;
