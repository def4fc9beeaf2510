//! Says whether the processor that is compiled for may have Arm's DSP instructions, `cfg(dsp)` with the architecture as its value, and
//! whether it may have Helium vectors, `cfg(helium)`; and `cfg(thumb)`, with the architecture as its value, if it has neither. `cfg(rvv)` stands
//! for RISC-V that may have vectors, with the value `linux` where the system tells whether it has. `cfg(lanes)` stands for the families that
//! `Lanes` is for, with the folder as its value if its instructions can be compiled for: of 32-bit Arm under Linux, which tells of NEON.
//!
//! Stable Rust does not tell of the features `dsp` and `mve`, so the target's name decides. On Armv8-M mainline both are an option of the
//! chip: there the firmware, which chooses its kernels by type, knows.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(dsp, values(none(), \"armv7e-m\", \"armv8-m\"))");
    println!("cargo::rustc-check-cfg=cfg(helium)");
    println!("cargo::rustc-check-cfg=cfg(lanes, values(none(), \"aarch64\", \"armv7\", \"wasm\", \"x86\"))");
    println!("cargo::rustc-check-cfg=cfg(rvv, values(none(), \"linux\"))");
    println!("cargo::rustc-check-cfg=cfg(thumb, values(none(), \"armv6-m\", \"armv7-m\"))");
    let target = std::env::var("TARGET").unwrap_or_default();
    for (triple, architecture) in [("thumbv7em", "armv7e-m"), ("thumbv8m.main", "armv8-m")] {
        if target.starts_with(triple) {
            println!("cargo::rustc-cfg=dsp");
            println!("cargo::rustc-cfg=dsp=\"{architecture}\"");
        }
    }
    for (triple, architecture) in [("thumbv6m", "armv6-m"), ("thumbv8m.base", "armv6-m"), ("thumbv7m", "armv7-m")] {
        if target.starts_with(triple) {
            println!("cargo::rustc-cfg=thumb");
            println!("cargo::rustc-cfg=thumb=\"{architecture}\"");
        }
    }
    if (target.starts_with("riscv32i") || target.starts_with("riscv64")) && target.ends_with("-none-elf") {
        println!("cargo::rustc-cfg=rvv");
    }
    if target.starts_with("thumbv8m.main") {
        println!("cargo::rustc-cfg=helium");
    }
    native();
}

/// Families whose kernels programs for PCs, Linux boards and browsers have.
fn native() {
    let var = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let has = |feature: &str| var("FEATURE").split(',').any(|is| is == feature);
    let std = std::env::var_os("CARGO_FEATURE_STD").is_some();
    let linux = std && ["linux", "android"].contains(&var("OS").as_str());
    let (family, value) = match var("ARCH").as_str() {
        "x86_64" => ("lanes", Some("x86")),
        "aarch64" => ("lanes", has("neon").then_some("aarch64")),
        "wasm32" => ("lanes", has("simd128").then_some("wasm")),
        "arm" if linux && var("ENDIAN") == "little" => ("lanes", Some("armv7")),
        "riscv64" if linux => ("rvv", Some("linux")),
        _ => return,
    };
    println!("cargo::rustc-cfg={family}");
    if let Some(value) = value {
        println!("cargo::rustc-cfg={family}=\"{value}\"");
    }
}
