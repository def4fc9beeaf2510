//! Writes the linker script of the board named by `LACEWING_BOARD`, chooses its kernels and whether `LACEWING_PROFILE` wants records told
//! apart, and copies the model named by `LACEWING_MODEL`, if there is one, to where `include_model!` finds it. `cfg(riscv)` stands for a RISC-V
//! processor of 32 or 64 bits.

use std::path::{Path, PathBuf};
use std::{env, fs};

use lacewing_targets::boards::{self, Board, Memory};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let board = board();
    fs::write(out.join("memory.x"), memory_x(board)).expect("OUT_DIR is writable");
    fs::write(out.join("kernels.rs"), kernels(board)).expect("OUT_DIR is writable");
    fs::write(out.join("watch.rs"), watch()).expect("OUT_DIR is writable");
    fs::write(out.join("room.rs"), format!("const ROOM: usize = {};\n", board.ram.len / 8 * 7))
        .expect("OUT_DIR is writable");
    // Where cortex-m-rt looks for the handlers of a chip's interrupts: there are none.
    fs::write(out.join("device.x"), "").expect("OUT_DIR is writable");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-check-cfg=cfg(riscv)");
    if board.triple.starts_with("riscv") {
        println!("cargo:rustc-cfg=riscv");
        println!("cargo:rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
    copy_model(&out);
}

fn board() -> &'static Board {
    println!("cargo:rerun-if-env-changed=LACEWING_BOARD");
    let name = env::var("LACEWING_BOARD").expect("LACEWING_BOARD names the board");
    boards::board(&name).unwrap_or_else(|| panic!("no board is called {name}"))
}

/// Names the kernels of the board's target `Chosen`.
fn kernels(board: &Board) -> String {
    let target = boards::target(board.target).expect("every board has a target");
    format!("use lacewing_targets::{} as Chosen;\n", target.kernels.type_name())
}

/// Names what is told of each record `Watch`.
fn watch() -> &'static str {
    println!("cargo:rerun-if-env-changed=LACEWING_PROFILE");
    match env::var_os("LACEWING_PROFILE") {
        Some(_) => "use lacewing_emulated::marks::Notes as Watch;\n",
        None => "type Watch = ();\n",
    }
}

fn copy_model(out: &Path) {
    println!("cargo:rerun-if-env-changed=LACEWING_MODEL");
    if let Some(model) = env::var_os("LACEWING_MODEL") {
        println!("cargo:rerun-if-changed={}", Path::new(&model).display());
        fs::copy(&model, out.join("model.lace")).expect("LACEWING_MODEL is a readable file");
    }
}

fn memory_x(board: &Board) -> String {
    let region =
        |name: &str, Memory { start, len }: Memory| format!("  {name} : ORIGIN = {start:#x}, LENGTH = {len}\n");
    let (flash, ram) = (region("FLASH", board.flash), region("RAM", board.ram));
    let mut script = format!("MEMORY {{\n{flash}{ram}}}\n");
    if board.triple.starts_with("riscv") {
        for section in ["TEXT", "RODATA"] {
            script += &format!("REGION_ALIAS(\"REGION_{section}\", FLASH);\n");
        }
        for section in ["DATA", "BSS", "HEAP", "STACK"] {
            script += &format!("REGION_ALIAS(\"REGION_{section}\", RAM);\n");
        }
    }
    script
}
