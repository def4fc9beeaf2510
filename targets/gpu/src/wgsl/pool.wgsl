// Pools in int8 over the taps inside the image: the average, requantized, and the maximum.
//
// As in depthwise.wgsl an invocation makes four elements, together where they are four channels of one pixel (`QUAD`).

struct Params {
    count: u32, stride: u32, input: u32, output: u32,
    multipliers: u32, by_count: u32, input_zero: i32, channels: u32,
    shift: i32, zero: i32, lo: i32, hi: i32,
    height: u32, width: u32, out_height: u32, out_width: u32,
    kernel_y: u32, kernel_x: u32, step_y: u32, step_x: u32,
    dilation_y: u32, dilation_x: u32, pad_y: u32, pad_x: u32,
}
@group(0) @binding(2) var<uniform> p: Params;

override MAXIMUM: bool;

fn added(so_far: vec4<i32>, word: u32) -> vec4<i32> {
    let x = unpack4xI8(word);
    if MAXIMUM {
        return max(so_far, x);
    }
    return so_far + x - p.input_zero;
}

fn finished(pooled: vec4<i32>, taps: u32) -> vec4<i32> {
    if MAXIMUM {
        return min(pooled, vec4<i32>(p.hi));
    }
    // One multiplier, or one for each number of taps; without any the sum is 0, and so its product with the first.
    let multiplier = bitcast<i32>(constant(p.multipliers + select(0u, max(taps, 1u) - 1u, p.by_count != 0u)));
    return requantize4(pooled, vec4<i32>(multiplier), vec4<i32>(p.shift, p.zero, p.lo, p.hi));
}

// The results from element `e` on: all four in QUAD, else the first alone.
fn results_from(base: u32, e: u32) -> vec4<i32> {
    let x = e / p.channels % p.out_width;
    let row = e / p.channels / p.out_width;
    let image = row / p.out_height * p.height;
    let first = base * 4u + p.input + e % p.channels;
    var taps = 0u;
    var pooled = vec4<i32>(select(0, p.lo, MAXIMUM));
    for (var ky = 0u; ky < p.kernel_y; ky++) {
        let iy = row_of(row % p.out_height, ky);
        for (var kx = 0u; kx < p.kernel_x; kx++) {
            let ix = column_of(x, kx);
            if u32(iy) < p.height && u32(ix) < p.width {
                pooled = added(pooled, input_word(first + ((image + u32(iy)) * p.width + u32(ix)) * p.channels));
                taps++;
            }
        }
    }
    return finished(pooled, taps);
}
