//! Regions of memory: what `--regions` takes, and what is told of them.

use comfy_table::Table;
use lacewing::format::MAX_REGIONS;
use lacewing_targets::Board;
use serde_json::{Value, json};

use super::budget::size;
use super::failure::Failure;
use super::numbers::bytes;

/// Bytes of a board's fastest memory that are left for the stack and variables.
const RESERVED: usize = 8 << 10;

/// The regions that an arena is to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Regions {
    /// Of so many bytes, the fastest first, 0 for those that are not there.
    Sizes([usize; MAX_REGIONS]),
    /// Those of the board.
    Board,
}

pub(super) fn parse(text: &str) -> Result<Regions, String> {
    if text == "board" {
        return Ok(Regions::Board);
    }
    let sizes: Vec<usize> = text.split(',').map(size).collect::<Result<_, _>>()?;
    let mut regions = [0; MAX_REGIONS];
    if !(2..=MAX_REGIONS).contains(&sizes.len()) || sizes.contains(&0) {
        return Err("expected two or three sizes, as `64K,512K`, or `board`".into());
    }
    regions.iter_mut().zip(sizes).for_each(|(region, size)| *region = size);
    Ok(Regions::Sizes(regions))
}

impl Regions {
    /// Bytes of each region for the arena.
    pub(super) fn sizes(self, board: Option<&Board>) -> Result<[usize; MAX_REGIONS], Failure> {
        let board = match self {
            Self::Sizes(sizes) => return Ok(sizes),
            Self::Board => board.filter(|board| !board.regions.is_empty()),
        };
        let board = board.ok_or_else(|| {
            Failure::usage("--regions board: the --target is no board with several memories; give sizes")
        })?;
        let mut sizes = [0; MAX_REGIONS];
        sizes.iter_mut().zip(board.regions).for_each(|(size, memory)| *size = memory.len as usize);
        sizes[0] = sizes[0].saturating_sub(RESERVED);
        Ok(sizes)
    }
}

/// What a plan takes of each region, if it is for several.
pub(super) fn rows(regions: [usize; MAX_REGIONS], table: &mut Table) {
    for (index, size) in (1..).zip(several(&regions)) {
        table.add_row([format!("  in region {index}"), bytes(*size)]);
    }
}

/// The same for programs; null for one region.
pub(super) fn regions_json(regions: [usize; MAX_REGIONS]) -> Value {
    match several(&regions) {
        [] => Value::Null,
        regions => json!(regions),
    }
}

fn several(regions: &[usize; MAX_REGIONS]) -> &[usize] {
    let count = regions.iter().rposition(|size| *size > 0).map_or(0, |last| last + 1);
    if count > 1 { &regions[..count] } else { &[] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_two_or_three() {
        assert_eq!(parse("64K,1M"), Ok(Regions::Sizes([65536, 1 << 20, 0])));
        assert_eq!(parse("board"), Ok(Regions::Board));
        assert!(["64K", "1,2,3,4", "64K,0", "a,b", ""].iter().all(|text| parse(text).is_err()));
    }

    #[test]
    fn one_region_is_not_told_apart() {
        assert_eq!(regions_json([64, 0, 0]), Value::Null);
        assert_eq!(regions_json([64, 128, 0]), json!([64, 128]));
        assert_eq!(regions_json([0, 128, 0]), json!([0, 128]));
    }
}
