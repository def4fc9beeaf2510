//! The emulator's host: files in the folder where the emulator runs, and the end of the run.

use core::ffi::CStr;

use semihosting::fd::{BorrowedFd, OwnedFd};
use semihosting::sys::arm_compat::{OpenMode, sys_open};
use semihosting::sys::{read, write};

use crate::code;

/// The bytes for the inputs: the file `input.bin` if there is one, else the generator.
pub enum Source {
    /// One inference after the other, each with all its inputs in order.
    File(OwnedFd),
    /// `s = s * 1664525 + 1013904223` from 12345, the top byte of each new `s`.
    Generator(u32),
}

impl Source {
    /// Opens `input.bin`, or starts the generator where there is none.
    #[inline(never)]
    pub fn open() -> Self {
        match sys_open(c"input.bin", OpenMode::RDONLY_BINARY) {
            Ok(file) => Self::File(file),
            Err(_) => Self::Generator(12_345),
        }
    }

    /// Fills `bytes`; false at the end of the file.
    #[inline(never)]
    pub fn fill(&mut self, bytes: &mut [u8]) -> bool {
        match self {
            Self::File(file) => read_all(file, bytes),
            Self::Generator(state) => {
                for byte in bytes {
                    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *byte = (*state >> 24) as u8;
                }
                true
            }
        }
    }

    /// Whether there may be bytes for another inference.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

/// A file that the host reads after the run.
pub struct Sink(OwnedFd);

impl Sink {
    /// Creates the file or ends the run.
    #[inline(never)]
    pub fn create(path: &CStr) -> Self {
        match sys_open(path, OpenMode::WRONLY_TRUNC_BINARY) {
            Ok(file) => Self(file),
            Err(_) => exit(code::FILE),
        }
    }

    /// Appends all bytes or ends the run.
    #[inline(never)]
    pub fn put(&mut self, bytes: &[u8]) {
        if !write_all(&self.0, bytes) {
            exit(code::FILE);
        }
    }
}

/// False at the end of the file or on an error.
fn read_all(file: &OwnedFd, bytes: &mut [u8]) -> bool {
    let mut filled = 0;
    while let Some(rest @ [_, ..]) = bytes.get_mut(filled..) {
        match open(file).map(|file| read(file, rest)) {
            Some(Ok(count)) if count > 0 => filled = filled.wrapping_add(count),
            _ => return false,
        }
    }
    true
}

/// False on an error.
fn write_all(file: &OwnedFd, bytes: &[u8]) -> bool {
    let mut written = 0;
    while let Some(rest @ [_, ..]) = bytes.get(written..) {
        match open(file).map(|file| write(file, rest)) {
            Some(Ok(count)) if count > 0 => written = written.wrapping_add(count),
            _ => return false,
        }
    }
    true
}

/// The file to read or write. The library's own way asserts that it is one, and a firmware that asserts has all that a panic says.
fn open(file: &OwnedFd) -> Option<BorrowedFd<'_>> {
    let number = file.as_raw_fd();
    // SAFETY: the file is open as long as it is owned, and its number is not -1.
    (number != -1).then(|| unsafe { BorrowedFd::borrow_raw(number) })
}

/// Ends the run with an exit code.
pub fn exit(code: i32) -> ! {
    semihosting::process::exit(code)
}

/// Says something on the emulator's standard error.
pub(crate) fn say(text: &[u8]) {
    // That name, opened to append, is the host's standard error.
    if let Ok(stderr) = sys_open(c":tt", OpenMode::WRONLY_APPEND) {
        // There is nobody left to tell.
        let _ = write_all(&stderr, text);
    }
}

/// Says a number in hexadecimal.
pub(crate) fn say_hex(number: u32) {
    say(b"0x");
    for place in (0..8).rev() {
        let nibble = ((number >> (4 * place)) & 15) as u8;
        say(&[nibble + if nibble < 10 { b'0' } else { b'a' - 10 }]);
    }
}

/// Says a number in decimal.
pub(crate) fn say_decimal(number: u32) {
    if number >= 10 {
        say_decimal(number / 10);
    }
    say(&[b'0' + (number % 10) as u8]);
}
