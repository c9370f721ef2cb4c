//! Everything one media thread owns, decided without I/O: datagrams, mail and `now` go in; datagrams leave through
//! [`Egress`], events through [`EventQueue`], mail to other workers through their [`Mailbox`]es.

mod adoption;
mod audio_piggyback;
mod bandwidth_probe;
mod clocks;
mod commands;
mod cross_worker;
mod failure;
mod fast_start;
mod forwarder;
mod handover;
mod inbound;
mod passage;
mod path_measuring;
mod relayed;
mod relays;
mod remotes;
mod report;
mod sessions;
mod source_switch;
mod sources;
mod start_queue;
mod tcp;
mod timers;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rillcast_crypto::dtls::Context;
use rillcast_wire::demux;

use crate::config::PlaneConfig;
use crate::egress::{Egress, Path, Sock};
use crate::events::EventQueue;
use crate::mailbox::Mailbox;
use crate::registry::Registry;
use crate::tcp::Connections;
use bandwidth_probe::Probe;
use passage::Passages;
use path_measuring::Measuring;
use relays::Relays;
use sessions::Sessions;
use sources::Sources;
use start_queue::StartQueue;

/// How often `tick` wants to be called while there is anything to do.
pub const TICK_US: u64 = 5_000;

/// What all workers of a plane share.
#[derive(Clone)]
pub struct Shared {
    pub context: Arc<Context>,
    pub events: Arc<EventQueue>,
    pub registry: Arc<Registry>,
    pub mailboxes: Vec<Arc<Mailbox>>,
    /// NTP time at plane time 0.
    pub epoch_ntp: u64,
}

impl Shared {
    /// NTP time at plane time `now_us`.
    pub(crate) fn wall_ntp(&self, now_us: u64) -> u64 {
        self.epoch_ntp.wrapping_add((((now_us as u128) << 32) / 1_000_000) as u64)
    }
}

/// Counts by reason; every refusal or drop has one.
#[derive(Default)]
pub struct Counters(pub BTreeMap<&'static str, u64>);

impl Counters {
    /// Once per refusal or drop.
    pub fn add(&mut self, reason: &'static str) {
        self.add_many(reason, 1);
    }

    /// Counts the same reason several times at once.
    pub fn add_many(&mut self, reason: &'static str, times: u64) {
        *self.0.entry(reason).or_default() += times;
    }
}

/// Feedback that is no refusal, since the worker began.
#[derive(Default)]
struct Asked {
    /// Packets that publishers and parents were asked for again.
    nacks_sent: u64,
    /// Keyframes that viewers and children have asked for.
    keyframes_in: u64,
    /// Keyframes that publishers and parents were asked for.
    keyframes_out: u64,
}

/// Driven by one thread, or by a test: `mail` and `datagram` for what arrives, then `flush`; `tick` every `TICK_US`.
pub struct Worker {
    pub index: usize,
    config: PlaneConfig,
    shared: Shared,
    sessions: Sessions,
    sources: Sources,
    relays: Relays,
    tcp: Connections,
    /// Packets taken along by the burst under way, by source; kept for its room.
    piggybacked: Vec<(u64, usize)>,
    starts: StartQueue,
    /// The probes under way, by session slot.
    probes: HashMap<usize, Probe>,
    /// The paths that are being measured, by session slot.
    measuring: HashMap<usize, Measuring>,
    pub counters: Counters,
    asked: Asked,
    pub passages: Passages,
    /// DTLS associations given up since the last second began.
    shed: usize,
    packets_in: u64,
    bytes_in: u64,
    last_second_us: u64,
    ticked_us: u64,
    next_slice: usize,
    handshake_turn: usize,
    /// Share of the last second spent working; set by the driver.
    pub busy: f64,
    pub loop_lag_us: u64,
}

impl Worker {
    /// Without sessions, sources or relays. `index`: its place among the mailboxes.
    pub fn new(index: usize, config: PlaneConfig, shared: Shared) -> Self {
        Worker {
            index,
            tcp: Connections::new(config.tcp_connections),
            config,
            shared,
            sessions: Sessions::default(),
            sources: Sources::default(),
            relays: Relays::default(),
            piggybacked: vec![],
            starts: StartQueue::default(),
            probes: HashMap::new(),
            measuring: HashMap::new(),
            counters: Counters::default(),
            asked: Asked::default(),
            passages: Passages::default(),
            shed: 0,
            packets_in: 0,
            bytes_in: 0,
            last_second_us: 0,
            ticked_us: 0,
            next_slice: 0,
            handshake_turn: 0,
            busy: 0.0,
            loop_lag_us: 0,
        }
    }

    /// Nothing to time: the driver may sleep until something arrives.
    pub fn is_idle(&self) -> bool {
        self.sessions.is_empty() && self.sources.is_empty() && self.relays.no_outgoing() && self.tcp.is_empty()
    }

    /// One datagram; `data` is decrypted in place.
    pub fn datagram(&mut self, now_us: u64, path: Path, data: &mut [u8], out: &mut Egress) {
        self.packets_in += 1;
        self.bytes_in += data.len() as u64;
        if path.sock == Sock::Relay {
            self.relay_datagram(now_us, path, data, out);
            return;
        }
        match demux::classify(data) {
            demux::Kind::Stun => self.stun(now_us, path, data, out),
            demux::Kind::Dtls => self.dtls(now_us, path, data, out),
            demux::Kind::Rtp => self.session_rtp(now_us, path, data),
            demux::Kind::Rtcp => self.session_rtcp(now_us, path, data, out),
            demux::Kind::Unknown => self.counters.add("demux_unknown"),
        }
    }
}

impl Worker {
    /// The tables and lists that are not empty, for tests: when everybody has left, there must be none.
    pub fn leftovers(&self) -> Vec<&'static str> {
        [
            ("sessions", self.sessions.len()),
            ("ways to sessions", self.sessions.ways()),
            ("sources", self.sources.len().0),
            ("dirty", self.sources.len().1),
            ("relays", self.relays.len()),
            ("TCP connections", self.tcp.len()),
            ("TCP tables", self.tcp.leftovers()),
            ("half open", self.sessions.half_open()),
            ("starts", self.starts.len()),
            ("probes", self.probes.len()),
            ("paths being measured", self.measuring.len()),
        ]
        .into_iter()
        .filter_map(|(name, n)| (n > 0).then_some(name))
        .collect()
    }

    #[cfg(test)]
    fn is_half_open(&self, session: u64) -> bool {
        self.sessions.slot_of(session).is_some_and(|slot| self.sessions[slot].phase == crate::session::Phase::Waiting)
    }
}

#[cfg(test)]
mod tests;
