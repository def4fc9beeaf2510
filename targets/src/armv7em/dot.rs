//! Inner products, which the portable bodies of all other operations are written over: in words, and what is left one by one.

use lacewing::{Kernels, Portable};

use super::insn;

/// `Σ a[i]·b[i]` over the shorter of both, wrapping.
#[inline(never)]
pub(super) fn i8(a: &[i8], b: &[i8]) -> i32 {
    let len = a.len().min(b.len());
    let (a, a_rest) = a.get(..len).unwrap_or_default().as_chunks::<4>();
    let (b, b_rest) = b.get(..len).unwrap_or_default().as_chunks::<4>();
    insn::dot_i8(a, b).wrapping_add(Portable.dot_i8(a_rest, b_rest))
}

/// The same of int16 activations `b`, in 64 bits.
#[inline(never)]
pub(super) fn i16(a: &[i8], b: &[i16]) -> i64 {
    let len = a.len().min(b.len());
    let (a, a_rest) = a.get(..len).unwrap_or_default().as_chunks::<4>();
    let (b, b_rest) = b.get(..len).unwrap_or_default().as_chunks::<4>();
    insn::dot_i16(a, b).wrapping_add(Portable.dot_i16(a_rest, b_rest))
}

/// Words of int4 weights whose products, sixteen times as large, fit into 32 bits.
const W4_WORDS: usize = 1 << 12;

/// The same of int4 weights `a`, two in a byte.
#[inline(never)]
pub(super) fn w4(mut a: &[i8], mut b: &[i8]) -> i32 {
    let mut sum = 0i32;
    loop {
        let words = (a.len() / 4).min(b.len() / 8).min(W4_WORDS);
        let (Some((bytes, a_rest)), Some((x, b_rest))) =
            (a.split_at_checked(words.wrapping_mul(4)), b.split_at_checked(words.wrapping_mul(8)))
        else {
            return sum;
        };
        sum = sum.wrapping_add(insn::dot_w4(bytes.as_chunks().0, x.as_chunks().0));
        (a, b) = (a_rest, b_rest);
        if words < W4_WORDS {
            return sum.wrapping_add(Portable.dot_w4(a, b));
        }
    }
}
