//! From a recording to an input: what the TOML file says, checked against the model.

use std::fs;
use std::path::Path;

use lacewing::format::preprocessing::{Image, Preprocessing, Sound};
use lacewing_targets::pixels::Pixels;
use ndarray::{ArrayD, IxDyn};
use serde::Deserialize;

use super::sound::{self, Clip};
use super::{DataError, InputSpec, Scaling, image};

/// What the TOML file says: a table `[image]` or `[sound]` with the fields of
/// [`Image`] or [`Sound`], and before it, if classes are not in the order of their names,
/// `labels = ["silence", "yes", …]` in the order of the model's output. `lacewing convert --help` has an example of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The way from a recording to an input.
    pub preprocessing: Preprocessing,
    /// The classes in the order of the output, if the file has them.
    pub labels: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    labels: Option<Vec<String>>,
    image: Option<Image>,
    sound: Option<Sound>,
}

impl Recipe {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// The file is missing, is no TOML, has a key that is unknown, lacks one that is needed, or has not one of the two tables.
    pub fn read(path: &Path) -> Result<Recipe, DataError> {
        let text = fs::read_to_string(path).map_err(|error| DataError::Unreadable { path: path.into(), error })?;
        Recipe::parse(&text).map_err(|reason| DataError::Recipe { path: path.into(), reason })
    }

    fn parse(text: &str) -> Result<Recipe, String> {
        let Tables { labels, image, sound } = toml::from_str(text).map_err(|error| error.to_string())?;
        let preprocessing = match (image, sound) {
            (Some(image), None) => Preprocessing::Image(image),
            (None, Some(sound)) => Preprocessing::Sound(sound),
            _ => return Err("one table is needed, [image] or [sound]".into()),
        };
        Ok(Recipe { preprocessing, labels })
    }
}

/// Images as `scaling` alone would have them: stretched to the input, gray if that has one channel.
#[must_use]
pub fn plain_images(input: &InputSpec, scaling: Scaling) -> Preprocessing {
    Preprocessing::Image(Pixels::plain(&input.shape, scaling.scale as f32, scaling.zero as f32))
}

/// Turns recordings into one model's input.
#[derive(Clone, Debug)]
pub struct Preprocessor {
    way: Way,
    input: InputSpec,
}

#[derive(Clone, Debug)]
enum Way {
    Image(Pixels),
    Sound(Box<Clip>),
}

impl Preprocessor {
    /// Checks that `preprocessing` gives what the only input of a model takes.
    ///
    /// # Errors
    ///
    /// There are several inputs, the shapes do not fit, or a parameter is out of its range.
    pub fn new(preprocessing: &Preprocessing, inputs: &[InputSpec]) -> Result<Preprocessor, DataError> {
        let [input] = inputs else { return Err(DataError::SeveralInputs { inputs: inputs.len() }) };
        let way = match preprocessing {
            Preprocessing::Image(image) => Pixels::new(image, &input.shape).map(Way::Image),
            Preprocessing::Sound(sound) => Clip::new(sound, input).map(|clip| Way::Sound(Box::new(clip))),
            _ => Err("has preprocessing that this version does not know".into()),
        };
        let way = way.map_err(|reason| DataError::Preprocessing { input: input.name.clone(), reason })?;
        Ok(Preprocessor { way, input: input.clone() })
    }

    /// What one sample of an array is, before it is preprocessed: pixels in the input's order, or a clip's samples.
    #[must_use]
    pub fn stored(&self) -> InputSpec {
        match &self.way {
            Way::Image(_) => self.input.clone(),
            Way::Sound(clip) => InputSpec { name: self.input.name.clone(), shape: vec![clip.len()] },
        }
    }

    /// The input's numbers for one sample of an array. Images are scaled, and keep their size.
    #[must_use]
    pub fn array(&self, stored: &ArrayD<f32>) -> ArrayD<f32> {
        let values: Vec<f32> = stored.iter().copied().collect();
        self.shaped(match &self.way {
            Way::Image(pixels) => pixels.scaled(&values),
            Way::Sound(clip) => clip.features(&values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>()),
        })
    }

    /// Ends of the names of the files that [`Preprocessor::file`] takes.
    #[must_use]
    pub fn endings(&self) -> &'static [&'static str] {
        match self.way {
            Way::Image(_) => &image::ENDINGS,
            Way::Sound(_) => &sound::ENDINGS,
        }
    }

    /// The input's numbers for one file: PNG or JPEG, or WAV.
    ///
    /// # Errors
    ///
    /// The file is missing or damaged, or is not what is preprocessed; the error names it.
    pub fn file(&self, path: &Path) -> Result<ArrayD<f32>, DataError> {
        let numbers = match &self.way {
            Way::Image(pixels) => image::decoded(path).and_then(|picture| pixels.reals(&picture)),
            Way::Sound(clip) => clip.read(path),
        };
        Ok(self.shaped(numbers.map_err(|reason| DataError::Recording { path: path.into(), reason })?))
    }

    /// Elements are as many as the input has: both ways were checked for that.
    fn shaped(&self, numbers: Vec<f32>) -> ArrayD<f32> {
        let mut numbers = numbers.into_iter();
        ArrayD::from_shape_simple_fn(IxDyn(&self.input.shape), || numbers.next().unwrap_or_default())
    }
}
