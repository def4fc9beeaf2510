//! Arguments that several commands share.

use std::path::PathBuf;

use lacewing_convert::data::{Recipe, Scaling};
use lacewing_convert::import::{ImportOptions, StateNames};

use super::failure::Failure;

/// What the stored numbers of samples stand for.
#[derive(Debug, clap::Args)]
pub(super) struct DataArgs {
    /// Samples are stored as integers q and mean S·(q − Z); 1 if not given
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    input_scale: Option<f64>,
    /// The stored integer that means 0; 0 if not given
    #[arg(long, value_name = "Z", allow_negative_numbers = true)]
    input_zero: Option<f64>,
    /// What becomes of images or sounds: a table [image] or [sound]; a .lace file made with one brings it along
    #[arg(long, value_name = "TOML")]
    pub(super) preprocess: Option<PathBuf>,
}

impl DataArgs {
    /// Whether the command line says what stored numbers stand for.
    pub(super) fn is_scaled(&self) -> bool {
        self.input_scale.is_some() || self.input_zero.is_some()
    }

    pub(super) fn recipe(&self) -> Result<Option<Recipe>, Failure> {
        Ok(self.preprocess.as_deref().map(Recipe::read).transpose()?)
    }

    pub(super) fn scaling(&self) -> Result<Scaling, Failure> {
        let (scale, zero) = (self.input_scale.unwrap_or(1.0), self.input_zero.unwrap_or(0.0));
        if scale == 0.0 || !scale.is_finite() || !zero.is_finite() {
            return Err(Failure::usage("--input-scale and --input-zero take finite numbers, the scale not 0"));
        }
        Ok(Scaling { scale, zero })
    }
}

/// What an ONNX file leaves open.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// Size of a symbolic dimension of an ONNX model; may be given several times
    #[arg(long = "dim", value_name = "NAME=SIZE", value_parser = dim)]
    dims: Vec<(String, usize)>,
    /// An input that holds a state, and the output that gives its next value; may be given several times
    ///
    /// The model then keeps the state from one run to the next, and samples are the steps of one stream.
    #[arg(long = "state", value_name = "INPUT=OUTPUT", value_parser = state)]
    states: Vec<StateNames>,
    /// An input that is always the same, such as a sample rate: one number, or one for each element; may be given several times
    #[arg(long = "constant", value_name = "INPUT=NUMBERS", value_parser = constant, allow_negative_numbers = true)]
    constants: Vec<(String, Vec<f64>)>,
}

impl ImportArgs {
    pub(super) fn options(&self) -> ImportOptions {
        ImportOptions {
            dims: self.dims.iter().cloned().collect(),
            states: self.states.clone(),
            constants: self.constants.iter().cloned().collect(),
        }
    }
}

fn state(text: &str) -> Result<StateNames, String> {
    match text.split_once('=') {
        Some((input, output)) if !input.is_empty() && !output.is_empty() => {
            Ok(StateNames { input: input.into(), output: output.into() })
        }
        _ => Err("expected INPUT=OUTPUT".to_string()),
    }
}

fn constant(text: &str) -> Result<(String, Vec<f64>), String> {
    let expected = || "expected INPUT=NUMBER or INPUT=NUMBER,NUMBER,…".to_string();
    let (name, numbers) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(expected)?;
    let numbers: Result<Vec<f64>, _> = numbers.split(',').map(|number| number.trim().parse()).collect();
    Ok((name.to_string(), numbers.map_err(|_| expected())?))
}

fn dim(text: &str) -> Result<(String, usize), String> {
    let (name, size) = text.rsplit_once('=').ok_or("expected NAME=SIZE")?;
    match size.parse() {
        Ok(size) if size > 0 && !name.is_empty() => Ok((name.to_string(), size)),
        _ => Err("expected NAME=SIZE with a size of at least 1".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_names_and_sizes() {
        assert_eq!(dim("unk__22=4"), Ok(("unk__22".to_string(), 4)));
        assert_eq!(dim("a=b=7"), Ok(("a=b".to_string(), 7)));
        for wrong in ["n", "n=", "=4", "n=0", "n=-1", "n=x"] {
            assert!(dim(wrong).is_err(), "{wrong}");
        }
    }
}
