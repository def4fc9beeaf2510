//! Images: files decoded.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::{ImageReader, Limits};
use lacewing_targets::pixels::Picture;

/// Ends of the names of files that are read.
pub(super) const ENDINGS: [&str; 3] = ["jpeg", "jpg", "png"];

/// Bytes that a decoder may allocate, and pixels of a side.
const LIMIT: (u64, u32) = (512 << 20, 1 << 14);

/// The picture in a file, whatever its colors; an alpha channel is left out.
pub(super) fn decoded(path: &Path) -> Result<Picture, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(LIMIT.0);
    (limits.max_image_width, limits.max_image_height) = (Some(LIMIT.1), Some(LIMIT.1));
    reader.limits(limits);
    let image = reader.decode().map_err(|error| error.to_string())?.into_rgb16();
    let (width, height) = (image.width() as usize, image.height() as usize);
    Picture::new(width, height, image.into_raw()).ok_or_else(|| "has no pixel".into())
}
