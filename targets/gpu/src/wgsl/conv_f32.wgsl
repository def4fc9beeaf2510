// Convolution, depthwise convolution and fully connected layer in f32: y[pixel, o] = clamp(b[o] + Σ w[o][tap][c] · x[tap of pixel][c]).
//
// Weights lie as [tap][c][o], so that neighbors read neighbors. An invocation makes four pixels of a row for one output: every weight is
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

fn input_real(at: u32, inside: bool) -> f32 {
    if !inside {
        return 0.0;
    }
    return bitcast<f32>(arena[at]);
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
        let iy = i32(row % p.out_height * p.step_y + ky * p.dilation_y) - i32(p.pad_y);
        for (var kx = 0u; kx < p.kernel_x; kx++) {
            let columns = (vec4<u32>(x) + vec4<u32>(0u, 1u, 2u, 3u)) * p.step_x + kx * p.dilation_x;
            let ix = vec4<i32>(columns) - vec4<i32>(i32(p.pad_x));
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
    let to = base + p.output / 4u + (row * p.out_width + x) * p.outputs + o;
    for (var i = 0u; i < 4u && x + i < p.out_width; i++) {
        arena[to + i * p.outputs] = bitcast<u32>(clamped(sums[i], p.lo, p.hi));
    }
}
