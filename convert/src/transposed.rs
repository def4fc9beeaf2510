//! An array with its axes in another order.

use ndarray::{ArrayD, ArrayViewD, IxDyn};

/// The array with its axes in the order of `perm`, its elements moved to row-major order: numpy's `transpose` and then `copy`.
///
/// ndarray's iterators take a thousand instructions for an element where nothing is optimized.
pub(crate) fn transposed(array: ArrayViewD<'_, f32>, perm: &[usize]) -> ArrayD<f32> {
    let array = array.as_standard_layout();
    let view = array.view().permuted_axes(IxDyn(perm));
    let Some((numbers, (width, stride))) = array.as_slice().zip(last(&view)) else { return view.to_owned() };
    let out = lacewing_numeric::strided(numbers, &rows(&view), (width, stride));
    ArrayD::from_shape_vec(view.raw_dim(), out).expect("rows of the last axis for all axes before it")
}

/// Size and step of the last axis.
fn last(view: &ArrayViewD<'_, f32>) -> Option<(usize, usize)> {
    Some((*view.shape().last()?, *view.strides().last()? as usize))
}

/// Where each row of the last axis begins.
fn rows(view: &ArrayViewD<'_, f32>) -> Vec<usize> {
    let axes = view.shape().iter().zip(view.strides()).take(view.ndim().saturating_sub(1));
    axes.fold(vec![0], |rows, (dim, stride)| {
        rows.iter().flat_map(|row| (0..*dim).map(move |i| row + i * *stride as usize)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_ndarray_does_it(
            (shape, perm) in prop::collection::vec(0..4usize, 0..5).prop_flat_map(|shape| {
                let axes: Vec<usize> = (0..shape.len()).collect();
                (Just(shape), Just(axes).prop_shuffle())
            }),
        ) {
            let count = shape.iter().product::<usize>();
            let array = ArrayD::from_shape_vec(shape, (0..count).map(|i| i as f32).collect()).unwrap();
            let wanted = array.view().permuted_axes(IxDyn(&perm)).as_standard_layout().into_owned();
            prop_assert_eq!(transposed(array.view(), &perm), wanted);
        }
    }
}
