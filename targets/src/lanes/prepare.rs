//! What is done to numbers before the loops meet them: activations and weights of a layer, its biases, and rows of a depthwise convolution.

use super::loops::{CHAINS, Vectors};
use super::tile::{BLOCK, GROUP, Layer};

/// Copies activations, raised if they must be: the number + 128 has the sign's bit the other way.
#[inline(always)]
pub(super) fn flipped<L: Vectors>(from: &[i8], to: &mut [i8]) {
    let flip = if L::UNSIGNED { i8::MIN } else { 0 };
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from ^ flip);
}

/// Whether no weight is −128; not looked for where it does not help.
#[inline(always)]
pub(super) fn pairs<L: Vectors>(weights: &[i8]) -> bool {
    L::PAIRS && weights.iter().fold(0, |least, w| least.min(*w)) > i8::MIN
}

/// Writes what raised activations add to the sums of each block, `Σ_k 128·w[o][k]`; 0 where nothing is raised.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn surplus<L: Vectors>(layer: &Layer<'_>, to: &mut [[i32; BLOCK]]) {
    let ([group_step, block_step], reads) = (layer.steps, L::UNSIGNED && layer.fits());
    let groups = if reads { layer.groups } else { 0 };
    for (block, to) in to.iter_mut().take(layer.blocks()).enumerate() {
        // SAFETY: as the caller says; `fits` says that so many groups of so many blocks are there, and 64 bytes may be read of the array.
        unsafe {
            let mut at = layer.weights.as_ptr().wrapping_add(block.wrapping_mul(block_step));
            let zeros = L::raised(L::group([0; GROUP].as_ptr()));
            let mut sums = [L::zero(); CHAINS];
            for _ in 0..groups / CHAINS {
                for sums in &mut sums {
                    *sums = L::dot(*sums, zeros, L::group(at));
                    at = at.wrapping_add(group_step);
                }
            }
            for _ in 0..groups % CHAINS {
                sums[0] = L::dot(sums[0], zeros, L::group(at));
                at = at.wrapping_add(group_step);
            }
            *to = [0; BLOCK];
            for part in sums {
                to.iter_mut().zip(L::sums(part)).for_each(|(to, part)| *to = to.wrapping_add(part));
            }
        }
    }
}

/// The numbers of four rows side by side, raised if they must be: `to[4·i + r] = rows[r][i]`.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn interleave<L: Vectors>(rows: [&[[i8; BLOCK]]; 4], to: &mut [[i8; GROUP]]) {
    let len = rows.iter().fold(to.len(), |len, row| len.min(row.len()));
    let four = rows.map(|row| row.get(..len).unwrap_or_default().as_chunks::<4>());
    let (to, rest) = to.get_mut(..len).unwrap_or_default().as_chunks_mut::<4>();
    let [a, b, c, d] = four.map(|(four, _)| four);
    for ((((a, b), c), d), to) in a.iter().zip(b).zip(c).zip(d).zip(to) {
        let rows = [a, b, c, d].map(|row| row.as_flattened().as_ptr());
        // SAFETY: as the caller says; 64 numbers of each row may be read.
        unsafe { L::interleave_four(rows, to) };
    }
    let [a, b, c, d] = four.map(|(_, left)| left);
    for ((((a, b), c), d), to) in a.iter().zip(b).zip(c).zip(d).zip(rest) {
        // SAFETY: as the caller says; sixteen numbers of each row may be read.
        unsafe { L::interleave([a, b, c, d].map(|row| row.as_ptr()), to) };
    }
}
