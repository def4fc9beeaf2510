//! Classifies one image of Fashion-MNIST with a model in flash, and logs the result.
#![no_std]
#![no_main]

use cortex_m as _; // the critical section that the logger needs
use cortex_m_rt::entry;
use defmt_semihosting as _; // the logger
use lacewing::{Arena, ReadError, RunError, Session};
use lacewing_targets::CortexM4;
use semihosting::process::exit;

lacewing::include_model!(mod fashion = "../fashion.lace");

/// 28 rows of 28 gray pixels, 0..=255.
static IMAGE: &[u8; 28 * 28] = include_bytes!("../image.bin");

static CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

#[derive(defmt::Format)]
enum Error {
    Read(ReadError),
    Run(RunError),
    OtherModel,
}

#[entry]
fn main() -> ! {
    static mut ARENA: Arena<{ fashion::ARENA_LEN }> = Arena::new();
    defmt::info!("model {} bytes, arena {} bytes", fashion::BYTES.len(), ARENA.len());
    match classify(ARENA) {
        Ok(class) => {
            defmt::info!("the image's class is {}", class);
            exit(0)
        }
        Err(error) => {
            defmt::error!("{}", error);
            exit(1)
        }
    }
}

fn classify(arena: &mut [u8]) -> Result<&'static str, Error> {
    let model = fashion::read().map_err(Error::Read)?;
    let mut session = Session::new(model, CortexM4, arena).map_err(Error::Run)?;
    let input = session.input::<i8>(0).ok_or(Error::OtherModel)?;
    for (to, pixel) in input.iter_mut().zip(IMAGE) {
        // The model's input has scale 1/255 and zero point -128: 0 becomes -128, 255 becomes 127.
        *to = pixel.wrapping_sub(128).cast_signed();
    }
    session.run().map_err(Error::Run)?;
    let scores = session.output::<i8>(0).ok_or(Error::OtherModel)?;
    let best = scores.iter().zip(CLASSES).max_by_key(|(score, _)| **score);
    best.map(|(_, class)| class).ok_or(Error::OtherModel)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    defmt::error!("{}", defmt::Display2Format(info));
    exit(101)
}
