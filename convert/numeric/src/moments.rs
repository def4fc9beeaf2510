//! Means and products of rows.

use crate::{Square, add, bands};

/// The mean of rows of `depth` numbers, and the rows less it.
#[must_use]
pub fn centered(mut rows: Vec<f64>, depth: usize) -> (Vec<f64>, Vec<f64>) {
    let mut mean = vec![0.0; depth];
    let count = (rows.len() / depth.max(1)).max(1) as f64;
    rows.chunks_exact(depth.max(1)).for_each(|row| add(&mut mean, 1.0 / count, row));
    rows.chunks_exact_mut(depth.max(1)).for_each(|row| add(row, -1.0, &mean));
    (mean, rows)
}

/// Rows of the result that are summed at once.
const BAND: usize = 8;

/// `Σ a·bᵀ / n` over `n` rows of `depth` numbers.
#[must_use]
pub fn products(a: &[f64], b: &[f64], depth: usize) -> Square {
    let mut sums = Square::zeros(depth);
    let count = (a.len() / depth.max(1)).max(1) as f64;
    bands(sums.elements_mut(), BAND * depth, |first, band| {
        for (a, b) in a.chunks(4 * depth).zip(b.chunks(4 * depth)) {
            for (i, sums) in band.chunks_exact_mut(depth).enumerate() {
                let factor = |row: usize| a.get(row * depth + first * BAND + i).copied().unwrap_or_default() / count;
                let row = |row: usize| b.get(row * depth..(row + 1) * depth);
                match (row(0), row(1), row(2), row(3)) {
                    (Some(b0), Some(b1), Some(b2), Some(b3)) => {
                        let [f0, f1, f2, f3] = [factor(0), factor(1), factor(2), factor(3)];
                        for ((((sum, b0), b1), b2), b3) in sums.iter_mut().zip(b0).zip(b1).zip(b2).zip(b3) {
                            *sum += (f0 * b0 + f1 * b1) + (f2 * b2 + f3 * b3);
                        }
                    }
                    _ => (0..4)
                        .filter_map(|i| Some((factor(i), row(i)?)))
                        .for_each(|(factor, row)| add(sums, factor, row)),
                }
            }
        }
    });
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_definition() {
        for (depth, count) in [(1, 1), (3, 5), (19, 8), (9, 10)] {
            let numbers = |seed: usize| (0..depth * count).map(move |i| ((i * 31 + seed) % 17) as f64 - 8.0).collect();
            let (a, b): (Vec<f64>, Vec<f64>) = (numbers(1), numbers(5));
            let sums = products(&a, &b, depth);
            for i in 0..depth {
                for j in 0..depth {
                    let sum: f64 = (0..count).map(|row| a[row * depth + i] * b[row * depth + j]).sum();
                    assert!((sums.row(i)[j] - sum / count as f64).abs() < 1e-9, "{depth} {count} {i} {j}");
                }
            }
        }
    }

    #[test]
    fn centered_rows_have_no_mean() {
        let (mean, rows) = centered(vec![1.0, 10.0, 3.0, 20.0], 2);
        assert_eq!((mean, rows), (vec![2.0, 15.0], vec![-1.0, -5.0, 1.0, 5.0]));
    }
}
