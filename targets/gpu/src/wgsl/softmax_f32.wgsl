// Softmax in f32 along the last dimension of `n`: exp(x - max) / Σ exp(x - max). An invocation makes one row.

struct Params { count: u32, stride: u32, input: u32, output: u32, n: u32 }
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    let x = base + p.input / 4u + index * p.n;
    let y = base + p.output / 4u + index * p.n;
    var largest = bitcast<f32>(arena[x]);
    for (var k = 1u; k < p.n; k++) {
        largest = max(largest, bitcast<f32>(arena[x + k]));
    }
    var sum = 0.0;
    for (var k = 0u; k < p.n; k++) {
        let power = exp(bitcast<f32>(arena[x + k]) - largest);
        sum += power;
        arena[y + k] = bitcast<u32>(power);
    }
    for (var k = 0u; k < p.n; k++) {
        arena[y + k] = bitcast<u32>(bitcast<f32>(arena[y + k]) / sum);
    }
}
