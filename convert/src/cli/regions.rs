//! Regions of memory: what `--regions` takes.

use lacewing::format::MAX_REGIONS;
use lacewing_targets::Board;

use super::budget::size;
use super::failure::Failure;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_two_or_three() {
        assert_eq!(parse("64K,1M"), Ok(Regions::Sizes([65536, 1 << 20, 0])));
        assert_eq!(parse("board"), Ok(Regions::Board));
        assert!(["64K", "1,2,3,4", "64K,0", "a,b", ""].iter().all(|text| parse(text).is_err()));
    }
}
