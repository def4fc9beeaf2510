// Quantization to int8: sat8(round_half_even(x / scale) + zero), exactly. A GPU's own division need not be that of IEEE 754, so mantissas are
// divided bit by bit, and the quotient is rounded twice as on the CPU: to the 24 bits of f32, then to a whole number, both to the
// nearest, ties to even. An invocation makes a word of four.

struct Params { count: u32, stride: u32, input: u32, output: u32, scale: u32, zero: i32 }
@group(0) @binding(2) var<uniform> p: Params;

// A positive number as a mantissa of 24 bits, the highest of them 1, and the power of two that it is times.
struct Parts { mantissa: u32, power: i32 }

fn parts(bits: u32) -> Parts {
    let exponent = bits >> 23u;
    if exponent == 0u {
        let shift = countLeadingZeros(bits) - 8u;
        return Parts(bits << shift, -149 - i32(shift));
    }
    return Parts((bits & 0x7fffffu) | 0x800000u, i32(exponent) - 150);
}

// x / 2^drop to the nearest, ties to even; `more` is whether x was cut off below its last bit.
fn rounded(x: u32, drop: u32, more: bool) -> u32 {
    let half = 1u << (drop - 1u);
    let low = x & (2u * half - 1u);
    let whole = x >> drop;
    let up = low > half || (low == half && (more || (whole & 1u) == 1u));
    return whole + select(0u, 1u, up);
}

// round_half_even(x / scale) of a positive number, 1,024 for what is larger, and for infinity.
fn steps(bits: u32) -> u32 {
    let x = parts(bits);
    let s = parts(p.scale);
    let power = x.power - s.power;
    // Mantissas are within a factor of two.
    if power > 9 || bits == 0x7f800000u {
        return 1024u;
    }
    if power < -2 {
        return 0u;
    }
    var rest = x.mantissa;
    var quotient = 0u;
    for (var bit = 0u; bit < 26u; bit++) {
        quotient <<= 1u;
        if rest >= s.mantissa {
            rest -= s.mantissa;
            quotient |= 1u;
        }
        rest <<= 1u;
    }
    // Now x / scale is quotient · 2^(power − 25), of 25 bits or 26.
    let drop = select(1u, 2u, quotient >= 0x2000000u);
    return rounded(rounded(quotient, drop, rest != 0u), u32(25 - power) - drop, false);
}

fn quantized(bits: u32) -> i32 {
    let size = bits & 0x7fffffffu;
    // 0 and NaN are the zero point.
    if size == 0u || size > 0x7f800000u {
        return p.zero;
    }
    let whole = i32(steps(size));
    return clamp(select(whole, -whole, (bits >> 31u) == 1u) + p.zero, -128, 127);
}

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    let x = base + p.input / 4u + 4u * index;
    let y = vec4<i32>(quantized(arena[x]), quantized(arena[x + 1u]), quantized(arena[x + 2u]), quantized(arena[x + 3u]));
    arena[base + p.output / 4u + index] = pack4xI8(y);
}
