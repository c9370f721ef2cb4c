//! Temporal layers: which packets a viewer of fewer layers does without, counted once at arrival for all such viewers.
//!
//! Sequence numbers of a thinned viewer follow from the packet alone: its own minus those skipped before it. A packet
//! that was missing when its successor came keeps its number free, since nobody knew its layer; should it turn out to
//! be of a layer the viewer does without, an empty packet takes the number.

use rillcast_wire::codec::LayerEntry;

/// What a viewer gets: layers up to its limit; from `ALL` on, everything.
pub const ALL: u8 = 2;
const LIMITS: usize = ALL as usize;

/// Packets and frames that a limit leaves out, since the source began; both wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    pub packets: u32,
    pub frames: u16,
}

/// One packet's place among the layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    pub id: u8,
    pub entry: LayerEntry,
    /// The first packet of its frame, and in order.
    pub starts: bool,
    /// It came after a successor, hence has a number whatever its layer.
    late: bool,
    /// Before this packet, by limit.
    skipped: [Skipped; LIMITS],
}

impl Layer {
    /// What a limit left out before this packet, since the source began.
    pub fn skipped(&self, limit: u8) -> Skipped {
        self.skipped.get(usize::from(limit)).copied().unwrap_or_default()
    }

    /// Whether a viewer with this limit gets the packet's content.
    pub fn within(&self, limit: u8) -> bool {
        limit >= ALL || self.id <= limit
    }

    /// Whether the packet has a sequence number under this limit.
    pub fn numbered(&self, limit: u8) -> bool {
        self.late || self.within(limit)
    }
}

/// Counts a source's packets.
#[derive(Debug, Default)]
pub struct LayerCount {
    frame: Option<u64>,
    id: u8,
    skipped: [Skipped; LIMITS],
}

impl LayerCount {
    /// The newest packet so far. Packets that don't tell their layer have that of their frame, or none.
    pub fn next(&mut self, frame: u64, id: Option<u8>, entry: LayerEntry) -> Layer {
        let starts = self.frame != Some(frame);
        if starts || id.is_some() {
            self.id = id.unwrap_or(0);
        }
        self.frame = Some(frame);
        let layer = Layer { id: self.id, entry, starts, late: false, skipped: self.skipped };
        for (limit, skipped) in self.skipped.iter_mut().enumerate().filter(|(l, _)| usize::from(layer.id) > *l) {
            debug_assert!(limit < LIMITS);
            skipped.packets = skipped.packets.wrapping_add(1);
            skipped.frames = skipped.frames.wrapping_add(u16::from(starts));
        }
        layer
    }

    /// A packet that comes after a successor, of which the nearest that is known is given.
    pub fn late(&self, id: Option<u8>, successor: Option<&Layer>) -> Layer {
        let skipped = successor.map_or(self.skipped, |l| l.skipped);
        Layer { id: id.unwrap_or(0), entry: LayerEntry::None, starts: false, late: true, skipped }
    }
}

/// From `limit`, on the way to `wanted`: what may be sent from this packet on, if that is anything else.
pub fn step(limit: u8, wanted: u8, layer: &Layer) -> Option<u8> {
    if !layer.starts || wanted == limit {
        return None;
    }
    if wanted < limit {
        return Some(wanted);
    }
    match layer.entry {
        LayerEntry::Above if layer.id <= limit => Some(wanted),
        LayerEntry::Own if layer.id == limit + 1 => Some(layer.id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_come_back_where_the_codec_allows_it() {
        let at = |id, entry| Layer { id, entry, starts: true, ..Layer::default() };
        assert_eq!(step(2, 0, &at(2, LayerEntry::None)), Some(0), "down at any frame");
        assert_eq!(step(0, 2, &at(1, LayerEntry::None)), None);
        assert_eq!(step(0, 2, &at(2, LayerEntry::Own)), None, "not past a layer");
        assert_eq!(step(0, 2, &at(1, LayerEntry::Own)), Some(1));
        assert_eq!(step(0, 2, &at(0, LayerEntry::Above)), Some(2));
        assert_eq!(step(0, 2, &at(1, LayerEntry::Above)), None, "that frame is not decoded itself");
        assert_eq!(step(2, 0, &Layer::default()), None, "not inside a frame");
    }
}
