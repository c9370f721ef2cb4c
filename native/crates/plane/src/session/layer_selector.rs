//! A viewer's track with fewer temporal layers than its source has.

use super::rtp_munger::RtpMunger;
use super::send::{Progress, SendTrack};
use crate::layers;
use crate::packet::{Packet, PacketRef};

impl SendTrack {
    /// The munger of a packet, for tracks that have or had fewer layers; None: the viewer does without it.
    #[inline(never)]
    pub(super) fn munger_of(&self, p: &Packet) -> Option<RtpMunger> {
        let current = self.current?;
        let munger = match self.previous {
            Some(previous) if p.seq < current.first_seq && previous.switch == current.switch => previous,
            _ => current,
        };
        (p.seq >= munger.first_seq && munger.numbers(p)).then_some(munger)
    }

    /// Which temporal layers are to be sent, until another source.
    pub fn limit_layers(&mut self, limit: u8) {
        self.wanted_limit = limit.min(layers::ALL);
        self.changes_layers = self.current.is_some_and(|c| c.thinning.limit != self.wanted_limit);
    }

    /// Sends nothing until the switch under way is complete. Not even a base layer: the keyframe that is asked for comes in
    /// all of a publisher's simulcast layers, and the large one is the last thing a full link needs.
    pub fn hold(&mut self) {
        self.held = true;
        self.progress = Progress::Waiting;
    }

    /// Whether a switch is under way for which this track is silent, so that gaps in the past don't matter any more.
    pub fn is_held(&self) -> bool {
        self.held && self.progress == Progress::Waiting
    }

    /// Ends `hold`; true: the track has been silent and needs a keyframe.
    pub fn release(&mut self) -> bool {
        std::mem::take(&mut self.held) && self.progress == Progress::Waiting
    }

    /// To be called with packets about to be sent while `changes_layers`: takes the first chance among them.
    pub fn change_layers(&mut self, packets: &[PacketRef]) {
        let Some(current) = self.current else { return };
        let limit = current.thinning.limit;
        let change = packets
            .iter()
            .filter(|p| p.seq >= current.first_seq)
            .find_map(|p| Some((p, layers::step(limit, self.wanted_limit, &p.layer)?)));
        if let Some((p, limit)) = change {
            self.previous = self.current;
            self.current = Some(current.thinned(limit, p));
            self.changes_layers = limit != self.wanted_limit;
        }
    }
}
