// Products of two computed matrices in int8: requantize(Σ_k (a[n,m,r,k] − za)·(b − zb), m), b being [n,m,k,p] or, transposed, [n,m,p,k].
//
// Steps say how far apart neighbors along n, m, k and the row or column are, 0 where a batch repeats. An invocation makes four elements
// that follow each other.

struct Params {
    count: u32, stride: u32, a: u32, b: u32,
    output: u32, depth: u32, za: i32, zb: i32,
    shift: i32, zero: i32, lo: i32, hi: i32,
    multiplier: i32, batches: u32, rows: u32, columns: u32,
    // Along n, m, the row or the column, and k.
    steps_a: vec4<u32>,
    steps_b: vec4<u32>,
}
@group(0) @binding(2) var<uniform> p: Params;

fn element(base: u32, e: u32) -> i32 {
    let column = e % p.columns;
    let row = e / p.columns % p.rows;
    let batch = e / p.columns / p.rows;
    let n = batch / p.batches;
    let m = batch % p.batches;
    var a = base + p.a + n * p.steps_a.x + m * p.steps_a.y + row * p.steps_a.z;
    var b = base + p.b + n * p.steps_b.x + m * p.steps_b.y + column * p.steps_b.z;
    var sum = 0;
    for (var k = 0u; k < p.depth; k++) {
        sum += (int8_at(a) - p.za) * (int8_at(b) - p.zb);
        a += p.steps_a.w;
        b += p.steps_b.w;
    }
    return requantize(sum, p.multiplier, vec4<i32>(p.shift, p.zero, p.lo, p.hi));
}

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = 4u * id.z * p.stride;
    var results = vec4<i32>();
    for (var i = 0u; i < 4u; i++) {
        results[i] = element(base, 4u * index + i);
    }
    arena[(base + p.output) / 4u + index] = pack4xI8(results);
}
