// Where the operands of an element are, each dimension of which has a step, 0 where it is repeated.

// The four indices of an element of the output.
fn place(e: u32) -> vec4<u32> {
    let channel = e % p.dims.w;
    let column = e / p.dims.w % p.dims.z;
    let row = e / p.dims.w / p.dims.z;
    return vec4<u32>(row / p.dims.y, row % p.dims.y, column, channel);
}

fn along(at: vec4<u32>, steps: vec4<u32>) -> u32 {
    return at.x * steps.x + at.y * steps.y + at.z * steps.z + at.w * steps.w;
}

