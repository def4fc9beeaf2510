//! From samples to log-mel energies and MFCC, in f64 with the same bits on every machine.
//!
//! Of a frame `x` of W samples, tapered by `w` and filled up with zeros to N: `X_k = Σ_n w_n·x_n·e^(−2πi·k·n/N)`, `S_k = |X_k|` or its square.
//! With `mel(f) = 1127·ln(1 + f/700)` (HTK) and B + 2 edges `e_b` evenly from `mel(low)` to `mel(high)`, triangle b weighs bin k, which lies at
//! `m = mel(k·rate/N)`, with `max(0, min((m − e_b) / (e_{b+1} − e_b), (e_{b+2} − m) / (e_{b+2} − e_{b+1})))`; bin 0 is left out.
//! `L_b = ln(max(Σ_k weight·S_k, floor) + offset)` and `MFCC_i = √(2/B)·Σ_b L_b·cos(π·i·(b + ½)/B)`: a DCT-II that scales its first
//! coefficient as all the others, as HTK does.
//!
//! This is what `tf.signal` computes (`stft`, `linear_to_mel_weight_matrix`, `mfccs_from_log_mel_spectrograms`); TensorFlow's older
//! operators `AudioSpectrogram` and `Mfcc` do too, with floor 1e-12 and offset 0. References: S. Young et al., The HTK Book, sections 5.4
//! to 5.6; S. Davis and P. Mermelstein, IEEE Trans. ASSP 28 (1980). Logarithms and cosines are `libm`'s, which are portable.

use std::f64::consts::PI;

use lacewing::format::preprocessing::{Mel, Spectrum, Taper};

/// What a clip's features are computed with.
#[derive(Clone, Debug)]
pub(super) struct FrontEnd {
    mel: Mel,
    taper: Vec<f64>,
    /// `e^(−2πi·k/N)` for k below N/2.
    turns: Vec<[f64; 2]>,
    /// For each triangle its first bin and the weights from there on.
    triangles: Vec<(usize, Vec<f64>)>,
    /// For each coefficient the weights of the logarithms; empty for log-mel features.
    cosines: Vec<Vec<f64>>,
}

impl FrontEnd {
    /// For parameters that have been checked: `fft` is a power of two, not less than `window`.
    pub(super) fn new(mel: &Mel, rate: u32) -> FrontEnd {
        let (window, fft, bins) = (mel.window as usize, mel.fft as usize, mel.bins as usize);
        FrontEnd {
            taper: (0..window).map(|n| taper(mel.taper, n as f64 / window as f64)).collect(),
            turns: (0..fft / 2).map(|k| turn(-2.0 * PI * k as f64 / fft as f64)).collect(),
            triangles: triangles(mel, f64::from(rate)),
            cosines: (0..mel.mfcc.unwrap_or(0)).map(|i| cosines(i as usize, bins)).collect(),
            mel: mel.clone(),
        }
    }

    /// The features of all frames, one frame after another.
    pub(super) fn features(&self, clip: &[f64]) -> Vec<f64> {
        clip.windows(self.taper.len()).step_by(self.mel.stride as usize).flat_map(|frame| self.frame(frame)).collect()
    }

    fn frame(&self, frame: &[f64]) -> Vec<f64> {
        let spectrum = self.spectrum(frame);
        let (floor, offset) = (f64::from(self.mel.floor), f64::from(self.mel.offset));
        let log =
            |(first, weights): &(usize, Vec<f64>)| libm::log(dot(weights, &spectrum[*first..]).max(floor) + offset);
        let logs: Vec<f64> = self.triangles.iter().map(log).collect();
        match self.mel.mfcc {
            None => logs,
            Some(_) => self.cosines.iter().map(|weights| dot(weights, &logs)).collect(),
        }
    }

    /// Bins 0 to N/2.
    fn spectrum(&self, frame: &[f64]) -> Vec<f64> {
        let mut bins = vec![[0.0; 2]; self.mel.fft as usize];
        bins.iter_mut().zip(frame.iter().zip(&self.taper)).for_each(|(bin, (x, w))| bin[0] = x * w);
        transform(&mut bins, &self.turns);
        let half = &bins[..=self.mel.fft as usize / 2];
        let power = half.iter().map(|[re, im]| re * re + im * im);
        match self.mel.spectrum {
            Spectrum::Power => power.collect(),
            Spectrum::Magnitude => power.map(f64::sqrt).collect(),
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn turn(angle: f64) -> [f64; 2] {
    [libm::cos(angle), libm::sin(angle)]
}

/// The window `at` a part of its length.
fn taper(taper: Taper, at: f64) -> f64 {
    let cosine = libm::cos(2.0 * PI * at);
    match taper {
        Taper::Hann => 0.5 - 0.5 * cosine,
        Taper::Hamming => 0.54 - 0.46 * cosine,
        Taper::None => 1.0,
    }
}

/// The Fourier transform in place, radix 2: even and odd places are transformed one after the other and joined by
/// `X_k = E_k + turn_k·O_k`, `X_{k+n/2} = E_k − turn_k·O_k`. Of a shorter transform every second turn is meant.
fn transform(x: &mut [[f64; 2]], turns: &[[f64; 2]]) {
    let n = x.len();
    if n < 2 {
        return;
    }
    let (mut even, mut odd): (Vec<_>, Vec<_>) = x.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
    transform(&mut even, turns);
    transform(&mut odd, turns);
    let stride = 2 * turns.len() / n;
    for k in 0..n / 2 {
        let ([a, b], [c, s], [re, im]) = (even[k], turns[k * stride], odd[k]);
        let (re, im) = (c * re - s * im, c * im + s * re);
        x[k] = [a + re, b + im];
        x[k + n / 2] = [a - re, b - im];
    }
}

fn mel(hz: f64) -> f64 {
    1127.0 * libm::log1p(hz / 700.0)
}

fn triangles(parameters: &Mel, rate: f64) -> Vec<(usize, Vec<f64>)> {
    let (low, high) = (mel(parameters.low.into()), mel(parameters.high.into()));
    let step = (high - low) / f64::from(parameters.bins + 1);
    let places: Vec<f64> =
        (0..=parameters.fft / 2).map(|k| mel(f64::from(k) * rate / f64::from(parameters.fft))).collect();
    let triangle = |b| {
        let [left, top, right] = [0.0, 1.0, 2.0].map(|edge| low + (f64::from(b) + edge) * step);
        let weight = |m: f64| ((m - left) / (top - left)).min((right - m) / (right - top));
        let first = places.partition_point(|m| *m <= left).max(1);
        (first, places[first..].iter().map(|m| weight(*m)).take_while(|weight| *weight > 0.0).collect())
    };
    (0..parameters.bins).map(triangle).collect()
}

/// Row `i` of the cosine transform.
fn cosines(i: usize, bins: usize) -> Vec<f64> {
    let n = bins as f64;
    (0..bins).map(|b| libm::sqrt(2.0 / n) * libm::cos(PI * i as f64 * (b as f64 + 0.5) / n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_the_sum_that_defines_it() {
        for n in [1_usize, 2, 8, 32] {
            let x: Vec<[f64; 2]> = (0..n).map(|i| [(i * i % 7) as f64, (i * 5 % 3) as f64]).collect();
            let turns: Vec<_> = (0..n / 2).map(|k| turn(-2.0 * PI * k as f64 / n as f64)).collect();
            let mut fast = x.clone();
            transform(&mut fast, &turns);
            for (k, fast) in fast.iter().enumerate() {
                let slow = x.iter().enumerate().fold([0.0, 0.0], |sum, (i, [re, im])| {
                    let [c, s] = turn(-2.0 * PI * (k * i) as f64 / n as f64);
                    [sum[0] + c * re - s * im, sum[1] + c * im + s * re]
                });
                assert!((fast[0] - slow[0]).abs() + (fast[1] - slow[1]).abs() < 1e-12, "{n} {k}");
            }
        }
    }

    #[test]
    fn triangles_meet_at_their_edges() {
        let mel = Mel {
            window: 512,
            stride: 512,
            fft: 512,
            taper: Taper::Hann,
            spectrum: Spectrum::Magnitude,
            bins: 20,
            low: 0.0,
            high: 8000.0,
            offset: 0.0,
            floor: 0.0,
            mfcc: None,
        };
        let triangles = triangles(&mel, 16000.0);
        let total = |k: usize| -> f64 {
            triangles.iter().filter_map(|(first, weights)| weights.get(k.checked_sub(*first)?)).sum()
        };
        assert_eq!((total(0), triangles.len()), (0.0, 20));
        assert!((20..200).all(|k| (total(k) - 1.0).abs() < 1e-9), "two triangles over a bin weigh 1");
    }
}
