//! What a large keyframe costs when everybody waits for it: the burst itself and the ticks that pace the rest of it.

use serde::Serialize;

use crate::cpu_us;
use crate::edge::{Audience, Edge};
use rillcast_plane::worker::TICK_US;

/// 60 packets of 1154 bytes: a keyframe of 69 kB, as of a 1080p stream. 16 go out at once, the others in three ticks.
const PACKETS: usize = 60;
const TICKS: usize = 4;

#[derive(Serialize)]
pub struct Keyframe {
    viewers: usize,
    /// CPU time of the burst, and of the most expensive tick after it, ms.
    burst_ms: f64,
    longest_tick_ms: f64,
    ns_per_packet: f64,
    packets: u64,
}

/// One figure per round.
pub fn measure(rounds: usize, viewers: usize) -> Vec<Keyframe> {
    let audience =
        Audience { viewers: 0..viewers, streams: 1, gso: true, raw: false, busy: 0.0, trace: None, silent: true };
    let mut edge = Edge::new(audience);
    rillcast_plane_driver::thread::pin(0);
    (0..rounds).map(|_| round(&mut edge, viewers)).collect()
}

fn round(edge: &mut Edge, viewers: usize) -> Keyframe {
    edge.second();
    let (sent, begun) = (edge.packets(), cpu());
    edge.frame(0, PACKETS, true);
    let mut ticks = vec![cpu()];
    for _ in 0..TICKS {
        edge.tick(edge.now() + TICK_US);
        ticks.push(cpu());
    }
    let packets = edge.packets() - sent;
    let longest = ticks.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
    Keyframe {
        viewers,
        burst_ms: (ticks[0] - begun) as f64 / 1e3,
        longest_tick_ms: longest as f64 / 1e3,
        ns_per_packet: (ticks[TICKS] - begun) as f64 * 1e3 / packets as f64,
        packets,
    }
}

fn cpu() -> u64 {
    let (user, system) = cpu_us();
    user + system
}
