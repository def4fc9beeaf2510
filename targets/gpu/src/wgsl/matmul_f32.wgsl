// Products of two computed matrices in f32: clamp(Σ_k a[n,m,r,k] · b, lo, hi), b being [n,m,k,p] or, transposed, [n,m,p,k].
//
// Steps are those of matmul.wgsl. An invocation makes one element.

struct Params {
    count: u32, stride: u32, a: u32, b: u32,
    output: u32, depth: u32, lo: f32, hi: f32,
    batches: u32, rows: u32, columns: u32, unused: u32,
    // Along n, m, the row or the column, and k.
    steps_a: vec4<u32>,
    steps_b: vec4<u32>,
}
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    let column = index % p.columns;
    let row = index / p.columns % p.rows;
    let batch = index / p.columns / p.rows;
    let n = batch / p.batches;
    let m = batch % p.batches;
    var a = base + p.a / 4u + n * p.steps_a.x + m * p.steps_a.y + row * p.steps_a.z;
    var b = base + p.b / 4u + n * p.steps_b.x + m * p.steps_b.y + column * p.steps_b.z;
    var sum = 0.0;
    for (var k = 0u; k < p.depth; k++) {
        sum += bitcast<f32>(arena[a]) * bitcast<f32>(arena[b]);
        a += p.steps_a.w;
        b += p.steps_b.w;
    }
    arena[base + p.output / 4u + index] = bitcast<u32>(clamped(sum, p.lo, p.hi));
}
