//! The media plane's I/O: sockets, timers and threads around each [`rillcast_plane::worker::Worker`].
//!
//! * [`plane`]: the handle that the Python binding wraps.
//! * [`thread`]: one thread per worker: epoll, batches in, decisions, batches out.
//! * [`receiver`], [`socket`]: `recvmmsg`; `sendmmsg` and UDP GSO.
//! * [`event_fd`]: what wakes a sleeping thread, or Python's event loop.

pub mod event_fd;
pub mod plane;
pub mod receiver;
pub mod socket;
pub mod thread;
