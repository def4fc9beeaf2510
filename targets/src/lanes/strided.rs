//! Copies by strides that put three images of one number side by side, as where an image comes with its colors in planes.

/// Numbers that are put side by side.
const COLORS: usize = 3;

/// Computes the copy, or gives `None` if it is another one; the portable kernel then does all of it.
pub(super) fn run<T>(
    (start, dims, strides): (u32, [u32; 6], [i32; 6]),
    (input, output): (&[T], &mut [T]),
    side_by_side: impl Fn([&[T]; COLORS], &mut [T]),
) -> Option<()> {
    let ([outer @ .., pixels, 3], [steps @ .., 1, plane]) = (dims, strides) else { return None };
    let count = outer.iter().try_fold(1u32, |count, dim| count.checked_mul(*dim))?;
    let mut rows = output.chunks_mut((pixels as usize).checked_mul(COLORS)?.max(1));
    for row in 0..count {
        let (mut rest, mut first) = (row, i64::from(start));
        for (dim, step) in outer.into_iter().zip(steps).rev() {
            first = first.checked_add(i64::from(rest.checked_rem(dim)?).checked_mul(step.into())?)?;
            rest = rest.checked_div(dim)?;
        }
        let color = |color: i64| {
            let first = usize::try_from(first.checked_add(color.checked_mul(plane.into())?)?).ok()?;
            input.get(first..)?.get(..pixels as usize)
        };
        side_by_side([color(0)?, color(1)?, color(2)?], rows.next()?);
    }
    Some(())
}

/// `to[3·i + r] = from[r][i]`.
#[inline(always)]
pub(super) fn side_by_side<T: Copy>([a, b, c]: [&[T]; COLORS], to: &mut [T]) {
    for (((to, a), b), c) in to.as_chunks_mut::<COLORS>().0.iter_mut().zip(a).zip(b).zip(c) {
        *to = [*a, *b, *c];
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use lacewing::ops;
    use std::vec;
    use std::vec::Vec;

    use super::{run, side_by_side};

    /// Images whose colors are planes, some rows of each left out, and what their numbers should be side by side.
    #[test]
    fn planes_are_put_side_by_side() {
        let x: Vec<i8> = (0..2 * 3 * 7 * 37).map(|i| (i * 31 % 251) as i8).collect();
        let (dims, strides) = ([1, 2, 1, 4, 35, 3], [0, 3 * 7 * 37, 0, 2 * 37, 1, 7 * 37]);
        let [mut got, mut want] = [(); 2].map(|()| vec![0; 2 * 4 * 35 * 3]);
        run((1, dims, strides), (&x, &mut got), side_by_side).expect("planes");
        ops::strided_copy::run(&x, &mut want, 1, dims, strides).expect("a copy");
        assert_eq!(got, want);
    }

    #[test]
    fn other_copies_and_bytes_that_are_not_there_are_left() {
        let [x, mut y] = [(); 2].map(|()| vec![0i8; 30]);
        let left = |dims, strides, y: &mut Vec<i8>| run((0, dims, strides), (&x, y), side_by_side).is_none();
        assert!(left([1, 1, 1, 1, 15, 2], [0, 0, 0, 0, 1, 15], &mut y));
        assert!(left([1, 1, 1, 1, 10, 3], [0, 0, 0, 0, 3, 1], &mut y));
        assert!(left([1, 1, 1, 1, 10, 3], [0, 0, 0, 0, 1, 11], &mut y));
        assert!(left([1, 1, 1, 1, 10, 3], [0, 0, 0, 0, 1, -1], &mut y));
    }
}
