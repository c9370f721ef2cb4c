//! RTCP: every list ends, and holds no more than its bytes can.
#![no_main]

use std::hint::black_box;

use libfuzzer_sys::fuzz_target;
use rillcast_wire::rtcp::{self, Packet};

fuzz_target!(|data: &[u8]| {
    let mut items = 0;
    for packet in rtcp::packets(data) {
        items += match packet {
            Ok(Packet::Sr { reports, .. } | Packet::Rr { reports, .. }) => reports.map(black_box).count(),
            Ok(Packet::Bye { ssrcs } | Packet::Remb { ssrcs, .. }) => ssrcs.map(black_box).count(),
            Ok(Packet::Nack { seqs, .. }) => seqs.map(black_box).count(),
            Ok(Packet::Fir { media, .. }) => media.map(black_box).count(),
            Ok(Packet::Twcc { body, .. }) => black_box(body).len(),
            Ok(Packet::Pli { .. } | Packet::Sdes | Packet::Other { .. }) | Err(_) => 1,
        };
    }
    assert!(items <= 17 * data.len());
});
