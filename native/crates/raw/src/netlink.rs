//! The kernel's routes, neighbours and devices (rtnetlink(7)): asked when a receiver needs a way, and heard when they change.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};

use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload, NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteType, RouteVia};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{protocols::NETLINK_ROUTE, Socket, SocketAddr};

use crate::header::Mac;
use crate::hops::{Change, Kernel, Link, Obstacle, Question, Route};

/// Groups of changes (`enum rtnetlink_groups`): devices, neighbours; addresses, routes and rules of both families; next
/// hops that routes share.
const GROUPS: [u32; 9] = [1, 3, 5, 7, 8, 9, 11, 19, 32];
/// More than any answer takes: the kernel makes parts of a list no longer than this.
const ANSWER: usize = 64 * 1024;
/// Changes that are taken in at once; the rest is read in the next turn.
const MOST_READ: usize = 64;

type Message = NetlinkMessage<RouteNetlinkMessage>;

/// One socket for questions, and one that hears of changes.
pub struct Netlink {
    asks: Socket,
    hears: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Hears of all changes from now on. Needs no capability.
    pub fn new() -> io::Result<Self> {
        let mut asks = Socket::new(NETLINK_ROUTE)?;
        asks.bind_auto()?;
        asks.connect(&SocketAddr::new(0, 0))?;
        let mut hears = Socket::new(NETLINK_ROUTE)?;
        hears.bind_auto()?;
        GROUPS.iter().try_for_each(|group| hears.add_membership(*group))?;
        asks.set_non_blocking(true)?;
        hears.set_non_blocking(true)?;
        Ok(Netlink { asks, hears, sequence: 0, buffer: Vec::with_capacity(ANSWER) })
    }

    /// The descriptor that can be read when something has changed.
    pub fn watched(&self) -> RawFd {
        self.hears.as_raw_fd()
    }

    /// Asks, and gives every part of the answer to `each`. None: the kernel refuses, or its answer can't be read.
    fn ask(
        &mut self,
        flags: u16,
        question: RouteNetlinkMessage,
        mut each: impl FnMut(RouteNetlinkMessage),
    ) -> Option<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        (header.flags, header.sequence_number) = (NLM_F_REQUEST | flags, self.sequence);
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(question));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.asks.send(&bytes, 0).ok()?;
        loop {
            self.buffer.clear();
            // The kernel has answered before `send` returned: there is nothing to wait for.
            self.asks.recv(&mut self.buffer, libc::MSG_DONTWAIT).ok()?;
            for message in messages(&self.buffer) {
                let message = message?;
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                match message.payload {
                    NetlinkPayload::InnerMessage(part) => each(part),
                    NetlinkPayload::Done(_) => return Some(()),
                    _ => return None,
                }
                if flags & NLM_F_DUMP == 0 {
                    return Some(());
                }
            }
        }
    }
}

/// The messages in what was read; None for one that can't be parsed, which may be of a kind that is newer than this code.
fn messages(buffer: &[u8]) -> impl Iterator<Item = Option<Message>> + '_ {
    let mut rest = buffer;
    std::iter::from_fn(move || {
        let len = u32::from_ne_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let this = rest.get(..len).filter(|_| len >= 16)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Message::deserialize(this).ok())
    })
}

fn change(message: &Message) -> Option<Change> {
    let NetlinkPayload::InnerMessage(message) = &message.payload else { return None };
    match message {
        RouteNetlinkMessage::NewLink(l) => link(l).map(|(index, link)| Change::Link(index, Some(link))),
        RouteNetlinkMessage::DelLink(l) => link(l).map(|(index, _)| Change::Link(index, None)),
        RouteNetlinkMessage::NewNeighbour(n) => neighbour(n),
        RouteNetlinkMessage::DelNeighbour(n) => match neighbour(n)? {
            Change::Neighbour(device, address, _) => Some(Change::Neighbour(device, address, None)),
            other => Some(other),
        },
        _ => Some(Change::Routes),
    }
}

/// A device; None if the message tells of something else about it, such as a bridge's port.
fn link(message: &LinkMessage) -> Option<(u32, Link)> {
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let mut link =
        Link { address: None, mtu: 0, up: message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp) };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Address(bytes) if message.header.link_layer_type == LinkLayerType::Ether => {
                link.address = Mac::try_from(&bytes[..]).ok();
            }
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            _ => {}
        }
    }
    Some((message.header.index, link))
}

fn neighbour(message: &NeighbourMessage) -> Option<Change> {
    let mut address = None;
    let mut mac = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => address = Some(IpAddr::from(*ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => address = Some(IpAddr::from(*ip)),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = Mac::try_from(&bytes[..]).ok(),
            _ => {}
        }
    }
    if message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let usable = matches!(
        message.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Noarp
            | NeighbourState::Permanent
    );
    Some(Change::Neighbour(message.header.ifindex, address?, mac.filter(|_| usable)))
}

fn family(ip: IpAddr) -> (AddressFamily, u8) {
    match ip {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    }
}

fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

/// What an answer says of the way to `to`.
fn route(message: &RouteMessage, question: &Question) -> Result<Route, Obstacle> {
    match message.header.kind {
        RouteType::Unicast => {}
        RouteType::Local => return Err(Obstacle::Local),
        _ => return Err(Obstacle::OddRoute),
    }
    let (mut device, mut source, mut mtu) = (None, question.from, None);
    let mut next = question.to.ip();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => device = Some(*index),
            RouteAttribute::Gateway(gateway) => next = ip_of(gateway).ok_or(Obstacle::OddRoute)?,
            RouteAttribute::Via(RouteVia::Inet(ip)) => next = (*ip).into(),
            RouteAttribute::Via(RouteVia::Inet6(ip)) => next = (*ip).into(),
            RouteAttribute::PrefSource(ip) => source = source.or(ip_of(ip)),
            RouteAttribute::Metrics(metrics) => {
                mtu = metrics.iter().find_map(|m| if let RouteMetric::Mtu(mtu) = m { Some(*mtu) } else { None });
            }
            // A tunnel that belongs to the route, or several ways at once.
            RouteAttribute::Via(_)
            | RouteAttribute::Encap(_)
            | RouteAttribute::EncapType(_)
            | RouteAttribute::MultiPath(_)
            | RouteAttribute::NewDestination(_) => return Err(Obstacle::OddRoute),
            _ => {}
        }
    }
    let (Some(device), Some(source)) = (device, source) else { return Err(Obstacle::OddRoute) };
    Ok(Route { device, next, source, mtu: mtu.filter(|m| *m > 0) })
}

impl Kernel for Netlink {
    fn route(&mut self, question: &Question) -> Result<Route, Obstacle> {
        if let IpAddr::V6(ip) = question.to.ip() {
            // Addresses of one link need a device, which the question doesn't name.
            if ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some() {
                return Err(Obstacle::OddRoute);
            }
        }
        let (family, bits) = family(question.to.ip());
        let mut message = RouteMessage::default();
        (message.header.address_family, message.header.destination_prefix_length) = (family, bits);
        message.attributes = vec![
            RouteAttribute::Destination(question.to.ip().into()),
            RouteAttribute::IpProto(libc::IPPROTO_UDP as u8),
            RouteAttribute::Sport(question.port),
            RouteAttribute::Dport(question.to.port()),
        ];
        if let Some(from) = question.from {
            message.header.source_prefix_length = bits;
            message.attributes.push(RouteAttribute::Source(from.into()));
        }
        let mut found = Err(Obstacle::OddRoute);
        self.ask(0, RouteNetlinkMessage::GetRoute(message), |part| {
            if let RouteNetlinkMessage::NewRoute(r) = part {
                found = route(&r, question);
            }
        });
        found
    }

    fn neighbour(&mut self, device: u32, address: IpAddr) -> Option<Mac> {
        let mut message = NeighbourMessage::default();
        (message.header.family, message.header.ifindex) = (family(address).0, device);
        message.attributes = vec![NeighbourAttribute::Destination(address.into())];
        let mut found = None;
        self.ask(0, RouteNetlinkMessage::GetNeighbour(message), |part| {
            if let RouteNetlinkMessage::NewNeighbour(n) = part {
                if let Some(Change::Neighbour(_, ip, mac)) = neighbour(&n) {
                    found = mac.filter(|_| ip == address);
                }
            }
        });
        found
    }

    /// There may be more if the descriptor can still be read.
    fn changes(&mut self) -> Vec<Change> {
        let mut changes = vec![];
        for _ in 0..MOST_READ {
            self.buffer.clear();
            match self.hears.recv(&mut self.buffer, libc::MSG_DONTWAIT) {
                Ok(_) => {
                    let heard = messages(&self.buffer);
                    changes.extend(heard.filter_map(|m| m.map_or(Some(Change::Routes), |m| change(&m))));
                }
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => changes.push(Change::Everything),
                Err(_) => break,
            }
        }
        changes
    }

    fn links(&mut self) -> HashMap<u32, Link> {
        let mut found = HashMap::new();
        self.ask(NLM_F_DUMP, RouteNetlinkMessage::GetLink(LinkMessage::default()), |part| {
            if let RouteNetlinkMessage::NewLink(l) = part {
                found.extend(link(&l));
            }
        });
        found
    }
}
