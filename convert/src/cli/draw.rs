//! Gray images in the terminal: two pixels in each character by its colors, or one by the weight of an ASCII character.

use ndarray::Array2;

/// An image with a caption below.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// Brightness 0..1, `[row][column]`.
    pub(super) pixels: Array2<f32>,
    /// Lines below the image, with their width in characters; escape codes do not count.
    pub(super) caption: Vec<(String, usize)>,
}

/// ASCII characters from dark to bright.
const RAMP: &[u8] = b" .:-=+*#%@";
/// Columns between two images.
const GAP: usize = 2;

/// Draws images side by side, `across` in a row, in `width` columns of the terminal; none larger than it is.
pub(super) fn gallery(pictures: &[Picture], across: usize, width: usize, color: bool) -> String {
    let mut text = String::new();
    for row in pictures.chunks(across.max(1)) {
        let columns = (width.saturating_sub(GAP * (across - 1)) / across).max(4);
        strip(row, columns, color).into_iter().for_each(|line| {
            text.push_str(line.trim_end());
            text.push('\n');
        });
    }
    text
}

/// The lines of one row of images, each image `columns` wide.
fn strip(row: &[Picture], columns: usize, color: bool) -> Vec<String> {
    let blocks: Vec<Vec<(String, usize)>> = row.iter().map(|picture| block(picture, columns, color)).collect();
    let height = blocks.iter().map(Vec::len).max().unwrap_or(0);
    let line = |y: usize| {
        let cells = blocks.iter().map(|block| {
            let (text, width) = block.get(y).cloned().unwrap_or_default();
            text + &" ".repeat((columns + GAP).saturating_sub(width))
        });
        cells.collect()
    };
    (0..height).map(line).collect()
}

/// The lines of one image and its caption, each with its width.
fn block(picture: &Picture, columns: usize, color: bool) -> Vec<(String, usize)> {
    let (rows, across) = picture.pixels.dim();
    let width = columns.min(across);
    let height = (rows * width / across.max(1)).next_multiple_of(2);
    let small = resized(&picture.pixels, height, width);
    let line = |y: usize| if color { half_blocks(&small, y) } else { letters(&small, y) };
    let lines = (0..height / 2).map(|y| (line(2 * y), width));
    lines.chain(picture.caption.iter().cloned()).collect()
}

/// Each pixel the mean of the area that it covers.
fn resized(image: &Array2<f32>, height: usize, width: usize) -> Array2<f32> {
    let (rows, columns) = image.dim();
    let span = |i: usize, of: usize, into: usize| {
        let start = i * of / into;
        start..((i + 1) * of / into).max(start + 1)
    };
    Array2::from_shape_fn((height, width), |(y, x)| {
        let (ys, xs) = (span(y, rows, height), span(x, columns, width));
        let area = image.slice(ndarray::s![ys, xs]);
        area.mean().unwrap_or(0.0)
    })
}

/// Rows `y` and `y + 1`: the upper half of each character in the color of the one, the lower in that of the other.
fn half_blocks(image: &Array2<f32>, y: usize) -> String {
    let gray = |row: usize, x: usize| 232 + (image[[row, x]].clamp(0.0, 1.0) * 23.0).round() as u8;
    let cells = (0..image.ncols()).map(|x| format!("\x1b[38;5;{};48;5;{}m▀", gray(y, x), gray(y + 1, x)));
    cells.collect::<String>() + "\x1b[0m"
}

/// The mean of rows `y` and `y + 1` as letters.
fn letters(image: &Array2<f32>, y: usize) -> String {
    let steps = (RAMP.len() - 1) as f32;
    let weight = |x: usize| ((image[[y, x]] + image[[y + 1, x]]).clamp(0.0, 2.0) / 2.0 * steps).round() as usize;
    (0..image.ncols()).map(|x| char::from(RAMP[weight(x)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(caption: &str) -> Picture {
        let pixels = Array2::from_shape_fn((4, 4), |(y, _)| y as f32 / 3.0);
        Picture { pixels, caption: vec![(caption.to_string(), caption.len())] }
    }

    #[test]
    fn images_stand_side_by_side_with_their_captions() {
        let text = gallery(&[picture("one"), picture("two"), picture("three")], 2, 10, false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines, ["::::  ::::", "%%%%  %%%%", "one   two", "::::", "%%%%", "three"]);
    }

    #[test]
    fn images_shrink_to_the_width_and_never_grow() {
        let wide = gallery(&[picture("")], 1, 100, false);
        assert_eq!(wide.lines().next().unwrap().len(), 4);
        let mut large = picture("");
        large.pixels = Array2::from_elem((28, 28), 1.0);
        let text = gallery(&[large], 1, 14, false);
        assert_eq!(text.lines().filter(|line| !line.is_empty()).count(), 7);
        assert!(text.starts_with(&"@".repeat(14)));
    }

    #[test]
    fn colors_are_grays_from_black_to_white() {
        let text = gallery(&[picture("")], 1, 4, true);
        assert!(text.contains("\x1b[38;5;232;48;5;240m▀") && text.contains("48;5;255m▀"), "{text:?}");
    }
}
