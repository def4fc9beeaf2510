//! Pixels by blocks of outputs, cut into tiles whose sums stay in registers.

/// Work that is cut into tiles.
pub(super) trait Grid {
    /// Pixels.
    fn count(&self) -> usize;

    /// Blocks of sixteen outputs.
    fn blocks(&self) -> usize;

    /// Computes `P` pixels by `V` blocks from a pixel and a block on.
    ///
    /// # Safety
    /// The processor has the instruction set, all that the work reads is there, and it has so many pixels and blocks from there on.
    unsafe fn tile<const P: usize, const V: usize>(&mut self, at: [usize; 2]);
}

/// Computes all of it, up to `P` pixels by up to `V` blocks at a time. Eight pixels are two tiles of four: behind six are two, which have too few
/// sums to keep a processor busy.
///
/// # Safety
/// The processor has the instruction set, and all that the work reads is there.
#[inline(always)]
pub(super) unsafe fn all<G: Grid, const P: usize, const V: usize>(grid: &mut G) {
    let (mut first, count, blocks) = (0, grid.count(), grid.blocks());
    while first < count {
        let left = count.wrapping_sub(first);
        // SAFETY: as the caller says; so many pixels are left.
        first = first.wrapping_add(unsafe {
            match left {
                _ if P >= 12 && left >= 16 && blocks == 1 => pixels::<G, 16, 1>(grid, first),
                _ if P >= 12 && left >= 12 && blocks == 1 => pixels::<G, 12, 1>(grid, first),
                _ if P >= 12 && V >= 2 && left >= 12 && blocks == 2 => pixels::<G, 12, 2>(grid, first),
                _ if P >= 12 && left >= 8 && blocks == 1 => pixels::<G, 8, 1>(grid, first),
                _ if P >= 6 && left >= 6 && left != 8 => pixels::<G, 6, V>(grid, first),
                _ if P >= 4 && left >= 4 => pixels::<G, 4, V>(grid, first),
                _ if P >= 2 && left >= 2 => pixels::<G, 2, V>(grid, first),
                _ => pixels::<G, 1, V>(grid, first),
            }
        });
    }
}

/// All outputs of `P` pixels; gives `P`.
#[inline(always)]
unsafe fn pixels<G: Grid, const P: usize, const V: usize>(grid: &mut G, first: usize) -> usize {
    let (mut block, blocks) = (0, grid.blocks());
    while block < blocks {
        let left = blocks.wrapping_sub(block);
        // SAFETY: as the caller says; so many blocks are left.
        block = block.wrapping_add(unsafe {
            match left {
                _ if V >= 8 && left >= 8 => tile::<G, P, 8>(grid, [first, block]),
                _ if V >= 4 && left >= 4 => tile::<G, P, 4>(grid, [first, block]),
                _ if V >= 2 && left >= 2 => tile::<G, P, 2>(grid, [first, block]),
                _ => tile::<G, P, 1>(grid, [first, block]),
            }
        });
    }
    P
}

/// `P` pixels by `V` blocks; gives `V`.
#[inline(always)]
unsafe fn tile<G: Grid, const P: usize, const V: usize>(grid: &mut G, at: [usize; 2]) -> usize {
    // SAFETY: as the caller says.
    unsafe { grid.tile::<P, V>(at) };
    V
}
