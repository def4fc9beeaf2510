//! The bytes that models are fed where no input is given, the same on the host and on a board.

/// Bytes of a linear congruential generator, from the seed 12345:
/// `s = s * 1664525 + 1013904223` modulo 2^32; each byte is the top byte of the new `s`.
///
/// All inputs of a model are filled from one generator, in order.
#[derive(Debug, Clone)]
pub struct Generator(u32);

impl Default for Generator {
    fn default() -> Self {
        Self(12_345)
    }
}

impl Iterator for Generator {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(self.0.to_be_bytes()[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_are_fixed() {
        // The states are 0x05391c44, 0x043c7ad3, 0x8b0c4216, 0xa289127d.
        let bytes: Vec<u8> = Generator::default().take(4).collect();
        assert_eq!(bytes, [5, 4, 139, 162]);
    }
}
