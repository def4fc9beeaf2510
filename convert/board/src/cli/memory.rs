//! What is told of regions of memory.

use comfy_table::Table;
use lacewing::format::MAX_REGIONS;
use serde_json::{Value, json};

use super::numbers::bytes;

/// What a plan takes of each region, if it is for several.
pub fn rows(regions: [usize; MAX_REGIONS], table: &mut Table) {
    for (index, size) in (1..).zip(several(&regions)) {
        table.add_row([format!("  in region {index}"), bytes(*size)]);
    }
}

/// The same for programs; null for one region.
pub fn regions_json(regions: [usize; MAX_REGIONS]) -> Value {
    match several(&regions) {
        [] => Value::Null,
        regions => json!(regions),
    }
}

fn several(regions: &[usize; MAX_REGIONS]) -> &[usize] {
    let count = regions.iter().rposition(|size| *size > 0).map_or(0, |last| last + 1);
    if count > 1 { &regions[..count] } else { &[] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_region_is_not_told_apart() {
        assert_eq!(regions_json([64, 0, 0]), Value::Null);
        assert_eq!(regions_json([64, 128, 0]), json!([64, 128]));
        assert_eq!(regions_json([0, 128, 0]), json!([0, 128]));
    }
}
