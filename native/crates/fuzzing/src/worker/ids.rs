//! Who and what there may be in a run, and by which numbers a step finds it.

/// The plane has so many workers.
pub const WORKERS: usize = 2;
/// At most so many clients are there at once; each has a session of the same number.
pub const PEERS: usize = 4;
/// What a track may be encoded with, and one that the plane does not know.
pub const CODECS: [&str; 6] = ["VP8", "H264", "VP9", "AV1", "H265", "other"];
/// The relays to a child that a run may make.
pub const RELAYS: [u64; 2] = [1, 2];
/// The source that a parent feeds.
pub const RELAYED_SOURCE: u64 = 500;
/// The source that Python feeds.
pub const PUSHED_SOURCE: u64 = 600;
/// What the number of a session's audio source ends in.
pub const AUDIO: u64 = 9;

/// The sources that a run may make.
pub fn all_sources() -> Vec<u64> {
    let of = |peer: u64| (0..3).chain([AUDIO]).map(move |n| 100 + 10 * peer + n);
    (0..PEERS as u64).flat_map(of).chain([RELAYED_SOURCE, PUSHED_SOURCE]).collect()
}

/// The source that the fuzzer has picked.
pub fn source(pick: u8) -> u64 {
    let all = all_sources();
    all[usize::from(pick) % all.len()]
}

/// The worker that has a source, if it exists.
pub fn home(source: u64) -> usize {
    (source as usize / 10) % WORKERS
}

/// The place of a peer.
pub fn slot(peer: u8) -> usize {
    usize::from(peer) % PEERS
}

/// The SSRC of a track: 0 to 3 are sent by the client, 4 to 6 to it, 7 is the client's own as a reporter.
pub fn ssrc(session: u64, track: u8) -> u32 {
    1 + 16 * session as u32 + u32::from(track % 8)
}
