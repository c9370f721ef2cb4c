//! Where the packets of a measured worker go: to the kernel, into memory, or nowhere.

use std::collections::VecDeque;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rillcast_plane::egress::{Fallback, Message, Path, Place, Sink};
use rillcast_plane_driver::raw::{prepare, WorkerSink};
use rillcast_plane_driver::socket::Sockets;
use rillcast_raw::packet_socket::PacketSocket;
use rillcast_raw::privilege::RawSockets;

use crate::VIDEO_PAYLOAD;

pub(crate) type Wire = Arc<Mutex<Option<VecDeque<Vec<u8>>>>>;

/// When the first and the last video packet since the last look were handed to the kernel, µs after `started`.
pub struct Trace {
    started: Instant,
    first_us: AtomicU64,
    last_us: AtomicU64,
}

impl Trace {
    pub fn new(started: Instant) -> Self {
        Trace { started, first_us: AtomicU64::new(0), last_us: AtomicU64::new(0) }
    }

    fn note(&self) {
        let now = self.started.elapsed().as_micros() as u64;
        let _ = self.first_us.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        self.last_us.store(now, Ordering::Relaxed);
    }

    /// (first, last), None if nothing was sent.
    pub fn take(&self) -> Option<(u64, u64)> {
        let first = self.first_us.swap(0, Ordering::Relaxed);
        (first > 0).then(|| (first, self.last_us.load(Ordering::Relaxed)))
    }
}

/// Sends for real, and notes when.
pub struct Traced {
    pub out: Box<dyn Sink>,
    pub trace: Option<Arc<Trace>>,
}

impl Sink for Traced {
    fn send(&mut self, buffer: &[u8], messages: &[Message]) -> u64 {
        let failed = self.out.send(buffer, messages);
        if let Some(trace) = self.trace.as_ref().filter(|_| messages.iter().any(|m| m.segment > VIDEO_PAYLOAD / 2)) {
            trace.note();
        }
        failed
    }
    fn gso(&self) -> bool {
        self.out.gso()
    }
    fn is_raw(&self) -> bool {
        self.out.is_raw()
    }
    fn place(&mut self, path: &Path, owner: u32) -> Result<Place, Fallback> {
        self.out.place(path, owner)
    }
    fn room(&mut self, place: Place) -> &mut [u8] {
        self.out.room(place)
    }
    fn take(&mut self, place: Place, owner: u32, segment: usize) -> bool {
        self.out.take(place, owner, segment)
    }
    fn refused(&self) -> u64 {
        self.out.refused()
    }
}

/// Gathers while the handshakes are done.
pub(crate) struct Switch {
    pub(crate) gather: Wire,
    pub(crate) out: Traced,
    pub(crate) silent: bool,
}

impl Sink for Switch {
    fn send(&mut self, buffer: &[u8], messages: &[Message]) -> u64 {
        if let Some(wire) = self.gather.lock().unwrap().as_mut() {
            let datagrams = messages.iter().flat_map(|m| buffer[m.start..m.start + m.len].chunks(m.segment));
            wire.extend(datagrams.map(<[u8]>::to_vec));
            return 0;
        }
        if self.silent {
            return 0;
        }
        self.out.send(buffer, messages)
    }
    fn gso(&self) -> bool {
        self.out.gso()
    }
    fn is_raw(&self) -> bool {
        self.out.is_raw()
    }
    fn place(&mut self, path: &Path, owner: u32) -> Result<Place, Fallback> {
        self.out.place(path, owner)
    }
    fn room(&mut self, place: Place) -> &mut [u8] {
        self.out.room(place)
    }
    fn take(&mut self, place: Place, owner: u32, segment: usize) -> bool {
        self.out.take(place, owner, segment)
    }
    fn refused(&self) -> u64 {
        self.out.refused()
    }
}

/// Past the sockets: needs CAP_NET_RAW.
pub(crate) fn past(sockets: Sockets, socket: &UdpSocket) -> Box<dyn Sink> {
    let open = || PacketSocket::open().expect("CAP_NET_RAW");
    let prepared = prepare(RawSockets(vec![vec![open()]])).expect("a device").remove(0);
    Box::new(WorkerSink::of(prepared, sockets, [socket.local_addr().ok().map(|a| a.port()), None]))
}
