//! What a layer loses with some of its inputs if the rest makes up for them.

use crate::{Square, add, bands, dot};

/// A layer of weights `W` over inputs of the form `H = E[x·xᵀ]`. Without inputs `S` the least of `E[(W·x − W'·x)²]` is
/// `w_S·((H⁻¹)_SS)⁻¹·w_Sᵀ`, summed over the outputs, at `W' = W − w_S·((H⁻¹)_SS)⁻¹·(H⁻¹)_S`.
///
/// Source: B. Hassibi and D. Stork, "Second order derivatives for network pruning: Optimal Brain Surgeon", NIPS 1992.
#[derive(Clone, Debug)]
pub struct Surgeon {
    /// `H⁻¹` of the inputs that are left; 0 for the others.
    inverse: Square,
    /// For each input the weights of all outputs.
    weights: Vec<Vec<f64>>,
}

impl Surgeon {
    /// `weights` has a row of as many as `h` has for each output. `None` if `h` is not positive definite.
    #[must_use]
    pub fn new(h: Square, weights: &[f64]) -> Option<Self> {
        let n = h.len();
        let of = |i: usize| weights.iter().skip(i).step_by(n.max(1)).copied().collect();
        Some(Self { weights: (0..n).map(of).collect(), inverse: h.cholesky()?.inverse() })
    }

    /// What is lost with some of the inputs that are left.
    #[must_use]
    pub fn loss(&self, inputs: &[usize]) -> f64 {
        let Some(root) = self.inverse.reordered(inputs).cholesky() else { return 0.0 };
        let outputs = inputs.first().map_or(0, |i| self.weights[*i].len());
        let lost = |o: usize| {
            let mut w: Vec<f64> = inputs.iter().map(|i| self.weights[*i][o]).collect();
            root.forward(&mut w);
            dot(&w, &w)
        };
        (0..outputs).map(lost).sum()
    }

    /// Takes inputs away; the rest makes up for them.
    pub fn remove(&mut self, inputs: &[usize]) {
        for &i in inputs {
            let (row, gone) = (self.inverse.row(i).to_vec(), std::mem::take(&mut self.weights[i]));
            let n = row.len();
            self.weights.iter_mut().zip(&row).for_each(|(w, h)| add(w, -h / row[i], &gone));
            bands(self.inverse.elements_mut(), n, |j, to| add(to, -row[j] / row[i], &row));
            self.inverse.row_mut(i).fill(0.0);
            (0..n).for_each(|j| self.inverse.row_mut(j)[i] = 0.0);
            self.weights[i] = vec![0.0; gone.len()];
        }
    }

    /// The weights as they are now: for each input those of all outputs.
    #[must_use]
    pub fn weights(&self) -> &[Vec<f64>] {
        &self.weights
    }

    /// An output that nobody reads any more: nothing is lost of it.
    pub fn silence(&mut self, output: usize) {
        self.weights.iter_mut().for_each(|w| w[output] = 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::products;

    /// Inputs of which the last is the sum of the first two, and the loss of others.
    #[test]
    fn what_the_rest_knows_is_no_loss() {
        let rows: Vec<f64> = (0..50u32)
            .flat_map(|i| {
                let [a, b, c] = [7, 11, 13].map(|p| f64::from(i * p % 17) - 8.0);
                [a, b, c, a + b]
            })
            .collect();
        let h = products(&rows, &rows, 4).damped(1e-9);
        let w = [1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 2.0, 0.0];
        let mut surgeon = Surgeon::new(h.clone(), &w).unwrap();
        assert!(surgeon.loss(&[3]) < 1e-6 && surgeon.loss(&[0]) < 1e-6 && surgeon.loss(&[2]) > 1.0);
        let both = surgeon.loss(&[3, 2]);
        let first = surgeon.loss(&[3]);
        surgeon.remove(&[3]);
        assert!((both - first - surgeon.loss(&[2])).abs() < 1e-6 * both, "{both}");
        assert!((surgeon.weights[0][0] - 5.0).abs() < 1e-5 && (surgeon.weights[1][0] - 6.0).abs() < 1e-5);
        surgeon.silence(0);
        surgeon.silence(1);
        assert_eq!(surgeon.loss(&[0, 1]), 0.0);
    }
}
