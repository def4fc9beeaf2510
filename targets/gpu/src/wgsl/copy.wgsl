// Elements of one, two or four bytes (`SIZE`) that are moved: padded, put one after another, picked by strides or by indices.
//
// An invocation makes one word, element by element: each finds out where it comes from.

struct Params {
    count: u32, stride: u32, input: u32, output: u32,
    // Of pad: its value. Of strided: where the first element is. Of gather: n; and where the indices are, as `outer`, and how many.
    first: u32, outer: u32, parts: u32, inner: u32,
    // Of pad: shapes of the output and the input, and how much stands before it.
    shape: vec4<u32>, source: vec4<u32>, before: vec4<u32>,
    // Of strided: dimensions and strides of six, in two vectors each.
    dims: array<vec4<u32>, 2>, strides: array<vec4<i32>, 2>,
    // Of concat: address and length of each input, two in a vector.
    inputs: array<vec4<u32>, 4>,
}
@group(0) @binding(2) var<uniform> p: Params;

override SIZE: u32;
// 0 pad, 1 concat, 2 strided, 3 gather by int32, 4 gather by f32.
override KIND: u32;

// The element at an address, in the low bits.
fn element(at: u32) -> u32 {
    return extractBits(arena[at >> 2u], (at & 3u) * 8u, 8u * SIZE);
}

fn padded(base: u32, e: u32) -> u32 {
    let row = e / p.shape.w / p.shape.z;
    let to = vec4<u32>(row / p.shape.y, row % p.shape.y, e / p.shape.w % p.shape.z, e % p.shape.w);
    // What stands before the input is far beyond its end then.
    let at = to - p.before;
    if any(at >= p.source) {
        return p.first;
    }
    let index = ((at.x * p.source.y + at.y) * p.source.z + at.z) * p.source.w + at.w;
    return element(base + p.input + index * SIZE);
}

fn concatenated(base: u32, e: u32) -> u32 {
    var rest = e % p.inner;
    for (var i = 0u; i < p.parts; i++) {
        let at = p.inputs[i / 2u][i % 2u * 2u];
        let len = p.inputs[i / 2u][i % 2u * 2u + 1u];
        if rest < len {
            return element(base + at + (e / p.inner * len + rest) * SIZE);
        }
        rest -= len;
    }
    return 0u;
}

fn picked(base: u32, e: u32) -> u32 {
    var rest = e;
    var index = bitcast<i32>(p.first);
    for (var i = 5; i >= 0; i--) {
        let dim = p.dims[i / 4][i % 4];
        index += i32(rest % dim) * p.strides[i / 4][i % 4];
        rest /= dim;
    }
    return element(base + p.input + bitcast<u32>(index) * SIZE);
}

// An index as a place in 0..n: a negative one counts from the end, one outside is the nearest inside; NaN is 0.
fn place(bits: u32) -> u32 {
    var index = bitcast<i32>(bits);
    if KIND == 4u {
        // What is infinite or beyond int32 is clamped like any index outside.
        let x = bitcast<f32>(select(bits, 0u, (bits & 0x7fffffffu) > 0x7f800000u));
        index = i32(clamp(x, -2147483000.0, 2147483000.0));
    }
    let n = bitcast<i32>(p.first);
    return u32(clamp(select(index, index + n, index < 0), 0, n - 1));
}

fn gathered(base: u32, e: u32) -> u32 {
    let j = e / p.inner % p.parts;
    let outer = e / p.inner / p.parts;
    let k = place(arena[(base + p.outer) / 4u + j]);
    return element(base + p.input + ((outer * p.first + k) * p.inner + e % p.inner) * SIZE);
}

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = 4u * id.z * p.stride;
    var word = 0u;
    for (var i = 0u; i < 4u / SIZE; i++) {
        let e = index * (4u / SIZE) + i;
        var bits = 0u;
        switch KIND {
            case 0u: { bits = padded(base, e); }
            case 1u: { bits = concatenated(base, e); }
            case 2u: { bits = picked(base, e); }
            default: { bits = gathered(base, e); }
        }
        word = insertBits(word, bits, i * SIZE * 8u, SIZE * 8u);
    }
    arena[(base + p.output) / 4u + index] = word;
}
