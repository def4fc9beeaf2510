//! The class that scores name.

/// Index of the first largest element.
#[must_use]
pub fn top1(numbers: &[f32]) -> Option<usize> {
    let larger = |best: (usize, f32), next: (usize, f32)| if next.1 > best.1 { next } else { best };
    numbers.iter().copied().enumerate().reduce(larger).map(|(index, _)| index)
}

/// The class of an output's scores: the first largest. A single number is the class itself, rounded: the result of an ArgMax, or the
/// probability of the second of two classes.
#[must_use]
pub fn class(scores: &[f32]) -> Option<i64> {
    match scores {
        [single] => Some(single.round() as i64),
        _ => top1(scores).map(|index| index as i64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_follow_the_scores() {
        assert_eq!([&[0.1_f32, 0.7, 0.2][..], &[7.0], &[0.6], &[]].map(class), [Some(1), Some(7), Some(1), None]);
    }

    #[test]
    fn the_first_of_equals_is_taken() {
        assert_eq!(top1(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(top1(&[]), None);
    }
}
