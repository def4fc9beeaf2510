//! Options of the quantizer.

use clap::ValueEnum;
use lacewing_convert::calibrate::Calibrator;
use lacewing_convert::doors::Io;
use lacewing_convert::quantize::{Policy, Precision, Rule};
use lacewing_convert::reconstruct::Rounding;

/// How a float model becomes integers.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Quantization")]
pub(super) struct QuantizationArgs {
    /// Arithmetic of the program
    #[arg(long, value_enum, default_value_t = PrecisionArg::Int8)]
    precision: PrecisionArg,
    /// Arithmetic of single layers; `*` and `?` stand for any text and any letter, the last that matches holds
    #[arg(long = "layer", value_name = "NAME=PRECISION")]
    layers: Vec<Rule>,
    /// How ranges follow from the samples
    #[arg(long, value_enum, default_value_t = CalibratorArg::Outputs)]
    calibrator: CalibratorArg,
    /// Of a hundred numbers, how many lie inside the range that `--calibrator percentile` chooses
    #[arg(long, value_name = "PERCENT", default_value_t = 99.99, value_parser = percent)]
    percentile: f64,
    /// How weights become integers
    #[arg(long, value_enum, default_value_t = RoundingArg::Gptq)]
    rounding: RoundingArg,
    /// Type of the inputs and outputs of an integer program
    #[arg(long, value_enum, default_value_t = IoArg::Int8)]
    io: IoArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PrecisionArg {
    /// int8 weights and activations
    Int8,
    /// int4 weights, int8 activations
    Int4,
    /// int8 weights, int16 activations
    Int16,
    /// 32-bit float
    F32,
    /// int4, int8 or int16 in each layer, and pruning, whatever the budget asks for
    Auto,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CalibratorArg {
    /// The extremes that were seen
    #[value(name = "minmax")]
    MinMax,
    /// All but a share, see --percentile
    Percentile,
    /// The least mean squared error of int8
    Mse,
    /// The least Kullback-Leibler divergence of int8
    Kl,
    /// `mse`, cut further where that helps the model's outputs, by trial; not for large models and those with states
    Outputs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoundingArg {
    /// Each to the nearest
    Nearest,
    /// Layer by layer so that the layer's output on the samples is near (GPTQ)
    Gptq,
    /// The same by gradient descent (AdaRound): slower, and seldom as good
    Adaround,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum IoArg {
    /// int8 or int16 with scale and zero point, as `inspect` shows them
    #[value(alias = "int16")]
    Int8,
    /// 32-bit float; the program converts
    F32,
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse().ok().filter(|percent| (50.0..=100.0).contains(percent));
    percent.ok_or_else(|| "it must be from 50 to 100".into())
}

impl QuantizationArgs {
    /// Whether the arithmetic is to be searched.
    pub(super) fn is_auto(&self) -> bool {
        self.precision == PrecisionArg::Auto
    }

    /// The arithmetic of each layer, as far as it is given.
    pub(super) fn policy(&self) -> Policy {
        let precision = match self.precision {
            PrecisionArg::Int8 | PrecisionArg::Auto => Precision::Int8,
            PrecisionArg::Int4 => Precision::Int4,
            PrecisionArg::Int16 => Precision::Int16,
            PrecisionArg::F32 => Precision::F32,
        };
        let io = match self.io {
            IoArg::Int8 => Io::Int8,
            IoArg::F32 => Io::F32,
        };
        Policy { precision, rules: self.layers.clone(), io }
    }

    /// How ranges are chosen.
    pub(super) fn calibrator(&self) -> Calibrator {
        match self.calibrator {
            CalibratorArg::MinMax => Calibrator::MinMax,
            CalibratorArg::Percentile => Calibrator::Percentile(self.percentile),
            CalibratorArg::Mse => Calibrator::Mse,
            CalibratorArg::Kl => Calibrator::Kl,
            CalibratorArg::Outputs => Calibrator::Outputs,
        }
    }

    /// How weights become integers.
    pub(super) fn rounding(&self) -> Rounding {
        match self.rounding {
            RoundingArg::Gptq => Rounding::Gptq,
            RoundingArg::Nearest => Rounding::Nearest,
            RoundingArg::Adaround => Rounding::Adaround,
        }
    }
}
