//! The command as a user has it: results, JSON keys, exit statuses, and files that are whole or not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The demo's files, which the repository carries.
fn demo(name: &str) -> String {
    format!("{}/demo/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn lacewing(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lacewing")).args(args).output().unwrap()
}

/// Runs with `--json`; the object must be all of stdout.
fn object(args: &[&str]) -> Value {
    let output = lacewing(&[args, &["--json"]].concat());
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs what must fail; the message, after a check of status and JSON object.
fn refused(status: i32, args: &[&str]) -> String {
    let output = lacewing(&[args, &["--json"]].concat());
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{args:?}: {message}");
    if status == 1 {
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(message.contains(object["error"].as_str().unwrap()), "{message}");
    }
    message
}

/// The images are bytes and mean 0..1.
const SCALE: [&str; 2] = ["--input-scale", "0.00392156862745098"];

/// A folder with the demo's model converted.
struct Converted {
    folder: TempDir,
    lace: String,
    report: Value,
}

fn converted(options: &[&str]) -> Converted {
    let folder = tempfile::tempdir().unwrap();
    let lace = folder.path().join("model.lace").display().to_string();
    let (onnx, calib) = (demo("fashion.onnx"), demo("calib.npz"));
    let mut args = vec!["convert", &onnx, "-o", &lace, "--calib", &calib];
    args.extend(SCALE.iter().chain(options));
    let report = object(&args);
    Converted { folder, lace, report }
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

fn top1(model: &str) -> f64 {
    let test = demo("test.npz");
    let result = object(&[&["eval", model, "--data", &test], &SCALE[..]].concat());
    assert_eq!(result["n"], 1000);
    result["top1"].as_f64().unwrap()
}

#[test]
fn a_model_is_converted_looked_into_run_and_compared() {
    let Converted { folder, lace, report } = converted(&["--strict", "--target", "mps2-an386"]);
    for key in ["arena_bytes", "arena_lower_bound_bytes", "file_bytes", "constant_bytes", "macs", "sqnr_db"] {
        assert!(report[key].as_f64().is_some_and(|value| value > 0.0), "{key}");
    }
    assert!(report["ops"].as_array().is_some_and(|ops| !ops.is_empty()));
    assert_eq!((&report["float_ops"], &report["target"]), (&serde_json::json!([]), &"cortex-m4f".into()));
    assert_eq!(report["file_bytes"], fs::metadata(&lace).unwrap().len());

    let shown = object(&["inspect", &lace]);
    for key in ["arena_bytes", "arena_lower_bound_bytes", "constant_bytes", "macs", "ops"] {
        assert_eq!(shown[key], report[key], "{key}");
    }
    assert_eq!(shown["inputs"][0]["dtype"], "int8");

    let (int8, float) = (top1(&lace), top1(&demo("fashion.onnx")));
    assert!(float > 0.92 && int8 > float - 0.01, "{int8} {float}");

    let test = demo("test.npz");
    let output = path(&folder, "y.npy");
    let run = object(&[&["run", &lace, "--input", &test, "--output", &output], &SCALE[..]].concat());
    assert_eq!(run["outputs"][0]["shape"], serde_json::json!([1000, 10]));
    assert_eq!(run["output_sha256"].as_str().map(str::len), Some(64));
    let written: ndarray::Array2<f32> = ndarray_npy::read_npy(&output).unwrap();
    assert_eq!(written.dim(), (1000, 10));

    let (onnx, calib) = (demo("fashion.onnx"), demo("calib.npz"));
    let compared = object(&[&["compare", &onnx, &lace, "--data", &calib], &SCALE[..]].concat());
    let layers: Vec<f64> =
        compared["layers"].as_array().unwrap().iter().map(|l| l["sqnr_db"].as_f64().unwrap()).collect();
    assert!(layers.len() > 5 && layers.is_sorted(), "{layers:?}");

    let timing = object(&["bench", &lace]);
    assert!(timing["min_us"].as_f64() <= timing["median_us"].as_f64());
    assert_eq!(timing["threads"], 1);
    let [load, read, pack, first] =
        ["load_us", "read_us", "pack_us", "first_us"].map(|key| timing[key].as_f64().unwrap());
    assert!(load >= read + pack && read > 0.0 && first > 0.0, "{timing}");
}

#[test]
fn a_model_is_looked_into_before_conversion() {
    let Converted { report, .. } = converted(&[]);
    let seen = object(&["inspect", &demo("fashion.onnx")]);
    assert_eq!((&seen["convertible"], &seen["problems"]), (&true.into(), &serde_json::json!([])));
    for key in ["macs", "arena_bytes"] {
        assert_eq!(seen[key], report[key], "{key}");
    }
    let nodes = seen["nodes"].as_array().unwrap();
    assert!(nodes.iter().all(|node| ["int8", "merged", "constant"].contains(&node["becomes"].as_str().unwrap())));
    assert!(nodes.iter().any(|node| node["macs"].as_u64() > Some(0) && node["parameters"].as_u64() > Some(0)));

    let wrong = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/onnx_ops/bad/several.onnx");
    let seen = object(&["inspect", wrong]);
    let becomes: Vec<_> =
        seen["nodes"].as_array().unwrap().iter().map(|node| node["becomes"].as_str().unwrap()).collect();
    assert_eq!(becomes, ["refused", "unknown", "refused", "refused", "refused"]);
    assert_eq!((&seen["convertible"], &seen["arena_bytes"]), (&false.into(), &Value::Null));
    let object: Value =
        serde_json::from_slice(&lacewing(&["convert", wrong, "--precision", "f32", "--json"]).stdout).unwrap();
    assert_eq!(object["problems"], seen["problems"]);
    assert_eq!(object["problems"].as_array().map(Vec::len), Some(3));
}

#[test]
fn doors_may_be_float_and_a_program_too() {
    let float_door = converted(&["--io", "f32"]);
    assert_eq!(float_door.report["inputs"][0]["dtype"], "float32");
    assert_eq!(float_door.report["float_ops"], serde_json::json!([]));
    let float = converted(&["--precision", "f32"]);
    assert!(float.report["sqnr_db"].as_f64().unwrap() > 90.0);
    assert!((top1(&float.lace) - 0.924).abs() < 1e-9);
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (onnx, calib, out) = (demo("fashion.onnx"), demo("calib.npz"), path(&folder, "model.lace"));
    let convert = |onnx: &str, calib: &str| refused(1, &["convert", onnx, "-o", &out, "--calib", calib]);
    assert!(convert(&onnx, "nowhere.npz").starts_with("error: nowhere.npz: "));
    assert!(convert("nowhere.onnx", &calib).starts_with("error: nowhere.onnx: "));
    assert!(refused(1, &["convert", &onnx, "-o", &out]).contains("--calib"));
    assert!(convert(&calib, &calib).contains("not an ONNX model"));
    let bytes = fs::read(&onnx).unwrap();
    let cut = path(&folder, "cut.onnx");
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    assert!(convert(&cut, &calib).contains("cut.onnx"));
    assert!(!Path::new(&out).exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the cut model is there");
}

#[test]
fn damaged_files_are_refused_by_every_command() {
    let Converted { folder, lace, .. } = converted(&[]);
    let bytes = fs::read(&lace).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for (name, bytes) in [("cut.lace", &bytes[..bytes.len() - 1]), ("flipped.lace", &flipped[..])] {
        let damaged = path(&folder, name);
        fs::write(&damaged, bytes).unwrap();
        let test = demo("test.npz");
        for args in [
            vec!["inspect", &damaged],
            vec!["bench", &damaged],
            vec!["run", &damaged, "--input", &test],
            vec!["eval", &damaged, "--data", &test],
        ] {
            assert!(refused(1, &args).contains(name), "{args:?}");
        }
    }
}

#[test]
fn wrong_usage_has_a_status_of_its_own() {
    let onnx = demo("fashion.onnx");
    for args in [
        vec!["convert"],
        vec!["convert", &onnx, "--target", "z80"],
        vec!["convert", &onnx, "--dim", "batch"],
        vec!["convert", &onnx, "-o", &onnx],
        vec!["convert", &onnx, "--calib", "x.npz", "--input-scale", "0"],
        vec!["melt", &onnx],
    ] {
        refused(2, &args);
    }
    let original: PathBuf = onnx.into();
    assert!(fs::read(original).unwrap().len() > 100_000, "the model is as it was");
}

#[test]
fn completions_and_targets_are_told() {
    let script = lacewing(&["completions", "bash"]);
    assert!(String::from_utf8(script.stdout).unwrap().contains("--input-layout"));
    let targets = object(&["targets"]);
    assert!(targets["boards"].as_array().unwrap().iter().any(|board| board["name"] == "mps2-an386"));
}

#[test]
fn what_a_board_will_take_is_predicted() {
    let Converted { lace, report, folder: _folder } = converted(&["--target", "stm32f446"]);
    let prediction = &report["prediction"];
    let instructions = prediction["instructions"].as_u64().unwrap();
    let layers = prediction["layers"].as_array().unwrap();
    assert_eq!(layers.iter().map(|layer| layer["instructions"].as_u64().unwrap()).sum::<u64>(), instructions);
    assert_eq!(prediction["unknown"], 0);
    // `cargo xtask qemu --board mps2-an386` counts 2,339,913.
    assert!((2_000_000..3_200_000).contains(&instructions), "{instructions}");
    let cycles = instructions as f64 * prediction["cycles_per_instruction"].as_f64().unwrap();
    assert!((prediction["us"].as_f64().unwrap() - cycles / 180.0).abs() < 1.0);
    assert_eq!(object(&["inspect", &lace, "--target", "stm32f446"])["prediction"], *prediction);
    assert!(
        object(&["inspect", &lace, "--target", "cortex-m4f"])["prediction"]["us"].is_null(),
        "a target has no clock"
    );
    assert!(object(&["inspect", &lace, "--target", "x86-64"])["prediction"].is_null(), "never counted");
}

#[test]
fn an_input_goes_in_row_by_row_where_a_band_takes_it() {
    let [whole, rows] = [&["--optimize", "ram"][..], &["--optimize", "ram", "--input-rows"]].map(converted);
    let bytes = |converted: &Converted| converted.report["arena_bytes"].as_u64().unwrap();
    assert!(bytes(&rows) <= bytes(&whole), "{} {}", bytes(&rows), bytes(&whole));
    assert!(object(&["inspect", &rows.lace])["inputs"][0]["lines"].as_u64() < Some(28));
    assert!(object(&["inspect", &whole.lace])["inputs"][0]["lines"].is_null());
    let said = String::from_utf8(lacewing(&["inspect", &rows.lace]).stdout).unwrap();
    assert!(said.contains("input, row by row"), "{said}");
    assert_eq!(rows.report["sqnr_db"], whole.report["sqnr_db"], "the same numbers");
    assert!(object(&["bench", &rows.lace])["min_us"].as_f64() > Some(0.0));
}

#[test]
fn an_arena_is_put_into_regions_of_memory() {
    let one = converted(&["--optimize", "ram"]);
    let two = converted(&["--optimize", "ram", "--regions", "2K,64K"]);
    let regions: Vec<u64> = serde_json::from_value(two.report["region_bytes"].clone()).unwrap();
    assert!(regions.len() == 2 && (1..=2048).contains(&regions[0]), "{regions:?}");
    assert_eq!(two.report["arena_bytes"], regions.iter().sum::<u64>());
    assert!(one.report["region_bytes"].is_null());
    assert_eq!(object(&["inspect", &two.lace])["region_bytes"], two.report["region_bytes"]);
    let said = String::from_utf8(lacewing(&["inspect", &two.lace]).stdout).unwrap();
    assert!(said.contains("in region 1") && said.contains("in region 2"), "{said}");
    assert_eq!(two.report["sqnr_db"], one.report["sqnr_db"], "the same numbers");
    let board = converted(&["--target", "stm32h743", "--regions", "board"]);
    assert_eq!(board.report["region_bytes"].as_array().map(Vec::len), None, "all of it fits into the fastest");
    let onnx = demo("fashion.onnx");
    let refused = |status, regions| refused(status, &["convert", &onnx, "--precision", "f32", "--regions", regions]);
    assert!(refused(1, "64,64").contains("region 2 has 64 bytes"));
    assert!(refused(2, "64K").contains("two or three sizes"));
    assert!(refused(2, "board").contains("no board with several memories"));
}

#[test]
fn the_demo_does_the_whole_way() {
    let result = object(&["demo"]);
    assert!(result["int8"]["top1"].as_f64() > Some(0.91));
    assert!(result["float"]["sqnr_db"].as_f64() > Some(100.0), "the float program is the original's");
    for program in ["float", "int8"] {
        let sizes = &result[program];
        assert!(sizes["arena_bytes"].as_f64() >= sizes["arena_lower_bound_bytes"].as_f64());
    }
    let drawn = String::from_utf8(lacewing(&["demo", "--color", "always"]).stdout).unwrap();
    assert!(drawn.contains("▀") && drawn.contains("Ankle boot") && drawn.contains("lacewing convert"));
}

/// The first `most` images of a demo file as PNG files, in a folder for each class if the file has classes.
fn pictures(folder: &Path, archive: &str, most: usize) {
    let mut archive = ndarray_npy::NpzReader::new(fs::File::open(demo(archive)).unwrap()).unwrap();
    let images: ndarray::ArrayD<u8> = archive.by_name("x").unwrap();
    let classes: Option<ndarray::Array1<i64>> = archive.by_name("y").ok();
    for (at, image) in images.outer_iter().take(most).enumerate() {
        let folder = folder.join(classes.as_ref().map_or(String::new(), |classes| classes[at].to_string()));
        fs::create_dir_all(&folder).unwrap();
        let pixels = image.iter().copied().collect();
        image::GrayImage::from_raw(28, 28, pixels).unwrap().save(folder.join(format!("{at:04}.png"))).unwrap();
    }
}

#[test]
fn a_folder_of_images_is_as_good_as_an_array() {
    let folder = tempfile::tempdir().unwrap();
    let [onnx, calib, test] = ["fashion.onnx", "calib.npz", "test.npz"].map(demo);
    let [lace, pre, calib_folder, test_folder] =
        ["m.lace", "pre.toml", "calib", "test"].map(|name| path(&folder, name));
    pictures(Path::new(&calib_folder), "calib.npz", usize::MAX);
    pictures(Path::new(&test_folder), "test.npz", usize::MAX);
    // A power of two, so that no product is rounded.
    fs::write(&pre, "[image]\ncolor = 'gray'\nscale = [0.00390625]").unwrap();
    // In another order of the samples, fitted weights are others.
    let nearest = ["--rounding", "nearest"];
    let with_folder = ["convert", &onnx, "-o", &lace, "--calib", &calib_folder, "--preprocess", &pre];
    let report = object(&[&with_folder[..], &nearest].concat());
    assert_eq!((&report["data"]["files"], &report["samples"]), (&200.into(), &200.into()));
    let seen = object(&["inspect", &lace]);
    assert_eq!(seen["preprocessing"]["image"]["color"], "gray");
    let shown = String::from_utf8(lacewing(&["inspect", &lace]).stdout).unwrap();
    assert!(shown.contains("[image]") && shown.contains("scale = [0.00390625]"), "{shown}");

    let scale = ["--input-scale", "0.00390625"];
    let arrays = path(&folder, "arrays.lace");
    object(&[&["convert", &onnx, "-o", &arrays, "--calib", &calib], &scale[..], &nearest].concat());
    let result = |model: &str, data: &str, more: &[&str]| object(&[&["eval", model, "--data", data], more].concat());
    let found = result(&lace, &test_folder, &[]);
    assert_eq!(found["top1"], result(&arrays, &test, &scale)["top1"]);
    assert_eq!((&found["n"], found["data"]["classes"].as_array().map(Vec::len)), (&1000.into(), Some(10)));
    let float = result(&onnx, &test, &scale)["top1"].clone();
    assert_eq!(result(&onnx, &test_folder, &["--preprocess", &pre])["top1"], float);
    assert_eq!(result(&arrays, &test_folder, &scale)["top1"], found["top1"]);
    let compared = object(&["compare", &onnx, &lace, "--data", &calib_folder]);
    assert_eq!(compared["sqnr_db"], report["sqnr_db"]);

    let first = fs::read_dir(path(&folder, "test/3")).unwrap().next().unwrap().unwrap().path();
    let run = object(&["run", &lace, "--input", &first.display().to_string()]);
    assert_eq!((&run["n"], &run["outputs"][0]["shape"]), (&1.into(), &serde_json::json!([1, 10])));
    let few = ["convert", &onnx, "-o", &lace, "--calib", &calib_folder, "--preprocess", &pre, "--calib-samples", "7"];
    assert_eq!(object(&few)["samples"], 7);

    assert!(refused(1, &["eval", &arrays, "--data", &test_folder]).contains("--preprocess"));
    refused(2, &[&["eval", &lace, "--data", &test_folder, "--preprocess", &pre], &scale[..]].concat());
    assert!(refused(1, &["eval", &lace, "--data", &path(&folder, "test/0")]).contains("no classes"));
    fs::write(&first, "no image").unwrap();
    assert!(refused(1, &["eval", &lace, "--data", &test_folder]).contains(&first.display().to_string()));
}
