//! Datagrams of relays: media and reports from parents, hellos, reports and repair requests of children.

use rillcast_wire::{rtcp, rtp};

use super::inbound::MAX_PAYLOAD;
use super::relays::RelayEnd;
use super::Worker;
use crate::egress::{Egress, Path, NOBODY};
use crate::events::Event;
use crate::relay;
use crate::session::send::Progress;
use crate::source::Incoming;

impl Worker {
    pub(super) fn relay_datagram(&mut self, now_us: u64, path: Path, data: &mut [u8], out: &mut Egress) {
        let is_rtcp = data.len() >= 8 && data[0] >> 6 == 2 && (192..=223).contains(&data[1]);
        let ssrc = match (is_rtcp, data.len()) {
            (true, _) => u32::from_be_bytes([data[4], data[5], data[6], data[7]]),
            (false, 12..) => u32::from_be_bytes([data[8], data[9], data[10], data[11]]),
            _ => return self.counters.add("relay_malformed"),
        };
        match self.relays.end_of(ssrc) {
            Some(RelayEnd::In(source)) => self.parent_datagram(now_us, source, is_rtcp, data),
            Some(RelayEnd::Out(relay)) if is_rtcp => self.child_datagram(now_us, relay, path, data, out),
            _ => self.counters.add("relay_unknown_ssrc"),
        }
    }

    fn parent_datagram(&mut self, now_us: u64, id: u64, is_rtcp: bool, data: &mut [u8]) {
        let (Some(relay), Some(mut source)) = (self.relays.incoming_mut(id), self.sources.feeding(id)) else { return };
        if is_rtcp {
            let Ok(len) = relay.rx.unprotect_rtcp(data) else { return self.counters.add("relay_srtcp_refused") };
            relay.heard_us = now_us;
            relay.lost_told = false;
            for p in rtcp::packets(&data[..len]) {
                if let Ok(rtcp::Packet::Sr { ntp, rtp_ts, .. }) = p {
                    relay.report = Some(((ntp >> 16) as u32, now_us));
                    self.source_clock(now_us, id, ntp, rtp_ts);
                    return;
                }
            }
            return;
        }
        let Ok(len) = relay.rx.unprotect_rtp(data) else { return self.counters.add("relay_srtp_refused") };
        let Ok(h) = rtp::parse(&data[..len]) else { return self.counters.add("rtp_malformed") };
        relay.heard_us = now_us;
        relay.lost_told = false;
        if len > MAX_PAYLOAD + h.header_len {
            return self.counters.add("rtp_too_large");
        }
        let incoming = Incoming {
            seq: h.seq,
            ts: h.ts,
            marker: h.marker,
            carried: relay::carried(&data[..len], &h),
            payload: &data[h.header_len..len - h.padding],
        };
        source.ingest(now_us, incoming, &self.shared);
    }

    fn child_datagram(&mut self, now_us: u64, id: u64, path: Path, data: &mut [u8], out: &mut Egress) {
        let Some(relay) = self.relays.outgoing_mut(id) else { return };
        let Ok(len) = relay.rx.unprotect_rtcp(data) else { return self.counters.add("relay_srtcp_refused") };
        (relay.seen_us, relay.silent_told) = (now_us, false);
        if relay.child != Some(path) {
            let first = relay.child.is_none();
            relay.child = Some(path);
            if first {
                self.attach_relay(now_us, id, out);
            }
        }
        for packet in rtcp::packets(&data[..len]) {
            if !packet.as_ref().is_ok_and(|p| self.relays.outgoing_mut(id).is_some_and(|r| r.may_ask(p))) {
                return self.counters.add(if packet.is_ok() { "relay_over_budget" } else { "rtcp_malformed" });
            }
            match packet {
                Ok(rtcp::Packet::Nack { seqs, .. }) => {
                    for seq in seqs {
                        self.repair_relay(id, path, seq, out);
                    }
                }
                Ok(rtcp::Packet::Rr { reports, .. }) => {
                    for answer in reports {
                        self.relay_answered(now_us, id, &answer);
                    }
                }
                Ok(rtcp::Packet::Pli { .. }) => {
                    self.asked.keyframes_in += 1;
                    let source = self.relays.outgoing(id).map(|r| r.source);
                    if let Some(s) = source.and_then(|s| self.sources.get_mut(s)) {
                        s.keyframe_wanted = true;
                    }
                }
                Ok(_) => {}
                Err(_) => return self.counters.add("rtcp_malformed"),
            }
        }
    }

    fn relay_answered(&mut self, now_us: u64, id: u64, answer: &rtcp::Report) {
        let rtt = self.relays.outgoing_mut(id).and_then(|r| r.round_trip(now_us, answer));
        if let Some(rtt_us) = rtt {
            self.shared.events.push(Event::RelayMeasured { relay: id, rtt_us });
        }
    }

    fn repair_relay(&mut self, id: u64, path: Path, seq: u16, out: &mut Egress) {
        let Some(relay) = self.relays.outgoing_mut(id) else { return };
        let Some(packet) =
            relay.source_sequence(seq).and_then(|s| self.sources.get(relay.source)?.ring.get(s).cloned())
        else {
            return self.counters.add("relay_nack_not_in_ring");
        };
        if matches!(relay.progress, Progress::Catching { next } if packet.seq >= next) {
            return;
        }
        if out.packet(&path, NOBODY, |b| relay.write_again(&packet, b)) {
            self.counters.add("relay_repaired");
        }
    }
}
