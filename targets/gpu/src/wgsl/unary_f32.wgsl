// Functions of one number in f32, by their numbers in FORMAT.md, and int8 as real numbers. An invocation makes one element.

struct Params { count: u32, stride: u32, input: u32, output: u32, a: f32, b: f32 }
@group(0) @binding(2) var<uniform> p: Params;

// Number of the function; 100 stands for DequantizeI8, a being the scale and b the zero point.
override FUNCTION: u32;

// 1 / (1 + e^-x), whose power is never infinite.
fn sigmoid(x: f32) -> f32 {
    let power = exp(-abs(x));
    return select(1.0, power, x < 0.0) / (1.0 + power);
}

fn result(x: f32) -> f32 {
    switch FUNCTION {
        case 1u: { return clamped(x, p.a, p.b); }
        case 2u: { return select(x, p.a * x, x < 0.0); }
        case 5u: { return sigmoid(x); }
        case 6u: { return clamped(p.a * x + p.b, 0.0, 1.0); }
        case 7u: { return x * clamped(x / 6.0 + 0.5, 0.0, 1.0); }
        case 8u: { return x * sigmoid(x); }
        case 12u: { return exp(x); }
        case 16u: { return abs(x); }
        case 17u: { return -x; }
        case 22u: { return x * x; }
        default: { return x; }
    }
}

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    var y = 0.0;
    if FUNCTION == 100u {
        y = p.a * (f32(int8_at(4u * base + p.input + index)) - p.b);
    } else {
        y = result(bitcast<f32>(arena[base + p.input / 4u + index]));
    }
    arena[base + p.output / 4u + index] = bitcast<u32>(y);
}
