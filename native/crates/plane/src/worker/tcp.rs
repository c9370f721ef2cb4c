//! Clients' TCP connections: what comes on them is taken for datagrams, with the same rules as by UDP.

use std::net::SocketAddr;

use rillcast_wire::{demux, stun};

use super::Worker;
use crate::egress::{Connection, Egress, Path, Sock};
use crate::tcp::Ended;

impl Worker {
    /// A client connects. None: the connection is to be closed at once.
    pub fn tcp_accept(&mut self, now_us: u64, from: SocketAddr) -> Option<Connection> {
        match self.tcp.accept(now_us, from) {
            Ok((connection, displaced)) => {
                if displaced.is_some() {
                    self.counters.add(Ended::Displaced.name());
                }
                Some(connection)
            }
            Err(why) => {
                self.counters.add(why.name());
                None
            }
        }
    }

    /// Bytes of a connection, in order; they are decrypted in place.
    pub fn tcp_data(&mut self, now_us: u64, connection: Connection, data: &mut [u8], out: &mut Egress) {
        let (from, mut deframer) = match self.tcp.hear(now_us, connection, data.len()) {
            Ok(Some(heard)) => heard,
            Ok(None) => return,
            Err(why) => return self.end_tcp(connection, why),
        };
        let path = Path { sock: Sock::Tcp(connection), to: from, local: None };
        let fed = deframer.feed(data, |datagram| self.tcp_datagram(now_us, connection, path, datagram, out));
        self.tcp.resume(connection, deframer);
        if fed.is_err() {
            self.end_tcp(connection, Ended::FrameTooLong);
        }
    }

    /// Whether the connection goes on.
    fn tcp_datagram(
        &mut self,
        now_us: u64,
        connection: Connection,
        path: Path,
        datagram: &mut [u8],
        out: &mut Egress,
    ) -> bool {
        if !self.tcp.is_proved(connection) && !is_check(datagram) {
            self.end_tcp(connection, Ended::NoCheck);
            return false;
        }
        self.datagram(now_us, path, datagram, out);
        self.tcp.contains(connection)
    }

    /// The peer has closed the connection, or it broke.
    pub fn tcp_closed(&mut self, connection: Connection) {
        self.tcp.forget(connection);
        self.sessions.disconnect(connection);
    }

    /// The connections that the driver is to close now.
    pub fn tcp_ended(&mut self) -> Vec<Connection> {
        for connection in self.sessions.take_ownerless() {
            self.tcp.end(connection);
        }
        self.tcp.take_ended()
    }

    fn end_tcp(&mut self, connection: Connection, why: Ended) {
        self.counters.add(why.name());
        self.tcp.end(connection);
        self.sessions.disconnect(connection);
    }

    /// Ends those whose first check is overdue. At every tick.
    pub(super) fn tcp_tick(&mut self, now_us: u64) {
        while let Some(connection) = self.tcp.overdue(now_us) {
            self.end_tcp(connection, Ended::NoCheck);
        }
    }

    /// Ends those that have been silent for long. Once a second.
    pub(super) fn tcp_second(&mut self, now_us: u64) {
        for connection in self.tcp.idle(now_us) {
            self.end_tcp(connection, Ended::Idle);
        }
    }
}

/// Whether it may be the first thing that a peer says.
fn is_check(datagram: &[u8]) -> bool {
    demux::classify(datagram) == demux::Kind::Stun
        && stun::parse(datagram).is_ok_and(|m| m.class == stun::Class::Request)
}
