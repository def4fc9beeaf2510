//! Threads that share the work of single layers.

use core::num::NonZero;
use std::boxed::Box;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use lacewing::owned::Aligned;

mod pool;
mod queue;
mod split;

use pool::{Pool, Turn};
pub use split::Split;

/// Threads that share the rows and outputs of large layers; clones are the same threads.
///
/// Sessions may share them, on any threads of the program: while one has a layer computed by all, another computes its own by itself. The output bits
/// are those of one thread. They stay awake for 100 µs after a layer, and end with the last clone and [`Session`](crate::Session) that has them.
///
/// ```no_run
/// let threads = lacewing_targets::Threads::new(2)?;
/// let mut session = lacewing_targets::load("kws.lace")?.session().on(&threads);
/// session.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Threads(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: Pool,
    /// Bytes to work in, for each thread but the one that calls.
    scratch: Box<[Mutex<Aligned>]>,
}

impl Threads {
    /// `count` threads; whoever calls [`Session::run`](crate::Session::run) is one of them.
    ///
    /// # Errors
    /// The system's, if it starts no more threads.
    pub fn new(count: usize) -> io::Result<Self> {
        let others = count.saturating_sub(1);
        let scratch = (0..others).map(|_| Mutex::new(Aligned::zeroed(0))).collect();
        Ok(Self(Arc::new(Shared { pool: Pool::new(others)?, scratch })))
    }

    /// As many as can run at the same time.
    ///
    /// # Errors
    /// As [`Threads::new`].
    pub fn all() -> io::Result<Self> {
        Self::new(std::thread::available_parallelism().map_or(1, NonZero::get))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.scratch.len().saturating_add(1)
    }

    /// Makes room for records with so many bytes of scratch, which each thread has its own of. [`Session::on`](crate::Session::on) does.
    pub fn reserve(&self, len: usize) {
        for scratch in &self.0.scratch {
            let mut scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
            if scratch.len() < len {
                *scratch = Aligned::zeroed(len);
            }
        }
    }

    /// The right to use all threads, unless somebody has it.
    fn take(&self) -> Option<Turn<'_>> {
        self.0.pool.take()
    }

    /// What a thread works in, if it is not the one that calls.
    fn scratch(&self, thread: usize) -> Option<&Mutex<Aligned>> {
        self.0.scratch.get(thread.checked_sub(1)?)
    }
}
