//! RTP against `rtp-types`, the examples of RFC 8285 and RFC 3711's way of counting, and arbitrary bytes.

mod common;

use common::hex;
use proptest::collection::vec;
use proptest::prelude::*;
use rillcast_wire::rtp::{self, RtpError, SeqUnwrapper};
use rtp_types::{RtpPacket, RtpPacketBuilder};

fn elements(d: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let h = rtp::parse(d).unwrap();
    rtp::extensions(d, &h).map(|(id, value)| (id, value.to_vec())).collect()
}

fn with_extension(profile_and_body: &str) -> Vec<u8> {
    let mut d = hex("90600001 00000002 00000003");
    d.extend(hex(profile_and_body));
    d
}

#[test]
fn one_byte_elements_are_read_as_rfc_8285_4_2_draws_them() {
    let d = with_extension("bede0003 10aa 21bbcc 0000 33 01020304 ");
    assert_eq!(elements(&d), [(1, vec![0xaa]), (2, vec![0xbb, 0xcc]), (3, vec![1, 2, 3, 4])]);
}

#[test]
fn two_byte_elements_are_read_as_rfc_8285_4_3_draws_them() {
    let d = with_extension("1000 0003 0100 0201bb 00 0304 01020304 00");
    assert_eq!(elements(&d), [(1, vec![]), (2, vec![0xbb]), (3, vec![1, 2, 3, 4])]);
    assert_eq!(elements(&with_extension("100f 0001 ff 01 07 00")), [(255, vec![7])]);
}

#[test]
fn elements_end_at_the_first_that_makes_no_sense() {
    assert_eq!(elements(&with_extension("bede0002 10aa f0bb 10cc 0000")), [(1, vec![0xaa])], "id 15");
    assert_eq!(elements(&with_extension("bede0002 10aa 01bb 10cc 0000")), [(1, vec![0xaa])], "id 0 with a length");
    assert_eq!(elements(&with_extension("bede0001 10aa 2fbb")), [(1, vec![0xaa])], "longer than the extension");
    assert_eq!(elements(&with_extension("1000 0001 01 07 aabb")), [], "longer than the extension");
    assert_eq!(elements(&with_extension("abac0001 10aa0000")), [], "another profile");
}

#[test]
fn errors_name_what_is_wrong() {
    let cases = [
        ("", RtpError::Truncated),
        ("8060000100000002000000", RtpError::Truncated),
        ("406000010000000200000003", RtpError::Version(1)),
        ("816000010000000200000003", RtpError::Truncated),
        ("9060000100000002000000030000", RtpError::Truncated),
        ("90600001000000020000000300000001", RtpError::Truncated),
        ("a06000010000000200000003 aa00", RtpError::Padding),
        ("a06000010000000200000003 aa03", RtpError::Padding),
        ("a06000010000000200000003", RtpError::Padding),
    ];
    for (text, expected) in cases {
        assert_eq!(rtp::parse(&hex(text)), Err(expected), "{text}");
        assert!(expected.to_string().starts_with("RTP: "));
    }
}

#[test]
fn padding_may_fill_the_whole_payload_as_in_probes() {
    let d = hex("a06000010000000200000003 0000000000000008 ");
    let h = rtp::parse(&d).unwrap();
    assert_eq!((h.header_len, h.padding), (12, 8));
}

#[test]
fn a_protected_packets_last_byte_is_not_a_padding_count() {
    let d = hex("a06000010000000200000003 aaff");
    assert_eq!(rtp::parse_protected(&d).unwrap().padding, 0);
    assert_eq!(rtp::parse(&d), Err(RtpError::Padding));
}

#[test]
fn sequence_numbers_are_taken_as_the_nearest() {
    let mut u = SeqUnwrapper::new();
    assert_eq!((u.highest(), u.peek(7)), (None, 65_543));
    assert_eq!(u.unwrap(65_534), 131_070);
    assert_eq!(u.unwrap(1), 131_073, "over the wrap");
    assert_eq!(u.unwrap(65_535), 131_071, "late, from before the wrap");
    assert_eq!(u.highest(), Some(131_073));
    assert_eq!(u.peek(32_768), 131_072 + 32_768, "half the circle minus one is ahead");
    assert_eq!(u.peek(32_769), 131_072 + 32_769 - 65_536, "half the circle is behind");
}

#[test]
fn the_first_packets_may_be_late_by_half_a_circle() {
    let mut u = SeqUnwrapper::new();
    assert_eq!(u.unwrap(0), 65_536);
    assert_eq!(u.unwrap(32_768), 32_768);
    assert_eq!(u.unwrap(65_535), 65_535);
}

fn extension_list() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    prop_oneof![
        vec((1..=14u8, vec(any::<u8>(), 1..=16)), 0..6),
        vec((1..=255u8, vec(any::<u8>(), 0..=40)), 0..6),
        vec((1..=15u8, vec(any::<u8>(), 0..=17)), 1..3),
    ]
}

proptest! {
    #[test]
    fn a_header_comes_back_as_written_to_us_and_to_another_implementation(
        marker: bool, pt in 0..128u8, seq: u16, ts: u32, ssrc: u32, exts in extension_list(),
        payload in vec(any::<u8>(), 1..50), pad in 0..20u8,
    ) {
        let exts: Vec<(u8, &[u8])> = exts.iter().map(|(id, v)| (*id, v.as_slice())).collect();
        let mut d = vec![0xEE; rtp::header_len(&exts)];
        let len = rtp::write_header(&mut d, marker, pt, seq, ts, ssrc, pad > 0, &exts);
        prop_assert_eq!(len, d.len());
        d.extend_from_slice(&payload);
        if pad > 0 {
            d.resize(d.len() + usize::from(pad) - 1, 0);
            d.push(pad);
        }

        let h = rtp::parse(&d).unwrap();
        prop_assert_eq!((h.marker, h.pt, h.seq, h.ts, h.ssrc), (marker, pt, seq, ts, ssrc));
        prop_assert_eq!((h.header_len, h.padding), (len, usize::from(pad)));
        prop_assert_eq!(rtp::extensions(&d, &h).collect::<Vec<_>>(), exts.clone());
        let one_byte = exts.iter().all(|(id, v)| *id <= 14 && (1..=16).contains(&v.len()));
        prop_assert_eq!(h.ext.map(|e| e.0), (!exts.is_empty()).then_some(if one_byte { 0xBEDE } else { 0x1000 }));

        let o = RtpPacket::parse(&d).unwrap();
        prop_assert_eq!((o.marker_bit(), o.payload_type(), o.sequence_number()), (marker, pt, seq));
        prop_assert_eq!((o.timestamp(), o.ssrc(), o.payload()), (ts, ssrc, payload.as_slice()));
    }

    #[test]
    fn another_implementations_packet_is_read_alike(
        csrcs in vec(any::<u32>(), 0..15), ext in proptest::option::of((any::<u16>(), 0..10usize)),
        payload in vec(any::<u8>(), 0..50), pad in proptest::option::of(1..30u8),
    ) {
        let body = ext.map(|(profile, words)| (profile, vec![0x5A; words * 4]));
        let mut builder = RtpPacketBuilder::<&[u8], &[u8]>::new().payload_type(96).payload(&payload).maybe_padding(pad);
        builder = csrcs.iter().fold(builder, |b, csrc| b.add_csrc(*csrc));
        if let Some((profile, body)) = &body {
            builder = builder.extension(*profile, body);
        }
        let d = builder.write_vec().unwrap();
        let h = rtp::parse(&d).unwrap();
        prop_assert_eq!(&d[h.header_len..d.len() - h.padding], payload.as_slice());
        prop_assert_eq!(h.ext.map(|(profile, start, len)| (profile, d[start..start + len].to_vec())), body);
    }

    #[test]
    fn no_bytes_make_it_panic_and_both_implementations_agree(mut d in vec(any::<u8>(), 0..80), likely: bool) {
        if likely && !d.is_empty() {
            d[0] = 0x80 | d[0] & 0x3F;
        }
        let ours = rtp::parse(&d);
        if let Ok(h) = &ours {
            prop_assert!(h.header_len + h.padding <= d.len());
            prop_assert!(rtp::extensions(&d, h).count() <= d.len());
        }
        // The other one refuses an empty payload under a padding bit that we allow for probes.
        if let Ok(o) = RtpPacket::parse(&d) {
            let h = ours.unwrap();
            prop_assert_eq!(&d[h.header_len..d.len() - h.padding], o.payload());
        }
    }

    #[test]
    fn unwrapping_follows_any_walk_of_less_than_half_a_circle(steps in vec(-32_000..32_000i64, 1..200)) {
        let mut u = SeqUnwrapper::new();
        let mut highest = 65_536 + 5;
        u.unwrap(5);
        for step in steps {
            let full = highest + step;
            prop_assume!(full >= 0);
            prop_assert_eq!(u.unwrap(full as u16), full as u64);
            highest = highest.max(full);
        }
        prop_assert_eq!(u.highest(), Some(highest as u64));
    }
}
