//! Boards and targets as constants.
//!
//! A *target* is an instruction set that the converter may write for (`--target cortex-m4f`).
//! A *board* is a target with memories and a clock; some have an emulator, and some *are* one, named as QEMU names them. A board's memory map is stated
//! here and nowhere else: linker scripts, size checks and the emulator's arguments follow from it.

use crate::wish::Family;

/// An instruction set that a model can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// The kernels that it has.
    pub kernels: Family,
}

/// All targets, the portable one first. Of those with the same kernels the first is what a file says it was written for.
pub const TARGETS: &[Target] = &[
    portable("portable", "any processor, plain Rust"),
    portable("cortex-m0plus", "Armv6-M, no SIMD, 32-bit multiply").with(Family::Scalar),
    portable("cortex-m3", "Armv7-M, long multiply").with(Family::Scalar),
    portable("cortex-m4f", "Armv7E-M with DSP instructions and f32").with(Family::Armv7em),
    portable("cortex-m7", "Armv7E-M with DSP instructions, dual issue").with(Family::Armv7em),
    portable("cortex-m33", "Armv8-M mainline with DSP instructions").with(Family::Armv7em),
    portable("cortex-m55", "Armv8.1-M with Helium vectors").with(Family::Armv81m),
    portable("cortex-m85", "Armv8.1-M with Helium vectors, dual issue").with(Family::Armv81m),
    portable("rv32imc", "32-bit RISC-V with multiply").with(Family::Scalar),
    portable("rv32imcv", "32-bit RISC-V with vectors of 128 bits or more").with(Family::RiscvV),
    portable("rv64gcv", "64-bit RISC-V with vectors of 128 bits or more").with(Family::RiscvV),
    portable("aarch64", "64-bit Arm, i8mm or dot products where present").with(Family::Lanes),
    portable("armv7-neon", "32-bit Arm Linux boards with NEON").with(Family::Lanes),
    portable("x86-64", "x86-64, VNNI, AVX2 or SSE4.1 where present").with(Family::Lanes),
    portable("wasm32", "browsers, simd128").with(Family::Lanes),
];

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// The first address.
    pub start: u32,
    /// How many bytes.
    pub len: u32,
}

/// How QEMU is started for a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emulator {
    /// The program, `qemu-system-arm`, `qemu-system-riscv32` or `qemu-system-riscv64`.
    pub program: &'static str,
    /// The machine, the value of `-machine`.
    pub machine: &'static str,
    /// Further arguments.
    pub args: &'static [&'static str],
}

/// A board that firmware can be built for and run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Board {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// The name of its [`Target`].
    pub target: &'static str,
    /// Rust's name for the compilation target.
    pub triple: &'static str,
    /// Read-only memory: code, constants and the model.
    pub flash: Memory,
    /// Memory for the arena, statics and the stack.
    pub ram: Memory,
    /// All memories that an arena in regions may use, the fastest first; none if `ram` is the only one.
    pub regions: &'static [Memory],
    /// The processor's clock in Hz, where the board has a defined one.
    pub clock_hz: Option<u32>,
    /// The emulator that stands in for it, if there is one.
    pub emulator: Option<Emulator>,
}

/// DTCM, internal SRAM and DDR.
const CORSTONE_300: [Memory; 3] =
    [memory(0x2000_0000, 512 * KIB), memory(0x2100_0000, 2 * MIB), memory(0x6000_0000, 16 * MIB)];

/// The others of its kind have other processors.
const VIRT: Board = Board {
    name: "riscv32-virt",
    about: "QEMU's generic 32-bit RISC-V machine",
    target: "rv32imc",
    triple: "riscv32imc-unknown-none-elf",
    flash: memory(0x8000_0000, 4 * MIB),
    ram: memory(0x8040_0000, 4 * MIB),
    regions: &[],
    clock_hz: None,
    emulator: virt("qemu-system-riscv32", &["-bios", "none"]),
};

/// DTCM, AXI SRAM and the SRAM of the second domain.
const STM32H743: [Memory; 3] =
    [memory(0x2000_0000, 128 * KIB), memory(0x2400_0000, 512 * KIB), memory(0x3000_0000, 288 * KIB)];

/// All boards: the emulated ones first. Clocks are the highest of the chip's data sheet, or the emulated machine's.
pub const BOARDS: &[Board] = &[
    Board {
        name: "mps2-an386",
        about: "Cortex-M4F on Arm's MPS2",
        target: "cortex-m4f",
        triple: "thumbv7em-none-eabihf",
        flash: memory(0x0000_0000, 4 * MIB),
        ram: memory(0x2000_0000, 4 * MIB),
        regions: &[],
        clock_hz: Some(25_000_000),
        emulator: arm("mps2-an386"),
    },
    Board {
        name: "mps2-an385",
        about: "Cortex-M3 on Arm's MPS2",
        target: "cortex-m3",
        triple: "thumbv7m-none-eabi",
        flash: memory(0x0000_0000, 4 * MIB),
        ram: memory(0x2000_0000, 4 * MIB),
        regions: &[],
        clock_hz: Some(25_000_000),
        emulator: arm("mps2-an385"),
    },
    Board {
        name: "mps2-an385-armv6m",
        about: "Cortex-M0+ code on the Cortex-M3 of Arm's MPS2",
        target: "cortex-m0plus",
        triple: "thumbv6m-none-eabi",
        flash: memory(0x0000_0000, 4 * MIB),
        ram: memory(0x2000_0000, 4 * MIB),
        regions: &[],
        clock_hz: Some(25_000_000),
        emulator: arm("mps2-an385"),
    },
    Board {
        name: "mps2-an500",
        about: "Cortex-M7 on Arm's MPS2",
        target: "cortex-m7",
        triple: "thumbv7em-none-eabihf",
        flash: memory(0x0000_0000, 4 * MIB),
        ram: memory(0x2000_0000, 4 * MIB),
        regions: &[],
        clock_hz: Some(25_000_000),
        emulator: arm("mps2-an500"),
    },
    Board {
        name: "mps2-an505",
        about: "Cortex-M33 on Arm's MPS2+",
        target: "cortex-m33",
        triple: "thumbv8m.main-none-eabihf",
        flash: memory(0x1000_0000, 4 * MIB),
        ram: memory(0x3800_0000, 4 * MIB),
        regions: &[],
        clock_hz: Some(20_000_000),
        emulator: arm("mps2-an505"),
    },
    Board {
        name: "mps3-an547",
        about: "Cortex-M55 on Arm's MPS3",
        target: "cortex-m55",
        triple: "thumbv8m.main-none-eabihf",
        flash: memory(0x0000_0000, 512 * KIB),
        ram: CORSTONE_300[0],
        regions: &CORSTONE_300,
        clock_hz: Some(32_000_000),
        emulator: arm("mps3-an547"),
    },
    Board {
        name: "microbit",
        about: "Cortex-M0 of the BBC micro:bit, 16 KiB of RAM",
        target: "cortex-m0plus",
        triple: "thumbv6m-none-eabi",
        flash: memory(0x0000_0000, 256 * KIB),
        ram: memory(0x2000_0000, 16 * KIB),
        regions: &[],
        clock_hz: Some(16_000_000),
        emulator: arm("microbit"),
    },
    VIRT,
    Board {
        name: "riscv32-virt-v128",
        about: "QEMU's generic 32-bit RISC-V machine with vectors of 128 bits",
        target: "rv32imcv",
        emulator: virt("qemu-system-riscv32", &["-bios", "none", "-cpu", "rv32,v=true,vext_spec=v1.0,vlen=128"]),
        ..VIRT
    },
    Board {
        name: "riscv32-virt-v256",
        about: "QEMU's generic 32-bit RISC-V machine with vectors of 256 bits",
        target: "rv32imcv",
        emulator: virt("qemu-system-riscv32", &["-bios", "none", "-cpu", "rv32,v=true,vext_spec=v1.0,vlen=256"]),
        ..VIRT
    },
    Board {
        name: "riscv64-virt-v512",
        about: "QEMU's generic 64-bit RISC-V machine with vectors of 512 bits",
        target: "rv64gcv",
        triple: "riscv64gc-unknown-none-elf",
        emulator: virt("qemu-system-riscv64", &["-bios", "none", "-cpu", "rv64,v=true,vext_spec=v1.0,vlen=512"]),
        ..VIRT
    },
    Board {
        name: "microbit-v2",
        about: "nRF52833 of the BBC micro:bit v2, Cortex-M4F",
        target: "cortex-m4f",
        triple: "thumbv7em-none-eabihf",
        flash: memory(0x0000_0000, 512 * KIB),
        ram: memory(0x2000_0000, 128 * KIB),
        regions: &[],
        clock_hz: Some(64_000_000),
        emulator: None,
    },
    Board {
        name: "nrf52840",
        about: "Nordic's nRF52840, Cortex-M4F",
        target: "cortex-m4f",
        triple: "thumbv7em-none-eabihf",
        flash: memory(0x0000_0000, MIB),
        ram: memory(0x2000_0000, 256 * KIB),
        regions: &[],
        clock_hz: Some(64_000_000),
        emulator: None,
    },
    Board {
        name: "stm32f446",
        about: "ST's STM32F446RE, Cortex-M4F",
        target: "cortex-m4f",
        triple: "thumbv7em-none-eabihf",
        flash: memory(0x0800_0000, 512 * KIB),
        ram: memory(0x2000_0000, 128 * KIB),
        regions: &[],
        clock_hz: Some(180_000_000),
        emulator: None,
    },
    Board {
        name: "stm32h743",
        about: "ST's STM32H743ZI, Cortex-M7, its AXI SRAM",
        target: "cortex-m7",
        triple: "thumbv7em-none-eabihf",
        flash: memory(0x0800_0000, 2 * MIB),
        ram: STM32H743[1],
        regions: &STM32H743,
        clock_hz: Some(480_000_000),
        emulator: None,
    },
    Board {
        name: "pico",
        about: "RP2040 of the Raspberry Pi Pico, Cortex-M0+",
        target: "cortex-m0plus",
        triple: "thumbv6m-none-eabi",
        flash: memory(0x1000_0000, 2 * MIB),
        ram: memory(0x2000_0000, 264 * KIB),
        regions: &[],
        clock_hz: Some(133_000_000),
        emulator: None,
    },
    Board {
        name: "pico2",
        about: "RP2350 of the Raspberry Pi Pico 2, its Cortex-M33",
        target: "cortex-m33",
        triple: "thumbv8m.main-none-eabihf",
        flash: memory(0x1000_0000, 4 * MIB),
        ram: memory(0x2000_0000, 520 * KIB),
        regions: &[],
        clock_hz: Some(150_000_000),
        emulator: None,
    },
    Board {
        name: "pico2-riscv",
        about: "RP2350 of the Raspberry Pi Pico 2, its RISC-V Hazard3",
        target: "rv32imc",
        triple: "riscv32imac-unknown-none-elf",
        flash: memory(0x1000_0000, 4 * MIB),
        ram: memory(0x2000_0000, 520 * KIB),
        regions: &[],
        clock_hz: Some(150_000_000),
        emulator: None,
    },
    Board {
        name: "corstone-300",
        about: "Arm's Corstone-300 with Cortex-M55, its tightly coupled memories",
        target: "cortex-m55",
        triple: "thumbv8m.main-none-eabihf",
        flash: memory(0x0000_0000, 512 * KIB),
        ram: CORSTONE_300[0],
        regions: &CORSTONE_300,
        clock_hz: Some(32_000_000),
        emulator: None,
    },
    Board {
        name: "esp32c3",
        about: "Espressif's ESP32-C3 with 4 MiB of flash, RISC-V",
        target: "rv32imc",
        triple: "riscv32imc-unknown-none-elf",
        flash: memory(0x4200_0000, 4 * MIB),
        ram: memory(0x3FC8_0000, 384 * KIB),
        regions: &[],
        clock_hz: Some(160_000_000),
        emulator: None,
    },
];

/// The boards that an emulator stands in for.
pub fn emulated() -> impl Iterator<Item = &'static Board> {
    BOARDS.iter().filter(|board| board.emulator.is_some())
}

/// The bare-metal compilation targets that the crates are built for, those of [`BOARDS`] and their
/// soft-float siblings.
pub const BARE_METAL_TRIPLES: &[&str] = &[
    "thumbv6m-none-eabi",
    "thumbv7m-none-eabi",
    "thumbv7em-none-eabi",
    "thumbv7em-none-eabihf",
    "thumbv8m.main-none-eabi",
    "thumbv8m.main-none-eabihf",
    "riscv32imc-unknown-none-elf",
    "riscv32imac-unknown-none-elf",
    "riscv64gc-unknown-none-elf",
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// The board of that name.
pub fn board(name: &str) -> Option<&'static Board> {
    BOARDS.iter().find(|board| board.name == name)
}

const KIB: u32 = 1024;
const MIB: u32 = 1024 * KIB;

const fn portable(name: &'static str, about: &'static str) -> Target {
    Target { name, about, kernels: Family::Portable }
}

impl Target {
    const fn with(self, kernels: Family) -> Self {
        Self { kernels, ..self }
    }
}

const fn memory(start: u32, len: u32) -> Memory {
    Memory { start, len }
}

const fn arm(machine: &'static str) -> Option<Emulator> {
    Some(Emulator { program: "qemu-system-arm", machine, args: &[] })
}

const fn virt(program: &'static str, args: &'static [&'static str]) -> Option<Emulator> {
    Some(Emulator { program, machine: "virt", args })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_targets_exist() {
        for (i, board) in BOARDS.iter().enumerate() {
            assert!(TARGETS.iter().any(|t| t.name == board.target), "{board:?}");
            assert!(BARE_METAL_TRIPLES.contains(&board.triple), "{board:?}");
            assert!(BOARDS[..i].iter().all(|other| other.name != board.name));
        }
    }

    #[test]
    fn memories_are_aligned_and_disjoint() {
        for Board { flash, ram, .. } in BOARDS {
            assert!(flash.start % 1024 == 0 && ram.start % 1024 == 0);
            let (flash_end, ram_end) = (flash.start + flash.len, ram.start + ram.len);
            assert!(flash_end <= ram.start || ram_end <= flash.start);
        }
    }

    #[test]
    fn boards_are_found_by_name() {
        assert_eq!(board("microbit").map(|b| b.ram.len), Some(16 * KIB));
        assert_eq!(board("nowhere"), None);
        assert!(emulated().any(|board| board.name == "microbit") && emulated().all(|board| board.name != "pico"));
    }
}
