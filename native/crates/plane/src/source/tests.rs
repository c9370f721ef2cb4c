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

/// What a parent has of a source, by its own numbers: two packets in each frame of 33 ms.
struct Parent {
    first: u16,
    from_frame: u32,
}

impl Parent {
    fn packet(&self, index: u32) -> (u16, u32, [u8; 4]) {
        let (frame, part) = (self.from_frame + index / 2, index % 2);
        (
            self.first.wrapping_add(index as u16),
            1_000 + frame * 3_000,
            [0x10, frame as u8, (frame >> 8) as u8, part as u8],
        )
    }

    /// Hands over the packets of these numbers; what the source took.
    fn feed(&self, s: &mut Source, now: u64, indices: impl IntoIterator<Item = u32>) -> Vec<(u64, u32, u8, u8)> {
        let took = |s: &mut Source, i| {
            let (seq, ts, payload) = self.packet(i);
            s.ingest(
                now,
                Incoming { seq, ts, marker: i % 2 == 1, carried: Carried::default(), payload: &payload },
                1 << 32,
            )
        };
        let packets: Vec<PacketRef> = indices.into_iter().filter_map(|i| took(s, i)).collect();
        packets.iter().map(|p| (p.seq, p.ts, p.payload[1], p.payload[3])).collect()
    }
}

fn relayed() -> (Source, Vec<(u64, u32, u8, u8)>) {
    let mut s = Source::new(1, Kind::Video, Codec::Vp8, 90_000, Feed::Relay);
    let had = Parent { first: 65_000, from_frame: 0 }.feed(&mut s, 1_000, 0..20);
    assert_eq!(had.len(), 20);
    s.rejoin(Feed::Relay);
    (s, had)
}

#[test]
fn another_parent_of_the_same_packets_goes_on_where_the_one_before_ended() {
    let (mut s, had) = relayed();
    let fresh = Parent { first: 7, from_frame: 4 }.feed(&mut s, 401_000, 0..20);
    let (last, first) = (had[19], fresh[0]);
    assert_eq!(fresh.len(), 8, "frames 4 to 9 came before");
    assert_eq!((first.0, first.1, first.2, first.3), (last.0 + 1, last.1 + 3_000, 10, 0));
    assert!(fresh.windows(2).all(|w| w[1].0 == w[0].0 + 1));
    assert_eq!(s.nack.lost, 0);
}

#[test]
fn the_rest_of_a_frame_that_was_cut_follows_its_beginning() {
    let mut s = Source::new(1, Kind::Video, Codec::Vp8, 90_000, Feed::Relay);
    let had = Parent { first: 1, from_frame: 0 }.feed(&mut s, 1_000, 0..19);
    s.rejoin(Feed::Relay);
    let fresh = Parent { first: 9, from_frame: 2 }.feed(&mut s, 401_000, 0..18);
    assert_eq!(fresh[0], (had[18].0 + 1, had[18].1, 9, 1));
    assert_eq!(fresh[1].2, 10);
}

#[test]
fn what_is_lost_where_the_new_parent_takes_over_can_still_come() {
    let (mut s, had) = relayed();
    let parent = Parent { first: 7, from_frame: 4 };
    let fresh = parent.feed(&mut s, 401_000, (0..12).chain(13..20));
    assert_eq!(fresh[0].0, had[19].0 + 2, "the number of the one that is missing stays free");
    let late = parent.feed(&mut s, 402_000, [12]);
    assert_eq!(late[0], (had[19].0 + 1, had[19].1 + 3_000, 10, 0));
}

#[test]
fn a_parent_that_has_only_what_is_newer_keeps_the_timeline() {
    let (mut s, had) = relayed();
    let fresh = Parent { first: 7, from_frame: 21 }.feed(&mut s, 401_000, 0..2);
    assert_eq!((fresh[0].0, fresh[0].1), (had[19].0 + 1, had[19].1 + 12 * 3_000));
}

#[test]
fn a_parent_of_another_timeline_is_joined_as_before() {
    for from_frame in [1_000, 100_000, 60_000_000] {
        let (mut s, had) = relayed();
        let fresh = Parent { first: 7, from_frame }.feed(&mut s, 401_000, 0..4);
        assert_eq!(fresh.len(), 4);
        assert_eq!((fresh[0].0, fresh[0].1), (had[19].0 + 1, had[19].1 + 36_000), "by the time that has passed");
    }
}

#[test]
fn other_packets_with_earlier_timestamps_are_another_timeline() {
    let (mut s, had) = relayed();
    let packet = Incoming { seq: 9, ts: 4_000, marker: true, carried: Carried::default(), payload: &[0x10, 99, 99, 9] };
    let fresh = s.ingest(401_000, packet, 1 << 32).expect("it is new");
    assert_eq!((fresh.seq, fresh.ts), (had[19].0 + 1, had[19].1 + 36_000));
}

#[test]
fn a_publisher_that_repeats_its_timestamps_is_no_relay() {
    let mut s = source();
    put(&mut s, 0, 1, 1_000);
    s.rejoin(Feed::Push);
    assert!(put(&mut s, 400_000, 50, 1_000).is_some());
}
