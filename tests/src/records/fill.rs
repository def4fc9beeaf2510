//! Numbers from a seed: uniform ones mostly, corner values often.

use proptest::prelude::*;

/// A seed of numbers. Shrinking a case leaves its numbers alone; shapes are what a reader wants small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill(pub(super) u64);

/// Any seed.
pub(super) fn fill() -> impl Strategy<Value = Fill> {
    any::<u64>().prop_map(Fill).no_shrink()
}

impl Fill {
    /// Another seed that follows from this one.
    pub(super) fn other(self, number: u64) -> Self {
        Self(Self(self.0 ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).words().next().unwrap_or_default())
    }

    /// Uniform words (SplitMix64).
    pub(super) fn words(self) -> impl Iterator<Item = u64> {
        let mut state = self.0;
        std::iter::repeat_with(move || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ z >> 31
        })
    }

    pub(super) fn bytes(self, len: usize) -> impl Iterator<Item = u8> {
        self.words().map(|word| (word >> 32) as u8).take(len)
    }

    /// int8 values: uniform, or all of one extreme, or corners only.
    pub(super) fn i8(self, len: usize) -> Vec<i8> {
        const CORNERS: [i8; 8] = [-128, -128, -127, -1, 0, 1, 127, 127];
        let style = self.0 % 8;
        let of = |word: u64| match style {
            0 => -128,
            1 => 127,
            2 => CORNERS[(word % 8) as usize],
            _ => (word >> 32) as i8,
        };
        self.words().map(of).take(len).collect()
    }

    /// int16 values: uniform, or all of one extreme, or corners only.
    pub(super) fn i16(self, len: usize) -> Vec<i16> {
        const CORNERS: [i16; 8] = [-32768, -32768, -32767, -1, 0, 1, 32767, 32767];
        let style = self.0 % 8;
        let of = |word: u64| match style {
            0 => -32768,
            1 => 32767,
            2 => CORNERS[(word % 8) as usize],
            _ => (word >> 32) as i16,
        };
        self.words().map(of).take(len).collect()
    }

    /// Sums: small, of any size, or at the ends of the type.
    pub(super) fn i32(self, len: usize) -> Vec<i32> {
        const CORNERS: [i32; 4] = [i32::MIN, i32::MAX, 0, -1];
        let style = self.0 % 4;
        let of = |word: u64| match style {
            0 => CORNERS[(word % 4) as usize],
            1 => (word >> 32) as i32,
            _ => ((word >> 32) as i32) >> 16,
        };
        self.words().map(of).take(len).collect()
    }

    /// Multipliers that a valid file may hold, even and not negative, of all magnitudes.
    pub(super) fn multipliers(self, len: usize) -> Vec<i32> {
        const CORNERS: [i32; 4] = [0, 2, i32::MAX - 1, 1 << 30];
        let style = self.0 % 4;
        let of = |word: u64| match style {
            0 => CORNERS[(word % 4) as usize],
            _ => (word >> 33) as i32 >> (word % 30) & !1,
        };
        self.words().map(of).take(len).collect()
    }

    /// Reals within ±`size`, with zeros of both signs and whole numbers among them.
    pub(super) fn f32(self, len: usize, size: f32) -> Vec<f32> {
        let of = |word: u64| match word % 16 {
            0 => 0.0,
            1 => -0.0,
            2 => (word >> 40) as f32 % size.max(1.0),
            _ => ((word >> 40) as f32 / (1 << 23) as f32 - 1.0) * size,
        };
        self.words().map(of).take(len).collect()
    }
}
