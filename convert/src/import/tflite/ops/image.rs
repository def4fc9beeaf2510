//! Images made larger or smaller.

use crate::error::ConvertError;
use crate::import::tflite::onnx::{int, string};
use crate::import::tflite::schema::{
    DepthToSpaceOptions, ResizeBilinearOptions, ResizeNearestNeighborOptions, SpaceToDepthOptions,
};
use crate::import::tflite::translation::{Op, Translation};

/// RESIZE_BILINEAR to the height and width in input 1.
pub(super) fn resize_bilinear(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: ResizeBilinearOptions<'_> = op.options()?;
    resize(t, op, "linear", o.align_corners(), o.half_pixel_centers())
}

/// RESIZE_NEAREST_NEIGHBOR to the height and width in input 1.
pub(super) fn resize_nearest(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: ResizeNearestNeighborOptions<'_> = op.options()?;
    resize(t, op, "nearest", o.align_corners(), o.half_pixel_centers())
}

/// The nearest is rounded down, but half up where pixels have centers or corners are aligned.
fn resize(t: &mut Translation<'_>, op: &Op<'_>, mode: &str, corners: bool, centers: bool) -> Result<(), ConvertError> {
    let (coordinates, nearest) = match (corners, centers) {
        (true, true) => return Err(op.error("aligns corners of pixels that have centers, which contradict each other")),
        (true, false) => ("align_corners", "round_prefer_ceil"),
        (false, true) => ("half_pixel", "round_prefer_ceil"),
        (false, false) => ("asymmetric", "floor"),
    };
    let [batch, _, _, channels] = t.image(op, 0)?;
    let sizes = t.constants(op, 1)?;
    let &[height, width] = sizes.as_slice() else {
        return Err(op.error(format!("has the sizes {sizes:?}")));
    };
    let sizes = t.int64s(op, "sizes", &[batch as i64, channels as i64, height, width])?;
    let x = t.read(op, 0)?;
    let x = t.channels_first(op, &x)?;
    let mut attributes = vec![string("mode", mode), string("coordinate_transformation_mode", coordinates)];
    if mode == "nearest" {
        attributes.push(string("nearest_mode", nearest));
    }
    let y = t.emit(op, "Resize", &[&x, "", "", &sizes], attributes)?;
    t.write_channels_first(op, 0, &y)
}

/// DEPTH_TO_SPACE: a pixel's channels become a block of pixels, depth last.
pub(super) fn depth_to_space(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let size = op.options::<DepthToSpaceOptions<'_>>()?.block_size();
    blocks(t, op, "DepthToSpace", size)
}

/// SPACE_TO_DEPTH: the reverse.
pub(super) fn space_to_depth(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let size = op.options::<SpaceToDepthOptions<'_>>()?.block_size();
    blocks(t, op, "SpaceToDepth", size)
}

fn blocks(t: &mut Translation<'_>, op: &Op<'_>, onnx: &str, size: i32) -> Result<(), ConvertError> {
    if size < 1 {
        return Err(op.error(format!("has blocks of {size}")));
    }
    let x = t.read(op, 0)?;
    let x = t.channels_first(op, &x)?;
    let y = t.emit(op, onnx, &[&x], vec![int("blocksize", size.into())])?;
    t.write_channels_first(op, 0, &y)
}
