//! Loss, repair, reports.

use rillcast_wire::rtcp;

use super::rig::{Bench, DELTA, KEYFRAME};
use crate::config::Command;
use crate::events::Event;

#[test]
fn a_nack_is_answered_with_rtx_that_holds_the_lost_packet() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    p.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    p.send_rtp(&mut b, 96, 5, 2, 3000, DELTA);
    let (media, _) = v.received(&mut b);
    let lost = media[0].0;
    let mut nack = vec![];
    rtcp::write_rr(&mut nack, 9, &[]);
    rtcp::write_nack(&mut nack, 9, 1002, &[lost.seq, lost.seq.wrapping_sub(5)]);
    v.send_rtcp(&mut b, nack);
    let (repair, _) = v.received(&mut b);
    assert_eq!(repair.len(), 1);
    let (h, payload) = &repair[0];
    assert_eq!((h.ssrc, h.pt, h.ts), (2002, 103, lost.ts));
    assert_eq!(payload[..2], lost.seq.to_be_bytes());
    assert_eq!(payload[2..], *KEYFRAME);
    assert_eq!(b.count("nack_not_in_ring"), 1);
}

fn ask_again(b: &mut Bench, v: &mut super::rig::Peer, seqs: &[u16]) -> usize {
    let mut nack = vec![];
    rtcp::write_nack(&mut nack, 9, 1002, seqs);
    v.send_rtcp(b, nack);
    v.received(b).0.len()
}

#[test]
fn a_nack_storm_is_bounded() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    let most = crate::session::budget::REPAIRS as usize;
    p.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    for i in 2..=most as u16 + 100 {
        p.send_rtp(&mut b, 96, 5, i, u32::from(i) * 30, DELTA);
    }
    let seqs: Vec<u16> = v.received(&mut b).0.iter().map(|(h, _)| h.seq).collect();
    let repaired: usize = seqs.chunks(15).map(|some| ask_again(&mut b, &mut v, some)).sum();
    assert_eq!(repaired, most);
    assert!(b.count("nack_over_budget") > 0);
}

#[test]
fn a_packet_is_not_repaired_again_while_the_repair_is_under_way() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    p.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    let seq = v.received(&mut b).0[0].0.seq;
    assert_eq!((0..10).map(|_| ask_again(&mut b, &mut v, &[seq])).sum::<usize>(), 1);
    assert_eq!(b.count("nack_too_soon"), 9);
    b.pass(30_000);
    assert_eq!(ask_again(&mut b, &mut v, &[seq]), 1);
}

fn told(b: &Bench, session: u64) -> Vec<crate::events::SessionStats> {
    let of = |e: &Event| if let Event::SessionStats(s) = e { Some(s.clone()) } else { None };
    b.events.iter().filter_map(of).filter(|s| s.session == session).collect()
}

fn remb(v: &mut super::rig::Peer, b: &mut Bench, bitrate: u64) {
    let mut packet = vec![];
    rtcp::write_rr(&mut packet, 9, &[]);
    rtcp::write_remb(&mut packet, 9, bitrate, &[1002]);
    v.send_rtcp(b, packet);
}

#[test]
fn a_fall_of_the_estimate_is_told_at_once() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    p.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    remb(&mut v, &mut b, 2_000_000);
    b.pass(1_100_000);
    let before = told(&b, 2).len();
    b.pass(150_000);
    remb(&mut v, &mut b, 1_950_000);
    remb(&mut v, &mut b, 1_000_000);
    remb(&mut v, &mut b, 500_000);
    b.pass(5_000);
    let after = &told(&b, 2)[before..];
    assert_eq!(after.len(), 1, "at once, and not again within a moment");
    assert!((999_000..1_001_000).contains(&after[0].estimate_bps));
}

#[test]
fn figures_told_early_are_not_followed_by_those_of_a_moment() {
    let mut b = Bench::new();
    b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    remb(&mut v, &mut b, 2_000_000);
    b.pass(1_100_000);
    let some = told(&b, 2).len();
    while told(&b, 2).len() == some {
        b.pass(5_000);
    }
    b.pass(950_000);
    let before = told(&b, 2).len();
    remb(&mut v, &mut b, 1_000_000);
    b.pass(5_000);
    let early = told(&b, 2).len();
    b.pass(150_000);
    let second = told(&b, 2).len();
    b.pass(1_000_000);

    assert_eq!([early, second, told(&b, 2).len()], [before + 1, before + 1, before + 2]);
}

#[test]
fn the_share_lost_is_that_of_all_packets_since_it_was_last_told() {
    let mut b = Bench::new();
    b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    for (highest_seq, cumulative_lost) in [(1_000, 5), (1_010, 6), (1_200, 6)] {
        let mut packet = vec![];
        let block = rtcp::Report { ssrc: 1002, highest_seq, cumulative_lost, ..Default::default() };
        rtcp::write_rr(&mut packet, 9, &[block]);
        v.send_rtcp(&mut b, packet);
    }
    b.pass(1_100_000);
    let shares: Vec<f64> = told(&b, 2).iter().map(|s| s.fraction_lost).filter(|s| *s > 0.0).collect();
    assert_eq!(shares, [1.0 / 200.0]);
}

#[test]
fn a_packet_lost_from_the_publisher_is_asked_for_and_taken_from_rtx() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    p.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    p.send_rtp(&mut b, 96, 5, 3, 6000, DELTA);
    b.pass(10_000);
    let (_, control) = p.received(&mut b);
    let asked: Vec<u16> = control
        .iter()
        .flat_map(|c| {
            rtcp::packets(c)
                .flatten()
                .filter_map(|p| {
                    if let rtcp::Packet::Nack { media: 5, seqs, .. } = p {
                        Some(seqs.collect::<Vec<_>>())
                    } else {
                        None
                    }
                })
                .collect::<Vec<_>>()
        })
        .flatten()
        .collect();
    assert_eq!(asked, [2]);
    let before = v.received(&mut b).0.len();
    let mut rtx = 2u16.to_be_bytes().to_vec();
    rtx.extend(DELTA);
    p.send_rtp(&mut b, 97, 6, 500, 3000, &rtx);
    let (late, _) = v.received(&mut b);
    assert_eq!((before, late.len()), (2, 1));
    assert_eq!(late[0].1, DELTA);
}

/// It may be of the stream before that changed its SSRC, or of none.
#[test]
fn a_retransmission_of_nothing_that_has_come_is_passed_over_and_the_media_goes_on() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    p.send_rtp(&mut b, 96, 5, 10_000, 0, KEYFRAME);
    p.send_rtp(&mut b, 96, 5, 10_001, 3_000, DELTA);
    b.pass(10_000);
    let before = v.received(&mut b).0;
    let strange = [12_001u16, 10_202, 14_000, 6_000, 45_000, 0, 65_535];
    for (number, seq) in strange.into_iter().enumerate() {
        let rtx = [&seq.to_be_bytes()[..], DELTA].concat();
        p.send_rtp(&mut b, 97, 6, 500 + number as u16, 3_000, &rtx);
    }
    assert_eq!(b.count("rtx_out_of_place"), strange.len() as u64);

    for next in 2..5u16 {
        p.send_rtp(&mut b, 96, 5, 10_000 + next, u32::from(next) * 3_000, DELTA);
    }
    b.pass(20_000);

    let after = v.received(&mut b).0;
    assert_eq!((before.len(), after.len()), (2, 3));
    let numbers: Vec<u16> = before.iter().chain(&after).map(|(header, _)| header.seq).collect();
    assert!(numbers.windows(2).all(|w| w[1] == w[0].wrapping_add(1)), "{numbers:?}");
}

#[test]
fn publishers_are_told_an_estimate_and_a_report() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    p.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    b.pass(1_500_000);
    let (_, control) = p.received(&mut b);
    let kinds: Vec<String> =
        control.iter().flat_map(|c| rtcp::packets(c).flatten().map(|p| format!("{p:?}")).collect::<Vec<_>>()).collect();
    assert!(kinds.iter().any(|k| k.starts_with("Remb")));
    assert!(kinds.iter().any(|k| k.starts_with("Rr") && k.contains("Report") || k.starts_with("Rr")));
}

#[test]
fn viewers_get_sender_reports_on_the_publishers_clock() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    p.send_rtp(&mut b, 96, 5, 1, 90_000, KEYFRAME);
    let mut sr = vec![];
    rtcp::write_sr(&mut sr, 5, 50 << 32, 90_000, 1, 1, &[]);
    p.send_rtcp(&mut b, sr);
    let first = v.received(&mut b).0[0].0;
    b.pass(1_100_000);
    let (_, control) = v.received(&mut b);
    let reports: Vec<(u64, u32)> = control
        .iter()
        .flat_map(|c| {
            rtcp::packets(c)
                .flatten()
                .filter_map(|p| if let rtcp::Packet::Sr { ntp, rtp_ts, .. } = p { Some((ntp, rtp_ts)) } else { None })
                .collect::<Vec<_>>()
        })
        .collect();
    let (ntp, rtp) = reports[0];
    let elapsed_ntp = (ntp - (50 << 32)) as f64 / (1u64 << 32) as f64;
    let elapsed_rtp = f64::from(rtp.wrapping_sub(first.ts)) / 90_000.0;
    assert!((elapsed_ntp - elapsed_rtp).abs() < 0.001, "{elapsed_ntp} {elapsed_rtp}");
}

#[test]
fn a_viewer_that_neither_reports_nor_answers_gets_nothing_until_it_reports_again() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    v.answers = false;
    let report = || {
        let mut rr = vec![];
        rtcp::write_rr(&mut rr, 9, &[]);
        rr
    };
    p.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    v.send_rtcp(&mut b, report());
    b.pass(10_000_000);
    p.send_rtp(&mut b, 96, 5, 2, 900_000, KEYFRAME);
    v.received(&mut b);
    p.send_rtp(&mut b, 96, 5, 3, 903_000, DELTA);
    assert!(v.received(&mut b).0.is_empty());
    assert_eq!(b.count("viewer_stalled"), 1);
    v.send_rtcp(&mut b, report());
    let (media, _) = v.received(&mut b);
    assert_eq!(media.len(), 2, "the cached keyframe and what followed");
    assert_eq!(media[0].1, KEYFRAME);
}

#[test]
fn reports_tell_how_old_the_newest_packet_is_that_the_viewer_has() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    for i in 0..10 {
        p.send_rtp(&mut b, 96, 5, i, u32::from(i) * 3000, if i == 0 { KEYFRAME } else { DELTA });
        b.pass(30_000);
    }
    let seqs: Vec<u16> = v.received(&mut b).0.iter().map(|(h, _)| h.seq).collect();
    b.pass(700_000);
    // Packet 6 left 120 ms before the loop ended.
    let mut packet = vec![];
    let block = rtcp::Report { ssrc: 1002, highest_seq: u32::from(seqs[6]), ..Default::default() };
    rtcp::write_rr(&mut packet, 9, &[block]);
    v.send_rtcp(&mut b, packet);
    b.pass(1_000_000);
    let lags: Vec<f64> = told(&b, 2).iter().map(|s| s.lag_ms).filter(|l| *l > 0.0).collect();
    assert_eq!(lags, [820.0]);
}

/// The figures after two reports, 200 ms apart: the newest packet is `behind` packets old at each, 30 come in a second.
fn delivered(behind: [usize; 2], lost: i32) -> crate::events::SessionStats {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    let mut seqs = vec![];
    let mut payload = KEYFRAME.to_vec();
    payload.resize(964, 0);
    for i in 0..60 {
        p.send_rtp(&mut b, 96, 5, i, u32::from(i) * 3000, &payload);
        seqs.extend(v.received(&mut b).0.iter().map(|(h, _)| h.seq));
        let told = match i {
            30 => Some((1, 0)),
            52 => Some((behind[0], 0)),
            58 => Some((behind[1], lost)),
            _ => None,
        };
        if let Some((behind, cumulative_lost)) = told {
            let highest_seq = u32::from(seqs[seqs.len() - 1 - behind]);
            let mut packet = vec![];
            let block = rtcp::Report { ssrc: 1002, highest_seq, cumulative_lost, ..Default::default() };
            rtcp::write_rr(&mut packet, 9, &[block]);
            v.send_rtcp(&mut b, packet);
        }
        b.pass(35_000);
    }
    b.pass(1_000_000);
    told(&b, 2).iter().rev().find(|s| s.lag_ms > 0.0).cloned().unwrap()
}

#[test]
fn two_reports_tell_how_fast_the_viewer_gets_what_it_is_sent() {
    let bps = |packets: u64| packets * 1_000 * 8 * 1_000 / (6 * 35);
    for (behind, lost, packets, backlogged) in
        [([1, 1], 0, 6, false), ([4, 4], 0, 6, true), ([4, 7], 0, 3, true), ([1, 4], 0, 3, false), ([4, 7], 1, 2, true)]
    {
        let figures = delivered(behind, lost);
        assert_eq!((figures.delivered_bps, figures.backlogged), (bps(packets), backlogged), "{behind:?}, {lost} lost");
    }
}

#[test]
fn who_is_far_behind_is_told_of_at_once() {
    let figures = delivered([4, 7], 0);
    assert!((240.0..250.0).contains(&figures.lag_ms), "{}", figures.lag_ms);
}

#[test]
fn a_report_that_shows_a_lag_and_a_fall_is_told_once_with_both() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    let mut seqs = vec![];
    for i in 0..60 {
        p.send_rtp(&mut b, 96, 5, i, u32::from(i) * 3000, KEYFRAME);
        seqs.extend(v.received(&mut b).0.iter().map(|(h, _)| h.seq));
        if i == 20 || i == 55 {
            let (behind, bitrate) = if i == 20 { (1, 2_000_000) } else { (8, 700_000) };
            let mut packet = vec![];
            let highest_seq = u32::from(seqs[seqs.len() - 1 - behind]);
            rtcp::write_rr(&mut packet, 9, &[rtcp::Report { ssrc: 1002, highest_seq, ..Default::default() }]);
            rtcp::write_remb(&mut packet, 9, bitrate, &[1002]);
            let before = told(&b, 2).len();
            v.send_rtcp(&mut b, packet);
            b.settle();
            if i == 55 {
                let figures = &told(&b, 2)[before..];
                assert_eq!(figures.len(), 1);
                assert!((699_000..701_000).contains(&figures[0].estimate_bps), "{figures:?}");
                assert!((270.0..330.0).contains(&figures[0].lag_ms), "{figures:?}");
            }
        }
        b.pass(35_000);
    }
}

#[test]
fn each_full_intra_request_has_the_next_number() {
    let mut b = Bench::new();
    let mut track = b.publisher_track();
    track.pli = false;
    let mut p = b.join(1, 1001, vec![track], vec![]);
    p.send_rtp(&mut b, 96, 5, 1, 0, DELTA);
    let mut numbers = vec![];
    for _ in 0..300 {
        b.command(Command::RequestKeyframe { source: 100 });
        b.pass(600_000);
        let (_, control) = p.received(&mut b);
        numbers.extend(control.iter().flat_map(|c| rtcp::packets(c).flatten()).filter_map(|packet| match packet {
            rtcp::Packet::Fir { media, .. } => media.clone().next().map(|(_, number)| number),
            _ => None,
        }));
        if numbers.len() > 257 {
            break;
        }
        b.give(p.address, p.check(&format!("{:022}", 1)));
    }
    assert!(numbers.len() > 257);
    assert!(numbers.windows(2).all(|w| w[1] == w[0].wrapping_add(1)), "{numbers:?}");
}
