// Depthwise convolution in int8: S[pixel, o] = b[o] + Σ w[tap][o] · x[tap of pixel][⌊o / m⌋], requantized.
//
// Weights lie as words [tap][o]: four channels of a tap are one vector. An invocation makes four elements that follow each other in memory. Where they are
// four channels of one pixel (`QUAD`: m is 1 and four divides the channels) they are computed together, else each by itself, in the
// first lane of the same function.

struct Params {
    count: u32, stride: u32, input: u32, output: u32,
    weights: u32, bias: u32, multipliers: u32, unused: u32,
    shift: i32, zero: i32, lo: i32, hi: i32,
    height: u32, width: u32, channels: u32, outputs: u32,
    out_height: u32, out_width: u32, multiple: u32, padding: u32,
    kernel_y: u32, kernel_x: u32, step_y: u32, step_x: u32,
    dilation_y: u32, dilation_x: u32, pad_y: u32, pad_x: u32,
}
@group(0) @binding(2) var<uniform> p: Params;

// Numbers of four channels, which are a vector in QUAD.
fn four_from(at: u32) -> vec4<i32> {
    if QUAD {
        return bitcast<vec4<i32>>(constants[at / 4u]);
    }
    return bitcast<vec4<i32>>(constants_from(at));
}

// The results from element `e` on: all four in QUAD, else the first alone.
fn results_from(base: u32, e: u32) -> vec4<i32> {
    let o = e % p.outputs;
    let x = e / p.outputs % p.out_width;
    let row = e / p.outputs / p.out_width;
    let image = row / p.out_height * p.height;
    let first = base * 4u + p.input + o / p.multiple;
    var sums = four_from(p.bias + o);
    for (var ky = 0u; ky < p.kernel_y; ky++) {
        let iy = row_of(row % p.out_height, ky);
        for (var kx = 0u; kx < p.kernel_x; kx++) {
            let ix = column_of(x, kx);
            var word = p.padding;
            if u32(iy) < p.height && u32(ix) < p.width {
                word = input_word(first + ((image + u32(iy)) * p.width + u32(ix)) * p.channels);
            }
            sums += unpack4xI8(word) * four_from(p.weights + (ky * p.kernel_x + kx) * p.outputs + o);
        }
    }
    return requantize4(sums, four_from(p.multipliers + o), vec4<i32>(p.shift, p.zero, p.lo, p.hi));
}
