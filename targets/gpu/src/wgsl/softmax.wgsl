// Softmax in int8 along the last dimension of `n`: e = table[max − x], y = min(⌊256·e / Σe + 1/2⌋ − 128, 127).
//
// An invocation makes four elements that follow each other. It finds the maximum and the sum of their row itself, once for those of them
// that share it: rows are short beside what stands before a softmax, and words may span rows.

struct Params { count: u32, stride: u32, input: u32, output: u32, table: u32, entries: u32, n: u32, len: u32 }
@group(0) @binding(2) var<uniform> p: Params;

fn power(distance: u32) -> u32 {
    if distance >= p.entries {
        return 0u;
    }
    return constant(p.table + distance);
}

// ⌊256·part / whole + 1/2⌋ for part ≤ whole ≤ 2^31, by long division.
fn share(part: u32, whole: u32) -> i32 {
    var rest = part;
    var quotient = 0;
    for (var bit = 0u; bit < 10u; bit++) {
        quotient <<= 1u;
        if rest >= whole {
            rest -= whole;
            quotient |= 1;
        }
        rest <<= 1u;
    }
    return (quotient + 1) >> 1u;
}

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    let input = 4u * base + p.input;
    var last = 0xffffffffu;
    var largest = -128;
    var sum = 0u;
    var results = vec4<i32>();
    for (var i = 0u; i < 4u && 4u * index + i < p.len; i++) {
        let row = (4u * index + i) / p.n;
        if row != last {
            last = row;
            largest = -128;
            sum = 0u;
            for (var k = 0u; k < p.n; k++) {
                largest = max(largest, int8_at(input + row * p.n + k));
            }
            for (var k = 0u; k < p.n; k++) {
                sum += power(u32(largest - int8_at(input + row * p.n + k)));
            }
        }
        let x = int8_at(input + 4u * index + i);
        results[i] = min(share(power(u32(largest - x)), sum) - 128, 127);
    }
    arena[base + p.output / 4u + index] = pack4xI8(results);
}
