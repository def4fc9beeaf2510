//! From a picture to a model's input: resized, cut, colored, scaled, and laid out, as the model's metadata says.
//!
//! Equations are in `FORMAT.md`, "Preprocessing". The tools do this to files, a program to the frames of its camera, with the same numbers.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::ops::Range;

use lacewing::format::metadata::{self, Item};
use lacewing::format::preprocessing::{Color, Image, Method, Preprocessing, Resize};
use lacewing::{Model, Ops};

/// Red, green and blue of each pixel, row by row, whatever the size.
#[derive(Clone, Debug)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u16>,
}

impl Picture {
    /// A picture of colors of 16 bits; `None` unless there are three for each pixel, and a pixel.
    #[must_use]
    pub fn new(width: usize, height: usize, rgb: Vec<u16>) -> Option<Self> {
        let numbers = width.checked_mul(height)?.checked_mul(3)?;
        (numbers > 0 && numbers == rgb.len()).then_some(Self { width, height, rgb })
    }

    /// A picture of colors of 8 bits, as cameras give them; `None` as for [`Picture::new`].
    #[must_use]
    pub fn of_bytes(width: usize, height: usize, rgb: &[u8]) -> Option<Self> {
        Self::new(width, height, rgb.iter().map(|byte| u16::from(*byte) * 257).collect())
    }
}

/// Where a color's numbers stand in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    width: usize,
    height: usize,
    channels_first: bool,
}

/// The way from pictures to one input.
///
/// ```
/// use lacewing_targets::pixels::{Picture, Pixels};
/// let gray = Pixels::new(&Pixels::plain(&[1, 1, 1, 2], 1.0, 0.0), &[1, 1, 1, 2]).unwrap();
/// let picture = Picture::of_bytes(2, 1, &[255, 255, 255, 0, 0, 0]).unwrap();
/// assert_eq!(gray.reals(&picture).unwrap(), [255.0, 0.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Pixels {
    image: Image,
    place: Place,
}

impl Pixels {
    /// The way to a model's first input that its metadata says. Where it says none, pixels are the numbers 0..=255, stretched to the input's size.
    ///
    /// # Errors
    /// The reason why the model takes no image.
    pub fn of<O: Ops>(model: &Model<'_, O>) -> Result<Self, String> {
        let input = model.inputs().next().ok_or("the model has no input")?;
        let shape: Vec<usize> = input.shape().iter().map(|dim| *dim as usize).collect();
        let said = metadata::read(model.metadata_bytes()).into_iter().find_map(|item| match item {
            Item::Preprocessing(said) => Some(said),
            _ => None,
        });
        let image = match said {
            Some(Preprocessing::Image(image)) => image,
            Some(_) => return Err("the model takes sounds, not images".into()),
            None => Self::plain(&shape, 1.0, 0.0),
        };
        Self::new(&image, &shape).map_err(|reason| format!("the input `{}` {reason}", input.name()))
    }

    /// The way that `image` says, to an input of a shape that has it.
    ///
    /// # Errors
    /// The reason why that cannot be done, to be read behind the name of the input.
    pub fn new(image: &Image, shape: &[usize]) -> Result<Self, String> {
        let channels = image.color.channels();
        let place = place(shape, channels, image.resize).ok_or_else(|| {
            let color = format!("{:?}", image.color).to_ascii_lowercase();
            format!("of shape {shape:?} takes no {color} image; set `color` to its channels")
        })?;
        for (what, numbers) in [("mean", &image.mean), ("scale", &image.scale)] {
            if ![1, channels].contains(&numbers.len()) || numbers.iter().any(|number| !number.is_finite()) {
                return Err(format!("takes one finite number as `{what}`, or {channels}, one for each channel"));
            }
        }
        Ok(Self { image: image.clone(), place })
    }

    /// What is meant for an input where nothing but a scale and a zero are given: gray if it has one channel, stretched to its size.
    #[must_use]
    pub fn plain(shape: &[usize], scale: f32, zero: f32) -> Image {
        let gray = place(shape, 1, Resize::Input).is_some();
        let color = if gray { Color::Gray } else { Color::Rgb };
        Image { color, mean: vec![zero], scale: vec![scale], ..Image::default() }
    }

    /// The numbers of the input, in its order.
    ///
    /// # Errors
    /// The reason, for a picture that is too small for what is cut out of it.
    pub fn reals(&self, picture: &Picture) -> Result<Vec<f32>, String> {
        let Place { width, height, .. } = self.place;
        let (across, down) = (picture.width, picture.height);
        let size = resized([across, down], [width, height], self.image.resize);
        if size[0] < width || size[1] < height {
            return Err(format!("resized to {}x{} it is smaller than the input, {width}x{height}", size[0], size[1]));
        }
        let columns = taps(self.image.method, across, size[0], center(size[0], width));
        let rows = taps(self.image.method, down, size[1], center(size[1], height));
        Ok(self.laid_out(&weighed(picture, &columns, &rows)))
    }

    /// The numbers of pixels 0..=255 that stand in the input's order and size already.
    #[must_use]
    pub fn scaled(&self, pixels: &[f32]) -> Vec<f32> {
        let channels = self.image.color.channels();
        let channel = |i: usize| match self.place.channels_first {
            true => i * channels / pixels.len().max(1),
            false => i % channels,
        };
        pixels.iter().enumerate().map(|(i, pixel)| self.real(*pixel, channel(i))).collect()
    }

    fn real(&self, pixel: f32, channel: usize) -> f32 {
        let of = |numbers: &[f32]| numbers.get(channel).or(numbers.first()).copied().unwrap_or_default();
        (pixel - of(&self.image.mean)) * of(&self.image.scale)
    }

    fn laid_out(&self, pixels: &[[f32; 3]]) -> Vec<f32> {
        let colored = pixels.iter().map(|pixel| colored(self.image.color, *pixel));
        let channels = self.image.color.channels();
        let interleaved: Vec<f32> = match self.place.channels_first {
            false => colored.flat_map(|pixel| pixel.into_iter().take(channels)).collect(),
            true => {
                let colored: Vec<[f32; 3]> = colored.collect();
                (0..channels).flat_map(|channel| colored.iter().map(move |pixel| pixel[channel])).collect()
            }
        };
        self.scaled(&interleaved)
    }
}

/// Which dimensions of an input are what. A flat input has the size that `resize` names.
fn place(shape: &[usize], channels: usize, resize: Resize) -> Option<Place> {
    let one = |shape: &[usize]| match *shape {
        [c, height, width] if c == channels => Some(Place { width, height, channels_first: true }),
        [height, width, c] if c == channels => Some(Place { width, height, channels_first: false }),
        [height, width] if channels == 1 && height > 1 => Some(Place { width, height, channels_first: true }),
        _ => None,
    };
    let flat = || match resize {
        Resize::Exact(width, height) => {
            let (width, height) = (width as usize, height as usize);
            let elements = width.checked_mul(height)?.checked_mul(channels)?;
            let place = Place { width, height, channels_first: false };
            (shape.len() <= 2 && shape.iter().product::<usize>() == elements).then_some(place)
        }
        _ => None,
    };
    match shape {
        [1, rest @ ..] if rest.len() == 3 => one(rest),
        _ => one(shape).or_else(flat),
    }
}

/// Width and height of the whole image before its center is cut out.
fn resized([width, height]: [usize; 2], input: [usize; 2], resize: Resize) -> [usize; 2] {
    match resize {
        Resize::Input => input,
        Resize::Exact(width, height) => [width as usize, height as usize],
        Resize::Shorter(shorter) => {
            let shorter = shorter as usize;
            let [long, short] = [width.max(height), width.min(height).max(1)];
            let longer = shorter.saturating_mul(long) / short;
            if width < height { [shorter, longer] } else { [longer, shorter] }
        }
    }
}

fn center(size: usize, wanted: usize) -> Range<usize> {
    let first = (size - wanted) / 2;
    first..first + wanted
}

/// What makes one new pixel: the first old one and the weights from there on, whose sum is 1.
type Taps = (usize, Vec<f32>);

/// The taps of the new pixels `range` where `old` pixels become `new` ones, `s = old / new`. New pixel o lies at `c = (o + ½)·s − ½`.
/// Bilinear weighs old pixel i by `max(0, 1 − |i − c| / r)`, with r = 1, or `max(1, s)` to be free of aliases;
/// area by what `[i, i + 1)` and `[o·s, (o + 1)·s)` have in common.
fn taps(method: Method, old: usize, new: usize, range: Range<usize>) -> Vec<Taps> {
    let s = old as f64 / new as f64;
    let reach = if method == Method::Bilinear { 1.0 } else { s.max(1.0) };
    let weight = |i: f64, o: f64| match method {
        Method::Area => (i + 1.0).min((o + 1.0) * s) - i.max(o * s),
        _ => 1.0 - (i - ((o + 0.5) * s - 0.5)).abs() / reach,
    };
    let tap = |o: usize| {
        let center = (o as f64 + 0.5) * s - 0.5;
        let (from, to) = ((center - reach).max(0.0) as usize, ceil(center + reach));
        let weights = (from..=to.min(old - 1)).map(|i| weight(i as f64, o as f64).max(0.0));
        let total: f64 = weights.clone().sum();
        (from, weights.map(|weight| (weight / total) as f32).collect())
    };
    range.map(tap).collect()
}

/// The least integer that is not below a positive number; core has no `ceil`.
fn ceil(number: f64) -> usize {
    let whole = number as usize;
    whole + usize::from(number > whole as f64)
}

/// Pixels 0..=255, row by row, of the columns and rows that `columns` and `rows` make.
fn weighed(picture: &Picture, columns: &[Taps], rows: &[Taps]) -> Vec<[f32; 3]> {
    let first = rows.first().map_or(0, |(first, _)| *first);
    let end = rows.iter().map(|(first, weights)| first + weights.len()).max().unwrap_or(0);
    let stride = 3 * picture.width;
    let lines: Vec<Vec<[f32; 3]>> =
        picture.rgb.chunks_exact(stride).take(end).skip(first).map(|line| across(line, columns)).collect();
    let down = |(from, weights): &Taps| -> Vec<[f32; 3]> {
        let mut sums = vec![[0.0; 3]; columns.len()];
        for (line, weight) in lines[from - first..].iter().zip(weights) {
            sums.iter_mut().zip(line).for_each(|(sum, pixel)| add(sum, *pixel, *weight));
        }
        sums
    };
    rows.iter().flat_map(down).collect()
}

fn across(line: &[u16], columns: &[Taps]) -> Vec<[f32; 3]> {
    let sum = |(from, weights): &Taps| {
        let mut sum = [0.0; 3];
        for (pixel, weight) in line[3 * from..].chunks_exact(3).zip(weights) {
            add(&mut sum, [pixel[0], pixel[1], pixel[2]].map(|sixteen| f32::from(sixteen) / 257.0), *weight);
        }
        sum
    };
    columns.iter().map(sum).collect()
}

fn add(sum: &mut [f32; 3], pixel: [f32; 3], weight: f32) {
    sum.iter_mut().zip(pixel).for_each(|(sum, channel)| *sum += weight * channel);
}

/// The pixel in the order of `color`; of gray only the first number counts.
fn colored(color: Color, [r, g, b]: [f32; 3]) -> [f32; 3] {
    match color {
        Color::Rgb => [r, g, b],
        Color::Bgr => [b, g, r],
        Color::Gray => [(0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b)) as f32; 3],
    }
}
