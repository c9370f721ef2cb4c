//! RTCP against `rtcp-types`, the packet drawings of the RFCs, and arbitrary bytes.

mod common;

use common::hex;
use proptest::collection::vec;
use proptest::prelude::*;
use rillcast_wire::rtcp::{self, Packet, Report, RtcpError};
use rtcp_types::prelude::*;
use rtcp_types::{
    Bye, Compound, Fir, Nack, PayloadFeedback, Pli, ReceiverReport, ReportBlock, Sdes, SenderReport, TransportFeedback,
    Twcc, TwccPacketStatus,
};

fn one(d: &[u8]) -> Packet<'_> {
    let mut packets = rtcp::packets(d);
    let first = packets.next().expect("a packet").expect("a valid packet");
    assert!(packets.next().is_none(), "only one packet");
    first
}

fn write(f: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    f(&mut out);
    out
}

fn assert_alike(ours: &Report, theirs: &ReportBlock<'_>) {
    assert_eq!((ours.ssrc, ours.fraction_lost), (theirs.ssrc(), theirs.fraction_lost()));
    assert_eq!(ours.cumulative_lost as u32 & 0xFF_FFFF, theirs.cumulative_lost());
    assert_eq!((ours.highest_seq, ours.jitter), (theirs.extended_sequence_number(), theirs.interarrival_jitter()));
    assert_eq!(ours.last_sr, theirs.last_sender_report_timestamp());
    assert_eq!(ours.delay_last_sr, theirs.delay_since_last_sender_report_timestamp());
}

fn report() -> impl Strategy<Value = Report> {
    (any::<u32>(), any::<u8>(), -0x80_0000..0x80_0000i32, any::<[u32; 4]>()).prop_map(
        |(ssrc, fraction_lost, lost, [a, b, c, d])| Report {
            ssrc,
            fraction_lost,
            cumulative_lost: lost,
            highest_seq: a,
            jitter: b,
            last_sr: c,
            delay_last_sr: d,
        },
    )
}

#[test]
fn a_compound_is_read_packet_by_packet() {
    let d = write(|out| {
        rtcp::write_rr(out, 1, &[]);
        rtcp::write_sdes_cname(out, 1, "rillcast");
        rtcp::write_pli(out, 1, 2);
        rtcp::write_bye(out, 1);
    });
    let all: Vec<_> = rtcp::packets(&d).map(Result::unwrap).collect();
    assert!(matches!(
        all[..],
        [Packet::Rr { ssrc: 1, .. }, Packet::Sdes, Packet::Pli { sender: 1, media: 2 }, Packet::Bye { .. }]
    ));
    assert_eq!(Compound::parse(&d).unwrap().map(Result::unwrap).count(), 4);
}

#[test]
fn reading_ends_after_the_first_error() {
    let mut d = write(|out| rtcp::write_pli(out, 1, 2));
    d.extend(hex("80c90009 00000001"));
    rtcp::write_pli(&mut d, 1, 2);
    let all: Vec<_> = rtcp::packets(&d).map(|p| p.err()).collect();
    assert_eq!(all, [None, Some(RtcpError::Truncated)]);
}

#[test]
fn errors_name_what_is_wrong() {
    let cases = [
        ("80c900", RtcpError::Truncated),
        ("40c9000100000001", RtcpError::Version(1)),
        ("80c9000200000001", RtcpError::Truncated),
        ("80c90000", RtcpError::Body(201)),
        ("81c9000100000001", RtcpError::Body(201)),
        ("80c8000500000001 0000000000000000 00000000 00000000", RtcpError::Body(200)),
        ("81cb0000", RtcpError::Body(203)),
        ("81cd000100000001", RtcpError::Body(205)),
        ("8fce0003000000010000000052454d42", RtcpError::Body(206)),
        ("8fce0004000000010000000052454d4201000001", RtcpError::Body(206)),
        ("a0c9000200000001 00000000", RtcpError::Padding),
        ("a0c9000200000001 00000003", RtcpError::Padding),
        ("a0c9000200000001 0000000c", RtcpError::Padding),
        ("a0c90000", RtcpError::Padding),
    ];
    for (text, expected) in cases {
        let d = hex(text);
        assert_eq!(rtcp::packets(&d).next().unwrap().err(), Some(expected), "{text}");
        assert!(expected.to_string().starts_with("RTCP: "));
    }
}

#[test]
fn padding_is_no_part_of_a_packet() {
    let d = hex("a1cd0004 00000001 00000002 00050000 00000004");
    let Packet::Nack { sender: 1, media: 2, seqs } = one(&d) else { panic!("no NACK") };
    assert_eq!(seqs.collect::<Vec<_>>(), [5]);
}

#[test]
fn what_is_not_needed_is_named_other() {
    for (text, pt, fmt) in [
        ("80cf0001 00000001", 207, 0),
        ("81cc0002 00000001 41424344", 204, 1),
        ("83cd0004 00000001 00000002 00000003 00000000", 205, 3),
        ("8fce0003 00000001 00000000 41424344", 206, 15),
    ] {
        let d = hex(text);
        let Packet::Other { pt: p, fmt: f } = one(&d) else { panic!("{text}") };
        assert_eq!((p, f), (pt, fmt));
    }
}

#[test]
fn cumulative_loss_is_signed_and_saturates() {
    for (written, read) in [(-1, -1), (-9_000_000, -0x80_0000), (9_000_000, 0x7F_FFFF)] {
        let d = write(|out| rtcp::write_rr(out, 1, &[Report { cumulative_lost: written, ..Report::default() }]));
        let Packet::Rr { mut reports, .. } = one(&d) else { panic!("no RR") };
        assert_eq!(reports.next().unwrap().cumulative_lost, read);
    }
}

#[test]
fn more_reports_than_fit_go_on_in_further_packets() {
    let reports: Vec<_> = (0..70).map(|ssrc| Report { ssrc, ..Report::default() }).collect();
    let d = write(|out| rtcp::write_sr(out, 9, 1, 2, 3, 4, &reports));
    let mut read = Vec::new();
    for packet in rtcp::packets(&d) {
        match packet.unwrap() {
            Packet::Sr { ssrc: 9, reports, .. } | Packet::Rr { ssrc: 9, reports } => read.extend(reports),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(read, reports);
}

#[test]
fn remb_is_written_as_the_draft_draws_it() {
    let d = write(|out| rtcp::write_remb(out, 1, 1_000_000, &[0x1122_3344]));
    // 1 000 000 = 250 000 << 2, that is exponent 2 and mantissa 0x3d090.
    assert_eq!(d, hex("8fce0005 00000001 00000000 52454d42 010bd090 11223344"));
    let Packet::Remb { sender: 1, bitrate_bps: 1_000_000, ssrcs } = one(&d) else { panic!("no REMB") };
    assert_eq!(ssrcs.collect::<Vec<_>>(), [0x1122_3344]);
}

#[test]
fn a_remb_beyond_64_bits_saturates() {
    let d = hex("8fce0004 00000001 00000000 52454d42 00ffffff");
    let Packet::Remb { bitrate_bps, .. } = one(&d) else { panic!("no REMB") };
    assert_eq!(bitrate_bps, u64::MAX);
}

#[test]
fn nack_packs_seventeen_into_an_entry_over_the_wrap() {
    let seqs: Vec<u16> = (0..17u16).map(|i| 65_530u16.wrapping_add(i)).collect();
    let d = write(|out| rtcp::write_nack(out, 1, 2, &seqs));
    assert_eq!(d, hex("81cd0003 00000001 00000002 fffaffff"));
    assert!(write(|out| rtcp::write_nack(out, 1, 2, &[])).is_empty());
}

#[test]
fn a_long_nack_becomes_several_small_packets() {
    let seqs: Vec<u16> = (0..1_000u16).map(|i| i * 20).collect();
    let d = write(|out| rtcp::write_nack(out, 1, 2, &seqs));
    let mut read = Vec::new();
    for packet in rtcp::packets(&d) {
        let Packet::Nack { seqs, .. } = packet.unwrap() else { panic!("no NACK") };
        let before = read.len();
        read.extend(seqs);
        assert!(read.len() - before <= 240);
    }
    assert_eq!(read, seqs);
}

#[test]
fn fir_is_valid_to_another_implementation() {
    let d = write(|out| rtcp::write_fir(out, 1, 0x1234_5678, 9));
    let theirs = PayloadFeedback::parse(&d).unwrap();
    let entries: Vec<_> = theirs.parse_fci::<Fir>().unwrap().entries().map(|e| (e.ssrc(), e.sequence())).collect();
    assert_eq!((theirs.sender_ssrc(), theirs.media_ssrc(), entries), (1, 0, vec![(0x1234_5678, 9)]));
    let Packet::Fir { sender: 1, media } = one(&d) else { panic!("no FIR") };
    assert_eq!(media.collect::<Vec<_>>(), [(0x1234_5678, 9)]);
}

#[test]
fn pli_bye_and_sdes_are_valid_to_another_implementation() {
    let d = write(|out| rtcp::write_pli(out, 3, 4));
    let theirs = PayloadFeedback::parse(&d).unwrap();
    assert!(theirs.parse_fci::<Pli>().is_ok());
    assert_eq!((theirs.sender_ssrc(), theirs.media_ssrc()), (3, 4));

    let d = write(|out| rtcp::write_bye(out, 5));
    assert_eq!(Bye::parse(&d).unwrap().ssrcs().collect::<Vec<_>>(), [5]);
    let Packet::Bye { ssrcs } = one(&d) else { panic!("no BYE") };
    assert_eq!(ssrcs.collect::<Vec<_>>(), [5]);

    for len in 0..9 {
        let name = "x".repeat(len);
        let d = write(|out| rtcp::write_sdes_cname(out, 6, &name));
        let theirs = Sdes::parse(&d).unwrap();
        let chunk = theirs.chunks().next().unwrap();
        assert_eq!((chunk.ssrc(), chunk.items().next().unwrap().value()), (6, name.as_bytes()));
    }
}

#[test]
fn transport_feedback_of_another_implementation_is_handed_on_whole() {
    let fci = Twcc::builder(7, 8, 9, &[TwccPacketStatus::NotReceived, TwccPacketStatus::NotReceived], None);
    let builder = TransportFeedback::builder(&fci).sender_ssrc(1).media_ssrc(2);
    let mut d = vec![0; builder.calculate_size().unwrap()];
    builder.write_into(&mut d).unwrap();
    let Packet::Twcc { sender: 1, media: 2, body } = one(&d) else { panic!("no TWCC") };
    assert_eq!(body[..2], [0, 7]);
    assert_eq!(body[..8], d[12..20]);
}

proptest! {
    #[test]
    fn reports_come_back_as_written_to_us_and_to_another_implementation(
        ssrc: u32, ntp: u64, rest: [u32; 3], reports in vec(report(), 0..=31),
    ) {
        let [rtp_ts, packets, octets] = rest;
        let d = write(|out| rtcp::write_sr(out, ssrc, ntp, rtp_ts, packets, octets, &reports));
        let Packet::Sr { ssrc: s, ntp: n, rtp_ts: r, packets: p, octets: o, reports: read } = one(&d) else { panic!("no SR") };
        prop_assert_eq!((s, n, r, p, o), (ssrc, ntp, rtp_ts, packets, octets));
        prop_assert_eq!(read.collect::<Vec<_>>(), reports.clone());
        let theirs = SenderReport::parse(&d).unwrap();
        prop_assert_eq!((theirs.ssrc(), theirs.ntp_timestamp(), theirs.rtp_timestamp()), (ssrc, ntp, rtp_ts));
        prop_assert_eq!((theirs.packet_count(), theirs.octet_count()), (packets, octets));
        prop_assert_eq!(theirs.report_blocks().count(), reports.len());
        reports.iter().zip(theirs.report_blocks()).for_each(|(a, b)| assert_alike(a, &b));

        let d = write(|out| rtcp::write_rr(out, ssrc, &reports));
        let theirs = ReceiverReport::parse(&d).unwrap();
        prop_assert_eq!((theirs.ssrc(), usize::from(theirs.n_reports())), (ssrc, reports.len()));
        reports.iter().zip(theirs.report_blocks()).for_each(|(a, b)| assert_alike(a, &b));
    }

    #[test]
    fn a_nack_comes_back_as_written_to_us_and_to_another_implementation(first: u16, steps in vec(1..40u16, 0..100)) {
        let seqs: Vec<u16> = std::iter::once(first).chain(steps.iter().scan(first, |at, step| {
            *at = at.wrapping_add(*step);
            Some(*at)
        })).collect();
        let d = write(|out| rtcp::write_nack(out, 1, 2, &seqs));
        let Packet::Nack { seqs: read, .. } = one(&d) else { panic!("no NACK") };
        prop_assert_eq!(read.collect::<Vec<_>>(), seqs.clone());
        let theirs = TransportFeedback::parse(&d).unwrap();
        prop_assert_eq!(theirs.parse_fci::<Nack>().unwrap().entries().collect::<Vec<_>>(), seqs);
    }

    #[test]
    fn a_remb_keeps_18_bits(bitrate_bps: u64, shift in 0..64u32, ssrcs in vec(any::<u32>(), 0..=255)) {
        let bitrate_bps = bitrate_bps >> shift;
        let d = write(|out| rtcp::write_remb(out, 1, bitrate_bps, &ssrcs));
        let Packet::Remb { bitrate_bps: read, ssrcs: told, .. } = one(&d) else { panic!("no REMB") };
        prop_assert!(read <= bitrate_bps && bitrate_bps - read <= bitrate_bps >> 17);
        prop_assert_eq!(told.collect::<Vec<_>>(), ssrcs);
    }

    #[test]
    fn no_bytes_make_it_panic(mut d in vec(any::<u8>(), 0..120), pt in 200..208u8, likely: bool) {
        if likely && d.len() >= 4 {
            let words = (d.len() / 4 - 1) as u8;
            let head = [0x80 | d[0] & 0x3F, pt, 0, d[3] % (words + 1)];
            d[..4].copy_from_slice(&head);
        }
        let mut items = 0;
        for packet in rtcp::packets(&d).map_while(Result::ok) {
            items += match packet {
                Packet::Sr { reports, .. } | Packet::Rr { reports, .. } => reports.count(),
                Packet::Bye { ssrcs } | Packet::Remb { ssrcs, .. } => ssrcs.count(),
                Packet::Nack { seqs, .. } => seqs.count(),
                Packet::Fir { media, .. } => media.count(),
                Packet::Twcc { body, .. } => body.len(),
                Packet::Pli { .. } | Packet::Sdes | Packet::Other { .. } => 1,
            };
        }
        prop_assert!(items <= 17 * d.len());
    }
}

#[test]
fn the_packets_of_a_nack_are_counted_without_unpacking_them() {
    for lost in [vec![7], vec![7, 8, 24], vec![7, 24, 500, 501, 65_535], (0..1_000).collect::<Vec<u16>>()] {
        let mut d = vec![];
        rtcp::write_nack(&mut d, 9, 5, &lost);
        let Some(Ok(Packet::Nack { seqs, .. })) = rtcp::packets(&d).next() else { panic!("a NACK") };
        assert_eq!((seqs.total(), seqs.count()), (lost.len(), lost.len()));
    }
}
