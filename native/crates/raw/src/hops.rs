//! Through which device, and to which neighbour, a receiver is reached. What was found out holds until the kernel says that
//! something has changed. Decided without I/O: see [`Kernel`].

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::header::{Header, Mac};

/// Neighbours that are remembered: one for all behind a gateway, and one for each receiver on a network of ours.
pub const MAX_HOPS: usize = 4096;
/// When there are too many, all are forgotten, but not more often than so.
const FORGET_US: u64 = 60_000_000;

/// Why the way to a receiver can't be gone past the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The neighbour's address on the link is not known, or no longer.
    Unresolved,
    /// The receiver is on this host.
    Local,
    /// The device is not an Ethernet.
    NoEthernet,
    /// The device is down or has no carrier.
    LinkDown,
    /// There is no route, or one of a kind that only the kernel can go.
    OddRoute,
    /// More neighbours than are remembered.
    ManyHops,
}

/// Which way is asked for. The ports count where there are several routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where it comes from, if that is settled.
    pub from: Option<IpAddr>,
    /// Our port, from which it is sent.
    pub port: u16,
    /// The receiver's address and port.
    pub to: SocketAddr,
}

/// What the kernel says of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Index of the device.
    pub device: u32,
    /// The gateway, or the receiver itself.
    pub next: IpAddr,
    /// Where it would come from.
    pub source: IpAddr,
    /// The route's own MTU, if it has one.
    pub mtu: Option<u32>,
}

/// A device, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its address, if it is an Ethernet.
    pub address: Option<Mac>,
    /// The longest packet that it takes.
    pub mtu: u32,
    /// Whether it is up and has a carrier.
    pub up: bool,
}

/// What has changed in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A device: as it is now, or None if there is none with this index.
    Link(u32, Option<Link>),
    /// A neighbour: as it is now, or None if it can't be used.
    Neighbour(u32, IpAddr, Option<Mac>),
    /// A route, a rule or one of our addresses.
    Routes,
    /// Changes were missed.
    Everything,
}

/// The kernel, as far as it is asked.
pub trait Kernel {
    /// The way that a datagram would go.
    fn route(&mut self, question: &Question) -> Result<Route, Obstacle>;
    /// The address of a neighbour, if it is usable.
    fn neighbour(&mut self, device: u32, address: IpAddr) -> Option<Mac>;
    /// All devices that there are.
    fn links(&mut self) -> HashMap<u32, Link>;
    /// What has changed since the last call.
    fn changes(&mut self) -> Vec<Change>;
}

/// For how long an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    generation: u32,
    hop: Option<u32>,
    version: u32,
}

/// A way to a receiver.
#[derive(Clone, Debug)]
pub struct Way {
    /// Index of the device.
    pub device: u32,
    /// What stands before each burst.
    pub header: Header,
    /// The longest packet, with its IP header.
    pub mtu: usize,
}

struct Hop {
    mac: Option<Mac>,
    version: u32,
}

/// All neighbours and devices that were asked for.
pub struct Hops<K> {
    kernel: K,
    links: HashMap<u32, Link>,
    hops: Vec<Hop>,
    places: HashMap<(u32, IpAddr), u32>,
    generation: u32,
    forgotten_us: Option<u64>,
}

impl<K: Kernel> Hops<K> {
    /// Asks for the devices, and for nothing else until there is a receiver.
    pub fn new(mut kernel: K) -> Self {
        let links = kernel.links();
        Hops { kernel, links, hops: vec![], places: HashMap::new(), generation: 0, forgotten_us: None }
    }

    /// The one who is asked.
    pub fn kernel(&mut self) -> &mut K {
        &mut self.kernel
    }

    /// Whether any way can be gone at all: there is an Ethernet that is up.
    pub fn any(&self) -> bool {
        self.links.values().any(|l| l.up && l.address.is_some())
    }

    /// Whether there is such a device.
    pub fn has(&self, device: u32) -> bool {
        self.links.contains_key(&device)
    }

    /// Whether an answer still holds. Called for each message.
    #[inline]
    pub fn holds(&self, stamp: &Stamp) -> bool {
        stamp.generation == self.generation
            && stamp.hop.is_none_or(|hop| self.hops.get(hop as usize).is_some_and(|h| h.version == stamp.version))
    }

    /// The way to a receiver, or why there is none. Costs a question to the kernel, or two.
    pub fn resolve(&mut self, now_us: u64, question: &Question) -> (Stamp, Result<Way, Obstacle>) {
        let mut hop = None;
        let found = self.look(now_us, question, &mut hop);
        let version = hop.and_then(|hop: u32| self.hops.get(hop as usize)).map_or(0, |h| h.version);
        (Stamp { generation: self.generation, hop, version }, found)
    }

    fn look(&mut self, now_us: u64, question: &Question, place: &mut Option<u32>) -> Result<Way, Obstacle> {
        let route = self.kernel.route(question)?;
        let link = *self.links.get(&route.device).ok_or(Obstacle::OddRoute)?;
        let address = link.address.ok_or(Obstacle::NoEthernet)?;
        if !link.up {
            return Err(Obstacle::LinkDown);
        }
        let hop = self.hop(now_us, route.device, route.next)?;
        *place = Some(hop);
        let next = self.hops[hop as usize].mac.ok_or(Obstacle::Unresolved)?;
        let source = SocketAddr::new(question.from.unwrap_or(route.source), question.port);
        let header = Header::new(source, question.to, address, next).ok_or(Obstacle::OddRoute)?;
        let mtu = link.mtu.min(route.mtu.unwrap_or(u32::MAX)) as usize;
        Ok(Way { device: route.device, header, mtu })
    }

    fn hop(&mut self, now_us: u64, device: u32, next: IpAddr) -> Result<u32, Obstacle> {
        if let Some(hop) = self.places.get(&(device, next)) {
            return Ok(*hop);
        }
        if self.hops.len() >= MAX_HOPS {
            if self.forgotten_us.is_some_and(|at| now_us < at + FORGET_US) {
                return Err(Obstacle::ManyHops);
            }
            self.forgotten_us = Some(now_us);
            self.forget();
        }
        let hop = self.hops.len() as u32;
        self.hops.push(Hop { mac: self.kernel.neighbour(device, next), version: 0 });
        self.places.insert((device, next), hop);
        Ok(hop)
    }

    /// All that was found out about ways is to be asked anew.
    fn forget(&mut self) {
        self.hops.clear();
        self.places.clear();
        self.generation = self.generation.wrapping_add(1);
    }

    /// Takes in what the kernel has told.
    pub fn changed(&mut self, change: Change) {
        match change {
            Change::Link(device, now) => {
                let before = match now {
                    Some(link) => self.links.insert(device, link),
                    None => self.links.remove(&device),
                };
                if before != now {
                    self.forget();
                }
            }
            Change::Neighbour(device, address, mac) => {
                let Some(hop) = self.places.get(&(device, address)) else { return };
                let hop = &mut self.hops[*hop as usize];
                if hop.mac != mac {
                    hop.mac = mac;
                    hop.version += 1;
                }
            }
            Change::Routes => self.generation = self.generation.wrapping_add(1),
            Change::Everything => {
                self.links = self.kernel.links();
                self.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Mac = [2, 0, 0, 0, 0, 1];
    const GATEWAY: Mac = [2, 0, 0, 0, 0, 2];
    const OTHER: Mac = [2, 0, 0, 0, 0, 3];

    /// One device, number 2, and a gateway.
    struct Fake {
        link: Link,
        route: Result<Route, Obstacle>,
        mac: Option<Mac>,
        asked: (usize, usize),
        direct: bool,
    }

    impl Kernel for Fake {
        fn route(&mut self, question: &Question) -> Result<Route, Obstacle> {
            self.asked.0 += 1;
            self.route.map(|r| if self.direct { Route { next: question.to.ip(), ..r } } else { r })
        }
        fn neighbour(&mut self, _: u32, _: IpAddr) -> Option<Mac> {
            self.asked.1 += 1;
            self.mac
        }
        fn links(&mut self) -> HashMap<u32, Link> {
            HashMap::from([(1, Link { address: None, mtu: 65_536, up: true }), (2, self.link)])
        }
        fn changes(&mut self) -> Vec<Change> {
            vec![]
        }
    }

    const LINK: Link = Link { address: Some(US), mtu: 1500, up: true };

    fn gateway() -> IpAddr {
        [10, 0, 0, 254].into()
    }

    fn hops() -> Hops<Fake> {
        let route = Route { device: 2, next: gateway(), source: [10, 0, 0, 1].into(), mtu: None };
        Hops::new(Fake { link: LINK, route: Ok(route), mac: Some(GATEWAY), asked: (0, 0), direct: false })
    }

    fn to(last: u32) -> Question {
        Question { from: None, port: 5000, to: ((0x0b00_0000 + last).to_be_bytes(), 6000).into() }
    }

    fn next_of(found: &Result<Way, Obstacle>) -> Mac {
        let mut room = [0; 52];
        found.as_ref().unwrap().header.write(&mut room, 1, 1);
        room[10..16].try_into().unwrap()
    }

    #[test]
    fn all_behind_a_gateway_share_a_neighbour() {
        let mut h = hops();
        for i in 0..10 {
            let (stamp, found) = h.resolve(0, &to(i));
            assert_eq!((next_of(&found), found.unwrap().mtu), (GATEWAY, 1500));
            assert!(h.holds(&stamp));
        }
        assert_eq!(h.kernel().asked, (10, 1));
    }

    #[test]
    fn another_address_of_the_neighbour_voids_what_was_found() {
        let mut h = hops();
        let (stamp, _) = h.resolve(0, &to(1));
        h.changed(Change::Neighbour(2, gateway(), Some(GATEWAY)));
        h.changed(Change::Neighbour(2, [10, 0, 0, 7].into(), None));
        h.changed(Change::Neighbour(3, gateway(), None));
        assert!(h.holds(&stamp), "nothing of ours has changed");
        h.changed(Change::Neighbour(2, gateway(), Some(OTHER)));
        assert!(!h.holds(&stamp));
        assert_eq!(next_of(&h.resolve(0, &to(1)).1), OTHER);
    }

    #[test]
    fn a_neighbour_that_is_gone_is_waited_for() {
        let mut h = hops();
        let _ = h.resolve(0, &to(1));
        h.changed(Change::Neighbour(2, gateway(), None));
        let (stamp, found) = h.resolve(0, &to(1));
        assert_eq!(found.unwrap_err(), Obstacle::Unresolved);
        assert!(h.holds(&stamp), "it is not asked for again and again");
        h.changed(Change::Neighbour(2, gateway(), Some(OTHER)));
        assert!(!h.holds(&stamp));
        assert_eq!(next_of(&h.resolve(0, &to(1)).1), OTHER);
    }

    #[test]
    fn routes_devices_and_missed_changes_void_everything() {
        for change in [
            Change::Routes,
            Change::Link(2, Some(Link { mtu: 1400, ..LINK })),
            Change::Link(2, Some(Link { up: false, ..LINK })),
            Change::Link(2, None),
            Change::Everything,
        ] {
            let mut h = hops();
            let (stamp, _) = h.resolve(0, &to(1));
            h.changed(change);
            assert!(!h.holds(&stamp), "{change:?}");
        }
        let mut h = hops();
        let (stamp, _) = h.resolve(0, &to(1));
        h.changed(Change::Link(2, Some(LINK)));
        assert!(h.holds(&stamp), "said again, and the same");
    }

    #[test]
    fn a_device_that_is_down_or_no_ethernet_is_an_obstacle() {
        let mut h = hops();
        h.changed(Change::Link(2, Some(Link { up: false, ..LINK })));
        assert_eq!(h.resolve(0, &to(1)).1.unwrap_err(), Obstacle::LinkDown);
        assert!(!h.any());
        h.changed(Change::Link(2, Some(Link { address: None, ..LINK })));
        assert_eq!(h.resolve(0, &to(1)).1.unwrap_err(), Obstacle::NoEthernet);
        h.changed(Change::Link(2, Some(Link { mtu: 1400, ..LINK })));
        assert_eq!(h.resolve(0, &to(1)).1.unwrap().mtu, 1400);
        h.changed(Change::Link(2, None));
        assert_eq!(h.resolve(0, &to(1)).1.unwrap_err(), Obstacle::OddRoute);
        assert!(h.has(1) && !h.has(2));
    }

    #[test]
    fn what_the_kernel_refuses_is_passed_on_and_asked_again_when_routes_change() {
        let mut h = hops();
        h.kernel().route = Err(Obstacle::Local);
        let (stamp, found) = h.resolve(0, &to(1));
        assert_eq!(found.unwrap_err(), Obstacle::Local);
        assert!(h.holds(&stamp));
        h.changed(Change::Routes);
        assert!(!h.holds(&stamp));
    }

    #[test]
    fn the_route_decides_the_source_and_a_smaller_mtu() {
        let mut h = hops();
        h.kernel().route = h.kernel().route.map(|r| Route { mtu: Some(1280), ..r });
        let way = h.resolve(0, &to(1)).1.unwrap();
        assert_eq!(way.mtu, 1280);
        let mut room = [0; 52];
        way.header.write(&mut room, 1, 1);
        assert_eq!(room[36..40], [10, 0, 0, 1]);
        let from = Some([192, 0, 2, 9].into());
        h.resolve(0, &Question { from, ..to(1) }).1.unwrap().header.write(&mut room, 1, 1);
        assert_eq!(room[36..40], [192, 0, 2, 9]);
    }

    #[test]
    fn neighbours_are_bounded_and_there_is_a_way_back() {
        let mut h = hops();
        h.kernel().direct = true;
        let stamps: Vec<Stamp> = (0..MAX_HOPS as u32).map(|i| h.resolve(1, &to(i)).0).collect();
        assert!(stamps.iter().all(|s| h.holds(s)));
        let (first, found) = h.resolve(1, &to(MAX_HOPS as u32));
        assert!(found.is_ok() && h.holds(&first) && !h.holds(&stamps[0]), "the others are forgotten, once");
        (0..MAX_HOPS as u32 - 1).for_each(|i| drop(h.resolve(2, &to(i))));
        assert_eq!(h.resolve(2, &to(1 << 20)).1.unwrap_err(), Obstacle::ManyHops);
        assert!(h.resolve(1 + FORGET_US, &to(1 << 20)).1.is_ok());
    }
}
