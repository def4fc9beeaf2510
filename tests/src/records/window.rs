//! Random windows and images that they fit.

use lacewing::format::Window;
use proptest::prelude::*;

/// An image, a window over it, and the size of what comes out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) batch: u32,
    pub(super) input: [u32; 2],
    pub(super) output: [u32; 2],
    pub(super) window: Window,
}

impl Geometry {
    pub(super) fn input(&self, channels: u32) -> [u32; 4] {
        [self.batch, self.input[0], self.input[1], channels]
    }

    pub(super) fn output(&self, channels: u32) -> [u32; 4] {
        [self.batch, self.output[0], self.output[1], channels]
    }
}

#[derive(Clone, Copy, Debug)]
struct Axis {
    input: u32,
    output: u32,
    kernel: u32,
    stride: u32,
    dilation: u32,
    pad: u32,
}

/// One axis: every padding that the window allows before, every number of outputs, which is every padding after.
fn axis() -> impl Strategy<Value = Axis> {
    let fewer = prop_oneof![3 => Just(0u32), 1 => 0u32..8];
    let kernel = prop_oneof![2 => Just(1u32), 3 => 2u32..=5];
    let dilation = prop_oneof![3 => Just(1u32), 1 => 2u32..=4];
    (1u32..=9, kernel, 1u32..=3, dilation, 0u32..16, fewer).prop_map(|(input, kernel, stride, dilation, pad, fewer)| {
        let pad = pad % ((kernel - 1) * dilation + 1);
        let most = (input + pad).div_ceil(stride);
        Axis { input, output: most - fewer % most, kernel, stride, dilation, pad }
    })
}

pub(super) fn geometry() -> impl Strategy<Value = Geometry> {
    (prop_oneof![3 => Just(1u32), 1 => 2u32..=3], axis(), axis()).prop_map(|(batch, y, x)| Geometry {
        batch,
        input: [y.input, x.input],
        output: [y.output, x.output],
        window: Window {
            kernel: [y.kernel, x.kernel],
            stride: [y.stride, x.stride],
            dilation: [y.dilation, x.dilation],
            pad: [y.pad, x.pad],
        },
    })
}
