//! What many viewers do at once costs each of them the same, however many they are.

use super::rig::{Bench, Peer, DELTA, KEYFRAME};
use crate::config::{Command, Kind, SourceSpec};
use crate::session::send::Progress;

fn push_source(source: u64) -> Command {
    Command::AddPushSource(SourceSpec { source, worker: 0, kind: Kind::Video, codec: "VP8".into(), clock_rate: 90_000 })
}

/// Viewers 1 to `n` of source 100, which has sent a keyframe; source 200 has sent nothing.
fn crowd(n: u64) -> (Bench, Vec<Peer>) {
    let mut b = Bench::new();
    b.command(push_source(100));
    b.command(push_source(200));
    // More than may be half-open at once: who is connected is not.
    let viewers = (1..=n).map(|i| b.viewer(i, 2000 + i as u16, 100)).collect();
    b.push(100, 0, 0, KEYFRAME);
    (b, viewers)
}

/// Every viewer's seats are where the sources say.
fn check_seats(b: &Bench) {
    for s in b.worker.sources.iter() {
        for (at, &(slot, track)) in s.viewers.iter().enumerate() {
            let mut t = b.worker.sessions[slot].send[track].seats_for_test();
            assert!(t.any(|seat| seat == (s.id, at)), "source {}, place {at}", s.id);
        }
    }
    let seats: usize = b.worker.sessions.iter().map(|s| s.send[0].seats_for_test().count()).sum();
    assert_eq!(seats, b.worker.sources.iter().map(|s| s.viewers.len()).sum::<usize>());
}

#[test]
fn each_track_is_in_the_start_queue_once_however_long_the_keyframe() {
    let (mut b, _viewers) = crowd(40);
    let packets = (1..60).map(|seq| {
        let mut d = vec![0; 12 + KEYFRAME.len()];
        let payload = if seq == 1 { KEYFRAME } else { DELTA };
        rillcast_wire::rtp::write_header(&mut d, false, 96, seq, 3000, 1, false, &[]);
        d[12..12 + payload.len()].copy_from_slice(payload);
        d
    });
    let mail = crate::mailbox::Mail::Push { source: 100, packets: packets.collect() };
    b.worker.mail(b.now, mail, &mut b.out);
    b.settle();
    for _ in 0..3 {
        assert_eq!(b.worker.starts.len(), 40);
        b.pass(crate::worker::TICK_US);
    }
    b.pass(crate::worker::TICK_US);
    assert_eq!(b.worker.starts.len(), 0);
    assert!(b.worker.sessions.iter().all(|s| s.send[0].progress == Progress::Live && !s.send[0].is_queued()));
}

#[test]
fn seats_stay_right_when_viewers_switch_pause_come_back_and_leave() {
    let (mut b, _viewers) = crowd(9);
    check_seats(&b);
    for session in [2, 5, 9] {
        b.command(Command::SwitchSource { session, track: 0, source: Some(200), hold: session == 5 });
    }
    check_seats(&b);
    b.command(Command::SwitchSource { session: 5, track: 0, source: Some(100), hold: false });
    b.command(Command::SwitchSource { session: 1, track: 0, source: None, hold: false });
    b.command(Command::RemoveSession { session: 3, keep_sources: false, silent: false });
    check_seats(&b);
    b.push(200, 0, 0, KEYFRAME);
    b.command(Command::SwitchSource { session: 1, track: 0, source: Some(200), hold: false });
    check_seats(&b);
    assert_eq!(b.worker.sources.get(200).unwrap().viewers.len(), 3);
    b.command(Command::RemoveSource { source: 100 });
    check_seats(&b);
    for session in 1..=9 {
        b.command(Command::RemoveSession { session, keep_sources: false, silent: false });
    }
    assert!(b.worker.sources.get(200).unwrap().viewers.is_empty());
}
