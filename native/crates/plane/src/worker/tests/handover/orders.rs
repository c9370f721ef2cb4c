//! Orders about sessions that can't be handed over, or that come twice, wrong or never.

use super::super::rig::Bench;
use super::*;
use crate::refusal::Refusal;

/// A viewer's session is at the second plane as well, and its peer has chosen that one.
fn prepared() -> World {
    let mut w = World::viewer(&[VIDEO, AUDIO]);
    w.prepare();
    w.nominate();
    w
}

fn continue_with(b: &mut Bench, srtp: &SrtpState) -> Option<String> {
    b.events.clear();
    b.command(Command::ContinueSession { session: 2, srtp: Box::new(srtp.clone()) });
    error(b)
}

#[test]
fn who_is_unknown_or_half_open_or_stopped_has_nothing_to_hand_over() {
    let mut b = Bench::new();
    for stop in [false, true] {
        assert_eq!(export_of(&mut b, 7, stop), None, "unknown");
        let add = b.session(1, vec![b.publisher_track()], vec![], "AA");
        b.command(Command::AddSession(Box::new(add)));
        assert_eq!(export_of(&mut b, 1, stop), None, "half-open");
        b.command(Command::RemoveSession { session: 1, keep_sources: false, silent: false });
        assert_eq!(export_of(&mut b, 1, stop), None, "gone");
    }
    let mut p = b.publisher(1, 1001);
    assert_eq!(export_of(&mut b, 1, true), None, "it may still wait for the end of the handshake");
    p.send_rtp(&mut b, 96, 5, 10, 0, KEYFRAME);
    assert!(export_of(&mut b, 1, false).is_some(), "again and again");
    assert!(export_of(&mut b, 1, false).is_some());
    assert!(export_of(&mut b, 1, true).is_some());
    assert_eq!(export_of(&mut b, 1, true), None, "stopped");
}

#[test]
fn what_waits_to_be_continued_can_not_be_handed_over() {
    let mut w = prepared();
    assert_eq!(export(&mut w.b, false), None);
    assert_eq!(export(&mut w.b, true), None);
    w.hand_over();
    assert!(export(&mut w.b, true).is_some());
}

#[test]
fn nothing_is_sent_before_it_is_continued() {
    let mut w = prepared();
    let before = w.arrived.len();
    w.b.pass(3_000_000);
    assert_eq!(but_checks(w.b.sent_to(w.peer.address)), 0);
    w.b.command(Command::Probe { session: 2, track: VIDEO.source, bitrate_bps: 1_000_000, duration_ms: 1_000 });
    let switch = |source| Command::SwitchSource { session: 2, track: VIDEO.source, source, hold: false };
    for source in [None, Some(VIDEO.source)] {
        w.b.command(switch(source));
    }
    w.pass(1_000_000);
    assert!(w.arrived.len() > before + 40, "the first plane sends all the time");
    w.b.command(Command::RemoveSession { session: 2, keep_sources: false, silent: false });
    assert_eq!(but_checks(w.b.sent_to(w.peer.address)), 0, "it has no goodbye yet");
    w.everybody_leaves();
}

#[test]
fn it_is_continued_once() {
    let mut w = prepared();
    let srtp = w.export(true).unwrap();
    assert_eq!(continue_with(&mut w.b, &srtp), None);
    assert_eq!(continue_with(&mut w.b, &srtp).as_deref(), Some("session 2: no association waits to be continued"));
    w.pass(1_000_000);
    for t in [VIDEO, AUDIO] {
        w.assert_numbers_go_on(t.ssrc);
    }
    w.everybody_leaves();
}

#[test]
fn a_session_of_its_own_and_one_that_is_gone_have_nothing_to_continue() {
    let mut w = World::viewer(&[VIDEO]);
    let srtp = w.export(false).unwrap();
    assert_eq!(continue_with(&mut w.a, &srtp).as_deref(), Some("session 2: no association waits to be continued"));
    assert_eq!(continue_with(&mut w.b, &srtp), None, "what the plane ended by itself meanwhile is passed over");
    w.pass(200_000);
    w.assert_numbers_go_on(VIDEO.ssrc);
}

#[test]
fn the_final_counters_may_come_before_the_peer_has_its_path() {
    let mut w = World::viewer(&[VIDEO, AUDIO]);
    w.prepare();
    let srtp = w.export(true).unwrap();
    assert_eq!(continue_with(&mut w.b, &srtp), None);
    w.b.pass(100_000);
    assert_eq!(but_checks(w.b.sent_to(w.peer.address)), 0);
    w.nominate();
    assert!(w.b.events.iter().any(|e| matches!(e, Event::SessionConnected { session: 2, .. })));
    w.pass(1_000_000);
    w.assert_numbers_go_on(VIDEO.ssrc);
    w.everybody_leaves();
}

#[test]
fn one_that_is_never_continued_ends_like_a_handshake_that_does_not_and_is_silent() {
    let mut w = World::viewer(&[VIDEO, AUDIO]);
    w.prepare();
    w.nominate();
    w.b.pass(11_000_000);
    assert_eq!(w.b.closed(2), Some("handshake_timeout"));
    assert_eq!(but_checks(w.b.sent_to(w.peer.address)), 0);
    w.everybody_leaves();
}

#[test]
fn other_keys_other_ssrcs_and_counters_that_went_back_are_refused_in_words() {
    let mut w = prepared();
    let good = w.export(true).unwrap();
    let with = |change: fn(&mut SrtpState)| {
        let mut srtp = good.clone();
        change(&mut srtp);
        srtp
    };
    let cases = [
        (with(|s| std::mem::swap(&mut s.local_key, &mut s.remote_key)), "srtp: other keys than it was added with"),
        (with(|s| s.sent[0].ssrc = 99), "srtp.sent: other SSRCs than those of its tracks"),
        (with(|s| s.sent.truncate(2)), "srtp.sent: other SSRCs than those of its tracks"),
        (with(|s| s.sent.push(s.sent[0].clone())), "srtp.sent: other SSRCs than those of its tracks"),
        (with(|s| s.sent[0].index = 0), "srtp: a counter is lower than when it was added"),
        (with(|s| s.sent[1].index = 0), "srtp: a counter is lower than when it was added"),
        (with(|s| s.srtcp_sent = 0), "srtp: a counter is lower than when it was added"),
    ];
    for (srtp, words) in cases {
        assert_eq!(continue_with(&mut w.b, &srtp), Some(format!("session 2: {words}")));
        w.b.pass(100_000);
        assert_eq!(but_checks(w.b.sent_to(w.peer.address)), 0, "{words}");
    }
    assert_eq!(continue_with(&mut w.b, &good), None, "nothing has changed");
    w.pass(1_000_000);
    w.assert_numbers_go_on(VIDEO.ssrc);
    w.everybody_leaves();
}

#[test]
fn what_can_not_be_keys_is_refused_at_once_and_leaves_nothing() {
    let mut w = World::viewer(&[VIDEO]);
    let good = w.export(false).unwrap();
    type Change = fn(&mut SrtpState);
    let changes: [(Change, &str); 5] = [
        (|s| s.local_key.push('!'), "srtp.local_key: not base64"),
        (|s| s.remote_key.clear(), "srtp.remote_key: not as long as key and salt of the profile"),
        (|s| s.profile = "NULL".into(), "srtp.profile: unknown"),
        (|s| s.close_notify = "=".into(), "srtp.close_notify: not base64"),
        (|s| s.sent[0].index = u64::MAX, "srtp.sent: an index of more than 48 bits"),
    ];
    for (change, words) in changes {
        let mut srtp = good.clone();
        change(&mut srtp);
        let add = Command::AddSession(Box::new(w.added(srtp.clone())));
        let go_on = Command::ContinueSession { session: 2, srtp: Box::new(srtp) };
        for command in [add, go_on] {
            let refused = w.b.post(command);
            assert!(matches!(&refused, Err(Refusal::Impossible(i)) if i.to_string() == words), "{refused:?}");
        }
    }
    let mut foreign = good;
    foreign.sent[0].ssrc = 99;
    assert!(w.b.post(Command::AddSession(Box::new(w.added(foreign)))).is_err());
    w.everybody_leaves();
}

/// What Python says when the first plane does not answer.
fn restart(w: &mut World, send: Vec<SendTrack>) {
    let dtls = w.b.session(2, vec![], vec![], w.b.context().fingerprint()).dtls;
    w.b.command(Command::RestartDtls { session: 2, dtls, send });
}

fn other_ssrcs(t: Track) -> SendTrack {
    SendTrack { ssrc: t.ssrc + 500, rtx_ssrc: if t.rtx_ssrc == 0 { 0 } else { t.rtx_ssrc + 500 }, ..t.sent() }
}

#[test]
fn the_way_back_is_a_handshake_with_other_ssrcs() {
    let mut w = prepared();
    let late = w.export(false).unwrap();
    restart(&mut w, vec![other_ssrcs(VIDEO), other_ssrcs(AUDIO)]);
    assert_eq!(
        continue_with(&mut w.b, &late).as_deref(),
        Some("session 2: no association waits to be continued"),
        "too late"
    );
    let mut peer = w.b.peer_of(2, w.peer.address.port());
    peer.connect(&mut w.b);
    assert!(w.b.events.iter().any(|e| matches!(e, Event::SessionConnected { session: 2, .. })));
    for n in 0..60 {
        w.b.push(VIDEO.source, 40_000 + n, u32::from(n) * 3_000, if n == 0 { KEYFRAME } else { DELTA });
        w.b.push(AUDIO.source, 40_000 + n, u32::from(n) * 960, &[0xf8]);
        w.b.pass(TICK_US);
    }
    let (media, _) = peer.received(&mut w.b);
    for t in [VIDEO, AUDIO] {
        assert!(media.iter().filter(|(h, _)| h.ssrc == t.ssrc + 500).count() >= 30, "{t:?}");
    }
    assert_eq!(export(&mut w.b, false), None, "nothing shows yet that the peer has the keys");
    let mut report = vec![];
    rillcast_wire::rtcp::write_rr(&mut report, 77, &[]);
    peer.send_rtcp(&mut w.b, report);
    assert!(export(&mut w.b, false).is_some(), "and may be handed over like any other");
    w.b.command(Command::RemoveSession { session: 2, keep_sources: false, silent: false });
    peer.received(&mut w.b);
    assert!(peer.is_closed());
    w.everybody_leaves();
}

#[test]
fn a_session_that_went_on_may_go_back_as_well() {
    let mut w = World::viewer(&[VIDEO]);
    w.move_over();
    w.pass(500_000);
    restart(&mut w, vec![]);
    assert_eq!(export(&mut w.b, true), None, "half-open");
    let mut peer = w.b.peer_of(2, w.peer.address.port());
    peer.connect(&mut w.b);
    w.b.push(VIDEO.source, 40_000, 0, KEYFRAME);
    assert!(peer.received(&mut w.b).0.iter().all(|(h, _)| h.ssrc == VIDEO.ssrc));
    w.b.command(Command::RemoveSession { session: 2, keep_sources: false, silent: false });
    peer.received(&mut w.b);
    w.everybody_leaves();
}

#[test]
fn a_handshake_that_begins_anew_and_does_not_end_is_given_up() {
    let mut w = prepared();
    w.b.pass(9_000_000);
    restart(&mut w, vec![other_ssrcs(VIDEO), other_ssrcs(AUDIO)]);
    w.b.pass(9_000_000);
    assert_eq!(w.b.closed(2), None, "it has all the time of a handshake");
    w.b.pass(2_000_000);
    assert_eq!(w.b.closed(2), Some("handshake_timeout"));
    w.everybody_leaves();
}

#[test]
fn a_restart_of_an_unknown_session_does_nothing() {
    let mut b = Bench::new();
    let dtls = b.session(9, vec![], vec![], "AA").dtls;
    b.command(Command::RestartDtls { session: 9, dtls: dtls.clone(), send: vec![] });
    assert_eq!(error(&b), None);
    let bad = SendTrack { ssrc: 0, ..VIDEO.sent() };
    assert!(b.post(Command::RestartDtls { session: 9, dtls, send: vec![bad] }).is_err());
}
