//! Clients' TCP connections: listening, reading in turns, and writing without ever waiting.
//!
//! They have an epoll of their own, which is one descriptor for the worker's thread. So however many there are, UDP gets its
//! turn as before.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rillcast_plane::egress::{Connection, Egress, Message};
use rillcast_plane::tcp::framing::Outgoing;
use rillcast_plane::worker::Worker;

use crate::epoll::{Epoll, Ready};
use crate::socket_options::{set, set_up};

/// Connections that are accepted, and those that are read, before others get their turn.
const ACCEPTED: usize = 16;
const READ: usize = 32;
const READ_SIZE: usize = 16_384;
/// A listener that can't accept, for want of descriptors, is left alone for so long.
const PAUSE_US: u64 = 100_000;
/// Clients that wait for being accepted.
const BACKLOG: libc::c_int = 1_024;
/// What the kernel takes of a connection that it has not sent yet: half a second at 2 Mbit/s. More would only be late.
const UNSENT: libc::c_int = 128 << 10;
/// With what is under way. The kernel doubles it.
const SEND_BUFFER: libc::c_int = 512 << 10;
/// A peer that acknowledges nothing for so long is gone.
const UNACKNOWLEDGED_MS: libc::c_int = 30_000;

/// Binds a non-blocking socket and listens.
pub fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let domain = if addr.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: socket takes no pointers; the result is checked.
    let fd = unsafe { libc::socket(domain, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `fd` was just made, is open and owned by nobody else.
    let listener = unsafe { TcpListener::from_raw_fd(fd) };
    set(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if addr.is_ipv6() {
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    set_up(fd, addr)?;
    // SAFETY: no pointers.
    if unsafe { libc::listen(fd, BACKLOG) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(listener)
}

struct Link {
    socket: TcpStream,
    outgoing: Outgoing,
}

impl Link {
    /// How much of it the system took. `broken` is set when it takes nothing any more.
    fn write(socket: &TcpStream, data: &[u8], broken: &mut bool) -> usize {
        match (&*socket).write(data) {
            Ok(n) => n,
            Err(e) => {
                *broken |= !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
                0
            }
        }
    }
}

/// The sockets of the connections of one worker. Its thread and its `Egress` share them; nobody else does.
pub struct Links {
    all: HashMap<Connection, Link>,
    epoll: Epoll,
    room: Vec<u8>,
    /// Datagrams that were dropped because a connection took no more, since last asked.
    dropped: u64,
    /// What can't be written to any more.
    broken: Vec<Connection>,
}

impl Links {
    fn new() -> io::Result<Self> {
        Ok(Links { all: HashMap::new(), epoll: Epoll::new()?, room: vec![], dropped: 0, broken: vec![] })
    }

    fn add(&mut self, connection: Connection, socket: TcpStream) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let fd = socket.as_raw_fd();
        set(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, SEND_BUFFER)?;
        set(fd, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, UNSENT)?;
        set(fd, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)?;
        self.epoll.add(fd, u64::from(connection))?;
        self.all.insert(connection, Link { socket, outgoing: Outgoing::default() });
        Ok(())
    }

    /// Writes the datagrams of a message. Whether all of them were taken.
    pub fn send(&mut self, connection: Connection, buffer: &[u8], m: &Message) -> bool {
        let Some(Link { socket, outgoing }) = self.all.get_mut(&connection) else { return false };
        let (mut broken, waited) = (false, !outgoing.is_empty());
        let datagrams = buffer[m.start..m.start + m.len].chunks(m.segment.max(1));
        let dropped = outgoing.send(datagrams, &mut self.room, |data| Link::write(socket, data, &mut broken));
        self.dropped += dropped as u64;
        if broken {
            self.broken.push(connection);
        } else if waited == outgoing.is_empty() {
            // The next turn tells if this can't be done.
            let _ = self.epoll.watch_writing(socket.as_raw_fd(), u64::from(connection), !waited);
        }
        dropped == 0
    }

    fn flush(&mut self, connection: Connection) {
        let Some(Link { socket, outgoing }) = self.all.get_mut(&connection) else { return };
        let mut broken = false;
        if outgoing.flush(|data| Link::write(socket, data, &mut broken)) {
            let _ = self.epoll.watch_writing(socket.as_raw_fd(), u64::from(connection), false);
        }
        if broken {
            self.broken.push(connection);
        }
    }

    /// What has come; None: nothing any more, or never again when `broken` has it then.
    fn read(&mut self, connection: Connection, room: &mut [u8]) -> Option<usize> {
        let link = self.all.get(&connection)?;
        match (&link.socket).read(room) {
            Ok(n) if n > 0 => return Some(n),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            _ => self.broken.push(connection),
        }
        None
    }
}

/// Locks what no other thread has.
pub fn lock(links: &Mutex<Links>) -> MutexGuard<'_, Links> {
    links.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where clients' connections come in.
pub struct Door {
    listeners: Vec<TcpListener>,
    links: Arc<Mutex<Links>>,
    room: Vec<u8>,
    /// Since when it does not accept.
    paused_us: Option<u64>,
}

impl Door {
    /// Nobody is connected yet.
    pub fn new(listeners: Vec<TcpListener>) -> io::Result<Self> {
        let links = Arc::new(Mutex::new(Links::new()?));
        Ok(Door { listeners, links, room: vec![0; READ_SIZE], paused_us: None })
    }

    /// Where `Sockets` writes.
    pub fn links(&self) -> Arc<Mutex<Links>> {
        self.links.clone()
    }

    /// The descriptor that can be read when a connection has something.
    pub fn connections(&self) -> RawFd {
        lock(&self.links).epoll.as_raw_fd()
    }

    /// The descriptors that can be read when a client wants to connect.
    pub fn listeners(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.listeners.iter().map(AsRawFd::as_raw_fd)
    }

    /// Lets some of those in who wait. Whether it can't any more: the listeners are to be left alone until `may_resume`.
    pub fn accept(&mut self, now_us: u64, worker: &mut Worker) -> bool {
        for listener in &self.listeners {
            for _ in 0..ACCEPTED {
                match listener.accept() {
                    Ok((socket, from)) => {
                        let Some(connection) = worker.tcp_accept(now_us, from) else { continue };
                        if lock(&self.links).add(connection, socket).is_err() {
                            worker.counters.add("tcp_accept_failed");
                            worker.tcp_closed(connection);
                        }
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) if matches!(e.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                    Err(_) => {
                        worker.counters.add("tcp_accept_failed");
                        self.paused_us = Some(now_us);
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Once, when those who wait can be let in again.
    pub fn may_resume(&mut self, now_us: u64) -> bool {
        self.paused_us.take_if(|at| now_us >= *at + PAUSE_US).is_some()
    }

    /// Reads and writes some of the connections that are ready.
    pub fn serve(&mut self, now_us: u64, worker: &mut Worker, out: &mut Egress) {
        let ready = lock(&self.links).epoll.wait::<READ>(0);
        for Ready { token, readable, writable } in ready {
            let connection = token as Connection;
            if writable {
                lock(&self.links).flush(connection);
            }
            // The lock is not held while the worker sends.
            let n = if readable { lock(&self.links).read(connection, &mut self.room) } else { None };
            if let Some(n) = n {
                worker.tcp_data(now_us, connection, &mut self.room[..n], out);
            }
        }
    }

    /// Closes what has ended, after the last datagrams have been written.
    pub fn settle(&mut self, worker: &mut Worker) {
        let mut links = lock(&self.links);
        for connection in std::mem::take(&mut links.broken) {
            if links.all.remove(&connection).is_some() {
                worker.tcp_closed(connection);
            }
        }
        for connection in worker.tcp_ended() {
            links.all.remove(&connection);
        }
        match std::mem::take(&mut links.dropped) {
            0 => {}
            dropped => worker.counters.add_many("tcp_dropped", dropped),
        }
    }
}

#[cfg(test)]
mod tests {
    use rillcast_plane::egress::{Path, Sink, Sock, NOBODY};
    use rillcast_plane::tcp::framing::Deframer;

    use super::*;
    use crate::socket::Sockets;

    /// A connection of a worker, and its other end.
    fn connected() -> (Arc<Mutex<Links>>, TcpStream) {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let links = Arc::new(Mutex::new(Links::new().unwrap()));
        lock(&links).add(7, listener.accept().unwrap().0).unwrap();
        (links, peer)
    }

    fn burst(egress: &mut Egress, to: SocketAddr, connection: Connection, number: u32) {
        let path = Path { sock: Sock::Tcp(connection), to, local: None };
        for _ in 0..8 {
            egress.packet(&path, NOBODY, |room| {
                room[..1_200].fill(0);
                room[..4].copy_from_slice(&number.to_be_bytes());
                Some(1_200)
            });
        }
        egress.flush();
    }

    fn egress(links: &Arc<Mutex<Links>>) -> Egress {
        Egress::new(Box::new(Sockets::new(None, None, -1, true).with_tcp(Some(links.clone()))))
    }

    #[test]
    fn a_peer_that_reads_nothing_loses_datagrams_and_gets_whole_ones_later() {
        let (links, mut peer) = connected();
        let to = peer.local_addr().unwrap();
        let mut out = egress(&links);
        let mut number = 0;
        while lock(&links).dropped < 100 {
            burst(&mut out, to, 7, number);
            number += 1;
            assert!(number < 10_000, "the system takes all of it");
        }
        assert!(!out.failed.is_empty());
        peer.set_nonblocking(true).unwrap();
        let (mut deframer, mut room, mut got) = (Deframer::default(), vec![0; 65_536], vec![]);
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while got.last() != Some(&u32::MAX) && std::time::Instant::now() < until {
            match peer.read(&mut room) {
                Ok(n) => deframer
                    .feed(&mut room[..n], |d| {
                        assert_eq!(d.len(), 1_200);
                        got.push(u32::from_be_bytes([d[0], d[1], d[2], d[3]]));
                        true
                    })
                    .unwrap(),
                Err(_) => {
                    // It has read all: what was left of a datagram follows, and then new ones.
                    let ready = lock(&links).epoll.wait::<1>(0);
                    ready.iter().filter(|r| r.writable).for_each(|_| lock(&links).flush(7));
                    burst(&mut out, to, 7, u32::MAX);
                }
            }
        }
        assert_eq!(got.last(), Some(&u32::MAX));
        assert!(got.is_sorted());
    }

    #[test]
    fn a_connection_that_is_gone_is_told_and_nothing_is_sent_to_another_one() {
        let (links, peer) = connected();
        let to = peer.local_addr().unwrap();
        drop(peer);
        let mut out = egress(&links);
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while lock(&links).broken.is_empty() && std::time::Instant::now() < until {
            burst(&mut out, to, 7, 0);
        }
        assert!(lock(&links).broken.contains(&7));
        out.failed.clear();
        burst(&mut out, to, 8, 0);
        assert_eq!(out.failed.len(), 1);
        assert_eq!(Sockets::new(None, None, -1, true).send(&[0; 9], &[]), 0);
    }
}
