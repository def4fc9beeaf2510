//! The exact remainder of a division in f32, by long division of the fractions: `libm` has it with checks that can panic.

/// `a − b·trunc(a/b)` with the sign of `a`; NaN if `b` is 0 or `a` is not finite.
pub(super) fn remainder(a: f32, b: f32) -> f32 {
    if !a.is_finite() || b.is_nan() || b == 0.0 {
        return f32::NAN;
    }
    let ((mut rest, place), (divisor, unit)) = (parts(a), parts(b));
    if b.is_infinite() || place < unit {
        return a;
    }
    rest = rest.checked_rem(divisor).unwrap_or(0);
    for _ in unit..place {
        rest <<= 1;
        rest = rest.checked_sub(divisor).unwrap_or(rest);
    }
    (rest as f32 * power_of_two(unit)).copysign(a)
}

/// `m < 2²⁴` and `e ≥ −149` with `|x| = m·2ᵉ`; `m ≥ 2²³` but for the smallest `e`.
fn parts(x: f32) -> (u32, i32) {
    let (exponent, fraction) = (x.to_bits() >> 23 & 0xff, x.to_bits() & 0x7f_ffff);
    match exponent {
        0 => (fraction, -149),
        _ => (fraction | 0x80_0000, exponent as i32 - 150),
    }
}

/// `2ᵉ` for `−149 ≤ e ≤ 104`.
fn power_of_two(e: i32) -> f32 {
    let normal = (e.wrapping_add(127) as u32 & 0xff) << 23;
    let subnormal = 1 << (e.wrapping_add(149) as u32 & 31);
    f32::from_bits(if e >= -126 { normal } else { subnormal })
}

#[cfg(test)]
mod tests {
    use super::remainder;

    #[test]
    fn it_is_the_remainder_of_the_language() {
        let mut state = 1u64;
        let mut bits = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        for _ in 0..100_000 {
            let (a, b) = (bits(), bits());
            // Any two numbers, two of like size, a subnormal divisor.
            for (a, b) in [(a, b), (a, a ^ b >> 7), (a, b & 0x8000_00ff)] {
                let (a, b) = (f32::from_bits(a), f32::from_bits(b));
                let (got, wanted) = (remainder(a, b), a % b);
                assert!(
                    got.to_bits() == wanted.to_bits() || got.is_nan() && wanted.is_nan(),
                    "{a} {b}: {got} {wanted}"
                );
            }
        }
    }
}
