//! What a datagram of a hostile viewer costs that asks for as much as fits in it.

use serde::Serialize;

use crate::cpu_us;
use crate::edge::{Audience, Edge};
use rillcast_wire::{rtcp, stun};

/// Datagrams per round: what one viewer may send in a second, several times over.
const DATAGRAMS: usize = 10_000;

#[derive(Serialize)]
pub struct Hostile {
    kind: &'static str,
    ns_per_datagram: f64,
}

/// One figure per round and kind.
pub fn measure(rounds: usize) -> Vec<Hostile> {
    let audience = Audience { viewers: 0..1, streams: 1, gso: true, raw: false, busy: 0.0, trace: None, silent: true };
    let mut edge = Edge::new(audience);
    let kinds = [("nack", nack()), ("fir", fir()), ("reports", reports()), ("tiny packets", tiny())];
    let mut found = vec![];
    for _ in 0..rounds {
        for (kind, packet) in &kinds {
            let flood: Vec<_> = (0..DATAGRAMS).map(|_| edge.sealed(packet)).collect();
            found.push(timed(&mut edge, kind, flood));
        }
        let flood = vec![check(); DATAGRAMS];
        found.push(timed(&mut edge, "check", flood));
    }
    found
}

fn timed(edge: &mut Edge, kind: &'static str, flood: Vec<Vec<u8>>) -> Hostile {
    // A new second, with whole budgets.
    edge.second();
    let before = cpu_us();
    for datagram in flood {
        edge.give(0, datagram);
    }
    let after = cpu_us();
    let us = (after.0 + after.1 - before.0 - before.1) as f64;
    Hostile { kind, ns_per_datagram: us * 1e3 / DATAGRAMS as f64 }
}

/// As much feedback as fits: `count` of (packet type, format), with a body of `words` after the two SSRCs.
fn feedback(format: u8, pt: u8, body: &[u8]) -> Vec<u8> {
    let words = (2 + body.len() / 4) as u16;
    let mut packet = vec![0x80 | format, pt];
    packet.extend(words.to_be_bytes());
    packet.extend(9u32.to_be_bytes());
    packet.extend(8u32.to_be_bytes());
    packet.extend(body);
    packet
}

/// 290 × 17 packets that are not there.
fn nack() -> Vec<u8> {
    let words = (0..290u16).flat_map(|i| [(30_000 + i * 17).to_be_bytes(), [0xff, 0xff]].concat());
    feedback(1, 205, &words.collect::<Vec<u8>>())
}

fn fir() -> Vec<u8> {
    feedback(4, 206, &[0, 0, 0, 8, 1, 0, 0, 0].repeat(145))
}

fn reports() -> Vec<u8> {
    let mut packet = vec![];
    let block = rtcp::Report { ssrc: 8, highest_seq: 7, ..Default::default() };
    rtcp::write_rr(&mut packet, 9, &[block; 31]);
    packet
}

fn tiny() -> Vec<u8> {
    let mut packet = vec![];
    rtcp::write_rr(&mut packet, 9, &[]);
    packet.extend([0x81, 210, 0, 0].repeat(290));
    packet
}

fn check() -> Vec<u8> {
    let mut check = vec![];
    stun::write_request(&mut check, &[1; 12], "u000000:r", 1, true, Some(1), None, "p".repeat(22).as_bytes());
    check
}
