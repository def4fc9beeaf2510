//! Every `Kernels` against the naive oracle, with random records of every operation.
//!
//! `PROPTEST_CASES` sets the number of records for each operation, 200 if it is not set.

use std::ops::Range;

use lacewing::format::{Op, SafeOverlap, Tensor, Window};
use lacewing::rows::{Rows, Work};
use lacewing::{Arena, Flaw, Kernels, Model, Opcode, Portable};
use lacewing_targets::cost::Kind;
use lacewing_targets::wish::Family;
use lacewing_targets::{Lanes, Level, Native, Split, Threads, native};
use lacewing_tests::oracle::{self, Constants, Values};
use lacewing_tests::records::{self, Case, constants};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

/// The suite for every implementation of `Kernels`. A new one is one line.
macro_rules! every_kernels {
    ($($name:ident = $kernels:expr,)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn equals_the_oracle() {
                each_operation(|case| whole(&$kernels, case));
            }

            #[test]
            fn inner_products_equal_plain_sums() {
                inner_products(&$kernels);
            }

            #[test]
            fn outputs_may_lie_over_inputs_as_far_as_read_allows() {
                each_operation(|case| overlapping(&$kernels, case));
            }

            #[test]
            fn turns_in_a_band_equal_the_whole_layer() {
                each_operation(|case| case.by_turns().map_or(Ok(()), |band| whole(&$kernels, &band)));
            }

            #[test]
            fn rows_in_any_ranges_equal_the_whole_layer() {
                each_operation(|case| rows(&$kernels, case));
            }
        })*
    };
}

every_kernels! {
    portable = Portable,
    cortex_m4 = lacewing_targets::CortexM4,
    cortex_m55 = lacewing_targets::CortexM55,
    scalar = lacewing_targets::Scalar,
    lanes_plain = lanes(Level::Plain),
    lanes_sse41 = lanes(Level::Sse41),
    lanes_avx2 = lanes(Level::Avx2),
    lanes_avx_vnni = lanes(Level::AvxVnni),
    lanes_avx512 = lanes(Level::Avx512),
    lanes_neon = lanes(Level::Neon),
    lanes_dot = lanes(Level::Dot),
    lanes_matrix = lanes(Level::Matrix),
    lanes_simd128 = lanes(Level::Simd128),
    riscv_v = lacewing_targets::RiscvV,
    threads = threads(),
}

/// This processor's kernels on three threads, however small a record is; three for each test.
fn threads() -> Split<'static, Native> {
    thread_local! {
        static THREADS: &'static Threads = Box::leak(Box::new(Threads::new(3).expect("the system starts threads")));
    }
    let threads = THREADS.with(|threads| *threads);
    threads.reserve(1 << 20);
    Split::new(native(), Some(threads)).from_products(0)
}

/// The kernels of a level, or where this processor has not got it, and says so, those in plain Rust.
fn lanes(level: Level) -> Lanes {
    Lanes::at(level).unwrap_or_else(|| {
        eprintln!("SKIPPED: this processor has no {level:?}");
        Lanes::default()
    })
}

/// Of the random records enough are as kernels want them: their loops are what is compared, not the portable bodies alone.
#[test]
fn random_records_reach_the_loops() {
    use Opcode::{ConvI8, ConvI16, ConvW4, DepthwiseI8, DepthwiseI16, DepthwiseW4};
    use Opcode::{FullyConnectedI8, FullyConnectedI16, FullyConnectedW4};
    let all = [ConvI8, ConvI16, ConvW4, DepthwiseI8, DepthwiseI16, DepthwiseW4, FullyConnectedI16, FullyConnectedW4];
    let reached = |family: Family, opcodes: &[Opcode]| {
        for opcode in opcodes {
            let mut runner = TestRunner::deterministic();
            let records = (0..1000).map(|_| records::of(*opcode).new_tree(&mut runner).expect("a record").current());
            let own = records.filter(|case| Kind::of(&case.op, family).to_string().ends_with("-own")).count();
            assert!(own >= 10, "{} of 1,000 {} are as {} wants them", own, opcode.name(), family.type_name());
        }
    };
    [Family::Armv7em, Family::Armv81m, Family::Scalar].into_iter().for_each(|family| reached(family, &all));
    reached(Family::Lanes, &[ConvI8, DepthwiseI8, FullyConnectedI8]);
}

/// The inner products of slices of any length, long ones of extremes that reach the ends of i32 among them.
fn inner_products<K: Kernels>(kernels: &K) {
    let slices = || (proptest::collection::vec(any::<i8>(), 0..200), proptest::collection::vec(any::<i8>(), 0..200));
    let check = |(a, b): (Vec<i8>, Vec<i8>)| {
        let sum: i64 = a.iter().zip(&b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum();
        prop_assert_eq!(i64::from(kernels.dot_i8(&a, &b)), sum);
        let wide: Vec<i16> = b.iter().map(|b| i16::from(*b) * 256).collect();
        prop_assert_eq!(kernels.dot_i16(&a, &wide), 256 * sum);
        let nibbles = a.iter().flat_map(|pair| [pair << 4 >> 4, pair >> 4]);
        let sum_w4: i32 = nibbles.zip(&b).map(|(w, x)| i32::from(w) * i32::from(*x)).sum();
        prop_assert_eq!(kernels.dot_w4(&a, &b), sum_w4);
        let [a, b] = [&a, &b].map(|x| x.iter().map(|x| f32::from(*x)).collect::<Vec<_>>());
        // Products of int8 and sums of 200 of them are exact in f32, in any order.
        prop_assert_eq!(f64::from(kernels.dot_f32(&a, &b)), sum as f64);
        Ok(())
    };
    TestRunner::new(Config { failure_persistence: None, ..Config::default() }).run(&slices(), check).unwrap();
    let lowest = vec![i16::MIN; 1 << 12];
    assert_eq!(kernels.dot_i16(&vec![-128; 1 << 12], &lowest), 1 << 34, "beyond 32 bits");
    let lowest = vec![-128; 1 << 17];
    assert_eq!(kernels.dot_i8(&lowest, &lowest), i32::MIN, "2^31 wraps");
    assert_eq!(kernels.dot_w4(&[-120; 1 << 16], &lowest), 1 << 27, "sixteen times as much wraps");
    assert_eq!(kernels.dot_i8(&lowest[1..], &lowest), i32::MAX - (1 << 14) + 1);
}

/// Runs `check` on random records of every operation.
fn each_operation(check: impl Fn(&Case) -> Result<(), TestCaseError>) {
    let failures: Vec<String> = records::opcodes().filter_map(|opcode| operation(opcode, &check).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn operation(opcode: Opcode, check: impl Fn(&Case) -> Result<(), TestCaseError>) -> Result<(), String> {
    let cases = std::env::var("PROPTEST_CASES").map_or(200, |cases| cases.parse().expect("a number"));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&records::of(opcode), |case| check(&case));
    run.map_err(|error| format!("{}: {error}", opcode.name()))
}

/// Runs the case's file, compares the output with the oracle's, and sees that no other byte changed.
fn whole<K: Kernels>(kernels: &K, case: &Case) -> Result<(), TestCaseError> {
    let model: Model<'_> = Model::read(&case.file).map_err(fail)?;
    let before = case.arena(model.arena_len());
    let mut arena = before.clone();
    model.run(kernels, &mut arena).map_err(fail)?;
    let constants = Constants(constants(&case.file));
    oracle::run(&case.op, constants, &case.inputs).check(&case.output(&arena)).map_err(fail)?;
    let changes = case.changes().map(|span| span.offset as usize..(span.offset + span.len) as usize);
    let kept = |at: &usize| changes.iter().all(|change| !change.contains(at));
    let changed = (0..arena.len()).filter(kept).find(|at| before[*at] != arena[*at]);
    prop_assert_eq!(changed, None, "a byte outside the output changed");
    Ok(())
}

fn fail(error: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

/// Cuts the output into ranges of rows, and computes each from a ring of just the input rows that it reads.
fn rows<K: Kernels>(kernels: &K, case: &Case) -> Result<(), TestCaseError> {
    let Some(window) = records::spatial(&mut case.op.clone()).map(|op| op.window) else { return Ok(()) };
    let model: Model<'_> = Model::read(&case.file).map_err(fail)?;
    let mut arena = case.arena(model.arena_len());
    model.run(kernels, &mut arena).map_err(fail)?;
    let got = match &case.inputs[0] {
        Values::I8(input) => {
            Values::I8(by_ranges(&case.op, &window, input, |work| int8(kernels, &case.op, model.constants(), work)))
        }
        Values::F32(input) => {
            Values::F32(by_ranges(&case.op, &window, input, |work| float(kernels, &case.op, model.constants(), work)))
        }
        Values::I16(input) => {
            Values::I16(by_ranges(&case.op, &window, input, |work| int16(kernels, &case.op, model.constants(), work)))
        }
        Values::I32(_) => unreachable!("no spatial operation reads i32"),
    };
    prop_assert_eq!(got.bytes(), case.output(&arena).bytes());
    Ok(())
}

/// Where input and output begin that lie so far apart.
type Apart = fn(u32) -> [u32; 2];

/// Computes with output and input over each other as far as they may be, from both sides; a byte further is refused.
fn overlapping<K: Kernels>(kernels: &K, case: &Case) -> Result<(), TestCaseError> {
    let SafeOverlap { below, above } = case.op.safe_overlap();
    let bytes = |tensor: &Tensor| tensor.span().expect("a small tensor").len;
    let (from, to) = (bytes(&case.op.inputs()[0]), bytes(case.op.output()));
    let wanted = oracle::run(&case.op, Constants(constants(&case.file)), &case.inputs);
    let step = case.op.output().dtype().expect("a typed output").size();
    let sides: [(u32, u32, Apart); 2] = [(to, below, |apart| [apart, 0]), (from, above, |apart| [0, apart])];
    for (first, shared, at) in sides.into_iter().filter(|(_, shared, _)| *shared > 0) {
        let placed = |[input, output]: [u32; 2]| case.placed(input, output).expect("a record of rows");
        let over = placed(at(first - shared));
        let model: Model<'_> = Model::read(&over.file).map_err(fail)?;
        let mut arena = over.arena(model.arena_len());
        model.run(kernels, &mut arena).map_err(fail)?;
        wanted.check(&over.output(&arena)).map_err(fail)?;
        let refused = placed(at(first - shared - step));
        let flaw = Model::<'_>::read(&refused.file).map(|_: Model<'_>| ()).map_err(|error| error.flaw);
        prop_assert_eq!(flaw, Err(Flaw::Overlap));
    }
    Ok(())
}

type Done = Result<(), lacewing::Fault>;

fn int8<K: Kernels>(kernels: &K, op: &Op, constants: lacewing::arena::Constants<'_>, work: Work<'_, i8>) -> Done {
    match op {
        Op::ConvI8(op) => kernels.conv_i8(op, constants, work),
        Op::DepthwiseI8(op) => kernels.depthwise_i8(op, constants, work),
        Op::ConvW4(op) => kernels.conv_w4(op, constants, work),
        Op::DepthwiseW4(op) => kernels.depthwise_w4(op, constants, work),
        Op::AveragePoolI8(op) => kernels.average_pool_i8(op, constants, work),
        Op::MaxPoolI8(op) => kernels.max_pool_i8(op, work),
        other => unreachable!("{other:?} is not spatial"),
    }
}

fn int16<K: Kernels>(kernels: &K, op: &Op, constants: lacewing::arena::Constants<'_>, work: Work<'_, i16>) -> Done {
    match op {
        Op::ConvI16(op) => kernels.conv_i16(op, constants, work),
        Op::DepthwiseI16(op) => kernels.depthwise_i16(op, constants, work),
        Op::AveragePoolI16(op) => kernels.average_pool_i16(op, constants, work),
        Op::MaxPoolI16(op) => kernels.max_pool_i16(op, work),
        other => unreachable!("{other:?} is not spatial"),
    }
}

fn float<K: Kernels>(kernels: &K, op: &Op, constants: lacewing::arena::Constants<'_>, work: Work<'_, f32>) -> Done {
    match op {
        Op::ConvF32(op) => kernels.conv_f32(op, constants, work),
        Op::DepthwiseF32(op) => kernels.depthwise_f32(op, constants, work),
        Op::AveragePoolF32(op) => kernels.average_pool_f32(op, work),
        Op::MaxPoolF32(op) => kernels.max_pool_f32(op, work),
        other => unreachable!("{other:?} is not spatial"),
    }
}

fn by_ranges<T: Copy + Default>(op: &Op, window: &Window, input: &[T], kernel: impl Fn(Work<'_, T>) -> Done) -> Vec<T> {
    let [from, to] = [&op.inputs()[0], op.output()];
    let (image, row_len) = (stride(from, 1), stride(from, 2));
    let mut output = Vec::new();
    for (number, image) in input.chunks(image).enumerate() {
        for (cut, rows) in ranges(to.shape[1], number).into_iter().enumerate() {
            let needed = needed(window, from.shape[1], &rows);
            let (ring, head) = ring(image, row_len, &needed, cut);
            let mut part = vec![T::default(); rows.len() * stride(to, 2)];
            let mut scratch = Arena::<2048>::new();
            let work = Work {
                input: Rows::ring(&ring, row_len, needed.start, head),
                rows,
                output: &mut part,
                scratch: &mut scratch,
            };
            kernel(work).expect("a ring with every row that is needed");
            output.extend(part);
        }
    }
    output
}

/// Elements of the dimensions from `axis` on.
fn stride(tensor: &Tensor, axis: usize) -> usize {
    tensor.shape[axis..].iter().product::<u32>() as usize
}

/// Ranges of 1, 2, 3, 1, … rows.
fn ranges(rows: u32, first: usize) -> Vec<Range<u32>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for len in [1, 2, 3].into_iter().cycle().skip(first) {
        if start == rows {
            break;
        }
        let end = rows.min(start + len);
        ranges.push(start..end);
        start = end;
    }
    ranges
}

/// The input rows that output rows read.
fn needed(window: &Window, height: u32, rows: &Range<u32>) -> Range<usize> {
    let taps = rows.clone().flat_map(|y| {
        let tap = move |ky| i64::from(y * window.stride[0] + ky * window.dilation[0]) - i64::from(window.pad[0]);
        (0..window.kernel[0]).map(tap)
    });
    let inside: Vec<usize> = taps.filter(|y| (0..i64::from(height)).contains(y)).map(|y| y as usize).collect();
    match (inside.iter().min(), inside.iter().max()) {
        (Some(first), Some(last)) => *first..last + 1,
        _ => 0..0,
    }
}

/// The rows `needed` of an image in a ring of as many lines, turned by `turn`, and the line of the first.
fn ring<T: Copy + Default>(image: &[T], row_len: usize, needed: &Range<usize>, turn: usize) -> (Vec<T>, usize) {
    let lines = needed.len();
    let head = turn.checked_rem(lines).unwrap_or(0);
    let mut ring = vec![T::default(); lines * row_len];
    for (i, y) in needed.clone().enumerate() {
        let line = (head + i) % lines;
        ring[line * row_len..][..row_len].copy_from_slice(&image[y * row_len..][..row_len]);
    }
    (ring, head)
}
