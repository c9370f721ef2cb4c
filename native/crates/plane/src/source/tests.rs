use super::*;

fn source() -> Source {
    Source::new(1, Kind::Video, Codec::Vp8, 90_000, Feed::Push)
}

fn put(s: &mut Source, now: u64, seq: u16, ts: u32) -> Option<PacketRef> {
    s.ingest(
        now,
        Incoming { seq, ts, marker: false, carried: Carried::default(), payload: &[0x10, 0x01, 0, 0] },
        1 << 32,
    )
}

#[test]
fn a_new_feed_continues_sequence_and_timeline() {
    let mut s = source();
    let a = put(&mut s, 0, 65_535, 1_000).unwrap();
    let b = put(&mut s, 33_000, 0, 4_000).unwrap();
    assert_eq!(b.seq, a.seq + 1);
    s.rejoin(Feed::Push);
    let c = put(&mut s, 1_033_000, 777, 4_000_000_000).unwrap();
    assert_eq!(c.seq, b.seq + 1);
    assert_eq!(c.ts.wrapping_sub(b.ts), 90_000);
    assert!(c.frame > b.frame);
}

#[test]
fn a_restarted_sequence_is_no_loss() {
    let mut s = source();
    let a = put(&mut s, 0, 100, 0).unwrap();
    let b = put(&mut s, 10_000, 30_000, 9).unwrap();
    assert_eq!(b.seq, a.seq + 1);
    assert_eq!(s.nack.lost, 0);
}

#[test]
fn duplicates_and_late_packets_find_their_place() {
    let mut s = source();
    put(&mut s, 0, 1, 0);
    let third = put(&mut s, 1, 3, 3_000).unwrap();
    let second = put(&mut s, 2, 2, 0).unwrap();
    assert_eq!(second.seq + 1, third.seq);
    assert_eq!(second.frame, 1);
    assert!(put(&mut s, 3, 2, 0).is_none());
    assert_eq!(s.nack.recovered, 1);
}

#[test]
fn keyframe_requests_are_merged_and_throttled() {
    let mut s = source();
    put(&mut s, 1, 1, 0);
    s.keyframe_wanted = true;
    assert!(s.take_keyframe_request(1));
    s.keyframe_wanted = true;
    assert!(!s.take_keyframe_request(400_000));
    assert!(s.take_keyframe_request(500_001));
    assert!(!s.take_keyframe_request(2_000_000));
}
