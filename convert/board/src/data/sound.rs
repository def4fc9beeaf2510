//! Sounds: a WAV file's samples, cut to a clip, normalized, as features, laid out for the input.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use hound::{SampleFormat, WavReader};
use lacewing::format::preprocessing::{Mel, Normalize, Sound};

use super::InputSpec;
use super::frontend::FrontEnd;

/// Ends of the names of files that are read.
pub(super) const ENDINGS: [&str; 1] = ["wav"];

/// The longest clip and the longest Fourier transform, and the most triangles.
const MOST: (u32, u32, u32) = (1 << 24, 1 << 16, 1 << 10);

/// A clip's way to one input.
#[derive(Clone, Debug)]
pub(super) struct Clip {
    sound: Sound,
    front_end: Option<FrontEnd>,
    /// Features of one frame where the input has frames last.
    frames_last: Option<usize>,
}

impl Clip {
    /// Checks that `sound` can be done for the input; else the reason why not.
    pub(super) fn new(sound: &Sound, input: &InputSpec) -> Result<Clip, String> {
        check(sound)?;
        let [frames, each] = sound.mel.as_ref().map_or([1, sound.clip as usize], |mel| {
            let frames = (sound.clip - mel.window) / mel.stride + 1;
            [frames as usize, mel.mfcc.unwrap_or(mel.bins) as usize]
        });
        if frames.checked_mul(each) != Some(input.shape.iter().product()) {
            return Err(format!("takes the shape {:?}, but a clip gives {frames} × {each} numbers", input.shape));
        }
        let axes: Vec<usize> = input.shape.iter().copied().filter(|axis| *axis > 1).collect();
        let frames_last = (frames != each && frames > 1 && axes == [each, frames]).then_some(each);
        let front_end = sound.mel.as_ref().map(|mel| FrontEnd::new(mel, sound.rate));
        Ok(Clip { sound: sound.clone(), front_end, frames_last })
    }

    /// Samples in a clip.
    pub(super) fn len(&self) -> usize {
        self.sound.clip as usize
    }

    /// The file as the input's numbers, in its order.
    pub(super) fn read(&self, path: &Path) -> Result<Vec<f32>, String> {
        let bytes = fs::metadata(path).map_err(|error| error.to_string())?.len();
        let file = File::open(path).map_err(|error| error.to_string())?;
        let reader = WavReader::new(BufReader::new(file)).map_err(|error| error.to_string())?;
        let (rate, wanted) = (reader.spec().sample_rate, self.sound.rate);
        if rate != wanted {
            return Err(format!("{rate} samples in a second, but the preprocessing takes {wanted}; resample the file"));
        }
        let claimed = u64::from(reader.len()) * u64::from(reader.spec().bits_per_sample) / 8;
        if claimed == 0 || claimed > bytes {
            return Err(format!("its header claims {claimed} bytes of samples, the file has {bytes} in all"));
        }
        Ok(self.features(&mono(reader, self.len())?))
    }

    /// The input's numbers, in its order, of samples −1..1 from the clip's start.
    pub(super) fn features(&self, samples: &[f64]) -> Vec<f32> {
        let mut clip = samples.to_vec();
        clip.resize(self.len(), 0.0);
        self.normalize(&mut clip);
        let features = match &self.front_end {
            Some(front_end) => front_end.features(&clip),
            None => clip,
        };
        let (mean, scale) = (f64::from(self.sound.mean), f64::from(self.sound.scale));
        let real = |at: usize| ((features[at] - mean) * scale) as f32;
        match self.frames_last {
            Some(each) => (0..each).flat_map(|at| (at..features.len()).step_by(each)).map(real).collect(),
            None => (0..features.len()).map(real).collect(),
        }
    }

    fn normalize(&self, clip: &mut [f64]) {
        let peak = clip.iter().copied().fold(0.0, f64::max);
        if self.sound.normalize == Normalize::Peak && peak > 0.0 {
            clip.iter_mut().for_each(|sample| *sample /= peak);
        }
    }
}

fn check(sound: &Sound) -> Result<(), String> {
    let Sound { rate, clip, mean, scale, .. } = sound;
    let fits = (1..=MOST.0).contains(clip) && *rate > 0 && mean.is_finite() && scale.is_finite();
    match &sound.mel {
        _ if !fits => Err(format!("takes a `rate`, a `clip` of 1..={} samples, and finite numbers", MOST.0)),
        Some(mel) => check_mel(mel, *rate, *clip),
        None => Ok(()),
    }
}

fn check_mel(mel: &Mel, rate: u32, clip: u32) -> Result<(), String> {
    let Mel { window, stride, fft, bins, low, high, offset, floor, mfcc, .. } = mel;
    if !(1..=clip).contains(window) || *stride == 0 {
        return Err(format!("takes a `window` of 1..={clip} samples, the clip's, and a `stride` of at least 1"));
    }
    if !fft.is_power_of_two() || fft < window || *fft > MOST.1 || *fft < 2 {
        return Err(format!("takes as `fft` a power of two from the window's {window} to {}", MOST.1));
    }
    if !(1..=MOST.2).contains(bins) || mfcc.is_some_and(|mfcc| mfcc == 0 || mfcc > *bins) {
        return Err(format!("takes `bins` of 1..={}, and of those at most as many `mfcc`", MOST.2));
    }
    if !(*low >= 0.0 && low < high && f64::from(*high) <= f64::from(rate) / 2.0) {
        return Err(format!("takes 0 ≤ `low` < `high` ≤ {}, half the rate", f64::from(rate) / 2.0));
    }
    if !(*offset >= 0.0 && *floor >= 0.0 && offset + floor > 0.0 && (offset + floor).is_finite()) {
        return Err("takes an `offset` or a `floor` above 0, for silence has no logarithm".into());
    }
    Ok(())
}

/// At most `most` samples, each the mean of its channels.
fn mono(reader: WavReader<impl Read>, most: usize) -> Result<Vec<f64>, String> {
    let spec = reader.spec();
    let values = most.saturating_mul(usize::from(spec.channels));
    let samples = match spec.sample_format {
        SampleFormat::Float => taken(reader.into_samples::<f32>().map(|sample| sample.map(f64::from)), values)?,
        SampleFormat::Int => {
            let full = 2_f64.powi(i32::from(spec.bits_per_sample) - 1);
            taken(reader.into_samples::<i32>().map(|sample| sample.map(|sample| f64::from(sample) / full)), values)?
        }
    };
    let channels = usize::from(spec.channels.max(1));
    Ok(samples.chunks(channels).map(|channels| channels.iter().sum::<f64>() / channels.len() as f64).collect())
}

fn taken(samples: impl Iterator<Item = hound::Result<f64>>, most: usize) -> Result<Vec<f64>, String> {
    let samples: Vec<f64> = samples.take(most).collect::<hound::Result<_>>().map_err(|error| error.to_string())?;
    match samples.iter().find(|sample| !sample.is_finite()) {
        Some(sample) => Err(format!("holds {sample}; every sample must be finite")),
        None => Ok(samples),
    }
}
