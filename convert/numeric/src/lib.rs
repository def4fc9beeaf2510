//! The converter's loops over many numbers: linear algebra, rounding, statistics.
//!
//! They are a crate of their own so that they are optimized, which the converter as a whole, whose build waits for tract, is not. Every sum
//! has a fixed order, whatever the number of threads: the same input gives the same bits on every machine.

mod adaround;
mod functions;
mod linalg;
mod moments;
mod rounding;
mod statistics;
mod surgeon;
mod threads;
mod window;

pub use linalg::{Square, add, dot};
pub use moments::{centered, cross, gram, products, responses};
pub use rounding::{Form, Limits};
pub use statistics::{channels, count, extremes, noise, strided};
pub use surgeon::Surgeon;
pub use threads::bands;
pub use window::Window;
