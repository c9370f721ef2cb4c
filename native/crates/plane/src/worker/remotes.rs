//! Whose the datagrams from an address or a connection are.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::egress::{Connection, Remote};

/// The sessions that have to do with one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owners {
    pub slot: usize,
    /// Another session that has answered from the same end while the first one still lives. What authenticates the
    /// datagrams tells the two apart.
    pub beside: Option<usize>,
}

/// Two tables, so that a datagram by UDP is found as if there was no TCP.
#[derive(Default)]
pub(super) struct Remotes {
    addresses: HashMap<SocketAddr, Owners>,
    connections: HashMap<Connection, Owners>,
    ownerless: Vec<Connection>,
}

impl Remotes {
    /// Once per datagram.
    #[inline]
    pub fn get(&self, remote: Remote) -> Option<Owners> {
        match remote {
            Remote::Address(address) => self.addresses.get(&address).copied(),
            Remote::Connection(connection) => self.connections.get(&connection).copied(),
        }
    }

    /// Whose the datagrams are, to be changed.
    pub fn get_mut(&mut self, remote: Remote) -> Option<&mut Owners> {
        match remote {
            Remote::Address(address) => self.addresses.get_mut(&address),
            Remote::Connection(connection) => self.connections.get_mut(&connection),
        }
    }

    /// Returns whose it was.
    pub fn insert(&mut self, remote: Remote, owners: Owners) -> Option<Owners> {
        match remote {
            Remote::Address(address) => self.addresses.insert(address, owners),
            Remote::Connection(connection) => self.connections.insert(connection, owners),
        }
    }

    /// Returns whose it was. A connection is nobody's then.
    pub fn remove(&mut self, remote: Remote) -> Option<Owners> {
        match remote {
            Remote::Address(address) => self.addresses.remove(&address),
            Remote::Connection(connection) => {
                let before = self.connections.remove(&connection);
                self.ownerless.extend(before.is_some().then_some(connection));
                before
            }
        }
    }

    /// The connections that have become nobody's and still are.
    pub fn take_ownerless(&mut self) -> Vec<Connection> {
        let mut taken = std::mem::take(&mut self.ownerless);
        taken.retain(|c| !self.connections.contains_key(c));
        taken
    }

    /// The entries of both tables.
    pub fn len(&self) -> usize {
        self.addresses.len() + self.connections.len()
    }
}
