// Functions of one int8 number: y = table[x + 128]. An invocation makes a word of four.

struct Params { count: u32, stride: u32, input: u32, output: u32, table: u32 }
@group(0) @binding(2) var<uniform> p: Params;

fn looked_up(x: i32) -> i32 {
    let at = u32(x + 128);
    return extractBits(bitcast<i32>(constant(p.table + at / 4u)), at % 4u * 8u, 8u);
}

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    let x = unpack4xI8(arena[base + p.input / 4u + index]);
    let y = vec4<i32>(looked_up(x.x), looked_up(x.y), looked_up(x.z), looked_up(x.w));
    arena[base + p.output / 4u + index] = pack4xI8(y);
}
