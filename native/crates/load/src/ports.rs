//! Sending from several sockets.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError};

use rillcast_plane::egress::{Message, Sink};
use rillcast_plane_driver::socket::{bind, merge_received, Sockets};

use crate::config::LoadConfig;
use crate::failure::SocketError;

/// Sockets of peers with a port of their own, by owner.
pub type Ports = Arc<Mutex<HashMap<u32, RawFd>>>;

/// A socket to receive with, as the configuration wants it.
pub fn open(at: SocketAddr, config: &LoadConfig) -> Result<UdpSocket, SocketError> {
    let socket = bind(at).map_err(|error| SocketError::Bind { address: at, error })?;
    if config.merge {
        merge_received(&socket).map_err(SocketError::Merge)?;
    }
    Ok(socket)
}

/// Sends on the peer's own socket if it has one, else on the shared one.
pub struct PortSink {
    pub shared: RawFd,
    pub own: Ports,
    pub sockets: Sockets,
}

impl Sink for PortSink {
    fn send(&mut self, buffer: &[u8], messages: &[Message]) -> u64 {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if own.is_empty() {
            return self.sockets.send_run(self.shared, buffer, messages);
        }
        let mut failed = 0;
        for (i, m) in messages.iter().enumerate() {
            let fd = own.get(&m.owner).copied().unwrap_or(self.shared);
            failed |= self.sockets.send_run(fd, buffer, std::slice::from_ref(m)) << i;
        }
        failed
    }

    fn gso(&self) -> bool {
        false
    }
}
