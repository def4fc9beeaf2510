//! Whether there are vectors, of which the same program may run on a processor with them and on one without: Linux tells.

use core::arch::asm;
use std::sync::LazyLock;

/// Whether this program may use vectors, and they are those of version 1.0.
pub(crate) fn is_present() -> bool {
    static PRESENT: LazyLock<bool> = LazyLock::new(|| is_told() && is_ratified());
    *PRESENT
}

/// Whether the system tells of vectors, and has not switched them off for this program.
fn is_told() -> bool {
    /// The bit that Linux has for the letter V.
    const V: libc::c_ulong = 1 << 21;
    /// Asks whether vectors are switched on: the lowest two bits are [`OFF`] if not. Older systems do not know the question.
    const GET_CONTROL: libc::c_int = 70;
    const OFF: libc::c_int = 1;
    // SAFETY: the first function may be called with any number, and gives 0 for what the system does not tell; the second reads and writes no memory
    // for this question, and gives −1 where it is not known.
    unsafe { libc::getauxval(libc::AT_HWCAP) & V != 0 && libc::prctl(GET_CONTROL) & 3 != OFF }
}

/// Systems of chips from before version 1.0, with the draft 0.7.1, tell of vectors too. There no vectors are of the type that is asked for here.
fn is_ratified() -> bool {
    let vtype: isize;
    // SAFETY: there are vectors, and both versions have both instructions. They read and write no memory, and change the type and the length of
    // vectors, which are no longer as they were for any `asm!` that does not say so.
    unsafe {
        asm!(
            ".option push",
            ".option arch, +zve32x",
            "vsetvli {vtype}, zero, e8, m1, ta, ma",
            "csrr {vtype}, vtype",
            ".option pop",
            vtype = out(reg) vtype,
            options(nomem, nostack)
        );
    }
    // The bit of the sign stands for a type that there is not.
    vtype > 0
}
