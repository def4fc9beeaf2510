//! Loaded models: doors by name and number, real numbers at them, sessions on many threads, errors that name what is wrong.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::PathBuf;
use std::{fs, thread};

use lacewing::Model;
use lacewing::format::{Op, Span};
use lacewing::owned::Aligned;
use lacewing_targets::{DoorError, Loaded, Session, Threads, load};
use lacewing_tests::generator::Generator;
use lacewing_tests::models;
use ndarray::arr2;

/// Counts what each thread allocates.
struct Counting;

thread_local!(static ALLOCATIONS: Cell<usize> = const { Cell::new(0) });

// SAFETY: every call goes to the system's allocator as it came; a thread's count is a plain number without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the memory came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Written for Cortex-M4, so that a PC packs it.
fn example() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    folder.join("../firmware-examples/qemu-mps2-an386-classify/fashion.lace")
}

fn session(file: &[u8]) -> Session {
    Loaded::new(file).expect("a model").packed().session()
}

/// An image of noise, another for each number.
fn pixels(number: usize) -> Vec<i8> {
    Generator::default().skip(784 * number).take(784).map(|byte| byte as i8).collect()
}

fn scores(session: &mut Session, image: &[i8]) -> Vec<i8> {
    session.input("image").expect("the image").copy_from_slice(image);
    session.run().expect("a run");
    session.output(0).expect("scores").to_vec()
}

#[test]
fn doors_have_numbers_and_names_and_take_real_numbers() {
    let mut session = session(&models::tiny());
    session.set("x", &[0.5, 1.0, -0.5]).expect("three numbers");
    assert_eq!(session.input::<i8>(0).expect("x"), [1, 2, -1]);
    session.run().expect("a run");
    let [by_name, by_number] = [session.output::<i8>("y"), session.output::<i8>(0)].map(|y| y.expect("y").to_vec());
    assert_eq!(by_name, by_number);
    let (mut reals, q) = ([0.0; 2], |y: &i8| 2.0 * f32::from(*y + 1));
    session.get("y", &mut reals).expect("two numbers");
    assert_eq!(reals.to_vec(), by_name.iter().map(q).collect::<Vec<_>>());
    assert_eq!(session.reals(0).expect("y"), reals);
}

#[test]
fn arrays_have_the_shape_of_their_door() {
    let mut session = session(&models::tiny());
    session.input_array("x").expect("x").assign(&arr2(&[[1i8, 2, -1]]));
    assert_eq!(session.input::<i8>("x").expect("x"), [1, 2, -1]);
    session.run().expect("a run");
    let y = session.output_array::<i8>("y").expect("y");
    assert_eq!((y.shape(), y.as_slice()), (&[1, 2][..], Some(session.output::<i8>("y").expect("y"))));
    assert!(session.output_array::<f32>("y").is_err());
}

#[test]
fn errors_name_the_door_and_the_way_out() {
    let mut session = session(&models::tiny());
    let unknown = session.input::<i8>("z").map(|_| ()).expect_err("no z");
    assert_eq!(unknown.to_string(), "the model has no input `z`; it has `x`");
    assert_eq!(session.reals(1).expect_err("one output").to_string(), "the model has no output number 1; it has `y`");
    let kind = session.output::<f32>("y").expect_err("int8").to_string();
    assert!(kind.starts_with("`y` holds numbers of type i8, not f32; real numbers go in by `set`"), "{kind}");
    let length = session.set("x", &[0.0; 4]).expect_err("four");
    assert_eq!(length.to_string(), "`x` has shape [1, 3], 3 elements, and 4 were given");
    assert!(matches!(session.get(0, &mut [0.0]), Err(DoorError::Length { given: 1, .. })));
}

#[test]
fn errors_of_files_name_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.lace");
    assert!(load(&path).expect_err("no file").to_string().starts_with(&format!("cannot read {}: ", path.display())));
    fs::write(&path, b"not a model").expect("a file");
    assert_eq!(
        load(&path).expect_err("no model").to_string(),
        format!("{} is refused: the file ends too early (byte 0)", path.display())
    );
}

#[test]
fn a_file_answers_the_same_however_it_is_loaded() {
    let (path, image) = (example(), pixels(1));
    let [read, given] =
        [Loaded::open(&path).expect("a file"), Loaded::new(&fs::read(&path).expect("bytes")).expect("a model")];
    let want = scores(&mut read.session(), &image);
    for model in [given, read.packed(), load(&path).expect("a file")] {
        model.model().verify().expect("a whole file");
        assert_eq!(scores(&mut model.session(), &image), want);
    }
    let packed = read.packed();
    assert_eq!(packed.packed().model().arena_len(), packed.model().arena_len());
}

#[test]
fn threads_share_a_model() {
    let model = load(example()).expect("the example");
    let images: Vec<_> = (0..8).map(pixels).collect();
    let want: Vec<_> = images.iter().map(|image| scores(&mut model.session(), image)).collect();
    // Each also has the others' help, when they want none themselves.
    let helpers = Threads::new(3).expect("two threads");
    let workers: Vec<_> = images
        .into_iter()
        .map(|image| {
            let mut session = model.session().on(&helpers);
            thread::spawn(move || (0..20).map(|_| scores(&mut session, &image)).collect::<Vec<_>>())
        })
        .collect();
    drop(model);
    for (worker, want) in workers.into_iter().zip(want) {
        assert!(worker.join().expect("no panic").iter().all(|scores| *scores == want));
    }
}

#[test]
fn an_input_that_goes_in_row_by_row_is_filled_whole() {
    let image: Vec<i8> = Generator::default().take(6 * 5 * 3).map(|byte| byte as i8).collect();
    let mut whole = session(&models::rows());
    whole.input("image").expect("the image").copy_from_slice(&image);
    whole.run().expect("a run");
    let file = Aligned::from(&models::rows()[..]);
    let model: Model<'_> = Model::read(&file).expect("the model");
    let mut arena = Aligned::zeroed(model.arena_len());
    let mut session = lacewing::Session::new(model, lacewing::Portable, &mut arena).expect("a session");
    let (mut frame, mut rows) = (session.frame().expect("rows"), image.chunks(15));
    while let (Some(row), Some(next)) = (session.row_bytes(&frame), rows.next()) {
        row.iter_mut().zip(next).for_each(|(to, from)| *to = *from as u8);
        session.push_row(&mut frame).expect("a row");
    }
    assert_eq!(whole.output::<i8>("mean").ok(), session.output::<i8>(0));
}

#[test]
fn a_run_allocates_nothing() {
    let threads = Threads::new(2).expect("a thread");
    let (mut session, image) = (load(example()).expect("the example").session().on(&threads), [0.5; 28 * 28]);
    let mut reals = [0.0; 10];
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..3 {
        session.set("image", &image).expect("the image");
        session.run().expect("a run");
        session.get("logits", &mut reals).expect("ten scores");
    }
    assert_eq!(ALLOCATIONS.with(Cell::get), before);
    drop(session.reals(0));
    assert!(ALLOCATIONS.with(Cell::get) > before, "what allocates is counted");
}

/// Weights that are packed are read by vectors, none of which lies in two lines of the cache.
#[test]
fn packed_weights_begin_lines_of_the_cache() {
    let file = Aligned::from(&fs::read(example()).expect("the example")[..]);
    let model: Model<'_, _> = Model::read(&file).expect("a model");
    let packed = lacewing_targets::pack(&model).expect("room").expect("it is for Cortex-M4");
    let packed = Aligned::from(&packed[..]);
    let model: Model<'_> = Model::read(&packed).expect("a model");
    let weights = model.ops().filter_map(|op| match op {
        Op::ConvI8(op) => Some(op.weights),
        Op::FullyConnectedI8(op) => Some(op.weights),
        _ => None,
    });
    let long: Vec<_> = weights.filter(|weights| weights.len >= 1024).collect();
    let at = |weights: &Span| model.header().constants_at() + weights.offset as usize;
    assert!(!long.is_empty() && long.iter().all(|weights| at(weights).is_multiple_of(64)), "{long:?}");
    assert!(packed.as_ptr().addr().is_multiple_of(64));
}
