//! A model that tells classes apart, with what its metadata says of images and labels.

use std::error::Error;
use std::path::Path;

use lacewing::format::metadata::{self, Item};
use lacewing_targets::pixels::{Picture, Pixels};
use lacewing_targets::{Session, load};

pub(crate) struct Classifier {
    session: Session,
    pixels: Pixels,
    /// Names of the classes; empty if the model does not have them.
    labels: Vec<String>,
}

impl Classifier {
    /// Loads the model. One that does not say what becomes of images gets their numbers 0..=255, stretched to its size.
    pub(crate) fn load(path: &Path) -> Result<Self, Box<dyn Error>> {
        let session = load(path)?.session();
        let pixels = Pixels::of(&session.model())?;
        let labels = metadata::read(session.model().metadata_bytes()).into_iter().find_map(|item| match item {
            Item::Labels(labels) => Some(labels),
            _ => None,
        });
        Ok(Self { session, pixels, labels: labels.unwrap_or_default() })
    }

    /// The class with the largest score, and the score.
    pub(crate) fn class(&mut self, picture: &Picture) -> Result<String, Box<dyn Error>> {
        self.session.set(0, &self.pixels.reals(picture)?)?;
        self.session.run()?;
        let scores = self.session.reals(0)?;
        let best = scores.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
        let (class, score) = best.ok_or("the model has no scores")?;
        let label = self.labels.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
        Ok(format!("{label} ({score:.3})"))
    }
}
