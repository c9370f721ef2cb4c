//! A plane that has exported a session for good sends nothing under its keys any more, whatever happens.

use rillcast_wire::rtcp;

use super::super::rig::Bench;
use super::*;
use crate::mailbox::Mail;

fn is_nothing(w: &mut World, what: &str) {
    w.a.pass(3_000_000);
    let sent = w.a.sent_to(w.peer.address);
    assert_eq!(but_checks(sent), 0, "{what}");
}

#[test]
fn a_viewer_is_sent_nothing_whatever_it_asks_for() {
    let mut w = World::viewer(&[VIDEO, AUDIO]);
    let lost = w.arrived.iter().rev().find(|p| p.ssrc == VIDEO.ssrc).unwrap().seq;
    w.a.command(Command::Probe { session: 2, track: VIDEO.source, bitrate_bps: 1_000_000, duration_ms: 5_000 });
    let stopped = w.export(true);
    assert!(stopped.is_some() && w.export(true).is_none() && w.export(false).is_none());
    w.a.sent_to(w.peer.address);
    is_nothing(&mut w, "time");
    let mut reports: Vec<Vec<u8>> = vec![vec![]; 3];
    for r in &mut reports {
        rtcp::write_rr(r, 77, &[]);
    }
    rtcp::write_nack(&mut reports[0], 77, VIDEO.ssrc, &[lost]);
    rtcp::write_pli(&mut reports[1], 77, VIDEO.ssrc);
    rtcp::write_remb(&mut reports[2], 77, 50_000, &[VIDEO.ssrc]);
    for packet in reports {
        w.peer.send_rtcp(&mut w.a, packet);
        is_nothing(&mut w, "a report");
    }
    w.a.give(w.peer.address, w.peer.own_check());
    assert!(!w.a.sent_to(w.peer.address).is_empty(), "a check is still answered");
    let (session, track) = (2, VIDEO.source);
    for source in [None, Some(VIDEO.source), Some(AUDIO.source)] {
        w.a.command(Command::SwitchSource { session, track, source, hold: false });
        w.pass_at_the_first(500_000);
        is_nothing(&mut w, "a switch");
    }
    w.a.command(Command::LimitLayers { session, track, temporal: 0 });
    w.a.command(Command::Probe { session, track, bitrate_bps: 1_000_000, duration_ms: 1_000 });
    w.a.command(Command::RequestKeyframe { source: VIDEO.source });
    w.pass_at_the_first(500_000);
    is_nothing(&mut w, "a probe");
    w.peer.say_goodbye(&mut w.a);
    is_nothing(&mut w, "a goodbye of the peer");
    w.a.command(Command::RemoveSession { session, keep_sources: false, silent: false });
    is_nothing(&mut w, "the end");
    assert_eq!(w.a.closed(2), Some("removed"));
}

#[test]
fn the_end_of_the_plane_is_silent_as_well() {
    let mut w = World::viewer(&[VIDEO]);
    w.export(true).unwrap();
    w.a.sent_to(w.peer.address);
    w.a.worker.mail(w.a.now, Mail::Stop, &mut w.a.out);
    assert_eq!(but_checks(w.a.sent_to(w.peer.address)), 0);
}

#[test]
fn a_session_whose_consent_ends_is_silent_as_well() {
    let mut w = World::viewer(&[VIDEO]);
    w.export(true).unwrap();
    w.a.sent_to(w.peer.address);
    w.a.pass(40_000_000);
    assert_eq!(w.a.closed(2), Some("consent_expired"));
    assert_eq!(but_checks(w.a.sent_to(w.peer.address)), 0);
}

#[test]
fn a_publisher_is_asked_for_nothing_and_what_it_still_sends_is_taken() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    p.send_rtp(&mut b, 96, 5, 10, 0, KEYFRAME);
    assert!(export_of(&mut b, 1, true).is_some());
    b.sent_to(p.address);
    v.received(&mut b);
    p.send_rtp(&mut b, 96, 5, 14, 3_000, DELTA);
    assert_eq!(v.received(&mut b).0.len(), 1, "packets that were under way");
    b.command(Command::RequestKeyframe { source: 100 });
    let mut sr = vec![];
    rtcp::write_sr(&mut sr, 5, 1 << 40, 3_000, 2, 2, &[]);
    p.send_rtcp(&mut b, sr);
    b.pass(4_000_000);
    b.command(Command::RemoveSession { session: 1, keep_sources: true, silent: false });
    assert_eq!(but_checks(b.sent_to(p.address)), 0);
}
