//! Says whether the processor that is compiled for may have Arm's DSP instructions, `cfg(dsp)` with the architecture as its value, and
//! whether it may have Helium vectors, `cfg(helium)`; and `cfg(thumb)`, with the architecture as its value, if it has neither. `cfg(rvv)` stands
//! for RISC-V on bare metal, which may have vectors, `cfg(armv7)` for 32-bit Arm under Linux, which may have NEON and tells it.
//!
//! Stable Rust does not tell of the features `dsp` and `mve`, so the target's name decides. On Armv8-M mainline both are an option of the
//! chip: there the firmware, which chooses its kernels by type, knows.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(armv7)");
    println!("cargo::rustc-check-cfg=cfg(dsp, values(none(), \"armv7e-m\", \"armv8-m\"))");
    println!("cargo::rustc-check-cfg=cfg(helium)");
    println!("cargo::rustc-check-cfg=cfg(rvv)");
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
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|is| is == value);
    let linux = ["linux", "android"].iter().any(|os| is("CARGO_CFG_TARGET_OS", os));
    let little_arm = is("CARGO_CFG_TARGET_ARCH", "arm") && is("CARGO_CFG_TARGET_ENDIAN", "little");
    if linux && little_arm && std::env::var_os("CARGO_FEATURE_STD").is_some() {
        println!("cargo::rustc-cfg=armv7");
    }
}
