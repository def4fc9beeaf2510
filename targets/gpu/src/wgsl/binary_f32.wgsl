// Sums, differences and products in f32, with broadcasting. An invocation makes one element.

struct Params {
    count: u32, stride: u32, a: u32, b: u32,
    output: u32, lo: f32, hi: f32, rows: u32,
    dims: vec4<u32>,
    steps_a: vec4<u32>,
    steps_b: vec4<u32>,
}
@group(0) @binding(2) var<uniform> p: Params;

// 0 sum, 1 difference, 2 product.
override KIND: u32;

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    let at = place(index);
    let a = bitcast<f32>(arena[base + p.a / 4u + along(at, p.steps_a)]);
    let b = bitcast<f32>(arena[base + p.b / 4u + along(at, p.steps_b)]);
    var result = a + b;
    switch KIND {
        case 1u: { result = a - b; }
        case 2u: { result = a * b; }
        default: {}
    }
    arena[base + p.output / 4u + index] = bitcast<u32>(clamped(result, p.lo, p.hi));
}
