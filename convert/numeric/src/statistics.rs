//! What many numbers have in common, and where they lie.

/// For each of `rows`, the `width` numbers from there on that lie `stride` apart; none of what lies outside.
#[must_use]
pub fn strided(numbers: &[f32], rows: &[usize], (width, stride): (usize, usize)) -> Vec<f32> {
    let row = |start: &usize| numbers.get(*start..).unwrap_or_default().iter().step_by(stride.max(1)).take(width);
    let mut out = Vec::with_capacity(rows.len() * width);
    rows.iter().for_each(|start| out.extend(row(start)));
    out
}

/// The least and the largest of `range` and all numbers; infinite if one is no number.
#[must_use]
pub fn extremes(numbers: &[f32], range: (f32, f32)) -> (f32, f32) {
    let (lo, hi) =
        numbers.iter().fold(range, |(lo, hi), x| (if *x < lo { *x } else { lo }, if *x > hi { *x } else { hi }));
    if numbers.iter().any(|x| x.is_nan()) { (f32::NEG_INFINITY, f32::INFINITY) } else { (lo, hi) }
}

/// The least and the largest number of each channel, and the sums of squares, of what holds channel after channel.
pub fn channels(numbers: &[f32], (lo, hi): (&mut [f32], &mut [f32]), squares: &mut [f64]) {
    for pixel in numbers.chunks_exact(lo.len().max(1)) {
        lo.iter_mut().zip(pixel).for_each(|(lo, x)| *lo = lo.min(*x));
        hi.iter_mut().zip(pixel).for_each(|(hi, x)| *hi = hi.max(*x));
        squares.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += f64::from(*x) * f64::from(*x));
    }
}

/// Counts numbers in bins of `width` from `lo` on; what lies beyond an end is in the bin there, everything in the first if `width` is 0.
pub fn count(numbers: &[f32], lo: f64, width: f64, bins: &mut [u64]) {
    let inverse = if width > 0.0 { 1.0 / width } else { 0.0 };
    let last = bins.len().saturating_sub(1);
    for x in numbers {
        let bin = ((f64::from(*x) - lo) * inverse) as usize;
        bins[bin.min(last)] += 1;
    }
}

/// `Σ r²` and `Σ (r − y)²`.
#[must_use]
pub fn noise(reference: &[f32], got: &[f32]) -> (f64, f64) {
    reference.iter().zip(got).fold((0.0, 0.0), |(signal, noise), (r, y)| {
        let (r, y) = (f64::from(*r), f64::from(*y));
        (signal + r * r, noise + (r - y) * (r - y))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_include_what_was_known() {
        assert_eq!(extremes(&[2.0, -3.0], (0.0, 0.0)), (-3.0, 2.0));
        assert_eq!(extremes(&[], (0.0, 1.0)), (0.0, 1.0));
        assert_eq!(extremes(&[f32::NAN], (0.0, 1.0)), (f32::NEG_INFINITY, f32::INFINITY));
    }

    #[test]
    fn each_channel_by_itself() {
        let (mut lo, mut hi, mut squares) = ([0.0, 1.0], [0.0, 5.0], [0.0, 1.0]);
        channels(&[1.0, 2.0, -3.0, 4.0], (&mut lo, &mut hi), &mut squares);
        assert_eq!((lo, hi, squares), ([-3.0, 1.0], [1.0, 5.0], [10.0, 21.0]));
        channels(&[], (&mut [], &mut []), &mut []);
    }

    #[test]
    fn bins_at_the_ends_take_the_rest() {
        let mut bins = [0; 4];
        count(&[-9.0, 0.0, 0.5, 1.9, 2.0, 99.0], 0.0, 0.5, &mut bins);
        assert_eq!(bins, [2, 1, 0, 3]);
        count(&[5.0], 5.0, 0.0, &mut bins);
        assert_eq!(bins, [3, 1, 0, 3]);
    }

    #[test]
    fn rows_of_a_transpose() {
        assert_eq!(strided(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[0, 1, 2], (2, 3)), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(strided(&[0.0], &[5], (2, 0)), []);
    }

    #[test]
    fn noise_is_the_difference() {
        assert_eq!(noise(&[3.0, 4.0], &[3.0, 2.0]), (25.0, 4.0));
    }
}
