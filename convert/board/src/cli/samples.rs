//! Samples for a model, from arrays or from a folder of images or sounds.

use std::path::Path;

use lacewing::format::metadata::Item;
use lacewing::format::preprocessing::Preprocessing;
use serde_json::{Value, json};

use super::arguments::DataArgs;
use super::failure::Failure;
use super::numbers::counted;
use super::terminal::Terminal;
use crate::data::{Folder, InputSpec, Preprocessor, Recipe, Samples, is_recordings, plain_images};

/// What is known before samples are read.
pub struct Source<'a> {
    /// A file or a folder; none for a conversion without samples.
    pub path: Option<&'a Path>,
    /// How the command line says that they are to be read.
    pub args: &'a DataArgs,
    /// What they must fit.
    pub inputs: Vec<InputSpec>,
    /// The model's metadata: its own preprocessing and classes.
    pub items: Vec<Item>,
    /// Samples that are read, evenly from the first on.
    pub most: usize,
    /// Whether the class of each sample is wanted.
    pub labeled: bool,
}

/// Samples, and what a program wants to know of where they come from.
#[derive(Default)]
pub struct Found {
    /// None without a path.
    pub samples: Option<Samples>,
    /// `null` for arrays.
    pub data: Value,
    /// What a model made with these samples keeps of the way to them.
    pub items: Vec<Item>,
}

impl Source<'_> {
    /// Reads the samples.
    pub fn read(&self, terminal: &Terminal) -> Result<Found, Failure> {
        let recipe = self.args.recipe()?;
        let preprocessing = self.preprocessing(recipe.as_ref())?;
        let preprocessor = match &preprocessing {
            Some(preprocessing) => Some(Preprocessor::new(preprocessing, &self.inputs)?),
            None => None,
        };
        let labels = recipe.and_then(|recipe| recipe.labels).map(Item::Labels);
        let found = match (self.path, &preprocessor) {
            (None, _) => Found::default(),
            (Some(path), Some(preprocessor)) if is_recordings(path) => {
                self.recordings(path, preprocessor, labels.as_ref(), terminal)?
            }
            (Some(path), preprocessor) => self.arrays(path, preprocessor.as_ref())?,
        };
        Ok(Found { items: preprocessing.map(Item::Preprocessing).into_iter().chain(labels).collect(), ..found })
    }

    /// What becomes of images and sounds: as the command line says it, or the model. Arrays listen to `--preprocess` alone.
    fn preprocessing(&self, recipe: Option<&Recipe>) -> Result<Option<Preprocessing>, Failure> {
        let recordings = self.path.filter(|path| is_recordings(path));
        match (recipe, recordings, &self.inputs[..]) {
            (Some(_), Some(_), _) if self.args.is_scaled() => {
                Err(Failure::usage("--preprocess has a mean and a scale; leave --input-scale and --input-zero out"))
            }
            (Some(recipe), ..) => Ok(Some(recipe.preprocessing.clone())),
            (None, None, _) => Ok(None),
            (None, Some(_), [input]) if self.args.is_scaled() => Ok(Some(plain_images(input, self.args.scaling()?))),
            (None, Some(path), _) => match self.items.iter().find_map(preprocessing) {
                Some(preprocessing) => Ok(Some(preprocessing.clone())),
                None => Err(Failure::new("images and sounds need --preprocess, or images --input-scale").of(path)),
            },
        }
    }

    fn arrays(&self, path: &Path, preprocessor: Option<&Preprocessor>) -> Result<Found, Failure> {
        let stored = preprocessor.map_or_else(|| self.inputs.clone(), |preprocessor| vec![preprocessor.stored()]);
        let samples = Samples::read(path, &stored, self.args.scaling()?)?.at_most(self.most);
        let samples = match preprocessor {
            Some(preprocessor) => samples.preprocessed(preprocessor),
            None => samples,
        };
        Ok(Found { samples: Some(samples), ..Found::default() })
    }

    fn recordings(
        &self,
        path: &Path,
        preprocessor: &Preprocessor,
        labels: Option<&Item>,
        terminal: &Terminal,
    ) -> Result<Found, Failure> {
        let folder = Folder::open(path, preprocessor.endings())?.at_most(self.most);
        let ignored = folder.ignored();
        if ignored > 0 {
            let (ignored, endings) = (counted(ignored, "file"), preprocessor.endings().join(", "));
            terminal.note(format_args!("{}: {ignored} left out, not ending in {endings}", path.display()));
        }
        let order = labels.into_iter().chain(&self.items).find_map(classes);
        let labels = self.labeled.then(|| folder.labels(order)).transpose()?;
        let mut progress = terminal.progress("reading", folder.len());
        let samples = folder.read(preprocessor, || progress.step())?;
        let samples = match labels {
            Some(labels) => samples.labeled(labels)?,
            None => samples,
        };
        let data = json!({ "files": folder.len(), "classes": folder.classes() });
        Ok(Found { samples: Some(samples), data, ..Found::default() })
    }
}

fn preprocessing(item: &Item) -> Option<&Preprocessing> {
    match item {
        Item::Preprocessing(preprocessing) => Some(preprocessing),
        _ => None,
    }
}

fn classes(item: &Item) -> Option<&[String]> {
    match item {
        Item::Labels(labels) => Some(labels),
        _ => None,
    }
}
