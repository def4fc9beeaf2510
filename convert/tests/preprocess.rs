//! Folders of images and sounds: what becomes of them is what TensorFlow and Pillow make of the same (`preprocess/make.py`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use image::{GrayImage, ImageFormat, RgbImage, Rgba, RgbaImage};
use lacewing::format::preprocessing::{Color, Image, Method, Preprocessing, Resize};
use lacewing_convert::data::{DataError, Folder, InputSpec, Preprocessor, Recipe, Samples, Scaling};
use ndarray::ArrayD;
use ndarray_npy::{NpzReader, ReadableElement};
use tempfile::TempDir;

fn recorded<T: ReadableElement>(archive: &str, name: &str) -> ArrayD<T> {
    let path = format!("{}/tests/preprocess/{archive}.npz", env!("CARGO_MANIFEST_DIR"));
    NpzReader::new(File::open(path).unwrap()).unwrap().by_name(name).unwrap()
}

fn input(shape: &[usize]) -> [InputSpec; 1] {
    [InputSpec { name: "x".into(), shape: shape.to_vec() }]
}

/// The largest difference of two arrays that have the same number of elements.
fn difference(found: &ArrayD<f32>, expected: &ArrayD<f32>) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn wav(folder: &Path, name: &str, rate: u32, channels: u16, samples: &[i16]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let spec = WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(&path, spec).unwrap();
    samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
    path
}

fn toml(folder: &TempDir, text: &str) -> Result<Recipe, DataError> {
    let path = folder.path().join("pre.toml");
    fs::write(&path, text).unwrap();
    Recipe::read(&path)
}

fn preprocessor(folder: &TempDir, text: &str, shape: &[usize]) -> Result<Preprocessor, DataError> {
    Preprocessor::new(&toml(folder, text).unwrap().preprocessing, &input(shape))
}

/// The three front ends, and one of other choices, as users write them.
const FRONT_ENDS: [(&str, [usize; 2], &str); 4] = [
    (
        "mlperf_tiny",
        [18, 10],
        "normalize = 'peak'\n[sound.mel]\nwindow = 480\nstride = 320\nfft = 512\nbins = 40\nlow = 20\nhigh = 4000\noffset = 1e-6\nmfcc = 10",
    ),
    (
        "tf1_speech_commands",
        [9, 10],
        "[sound.mel]\nwindow = 640\nstride = 640\nfft = 1024\nbins = 40\nlow = 20\nhigh = 4000\nfloor = 1e-12\nmfcc = 10",
    ),
    (
        "yamnet",
        [36, 64],
        "[sound.mel]\nwindow = 400\nstride = 160\nfft = 512\nbins = 64\nlow = 125\nhigh = 7500\noffset = 1e-3",
    ),
    (
        "hamming_power",
        [45, 20],
        "[sound.mel]\nwindow = 256\nstride = 128\nfft = 256\ntaper = 'hamming'\nspectrum = 'power'\nbins = 20\nlow = 0\nhigh = 8000\noffset = 1e-6",
    ),
];

#[test]
fn features_are_tensorflows() {
    let folder = tempfile::tempdir().unwrap();
    let clip: Vec<i16> = recorded("sound", "clip").into_iter().collect();
    let path = wav(folder.path(), "clip.wav", 16000, 1, &clip);
    let waves = ArrayD::from_shape_vec(vec![6000], clip.iter().map(|s| f32::from(*s) / 32768.0).collect()).unwrap();
    for (name, [frames, each], text) in FRONT_ENDS {
        let text = format!("[sound]\nrate = 16000\nclip = 6000\n{text}");
        let expected = recorded("sound", name);
        let way = preprocessor(&folder, &text, &[1, frames, each, 1]).unwrap();
        let found = way.file(&path).unwrap();
        assert!(difference(&found, &expected) < 2e-3, "{name}: {}", difference(&found, &expected));
        assert_eq!(way.array(&waves).into_raw_vec_and_offset().0, found.into_raw_vec_and_offset().0, "{name}");
        let frames_last = preprocessor(&folder, &text, &[1, 1, each, frames]).unwrap().file(&path).unwrap();
        let frames_last = frames_last.to_shape((each, frames)).unwrap().reversed_axes();
        assert!(difference(&frames_last.as_standard_layout().into_owned().into_dyn(), &expected) < 2e-3, "{name}");
    }
}

#[test]
fn samples_are_mixed_cut_padded_and_scaled() {
    let folder = tempfile::tempdir().unwrap();
    let long = wav(folder.path(), "l.wav", 8000, 1, &[1, 2, 3, 4, 5]);
    let way = |text: &str| preprocessor(&folder, &format!("[sound]\nrate = 8000\n{text}"), &[1, 4]).unwrap();
    let stereo = wav(folder.path(), "s.wav", 8000, 2, &[16384, 0, -16384, -32768]);
    assert_eq!(way("clip = 4").file(&stereo).unwrap().as_slice(), Some(&[0.25, -0.75, 0.0, 0.0][..]));
    assert_eq!(way("clip = 4\nscale = 32768").file(&long).unwrap().as_slice(), Some(&[1.0, 2.0, 3.0, 4.0][..]));
    let peak = way("clip = 4\nnormalize = 'peak'\nmean = 1\nscale = 2");
    assert_eq!(peak.file(&stereo).unwrap().as_slice(), Some(&[0.0, -8.0, -2.0, -2.0][..]));
}

fn pixels() -> RgbImage {
    RgbImage::from_raw(37, 26, recorded("image", "pixels").into_iter().collect()).unwrap()
}

#[test]
fn resized_images_are_tensorflows_and_pillows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture.png");
    pixels().save(&path).unwrap();
    let read = |image: Image, shape: &[usize]| {
        Preprocessor::new(&Preprocessing::Image(image), &input(shape)).unwrap().file(&path).unwrap()
    };
    for (name, method, [height, width]) in [
        ("bilinear_small", Method::Bilinear, [9, 14]),
        ("bilinear_large", Method::Bilinear, [41, 50]),
        ("antialias_small", Method::Antialias, [9, 14]),
        ("area_small", Method::Area, [9, 14]),
    ] {
        let found = read(Image { method, ..Image::default() }, &[1, height, width, 3]);
        let error = difference(&found, &recorded("image", name));
        assert!(error < 1e-3, "{name}: {error}");
    }
    let image = Image { method: Method::Antialias, resize: Resize::Shorter(12), ..Image::default() };
    let pillow = recorded::<u8>("image", "pillow_shorter_12").mapv(f32::from);
    assert!(difference(&read(image, &[12, 12, 3]), &pillow) <= 1.0, "Pillow rounds, twice");
}

#[test]
fn channels_are_ordered_scaled_and_laid_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.png");
    RgbaImage::from_fn(2, 1, |x, _| if x == 0 { Rgba([10, 20, 30, 0]) } else { Rgba([110, 120, 130, 255]) })
        .save(&path)
        .unwrap();
    let read = |color, mean: &[f32], shape: &[usize]| {
        let image = Image { color, mean: mean.to_vec(), scale: vec![0.5], ..Image::default() };
        let way = Preprocessor::new(&Preprocessing::Image(image), &input(shape)).unwrap();
        let stored = ArrayD::from_shape_vec(shape, vec![10.0; shape.iter().product()]).unwrap();
        let [file, array] = [way.file(&path).unwrap(), way.array(&stored)];
        assert_eq!((file.shape(), array.shape()), (shape, shape));
        [file, array].map(|array| array.into_raw_vec_and_offset().0)
    };
    let [file, array] = read(Color::Rgb, &[10.0, 0.0, 0.0], &[1, 3, 1, 2]);
    assert_eq!(file, [0.0, 50.0, 10.0, 60.0, 15.0, 65.0]);
    assert_eq!(array, [0.0, 0.0, 5.0, 5.0, 5.0, 5.0]);
    let [file, array] = read(Color::Bgr, &[0.0, 0.0, 10.0], &[1, 1, 2, 3]);
    assert_eq!(file, [15.0, 10.0, 0.0, 65.0, 60.0, 50.0]);
    assert_eq!(array, [5.0, 5.0, 0.0, 5.0, 5.0, 0.0]);
    let [file, _] = read(Color::Gray, &[0.0], &[1, 1, 1, 2]);
    let gray = |r: f32, g: f32, b: f32| (0.299 * r + 0.587 * g + 0.114 * b) / 2.0;
    assert!((file[0] - gray(10.0, 20.0, 30.0)).abs() < 1e-5 && (file[1] - gray(110.0, 120.0, 130.0)).abs() < 1e-5);
}

#[test]
fn jpegs_gray_and_flat_inputs_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slope.JPG");
    let slope = GrayImage::from_fn(28, 28, |x, y| image::Luma([(3 * x + 4 * y) as u8]));
    slope.save_with_format(&path, ImageFormat::Jpeg).unwrap();
    let image = Image { color: Color::Gray, resize: Resize::Exact(28, 28), ..Image::default() };
    let read = |shape: &[usize]| Preprocessor::new(&Preprocessing::Image(image.clone()), &input(shape));
    let expected = ArrayD::from_shape_vec(vec![784], slope.iter().map(|pixel| f32::from(*pixel)).collect()).unwrap();
    for shape in [&[1, 784][..], &[784], &[1, 1, 28, 28], &[28, 28]] {
        assert!(difference(&read(shape).unwrap().file(&path).unwrap(), &expected) < 4.0, "{shape:?}");
    }
    let png = folder.path().join("slope.png");
    slope.save(&png).unwrap();
    assert_eq!(difference(&read(&[1, 784]).unwrap().file(&png).unwrap(), &expected), 0.0, "gray stays as it is");
    assert!(read(&[1, 785]).unwrap_err().to_string().contains("takes no gray image"));
}

#[test]
fn folders_are_read_in_order_with_their_classes() {
    let folder = tempfile::tempdir().unwrap();
    let clips = folder.path().join("clips");
    for (name, value) in [("yes/b/2.wav", 4), ("no/10.wav", 1), ("yes/a.WAV", 3), ("no/9.wav", 2)] {
        wav(&clips, name, 8000, 1, &[value * 256]);
    }
    fs::write(clips.join("README.md"), "clips").unwrap();
    fs::write(clips.join(".hidden.wav"), "no clip").unwrap();
    let way = preprocessor(&folder, "[sound]\nrate = 8000\nclip = 1\nscale = 128", &[1]).unwrap();
    let open = Folder::open(&clips, way.endings()).unwrap();
    assert_eq!((open.len(), open.ignored(), open.classes()), (4, 1, vec!["no".to_string(), "yes".into()]));
    assert_eq!(open.labels(None).unwrap(), [0, 0, 1, 1]);
    let order = ["yes", "maybe", "no"].map(String::from);
    assert_eq!(open.labels(Some(&order)).unwrap(), [2, 2, 0, 0]);
    let unknown = open.labels(Some(&order[..2])).unwrap_err().to_string();
    assert!(unknown.contains("clips/no: ") && unknown.contains("yes, maybe"), "{unknown}");
    let mut steps = 0;
    let values = |samples: &Samples| samples.rows().iter().map(|row| row[0].sum()).collect::<Vec<f32>>();
    assert_eq!(values(&open.read(&way, || steps += 1).unwrap()), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(steps, 4);
    let few = open.clone().at_most(3);
    assert_eq!(values(&few.read(&way, || ()).unwrap()), [1.0, 2.0, 3.0]);
    assert_eq!(values(&open.clone().at_most(2).read(&way, || ()).unwrap()), [1.0, 3.0]);
    let flat = Folder::open(&clips.join("no"), way.endings()).unwrap();
    assert!(flat.classes().is_empty() && flat.labels(None).unwrap_err().to_string().contains("no classes"));
    let single = Folder::open(&clips.join("no/9.wav"), way.endings()).unwrap();
    assert_eq!(values(&single.read(&way, || ()).unwrap()), [2.0]);
    assert!(Folder::open(&clips, &["png"]).unwrap_err().to_string().contains("no file that ends in png"));
    assert!(Folder::open(&folder.path().join("nowhere"), &["png"]).is_err());
}

#[test]
fn arrays_can_be_preprocessed_and_thinned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    ndarray_npy::write_npy(&path, &ndarray::array![[0_i16, 256], [512, 768], [1024, 1280]]).unwrap();
    let way = preprocessor(&folder, "[sound]\nrate = 8000\nclip = 2\nmean = 1", &[1, 2]).unwrap();
    let samples = Samples::read(&path, &[way.stored()], Scaling { scale: 1.0 / 256.0, zero: 0.0 }).unwrap();
    let samples = samples.preprocessed(&way).at_most(2);
    let values: Vec<_> = samples.rows().iter().map(|row| row[0].clone().into_raw_vec_and_offset().0).collect();
    assert_eq!(values, [[-1.0, 0.0], [1.0, 2.0]]);
    assert_eq!(samples.rows()[0][0].shape(), [1, 2]);
}

#[test]
fn damaged_recordings_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let way = preprocessor(&folder, "[sound]\nrate = 16000\nclip = 8", &[8]).unwrap();
    let refused = |path: &Path, way: &Preprocessor| {
        let message = way.file(path).unwrap_err().to_string();
        assert!(message.starts_with(&path.display().to_string()), "{message}");
        message
    };
    let slow = refused(&wav(folder.path(), "slow.wav", 8000, 1, &[0; 8]), &way);
    assert!(slow.contains("8000 samples in a second") && slow.contains("takes 16000"), "{slow}");
    let whole = fs::read(wav(folder.path(), "whole.wav", 16000, 1, &[7; 8])).unwrap();
    let damaged = folder.path().join("damaged.wav");
    let mut lying = whole.clone();
    lying[40..44].copy_from_slice(&u32::MAX.to_le_bytes()[..]);
    for bytes in [&whole[..whole.len() - 2], &whole[..20], b"", &lying, b"RIFFnothing"] {
        fs::write(&damaged, bytes).unwrap();
        refused(&damaged, &way);
    }
    refused(&wav(folder.path(), "empty.wav", 16000, 1, &[]), &way);
    let images = preprocessor(&folder, "[image]", &[1, 3, 4, 4]).unwrap();
    let path = folder.path().join("image.png");
    pixels().save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut huge = whole.clone();
    huge[16..20].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
    for bytes in [&whole[..whole.len() / 2], b"", b"GIF89a", &huge] {
        fs::write(&path, bytes).unwrap();
        refused(&path, &images);
    }
    fs::write(&path, &whole).unwrap();
    let small = preprocessor(&folder, "[image]\nresize = { exact = [3, 9] }", &[1, 3, 4, 4]).unwrap();
    assert!(refused(&path, &small).contains("resized to 3x9"), "too small");
}

#[test]
fn every_byte_of_a_wav_may_be_another() {
    let folder = tempfile::tempdir().unwrap();
    let way = preprocessor(&folder, "[sound]\nrate = 16000\nclip = 8", &[8]).unwrap();
    let whole = fs::read(wav(folder.path(), "whole.wav", 16000, 1, &[7; 8])).unwrap();
    let path = folder.path().join("changed.wav");
    for at in 0..whole.len() {
        for to in [0, 1, 0x7f, 0xff] {
            let mut changed = whole.clone();
            changed[at] = to;
            fs::write(&path, &changed).unwrap();
            if let Ok(samples) = way.file(&path) {
                assert!(samples.iter().all(|sample| sample.is_finite()), "{at} {to}");
            }
        }
    }
}

#[test]
fn wrong_preprocessing_is_refused_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let message = |text: &str| toml(&folder, text).unwrap_err().to_string();
    for (text, word) in [
        ("[image]\ncolour = 'rgb'", "colour"),
        ("[image]\ncolor = 'cmyk'", "cmyk"),
        ("[sound]\nrate = 1", "clip"),
        ("[sound]\nrate = 1\nclip = 1\n[sound.mel]\nhop = 3", "hop"),
        ("[picture]", "picture"),
        ("", "[image] or [sound]"),
        ("[image]\n[sound]\nrate = 1\nclip = 1", "[image] or [sound]"),
        ("not toml", "pre.toml"),
    ] {
        assert!(message(text).contains(word) && message(text).contains("pre.toml"), "{text}: {}", message(text));
    }
    let mel = "[sound]\nrate = 16000\nclip = 800\n[sound.mel]\nbins = 40\nlow = 20\n";
    for (text, word) in [
        ("[image]\nmean = [1, 2]", "`mean`"),
        ("[image]\nscale = [nan]", "`scale`"),
        ("[image]\ncolor = 'gray'", "takes no gray image"),
        ("[sound]\nrate = 16000\nclip = 4000000000", "`clip`"),
        ("[sound]\nrate = 16000\nclip = 47", "1 × 47 numbers"),
        (&format!("{mel}window = 801\nstride = 1\nfft = 1024\nhigh = 4000\noffset = 1"), "`window`"),
        (&format!("{mel}window = 400\nstride = 0\nfft = 512\nhigh = 4000\noffset = 1"), "`stride`"),
        (&format!("{mel}window = 400\nstride = 1\nfft = 400\nhigh = 4000\noffset = 1"), "`fft`"),
        (&format!("{mel}window = 400\nstride = 1\nfft = 512\nhigh = 4000\noffset = 1\nmfcc = 41"), "`mfcc`"),
        (&format!("{mel}window = 400\nstride = 1\nfft = 512\nhigh = 9000\noffset = 1"), "`high`"),
        (&format!("{mel}window = 400\nstride = 1\nfft = 512\nhigh = 4000"), "`floor`"),
    ] {
        let message = preprocessor(&folder, text, &[1, 3, 4, 4]).unwrap_err().to_string();
        assert!(message.contains(word) && message.contains("input `x`"), "{text}: {message}");
    }
    let two = [input(&[1]), input(&[1])].concat();
    let recipe = toml(&folder, "[image]").unwrap();
    assert!(Preprocessor::new(&recipe.preprocessing, &two).unwrap_err().to_string().contains("this one has 2"));
}
