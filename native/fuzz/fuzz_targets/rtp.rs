//! RTP: payload and extension elements always lie inside the packet, and elements survive being written again.
#![no_main]

use std::hint::black_box;

use libfuzzer_sys::fuzz_target;
use rillcast_wire::rtp;

fuzz_target!(|data: &[u8]| {
    black_box(rtp::parse_protected(data).is_ok());
    let Ok(h) = rtp::parse(data) else { return };
    black_box(&data[h.header_len..data.len() - h.padding]);
    let elements: Vec<(u8, &[u8])> = rtp::extensions(data, &h).collect();
    let mut again = vec![0; rtp::header_len(&elements)];
    let len = rtp::write_header(&mut again, h.marker, h.pt, h.seq, h.ts, h.ssrc, false, &elements);
    assert_eq!(len, again.len());
    let back = rtp::parse(&again).expect("what we write is valid");
    assert_eq!((back.marker, back.pt, back.seq, back.ts, back.ssrc), (h.marker, h.pt, h.seq, h.ts, h.ssrc));
    assert_eq!(rtp::extensions(&again, &back).collect::<Vec<_>>(), elements);
});
