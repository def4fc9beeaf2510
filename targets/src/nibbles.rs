//! Weights of int4 that are unpacked before they are used.

use lacewing::arena::cast_mut;
use lacewing::ops::weights::nibbles;

/// The first `len` weights, a byte each, in the scratch; `None` if it has no room.
#[inline(never)]
pub(crate) fn unpack<'s>(packed: &[i8], len: usize, scratch: &'s mut [u8]) -> Option<&'s [i8]> {
    let weights = cast_mut::<i8>(scratch)?.get_mut(..len)?;
    for (two, byte) in weights.chunks_mut(2).zip(packed) {
        two.iter_mut().zip(nibbles(*byte)).for_each(|(to, weight)| *to = weight);
    }
    Some(weights)
}
