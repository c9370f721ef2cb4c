//! A way past the socket for media (decision 0230): whole Ethernet frames are written where the kernel sends them from.
//!
//! * [`header`]: what stands before the datagrams: offload, Ethernet, IP and UDP headers, once for a whole burst.
//! * [`hops`]: through which device and to which neighbour a receiver is reached, or why that can't be said.
//! * [`netlink`]: asks the kernel for routes and neighbours, and hears of their changes.
//! * [`ring`]: in which order frames are filled, handed over and taken back. No system calls, so that miri runs it.
//! * [`packet_socket`]: the memory that is shared with the kernel. All `unsafe` code is there.
//! * [`privilege`]: opens the sockets, and gives the capability for that away.
//!
//! Nothing here knows of sessions or of media.

/// What stands before a burst of datagrams.
pub mod header;
/// Ways to receivers, and what voids them.
pub mod hops;
/// The kernel's routes, neighbours and devices.
pub mod netlink;
/// The memory that is shared with the kernel.
pub mod packet_socket;
/// Opening the sockets, and giving the capability away.
pub mod privilege;
/// The order of frames in a ring.
pub mod ring;
