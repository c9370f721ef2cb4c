//! How much a publisher may send, estimated where its packets arrive (draft-ietf-rmcat-gcc-02 §5, the receive-side form
//! that draft-alvestrand-rmcat-remb-03 feeds back).
//!
//! Groups of packets (`arrival`) show whether the path's queue grows (`trend`); the estimate then falls to 0.85 × the
//! rate received, else it climbs: by 2.5 each second until the first congestion, slowly afterwards (`capacity`).
//! Without abs-send-time only loss holds it back. Time comes in as an argument and must not run backwards.

mod arrival;
mod capacity;
mod received;
mod trend;

use arrival::Arrivals;
use capacity::Capacity;
use received::Received;
use trend::{Detector, Usage};

const SECOND_US: f64 = 1e6;
/// After that much silence the send clock may have wrapped and the queue has drained: measure afresh.
const SILENCE_US: u64 = 2_000_000;
/// Without packets for this long the estimate stands still.
const IDLE_US: u64 = 1_000_000;
/// One reaction per this time: a round trip and the detector's own delay.
const REACTION_US: u64 = 200_000;
const BACKOFF: f64 = 0.85;
/// Growth per second before the first congestion, and after it.
const RAMP: f64 = 2.5;
const CLIMB: f64 = 1.08;
/// One full packet per reaction time, for when the estimate is near the known capacity.
const CREEP_BPS_PER_S: f64 = 1200.0 * 8.0 * SECOND_US / REACTION_US as f64;
/// How far the estimate may run ahead of what really arrives, before and after the first congestion.
const AHEAD_RAMP: f64 = 3.0;
const AHEAD: f64 = 1.5;
const AHEAD_BPS: f64 = 500_000.0;
const LOSS_LOW: f32 = 0.02;
const LOSS_HIGH: f32 = 0.10;
const LOSS_HOLD_US: u64 = 1_000_000;
const LOSS_REACTION_US: u64 = 300_000;

/// The estimate for one session's incoming media, all its SSRCs together. Fixed size, no allocation.
#[derive(Clone, Debug)]
pub struct Estimator {
    min_bps: f64,
    max_bps: f64,
    bps: f64,
    received: Received,
    arrivals: Arrivals,
    detector: Detector,
    capacity: Capacity,
    /// No congestion so far.
    ramping: bool,
    /// Whether the path's queue neither grows nor drains.
    steady: bool,
    hold_until_us: u64,
    grown_at_us: Option<u64>,
    packet_at_us: Option<u64>,
    backoff_at_us: Option<u64>,
    loss_cut_at_us: Option<u64>,
}

impl Estimator {
    /// Begins at `start_bps`; answers stay within `min_bps..=max_bps`.
    pub fn new(start_bps: u64, min_bps: u64, max_bps: u64) -> Self {
        let (min_bps, max_bps) = (min_bps as f64, max_bps.max(min_bps) as f64);
        Self {
            min_bps,
            max_bps,
            bps: (start_bps as f64).clamp(min_bps, max_bps),
            received: Received::default(),
            arrivals: Arrivals::default(),
            detector: Detector::default(),
            capacity: Capacity::default(),
            ramping: true,
            steady: true,
            hold_until_us: 0,
            grown_at_us: None,
            packet_at_us: None,
            backoff_at_us: None,
            loss_cut_at_us: None,
        }
    }

    /// Call for every packet that arrives, retransmissions and padding included. `abs_send_time_24`: the 24-bit value of
    /// the header extension (6.18 fixed-point seconds); `size_bytes`: as on the wire.
    pub fn on_packet(&mut self, now_us: u64, abs_send_time_24: Option<u32>, size_bytes: usize) {
        if self.packet_at_us.is_some_and(|t| now_us.saturating_sub(t) > SILENCE_US) {
            self.arrivals = Arrivals::default();
            self.detector.forget();
            self.received = Received::default();
            self.steady = true;
        }
        self.packet_at_us = Some(now_us);
        self.received.add(now_us, size_bytes);
        let delta = abs_send_time_24.and_then(|t| self.arrivals.add(now_us, t));
        if let Some(delta) = delta {
            let usage = self.detector.update(now_us, &delta);
            self.steady = usage == Usage::Normal;
            if usage == Usage::Over {
                self.back_off(now_us);
            }
        }
        self.grow(now_us);
    }

    /// Call with each receiver report's loss, 0–1, before repair. Above 10 % the estimate falls by half the loss, above
    /// 2 % it holds for a second.
    pub fn on_loss(&mut self, now_us: u64, fraction_lost: f32) {
        if fraction_lost > LOSS_HIGH {
            if past(self.loss_cut_at_us, now_us, LOSS_REACTION_US) {
                self.loss_cut_at_us = Some(now_us);
                self.ramping = false;
                self.bps = (self.bps * f64::from(1.0 - 0.5 * fraction_lost.min(1.0))).max(self.min_bps);
            }
            self.hold_until_us = self.hold_until_us.max(now_us + LOSS_REACTION_US);
        } else if fraction_lost > LOSS_LOW {
            self.hold_until_us = self.hold_until_us.max(now_us + LOSS_HOLD_US);
        }
    }

    /// The estimate in bit/s; call as often as wanted, e.g. before each REMB.
    pub fn estimate_bps(&mut self, now_us: u64) -> u64 {
        self.grow(now_us);
        self.bps as u64
    }

    fn back_off(&mut self, now_us: u64) {
        let received = self.received.bps(now_us);
        let collapsed = received.is_some_and(|r| r < self.bps / 2.0);
        if !past(self.backoff_at_us, now_us, REACTION_US) && !collapsed {
            return;
        }
        let received = received.unwrap_or(self.bps);
        self.backoff_at_us = Some(now_us);
        self.ramping = false;
        self.capacity.congested_at(received);
        self.bps = (BACKOFF * received).min(self.bps).max(self.min_bps);
    }

    fn grow(&mut self, now_us: u64) {
        let since = now_us.saturating_sub(self.grown_at_us.replace(now_us).unwrap_or(now_us));
        let idle = past(self.packet_at_us, now_us, IDLE_US);
        let Some(received) = self.received.bps(now_us) else { return };
        if idle || !self.steady || now_us < self.hold_until_us {
            return;
        }
        let seconds = since.min(IDLE_US) as f64 / SECOND_US;
        self.capacity.carried(received);
        let grown = if self.ramping {
            self.bps * RAMP.powf(seconds)
        } else if self.capacity.is_known() {
            self.bps + CREEP_BPS_PER_S.min(self.bps * (CLIMB - 1.0)) * seconds
        } else {
            self.bps * CLIMB.powf(seconds)
        };
        let ahead = if self.ramping { AHEAD_RAMP } else { AHEAD };
        let limit = (received * ahead + AHEAD_BPS).max(self.bps);
        self.bps = grown.min(limit).clamp(self.min_bps, self.max_bps);
    }
}

/// Whether `span_us` have passed since `then`, or it never was.
fn past(then: Option<u64>, now_us: u64, span_us: u64) -> bool {
    then.is_none_or(|t| now_us.saturating_sub(t) >= span_us)
}
