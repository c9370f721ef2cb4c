//! A video of which nothing comes any more, although its feed lives: publishers stop single layers.

use super::{Feed, Source};
use crate::config::Kind;

/// Without a packet for so long it is silent.
const SILENT_US: u64 = 500_000;

impl Source {
    /// Whether to say now that a relayed video is silent: once per silence.
    pub fn falls_silent(&mut self, now_us: u64) -> bool {
        let silent = self.feed == Feed::Relay
            && self.kind == Kind::Video
            && self.joined
            && !self.silence_told
            && now_us >= self.last_arrival_us + SILENT_US;
        self.silence_told |= silent;
        silent
    }

    /// Whether this packet is the first one after a silence that was told.
    pub fn ends_silence(&mut self) -> bool {
        std::mem::take(&mut self.silence_told)
    }
}
