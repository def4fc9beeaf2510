//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
Says what images and the frames of a camera show.

classify MODEL.lace FILE...      PNG or JPEG files
classify MODEL.lace --raw WxH [FRAMES]
                                 frames of so many pixels on standard input or in a file or FIFO, red, green and blue of
                                 each a byte";

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) model: PathBuf,
    pub(crate) source: Source,
}

/// Where pictures come from.
#[derive(Debug, PartialEq)]
pub(crate) enum Source {
    Files(Vec<PathBuf>),
    /// Width and height of frames, and the file that has them; standard input if there is none.
    Raw([usize; 2], Option<PathBuf>),
}

impl Arguments {
    /// `None` for a command line that is none of the two.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let model = arguments.next()?.into();
        let rest: Vec<OsString> = arguments.collect();
        let source = match rest.as_slice() {
            [raw, size] if raw == "--raw" => Source::Raw(parsed(size.to_str()?)?, None),
            [raw, size, frames] if raw == "--raw" => Source::Raw(parsed(size.to_str()?)?, Some(frames.into())),
            [] => return None,
            files => Source::Files(files.iter().map(PathBuf::from).collect()),
        };
        Some(Self { model, source })
    }
}

fn parsed(size: &str) -> Option<[usize; 2]> {
    let (width, height) = size.split_once('x')?;
    let side = |text: &str| text.parse().ok().filter(|side| (1..=1 << 14).contains(side));
    Some([side(width)?, side(height)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(words: &str) -> Option<Source> {
        Arguments::parse(words.split_whitespace().map(OsString::from)).map(|arguments| arguments.source)
    }

    #[test]
    fn sources_are_files_or_frames() {
        assert_eq!(source("m.lace a.png b.jpg"), Some(Source::Files(vec!["a.png".into(), "b.jpg".into()])));
        assert_eq!(source("m.lace --raw 640x480"), Some(Source::Raw([640, 480], None)));
        assert_eq!(source("m.lace --raw 6x4 fifo"), Some(Source::Raw([6, 4], Some("fifo".into()))));
        assert_eq!(["", "m.lace", "m.lace --raw 640", "m.lace --raw 0x1"].map(source), [None, None, None, None]);
    }
}
