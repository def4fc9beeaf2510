//! `--precision auto` on the demo's model: what the budget says holds for the file that is written.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn demo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo").join(name)
}

/// Converts the demo's model on some of its samples: the file, the object, the messages.
fn converted(options: &[&str]) -> (Option<Vec<u8>>, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let lace = folder.path().join("model.lace");
    let mut lacewing = Command::new(env!("CARGO_BIN_EXE_lacewing"));
    lacewing.arg("--json").arg("convert").arg(demo("fashion.onnx")).arg("-o").arg(&lace).arg("--calib");
    lacewing.arg(demo("calib.npz")).args(["--input-scale", "0.00392156862745098", "--calib-samples", "48"]);
    let Output { status, stdout, stderr } = lacewing.args(options).output().unwrap();
    let file = std::fs::read(&lace).ok();
    assert_eq!(status.success(), file.is_some());
    (file, serde_json::from_slice(&stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key} of {object}"))
}

#[test]
fn a_bound_on_flash_gives_the_least_noise_below_it() {
    let [int8, int4] = ["int8", "int4"].map(|precision| converted(&["--precision", precision]).1);
    let most = (number(&int8, "file_bytes") + number(&int4, "file_bytes")) / 2.0;
    let budget = ["--precision", "auto", "--max-flash", &format!("{most:.0}")];
    let (file, auto, messages) = converted(&budget);
    assert!(file.as_ref().is_some_and(|file| file.len() as f64 <= most && file.len() as f64 > 0.9 * most));
    assert!(number(&auto, "sqnr_db") > number(&int4, "sqnr_db") + 1.0, "{messages}");
    assert_eq!(converted(&budget).0, file, "the same command gives the same bytes");
    let chosen = &auto["search"]["points"][number(&auto["search"], "chosen") as usize];
    let options: Vec<&str> = chosen["options"].as_str().unwrap().split(' ').collect();
    assert_eq!(converted(&options).0, file, "and so do the options that it tells");
}

#[test]
fn the_points_are_better_than_one_another_in_something() {
    let (_, auto, _) = converted(&["--precision", "auto", "--max-drop", "5"]);
    let points = auto["search"]["points"].as_array().unwrap();
    assert!(points.len() > 4);
    let keys = ["file_bytes", "arena_bytes", "macs"];
    for (at, a) in points.iter().enumerate() {
        let covers = |b: &Value| {
            number(b, "sqnr_db") >= number(a, "sqnr_db") && keys.iter().all(|key| number(b, key) <= number(a, key))
        };
        assert!(!points.iter().enumerate().any(|(i, b)| i != at && covers(b)), "{a}");
    }
    let within = auto["search"]["within"].as_array().unwrap();
    let sizes: Vec<f64> =
        within.iter().map(|at| number(&points[at.as_u64().unwrap() as usize], "file_bytes")).collect();
    assert!(sizes.is_sorted() && within.contains(&auto["search"]["chosen"]), "the smallest file first");
    assert!(number(&auto, "drop") <= 0.05, "good enough when it is finished, too");
    assert!(
        auto["search"]["layers"].as_array().unwrap().iter().any(|layer| number(&layer["int4"], "file_bytes") < 0.0)
    );
}

#[test]
fn a_bound_on_work_prunes() {
    let all = number(&converted(&["--precision", "int8"]).1, "macs");
    let (_, auto, _) = converted(&["--precision", "auto", "--max-macs", &format!("{:.0}", 0.8 * all)]);
    assert!(number(&auto, "macs") <= 0.8 * all && number(&auto, "macs") > 0.5 * all);
    assert!(number(&auto["pruned"], "channels") > 0.0);
}

#[test]
fn what_cannot_be_is_told_with_what_comes_near() {
    let (file, said, _) = converted(&["--precision", "auto", "--max-flash", "4K", "--min-accuracy", "0.99"]);
    let nearest = said["nearest"].as_array().unwrap();
    assert!(file.is_none() && nearest.len() == 3 && said["error"].as_str().unwrap().contains("nearest"));
    assert!(nearest.iter().all(|point| number(point, "file_bytes") > 4096.0));
    let (file, said, _) = converted(&["--precision", "int8", "--max-ram", "1K"]);
    assert!(file.is_none() && said["error"].as_str().unwrap().contains("auto"), "{said}");
    let (_, said, _) = converted(&["--precision", "auto", "--prune", "0.2"]);
    assert!(said["error"].as_str().unwrap().contains("--prune"));
    let (_, said, _) = converted(&["--precision", "f32", "--layer", "*=int4"]);
    assert!(said["error"].as_str().unwrap().contains("--layer"));
}
