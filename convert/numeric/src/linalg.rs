//! Symmetric positive definite systems in f64: all sums in a fixed order, so that every machine gives the same bits.

use crate::bands;

/// A square matrix, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Square {
    n: usize,
    elements: Vec<f64>,
}

impl Square {
    /// `n × n` zeros.
    #[must_use]
    pub fn zeros(n: usize) -> Self {
        Self { n, elements: vec![0.0; n * n] }
    }

    /// Of `n²` elements, row-major.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn of(n: usize, elements: Vec<f64>) -> Self {
        assert_eq!(elements.len(), n * n);
        Self { n, elements }
    }

    /// Rows and columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Row `i`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f64] {
        &self.elements[i * self.n..][..self.n]
    }

    /// Row `i`, to be changed.
    ///
    /// # Panics
    /// If there is none.
    pub fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.elements[i * self.n..][..self.n]
    }

    /// All rows, one after another.
    pub fn elements_mut(&mut self) -> &mut [f64] {
        &mut self.elements
    }

    /// Element `i` of the diagonal.
    #[must_use]
    pub fn diagonal(&self, i: usize) -> f64 {
        self.row(i)[i]
    }

    /// The mean of the diagonal, 0 of an empty matrix.
    #[must_use]
    pub fn mean_diagonal(&self) -> f64 {
        (0..self.n).map(|i| self.diagonal(i)).sum::<f64>() / self.n.max(1) as f64
    }

    /// `A + λ·I`.
    #[must_use]
    pub fn damped(mut self, lambda: f64) -> Self {
        (0..self.n).for_each(|i| self.row_mut(i)[i] += lambda);
        self
    }

    /// The lower triangle `L` of `A = L·Lᵀ`; what is above its diagonal is not meant. `None` if `A` is not positive definite.
    #[must_use]
    pub fn cholesky(mut self) -> Option<Self> {
        let n = self.n;
        for first in (0..n).step_by(BLOCK) {
            let (above, below) = self.elements.split_at_mut(first * n);
            let block = &mut below[..BLOCK.min(n - first) * n];
            if first > 0 {
                bands(block, BAND * n, |_, rows| eliminate(rows, above, n, 0));
            }
            for i in 0..block.len() / n {
                let (before, rest) = block.split_at_mut(i * n);
                let (row, at) = (&mut rest[..n], first + i);
                eliminate(row, before, n, first);
                let square = row[at] - dot(&row[..at], &row[..at]);
                row[at] = Some(square).filter(|square| *square > 0.0 && square.is_finite())?.sqrt();
            }
        }
        Some(self)
    }

    /// Solves `L·Lᵀ·x = b` in place, for a triangle that [`Square::cholesky`] gave.
    ///
    /// # Panics
    /// If `b` has another length.
    pub fn solve(&self, b: &mut [f64]) {
        self.solve_each(&mut [b]);
    }

    /// The same for several, so that each row of the triangle is fetched once for all.
    ///
    /// # Panics
    /// If one has another length.
    pub fn solve_each(&self, bs: &mut [&mut [f64]]) {
        for i in 0..self.n {
            for b in &mut *bs {
                b[i] = (b[i] - dot(&self.row(i)[..i], &b[..i])) / self.diagonal(i);
            }
        }
        for i in (0..self.n).rev() {
            for b in &mut *bs {
                b[i] /= self.diagonal(i);
                let (before, x) = b.split_at_mut(i);
                add(before, -x[0], &self.row(i)[..i]);
            }
        }
    }

    /// `(L·Lᵀ)⁻¹`, for a triangle that [`Square::cholesky`] gave.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let mut inverse = Self::zeros(self.n).damped(1.0);
        bands(&mut inverse.elements, self.n, |_, row| self.solve(row));
        inverse
    }

    /// Solves `L·y = b` in place.
    ///
    /// # Panics
    /// If `b` has another length.
    pub fn forward(&self, b: &mut [f64]) {
        for i in 0..self.n {
            b[i] = (b[i] - dot(&self.row(i)[..i], &b[..i])) / self.diagonal(i);
        }
    }

    /// `A·x`.
    #[must_use]
    pub fn times(&self, x: &[f64]) -> Vec<f64> {
        (0..self.n).map(|i| dot(self.row(i), x)).collect()
    }

    /// `A·x` of several `x`, so that each row is fetched once for all.
    #[must_use]
    pub fn times_each(&self, xs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut products = vec![vec![0.0; self.n]; xs.len()];
        for i in 0..self.n {
            products.iter_mut().zip(xs).for_each(|(product, x)| product[i] = dot(self.row(i), x));
        }
        products
    }

    /// Its rows and columns in another order: element `i, j` of the result is `order[i], order[j]` of this.
    #[must_use]
    pub fn reordered(&self, order: &[usize]) -> Self {
        let elements = order.iter().flat_map(|i| order.iter().map(|j| self.row(*i)[*j])).collect();
        Self { n: order.len(), elements }
    }
}

/// Rows of a triangle that are made together, so that each row above them is fetched once for all; and those of one thread.
const BLOCK: usize = 64;
const BAND: usize = 16;

/// Columns `first` and on of `rows` of a triangle, one for each of the rows `above`, whose first is row `first`.
fn eliminate(rows: &mut [f64], above: &[f64], n: usize, first: usize) {
    for (j, of) in (first..).zip(above.chunks_exact(n)) {
        for row in rows.chunks_exact_mut(n) {
            row[j] = (row[j] - dot(&row[..j], &of[..j])) / of[j];
        }
    }
}

/// `Σ a[i]·b[i]` over the shorter of both, in eight interleaved sums.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let len = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (a[..len].as_chunks::<8>(), b[..len].as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().fold(rest, |sum, part| sum + part)
}

/// `to[i] += factor·x[i]` over the shorter of both.
pub fn add(to: &mut [f64], factor: f64, x: &[f64]) {
    to.iter_mut().zip(x).for_each(|(to, x)| *to += factor * x);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `AᵀA + I` of numbers that look random.
    fn matrix(n: usize) -> Square {
        let a: Vec<f64> = (0..n * n).map(|i| f64::from((i * 7919 % 101) as u32) / 50.0 - 1.0).collect();
        let mut square = Square::zeros(n);
        for i in 0..n {
            for j in 0..n {
                square.row_mut(i)[j] = (0..n).map(|k| a[k * n + i] * a[k * n + j]).sum();
            }
        }
        square.damped(1.0)
    }

    #[test]
    fn systems_are_solved() {
        for n in [1, 2, 7, 30, BLOCK + BAND + 1] {
            let a = matrix(n);
            let x: Vec<f64> = (0..n).map(|i| i as f64 - 3.5).collect();
            let mut b = a.times(&x);
            assert_eq!(a.times_each(&[x.clone(), b.clone()]), [b.clone(), a.times(&b)]);
            a.cholesky().unwrap().solve(&mut b);
            assert!(x.iter().zip(&b).all(|(x, b)| (x - b).abs() < 1e-7), "{n}: {b:?}");
        }
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        assert_eq!(Square::zeros(2).cholesky(), None);
        assert_eq!(matrix(3).damped(-100.0).cholesky(), None);
        assert!(Square::zeros(0).cholesky().is_some_and(|l| l.is_empty()));
    }

    #[test]
    fn orders_are_applied_to_rows_and_columns() {
        let a = matrix(3);
        let b = a.reordered(&[2, 0, 1]);
        assert_eq!((b.len(), b.row(0)[1], b.diagonal(2)), (3, a.row(2)[0], a.diagonal(1)));
        assert!((b.mean_diagonal() - a.mean_diagonal()).abs() < 1e-12);
    }
}
