//! `tests/mcu.toml`: the models, what their peers need, what we want to need.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::xtask::paths;

/// A model of the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::xtask) struct Known {
    /// Its short name.
    pub(in crate::xtask) name: String,
    /// Its file in the folder of models.
    pub(in crate::xtask) path: String,
    /// The smallest arena of a plan that computes layer after layer.
    pub(super) floor: Option<u64>,
    /// What others need, by their name.
    #[serde(default)]
    pub(super) peers: BTreeMap<String, Figures>,
    /// What we want to need.
    pub(super) goal: Figures,
}

/// What a model needs on devices: instructions of an inference by board, bytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Figures {
    pub(super) instructions: BTreeMap<String, u64>,
    pub(super) arena: Option<u64>,
    pub(super) file: Option<u64>,
    pub(super) code: Option<u64>,
    pub(super) stack: Option<u64>,
}

/// All models of the table.
pub(in crate::xtask) fn known() -> Result<Vec<Known>> {
    paths::models("tests/mcu.toml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing_targets::boards;

    #[test]
    fn the_table_names_emulated_boards() {
        let models = known().expect("the table");
        let figures = models.iter().flat_map(|model| model.peers.values().chain([&model.goal]));
        let names: Vec<_> = figures.flat_map(|figures| figures.instructions.keys()).collect();
        assert!(!names.is_empty());
        assert!(names.iter().all(|name| boards::emulated().any(|board| board.name == **name)), "{names:?}");
    }
}
