// Convolution and fully connected layer in int8: S[pixel, o] = b[o] + Σ w[o][tap][c] · x[tap of pixel][c], requantized.
//
// Outputs are cut into blocks of four, of one group each; a vector of weights has four channels of each of its outputs, and the vectors lie
// as [plane][tap][⌈C'/4⌉][block], so that neighbors read neighbors. Channels beyond C' have the weight 0, so what stands behind a pixel's
// channels is of no matter. A tap outside the image reads the input's zero point. Weights less their zero points exceed int8: they are
// the sum of some planes of int8.
//
// `tile`: an invocation makes four pixels of a row by one block, every weight is read once for four pixels, every pixel's word for four
// outputs. It wants whole blocks (four divides the outputs of a group). `words`: four elements one after another in memory, whatever their
// pixels and blocks; a block's sums are computed once for those of them that share it.

struct Params {
    count: u32, stride: u32, input: u32, output: u32,
    weights: u32, bias: u32, multipliers: u32, plane: u32,
    shift: i32, zero: i32, lo: i32, hi: i32,
    height: u32, width: u32, channels: u32, depth: u32,
    out_height: u32, out_width: u32, outputs: u32, tiles: u32,
    kernel_y: u32, kernel_x: u32, step_y: u32, step_x: u32,
    dilation_y: u32, dilation_x: u32, pad_y: u32, pad_x: u32,
    group: u32, group_outputs: u32, group_blocks: u32, blocks: u32,
    padding: u32,
}
@group(0) @binding(2) var<uniform> p: Params;

// Whether all channels of a group begin at words.
override ALIGNED: bool;
// Planes of weights.
override PLANES: u32;

fn input_word(at: u32, inside: bool) -> u32 {
    if !inside {
        return p.padding;
    }
    if ALIGNED {
        return arena[at >> 2u];
    }
    return bytes_from(at);
}

fn products(x: u32, at: u32) -> vec4<i32> {
    let w = constants[at];
    var dots = vec4<i32>(dot4I8Packed(x, w.x), dot4I8Packed(x, w.y), dot4I8Packed(x, w.z), dot4I8Packed(x, w.w));
    for (var plane = 1u; plane < PLANES; plane++) {
        let v = constants[at + plane * p.plane];
        dots += vec4<i32>(dot4I8Packed(x, v.x), dot4I8Packed(x, v.y), dot4I8Packed(x, v.z), dot4I8Packed(x, v.w));
    }
    return dots;
}

// The address of the channels that a block of a batch's image reads, in its first pixel.
fn first_channel(base: u32, image: u32, block: u32) -> u32 {
    return base * 4u + p.input + image * p.height * p.width * p.channels + block / p.group_blocks * p.group;
}

fn rounded(sums: vec4<i32>, block: u32) -> vec4<i32> {
    let limits = vec4<i32>(p.shift, p.zero, p.lo, p.hi);
    return requantize4(sums, bitcast<vec4<i32>>(constants[p.multipliers + block]), limits);
}

// A pixel's sums of one block. `row` counts rows of all images.
fn block_sums(base: u32, row: u32, x: u32, block: u32) -> vec4<i32> {
    let first = first_channel(base, row / p.out_height, block);
    var sums = bitcast<vec4<i32>>(constants[p.bias + block]);
    var weight = p.weights + block;
    for (var ky = 0u; ky < p.kernel_y; ky++) {
        let iy = row_of(row % p.out_height, ky);
        for (var kx = 0u; kx < p.kernel_x; kx++) {
            let ix = column_of(x, kx);
            let inside = u32(iy) < p.height && u32(ix) < p.width;
            let at = first + (u32(iy) * p.width + u32(ix)) * p.channels;
            for (var c = 0u; c < p.depth; c++) {
                sums += products(input_word(at + 4u * c, inside), weight);
                weight += p.blocks;
            }
        }
    }
    return sums;
}

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    var last = vec2<u32>(0xffffffffu);
    var made = vec4<i32>();
    var results = vec4<i32>();
    for (var i = 0u; i < 4u; i++) {
        let pixel = (4u * index + i) / p.outputs;
        let o = (4u * index + i) % p.outputs;
        let in_group = o % p.group_outputs;
        let block = o / p.group_outputs * p.group_blocks + in_group / 4u;
        if last.x != pixel || last.y != block {
            last = vec2<u32>(pixel, block);
            made = rounded(block_sums(base, pixel / p.out_width, pixel % p.out_width, block), block);
        }
        results[i] = made[in_group % 4u];
    }
    arena[base + p.output / 4u + index] = pack4xI8(results);
}

@compute @workgroup_size(64)
fn tile(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    let block = index % p.blocks;
    let x = index / p.blocks % p.tiles * 4u;
    let row = index / p.blocks / p.tiles;
    let first = first_channel(base, row / p.out_height, block);
    let bias = bitcast<vec4<i32>>(constants[p.bias + block]);
    var s0 = bias;
    var s1 = bias;
    var s2 = bias;
    var s3 = bias;
    var weight = p.weights + block;
    for (var ky = 0u; ky < p.kernel_y; ky++) {
        let iy = row_of(row % p.out_height, ky);
        for (var kx = 0u; kx < p.kernel_x; kx++) {
            let ix = columns_of(x, kx);
            let inside = (vec4<u32>(ix) < vec4<u32>(p.width)) & vec4<bool>(u32(iy) < p.height);
            let at = first + (u32(iy) * p.width + vec4<u32>(ix)) * p.channels;
            for (var c = 0u; c < p.depth; c++) {
                let byte = 4u * c;
                s0 += products(input_word(at.x + byte, inside.x), weight);
                s1 += products(input_word(at.y + byte, inside.y), weight);
                s2 += products(input_word(at.z + byte, inside.z), weight);
                s3 += products(input_word(at.w + byte, inside.w), weight);
                weight += p.blocks;
            }
        }
    }
    let to = base + p.output / 4u + (row * p.out_width + x) * p.blocks + block;
    arena[to] = pack4xI8(rounded(s0, block));
    if x + 1u < p.out_width {
        arena[to + p.blocks] = pack4xI8(rounded(s1, block));
    }
    if x + 2u < p.out_width {
        arena[to + 2u * p.blocks] = pack4xI8(rounded(s2, block));
    }
    if x + 3u < p.out_width {
        arena[to + 3u * p.blocks] = pack4xI8(rounded(s3, block));
    }
}
