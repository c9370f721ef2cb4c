//! Events on their way to Python: bounded, one wake-up per batch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde::Serialize;

use crate::waker::Waker;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    SessionConnected { session: u64, remote: String, dtls: &'static str, srtp: &'static str },
    SessionMedia { session: u64 },
    SessionClosed { session: u64, reason: &'static str },
    SourceStarted { source: u64 },
    SourceStats(SourceStats),
    SessionStats(SessionStats),
    SourceSwitched { session: u64, track: u64, source: u64 },
    RelayConnected { relay: u64, child: String },
    RelayChildLost { relay: u64 },
    RelayParentLost { source: u64 },
    KeyframeWanted { source: u64 },
    ClockSeen { source: u64, ntp: u64, rtp_ts: u32 },
    WorkerStats(WorkerStats),
    Error { command: &'static str, id: u64, message: String },
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct SourceStats {
    pub source: u64,
    pub bitrate_bps: u64,
    pub packets: u64,
    pub lost: u64,
    pub recovered: u64,
    pub keyframes: u64,
    pub frames_per_second: f64,
    pub width: u16,
    pub height: u16,
    /// Bit rate of temporal layers up to 0, 1 and all; as many as there are, empty for one.
    pub layers_bps: Vec<u64>,
    pub silent_ms: u64,
    pub consumers: usize,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct SessionStats {
    pub session: u64,
    pub packets_sent: u64,
    pub bytes_sent: u64,
    pub packets_received: u64,
    pub bytes_received: u64,
    pub estimate_bps: u64,
    pub fraction_lost: f64,
    pub rtt_ms: f64,
    pub lag_ms: f64,
    pub jitter_ms: f64,
    pub nacks: u64,
    pub repaired: u64,
    pub dropped: u64,
    pub video_bps: u64,
    pub audio_bps: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct WorkerStats {
    pub worker: usize,
    pub busy: f64,
    pub loop_lag_ms: f64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub sessions: usize,
    pub half_open: usize,
    pub counters: BTreeMap<&'static str, u64>,
}

/// A tapped source's packet, as a whole RTP packet.
pub type Tapped = (u64, Vec<u8>);

/// Ten seconds of a node with 20 000 sessions, should Python stand still for so long; 50 MB.
const MAX_EVENTS: usize = 200_000;
/// Ten seconds of a 4 Mbit/s source: a decoder further behind needs a keyframe anyway.
const MAX_TAPPED: usize = 4_000;

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    tapped: VecDeque<Tapped>,
}

/// Shared by all workers of a plane. The lock is held for a push or a swap, never per media packet (taps excepted).
pub struct EventQueue {
    waiting: Mutex<Waiting>,
    waker: Arc<dyn Waker>,
    armed: AtomicBool,
    pub dropped: AtomicU64,
}

impl EventQueue {
    /// `waker` wakes the reader, which is Python's event loop.
    pub fn new(waker: Arc<dyn Waker>) -> Self {
        EventQueue { waiting: Mutex::default(), waker, armed: AtomicBool::new(true), dropped: AtomicU64::new(0) }
    }

    /// When Python stands still, statistics are dropped first, then everything.
    pub fn push(&self, event: Event) {
        let mut w = self.lock();
        let limit = if matches!(event, Event::SourceStats(_) | Event::SessionStats(_) | Event::WorkerStats(_)) {
            MAX_EVENTS / 4
        } else {
            MAX_EVENTS
        };
        if w.events.len() >= limit {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        w.events.push_back(event);
        drop(w);
        self.signal();
    }

    pub fn tap(&self, source: u64, packet: Vec<u8>) {
        let mut w = self.lock();
        if w.tapped.len() >= MAX_TAPPED {
            w.tapped.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        w.tapped.push_back((source, packet));
        drop(w);
        self.signal();
    }

    /// Everything waiting. Called by the reader after the descriptor became readable.
    pub fn drain(&self) -> (VecDeque<Event>, VecDeque<Tapped>) {
        self.waker.clear();
        self.armed.store(true, Ordering::SeqCst);
        let mut w = self.lock();
        (std::mem::take(&mut w.events), std::mem::take(&mut w.tapped))
    }

    fn signal(&self) {
        if self.armed.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
