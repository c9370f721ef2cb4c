//! Clients' TCP connections (ICE over TCP, RFC 6544): how many there may be, and for how long one may be of no use.

/// How datagrams lie in a stream of bytes (RFC 4571).
pub mod framing;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::egress::Connection;
use framing::Deframer;

/// By then the first authentic check has come: it is sent in the first round trip.
pub const CHECK_WITHIN_US: u64 = 5_000_000;
/// Browsers check each path at least every 25 s, the one in use every 5 s (RFC 7675).
pub const IDLE_US: u64 = 60_000_000;
/// What may come before the first authentic check: that check, and repetitions of it.
const UNPROVED_BYTES: usize = 16_384;

/// Why a connection is refused or ended. Each is a counter of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There are as many as there may be, and all of them have shown a check.
    Full,
    /// The address has as many as are free.
    Share,
    /// It was the oldest that had not shown a check when there was no room.
    Displaced,
    /// No authentic check came in time, or something else came before it.
    NoCheck,
    /// A datagram was announced that is too long.
    FrameTooLong,
    /// Nothing came for `IDLE_US`.
    Idle,
}

impl Ended {
    /// The name of its counter.
    pub fn name(self) -> &'static str {
        match self {
            Ended::Full => "tcp_full",
            Ended::Share => "tcp_share",
            Ended::Displaced => "tcp_displaced",
            Ended::NoCheck => "tcp_no_check",
            Ended::FrameTooLong => "tcp_frame_too_long",
            Ended::Idle => "tcp_idle",
        }
    }
}

struct Entry {
    from: SocketAddr,
    opened_us: u64,
    heard_us: u64,
    /// An authentic check has come.
    proved: bool,
    /// What may still come until then.
    unproved_bytes: usize,
    deframer: Deframer,
}

/// The connections of one worker. Whoever has none of a session's checks gives way to others, and an address has as many
/// at most as it leaves free.
pub struct Connections {
    most: usize,
    all: BTreeMap<Connection, Entry>,
    /// Those without a check, the oldest first.
    unproved: BTreeSet<(u64, Connection)>,
    of_network: HashMap<IpAddr, usize>,
    next: Connection,
    /// To be closed by the driver.
    ended: Vec<Connection>,
}

impl Connections {
    /// `most`: how many there may be at one time.
    pub fn new(most: usize) -> Self {
        Connections {
            most,
            all: BTreeMap::new(),
            unproved: BTreeSet::new(),
            of_network: HashMap::new(),
            next: 0,
            ended: vec![],
        }
    }

    /// How many there are now.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none now.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Entries of the other tables.
    pub fn leftovers(&self) -> usize {
        self.unproved.len() + self.of_network.len() + self.ended.len()
    }

    /// A client connects. After an error its connection is to be closed. The second value has given way to it.
    pub fn accept(&mut self, now_us: u64, from: SocketAddr) -> Result<(Connection, Option<Connection>), Ended> {
        let full = self.all.len() >= self.most;
        let free = if full { self.unproved.len().min(1) } else { self.most - self.all.len() };
        if self.of_network.get(&network(from.ip())).copied().unwrap_or(0) >= free {
            return Err(if free == 0 { Ended::Full } else { Ended::Share });
        }
        let displaced = if full { self.unproved.first().map(|(_, c)| *c) } else { None };
        displaced.iter().for_each(|c| self.end(*c));
        while self.all.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let connection = self.next;
        self.next = self.next.wrapping_add(1);
        let (proved, deframer) = (false, Deframer::default());
        let entry =
            Entry { from, opened_us: now_us, heard_us: now_us, proved, unproved_bytes: UNPROVED_BYTES, deframer };
        self.all.insert(connection, entry);
        self.unproved.insert((now_us, connection));
        *self.of_network.entry(network(from.ip())).or_default() += 1;
        Ok((connection, displaced))
    }

    /// So many bytes have come. What takes them apart, which is to be given back by `resume`; None: there is no such
    /// connection any more. An error: it is to be ended.
    pub fn hear(
        &mut self,
        now_us: u64,
        connection: Connection,
        bytes: usize,
    ) -> Result<Option<(SocketAddr, Deframer)>, Ended> {
        let Some(e) = self.all.get_mut(&connection) else { return Ok(None) };
        e.heard_us = now_us;
        if !e.proved {
            e.unproved_bytes = e.unproved_bytes.checked_sub(bytes).ok_or(Ended::NoCheck)?;
        }
        Ok(Some((e.from, std::mem::take(&mut e.deframer))))
    }

    /// Gives back what `hear` has handed out.
    pub fn resume(&mut self, connection: Connection, deframer: Deframer) {
        if let Some(e) = self.all.get_mut(&connection) {
            e.deframer = deframer;
        }
    }

    /// Whether it has not ended.
    pub fn contains(&self, connection: Connection) -> bool {
        self.all.contains_key(&connection)
    }

    /// Whether an authentic check has come on it.
    pub fn is_proved(&self, connection: Connection) -> bool {
        self.all.get(&connection).is_some_and(|e| e.proved)
    }

    /// An authentic check of a session has come.
    pub fn proved(&mut self, connection: Connection) {
        if let Some(e) = self.all.get_mut(&connection) {
            e.proved = true;
            self.unproved.remove(&(e.opened_us, connection));
        }
    }

    /// It is no more, and the driver is to close it.
    pub fn end(&mut self, connection: Connection) {
        if self.forget(connection) {
            self.ended.push(connection);
        }
    }

    /// The peer has closed it. Whether it was there.
    pub fn forget(&mut self, connection: Connection) -> bool {
        let Some(e) = self.all.remove(&connection) else { return false };
        self.unproved.remove(&(e.opened_us, connection));
        let network = network(e.from.ip());
        match self.of_network.get_mut(&network) {
            Some(n) if *n > 1 => *n -= 1,
            _ => {
                self.of_network.remove(&network);
            }
        }
        true
    }

    /// The oldest one whose first check is overdue.
    pub fn overdue(&self, now_us: u64) -> Option<Connection> {
        let (opened_us, connection) = self.unproved.first()?;
        (now_us >= opened_us + CHECK_WITHIN_US).then_some(*connection)
    }

    /// Those from which nothing came for long.
    pub fn idle(&self, now_us: u64) -> Vec<Connection> {
        self.all.iter().filter(|(_, e)| now_us >= e.heard_us + IDLE_US).map(|(c, _)| *c).collect()
    }

    /// What the driver is to close.
    pub fn take_ended(&mut self) -> Vec<Connection> {
        std::mem::take(&mut self.ended)
    }
}

/// Who counts as one: an IPv4 address, or an IPv6 /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(host: u8) -> SocketAddr {
        ([192, 0, 2, host], 1).into()
    }

    #[test]
    fn an_address_has_as_many_as_it_leaves_free() {
        let mut c = Connections::new(8);
        assert!((0..4).all(|_| c.accept(0, from(1)).is_ok()));
        assert_eq!(c.accept(0, from(1)), Err(Ended::Share));
        assert!((0..2).all(|_| c.accept(0, from(2)).is_ok()));
        assert_eq!(c.accept(0, from(2)), Err(Ended::Share));
        assert!(c.accept(0, from(3)).is_ok() && c.accept(0, from(4)).is_ok());
        assert_eq!(c.len(), 8);
    }

    #[test]
    fn the_oldest_without_a_check_gives_way_to_an_address_that_has_none() {
        let mut c = Connections::new(2);
        let (first, _) = c.accept(0, from(1)).unwrap();
        let (second, _) = c.accept(1, from(2)).unwrap();
        c.proved(first);
        assert_eq!(c.accept(2, from(1)), Err(Ended::Share));
        let (third, displaced) = c.accept(2, from(3)).unwrap();
        assert_eq!((displaced, c.take_ended()), (Some(second), vec![second]));
        c.proved(third);
        assert_eq!(c.accept(3, from(4)), Err(Ended::Full), "nobody who has shown a check gives way");
        assert!(c.forget(first) && !c.forget(first));
        assert!(c.accept(4, from(4)).is_ok());
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let mut c = Connections::new(3);
        let v6 = |text: &str| SocketAddr::new(text.parse().unwrap(), 1);
        assert!(c.accept(0, v6("2001:db8::1")).is_ok() && c.accept(0, v6("2001:db8::2")).is_ok());
        assert_eq!(c.accept(0, v6("2001:db8::3")), Err(Ended::Share));
        assert!(c.accept(0, v6("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn without_any_nobody_comes_in() {
        assert_eq!(Connections::new(0).accept(0, from(1)), Err(Ended::Full));
    }

    #[test]
    fn a_check_is_due_and_silence_ends() {
        let mut c = Connections::new(4);
        let (a, _) = c.accept(0, from(1)).unwrap();
        let (b, _) = c.accept(1, from(2)).unwrap();
        c.proved(a);
        assert_eq!(c.overdue(CHECK_WITHIN_US), None);
        assert_eq!(c.overdue(CHECK_WITHIN_US + 1), Some(b));
        assert!(matches!(c.hear(7, a, 1 << 20), Ok(Some(_))));
        assert_eq!((c.idle(IDLE_US), c.idle(IDLE_US + 6), c.idle(IDLE_US + 7)), (vec![], vec![b], vec![a, b]));
    }

    #[test]
    fn little_may_come_before_a_check() {
        let mut c = Connections::new(4);
        let (a, _) = c.accept(0, from(1)).unwrap();
        assert!(matches!(c.hear(0, a, UNPROVED_BYTES), Ok(Some(_))));
        assert!(matches!(c.hear(0, a, 1), Err(Ended::NoCheck)));
        c.end(a);
        assert!(matches!(c.hear(0, a, 1), Ok(None)));
        assert_eq!(c.take_ended(), [a]);
        assert_eq!(c.leftovers(), 0);
    }
}
