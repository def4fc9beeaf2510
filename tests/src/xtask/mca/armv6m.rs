//! Cycles of a Cortex-M0+, whose two stages take each instruction the same time: Arm's Cortex-M0+ Technical Reference Manual r0p1, table 3-1,
//! for memories without wait states and the multiplier of one cycle.

use std::collections::BTreeMap;

use super::Hot;
use crate::xtask::plugin::Counted;

/// The cycles of all code.
pub(super) fn cycles(code: &BTreeMap<u64, String>, counted: &Counted) -> Hot {
    let times = |address: &u64| counted.places.get(address).copied().unwrap_or_default();
    let mut cycles = 0;
    for (address, text) in code {
        let next = code.range(address + 1..).next().map_or(0, |(next, _)| times(next));
        // A branch is taken as often as what follows it is executed less.
        let taken = times(address).saturating_sub(next);
        cycles += times(address) * of(text) + if is_conditional(text) { taken } else { 0 };
    }
    Hot {
        cpu: "cortex-m0plus",
        tool: "Arm's table of cycles".into(),
        instructions: counted.instructions / counted.windows,
        share: 1.0,
        cycles: cycles / counted.windows,
        cycles_per_instruction: cycles as f64 / counted.instructions as f64,
        unknown: 0,
    }
}

/// Cycles of an instruction; of a conditional branch those where it is not taken.
fn of(text: &str) -> u64 {
    let registers = || text.split('{').nth(1).map_or(0, |list| 1 + list.matches(',').count() as u64);
    match mnemonic(text) {
        "pop" if text.contains("pc") => 3 + registers(),
        "push" | "pop" | "ldm" | "stm" => 1 + registers(),
        "bl" => 3,
        "b" | "bx" | "blx" => 2,
        name if name.starts_with("ldr") || name.starts_with("str") => 2,
        _ => 1,
    }
}

fn is_conditional(text: &str) -> bool {
    let name = mnemonic(text);
    name.len() == 3 && name.starts_with('b') && !matches!(name, "bic" | "blx")
}

fn mnemonic(text: &str) -> &str {
    let name = text.split_whitespace().next().unwrap_or_default();
    name.strip_suffix(".w").or_else(|| name.strip_suffix(".n")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_take_what_the_table_says() {
        let texts = [
            "ldrb r0, [r1]",
            "stm r0!, {r2, r3}",
            "pop {r4, pc}",
            "push {r4, lr}",
            "bl 0x10",
            "b 0x20",
            "muls r0, r1, r0",
        ];
        assert_eq!(texts.map(of), [2, 3, 5, 3, 3, 2, 1]);
        assert!(is_conditional("bne 0x20") && !is_conditional("bic r0, r1") && !is_conditional("b 0x20"));
    }

    #[test]
    fn a_branch_that_is_taken_takes_one_more() {
        let code = [(0, "subs r0, #1"), (2, "bne 0x0"), (4, "nop")].map(|(at, text)| (at, text.to_owned())).into();
        let counted =
            Counted { windows: 1, instructions: 21, parts: [].into(), places: [(0, 10), (2, 10), (4, 1)].into() };
        assert_eq!(cycles(&code, &counted).cycles, 10 + 10 + 9 + 1);
    }
}
