//! The regions of memory that a plan is for.

use super::{HEADER_LEN, Header};

/// Most regions that a plan may have: 3, or 1 without the feature `regions`.
pub const MAX_REGIONS: usize = if cfg!(feature = "regions") { 3 } else { 1 };

/// Bytes that a plan needs in each region, the fastest first: the whole arena in the first, if the plan is for one. Readable at compile time.
///
/// A program in several regions begins, after its counts of ports, with the offsets at which the second and the third start.
#[must_use]
#[allow(clippy::indexing_slicing, reason = "the index is less than the length")]
pub const fn regions(header: &Header, file: &[u8]) -> [usize; MAX_REGIONS] {
    let (mut sizes, mut region, mut start) = ([0; MAX_REGIONS], 0, 0usize);
    let mut starts: &[u8] = match file.split_at_checked(HEADER_LEN.saturating_add(4)) {
        Some((_, starts)) if header.ops.has_regions() => starts,
        _ => &[],
    };
    while region < MAX_REGIONS {
        let end = match starts.split_first_chunk() {
            Some((start, rest)) if region.saturating_add(1) < MAX_REGIONS => {
                starts = rest;
                u32::from_le_bytes(*start) as usize
            }
            _ => header.arena_len as usize,
        };
        sizes[region] = end.saturating_sub(start);
        (start, region) = (end, region.saturating_add(1));
    }
    sizes
}
