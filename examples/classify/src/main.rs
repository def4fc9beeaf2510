//! Says what images and the frames of a camera show.

mod arguments;
mod classifier;
mod service;

use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::process::ExitCode;

use lacewing_targets::pixels::Picture;

use arguments::{Arguments, Source, USAGE};
use classifier::Classifier;

fn main() -> ExitCode {
    let Some(arguments) = Arguments::parse(std::env::args_os().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut classifier = Classifier::load(&arguments.model)?;
    service::ready();
    match &arguments.source {
        Source::Files(files) => files.iter().try_for_each(|file| {
            let class = decoded(file).and_then(|picture| classifier.class(&picture));
            let class = class.map_err(|error| format!("{}: {error}", file.display()))?;
            println!("{}: {class}", file.display());
            Ok(())
        }),
        Source::Raw(size, None) => frames(&mut classifier, *size, io::stdin().lock()),
        Source::Raw(size, Some(path)) => {
            let input = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
            frames(&mut classifier, *size, input)
        }
    }
}

/// Says what each frame of an input shows, until it ends.
fn frames(
    classifier: &mut Classifier,
    [width, height]: [usize; 2],
    mut input: impl Read,
) -> Result<(), Box<dyn Error>> {
    let mut frame = vec![0; 3 * width * height];
    for number in 0.. {
        match input.read_exact(&mut frame) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            read => read?,
        }
        let picture = Picture::of_bytes(width, height, &frame).ok_or("a frame has a pixel at least")?;
        println!("frame {number}: {}", classifier.class(&picture)?);
        service::alive();
    }
    Ok(())
}

/// The picture in a PNG or JPEG file.
fn decoded(file: &Path) -> Result<Picture, Box<dyn Error>> {
    let image = image::open(file)?.into_rgb16();
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(Picture::new(width, height, image.into_raw()).ok_or("has no pixel")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_carried_model_knows_the_carried_images() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut classifier = Classifier::load(&here.join("fashion.lace")).unwrap();
        for (file, class) in [("boot.png", "Ankle boot"), ("trousers.png", "Trouser")] {
            let said = classifier.class(&decoded(&here.join(file)).unwrap()).unwrap();
            assert!(said.starts_with(class), "{said}");
        }
        assert!(decoded(&here.join("fashion.lace")).is_err());
    }
}
