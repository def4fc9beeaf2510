//! The bytes of a file in memory.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

use lacewing::format::{HEADER_LEN, Header};
use lacewing::owned::Aligned;
use memmap2::{Mmap, MmapOptions};

/// What a model borrows. It stays in its place while its owner moves.
pub(super) enum Bytes {
    Read(Aligned),
    Mapped(Mmap),
}

/// Bytes up to which a file is read, not mapped.
const SMALL: u64 = 256 << 10;

impl Bytes {
    /// The bytes of a file.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        match file.metadata()?.len() {
            len @ 0..=SMALL => Self::read(&mut file, len as usize),
            _ => Self::mapped(&mut file),
        }
    }

    fn read(file: &mut File, len: usize) -> io::Result<Self> {
        let mut bytes = Aligned::zeroed(len);
        file.read_exact(&mut bytes)?;
        Ok(Self::Read(bytes))
    }

    /// The file's pages, those of header and program as copies: what is read into a private mapping stays in it.
    fn mapped(file: &mut File) -> io::Result<Self> {
        // SAFETY: the mapping is private. The program, which says where kernels read and write, is read into it below, before it is checked,
        // which makes copies of its pages. Constants are numbers to the kernels: none of them is an index that is not compared with a
        // length where it is used. A write to the file by somebody else makes other numbers of them; users are told not to.
        let mut bytes = unsafe { MmapOptions::new().map_copy(&*file)? };
        file.read_exact(bytes.get_mut(..HEADER_LEN).ok_or(io::ErrorKind::UnexpectedEof)?)?;
        // A file that this refuses is refused with it.
        let program = Header::parse(&bytes).map_or(0, |header| header.program_len as usize);
        file.read_exact(bytes.get_mut(HEADER_LEN..).and_then(|rest| rest.get_mut(..program)).unwrap_or_default())?;
        Ok(Self::Mapped(bytes.make_read_only()?))
    }
}

impl From<Aligned> for Bytes {
    fn from(bytes: Aligned) -> Self {
        Self::Read(bytes)
    }
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Mapped(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Loaded;
    use std::io::Write;
    use std::{env, fs, process};

    const EXAMPLE: &[u8] = include_bytes!("../../../firmware-examples/qemu-mps2-an386-classify/fashion.lace");

    fn scores(model: &Loaded) -> Aligned {
        let mut session = model.session();
        session.set(0, &[0.5; 28 * 28]).unwrap();
        session.run().unwrap();
        Aligned::from(session.output_bytes(0).unwrap())
    }

    #[test]
    fn no_write_to_a_mapped_file_reaches_what_was_checked() {
        let path = env::temp_dir().join(std::format!("lacewing-{}.lace", process::id()));
        fs::write(&path, EXAMPLE).unwrap();
        let model = Loaded::held(Bytes::mapped(&mut File::open(&path).unwrap()).unwrap()).unwrap();
        let checked = model.model().header().constants_at();
        let mut writer = File::options().write(true).open(&path).unwrap();
        writer.write_all(&std::vec![255; checked]).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(scores(&model)[..], scores(&Loaded::new(EXAMPLE).unwrap())[..]);
        model.model().verify().unwrap();
    }

    #[test]
    fn lengths_of_a_mapped_file_may_be_anything() {
        let path = env::temp_dir().join(std::format!("lacewing-lengths-{}.lace", process::id()));
        for bytes in [&EXAMPLE[..40], &[255; 80]] {
            fs::write(&path, bytes).unwrap();
            let held = Bytes::mapped(&mut File::open(&path).unwrap()).map(Loaded::held);
            assert!(held.is_err() || held.is_ok_and(|held| held.is_err()));
        }
        fs::remove_file(&path).unwrap();
    }
}
