//! RTCP: every list ends and holds no more than its bytes can; what is written reads back.

use std::hint::black_box;

use arbitrary::{Arbitrary, Unstructured};
use rillcast_wire::rtcp::{self, Packet};

/// One packet of a compound that we write.
#[derive(Arbitrary, Debug)]
enum Ours {
    Sr { ssrc: u32, ntp: u64, rtp_ts: u32, packets: u32, octets: u32 },
    Rr { ssrc: u32, about: Vec<[u32; 4]> },
    Sdes { ssrc: u32, cname: String },
    Bye { ssrc: u32 },
    Nack { sender: u32, media: u32, seqs: Vec<u16> },
    Pli { sender: u32, media: u32 },
    Fir { sender: u32, media: u32, seqno: u8 },
    Remb { sender: u32, bitrate_bps: u64, ssrcs: Vec<u32> },
}

pub fn run(data: &[u8]) {
    assert!(items(data) <= 17 * data.len());
    let mut u = Unstructured::new(data);
    let mut compound = vec![];
    for _ in 0..8 {
        let Ok(packet) = Ours::arbitrary(&mut u) else { break };
        let start = compound.len();
        write(&packet, &mut compound);
        same(&packet, &compound[start..]);
        if u.is_empty() {
            break;
        }
    }
    assert!(rtcp::packets(&compound).all(|p| p.is_ok()), "{compound:02x?}");
}

/// How many things the lists of a datagram hold.
fn items(data: &[u8]) -> usize {
    rtcp::packets(data)
        .map(|packet| match packet {
            Ok(Packet::Sr { reports, .. } | Packet::Rr { reports, .. }) => reports.map(black_box).count(),
            Ok(Packet::Bye { ssrcs } | Packet::Remb { ssrcs, .. }) => ssrcs.map(black_box).count(),
            Ok(Packet::Nack { seqs, .. }) => seqs.map(black_box).count(),
            Ok(Packet::Fir { media, .. }) => media.map(black_box).count(),
            Ok(Packet::Twcc { body, .. }) => black_box(body).len(),
            Ok(Packet::Pli { .. } | Packet::Sdes | Packet::Other { .. }) | Err(_) => 1,
        })
        .sum()
}

fn report(words: &[u32; 4]) -> rtcp::Report {
    rtcp::Report {
        ssrc: words[0],
        fraction_lost: words[1] as u8,
        cumulative_lost: words[1] as i32 >> 8,
        highest_seq: words[2],
        jitter: words[3],
        ..rtcp::Report::default()
    }
}

fn write(packet: &Ours, out: &mut Vec<u8>) {
    match packet {
        Ours::Sr { ssrc, ntp, rtp_ts, packets, octets } => {
            rtcp::write_sr(out, *ssrc, *ntp, *rtp_ts, *packets, *octets, &[]);
        }
        Ours::Rr { ssrc, about } => {
            let reports: Vec<_> = about.iter().take(31).map(report).collect();
            rtcp::write_rr(out, *ssrc, &reports);
        }
        Ours::Sdes { ssrc, cname } => rtcp::write_sdes_cname(out, *ssrc, cname),
        Ours::Bye { ssrc } => rtcp::write_bye(out, *ssrc),
        Ours::Nack { sender, media, seqs } => rtcp::write_nack(out, *sender, *media, seqs),
        Ours::Pli { sender, media } => rtcp::write_pli(out, *sender, *media),
        Ours::Fir { sender, media, seqno } => rtcp::write_fir(out, *sender, *media, *seqno),
        Ours::Remb { sender, bitrate_bps, ssrcs } => rtcp::write_remb(out, *sender, *bitrate_bps, ssrcs),
    }
}

fn same(packet: &Ours, written: &[u8]) {
    let read: Vec<_> = rtcp::packets(written).map(|p| p.expect("a packet of ours is valid")).collect();
    match (packet, &read[..]) {
        (Ours::Sr { ssrc, ntp, rtp_ts, .. }, [Packet::Sr { ssrc: s, ntp: n, rtp_ts: t, .. }]) => {
            assert_eq!((ssrc, ntp, rtp_ts), (s, n, t));
        }
        (Ours::Rr { about, .. }, [Packet::Rr { reports, .. }]) => {
            assert!(about.iter().take(31).map(report).eq(reports.clone()));
        }
        (Ours::Sdes { .. }, [Packet::Sdes]) => {}
        (Ours::Bye { ssrc }, [Packet::Bye { ssrcs }]) => assert!(ssrcs.clone().eq([*ssrc])),
        (Ours::Nack { seqs, .. }, packets) => {
            let asked: std::collections::BTreeSet<u16> = packets
                .iter()
                .flat_map(|p| match p {
                    Packet::Nack { seqs, .. } => seqs.clone(),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(asked, seqs.iter().copied().collect());
        }
        (Ours::Pli { media, .. }, [Packet::Pli { media: m, .. }]) => assert_eq!(media, m),
        (Ours::Fir { media, seqno, .. }, [Packet::Fir { media: entries, .. }]) => {
            assert!(entries.clone().eq([(*media, *seqno)]));
        }
        (Ours::Remb { bitrate_bps, ssrcs, .. }, [Packet::Remb { bitrate_bps: told, ssrcs: named, .. }]) => {
            assert!(*told <= *bitrate_bps && *bitrate_bps - *told <= *bitrate_bps >> 17);
            assert!(named.clone().eq(ssrcs.iter().take(255).copied()));
        }
        (packet, read) => panic!("{packet:?} reads back as {read:?}"),
    }
}
