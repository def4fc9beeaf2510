// Where the taps of a window read: rows and columns of the input, negative or beyond it where they are outside.

fn row_of(y: u32, ky: u32) -> i32 {
    return i32(y * p.step_y + ky * p.dilation_y) - i32(p.pad_y);
}

fn column_of(x: u32, kx: u32) -> i32 {
    return i32(x * p.step_x + kx * p.dilation_x) - i32(p.pad_x);
}

// Those of four pixels from x on.
fn columns_of(x: u32, kx: u32) -> vec4<i32> {
    let columns = (vec4<u32>(x) + vec4<u32>(0u, 1u, 2u, 3u)) * p.step_x + kx * p.dilation_x;
    return vec4<i32>(columns) - vec4<i32>(i32(p.pad_x));
}

