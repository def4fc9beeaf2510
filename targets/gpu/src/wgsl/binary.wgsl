// Sums, differences and products in int8, with broadcasting.
//
// add: clamp(zero + ((a·ma + b·mb + bias) >> shift)), half of the last step being in the bias. mul: requantize((a − za)·(b − zb), m).
// An invocation makes four elements that follow each other; without broadcasting (`SAME`) their operands are words, too.

struct Params {
    count: u32, stride: u32, a: u32, b: u32,
    output: u32, ma: i32, mb: i32, bias: i32,
    shift: i32, zero: i32, lo: i32, hi: i32,
    za: i32, zb: i32, multiplier: i32, rows: u32,
    dims: vec4<u32>,
    steps_a: vec4<u32>,
    steps_b: vec4<u32>,
}
@group(0) @binding(2) var<uniform> p: Params;

override SAME: bool;
override PRODUCT: bool;

fn result(a: i32, b: i32) -> i32 {
    if PRODUCT {
        return requantize((a - p.za) * (b - p.zb), p.multiplier, vec4<i32>(p.shift, p.zero, p.lo, p.hi));
    }
    return min(max(((a * p.ma + b * p.mb + p.bias) >> u32(p.shift)) + p.zero, p.lo), p.hi);
}

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    var a = vec4<i32>();
    var b = vec4<i32>();
    if SAME {
        a = unpack4xI8(arena[base + p.a / 4u + index]);
        b = unpack4xI8(arena[base + p.b / 4u + index]);
    } else {
        for (var i = 0u; i < 4u; i++) {
            let at = place(4u * index + i);
            a[i] = int8_at(4u * base + p.a + along(at, p.steps_a));
            b[i] = int8_at(4u * base + p.b + along(at, p.steps_b));
        }
    }
    let results = vec4<i32>(result(a.x, b.x), result(a.y, b.y), result(a.z, b.z), result(a.w, b.w));
    arena[base + p.output / 4u + index] = pack4xI8(results);
}
