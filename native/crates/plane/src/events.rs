//! Events on their way to Python: bounded, one wake-up per batch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde::Serialize;

use crate::srtp_state::SrtpState;
use crate::waker::Waker;

/// Why the plane ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum CloseReason {
    HandshakeTimeout,
    ConsentExpired,
    DtlsClosed,
    DtlsFailed,
    FingerprintMismatch,
    TooManyHalfOpen,
    Removed,
}

impl CloseReason {
    /// As Python reads it, and as the counter of such ends is called.
    pub fn name(self) -> &'static str {
        match self {
            CloseReason::HandshakeTimeout => "handshake_timeout",
            CloseReason::ConsentExpired => "consent_expired",
            CloseReason::DtlsClosed => "dtls_closed",
            CloseReason::DtlsFailed => "dtls_failed",
            CloseReason::FingerprintMismatch => "fingerprint_mismatch",
            CloseReason::TooManyHalfOpen => "too_many_half_open",
            CloseReason::Removed => "removed",
        }
    }
}

/// What Python is told. `rillcast/media/protocol` mirrors this; a test there compares it with `schema.json`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Event {
    /// The peer has chosen a path that has answered: what it sends comes here from now on. Once per session, mostly before
    /// DTLS is up.
    SessionNominated {
        session: u64,
    },
    /// ICE and DTLS are up, or a session that was handed over goes on. Once per association.
    SessionConnected {
        session: u64,
        remote: String,
        dtls: &'static str,
        srtp: &'static str,
    },
    /// The answer to `ExportSession`, one for each. None: the session is unknown, not connected, or was stopped before, or its
    /// peer has not shown yet that it has the keys.
    SessionExported {
        session: u64,
        srtp: Option<Box<SrtpState>>,
    },
    /// The session's first media packet was sent (viewer) or accepted (publisher). Once per session.
    SessionMedia {
        session: u64,
    },
    /// The session is gone. Unless it was removed, a publisher's sources stay, silent. Once per session.
    SessionClosed {
        session: u64,
        reason: CloseReason,
    },
    /// A source's first packet, or its first after a change of its feed or after `SourceSilent`.
    SourceStarted {
        source: u64,
    },
    /// A relayed video had no packet for half a second; its pictures have been as far apart as this lately, by the
    /// publisher's clock. Once per silence.
    SourceSilent {
        source: u64,
        frame_interval_ms: u64,
    },
    SourceStats(SourceStats),
    SessionStats(SessionStats),
    /// A viewer's track has begun to show another source. Once per switch that was completed.
    SourceSwitched {
        session: u64,
        track: u64,
        source: u64,
    },
    /// How much the path of a session takes, in bit/s: `AddSession` has asked for it. 0: the peer has answered too few of the
    /// checks to tell. Once per session, mostly before DTLS is up, and at most two seconds after the peer first answered.
    PathMeasured {
        session: u64,
        bitrate_bps: u64,
    },
    Probed(Probed),
    /// Parent side: nothing from the child for 0.8 s. Once per silence.
    RelayChildSilent {
        relay: u64,
    },
    /// Parent side: no keep-alive for 10 s; the relay is removed.
    RelayChildLost {
        relay: u64,
    },
    /// Parent side: the child was heard so long ago. Once per `LookAtRelay`, if it was heard at all.
    RelayHeard {
        relay: u64,
        silent_ms: u64,
    },
    /// Parent side: the round trip to the child. About once a second, when the child has answered a report.
    RelayMeasured {
        relay: u64,
        rtt_us: u64,
    },
    /// Child side: nothing at all from the parent for 0.4 s. Once per silence.
    RelayParentLost {
        source: u64,
    },
    /// A push source should make a keyframe. At most twice a second per source.
    KeyframeWanted {
        source: u64,
    },
    /// A tapped source's sender report, about once a second; at once when it is tapped and a clock is known.
    ClockSeen {
        source: u64,
        ntp: u64,
        rtp_ts: u32,
    },
    WorkerStats(WorkerStats),
    /// A worker's thread has ended by a bug of ours, and its sessions are dead. At most once per worker.
    WorkerFailed {
        worker: usize,
    },
    /// A command could not be carried out. `id`: of the object that it names first.
    Error {
        command: &'static str,
        id: u64,
        message: String,
    },
}

/// The result of a probe, once for each that no later one has replaced, unless its session ends.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Probed {
    pub session: u64,
    pub track: u64,
    /// Bytes of padding, and of media that was sent meanwhile. Both 0: there was nothing to repeat.
    pub padding_bytes: u64,
    pub media_bytes: u64,
    /// How long the padding took. It ends early when it makes a long queue.
    pub lasted_ms: f64,
    /// The round trip before and after the padding, the median of a few; 0 if none of these checks was answered.
    pub before_ms: f64,
    pub after_ms: f64,
    /// Checks before, during and after the padding, and how many of them were answered.
    pub checks: usize,
    pub answered: usize,
}

/// Once a second per source; not of mirrors.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SourceStats {
    pub source: u64,
    /// The bit rate of the last second.
    pub bitrate_bps: u64,
    /// Since the source began, likewise up to `keyframes`.
    pub packets: u64,
    /// Never came, whatever was asked for again.
    pub lost: u64,
    /// Came after they were missed.
    pub recovered: u64,
    pub keyframes: u64,
    pub frames_per_second: f64,
    /// The width that the newest keyframe told; 0 while it is unknown.
    pub width: u16,
    pub height: u16,
    /// Bit rate of temporal layers up to 0, 1 and all; as many as there are, empty for one.
    pub layers_bps: Vec<u64>,
    /// Since the last packet.
    pub silent_ms: u64,
    /// Viewers' tracks, relays, mirrors and taps.
    pub consumers: usize,
}

/// Once a second per connected session; also at once when a viewer's REMB falls by 5 %, or reports that it is far behind, ten
/// times a second at most.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SessionStats {
    pub session: u64,
    /// Since the session began, likewise up to `bytes_received`.
    pub packets_sent: u64,
    pub bytes_sent: u64,
    pub packets_received: u64,
    pub bytes_received: u64,
    /// Viewer: the last REMB received, 0 = none. Publisher: our estimate, as sent.
    pub estimate_bps: u64,
    /// Share of the packets that its receiver reports missed since the last figures, 0–1.
    pub fraction_lost: f64,
    /// The round-trip time; 0 while it is unknown.
    pub rtt_ms: f64,
    /// Age of the newest packet that a viewer had when it last reported; 0: it did not since the last figures.
    pub lag_ms: f64,
    /// The bit rate that reached the viewer between its last report and an earlier one, of one video with its repairs; 0: as
    /// `lag_ms`, or there is no telling.
    pub delivered_bps: u64,
    /// Whether it was far behind at both reports, so that all of that waited in a queue.
    pub backlogged: bool,
    pub jitter_ms: f64,
    /// Packets asked for again since the session began.
    pub nacks: u64,
    /// Of these, sent again.
    pub repaired: u64,
    /// Packets not sent because the socket was full.
    pub dropped: u64,
    /// Keyframes that the peer has asked for (PLI, FIR) since the session began.
    pub keyframe_requests: u64,
    /// Sent since the last figures.
    pub video_bps: u64,
    pub audio_bps: u64,
}

/// Once a second per worker.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WorkerStats {
    pub worker: usize,
    /// Share of the last second spent working, 0–1.
    pub busy: f64,
    /// Largest delay of a due timer since the last figures.
    pub loop_lag_ms: f64,
    /// Since the worker began, likewise up to `bytes_out`.
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub sessions: usize,
    /// Sessions whose handshake is not finished.
    pub half_open: usize,
    /// TCP connections of clients, now.
    pub tcp_connections: usize,
    /// With images of sources that live on other workers.
    pub sources: usize,
    /// Packets that publishers and parents were asked for again since the worker began; likewise up to `passage_us`.
    pub nacks_sent: u64,
    /// Keyframes that viewers and children have asked for.
    pub keyframe_requests_in: u64,
    /// Keyframes that publishers and parents were asked for.
    pub keyframe_requests_out: u64,
    /// Packets by how long they took through the worker: each of the classes that `passage::BOUNDS_US` parts.
    pub passages: Vec<u64>,
    /// The sum of what they took.
    pub passage_us: u64,
    /// Messages of media to viewers since the worker began, each of up to 16 packets: past the socket, and by it.
    pub messages_raw: u64,
    pub messages_by_socket: u64,
    /// Why they went by the socket, if that is not the only way.
    pub fallbacks: BTreeMap<&'static str, u64>,
    /// Everything refused or dropped since the worker began, by reason.
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

/// A queue that was longer gives its memory back when it is empty.
const KEPT_ROOM: usize = 4_096;

/// Takes the first `most` out.
fn oldest<T>(queue: &mut VecDeque<T>, most: usize) -> Vec<T> {
    let taken = queue.drain(..most.min(queue.len())).collect();
    if queue.is_empty() && queue.capacity() > KEPT_ROOM {
        *queue = VecDeque::new();
    }
    taken
}

/// Shared by all workers of a plane. The lock is held for a push or a take, never per media packet (taps excepted).
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

    /// When Python stands still, statistics of sources and sessions are dropped first, then everything. Those of workers
    /// are few, and they are also how Python knows that a worker lives.
    pub fn push(&self, event: Event) {
        let mut w = self.lock();
        let limit =
            if matches!(event, Event::SourceStats(_) | Event::SessionStats(_)) { MAX_EVENTS / 4 } else { MAX_EVENTS };
        if w.events.len() >= limit {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        w.events.push_back(event);
        drop(w);
        self.signal();
    }

    /// A packet of a tapped source, once per packet. Python too slow: the oldest is dropped and counted.
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

    /// The oldest that waits: at most `limit` events and packets together, of which packets get half if they want it.
    /// Called by the reader after the descriptor became readable; it becomes so again while something is left.
    pub fn take(&self, limit: usize) -> (Vec<Event>, Vec<Tapped>) {
        self.waker.clear();
        self.armed.store(true, Ordering::SeqCst);
        let mut w = self.lock();
        let room = limit.saturating_sub(w.tapped.len()).max(limit - limit / 2);
        let events = oldest(&mut w.events, room);
        let tapped = oldest(&mut w.tapped, limit - events.len());
        let left = !w.events.is_empty() || !w.tapped.is_empty();
        drop(w);
        if left {
            self.signal();
        }
        (events, tapped)
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

#[cfg(test)]
mod tests;
