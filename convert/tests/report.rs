//! The report's page, of the demo's model: complete in itself, and drawn by a browser without a complaint, light and dark. Without
//! `chromium` the browser's part is skipped, loudly.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn demo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo").join(name)
}

/// Converts the demo's model under a name that markup would take for its own, and compares both.
fn page(folder: &Path) -> PathBuf {
    let model = folder.join("<b>&quot;'fashion'&.onnx");
    let (lace, page) = (folder.join("model.lace"), folder.join("report.html"));
    fs::copy(demo("fashion.onnx"), &model).unwrap();
    let run = |command: &str, onnx: &Path, options: &[&Path]| {
        let mut lacewing = Command::new(env!("CARGO_BIN_EXE_lacewing"));
        lacewing.arg(command).arg(onnx).args(options).args(["--input-scale", "0.00392156862745098"]);
        let Output { status, stderr, .. } = lacewing.output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    };
    let [calib, report, data, output] = ["--calib", "--report", "--data", "-o"].map(Path::new);
    run("convert", &model, &[output, &lace, calib, &demo("calib.npz"), report, &page]);
    let found = data_of(&page);
    assert!(found["layers"].as_array().unwrap().iter().all(|layer| layer["own"]["sqnr_db"].is_f64()));
    assert!(found["fixes"].as_array().unwrap().iter().any(|fix| fix["gain_db"].as_f64() > Some(0.1)));
    run("compare", &model, &[&lace, data, &demo("calib.npz"), report, &page]);
    page
}

/// The JSON in a page.
fn data_of(page: &Path) -> Value {
    let page = fs::read_to_string(page).unwrap();
    let (_, data) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn the_page_is_complete_in_itself_and_a_browser_draws_it() {
    let folder = tempfile::tempdir().unwrap();
    let page = page(folder.path());
    let text = fs::read_to_string(&page).unwrap();
    for outside in ["http", "src=", "@import", "url(", "<link", "<b>&quot;"] {
        assert!(!text.contains(outside), "{outside}");
    }
    let data = data_of(&page);
    assert_eq!(data["accuracy"]["program"]["of"], 200);
    let [low, high] = ["low", "high"].map(|end| data["accuracy"]["program"][end].as_f64().unwrap());
    assert!(0.8 < low && low < high && high < 1.0, "{low} {high}");
    let layers = data["layers"].as_array().unwrap();
    let sum = |key: &str| layers.iter().map(|layer| layer[key].as_u64().unwrap()).sum::<u64>();
    assert!(sum("macs") > 1_000_000 && sum("constant_bytes") < data["file_bytes"].as_u64().unwrap());
    let fullest = layers.iter().map(|layer| layer["live_bytes"].as_u64().unwrap()).max();
    assert_eq!(fullest, data["lower_bound_bytes"].as_u64());
    assert!(fullest <= data["arena_bytes"].as_u64());
    drawn(folder.path(), &page);
}

/// A browser's view of the page.
fn drawn(folder: &Path, page: &Path) {
    let chromium = |scheme: &str, output: &str| {
        let profile = folder.join("profile").display().to_string();
        Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"])
            .args(["--window-size=1280,4000", output])
            .arg(format!("--user-data-dir={profile}"))
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(page)
            .output()
    };
    let Ok(dom) = chromium("1", "--dump-dom") else {
        eprintln!("SKIPPED: no chromium to draw the report; `cargo xtask test --install` installs it");
        return;
    };
    let said = String::from_utf8_lossy(&dom.stderr).into_owned();
    let dom = String::from_utf8_lossy(&dom.stdout).into_owned();
    assert!(!said.contains("CONSOLE"), "{said}");
    for heading in ["Accuracy", "Error along the program", "Worst layers", "Layers", "Values of each layer"] {
        assert!(dom.contains(&format!("<h2>{heading}</h2>")), "{heading}: {said}");
    }
    assert!(
        dom.contains("<h2>Memory over time</h2>")
            && dom.contains("<h2>Graph</h2>")
            && !dom.contains("Fixes that help</h2>")
    );
    let body = dom.split_once("<main").unwrap().1.split_once("<script").unwrap().0;
    assert!(body.matches("<rect").count() > 60 && !body.contains("NaN") && !body.contains("undefined"));
    let pictures = [("1", "light.png"), ("0", "dark.png")].map(|(scheme, name)| {
        let picture = folder.join(name);
        let output = chromium(scheme, &format!("--screenshot={}", picture.display())).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("CONSOLE"), "{name}: {said}");
        fs::read(picture).unwrap()
    });
    assert!(pictures.iter().all(|picture| picture.len() > 50_000) && pictures[0] != pictures[1]);
}
