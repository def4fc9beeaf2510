// Convolution, depthwise convolution and fully connected layer in f32: y[pixel, o] = clamp(b[o] + Σ w[o][tap][c] · x[tap of pixel][c]).
//
// Weights lie as [tap][c][o], so that neighbors read neighbors. `tile`: an invocation makes four pixels of a row for four outputs of one group,
// whose weights are a vector; it wants groups whose outputs four divides, or a
// depthwise layer of one output for each of its channels, which four divides. `words`: four pixels for one output. Every weight is
// read once for four pixels. Taps outside the image are left out. Additions are in the order of the CPU's portable kernel, but a GPU may
// contract a product and a sum, so results agree within f32's rounding.

struct Params {
    count: u32, stride: u32, input: u32, output: u32,
    weights: u32, bias: u32, lo: f32, hi: f32,
    height: u32, width: u32, channels: u32, tiles: u32,
    out_height: u32, out_width: u32, outputs: u32, group: u32,
    kernel_y: u32, kernel_x: u32, step_y: u32, step_x: u32,
    dilation_y: u32, dilation_x: u32, pad_y: u32, pad_x: u32,
    group_outputs: u32,
}
@group(0) @binding(2) var<uniform> p: Params;

// Whether every output reads the channel of its own number.
override DEPTHWISE: bool;

fn input_real(at: u32, inside: bool) -> f32 {
    if !inside {
        return 0.0;
    }
    return bitcast<f32>(arena[at]);
}

// What a pixel's four outputs multiply: four channels of a depthwise layer, else one channel for all.
fn operands(at: u32, inside: bool) -> vec4<f32> {
    if !inside {
        return vec4<f32>();
    }
    if DEPTHWISE {
        return bitcast<vec4<f32>>(vec4<u32>(arena[at], arena[at + 1u], arena[at + 2u], arena[at + 3u]));
    }
    return vec4<f32>(bitcast<f32>(arena[at]));
}

// The results of four pixels from x on, less those beyond the row.
fn keep(to: u32, x: u32, results: vec4<f32>) {
    for (var i = 0u; i < 4u && x + i < p.out_width; i++) {
        arena[to + i * p.outputs] = bitcast<u32>(clamped(results[i], p.lo, p.hi));
    }
}

@compute @workgroup_size(64)
fn tile(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    let blocks = p.outputs / 4u;
    let o = index % blocks * 4u;
    let x = index / blocks % p.tiles * 4u;
    let row = index / blocks / p.tiles;
    let image = row / p.out_height * p.height;
    let first = base + p.input / 4u + o / p.group_outputs * p.group;
    // Four outputs of each pixel.
    var s0 = bitcast<vec4<f32>>(constants[(p.bias + o) / 4u]);
    var s1 = s0;
    var s2 = s0;
    var s3 = s0;
    var weight = (p.weights + o) / 4u;
    for (var ky = 0u; ky < p.kernel_y; ky++) {
        let iy = row_of(row % p.out_height, ky);
        for (var kx = 0u; kx < p.kernel_x; kx++) {
            let ix = columns_of(x, kx);
            let inside = (vec4<u32>(ix) < vec4<u32>(p.width)) & vec4<bool>(u32(iy) < p.height);
            let at = first + ((image + u32(iy)) * p.width + vec4<u32>(ix)) * p.channels;
            for (var c = 0u; c < p.group; c++) {
                let w = bitcast<vec4<f32>>(constants[weight]);
                s0 += w * operands(at.x + c, inside.x);
                s1 += w * operands(at.y + c, inside.y);
                s2 += w * operands(at.z + c, inside.z);
                s3 += w * operands(at.w + c, inside.w);
                weight += blocks;
            }
        }
    }
    let to = base + p.output / 4u + (row * p.out_width + x) * p.outputs + o;
    keep(to, x, vec4<f32>(s0.x, s1.x, s2.x, s3.x));
    keep(to + 1u, x, vec4<f32>(s0.y, s1.y, s2.y, s3.y));
    keep(to + 2u, x, vec4<f32>(s0.z, s1.z, s2.z, s3.z));
    keep(to + 3u, x, vec4<f32>(s0.w, s1.w, s2.w, s3.w));
}

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    let o = index % p.outputs;
    let x = index / p.outputs % p.tiles * 4u;
    let row = index / p.outputs / p.tiles;
    let image = row / p.out_height * p.height;
    let first = base + p.input / 4u + o / p.group_outputs * p.group;
    var sums = vec4<f32>(bitcast<f32>(constant(p.bias + o)));
    var weight = p.weights + o;
    for (var ky = 0u; ky < p.kernel_y; ky++) {
        let iy = row_of(row % p.out_height, ky);
        for (var kx = 0u; kx < p.kernel_x; kx++) {
            let ix = columns_of(x, kx);
            let inside = (vec4<u32>(ix) < vec4<u32>(p.width)) & vec4<bool>(u32(iy) < p.height);
            let at = first + ((image + u32(iy)) * p.width + vec4<u32>(ix)) * p.channels;
            for (var c = 0u; c < p.group; c++) {
                let w = bitcast<f32>(constant(weight));
                sums += w * vec4<f32>(
                    input_real(at.x + c, inside.x),
                    input_real(at.y + c, inside.y),
                    input_real(at.z + c, inside.z),
                    input_real(at.w + c, inside.w),
                );
                weight += p.outputs;
            }
        }
    }
    keep(base + p.output / 4u + (row * p.out_width + x) * p.outputs + o, x, sums);
}
