//! Where a file comes from: enough to make it again.

use lacewing::format::metadata::Item;
use lacewing_targets::boards::TARGETS;
use lacewing_targets::wish::Family;
use sha2::{Digest, Sha256};

use crate::calibrate::Calibrator;
use crate::doors::Io;
use crate::plan::Optimize;
use crate::{Options, Sample};

/// The model and the calibration samples.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    onnx: [u8; 32],
    samples: usize,
    data: [u8; 32],
}

impl Origin {
    pub(crate) fn of(onnx: &[u8], samples: &[Sample]) -> Self {
        Self { onnx: Sha256::digest(onnx).into(), samples: samples.len(), data: digest(samples) }
    }

    /// As long as that of any model on so many samples.
    pub(crate) fn unknown(samples: usize) -> Self {
        Self { samples, ..Self::default() }
    }

    /// What the metadata says of a model called `name`: who wrote the file, from what, how, and on which samples.
    pub(crate) fn items(&self, name: &str, options: &Options) -> Vec<Item> {
        let producer = concat!("lacewing ", env!("CARGO_PKG_VERSION"));
        let (samples, sha256) = (self.samples as u32, self.data);
        let origin = [
            Item::Producer(producer.into()),
            Item::Source { name: name.into(), sha256: self.onnx },
            Item::Conversion { options: options.arguments(), samples, sha256 },
        ];
        origin.into_iter().chain(options.items.iter().cloned()).collect()
    }
}

/// SHA-256 of the numbers in f32, little-endian, in row-major order, input by input and sample by sample.
fn digest(samples: &[Sample]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for array in samples.iter().flatten() {
        hasher.update(array.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
    }
    hasher.finalize().into()
}

impl Options {
    /// What to give to `lacewing convert`, beside the files, for the same program.
    #[must_use]
    pub fn arguments(&self) -> String {
        let mut words = vec![format!("--precision {}", self.policy.precision)];
        words.extend(self.policy.rules.iter().map(|rule| format!("--layer {rule}")));
        words.push(match self.calibrator {
            Calibrator::Percentile(percent) => format!("--calibrator percentile --percentile {percent}"),
            calibrator => format!("--calibrator {}", calibrator.name()),
        });
        words.push(format!("--rounding {}", self.rounding.name()));
        words.extend(self.prune.map(|share| format!("--prune {share}")));
        let target = TARGETS.iter().find(|target| target.kernels == self.aim.kernels);
        words.extend(
            target.filter(|_| self.aim.kernels != Family::Portable).map(|target| format!("--target {}", target.name)),
        );
        let optimize = self.aim.optimize;
        words.extend(match self.aim.ram {
            Some(bytes) => Some(format!("--max-ram {bytes}")),
            None => (optimize != Optimize::of(self.aim.kernels)).then(|| format!("--optimize {}", optimize.name())),
        });
        words.extend(self.aim.regions.map(|sizes| {
            let sizes: Vec<String> = sizes.iter().filter(|size| **size > 0).map(ToString::to_string).collect();
            format!("--regions {}", sizes.join(","))
        }));
        words.extend(self.aim.rows.then(|| "--input-rows".into()));
        words.extend((self.policy.io == Io::F32).then(|| "--io f32".into()));
        words.extend(self.simplify.input_layout_nhwc.then(|| "--input-layout nhwc".into()));
        words.extend(self.import.dims.iter().map(|(name, size)| format!("--dim {name}={size}")));
        words.extend(self.import.states.iter().map(|names| format!("--state {}={}", names.input, names.output)));
        words.extend(self.import.constants.iter().map(|(name, numbers)| {
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            format!("--constant {name}={}", numbers.join(","))
        }));
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::Precision;
    use crate::encode::Aim;
    use crate::reconstruct::Rounding;

    #[test]
    fn all_that_was_asked_for_is_told() {
        let mut options = Options::of(Precision::Int4);
        assert_eq!(options.arguments(), "--precision int4 --calibrator outputs --rounding gptq");
        options.policy.rules = vec!["/a=int16".parse().unwrap()];
        (options.calibrator, options.rounding) = (Calibrator::Percentile(99.9), Rounding::Nearest);
        (options.policy.io, options.prune) = (Io::F32, Some(0.25));
        options.import.dims = [("N".to_string(), 1)].into();
        options.import.constants = [("sr".to_string(), vec![16000.0, 0.5])].into();
        options.aim = Aim {
            kernels: Family::Armv7em,
            optimize: Optimize::Ram,
            ram: None,
            rows: true,
            regions: Some([4096, 8192, 0]),
        };
        let said = "--precision int4 --layer /a=int16 --calibrator percentile --percentile 99.9 --rounding nearest \
                    --prune 0.25 --target cortex-m4f --optimize ram --regions 4096,8192 --input-rows --io f32 --dim N=1 \
                    --constant sr=16000,0.5";
        assert_eq!(options.arguments(), said);
        options.aim.ram = Some(8192);
        assert_eq!(options.arguments(), said.replace("--optimize ram", "--max-ram 8192"));
        for (optimize, word) in [(Optimize::Speed, ""), (Optimize::Balanced, " --optimize balanced")] {
            (options.aim.kernels, options.aim.optimize, options.aim.ram) = (Family::Lanes, optimize, None);
            let said = said.replace("cortex-m4f", "aarch64").replace(" --optimize ram", word);
            assert_eq!(options.arguments(), said, "lanes are for speed where nothing is said");
        }
    }

    #[test]
    fn the_digest_is_of_all_numbers_in_their_order() {
        let [a, b] = [array![1f32, 2.0].into_dyn(), array![3f32].into_dyn()];
        assert_eq!(digest(&[vec![a.clone()], vec![b.clone()]]), digest(&[vec![a.clone(), b.clone()]]));
        assert_ne!(digest(&[vec![a.clone(), b.clone()]]), digest(&[vec![b, a]]));
        let abc = f32::from_le_bytes(*b"abcd");
        let sha256 = Sha256::digest(b"abcd");
        assert_eq!(digest(&[vec![array![abc].into_dyn()]])[..], sha256[..]);
    }
}
