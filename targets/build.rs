//! Says whether the processor that is compiled for may have Arm's DSP instructions: `cfg(dsp)`, with the architecture as its value.
//!
//! Stable Rust does not tell of the feature `dsp`, so the target's name decides. On Armv8-M mainline they are an option of the chip:
//! there the firmware, which chooses its kernels by type, knows.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(dsp, values(none(), \"armv7e-m\", \"armv8-m\"))");
    let target = std::env::var("TARGET").unwrap_or_default();
    for (triple, architecture) in [("thumbv7em", "armv7e-m"), ("thumbv8m.main", "armv8-m")] {
        if target.starts_with(triple) {
            println!("cargo::rustc-cfg=dsp");
            println!("cargo::rustc-cfg=dsp=\"{architecture}\"");
        }
    }
}
