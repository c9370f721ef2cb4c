//! Pre-encoded media: sent over and over, nothing is encoded while measuring.

/// One frame: when it is due in the loop, its RTP timestamp there, its packets' payloads.
#[derive(Clone, Debug)]
pub struct Frame {
    pub at_us: u64,
    pub ts: u32,
    pub payloads: Vec<Box<[u8]>>,
}

/// One track's loop.
#[derive(Clone, Debug)]
pub struct Loop {
    pub frames: Vec<Frame>,
    pub length_us: u64,
    pub length_ts: u32,
}

#[derive(Clone, Debug)]
pub struct Media {
    /// Simulcast layers, or the only one. Each begins with a keyframe.
    pub videos: Vec<Loop>,
    pub audio: Loop,
}

/// Marks a stamped payload; followed by 8 bytes of time.
pub const STAMP: &[u8; 8] = b"rillcast";
pub const STAMP_LEN: usize = 16;

pub fn stamp(payload: &mut [u8], now_us: u64) {
    // Small packets (parameter sets, the descriptor of a frame) stay as they are.
    if let Some(at) = payload.len().checked_sub(STAMP_LEN).filter(|at| *at >= 40) {
        payload[at..at + 8].copy_from_slice(STAMP);
        payload[at + 8..].copy_from_slice(&now_us.to_be_bytes());
    }
}

pub fn read_stamp(payload: &[u8]) -> Option<u64> {
    let at = payload.len().checked_sub(STAMP_LEN)?;
    (payload[at..at + 8] == *STAMP).then(|| u64::from_be_bytes(payload[at + 8..].try_into().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_and_small_packets_have_none() {
        let mut p = vec![1; 100];
        stamp(&mut p, 42);
        assert_eq!(read_stamp(&p), Some(42));
        let mut small = vec![1; 50];
        stamp(&mut small, 42);
        assert_eq!(read_stamp(&small), None);
    }
}
