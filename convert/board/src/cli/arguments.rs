//! Arguments that several commands share.

use std::path::PathBuf;

use super::failure::Failure;
use crate::data::{Recipe, Scaling};

/// What the stored numbers of samples stand for.
#[derive(Debug, clap::Args)]
pub struct DataArgs {
    /// Samples are stored as integers q and mean S·(q − Z); 1 if not given
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    input_scale: Option<f64>,
    /// The stored integer that means 0; 0 if not given
    #[arg(long, value_name = "Z", allow_negative_numbers = true)]
    input_zero: Option<f64>,
    /// What becomes of images or sounds: a table `image` or `sound`; a .lace file made with one brings it along
    #[arg(long, value_name = "TOML")]
    pub preprocess: Option<PathBuf>,
}

impl DataArgs {
    /// Whether the command line says what stored numbers stand for.
    #[must_use]
    pub fn is_scaled(&self) -> bool {
        self.input_scale.is_some() || self.input_zero.is_some()
    }

    /// What the file of `--preprocess` says.
    ///
    /// # Errors
    /// It cannot be read or is not as it should be.
    pub fn recipe(&self) -> Result<Option<Recipe>, Failure> {
        Ok(self.preprocess.as_deref().map(Recipe::read).transpose()?)
    }

    /// What stored numbers stand for.
    ///
    /// # Errors
    /// Numbers that mean nothing, which is wrong usage.
    pub fn scaling(&self) -> Result<Scaling, Failure> {
        let (scale, zero) = (self.input_scale.unwrap_or(1.0), self.input_zero.unwrap_or(0.0));
        if scale == 0.0 || !scale.is_finite() || !zero.is_finite() {
            return Err(Failure::usage("--input-scale and --input-zero take finite numbers, the scale not 0"));
        }
        Ok(Scaling { scale, zero })
    }
}
