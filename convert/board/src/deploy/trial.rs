//! A model tried on made inputs: the board must get what the host got.
//!
//! Integer programs give the same bits on every processor, so their outputs are compared as bytes. What computes in f32 agrees within
//! `TOLERANCE`.

use lacewing_targets::Loaded;

use crate::cli::bench::fill;
use crate::cli::failure::Failure;
use crate::program;

/// Inferences, on inputs that are all different; a model with states goes on from one to the next.
const RUNS: u32 = 3;
/// The first input.
const SEED: u32 = 12345;
/// How far numbers in f32 may be apart, as a share of the largest.
const TOLERANCE: f32 = 1e-3;

/// What a model gives for the made inputs.
#[derive(Debug, PartialEq)]
pub enum Outputs {
    /// Of a program all of whose operations are in integers.
    Bits(Vec<u8>),
    /// Of any other.
    Reals(Vec<f32>),
}

impl Outputs {
    /// Reads the file with every check, packs it for this machine and runs it.
    ///
    /// # Errors
    /// The file is refused, or does not run.
    pub fn of(file: &[u8]) -> Result<Self, Failure> {
        let loaded = Loaded::new(file)?;
        loaded.model().verify()?;
        let float = program::read(&loaded.model()).0.iter().any(|step| step.op.ends_with("F32"));
        let (mut session, outputs) = (loaded.packed().session(), loaded.model().outputs().count());
        let (mut bits, mut reals) = (Vec::new(), Vec::new());
        for run in 0..RUNS {
            fill(&mut session, SEED + run)?;
            session.run()?;
            for index in 0..outputs {
                bits.extend_from_slice(session.output_bytes(index)?);
                reals.extend(session.reals(index)?);
            }
        }
        Ok(if float { Self::Reals(reals) } else { Self::Bits(bits) })
    }

    /// As bytes, to be sent to a board.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bits(bits) => bits.clone(),
            Self::Reals(reals) => reals.iter().flat_map(|real| real.to_le_bytes()).collect(),
        }
    }

    /// Whether they are those that another machine sent, and how that was seen.
    ///
    /// # Errors
    /// How they differ.
    pub fn agree(&self, expected: &[u8]) -> Result<String, String> {
        match self {
            Self::Bits(bits) if bits == expected => Ok(format!("{} B of outputs, the same bits", bits.len())),
            Self::Bits(_) => {
                Err("outputs differ from the host's; integer programs give the same bits everywhere".into())
            }
            Self::Reals(reals) => near(reals, expected),
        }
    }
}

fn near(reals: &[f32], expected: &[u8]) -> Result<String, String> {
    let expected: Vec<f32> = expected.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let largest = expected.iter().fold(0.0_f32, |most, real| most.max(real.abs()));
    let apart = reals.iter().zip(&expected).map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() });
    let apart = apart.fold(0.0, |most: f32, next| if next.is_nan() { f32::INFINITY } else { most.max(next) });
    if reals.len() == expected.len() && apart <= TOLERANCE * largest {
        return Ok(format!("{} outputs, apart by {apart:e} at most", reals.len()));
    }
    Err(format!("outputs in f32 are apart from the host's by {apart:e}, and the largest is {largest:e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FASHION: &[u8] = include_bytes!("../../../../examples/classify/fashion.lace");

    #[test]
    fn a_model_agrees_with_itself_alone() {
        let outputs = Outputs::of(FASHION).expect("it runs");
        let mut bytes = outputs.bytes();
        assert!(outputs.agree(&bytes).is_ok() && outputs.agree(&bytes[1..]).is_err());
        bytes[0] ^= 1;
        assert!(outputs.agree(&bytes).is_err());
    }

    #[test]
    fn damaged_weights_are_seen() {
        let mut file = FASHION.to_vec();
        let middle = file.len() / 2;
        file[middle] ^= 0x40;
        assert!(Outputs::of(&file).is_err());
    }

    #[test]
    fn reals_may_differ_a_little() {
        let sent = Outputs::Reals(vec![1.0, -2.0]).bytes();
        assert!(Outputs::Reals(vec![1.001, -2.0]).agree(&sent).is_ok());
        for wrong in [vec![1.01, -2.0], vec![f32::NAN, -2.0], vec![1.0]] {
            assert!(Outputs::Reals(wrong).agree(&sent).is_err());
        }
    }
}
