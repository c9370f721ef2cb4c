//! A viewer goes on at another plane.

use rillcast_wire::rtcp;

use super::super::rig::Bench;
use super::*;
use crate::srtp_state::ShownPacket;

/// A picture each 33 ms, two trips over the bus, and what the ticks of a test are apart.
const LONGEST_US: u64 = 33_000 + 2 * BUS_US + 2 * TICK_US;

#[test]
fn it_sees_no_more_than_the_way_of_the_keys_takes() {
    let mut w = World::viewer(&[VIDEO, AUDIO]);
    assert!(w.lips_apart_us() < 2_000.0, "{} µs before", w.lips_apart_us());
    let began_us = w.now_us();
    w.move_over();
    w.pass(4_000_000);
    assert!(w.longest_pause_us(VIDEO, began_us) <= LONGEST_US, "{} µs", w.longest_pause_us(VIDEO, began_us));
    assert!(w.longest_pause_us(AUDIO, began_us) <= LONGEST_US, "{} µs", w.longest_pause_us(AUDIO, began_us));
    for t in [VIDEO, AUDIO] {
        w.assert_numbers_go_on(t.ssrc);
        assert!(w.drift_us(t, began_us).abs() < 1_000.0, "{} µs", w.drift_us(t, began_us));
    }
    assert!(w.lips_apart_us() < 2_000.0, "{} µs after", w.lips_apart_us());
    assert!(w.b.events.iter().any(|e| matches!(e, Event::SessionConnected { session: 2, .. })));
    w.everybody_leaves();
    assert!(w.peer.is_closed(), "the second plane has the goodbye");
}

#[test]
fn a_large_keyframe_and_what_follows_it_keep_nobody_waiting() {
    for before_us in [100_000, 900_000, 1_700_000] {
        let mut w = World::viewer(&[VIDEO]);
        w.bytes = [38_000, 5_500];
        w.pass(2_000_000 + before_us);
        let began_us = w.now_us();
        w.move_over();
        w.pass(3_000_000);
        let pause_us = w.longest_pause_us(VIDEO, began_us);
        assert!(pause_us <= LONGEST_US, "{pause_us} µs, {before_us} µs after a keyframe");
        w.assert_numbers_go_on(VIDEO.ssrc);
        // A new keyframe ends the catching up, and comes a little earlier than it was to end.
        assert!(w.drift_us(VIDEO, began_us).abs() < 50_000.0, "{} µs", w.drift_us(VIDEO, began_us));
    }
}

#[test]
fn all_timestamps_go_forward_and_no_sound_is_missed_or_comes_twice() {
    for late_us in [[20_000, 20_000], [20_000, 90_000], [90_000, 20_000]] {
        let mut w = World::viewer(&[VIDEO, AUDIO]);
        w.late_us = late_us;
        w.pass(1_000_000);
        w.move_over();
        w.pass(2_000_000);
        for t in [VIDEO, AUDIO] {
            let of: Vec<_> = w.arrived.iter().filter(|p| p.ssrc == t.ssrc).collect();
            assert!(of.windows(2).all(|p| (p[1].ts.wrapping_sub(p[0].ts) as i32) > 0), "{t:?} late by {late_us:?}");
        }
        let sound: Vec<u64> = w.arrived.iter().filter(|p| p.ssrc == AUDIO.ssrc).map(|p| p.captured_us).collect();
        assert!(sound.windows(2).all(|p| p[1] - p[0] == AUDIO.every_us), "late by {late_us:?}");
        assert!(w.lips_apart_us() < 2_000.0, "{} µs, late by {late_us:?}", w.lips_apart_us());
        w.everybody_leaves();
    }
}

#[test]
fn a_plane_that_is_behind_waits_until_it_has_something_new() {
    let mut w = World::viewer(&[VIDEO]);
    w.late_us = [20_000, 120_000];
    w.pass(1_000_000);
    let began_us = w.now_us();
    w.move_over();
    w.pass(1_000_000);
    assert!(w.longest_pause_us(VIDEO, began_us) <= LONGEST_US + 100_000, "as much as it is behind");
    assert!(w.drift_us(VIDEO, began_us).abs() < 1_000.0);
    w.assert_numbers_go_on(VIDEO.ssrc);
}

#[test]
fn without_a_known_clock_it_goes_on_in_the_time_that_has_passed() {
    let mut w = World::viewer_with(&[VIDEO, AUDIO], true);
    let began_us = w.now_us();
    w.move_over();
    w.pass(2_000_000);
    for t in [VIDEO, AUDIO] {
        w.assert_numbers_go_on(t.ssrc);
        assert!(w.drift_us(t, began_us).abs() < 60_000.0, "{}", w.drift_us(t, began_us));
    }
    assert!(w.longest_pause_us(VIDEO, began_us) <= LONGEST_US);
    w.everybody_leaves();
}

/// It had come to a publisher whose clock is 2.5 s behind the one before.
#[test]
fn the_time_that_it_is_told_goes_along() {
    let mut w = World::viewer(&[VIDEO, AUDIO]);
    w.prepare();
    w.pass(50_000);
    w.nominate();
    let began_us = w.now_us();
    let mut srtp = w.export(true).expect("the final counters");
    srtp.sent.iter_mut().for_each(|s| s.shift_us = 2_500_000);
    w.b.command(Command::ContinueSession { session: 2, srtp: Box::new(srtp) });
    w.pass(4_000_000);
    for t in [VIDEO, AUDIO] {
        assert!((w.told_us(t) - 2_500_000.0).abs() < 2_000.0, "{} µs", w.told_us(t));
        assert!(w.drift_us(t, began_us).abs() < 1_000.0, "{} µs", w.drift_us(t, began_us));
    }
    let again = export(&mut w.b, false).expect("a connected session");
    assert!(again.sent.iter().filter(|s| s.packets > 0).all(|s| s.shift_us == 2_500_000));
}

#[test]
fn sound_alone_goes_on() {
    let mut w = World::viewer(&[AUDIO]);
    let began_us = w.now_us();
    w.move_over();
    w.pass(1_000_000);
    assert!(w.longest_pause_us(AUDIO, began_us) <= LONGEST_US);
    w.assert_numbers_go_on(AUDIO.ssrc);
    w.everybody_leaves();
}

#[test]
fn several_tracks_go_on() {
    let more = Track { source: 202, ssrc: 25, rtx_ssrc: 26, ..VIDEO };
    let mut w = World::viewer(&[VIDEO, AUDIO, more]);
    w.move_over();
    w.pass(2_000_000);
    for t in [VIDEO, AUDIO, more] {
        w.assert_numbers_go_on(t.ssrc);
    }
    w.everybody_leaves();
}

#[test]
fn every_profile_goes_on() {
    for profile in rillcast_crypto::srtp::Profile::ALL {
        let mut w = World::viewer(&[VIDEO, AUDIO]);
        let keys = |byte| rillcast_crypto::srtp::Keys {
            profile,
            key: vec![byte; profile.key_len()],
            salt: vec![byte + 1; profile.salt_len()],
        };
        // Whichever profile a handshake would have chosen: the first plane has taken the session over with this one.
        let mut srtp = w.export(false).unwrap();
        (srtp.profile, srtp.dtls) = (profile.name().into(), "DTLS 1.2".into());
        (srtp.local_key, srtp.remote_key) =
            (crate::srtp_state::encoded(&keys(1)), crate::srtp_state::encoded(&keys(3)));
        w.a.command(Command::RemoveSession { session: 2, keep_sources: false, silent: true });
        let add = w.added(srtp.clone());
        w.a.command(Command::AddSession(Box::new(add)));
        w.peer.has_keys(&keys(3), &keys(1));
        w.tap = Wiretap::default();
        w.tap.cm = profile.key_len() + profile.salt_len() == 30;
        w.arrived.clear();
        w.a.command(Command::ContinueSession { session: 2, srtp: Box::new(srtp) });
        w.a.give(w.peer.address, w.peer.own_check());
        w.pass(1_500_000);
        w.move_over();
        w.pass(1_500_000);
        for t in [VIDEO, AUDIO] {
            w.assert_numbers_go_on(t.ssrc);
        }
        let connected =
            w.b.events.iter().any(
                |e| matches!(e, Event::SessionConnected { srtp, dtls: "DTLS 1.2", .. } if *srtp == profile.name()),
            );
        assert!(connected, "{profile:?}");
        w.everybody_leaves();
    }
}

/// The peer asks for packets again, at the second plane.
fn ask_again(w: &mut World, seqs: &[u16]) {
    let mut packet = vec![];
    rtcp::write_rr(&mut packet, 77, &[]);
    rtcp::write_nack(&mut packet, 77, VIDEO.ssrc, seqs);
    w.peer.send_rtcp(&mut w.b, packet);
}

#[test]
fn what_the_second_plane_sent_is_repaired_on_the_same_repair_stream() {
    let mut w = World::viewer(&[VIDEO]);
    let before = w.arrived.last().unwrap().seq;
    let mut nack = vec![];
    rtcp::write_rr(&mut nack, 77, &[]);
    rtcp::write_nack(&mut nack, 77, VIDEO.ssrc, &[before]);
    w.peer.send_rtcp(&mut w.a, nack);
    w.pass(100_000);
    w.move_over();
    w.pass(1_000_000);
    let lost = w.arrived.iter().rev().find(|p| p.ssrc == VIDEO.ssrc).unwrap().seq;
    ask_again(&mut w, &[lost, lost.wrapping_sub(1)]);
    w.pass(100_000);
    let repairs = w.tap.sent(VIDEO.rtx_ssrc);
    assert_eq!(repairs.len(), 3, "one of the first plane, two of the second");
    assert!(repairs.windows(2).all(|r| r[1] == r[0] + 1), "{repairs:?}");
    w.everybody_leaves();
}

#[test]
fn what_the_first_plane_sent_can_not_be_repaired_and_is_not_missed() {
    let mut w = World::viewer(&[VIDEO]);
    w.move_over();
    let old = w.arrived.iter().find(|p| p.ssrc == VIDEO.ssrc).unwrap().seq;
    w.pass(500_000);
    ask_again(&mut w, &[old]);
    w.pass(100_000);
    assert_eq!(w.b.count("nack_not_in_ring"), 1);
    assert!(w.tap.sent(VIDEO.rtx_ssrc).is_empty());
}

#[test]
fn packets_lost_around_the_move_change_nothing() {
    let mut w = World::viewer(&[VIDEO, AUDIO]);
    w.loses = |n| n % 3 == 0;
    let began_us = w.now_us();
    w.move_over();
    w.pass(300_000);
    w.loses = |_| false;
    w.pass(2_000_000);
    for t in [VIDEO, AUDIO] {
        w.assert_numbers_go_on(t.ssrc);
        assert!(w.drift_us(t, began_us).abs() < 1_000.0);
    }
    w.everybody_leaves();
}

/// The tracks are just before the end of their numbers when the session goes over.
#[test]
fn sequence_numbers_that_wrap_around_the_move_keep_their_roc() {
    for short_by in (0..70).step_by(5) {
        let mut w = World::viewer(&[VIDEO, AUDIO]);
        let mut srtp = w.export(true).expect("a connected session");
        w.a.command(Command::RemoveSession { session: 2, keep_sources: false, silent: true });
        for s in &mut srtp.sent {
            s.index = (9 << 16) - 10 - short_by;
        }
        w.peer.expects(&srtp);
        w.tap = Wiretap::default();
        w.arrived.clear();
        let add = w.added(srtp.clone());
        w.a.command(Command::AddSession(Box::new(add)));
        w.a.command(Command::ContinueSession { session: 2, srtp: Box::new(srtp) });
        w.a.give(w.peer.address, w.peer.own_check());
        w.pass(1_000_000);
        w.move_over();
        w.pass(2_000_000);
        for t in [VIDEO, AUDIO] {
            w.assert_numbers_go_on(t.ssrc);
            let seqs: Vec<u16> = w.arrived.iter().filter(|p| p.ssrc == t.ssrc).map(|p| p.seq).collect();
            assert!(seqs.contains(&0) && seqs.contains(&65_535), "it wraps");
        }
        w.everybody_leaves();
    }
}

#[test]
fn a_third_plane_goes_on_as_well() {
    let mut w = World::viewer(&[VIDEO, AUDIO]);
    for _ in 0..3 {
        w.move_over();
        w.pass(1_000_000);
        // The plane that has it now is the first one of the next move; the other one forgets the session.
        w.a.command(Command::RemoveSession { session: 2, keep_sources: false, silent: false });
        w.swap();
        w.b.events.clear();
    }
    for t in [VIDEO, AUDIO] {
        w.assert_numbers_go_on(t.ssrc);
    }
    assert!(!w.peer.is_closed(), "no plane but the last one has a goodbye");
    w.everybody_leaves();
    assert!(w.peer.is_closed());
}

#[test]
fn a_vp8_picture_follows_the_last_one_by_its_number() {
    let numbered = |picture: u16, keyframe: bool| {
        let mut p = vec![0x90, 0xc0, 0x80 | (picture >> 8) as u8, picture as u8, picture as u8];
        p.extend(if keyframe { &[0x00, 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 240, 0][..] } else { &[0x01, 0, 0] });
        p
    };
    let (mut a, mut b) = (Bench::new(), Bench::new());
    for bench in [&mut a, &mut b] {
        let spec = SourceSpec { source: 200, worker: 0, kind: Kind::Video, codec: "VP8".into(), clock_rate: 90_000 };
        bench.command(Command::AddPushSource(spec));
    }
    let mut peer = a.join(2, 1002, vec![], vec![VIDEO.sent()]);
    a.push(200, 1, 3_000, &numbered(100, true));
    a.push(200, 2, 6_000, &numbered(101, false));
    b.push(200, 9, 9_000, &numbered(5_000, true));
    let number = |payload: &[u8]| rillcast_wire::codec::vp8::frame_number(payload);
    let before = number(&peer.received(&mut a).0.last().unwrap().1);
    let mut report = vec![];
    rtcp::write_rr(&mut report, 77, &[]);
    peer.send_rtcp(&mut a, report);
    let srtp = export(&mut a, false).unwrap();
    let add = AddSession { srtp: Some(Box::new(srtp)), ..b.session(2, vec![], vec![VIDEO.sent()], "") };
    b.command(Command::AddSession(Box::new(add)));
    b.give(peer.address, peer.own_check());
    peer.received(&mut b);
    let srtp = export(&mut a, true).unwrap();
    b.command(Command::ContinueSession { session: 2, srtp: Box::new(srtp) });
    let after = number(&peer.received(&mut b).0[0].1);
    assert_eq!((after.picture, after.tl0), (before.picture + 1, before.tl0.wrapping_add(1)));
}

#[test]
fn every_picture_is_shown_once_and_none_is_missed() {
    for (late_us, bytes, since_keyframe_us) in [
        ([20_000, 20_000], [0, 0], 0),
        ([20_000, 20_000], [38_000, 5_500], 1_700_000),
        ([20_000, 90_000], [38_000, 5_500], 500_000),
        ([90_000, 20_000], [38_000, 5_500], 900_000),
    ] {
        let mut w = World::viewer(&[VIDEO, AUDIO]);
        (w.late_us, w.bytes) = (late_us, bytes);
        w.pass(2_000_000 + since_keyframe_us);
        let began_us = w.now_us();
        w.move_over();
        w.pass(2_000_000);
        let case = format!("late by {late_us:?}, {bytes:?} bytes, {since_keyframe_us} µs behind a keyframe");
        for t in [VIDEO, AUDIO] {
            let mut shown: Vec<u64> = w.arrived.iter().filter(|p| p.ssrc == t.ssrc).map(|p| p.captured_us).collect();
            shown.dedup();
            let steps = shown.windows(2).map(|p| p[1].wrapping_sub(p[0]));
            assert!(steps.clone().all(|s| s.abs_diff(t.every_us) <= TICK_US), "{case}: {:?}", steps.max());
            assert!(w.drift_us(t, began_us).abs() < 1_000.0, "{case}");
            w.assert_numbers_go_on(t.ssrc);
        }
        w.everybody_leaves();
    }
}

#[test]
fn a_picture_that_the_second_plane_does_not_have_is_followed_by_a_keyframe() {
    for shown in [None, Some(ShownPacket { timestamp: 1, digest: 2 })] {
        let mut w = World::viewer(&[VIDEO]);
        w.pass(400_000);
        let began_us = w.now_us();
        w.prepare();
        w.nominate();
        let mut srtp = w.export(true).expect("the final counters");
        for s in &mut srtp.sent {
            s.shown = shown;
        }
        w.b.command(Command::ContinueSession { session: 2, srtp: Box::new(srtp) });
        w.pass(1_000_000);
        let first = w.arrived.iter().find(|p| p.at_us > began_us + 20_000).expect("media of the second plane");
        assert_eq!((first.captured_us / VIDEO.every_us - 1) % FRAMES, 0, "{shown:?}");
        w.assert_numbers_go_on(VIDEO.ssrc);
    }
}

#[test]
fn the_time_of_sending_does_not_jump_where_the_clocks_of_two_planes_agree() {
    let mut w = World::viewer(&[VIDEO]);
    // The second one began seven seconds earlier.
    w.b.worker.shared.epoch_ntp -= (7 << 32) + ((123u64 << 32) / 1_000_000);
    w.move_over();
    w.pass(500_000);
    assert!(w.peer.sent_at.len() > 60);
    let steps = w.peer.sent_at.windows(2).map(|t| t[1].wrapping_sub(t[0]) & 0xff_ffff);
    assert!(steps.clone().all(|s| s <= 100 << 8), "in 1/2^18 of a second: {:?}", steps.max());
}

#[test]
fn what_is_known_of_the_link_goes_along() {
    let mut w = World::viewer(&[VIDEO]);
    let mut remb = vec![];
    rtcp::write_rr(&mut remb, 77, &[]);
    rtcp::write_remb(&mut remb, 77, 1_234_000, &[VIDEO.ssrc]);
    w.peer.send_rtcp(&mut w.a, remb);
    w.move_over();
    let slot = w.b.worker.sessions.slot_of(2).unwrap();
    assert!(w.b.worker.sessions[slot].remb_bps.abs_diff(1_234_000) < 5_000);
}
