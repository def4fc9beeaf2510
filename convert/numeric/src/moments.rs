//! Means and products of rows.

use crate::{Square, add, bands, dot};

/// The mean of rows of `depth` numbers, and the rows less it.
#[must_use]
pub fn centered(mut rows: Vec<f64>, depth: usize) -> (Vec<f64>, Vec<f64>) {
    let mut mean = vec![0.0; depth];
    let count = (rows.len() / depth.max(1)).max(1) as f64;
    rows.chunks_exact(depth.max(1)).for_each(|row| add(&mut mean, 1.0 / count, row));
    rows.chunks_exact_mut(depth.max(1)).for_each(|row| add(row, -1.0, &mean));
    (mean, rows)
}

/// Rows of the result that are summed at once, and columns of these: what is summed and four rows of what is read stay in the cache.
const BAND: usize = 32;
const TILE: usize = 256;

/// `Σ a·aᵀ / n` over `n` rows of `depth` numbers.
#[must_use]
pub fn gram(a: &[f64], depth: usize) -> Square {
    let mut sums = vec![0.0; depth * depth];
    // What is right of the diagonal is a mirror of what is left of it.
    bands(&mut sums, BAND * depth, |band, sums| {
        let first = band * BAND;
        add_products((a, depth, first), (a, depth), sums, (first + BAND).min(depth));
    });
    for i in 0..depth {
        (0..i).for_each(|j| sums[j * depth + i] = sums[i * depth + j]);
    }
    Square::of(depth, sums)
}

/// `Σ a·bᵀ / n` over `n` rows of `depth` numbers.
#[must_use]
pub fn products(a: &[f64], b: &[f64], depth: usize) -> Square {
    Square::of(depth, cross((a, depth), (b, depth)))
}

/// `Σ a·bᵀ / n` over `n` rows of as many numbers as is said beside them; a row of the result for each number of `a`.
#[must_use]
pub fn cross((a, height): (&[f64], usize), (b, depth): (&[f64], usize)) -> Vec<f64> {
    let mut sums = vec![0.0; height * depth];
    bands(&mut sums, BAND * depth, |band, sums| add_products((a, height, band * BAND), (b, depth), sums, depth));
    sums
}

/// Adds the products of numbers `first` and on of each row of `a` with the first `columns` of each row of `b` to `sums`, a row of `depth`
/// for each number of `a`.
fn add_products(
    (a, height, first): (&[f64], usize, usize),
    (b, depth): (&[f64], usize),
    sums: &mut [f64],
    columns: usize,
) {
    let count = (a.len() / height.max(1)).max(1) as f64;
    for tile in (0..columns).step_by(TILE) {
        let tile = tile..(tile + TILE).min(columns);
        for (a, b) in a.chunks(4 * height).zip(b.chunks(4 * depth)) {
            for (i, sums) in sums.chunks_exact_mut(depth).enumerate() {
                let factor = |row: usize| a.get(row * height + first + i).copied().unwrap_or_default() / count;
                let row = |row: usize| b.get(row * depth..(row + 1) * depth).map(|row| &row[tile.clone()]);
                let sums = &mut sums[tile.clone()];
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
    }
}

/// `w·x` of every row `x` of `depth` numbers for every row `w` of as many.
#[must_use]
pub fn responses(rows: &[f64], weights: &[f64], depth: usize) -> Vec<f64> {
    let outputs = weights.len() / depth.max(1);
    let mut responses = vec![0.0; rows.len() / depth.max(1) * outputs];
    bands(&mut responses, outputs, |at, to| {
        let weights = weights.chunks_exact(depth.max(1));
        to.iter_mut().zip(weights).for_each(|(to, w)| *to = dot(&rows[at * depth..][..depth], w));
    });
    responses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_definition() {
        for (depth, count) in [(1, 1), (3, 5), (19, 8), (9, 10), (BAND + 3, 7), (TILE + 5, 6)] {
            let numbers = |seed: usize| (0..depth * count).map(move |i| ((i * 31 + seed) % 17) as f64 - 8.0).collect();
            let (a, b): (Vec<f64>, Vec<f64>) = (numbers(1), numbers(5));
            let (sums, square) = (products(&a, &b, depth), gram(&a, depth));
            for i in 0..depth {
                for j in 0..depth {
                    let sum: f64 = (0..count).map(|row| a[row * depth + i] * b[row * depth + j]).sum();
                    assert!((sums.row(i)[j] - sum / count as f64).abs() < 1e-9, "{depth} {count} {i} {j}");
                    let sum: f64 = (0..count).map(|row| a[row * depth + i] * a[row * depth + j]).sum();
                    assert!((square.row(i)[j] - sum / count as f64).abs() < 1e-9, "{depth} {count} {i} {j}");
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
