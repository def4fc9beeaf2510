// Depthwise convolution in int8: S[pixel, o] = b[o] + Σ w[tap][o] · x[tap of pixel][⌊o / m⌋], requantized.
//
// Weights lie as bytes [tap][o], each tap from a word on. An invocation makes four elements that follow each other in memory. Where they are
// four channels of one pixel (`QUAD`: m is 1 and four divides the channels) they are computed together, else each by itself, in the
// first lane of the same function.

struct Params {
    count: u32, stride: u32, input: u32, output: u32,
    weights: u32, bias: u32, multipliers: u32, row: u32,
    shift: i32, zero: i32, lo: i32, hi: i32,
    height: u32, width: u32, channels: u32, outputs: u32,
    out_height: u32, out_width: u32, multiple: u32, padding: u32,
    kernel_y: u32, kernel_x: u32, step_y: u32, step_x: u32,
    dilation_y: u32, dilation_x: u32, pad_y: u32, pad_x: u32,
}
@group(0) @binding(2) var<uniform> p: Params;

override QUAD: bool;

fn input_word(at: u32) -> u32 {
    if QUAD {
        return arena[at >> 2u];
    }
    return bytes_from(at);
}

fn weight_word(tap: u32, o: u32) -> u32 {
    let at = p.weights + tap * p.row + o / 4u;
    if QUAD {
        return constant(at);
    }
    return shifted(constant(at), constant(at + 1u), o);
}

// The results from element `e` on: all four in QUAD, else the first alone.
fn results_from(base: u32, e: u32) -> vec4<i32> {
    let o = e % p.outputs;
    let x = e / p.outputs % p.out_width;
    let row = e / p.outputs / p.out_width;
    let image = row / p.out_height * p.height;
    let first = base * 4u + p.input + o / p.multiple;
    var sums = bitcast<vec4<i32>>(constants_from(p.bias + o));
    for (var ky = 0u; ky < p.kernel_y; ky++) {
        let iy = i32(row % p.out_height * p.step_y + ky * p.dilation_y) - i32(p.pad_y);
        for (var kx = 0u; kx < p.kernel_x; kx++) {
            let ix = i32(x * p.step_x + kx * p.dilation_x) - i32(p.pad_x);
            var word = p.padding;
            if u32(iy) < p.height && u32(ix) < p.width {
                word = input_word(first + ((image + u32(iy)) * p.width + u32(ix)) * p.channels);
            }
            sums += unpack4xI8(word) * unpack4xI8(weight_word(ky * p.kernel_x + kx, o));
        }
    }
    let multipliers = bitcast<vec4<i32>>(constants_from(p.multipliers + o));
    return requantize4(sums, multipliers, vec4<i32>(p.shift, p.zero, p.lo, p.hi));
}

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    var results = results_from(base, 4u * index);
    if !QUAD {
        for (var i = 1u; i < 4u; i++) {
            results[i] = results_from(base, 4u * index + i).x;
        }
    }
    arena[base + p.output / 4u + index] = pack4xI8(results);
}
