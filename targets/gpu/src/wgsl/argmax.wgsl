// The index of the largest of n int8 numbers, the first of equals: x is [outer][n][inner], y is [outer][inner] in int32, or f32 (`REAL`).
// An invocation makes one.

struct Params { count: u32, stride: u32, input: u32, output: u32, n: u32, inner: u32 }
@group(0) @binding(2) var<uniform> p: Params;

override REAL: bool;

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    let first = 4u * base + p.input + index / p.inner * p.n * p.inner + index % p.inner;
    var largest = int8_at(first);
    var best = 0u;
    for (var k = 1u; k < p.n; k++) {
        let x = int8_at(first + k * p.inner);
        if x > largest {
            largest = x;
            best = k;
        }
    }
    arena[base + p.output / 4u + index] = select(best, bitcast<u32>(f32(best)), REAL);
}
