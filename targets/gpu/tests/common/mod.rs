//! The GPU that tests run on.

use std::time::Duration;

use lacewing_gpu::{Gpu, Options};

/// A minute is short for a driver in software on a busy machine.
pub(crate) const OPTIONS: Options = Options { allow_software: true, timeout: Duration::from_secs(300) };

/// A GPU, or `None` where there is none, which is said. In CI it is a failure.
pub(crate) fn gpu() -> Option<Gpu> {
    match Gpu::new(&OPTIONS) {
        Ok(gpu) => {
            eprintln!("on {}, {}", gpu.name(), gpu.driver());
            Some(gpu)
        }
        Err(error) if std::env::var_os("CI").is_some() => panic!("{error}"),
        Err(error) => {
            eprintln!("SKIPPED: {error}");
            None
        }
    }
}
