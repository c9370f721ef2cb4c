//! The media plane's I/O: sockets, timers and threads around each [`rillcast_plane::worker::Worker`].
//!
//! * [`plane`]: the handle that the Python binding wraps.
//! * [`thread`]: one thread per worker: epoll, batches in, decisions, batches out.
//! * [`receiver`], [`socket`]: `recvmmsg`; `sendmmsg` and UDP GSO.
//! * [`raw`]: media past the socket, where a node is allowed to.
//! * [`tcp`], [`epoll`]: clients' TCP connections; which descriptors are ready.
//! * [`event_fd`]: what wakes a sleeping thread, or Python's event loop.

mod epoll;
pub mod event_fd;
pub mod plane;
/// Media past the UDP sockets.
pub mod raw;
pub mod receiver;
pub mod socket;
mod socket_options;
/// The clients' TCP connections, to read and to write.
pub mod tcp;
pub mod thread;
