// What every kernel begins with: the memory, bytes of it, and the rounding rule of int8.
//
// One buffer holds all values of all inferences of a batch, `stride` words each; int8 lies in it four to a word, in row-major order, as on
// the CPU. One holds all constants, in vectors of four words. The kernel's own numbers are `p`. Numbers of a value are byte addresses, those of
// constants are words, and where it says so vectors.
//
// An invocation writes whole words, so that no two write one: four elements of int8, one of 32 bits.

@group(0) @binding(0) var<storage, read_write> arena: array<u32>;
@group(0) @binding(1) var<storage, read> constants: array<vec4<u32>>;

// The number of this invocation, of those in a grid of at most 65,535 workgroups of 64 a row.
fn number(id: vec3<u32>) -> u32 {
    return id.x + id.y * 4194240u;
}

// One word of the constants.
fn constant(at: u32) -> u32 {
    return constants[at >> 2u][at & 3u];
}

// Four words of the constants from any word on.
fn constants_from(at: u32) -> vec4<u32> {
    return vec4<u32>(constant(at), constant(at + 1u), constant(at + 2u), constant(at + 3u));
}

// The four bytes that begin within `low`, `at` bytes behind its own beginning.
fn shifted(low: u32, high: u32, at: u32) -> u32 {
    let bits = (at & 3u) * 8u;
    return select((low >> bits) | (high << (32u - bits)), low, bits == 0u);
}

// The four bytes from any address on.
fn bytes_from(at: u32) -> u32 {
    return shifted(arena[at >> 2u], arena[(at >> 2u) + 1u], at);
}

// The int8 at an address.
fn int8_at(at: u32) -> i32 {
    return extractBits(bitcast<i32>(arena[at >> 2u]), (at & 3u) * 8u, 8u);
}

// floor((a * m + 2^31) / 2^32), exactly: products of halves, the signs put right, and the half that a carry out of the low word is.
fn product_high(a: i32, m: i32) -> i32 {
    let x = bitcast<u32>(a);
    let y = bitcast<u32>(m);
    let low = (x & 0xffffu) * (y & 0xffffu);
    let middle = (x >> 16u) * (y & 0xffffu) + (low >> 16u);
    let other = (x & 0xffffu) * (y >> 16u) + (middle & 0xffffu);
    var high = (x >> 16u) * (y >> 16u) + (middle >> 16u) + (other >> 16u);
    high -= select(0u, y, a < 0) + select(0u, x, m < 0);
    return bitcast<i32>(high + ((other >> 15u) & 1u));
}

// From a sum to int8: `limits` are shift, zero, lo and hi.
fn requantize(sum: i32, multiplier: i32, limits: vec4<i32>) -> i32 {
    let shift = bitcast<u32>(limits.x);
    let limit = 0x7fffffff >> shift;
    let a = min(max(sum, ~limit), limit) << shift;
    // Beyond 2^30 the limits decide, and the zero point cannot overflow.
    let q = clamp(product_high(a, multiplier), -0x40000000, 0x40000000) + limits.y;
    return min(max(q, limits.z), limits.w);
}

fn requantize4(sums: vec4<i32>, multipliers: vec4<i32>, limits: vec4<i32>) -> vec4<i32> {
    return vec4<i32>(
        requantize(sums.x, multipliers.x, limits),
        requantize(sums.y, multipliers.y, limits),
        requantize(sums.z, multipliers.z, limits),
        requantize(sums.w, multipliers.w, limits),
    );
}

// x within its limits, as on the CPU.
fn clamped(x: f32, lo: f32, hi: f32) -> f32 {
    return select(select(x, hi, x > hi), lo, x < lo);
}
