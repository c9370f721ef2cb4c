//! Big-endian reads that answer `None` past the end.

pub(crate) fn u16_at(d: &[u8], at: usize) -> Option<u16> {
    d.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

pub(crate) fn u32_at(d: &[u8], at: usize) -> Option<u32> {
    d.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

pub(crate) fn u64_at(d: &[u8], at: usize) -> Option<u64> {
    d.get(at..)?.first_chunk().map(|b| u64::from_be_bytes(*b))
}

/// The longest prefix of `text` of at most `max` bytes that ends on a character boundary.
pub(crate) fn prefix(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}
