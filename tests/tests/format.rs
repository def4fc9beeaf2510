//! The format: what `Model::read` refuses and where, what it accepts, what a run asks of its arena.

use std::collections::BTreeSet;

use lacewing::arena::bytes_of;
use lacewing::format::encode::Builder;
use lacewing::format::{
    DType, Decode, HEADER_LEN, Header, Layout, Op, OpSet, Opcode, Place, Port, Reader, Requant, Span, Tensor, Window,
};
use lacewing::ops::*;
use lacewing::owned::Aligned;
use lacewing::{Flaw, Model, Portable, ReadError, RunError, Session};
use lacewing_tests::models;
use lacewing_tests::parts::{Parts, seal};

/// A model of a few records over an arena of 64 bytes.
#[derive(Clone, Debug, Default)]
struct Sketch {
    builder: Builder,
    ports: [Vec<Tensor>; 2],
}

impl Sketch {
    fn new(inputs: &[Tensor], ops: &[Op], outputs: &[Tensor]) -> Self {
        let mut sketch = Self { ports: [inputs.to_vec(), outputs.to_vec()], ..Self::default() };
        ops.iter().for_each(|op| sketch.builder.push(op).expect("few records"));
        sketch
    }

    /// The file, its ports as `edit` leaves them.
    fn edited(self, edit: impl Fn(&mut Port<'static>)) -> Vec<u8> {
        let ports = self.ports.map(|tensors| tensors.into_iter().map(port).collect::<Vec<_>>());
        let [inputs, outputs] = ports.map(|ports| {
            let edited = |mut port| {
                edit(&mut port);
                port
            };
            ports.into_iter().map(edited).collect::<Vec<_>>()
        });
        self.builder.finish(&inputs, &outputs, 64, &[]).expect("a small file")
    }

    fn file(self) -> Vec<u8> {
        self.edited(|_| {})
    }
}

fn port(tensor: Tensor) -> Port<'static> {
    let [n, h, w, c] = tensor.shape;
    Port { name: b"p", tensor, rank: 4, dims: [n, h, w, c, 0, 0], scale: 1.0, zero: 0 }
}

/// `len` int8 numbers in the arena.
fn i8s(offset: u32, len: u32) -> Tensor {
    shaped(offset, [1, 1, 1, len])
}

fn shaped(offset: u32, shape: [u32; 4]) -> Tensor {
    Tensor::new(Place::Arena, DType::I8, offset, shape)
}

fn f32s(offset: u32, len: u32) -> Tensor {
    Tensor::new(Place::Arena, DType::F32, offset, [1, 1, 1, len])
}

const WINDOW: Window = Window { kernel: [1, 2], stride: [1, 1], dilation: [1, 1], pad: [0, 0] };

/// Reads every number of `input` once; never in place.
fn pool(input: Tensor, output: Tensor) -> Op {
    MaxPoolI8 { input, output, window: Window { kernel: [1, 1], ..WINDOW }, lo: -128, hi: 127 }.into()
}

fn unary(input: Tensor, output: Tensor) -> Op {
    UnaryF32 { input, output, function: Function::Abs }.into()
}

fn add(a: Tensor, b: Tensor, output: Tensor) -> AddI8 {
    AddI8 { inputs: [a, b], output, multipliers: [1, 1], bias: 0, shift: 1, zero: 0, lo: -128, hi: 127 }
}

/// One record that reads 8 numbers and writes 8.
fn one(op: Op) -> Vec<u8> {
    let output = *op.output();
    Sketch::new(&[i8s(0, 8)], &[op], &[output]).file()
}

/// A fully connected layer from 8 numbers to 4, its constants as `edit` leaves them.
fn layer(edit: impl Fn(&mut FullyConnectedI8)) -> Vec<u8> {
    let (input, output) = (i8s(0, 8), i8s(16, 4));
    let mut sketch = Sketch::new(&[input], &[], &[output]);
    let weights = sketch.builder.constant(&[1i8; 32]);
    let bias = sketch.builder.constant(&[1i32, 2, 3, 4]);
    let multipliers = sketch.builder.constant(&[1i32 << 30]);
    let requant = Requant { multipliers, shift: 0, zero: 0, lo: -128, hi: 127 };
    let (layout, zeros, scratch) = (Layout::PLAIN, Span::EMPTY, Span { offset: 32, len: 16 });
    let mut op = FullyConnectedI8 { input, output, weights, layout, zeros, bias, requant, scratch };
    edit(&mut op);
    sketch.builder.push(&op.into()).expect("one record");
    sketch.file()
}

fn softmax(table: &[u32]) -> Vec<u8> {
    let mut sketch = Sketch::new(&[i8s(0, 8)], &[], &[i8s(8, 8)]);
    let table = sketch.builder.constant(table);
    sketch.builder.push(&SoftmaxI8 { input: i8s(0, 8), output: i8s(8, 8), table }.into()).expect("one record");
    sketch.file()
}

fn good() -> Vec<u8> {
    one(pool(i8s(0, 8), i8s(8, 8)))
}

/// A good file whose header `edit` changes, sealed again.
fn with_header(edit: impl Fn(&mut Header)) -> Vec<u8> {
    let mut file = good();
    let mut header = Header::parse(&file).expect("a header");
    edit(&mut header);
    seal(&mut file, header);
    file
}

/// A good file with other bytes at `at`, not sealed.
fn with_bytes(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = good();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

/// A good file whose program `edit` changes, stated and sealed again.
fn with_program(edit: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut parts = Parts::of(&good());
    edit(&mut parts.program);
    parts.file()
}

/// Bytes of the counts of ports.
const COUNTS: usize = 4;
/// Bytes of the two ports of a good file, after the counts: the name's length, a name of one byte, and the rest.
const PORTS: usize = 2 * (4 + 4 + 56);

fn read(file: &[u8]) -> Result<(), ReadError> {
    Model::<lacewing::AllOps>::read(&Aligned::from(file)).map(|_| ())
}

/// Broken files, each with its one flaw.
fn broken() -> Vec<(&'static str, Vec<u8>, Flaw)> {
    [headers(), programs(), tensors(), lives(), parameters()].concat()
}

fn headers() -> Vec<(&'static str, Vec<u8>, Flaw)> {
    let cut = |len: usize| good()[..len].to_vec();
    vec![
        ("nothing", Vec::new(), Flaw::Truncated),
        ("half a header", cut(63), Flaw::Truncated),
        ("another kind of file", with_bytes(0, b"TFL3"), Flaw::Magic),
        ("a later version", with_bytes(4, &[2, 0]), Flaw::Version),
        ("an unknown flag", with_bytes(6, &[1, 0]), Flaw::Version),
        ("cut short", cut(good().len() - 16), Flaw::Length),
        ("another length in the header", with_bytes(8, &[0]), Flaw::Length),
        ("a section of 4 GiB", with_bytes(36, &[255; 4]), Flaw::Length),
        ("a flipped bit in the program", with_bytes(70, &[77]), Flaw::Checksum),
        ("a flipped bit in the header", with_bytes(48, &[77]), Flaw::Checksum),
        ("a flipped bit in the checksum", with_bytes(60, &[77]), Flaw::Checksum),
        (
            "an unknown operation in the header",
            with_header(|h| h.ops = OpSet::from_bits(1 << 99)),
            Flaw::Unsupported(99),
        ),
        ("an operation that does not occur", with_header(|h| h.ops = h.ops.with(Opcode::AddI8)), Flaw::OpSet),
        ("an operation not stated", with_header(|h| h.ops = OpSet::NONE), Flaw::OpSet),
        ("more work than there is", with_header(|h| h.work += 1), Flaw::Work),
    ]
}

fn programs() -> Vec<(&'static str, Vec<u8>, Flaw)> {
    let segment = COUNTS + PORTS;
    vec![
        ("no program", with_program(Vec::clear), Flaw::Record),
        ("a byte too many", with_program(|p| p.push(0)), Flaw::Record),
        ("a byte too few", with_program(|p| p.truncate(p.len() - 1)), Flaw::Record),
        ("a record too few", with_program(move |p| p[segment + 2] = 2), Flaw::Truncated),
        ("a record too many", with_program(move |p| p[segment + 2] = 0), Flaw::Record),
        ("an unknown operation", with_program(move |p| p[segment + 4] = 99), Flaw::Unsupported(99)),
        ("a name longer than the file", with_program(|p| p[COUNTS + 1] = 127), Flaw::Record),
        ("half a port", with_program(|p| p.truncate(COUNTS + PORTS - 4)), Flaw::Record),
        ("a band without turns", with_segment(&[1, 0, 1, 0, 0, 0, 0, 0]), Flaw::Segment),
        ("a turn too many", with_segment(&[1, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0]), Flaw::Segment),
        ("a turn of no member", with_segment(&[1, 0, 1, 0, 2, 0, 0, 0, 1, 1, 0, 0]), Flaw::Segment),
        ("more turns than bytes", with_segment(&[1, 0, 1, 0, 255, 255, 255, 255]), Flaw::Record),
        ("a repetition", with_segment(&[2, 0, 1, 0, 4, 0, 0, 0]), Flaw::Segment),
        ("a segment of no kind", with_program(move |p| p[segment] = 3), Flaw::Record),
        ("nine inputs", with_inputs(9), Flaw::Record),
    ]
}

/// A good file with another segment in front of its record.
fn with_segment(segment: &[u8]) -> Vec<u8> {
    let at = COUNTS + PORTS;
    with_program(|p| drop(p.splice(at..at + 4, segment.iter().copied())))
}

/// A concatenation that says it has `count` inputs.
fn with_inputs(count: u8) -> Vec<u8> {
    let inputs = [i8s(0, 8); 8].into_iter().collect();
    let mut parts = Parts::of(&one(ConcatI8 { inputs, output: i8s(0, 64), outer: 1 }.into()));
    let at = COUNTS + PORTS + 4 + 4;
    assert_eq!(parts.program[at..at + 4], [8, 0, 0, 0]);
    parts.program[at] = count;
    let input: Vec<u8> = parts.program[at + 4..at + 28].to_vec();
    parts.program.splice(at + 4..at + 4, input);
    parts.file()
}

fn tensors() -> Vec<(&'static str, Vec<u8>, Flaw)> {
    let placed = |place| Tensor::new(place, DType::I8, 0, [1, 1, 1, 8]);
    let at = |tensor| one(pool(i8s(0, 8), tensor));
    let mut lined = placed(Place::Arena);
    lined.lines = 1;
    let untyped = Tensor::decode(&mut Reader::new(bytes_of(&[0x20u32, 0, 1, 1, 1, 8])));
    vec![
        ("f32 where int8 is wanted", at(f32s(16, 8)), Flaw::Type),
        ("a tensor of no type", at(untyped), Flaw::Type),
        ("an odd offset of f32", Sketch::new(&[f32s(2, 2)], &[], &[]).file(), Flaw::Type),
        ("an output beyond the arena", at(i8s(57, 8)), Flaw::Range),
        ("scratch beyond the arena", layer(|op| op.scratch.offset = 49), Flaw::Range),
        ("scratch beyond every arena", layer(|op| op.scratch = Span { offset: 1, len: u32::MAX }), Flaw::Range),
        ("an end beyond 32 bits", at(i8s(u32::MAX - 3, 8)), Flaw::Shape),
        ("a product beyond 32 bits", at(shaped(8, [1, 1 << 20, 1 << 20, 8])), Flaw::Shape),
        ("no rows", at(shaped(8, [1, 0, 1, 8])), Flaw::Shape),
        ("more channels out than in", at(i8s(8, 9)), Flaw::Shape),
        ("a ring outside a band", at(placed(Place::Arena).ring(1)), Flaw::Segment),
        ("a ring without lines", at(placed(Place::Ring)), Flaw::Shape),
        ("lines of a whole tensor", at(lined), Flaw::Segment),
        ("a state", one(pool(placed(Place::State), i8s(8, 8))), Flaw::Range),
        ("constants written to", one(pool(i8s(0, 8), placed(Place::Constant))), Flaw::Constant),
        ("an input that is a constant", constant_input(), Flaw::Segment),
        ("a port of another length", Sketch::new(&[i8s(0, 8)], &[], &[]).edited(|p| p.dims[3] = 7), Flaw::Shape),
        ("a port of rank 7", Sketch::new(&[i8s(0, 8)], &[], &[]).edited(|p| p.rank = 7), Flaw::Shape),
        ("a port without scale", Sketch::new(&[i8s(0, 8)], &[], &[]).edited(|p| p.scale = 0.0), Flaw::Parameter),
        ("a port of scale NaN", Sketch::new(&[], &[], &[i8s(0, 8)]).edited(|p| p.scale = f32::NAN), Flaw::Parameter),
    ]
}

fn constant_input() -> Vec<u8> {
    let mut sketch = Sketch::default();
    let span = sketch.builder.constant(&[1i8; 8]);
    sketch.ports[0].push(Tensor::new(Place::Constant, DType::I8, span.offset, [1, 1, 1, 8]));
    sketch.file()
}

fn lives() -> Vec<(&'static str, Vec<u8>, Flaw)> {
    let (a, b, c) = (i8s(0, 8), i8s(8, 8), i8s(16, 8));
    let two = |first: Op, second: Op| Sketch::new(&[a], &[first, second], &[]).file();
    vec![
        ("a tensor nobody wrote", one(pool(c, b)), Flaw::NotLive),
        ("half a tensor", one(pool(i8s(0, 4), i8s(8, 4))), Flaw::NotLive),
        ("a tensor after its last use", two(pool(a.last(), b), pool(a, c)), Flaw::NotLive),
        ("an output nobody wrote", Sketch::new(&[a], &[], &[b]).file(), Flaw::NotLive),
        ("an output that died", Sketch::new(&[a], &[pool(a.last(), b)], &[a]).file(), Flaw::NotLive),
        ("two inputs in one place", Sketch::new(&[a, i8s(7, 8)], &[], &[]).file(), Flaw::Overlap),
        ("a live tensor written over", two(pool(a, b), pool(b, i8s(4, 8))), Flaw::Overlap),
        ("an input written over in part", one(add(a.last(), a.last(), i8s(4, 8)).into()), Flaw::Overlap),
        ("in place without its last use", one(add(a, a, a).into()), Flaw::Overlap),
        ("in place where it may not", one(pool(a.last(), a)), Flaw::Overlap),
        ("scratch over an input", layer(|op| op.scratch.offset = 7), Flaw::Overlap),
        ("scratch over the output", layer(|op| op.scratch.offset = 19), Flaw::Overlap),
        ("33 tensors", many(33), Flaw::TooManyLive),
    ]
}

/// That many inputs of one number.
fn many(count: u32) -> Vec<u8> {
    let inputs: Vec<_> = (0..count).map(|at| i8s(at, 1)).collect();
    Sketch::new(&inputs, &[], &[]).file()
}

fn parameters() -> Vec<(&'static str, Vec<u8>, Flaw)> {
    let (a, b) = (i8s(0, 8), i8s(8, 8));
    let windowed = |window| one(MaxPoolI8 { input: a, output: b, window, lo: -128, hi: 127 }.into());
    let added = |edit: fn(&mut AddI8)| {
        let mut op = add(a, a, b);
        edit(&mut op);
        one(op.into())
    };
    let quantized = |scale| one(DequantizeI8 { input: a, output: f32s(16, 8), scale, zero: 0 }.into());
    vec![
        ("a kernel of 0", windowed(Window { kernel: [0, 1], ..WINDOW }), Flaw::Parameter),
        ("a stride of 0", windowed(Window { stride: [0, 1], ..WINDOW }), Flaw::Parameter),
        ("a dilation of 2^16", windowed(Window { dilation: [1 << 16, 1], ..WINDOW }), Flaw::Parameter),
        ("more padding than kernel", windowed(Window { pad: [0, 2], ..WINDOW }), Flaw::Shape),
        ("a window after the image", one(pool(a, shaped(8, [1, 2, 1, 8]))), Flaw::Shape),
        ("a sum without shift", added(|op| op.shift = 0), Flaw::Parameter),
        ("a sum with a large multiplier", added(|op| op.multipliers[1] = -(1 << 21) - 1), Flaw::Parameter),
        ("operands that do not broadcast", added(|op| op.inputs[0].shape = [1, 1, 2, 4]), Flaw::Shape),
        ("a shift of 31", layer(|op| op.requant.shift = 31), Flaw::Parameter),
        ("two multipliers for four channels", layer(|op| op.requant.multipliers.len = 8), Flaw::Constant),
        ("a layout without tiles", layer(|op| op.layout.outputs = 0), Flaw::Parameter),
        ("weights of another length", layer(|op| op.weights.len -= 1), Flaw::Constant),
        ("a layout that needs more weights", layer(|op| op.layout.depth = 3), Flaw::Constant),
        ("a bias out of line", layer(|op| op.bias.offset += 2), Flaw::Constant),
        ("a bias outside", layer(|op| op.bias.offset = 1 << 20), Flaw::Constant),
        ("a table that rises", softmax(&[1, 2]), Flaw::Constant),
        ("a table whose sum overflows", softmax(&[(1 << 28) + 1]), Flaw::Constant),
        ("no table", softmax(&[]), Flaw::Constant),
        ("a scale of 0", quantized(0.0), Flaw::Parameter),
        ("an infinite scale", quantized(f32::INFINITY), Flaw::Parameter),
    ]
}

#[test]
fn each_flaw_is_found() {
    assert_eq!(read(&good()), Ok(()));
    assert_eq!(read(&layer(|_| {})), Ok(()));
    assert_eq!(read(&softmax(&[1 << 28, 1])), Ok(()));
    for (name, file, flaw) in broken() {
        assert_eq!(read(&file).map_err(|error| error.flaw), Err(flaw), "{name}");
    }
    // `Alignment` is met below.
    let kinds: BTreeSet<_> = broken().iter().map(|(.., flaw)| format!("{flaw:?}")).collect();
    assert_eq!(kinds.len(), 18, "{kinds:?}");
}

#[test]
fn of_a_trusted_file_the_header_is_checked_alone() {
    let trusted = |file: &[u8]| Model::<lacewing::AllOps>::trusted(&Aligned::from(file)).map(|_| ());
    for (name, file, flaw) in headers() {
        let seen = !matches!(flaw, Flaw::Checksum | Flaw::OpSet | Flaw::Work | Flaw::Record);
        assert_eq!(trusted(&file).is_err_and(|error| error.flaw == flaw), seen, "{name}");
    }
}

#[test]
fn errors_say_where() {
    let at = |file: &[u8]| read(file).map_err(|error| error.at as usize);
    assert_eq!(at(&with_bytes(0, b"TFL3")), Err(0));
    assert_eq!(at(&with_bytes(60, &[77])), Err(60));
    assert_eq!(at(&with_program(|p| p[COUNTS + 1] = 127)), Err(HEADER_LEN + COUNTS));
    let record = HEADER_LEN + COUNTS + PORTS + 4;
    assert_eq!(at(&one(pool(i8s(16, 8), i8s(8, 8)))), Err(record));
    let first = pool(i8s(0, 8), i8s(8, 8));
    let second = Sketch::new(&[i8s(0, 8)], &[first.clone(), first], &[i8s(8, 8)]).file();
    assert_eq!(at(&second), Err(record + (at_end(&good()) - record)));
}

/// Where a file's program ends.
fn at_end(file: &[u8]) -> usize {
    HEADER_LEN + Parts::of(file).program.len()
}

#[test]
fn a_header_comes_back_as_it_was_written() {
    let header = Header {
        file_len: 64 + 16 + 16 + 16 + 5,
        arena_len: 0x0102_0304,
        ops: OpSet::from_bits(0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10),
        program_len: 3,
        constants_len: 16,
        metadata_len: 1,
        signature_len: 5,
        work: 0x1112_1314_1516_1718,
        body_crc: 0x2122_2324,
        program_crc: 0x3132_3334,
    };
    let mut file = header.to_bytes().to_vec();
    file.resize(header.file_len as usize, 0);
    assert_eq!(Header::parse(&file), Ok(header));
    assert_eq!([header.constants_at(), header.metadata_at(), header.signature_at()], [80, 96, 112]);
}

#[test]
fn bytes_out_of_line_are_refused() {
    let file = good();
    let mut shifted = Aligned::zeroed(file.len() + 1);
    shifted[1..].copy_from_slice(&file);
    let error = Model::<lacewing::AllOps>::read(&shifted[1..]).expect_err("an odd address");
    assert_eq!(error.flaw, Flaw::Alignment);
}

#[test]
fn what_the_rules_allow_is_accepted() {
    let (a, b) = (i8s(0, 8), i8s(8, 8));
    let accept = |name: &str, file: Vec<u8>| assert_eq!(read(&file), Ok(()), "{name}");
    accept("in place at its last use", one(add(a.last(), a.last(), a).into()));
    accept("the other operand in place", Sketch::new(&[a, b], &[add(a, b.last(), b).into()], &[b, a]).file());
    accept("f32 in place", Sketch::new(&[f32s(0, 4)], &[unary(f32s(0, 4).last(), f32s(0, 4))], &[f32s(0, 4)]).file());
    accept("a tensor read in another shape", one(pool(shaped(0, [1, 2, 2, 2]), shaped(8, [1, 2, 2, 2]))));
    accept("bytes used again after a last use", Sketch::new(&[a], &[pool(a.last(), b), pool(b, a)], &[a, b]).file());
    accept("an input that is an output", Sketch::new(&[a], &[], &[a]).file());
    accept("no records, no ports", Sketch::default().file());
    accept("32 tensors", many(32));
    accept("scratch between tensors", layer(|op| op.scratch = Span { offset: 8, len: 8 }));
}

#[test]
fn damage_behind_the_program_is_found_by_verify_alone() {
    let mut file = layer(|_| {});
    let last = file.len() - 1;
    assert_eq!(verify(&file), Ok(()));
    file[last] ^= 1;
    assert_eq!(read(&file), Ok(()));
    assert_eq!(verify(&file).map_err(|error| error.flaw), Err(Flaw::Checksum));
}

fn verify(file: &[u8]) -> Result<(), ReadError> {
    let file = Aligned::from(file);
    Model::<lacewing::AllOps>::read(&file).and_then(|model| model.verify())
}

#[test]
fn a_run_asks_for_a_long_and_aligned_arena() {
    let file = Aligned::from(&good()[..]);
    let model: Model<'_> = Model::read(&file).expect("a good file");
    let mut arena = Aligned::zeroed(65);
    assert_eq!(model.run(&Portable, &mut arena[..63]), Err(RunError::ArenaTooSmall { needed: 64 }));
    assert_eq!(model.run(&Portable, &mut arena[1..]), Err(RunError::ArenaUnaligned));
    assert_eq!(model.run(&Portable, &mut arena), Ok(()));
    assert!(matches!(Session::new(model, Portable, &mut arena[..63]), Err(RunError::ArenaTooSmall { .. })));
    assert!(matches!(Session::new(model, Portable, &mut arena[1..]), Err(RunError::ArenaUnaligned)));
}

#[test]
fn a_region_is_a_piece_of_memory_by_itself() {
    let file = Aligned::from(&models::regions()[..]);
    let model: Model<'_> = Model::read(&file).expect("a good file");
    assert_eq!(model.regions(), [128, 128, 16]);
    let [mut first, mut second, mut third] = [128, 128, 16].map(Aligned::zeroed);
    assert!(Session::in_regions(model, Portable, [&mut first, &mut second]).is_err(), "a region less");
    assert!(Session::in_regions(model, Portable, [&mut first, &mut second[..112], &mut third]).is_err());
    let unaligned = Session::in_regions(model, Portable, [&mut first, &mut second[1..], &mut third]);
    assert!(unaligned.is_err());
    let mut whole = Aligned::zeroed(272);
    let mut one = Session::new(model, Portable, &mut whole).expect("all regions in one piece");
    let mut apart = Session::in_regions(model, Portable, [&mut first, &mut second, &mut third]).expect("three pieces");
    for session in [&mut one, &mut apart] {
        (0..).zip(session.input::<i8>(0).expect("an input")).for_each(|(i, x)| *x = i);
        session.run().expect("a run");
    }
    assert_eq!(one.output::<i8>(0), apart.output::<i8>(0));
    assert!(one.output::<i8>(0).is_some_and(|mean| mean.iter().any(|x| *x != 0)));
}

#[test]
fn what_lies_across_regions_is_refused() {
    let read = |starts, moved| {
        let file = Aligned::from(&models::regions_at(starts, moved)[..]);
        Model::<lacewing::AllOps>::read(&file).map(|_| ()).map_err(|error| error.flaw)
    };
    assert_eq!(read([128, 256], 8), Ok(()), "the middle is shorter than its region");
    assert_eq!(read([272, 272], 0), Ok(()), "all in the first");
    assert_eq!(read([0, 0], 0), Ok(()), "all in the last");
    assert_eq!(read([96, 256], 0), Err(Flaw::Range), "the image reaches into the second");
    assert_eq!(read([128, 256], 16), Err(Flaw::Range), "the middle reaches into the third");
    assert_eq!(read([256, 128], 0), Err(Flaw::Range), "the third before the second");
    assert_eq!(read([128, 288], 0), Err(Flaw::Range), "beyond the end");
    assert_eq!(read([120, 256], 0), Err(Flaw::Range), "not at a multiple of 16");
}

#[test]
fn an_input_that_goes_in_row_by_row_is_never_there_as_a_whole() {
    let file = Aligned::from(&models::rows()[..]);
    let model: Model<'_> = Model::read(&file).expect("a good file");
    let mut arena = Aligned::zeroed(model.arena_len());
    assert_eq!(model.run(&Portable, &mut arena), Err(RunError::Rows));
    let mut session = Session::new(model, Portable, &mut arena).expect("an arena");
    assert_eq!(session.input_bytes(0), None);
    assert_eq!(session.input::<i8>(0), None);
    let mut frame = session.frame().expect("a frame");
    let mut offsets = Vec::new();
    while let Some(row) = session.row_bytes(&frame) {
        assert_eq!(row.len(), 15);
        offsets.extend(frame.row().map(|row| row.offset));
        session.push_row(&mut frame).expect("a row");
    }
    assert_eq!(offsets, [0, 15, 30, 0, 15, 30], "three lines in turn");
    assert_eq!(session.push_row(&mut frame), Err(RunError::Rows), "all six are there");
    let whole = Aligned::from(&good()[..]);
    assert!(Model::<lacewing::AllOps>::read(&whole).expect("a good file").frame().is_none());
}

#[test]
fn rows_that_arrive_too_late_too_early_or_never_are_refused() {
    let all = [(2, [0, 0]), (1, [0, 3]), (1, [0, 3]), (1, [0, 3]), (1, [0, 3]), (0, [0, 3]), (0, [1, 3])];
    let read = |lines, rows: [usize; 7]| {
        let turns: Vec<_> = rows.into_iter().zip(all).map(|(rows, (_, pair))| (rows, pair)).collect();
        let file = Aligned::from(&models::rows_in(lines, &turns)[..]);
        Model::<lacewing::AllOps>::read(&file).map(|_| ()).map_err(|error| error.flaw)
    };
    assert_eq!(read(3, [2, 1, 1, 1, 1, 0, 0]), Ok(()));
    assert_eq!(read(3, [1, 2, 1, 1, 1, 0, 0]), Err(Flaw::NotLive), "too late");
    assert_eq!(read(3, [2, 2, 1, 1, 0, 0, 0]), Err(Flaw::NotLive), "over a line that is still read");
    assert_eq!(read(4, [2, 2, 1, 1, 0, 0, 0]), Ok(()), "a line more");
    assert_eq!(read(3, [2, 1, 1, 1, 2, 0, 0]), Err(Flaw::Segment), "a row too many");
    assert_eq!(read(3, [2, 1, 1, 1, 0, 0, 0]), Err(Flaw::NotLive), "a row too few");
    assert_eq!(read(3, [0, 2, 1, 1, 1, 1, 0]), Err(Flaw::Segment), "the first turn is no row's");
    assert_eq!(read(0, [2, 1, 1, 1, 1, 0, 0]), Err(Flaw::Shape), "no lines");
}

#[test]
fn doors_have_the_type_and_length_of_their_ports() {
    let file = Aligned::from(&models::every_operation()[..]);
    let model: Model<'_> = Model::read(&file).expect("a good file");
    let mut arena = Aligned::zeroed(model.arena_len());
    let mut session = Session::new(model, Portable, &mut arena).expect("an arena");
    assert_eq!(session.input::<f32>(0).map(|input| input.len()), Some(144));
    assert_eq!(session.input::<i8>(1).map(|input| input.len()), Some(8));
    assert!(session.input::<i8>(0).is_none());
    assert!(session.input_bytes(2).is_none());
    assert_eq!(session.output::<i32>(2).map(<[i32]>::len), Some(1));
    assert_eq!(session.output::<i8>(7).map(<[i8]>::len), Some(4));
    assert!(session.output::<i8>(9).is_none());
    let names: Vec<_> = model.outputs().map(|port| port.name()).collect();
    assert_eq!(
        names,
        ["scores", "shares", "best", "shares_f32", "best_f32", "found", "ordered", "weighed", "last", "states"]
    );
}

#[test]
fn every_operation_is_written_and_read_back() {
    let mut all = OpSet::NONE;
    for file in
        [models::every_operation(), models::int16(), models::int4(), models::bands(), models::rows(), models::regions()]
    {
        let file = Aligned::from(&file[..]);
        let model: Model<'_> = Model::read(&file).expect("a good file");
        let banded = if model.bands().next().is_some() { OpSet::NONE.with_bands() } else { OpSet::NONE };
        let fed = if model.frame().is_some() { banded.with_rows() } else { banded };
        let all_in_one = model.regions() == [model.arena_len(), 0, 0];
        let placed = if all_in_one { fed } else { fed.with_regions() };
        let seen = model.ops().fold(placed, |set, op| set.with(op.opcode()));
        assert_eq!(model.header().ops, seen);
        let work: u64 = model.ops().map(|op| op.work()).sum();
        assert_eq!(model.header().work, work);
        all = OpSet::from_bits(all.bits() | seen.bits());
    }
    assert_eq!(all, OpSet::ALL);
}
