//! STUN: any datagram may be parsed and checked; what was valid without integrity cannot be valid with one.
#![no_main]

use std::hint::black_box;

use libfuzzer_sys::fuzz_target;
use rillcast_wire::{demux, stun};

/// Sets cookie and length, so that the fuzzer need not find them.
fn framed(data: &[u8]) -> Vec<u8> {
    let mut d = data[..data.len() / 4 * 4].to_vec();
    if d.len() >= 20 {
        let len = (d.len() - 20) as u16;
        d[2..4].copy_from_slice(&len.to_be_bytes());
        d[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
    }
    d
}

fuzz_target!(|data: &[u8]| {
    for d in [data, &framed(data)] {
        black_box(demux::classify(d));
        black_box(stun::verify_integrity(d, b"password"));
        if let Ok(b) = stun::parse(d) {
            assert!(b.unknown_required.as_slice().len() <= 8);
            assert!(b.error_code.is_none_or(|code| (300..700).contains(&code)));
            black_box(b);
        }
    }
});
