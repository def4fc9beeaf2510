// Pools in f32 over the taps inside the image: the average, and the maximum. An invocation makes one element.

struct Params {
    count: u32, stride: u32, input: u32, output: u32,
    divisor: u32, channels: u32, lo: f32, hi: f32,
    height: u32, width: u32, out_height: u32, out_width: u32,
    kernel_y: u32, kernel_x: u32, step_y: u32, step_x: u32,
    dilation_y: u32, dilation_x: u32, pad_y: u32, pad_x: u32,
}
@group(0) @binding(2) var<uniform> p: Params;

override MAXIMUM: bool;

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    let x = index / p.channels % p.out_width;
    let row = index / p.channels / p.out_width;
    let image = row / p.out_height * p.height;
    let first = base + p.input / 4u + index % p.channels;
    var taps = 0u;
    var pooled = select(0.0, p.lo, MAXIMUM);
    for (var ky = 0u; ky < p.kernel_y; ky++) {
        let iy = row_of(row % p.out_height, ky);
        for (var kx = 0u; kx < p.kernel_x; kx++) {
            let ix = column_of(x, kx);
            if u32(iy) < p.height && u32(ix) < p.width {
                let tap = bitcast<f32>(arena[first + ((image + u32(iy)) * p.width + u32(ix)) * p.channels]);
                pooled = select(pooled + tap, max(pooled, tap), MAXIMUM);
                taps++;
            }
        }
    }
    if MAXIMUM {
        pooled = min(pooled, p.hi);
    } else {
        // Divisor 0 stands for the taps inside.
        pooled = clamped(pooled / f32(select(p.divisor, max(taps, 1u), p.divisor == 0u)), p.lo, p.hi);
    }
    arena[base + p.output / 4u + index] = bitcast<u32>(pooled);
}
