// Weighted sums of neighbors along one axis: y[o, j, i] = Σ_t w[j][t] · x[o, first[j] + t, i], x being [outer][n][inner]; a place beyond the
// end is n − 1. int8: weights are in units of 2^-14, y = sat8((S + 2^13) >> 14), and an invocation makes four elements that follow
// each other. f32 (`REAL`): it makes one.

struct Params {
    count: u32, stride: u32, input: u32, output: u32,
    first: u32, weights: u32, taps: u32, n: u32,
    inner: u32, outputs: u32,
}
@group(0) @binding(2) var<uniform> p: Params;

override REAL: bool;

// Where the taps of element `e` begin: the number of its output along the axis, the element of x at place 0, and the first place.
fn begin(e: u32) -> vec3<u32> {
    let j = e / p.inner % p.outputs;
    let outer = e / p.inner / p.outputs;
    return vec3<u32>(j, outer * p.n * p.inner + e % p.inner, constant(p.first + j));
}

fn integer(base: u32, e: u32) -> i32 {
    let start = begin(e);
    var place = start.z;
    var sum = 1 << 13u;
    for (var t = 0u; t < p.taps; t++) {
        place = min(place, p.n - 1u);
        let w = bitcast<i32>(constant(p.weights + start.x * p.taps + t));
        sum += w * int8_at(4u * base + p.input + start.y + place * p.inner);
        place++;
    }
    return clamp(sum >> 14u, -128, 127);
}

fn real(base: u32, e: u32) -> f32 {
    let start = begin(e);
    var place = start.z;
    var sum = 0.0;
    for (var t = 0u; t < p.taps; t++) {
        place = min(place, p.n - 1u);
        let w = bitcast<f32>(constant(p.weights + start.x * p.taps + t));
        sum += w * bitcast<f32>(arena[base + p.input / 4u + start.y + place * p.inner]);
        place++;
    }
    return sum;
}

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    var word = 0u;
    if REAL {
        word = bitcast<u32>(real(base, index));
    } else {
        let e = 4u * index;
        let four = vec4<i32>(integer(base, e), integer(base, e + 1u), integer(base, e + 2u), integer(base, e + 3u));
        word = pack4xI8(four);
    }
    arena[base + p.output / 4u + index] = word;
}
