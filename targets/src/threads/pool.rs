//! Threads that wait for work: awake for a while after the last, then asleep.
//!
//! No crate does this without an allocation or a lock of the system at each piece of work (rayon's injector has both), which is longer than
//! the layers of a small network take.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::boxed::Box;
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};
use std::vec::Vec;

/// What the threads of a pool do; the number is that of the thread, 0 for the one that has the work done.
pub(super) type Task<'a> = &'a (dyn Fn(usize) + Sync);

/// How long a thread stays awake without work: more than the gap between two layers, less than anyone would notice.
const AWAKE: Duration = Duration::from_micros(100);
/// Turns of a loop that waits, after which the system may give the processor to another thread.
const PATIENCE: u32 = 1 << 10;

/// In [`Shared::state`]: threads may join the present work.
const OPEN: u32 = 1;
/// In [`Shared::state`]: a thread that has joined.
const JOINED: u32 = 2;
/// In [`Shared::state`]: how many have.
const JOINS: u32 = (1 << NUMBER) - JOINED;
/// In [`Shared::state`]: where the number of the work starts.
const NUMBER: u32 = 16;

/// Some threads, one of which is whoever calls [`Pool::run`].
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
}

/// What the threads of a pool share.
#[derive(Debug, Default)]
struct Shared {
    /// [`OPEN`], the threads that have joined, and the number of the work.
    state: AtomicU32,
    /// Where the present [`Task`] stands, while the state is open or a thread has joined.
    task: AtomicPtr<()>,
    /// Whether somebody has work done.
    taken: AtomicBool,
    /// Whether the threads are to end.
    ended: AtomicBool,
    /// For each thread, whether it sleeps.
    asleep: Box<[AtomicBool]>,
    /// The threads.
    threads: OnceLock<Box<[Thread]>>,
}

impl Pool {
    /// `count` threads, and whoever calls [`Pool::run`].
    pub(super) fn new(count: usize) -> io::Result<Self> {
        let asleep = (0..count).map(|_| AtomicBool::new(false)).collect();
        let mut pool = Self { shared: Arc::new(Shared { asleep, ..Shared::default() }), handles: Vec::new() };
        for thread in 0..count {
            let shared = Arc::clone(&pool.shared);
            let spawned = thread::Builder::new().name("lacewing".into()).spawn(move || shared.work(thread))?;
            pool.handles.push(spawned);
        }
        // Nothing wakes a thread before this.
        let _ = pool.shared.threads.set(pool.handles.iter().map(|handle| handle.thread().clone()).collect());
        Ok(pool)
    }

    /// The right to have work done, unless somebody has it.
    pub(super) fn take(&self) -> Option<Turn<'_>> {
        let taken = self.shared.taken.swap(true, Ordering::Acquire);
        (!taken).then_some(Turn(&self.shared))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        for handle in self.handles.drain(..) {
            handle.thread().unpark();
            // A thread that panicked has said so.
            let _ = handle.join();
        }
    }
}

/// The right to have work done; only one thread has it at a time.
#[derive(Debug)]
pub(super) struct Turn<'p>(&'p Shared);

impl Turn<'_> {
    /// Calls `task` here, and on those of the pool's threads that come before it returns; returns when all have.
    pub(super) fn run(&mut self, task: Task<'_>) {
        let shared = self.0;
        shared.task.store((&raw const task).cast_mut().cast(), Ordering::Relaxed);
        let number = (shared.state.load(Ordering::Relaxed) >> NUMBER).wrapping_add(1);
        shared.state.store(number << NUMBER | OPEN, Ordering::SeqCst);
        // The task stays where it is until this is dropped, on a panic too.
        let _closed = Closed(shared);
        shared.wake();
        task(0);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::Release);
    }
}

/// Lets no thread join when it is dropped, and waits for those that have.
struct Closed<'p>(&'p Shared);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_and(!OPEN, Ordering::Relaxed);
        let mut turns = 0u32;
        while self.0.state.load(Ordering::Acquire) & JOINS != 0 {
            turns = turns.saturating_add(1);
            if turns < PATIENCE { spin_loop() } else { thread::yield_now() }
        }
    }
}

/// Leaves the present work when it is dropped.
struct Joined<'p>(&'p Shared);

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_sub(JOINED, Ordering::Release);
    }
}

impl Shared {
    /// The life of a thread.
    fn work(&self, thread: usize) {
        let (mut last, mut since) = (0, Instant::now());
        while !self.ended.load(Ordering::Relaxed) {
            if let Some(joined) = self.join(&mut last) {
                joined.task()(thread.wrapping_add(1));
                drop(joined);
                since = Instant::now();
            } else if since.elapsed() < AWAKE {
                spin_loop();
            } else {
                self.sleep(thread, last);
                since = Instant::now();
            }
        }
    }

    /// Whether there is work that is not the last that the thread did.
    fn is_open(state: u32, last: u32) -> bool {
        state & OPEN != 0 && state >> NUMBER != last
    }

    /// Joins the present work, if it is open and not the last one.
    fn join(&self, last: &mut u32) -> Option<Joined<'_>> {
        let more = |state: u32| Self::is_open(state, *last).then(|| state.wrapping_add(JOINED));
        let state = self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, more).ok()?;
        *last = state >> NUMBER;
        Some(Joined(self))
    }

    /// Sleeps until there is work.
    fn sleep(&self, thread: usize, last: u32) {
        let Some(asleep) = self.asleep.get(thread) else { return };
        // Whoever opens work looks at this after it has, so that one of the two sees the other.
        asleep.store(true, Ordering::SeqCst);
        if !Self::is_open(self.state.load(Ordering::SeqCst), last) && !self.ended.load(Ordering::SeqCst) {
            thread::park();
        }
        asleep.store(false, Ordering::Relaxed);
    }

    /// Wakes the threads that sleep.
    fn wake(&self) {
        for (asleep, thread) in self.asleep.iter().zip(self.threads.get().into_iter().flatten()) {
            if asleep.load(Ordering::SeqCst) {
                thread.unpark();
            }
        }
    }
}

impl Joined<'_> {
    /// What is to be done.
    fn task(&self) -> Task<'_> {
        let task = self.0.task.load(Ordering::Relaxed).cast_const().cast::<Task<'_>>();
        // SAFETY: the thread joined while the state was open: `Turn::run` had stored the place of a `Task` before (its store of the state, or an
        // update after it, is what `join` acquired). It does not return, nor unwind, before `Closed` has seen this thread leave, and the
        // borrow of `self` ends before that. Nobody stores another meanwhile: for that a `Turn` is needed, and there is one at a time.
        unsafe { *task }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicUsize;
    use std::sync::Mutex;

    /// Numbers up to `len`, each taken once by some thread.
    fn taken(turn: &mut Turn<'_>, len: usize) -> Vec<usize> {
        let (next, taken) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        turn.run(&|_| {
            while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < len) {
                taken.lock().unwrap().push(number);
            }
        });
        let mut taken = taken.into_inner().unwrap();
        taken.sort_unstable();
        taken
    }

    #[test]
    fn all_work_is_done_once_awake_or_asleep() {
        let pool = Pool::new(3).unwrap();
        for round in 0..if cfg!(miri) { 20 } else { 20_000 } {
            assert_eq!(taken(&mut pool.take().unwrap(), 5), [0, 1, 2, 3, 4]);
            if round % 1000 == 0 {
                thread::sleep(AWAKE * 3);
            }
        }
    }

    #[test]
    fn a_second_one_gets_no_turn() {
        let pool = Pool::new(1).unwrap();
        let turn = pool.take();
        assert!(turn.is_some() && pool.take().is_none());
        drop(turn);
        assert!(pool.take().is_some());
    }

    #[test]
    fn sleeping_threads_come_when_they_are_woken() {
        let pool = Pool::new(1).unwrap();
        thread::sleep(AWAKE * 10);
        let came = AtomicUsize::new(0);
        pool.take().unwrap().run(&|thread| {
            came.fetch_add(1, Ordering::SeqCst);
            while thread == 0 && came.load(Ordering::SeqCst) < 2 {
                thread::yield_now();
            }
        });
        assert_eq!(came.into_inner(), 2);
    }

    #[test]
    fn a_task_that_panics_leaves_the_pool_usable() {
        let pool = Pool::new(2).unwrap();
        let result = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
            pool.take().unwrap().run(&|thread| assert!(thread != 0));
        }));
        assert!(result.is_err());
        assert_eq!(taken(&mut pool.take().unwrap(), 3), [0, 1, 2]);
    }
}
