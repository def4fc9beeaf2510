//! A folder of images or sounds, with classes by the names of its own folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{DataError, Preprocessor, Samples, evenly, image, sound};
use crate::parallel;

/// Whether a path is a folder or one image or sound; else it is a file of arrays.
#[must_use]
pub fn is_recordings(path: &Path) -> bool {
    path.is_dir() || ends(path, &image::ENDINGS) || ends(path, &sound::ENDINGS)
}

fn ends(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|found| endings.iter().any(|ending| found.eq_ignore_ascii_case(ending)))
}

/// The files of a folder, in the order of their names, folder by folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    files: Vec<PathBuf>,
    /// Files that are neither read nor hidden.
    ignored: usize,
}

impl Folder {
    /// Finds all files that end in one of `endings`, however deep; or the one file that `path` is.
    ///
    /// # Errors
    ///
    /// A folder cannot be read, or there is no such file.
    pub fn open(path: &Path, endings: &[&str]) -> Result<Folder, DataError> {
        let mut folder = Folder { path: path.into(), files: Vec::new(), ignored: 0 };
        for entry in WalkDir::new(path).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|error| DataError::Recording { path: path.into(), reason: error.to_string() })?;
            let hidden = entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
            if entry.file_type().is_dir() || hidden {
                continue;
            }
            match ends(entry.path(), endings) {
                true => folder.files.push(entry.into_path()),
                false => folder.ignored += 1,
            }
        }
        match folder.files.is_empty() {
            true => Err(DataError::NoFiles { path: path.into(), endings: endings.join(", ") }),
            false => Ok(folder),
        }
    }

    /// Keeps at most `most` files, evenly from the first on.
    #[must_use]
    pub fn at_most(mut self, most: usize) -> Folder {
        self.files = evenly(self.files.len(), most).map(|file| self.files[file].clone()).collect();
        self
    }

    /// Number of files that are read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Never: a folder has at least one file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Number of files that are not read for what their names end in.
    #[must_use]
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Names of the folder's own folders that have files, sorted; none if a file is in no such folder.
    #[must_use]
    pub fn classes(&self) -> Vec<String> {
        let classes: Option<BTreeSet<String>> = self.files.iter().map(|file| self.class(file)).collect();
        classes.unwrap_or_default().into_iter().collect()
    }

    fn class(&self, file: &Path) -> Option<String> {
        let mut parts = file.strip_prefix(&self.path).ok()?.components();
        let first = parts.next()?.as_os_str().to_string_lossy().into_owned();
        parts.next().map(|_| first)
    }

    /// The class of each file: the place of its folder's name in `order`, or among the sorted names.
    ///
    /// # Errors
    ///
    /// Files are in no folders, or a folder is not in `order`.
    pub fn labels(&self, order: Option<&[String]>) -> Result<Vec<i64>, DataError> {
        let sorted = self.classes();
        if sorted.is_empty() {
            return Err(DataError::NoClasses { path: self.path.clone() });
        }
        let order = order.unwrap_or(&sorted);
        let label = |file: &PathBuf| {
            let class = self.class(file).unwrap_or_default();
            let place = order.iter().position(|name| *name == class).map(|place| place as i64);
            place.ok_or_else(|| DataError::Class { path: self.path.join(&class), classes: order.join(", ") })
        };
        self.files.iter().map(label).collect()
    }

    /// Reads all files, on all threads; `progress` is called after each.
    ///
    /// # Errors
    ///
    /// The first file that cannot be read.
    pub fn read(&self, preprocessor: &Preprocessor, mut progress: impl FnMut()) -> Result<Samples, DataError> {
        let mut rows = Vec::with_capacity(self.files.len());
        let mut workers = parallel::workers((), false);
        parallel::each(
            &mut workers,
            &self.files,
            |(), file| preprocessor.file(file),
            |sample| {
                rows.push(vec![sample]);
                progress();
                Ok(())
            },
        )?;
        Ok(Samples { path: self.path.clone(), rows, labels: None })
    }
}
