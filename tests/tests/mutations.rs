//! Damaged files: reading never panics and always ends, and what it accepts runs; what is taken without checks may fail, and never panics.
//!
//! `LACEWING_MUTATIONS` sets how many; the sequence is the same in every run. Build with overflow checks, as tests are.

use lacewing::format::Header;
use lacewing_tests::parts::Parts;
use lacewing_tests::probe::{Outcome, probe, probe_trusted};
use lacewing_tests::{models, records};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

#[test]
fn damaged_files_are_refused_or_run() {
    let count = std::env::var("LACEWING_MUTATIONS").map_or(100_000, |count| count.parse().expect("a number"));
    let seeds: Vec<Parts> = seeds().iter().map(|file| Parts::of(file)).collect();
    let mut random = Random(0x1ACE);
    let (mut accepted, mut run) = (0, 0);
    for _ in 0..count {
        let file = damaged(&seeds, &mut random);
        let outcome = probe(&file, || random.next() as u8);
        accepted += usize::from(outcome != Outcome::Refused);
        run += usize::from(outcome == Outcome::Run);
    }
    println!("{count} damaged files: {accepted} accepted, {run} of them run");
    assert!(run * 20 > count, "only {run} of {count} damaged files ran: the checks behind are not reached");
}

/// What is wrong with a file that nobody checks is at worst a run that fails.
#[test]
fn damaged_files_that_are_trusted_run_or_fail() {
    let count = std::env::var("LACEWING_MUTATIONS").map_or(20_000, |count| count.parse().expect("a number"));
    let seeds: Vec<Parts> = seeds().iter().map(|file| Parts::of(file)).collect();
    let mut random = Random(0x1ACE_0002);
    let damaged = (0..count).map(|_| damaged(&seeds, &mut random)).collect::<Vec<_>>();
    check_trusted(damaged.into_iter(), random);
}

/// Each byte of the headers and programs of small files, by itself.
#[test]
fn any_byte_of_a_trusted_program_may_be_wrong() {
    let damaged = seeds().into_iter().flat_map(|file| {
        let end = Header::parse(&file).expect("a header").constants_at();
        let bytes = (0..end).flat_map(|at| [(at, 0x00), (at, 0xff), (at, 0x01), (at, 0x80)]);
        bytes.map(move |(at, change)| {
            let mut file = file.clone();
            file[at] = if matches!(change, 0x00 | 0xff) { change } else { file[at] ^ change };
            file
        })
    });
    check_trusted(damaged, Random(0x1ACE_0003));
}

/// Probes all files, of which not so many may be refused that nothing is shown.
fn check_trusted(files: impl Iterator<Item = Vec<u8>>, mut random: Random) {
    let outcomes: Vec<_> = files.map(|file| probe_trusted(&file, || random.next() as u8)).collect();
    let share = |outcome| outcomes.iter().filter(|other| **other == outcome).count();
    let (run, failed) = (share(Outcome::Run), share(Outcome::Failed));
    println!("{} damaged files: {run} run, {failed} failed", outcomes.len());
    assert!(run.min(failed) * 20 > outcomes.len(), "the loops are not reached");
}

/// Models with all operations together, and files with one record of each.
fn seeds() -> Vec<Vec<u8>> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let mut seeds = vec![models::tiny(), models::every_operation(), models::int16(), models::int4()];
    seeds.extend([models::bands(), models::rows(), models::regions()]);
    for opcode in records::opcodes() {
        for _ in 0..8 {
            let case = records::of(opcode).new_tree(&mut runner).expect("a record").current();
            seeds.push(case.file.to_vec());
        }
    }
    seeds
}

/// One of the seeds with a few bytes changed, mostly with a header that fits again.
fn damaged(seeds: &[Parts], random: &mut Random) -> Vec<u8> {
    let mut parts = random.pick(seeds).clone();
    let other = random.pick(seeds);
    for _ in 0..1 + random.below(3) {
        match random.below(16) {
            0 => parts.arena_len = parts.arena_len.wrapping_add(random.below(64) as u32).wrapping_sub(32),
            1 | 2 => change(&mut parts.constants, &other.constants, random),
            3 => change(&mut parts.metadata, &other.metadata, random),
            _ => change(&mut parts.program, &other.program, random),
        }
    }
    let mut file = parts.file();
    if random.below(8) == 0 {
        change(&mut file, &other.program, random);
    }
    file
}

/// Changes one byte, or cuts, doubles or takes over a piece.
fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    const CORNERS: [u8; 10] = [0, 1, 2, 3, 15, 16, 127, 128, 254, 255];
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    match random.below(10) {
        0 | 1 => bytes[at] ^= 1 << random.below(8),
        2 | 3 => bytes[at] = *random.pick(&CORNERS),
        4 | 5 => bytes[at] = bytes[at].wrapping_add(*random.pick(&[1, 2, 255, 254])),
        6 => bytes[at] = random.next() as u8,
        7 => bytes.insert(at, *random.pick(&CORNERS)),
        8 => drop(bytes.drain(at..bytes.len().min(at + 1 + random.below(4)))),
        _ => {
            let from = random.below(other.len().max(1));
            let piece = other.iter().skip(from).take(random.below(40));
            bytes.splice(at..at, piece.copied());
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
