//! Bits, most significant first, with the variable-length codes of the video standards. `None` past the end.

pub(super) struct Bits<'a> {
    d: &'a [u8],
    /// Next byte to load.
    at: usize,
    /// The byte being read, and how many of its bits are left.
    byte: u8,
    left: u32,
    /// Zero bytes in a row before `at`; counted only where 00 00 03 stands for 00 00.
    zeros: Option<u8>,
}

impl<'a> Bits<'a> {
    /// Reads bytes as they are, without emulation prevention.
    pub fn plain(d: &'a [u8]) -> Self {
        Self { d, at: 0, byte: 0, left: 0, zeros: None }
    }

    /// A NAL unit's payload: emulation prevention bytes are skipped (H.264 §7.4.1).
    pub fn nal(d: &'a [u8]) -> Self {
        Self { zeros: Some(0), ..Self::plain(d) }
    }

    fn load(&mut self) -> Option<()> {
        let mut byte = *self.d.get(self.at)?;
        self.at += 1;
        if let Some(zeros) = self.zeros {
            let mut zeros = zeros;
            if zeros >= 2 && byte == 3 {
                byte = *self.d.get(self.at)?;
                self.at += 1;
                zeros = 0;
            }
            self.zeros = Some(if byte == 0 { zeros.saturating_add(1) } else { 0 });
        }
        (self.byte, self.left) = (byte, 8);
        Some(())
    }

    pub fn flag(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.load()?;
        }
        self.left -= 1;
        Some(self.byte >> self.left & 1 == 1)
    }

    /// `n` ≤ 64 bits as a number.
    pub fn bits(&mut self, n: u32) -> Option<u64> {
        let mut value = 0;
        for _ in 0..n {
            value = value << 1 | u64::from(self.flag()?);
        }
        Some(value)
    }

    pub fn skip(&mut self, n: u32) -> Option<()> {
        (0..n).try_for_each(|_| self.flag().map(drop))
    }

    /// Unsigned Exp-Golomb code of at most 32 bits (H.264 §9.1). AV1's uvlc() is the same code.
    pub fn ue(&mut self) -> Option<u64> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 32 {
                return None;
            }
        }
        Some((1u64 << zeros) - 1 + self.bits(zeros)?)
    }

    /// Signed Exp-Golomb code.
    pub fn se(&mut self) -> Option<i64> {
        let k = self.ue()? as i64;
        Some(if k % 2 == 0 { -(k / 2) } else { k / 2 + 1 })
    }
}
