//! Viewers that say nothing more, and peers that ask for too much.

use rillcast_wire::{demux, rtcp, stun};

use super::paths::{is_check, report, stream};
use super::rig::{answer, Bench, Peer, KEYFRAME};
use crate::config::Command;

#[test]
fn a_viewer_that_reports_nothing_and_answers_goes_on_for_ever() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    assert_eq!(stream(&mut b, &mut p, &mut [&mut v], 0, 90), 900);
    assert_eq!((b.count("viewer_stalled"), b.closed(2)), (0, None));
}

#[test]
fn a_viewer_that_never_said_a_word_is_stalled_soon_and_goes_on_when_it_answers() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    v.answers = false;
    let got = stream(&mut b, &mut p, &mut [&mut v], 0, 20);
    assert!((80..=91).contains(&got), "8 to 9 seconds of 20, not {got} packets");
    assert_eq!(b.count("viewer_stalled"), 1);
    v.answers = true;
    assert!(stream(&mut b, &mut p, &mut [&mut v], 200, 3) >= 20);
    assert_eq!(b.closed(2), None);
}

#[test]
fn a_switch_asked_for_meanwhile_sends_nothing_to_a_stalled_viewer() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut track = b.publisher_track();
    track.encodings[0].source = 200;
    let mut other = b.join(3, 1003, vec![track], vec![]);
    let mut v = b.viewer(2, 1002, 100);
    v.answers = false;
    stream(&mut b, &mut p, &mut [&mut v], 0, 10);
    b.command(Command::SwitchSource { session: 2, track: 0, source: Some(200), hold: false });
    other.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    b.pass(1_000_000);
    let media = |b: &mut Bench, v: &Peer| {
        b.sent_to(v.address).iter().filter(|d| demux::classify(d) != demux::Kind::Stun).count()
    };
    assert_eq!(media(&mut b, &v), 0, "neither media nor reports");
    v.send_rtcp(&mut b, report());
    assert_eq!(v.received(&mut b).0.len(), 1, "the source that was asked for");
}

#[test]
fn indications_and_forged_answers_keep_nobody_alive() {
    let mut b = Bench::new();
    b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    v.answers = false;
    let mut indication = v.own_check();
    indication[..2].copy_from_slice(&0x0011u16.to_be_bytes());
    // Of the attributes none is left.
    indication.truncate(20);
    indication[2..4].copy_from_slice(&[0, 0]);
    assert_eq!(stun::parse(&indication).unwrap().class, stun::Class::Indication);
    for _ in 0..32 {
        b.pass(1_000_000);
        b.give(v.address, indication.clone());
        let forged: Vec<_> = b
            .sent_to(v.address)
            .iter()
            .filter(|d| is_check(d))
            .map(|d| answer(d, "nobody's password at all"))
            .collect();
        forged.into_iter().for_each(|d| b.give(v.address, d));
    }
    assert_eq!((b.count("viewer_stalled"), b.closed(2)), (1, Some("consent_expired")));
}

// ------------------------------------------------------------------ budgets

#[test]
fn checks_beyond_the_budget_are_not_even_authenticated_and_next_second_all_is_well() {
    let mut b = Bench::new();
    b.publisher(1, 1001);
    let v = b.viewer(2, 1002, 100);
    for _ in 0..300 {
        b.give(v.address, v.check("not the password at all"));
    }
    assert!(b.count("stun_over_budget") > 90);
    assert_eq!(b.count("stun_over_budget") + b.count("stun_unauthenticated"), 300);
    b.pass(1_100_000);
    b.sent_to(v.address);
    b.give(v.address, v.own_check());
    assert_eq!(b.sent_to(v.address).len(), 1);
}

#[test]
fn what_a_flood_of_reports_asks_for_is_bounded() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    p.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    let mut nack = vec![];
    rtcp::write_nack(&mut nack, 9, 1002, &(30_000..34_000).collect::<Vec<u16>>());
    let nack = nack[..nack.len().min(1_000)].to_vec();
    for _ in 0..100 {
        let mut whole = nack.clone();
        let words = (whole.len() / 4 - 1) as u16;
        whole[2..4].copy_from_slice(&words.to_be_bytes());
        v.send_rtcp(&mut b, whole);
    }
    assert!(b.count("nack_not_in_ring") <= 3_000, "{}", b.count("nack_not_in_ring"));
    assert!(b.count("rtcp_over_budget") >= 99);
}
