//! Media past the socket (decision 0230): an egress sink that writes what it can into rings of packet sockets, and gives the
//! rest to the UDP sockets.

use std::io;
use std::os::fd::RawFd;
use std::time::Instant;

use rillcast_plane::egress::{Fallback, Message, Path, Place, Sink, Sock, MAX_MESSAGES, NOBODY};
use rillcast_raw::header::Header;
use rillcast_raw::hops::{Change, Hops, Kernel, Obstacle, Question, Stamp};
use rillcast_raw::netlink::Netlink;
use rillcast_raw::packet_socket::{PacketRing, PacketSocket};
use rillcast_raw::privilege::RawSockets;
use rillcast_raw::ring::{Frames, Ring};

use crate::socket::Sockets;

/// Ways that are asked for with each batch; the viewers of the others wait for the next one, by the socket. A crowd whose
/// routes have changed would stop the worker otherwise.
const ASKED_PER_BATCH: usize = 8;

/// The way to one viewer, or why there is none, for as long as the stamp holds.
struct Lane {
    path: Path,
    stamp: Stamp,
    found: Result<Found, Fallback>,
}

struct Found {
    ring: u8,
    mtu: usize,
    header: Header,
}

/// A ring, and the device that it sends through.
struct DeviceRing<F> {
    ring: Ring<F>,
    device: Option<u32>,
    /// The header of each message of the batch, in order: copied when the message begins, since the viewer's way may be
    /// another one when it ends.
    headers: Vec<Header>,
}

/// Makes rings: one kind for real, one for tests.
pub trait Rings: Send {
    type Frames: Frames + Send;
    /// One more ring, if there may be one.
    fn make(&mut self) -> Option<Self::Frames>;
    /// Sends through this device from now on.
    fn bind(&self, frames: &Self::Frames, device: u32) -> io::Result<()>;
}

/// Sockets that become rings when they are needed: most nodes have one device.
pub struct Spare(pub Vec<PacketSocket>);

impl Rings for Spare {
    type Frames = PacketRing;
    fn make(&mut self) -> Option<PacketRing> {
        self.0.pop()?.into_ring().ok()
    }
    fn bind(&self, ring: &PacketRing, device: u32) -> io::Result<()> {
        ring.bind(device)
    }
}

/// A worker's sockets, and the ways past them.
pub struct RawSink<S: Sink, K: Kernel, R: Rings> {
    sockets: S,
    /// Our ports of both families: what is sent past the sockets comes from there, too.
    ports: [Option<u16>; 2],
    hops: Hops<K>,
    spare: R,
    rings: Vec<DeviceRing<R::Frames>>,
    /// The ways to viewers, by owner.
    lanes: Vec<Option<Lane>>,
    may_ask: usize,
    refused: u64,
    started: Instant,
    /// What goes by the sockets of a batch in which something else does not, and its places in that batch.
    rest: Vec<Message>,
    rest_at: Vec<usize>,
}

/// What one worker needs of the system, made before any worker starts: a system that does not give it is noticed then.
pub struct Prepared {
    first: PacketRing,
    spare: Spare,
    netlink: Netlink,
}

impl Prepared {
    /// Makes the first ring of these sockets.
    pub fn new(mut sockets: Vec<PacketSocket>) -> io::Result<Self> {
        let first = sockets.pop().ok_or(io::ErrorKind::NotFound)?.into_ring()?;
        Ok(Prepared { first, spare: Spare(sockets), netlink: Netlink::new()? })
    }
}

/// What all workers need, or why it can't be had.
pub fn prepare(sockets: RawSockets) -> Result<Vec<Prepared>, String> {
    let any = Hops::new(Netlink::new().map_err(|e| format!("no netlink socket: {e}"))?).any();
    if !any {
        return Err("no Ethernet device is up".into());
    }
    let all = sockets.0.into_iter().map(Prepared::new).collect::<io::Result<_>>();
    all.map_err(|e| format!("the kernel gives no ring for packets: {e}"))
}

/// The sink of a worker.
pub type WorkerSink = RawSink<Sockets, Netlink, Spare>;

impl WorkerSink {
    /// `ports`: ours, of both families.
    pub fn of(prepared: Prepared, sockets: Sockets, ports: [Option<u16>; 2]) -> Self {
        Self::new(sockets, ports, prepared.netlink, prepared.spare, vec![prepared.first])
    }

    /// The descriptor that can be read when a route, a neighbour or a device has changed: then `heed` is to be called.
    pub fn watched(&mut self) -> RawFd {
        self.hops.kernel().watched()
    }
}

impl<S: Sink, K: Kernel, R: Rings> RawSink<S, K, R> {
    /// `rings`: those that exist already.
    pub fn new(sockets: S, ports: [Option<u16>; 2], kernel: K, spare: R, rings: Vec<R::Frames>) -> Self {
        let rings =
            rings.into_iter().map(|f| DeviceRing { ring: Ring::new(f), device: None, headers: vec![] }).collect();
        RawSink {
            sockets,
            ports,
            hops: Hops::new(kernel),
            spare,
            rings,
            lanes: vec![],
            may_ask: ASKED_PER_BATCH,
            refused: 0,
            started: Instant::now(),
            rest: vec![],
            rest_at: vec![],
        }
    }

    /// Asks for the way, and remembers the answer.
    #[cold]
    fn resolve(&mut self, path: &Path, owner: u32) -> Result<(), Fallback> {
        if owner == NOBODY {
            return Err(Fallback::OddRoute);
        }
        let port = match path.sock {
            Sock::MediaV4 => self.ports[0],
            Sock::MediaV6 => self.ports[1],
            Sock::Relay | Sock::Tcp(_) => None,
        };
        let port = port.ok_or(Fallback::OddRoute)?;
        if self.may_ask == 0 {
            return Err(Fallback::NotAsked);
        }
        self.may_ask -= 1;
        let now_us = self.started.elapsed().as_micros() as u64;
        let (stamp, way) = self.hops.resolve(now_us, &Question { from: path.local, port, to: path.to });
        let found = way.map_err(fallback).and_then(|way| {
            let ring = self.ring_for(way.device)?;
            Ok(Found { ring, mtu: way.mtu, header: way.header })
        });
        let slot = owner as usize;
        if self.lanes.len() <= slot {
            self.lanes.resize_with(slot + 1, || None);
        }
        self.lanes[slot] = Some(Lane { path: *path, stamp, found });
        Ok(())
    }

    /// The ring that sends through a device; a new one, or that of a device that is gone.
    fn ring_for(&mut self, device: u32) -> Result<u8, Fallback> {
        if let Some(ring) = self.rings.iter().position(|r| r.device == Some(device)) {
            return Ok(ring as u8);
        }
        let unused = |r: &DeviceRing<R::Frames>| r.device.is_none_or(|d| !self.hops.has(d)) && r.headers.is_empty();
        let ring = match self.rings.iter().position(unused) {
            Some(ring) => ring,
            None => {
                let frames = self.spare.make().ok_or(Fallback::TooMany)?;
                self.rings.push(DeviceRing { ring: Ring::new(frames), device: None, headers: vec![] });
                self.rings.len() - 1
            }
        };
        let r = &mut self.rings[ring];
        r.device = None;
        self.spare.bind(r.ring.frames(), device).map_err(|_| Fallback::Refused)?;
        r.device = Some(device);
        Ok(ring as u8)
    }

    #[inline]
    fn lane(&self, path: &Path, owner: u32) -> Option<&Lane> {
        let lane = self.lanes.get(owner as usize)?.as_ref()?;
        (self.hops.holds(&lane.stamp) && lane.path == *path).then_some(lane)
    }

    /// Hands over what lies in the rings. Bit i of the result: message i was not taken.
    fn send_raw(&mut self, messages: &[Message]) -> u64 {
        let mut left = 0u64;
        for (number, DeviceRing { ring, headers, .. }) in self.rings.iter_mut().enumerate() {
            if headers.is_empty() {
                continue;
            }
            let mut places = [0u8; MAX_MESSAGES];
            let here = messages.iter().enumerate().filter_map(|(i, m)| Some((i, m, m.place?)));
            let here = here.filter(|(_, _, place)| usize::from(place.ring) == number);
            for (n, ((i, m, place), header)) in here.zip(headers.iter()).enumerate() {
                header.write(
                    ring.room(place.frame as usize).get_mut(..header.len()).unwrap_or_default(),
                    m.len,
                    m.segment,
                );
                ring.hand_over(n, header.len() + m.len);
                places[n] = i as u8;
            }
            let taken = ring.send();
            left |= places[taken..headers.len()].iter().fold(0, |bits, i| bits | 1 << i);
            headers.clear();
        }
        left
    }

    /// A message that the ring did not take, by the socket: it still lies in its frame.
    fn send_after_all(&mut self, m: &Message) -> bool {
        let Some(place) = m.place else { return false };
        let Some(DeviceRing { ring, .. }) = self.rings.get_mut(usize::from(place.ring)) else { return false };
        let from = usize::from(place.start);
        let Some(held) = ring.room(place.frame as usize).get(from..from + m.len) else { return false };
        let mut single = *m;
        single.place = None;
        self.sockets.send(held, &[single]) == 0
    }
}

fn fallback(obstacle: Obstacle) -> Fallback {
    match obstacle {
        Obstacle::Unresolved => Fallback::Unresolved,
        Obstacle::Local => Fallback::Local,
        Obstacle::NoEthernet => Fallback::NoEthernet,
        Obstacle::LinkDown => Fallback::LinkDown,
        Obstacle::OddRoute => Fallback::OddRoute,
        Obstacle::ManyHops => Fallback::TooMany,
    }
}

impl<S: Sink, K: Kernel + Send, R: Rings> Sink for RawSink<S, K, R> {
    fn send(&mut self, buffer: &[u8], messages: &[Message]) -> u64 {
        self.may_ask = ASKED_PER_BATCH;
        self.refused = 0;
        if messages.iter().all(|m| m.place.is_none()) {
            return self.sockets.send(buffer, messages);
        }
        let left = self.send_raw(messages);
        self.refused = u64::from(left.count_ones());
        let mut failed = 0;
        self.rest.clear();
        self.rest_at.clear();
        for (i, m) in messages.iter().enumerate() {
            if m.place.is_none() {
                self.rest.push(*m);
                self.rest_at.push(i);
            } else if left & 1 << i != 0 && !self.send_after_all(m) {
                failed |= 1 << i;
            }
        }
        if !self.rest.is_empty() {
            let bits = self.sockets.send(buffer, &self.rest);
            let not_sent = self.rest_at.iter().enumerate().filter(|(n, _)| bits & 1 << n != 0);
            failed |= not_sent.fold(0, |all, (_, i)| all | 1 << i);
        }
        failed
    }

    fn gso(&self) -> bool {
        self.sockets.gso()
    }

    fn is_raw(&self) -> bool {
        true
    }

    #[inline]
    fn place(&mut self, path: &Path, owner: u32) -> Result<Place, Fallback> {
        if self.lane(path, owner).is_none() {
            self.resolve(path, owner)?;
        }
        let lane = self.lanes.get(owner as usize).and_then(Option::as_ref).ok_or(Fallback::NotAsked)?;
        let found = lane.found.as_ref().map_err(|why| *why)?;
        let frame = self.rings[usize::from(found.ring)].ring.place().ok_or(Fallback::RingFull)?;
        Ok(Place { ring: found.ring, start: found.header.len() as u8, frame: frame as u32 })
    }

    #[inline]
    fn room(&mut self, place: Place) -> &mut [u8] {
        let Some(r) = self.rings.get_mut(usize::from(place.ring)) else { return &mut [] };
        r.ring.room(place.frame as usize).get_mut(usize::from(place.start)..).unwrap_or_default()
    }

    #[inline]
    fn take(&mut self, place: Place, owner: u32, segment: usize) -> bool {
        let lane = self.lanes.get(owner as usize).and_then(Option::as_ref);
        let Some(Lane { found: Ok(found), .. }) = lane else { return false };
        if segment + found.header.overhead() > found.mtu {
            return false;
        }
        let Some(r) = self.rings.get_mut(usize::from(place.ring)) else { return false };
        r.headers.push(found.header.clone());
        r.ring.take();
        true
    }

    fn refused(&self) -> u64 {
        self.refused
    }

    fn heed(&mut self) {
        for change in self.hops.kernel().changes() {
            self.hops.changed(change);
            if matches!(change, Change::Link(_, None) | Change::Everything) {
                let Self { rings, hops, .. } = self;
                // A device that comes again is another one, even under the same number.
                rings.iter_mut().for_each(|r| r.device = r.device.filter(|d| hops.has(*d)));
            }
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
