//! The emulator's host: files in the folder where the emulator runs, and the end of the run.

use core::ffi::CStr;

use semihosting::fs::File;
use semihosting::io::{self, Read, Write};

use crate::code;

/// The bytes for the inputs: the file `input.bin` if there is one, else the generator.
pub enum Source {
    /// One inference after the other, each with all its inputs in order.
    File(File),
    /// `s = s * 1664525 + 1013904223` from 12345, the top byte of each new `s`.
    Generator(u32),
}

impl Source {
    /// Opens `input.bin`, or starts the generator where there is none.
    #[inline(never)]
    pub fn open() -> Self {
        match File::open(c"input.bin") {
            Ok(file) => Self::File(file),
            Err(_) => Self::Generator(12_345),
        }
    }

    /// Fills `bytes`; false at the end of the file.
    #[inline(never)]
    pub fn fill(&mut self, bytes: &mut [u8]) -> bool {
        match self {
            Self::File(file) => file.read_exact(bytes).is_ok(),
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
pub struct Sink(File);

impl Sink {
    /// Creates the file or ends the run.
    #[inline(never)]
    pub fn create(path: &CStr) -> Self {
        match File::create(path) {
            Ok(file) => Self(file),
            Err(_) => exit(code::FILE),
        }
    }

    /// Appends all bytes or ends the run.
    #[inline(never)]
    pub fn put(&mut self, bytes: &[u8]) {
        if self.0.write_all(bytes).is_err() {
            exit(code::FILE);
        }
    }
}

/// Ends the run with an exit code.
pub fn exit(code: i32) -> ! {
    semihosting::process::exit(code)
}

/// Says something on the emulator's standard error.
pub(crate) fn say(text: &str) {
    if let Ok(mut stderr) = io::stderr() {
        // There is nobody left to tell.
        let _ = stderr.write_all(text.as_bytes());
    }
}

/// Says a number in hexadecimal.
pub(crate) fn say_hex(number: u32) {
    let mut digits = *b"0x00000000";
    for (digit, place) in digits.iter_mut().skip(2).zip((0..8).rev()) {
        let nibble = ((number >> (4 * place)) & 15) as u8;
        *digit = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    }
    say(core::str::from_utf8(&digits).unwrap_or("?"));
}

/// Says a number in decimal.
pub(crate) fn say_decimal(mut number: u32) {
    let mut digits = [b' '; 10];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    say(core::str::from_utf8(&digits).unwrap_or("?").trim_start());
}
