//! Why the load thread could not start, and why a peer could not join.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use rillcast_crypto::dtls::DtlsError;

/// The load thread was not started.
#[derive(Debug)]
pub enum StartError {
    /// `LoadConfig::addresses` is empty.
    NoAddress,
    Dtls(DtlsError),
    Socket(SocketError),
    Thread(io::Error),
}

/// A UDP socket that the system did not give, or not as it was wanted.
#[derive(Debug)]
pub enum SocketError {
    Bind {
        address: SocketAddr,
        error: io::Error,
    },
    /// The kernel does not merge datagrams that come together (UDP_GRO).
    Merge(io::Error),
}

/// A peer could not join. The others go on.
#[derive(Debug)]
pub enum JoinError {
    /// All of this many local addresses have a peer; see `LoadConfig::addresses`.
    NoFreeAddress(usize),
    /// A publisher, although `Load::start` was given nothing to publish.
    NoMedia,
    Dtls(DtlsError),
    Socket(SocketError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoAddress => f.write_str("addresses: at least one"),
            StartError::Dtls(e) => e.fmt(f),
            StartError::Socket(e) => e.fmt(f),
            StartError::Thread(e) => write!(f, "thread: {e}"),
        }
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketError::Bind { address, error } => write!(f, "udp {address}: {error}"),
            SocketError::Merge(e) => write!(f, "UDP_GRO: {e}"),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::NoFreeAddress(count) => write!(f, "{count} local addresses are not enough"),
            JoinError::NoMedia => f.write_str("no media was given"),
            JoinError::Dtls(e) => e.fmt(f),
            JoinError::Socket(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}
impl std::error::Error for SocketError {}
impl std::error::Error for JoinError {}

impl From<SocketError> for StartError {
    fn from(e: SocketError) -> Self {
        StartError::Socket(e)
    }
}

impl From<SocketError> for JoinError {
    fn from(e: SocketError) -> Self {
        JoinError::Socket(e)
    }
}
