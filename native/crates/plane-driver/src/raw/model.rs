//! A model of the kernel, its devices and the network behind them, for the tests of the sink.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use etherparse::{SlicedPacket, TransportSlice};
use rillcast_plane::egress::{Egress, Message, Sink, MAX_DATAGRAM};
use rillcast_raw::header::Mac;
use rillcast_raw::hops::{Change, Kernel, Link, Obstacle, Question, Route};
use rillcast_raw::ring::Frames;

use super::{RawSink, Rings};

pub(super) const FRAMES: usize = 6;
pub(super) const US: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Sends,
    Drops,
    Refuses,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Free,
    Handed(usize),
    Sending,
}

/// What went out: datagrams, the address that they are for, and whether past the socket.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sent {
    pub(super) to: SocketAddr,
    pub(super) raw: bool,
    pub(super) datagrams: Vec<Vec<u8>>,
}

#[derive(Default)]
pub(super) struct World {
    /// The rings, each with its frames, its head and the device that it is bound to.
    pub(super) rings: Vec<(Vec<Status>, usize, u32)>,
    pub(super) fates: VecDeque<Fate>,
    pub(super) sent: Vec<Sent>,
    pub(super) dropped: usize,
    pub(super) links: HashMap<u32, Link>,
    /// What neighbours have for an address changes with it.
    pub(super) generation: u8,
    pub(super) device: u32,
    pub(super) unresolved: bool,
    pub(super) local: bool,
    pub(super) changes: Vec<Change>,
    pub(super) asked: usize,
    pub(super) most_rings: usize,
}

pub(super) type Shared = Arc<Mutex<World>>;

pub(super) fn mac(generation: u8, ip: IpAddr) -> Mac {
    let IpAddr::V4(ip) = ip else { panic!("IPv4 here") };
    let [a, b, c, d] = ip.octets();
    [2, generation, a, b, c, d]
}

pub(super) struct FakeKernel(Shared);

impl Kernel for FakeKernel {
    fn route(&mut self, q: &Question) -> Result<Route, Obstacle> {
        let mut w = self.0.lock().unwrap();
        w.asked += 1;
        if w.local {
            return Err(Obstacle::Local);
        }
        Ok(Route { device: w.device, next: q.to.ip(), source: US, mtu: None })
    }
    fn neighbour(&mut self, _: u32, ip: IpAddr) -> Option<Mac> {
        let w = self.0.lock().unwrap();
        (!w.unresolved).then(|| mac(w.generation, ip))
    }
    fn links(&mut self) -> HashMap<u32, Link> {
        self.0.lock().unwrap().links.clone()
    }
    fn changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.0.lock().unwrap().changes)
    }
}

pub(super) struct FakeFrames {
    world: Shared,
    number: usize,
    memory: Vec<Vec<u8>>,
}

impl FakeFrames {
    fn new(world: &Shared) -> Self {
        let mut w = world.lock().unwrap();
        w.rings.push((vec![Status::Free; FRAMES], 0, 0));
        FakeFrames { world: world.clone(), number: w.rings.len() - 1, memory: vec![vec![0xee; 32_000]; FRAMES] }
    }
}

impl Frames for FakeFrames {
    fn count(&self) -> usize {
        FRAMES
    }
    fn room(&mut self, frame: usize) -> Option<&mut [u8]> {
        self.is_ours(frame).then(|| &mut self.memory[frame][..])
    }
    fn is_ours(&self, frame: usize) -> bool {
        self.world.lock().unwrap().rings[self.number].0[frame] == Status::Free
    }
    fn hand_over(&mut self, frame: usize, len: usize) {
        self.world.lock().unwrap().rings[self.number].0[frame] = Status::Handed(len);
    }
    fn take_back(&mut self, frame: usize) -> bool {
        let status = &mut self.world.lock().unwrap().rings[self.number].0[frame];
        let back = matches!(status, Status::Handed(_));
        if back {
            *status = Status::Free;
        }
        back
    }
    fn kick(&mut self) {
        let mut w = self.world.lock().unwrap();
        loop {
            let (statuses, head, device) = w.rings[self.number].clone();
            let Status::Handed(len) = statuses[head] else { return };
            let up = w.links.get(&device).is_some_and(|l| l.up);
            let fate = if up { w.fates.pop_front().unwrap_or(Fate::Sends) } else { Fate::Refuses };
            match fate {
                Fate::Refuses => return,
                Fate::Drops => w.dropped += 1,
                Fate::Sends => {
                    let sent = parsed(&self.memory[head][..len], w.links[&device].mtu as usize);
                    w.sent.push(sent);
                }
            }
            let ring = &mut w.rings[self.number];
            ring.0[head] = if matches!(fate, Fate::Sends) { Status::Sending } else { Status::Free };
            ring.1 = (head + 1) % FRAMES;
        }
    }
}

/// What the network would see of a frame. Segments as virtio says; the addresses must fit each other.
pub(super) fn parsed(frame: &[u8], mtu: usize) -> Sent {
    let segment = usize::from(u16::from_ne_bytes([frame[4], frame[5]]));
    let whole = SlicedPacket::from_ethernet(&frame[10..]).expect("lengths that fit");
    let Some(TransportSlice::Udp(udp)) = whole.transport else { panic!("no UDP") };
    let ip = IpAddr::from(<[u8; 4]>::try_from(&frame[40..44]).unwrap());
    assert_eq!(&frame[12..16], &frame[40..44], "the neighbour is that of the receiver");
    assert_eq!(&frame[36..40], &[10, 0, 0, 1], "from us");
    assert_eq!(udp.source_port(), 5000);
    let datagrams: Vec<Vec<u8>> =
        udp.payload().chunks(if segment == 0 { MAX_DATAGRAM } else { segment }).map(<[u8]>::to_vec).collect();
    assert!(datagrams.iter().all(|d| d.len() + 28 <= mtu), "longer than the device takes");
    Sent { to: SocketAddr::new(ip, udp.destination_port()), raw: true, datagrams }
}

pub(super) struct FakeSockets(Shared);

impl Sink for FakeSockets {
    fn send(&mut self, buffer: &[u8], messages: &[Message]) -> u64 {
        let mut w = self.0.lock().unwrap();
        for m in messages {
            assert!(m.place.is_none());
            let datagrams = buffer[m.start..m.start + m.len].chunks(m.segment).map(<[u8]>::to_vec).collect();
            w.sent.push(Sent { to: m.path.to, raw: false, datagrams });
        }
        0
    }
    fn gso(&self) -> bool {
        true
    }
}

pub(super) struct FakeRings(Shared);

impl Rings for FakeRings {
    type Frames = FakeFrames;
    fn make(&mut self) -> Option<FakeFrames> {
        let may = {
            let w = self.0.lock().unwrap();
            w.rings.len() < w.most_rings
        };
        may.then(|| FakeFrames::new(&self.0))
    }
    fn bind(&self, frames: &FakeFrames, device: u32) -> io::Result<()> {
        self.0.lock().unwrap().rings[frames.number].2 = device;
        Ok(())
    }
}

pub(super) const LINK: Link = Link { address: Some([2, 0, 0, 0, 0, 1]), mtu: 1500, up: true };

pub(super) fn world() -> Shared {
    let links = HashMap::from([(2, LINK), (3, LINK)]);
    Arc::new(Mutex::new(World { links, device: 2, most_rings: 2, ..World::default() }))
}

pub(super) fn egress(world: &Shared) -> Egress {
    let first = FakeFrames::new(world);
    let (kernel, rings) = (FakeKernel(world.clone()), FakeRings(world.clone()));
    Egress::new(Box::new(RawSink::new(FakeSockets(world.clone()), [Some(5000), None], kernel, rings, vec![first])))
}
