//! Numbers as people and programs read them.

use serde_json::{Value, json};

/// A number with thousands apart: `12,345`.
pub fn grouped(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things by their name in the singular: `1 sample`, `500 samples`.
pub fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number as u64))
}

/// A size of memory.
pub fn bytes(number: usize) -> String {
    format!("{} B", grouped(number as u64))
}

/// A share of 1 in percent.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// Decibels; infinity is equality.
pub fn decibels(db: f64) -> String {
    if db.is_infinite() && db > 0.0 { "exact".to_string() } else { format!("{db:.1} dB") }
}

/// Microseconds in a unit that reads well.
pub fn duration(microseconds: f64) -> String {
    match microseconds {
        us if us < 1e3 => format!("{us:.1} µs"),
        us if us < 1e6 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

/// Decibels for programs: JSON has no infinity, so that of exact equality is 999.
pub fn json_decibels(db: f64) -> Value {
    json!(db.clamp(-EXACT_DB, EXACT_DB))
}

const EXACT_DB: f64 = 999.0;

/// A shape: `1×49×10×1`.
pub fn shape<T: ToString>(dims: &[T]) -> String {
    dims.iter().map(T::to_string).collect::<Vec<_>>().join("×")
}

/// A node's name cut to a length that fits a table. Of names joined by `;` the first stays, of a long path both ends.
pub fn short(name: &str) -> String {
    let first = name.split(';').next().unwrap_or_default();
    let cut = if first.len() < name.len() { ";…" } else { "" };
    let letters: Vec<char> = first.chars().collect();
    if letters.len() <= LONGEST_NAME {
        return format!("{first}{cut}");
    }
    let head: String = letters[..LONGEST_NAME / 3].iter().collect();
    let tail: String = letters[letters.len() - LONGEST_NAME / 3 * 2..].iter().collect();
    format!("{head}…{tail}{cut}")
}

const LONGEST_NAME: usize = 42;

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0_u32, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.5, 1500.0, 2.5e6].map(duration), ["0.5 µs", "1.50 ms", "2.50 s"]);
        assert_eq!([1, 2000].map(|n| counted(n, "sample")), ["1 sample", "2,000 samples"]);
        assert_eq!(percent(0.90451), "90.45 %");
        assert_eq!([30.04, f64::INFINITY].map(decibels), ["30.0 dB", "exact"]);
        assert_eq!(json_decibels(f64::INFINITY), json!(999.0));
        assert_eq!(short("a/Relu;a/Conv"), "a/Relu;…");
        assert_eq!(short(&format!("/features/{}/Conv", "0123456789".repeat(5))).chars().count(), LONGEST_NAME + 1);
        assert_eq!(hex(&[0, 255, 16]), "00ff10");
        assert_eq!(shape(&[1, 28, 28]), "1×28×28");
    }
}
