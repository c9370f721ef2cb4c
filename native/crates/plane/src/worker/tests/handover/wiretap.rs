//! What went over the wire, whichever plane it is from.

use std::collections::{BTreeMap, HashMap};

use rillcast_wire::demux;

/// Everything that both planes have sent to the peer, whether it arrived or not.
#[derive(Default)]
pub struct Wiretap {
    /// By SSRC, the highest index.
    newest: HashMap<u32, u64>,
    rtp: HashMap<(u32, u64), Vec<u8>>,
    rtcp: HashMap<(u32, u32), Vec<u8>>,
    pub in_order: BTreeMap<u32, Vec<u64>>,
    pub cm: bool,
}

impl Wiretap {
    /// No index is ever used for two different packets.
    pub fn see(&mut self, d: &[u8]) {
        let word = |at: usize| u32::from_be_bytes(d[at..at + 4].try_into().unwrap());
        match demux::classify(d) {
            demux::Kind::Rtp => {
                let (ssrc, seq) = (word(8), u16::from_be_bytes([d[2], d[3]]));
                let newest = self.newest.entry(ssrc).or_insert(seq.into());
                let index = newest.wrapping_add_signed(i64::from(seq.wrapping_sub(*newest as u16) as i16));
                *newest = index.max(*newest);
                let before = self.rtp.insert((ssrc, index), d.to_vec());
                assert!(before.is_none_or(|b| b == d), "index {index} of SSRC {ssrc} was used twice");
                self.in_order.entry(ssrc).or_default().push(index);
            }
            demux::Kind::Rtcp => {
                let index = word(d.len() - if self.cm { 14 } else { 4 });
                let before = self.rtcp.insert((word(4), index), d.to_vec());
                assert!(before.is_none(), "SRTCP index {index} was used twice");
            }
            _ => {}
        }
    }

    /// The indices of an SSRC in the order of sending.
    pub fn sent(&self, ssrc: u32) -> &[u64] {
        self.in_order.get(&ssrc).map_or(&[], |v| v)
    }
}
