//! The loops over elements.

use core::arch::naked_asm;

use crate::add::Add;
use crate::riscv_v::tile::Table;

/// The arguments of `add_loop`, in the order of its registers.
#[repr(C)]
struct AddArguments {
    a: *const i8,
    b: *const i8,
    y: *mut i8,
    ma: isize,
    mb: isize,
    bias: isize,
    shift: usize,
    zero: isize,
    len: usize,
    lo: isize,
    hi: isize,
}

/// See [`Add`].
#[inline(always)]
pub(in crate::riscv_v) fn add(add: &mut Add<'_>) {
    let y = add.y.as_mut_ptr();
    let [a, b] = add.operands.map(|operand| operand.map_or(y.cast_const(), <[i8]>::as_ptr));
    let arguments = AddArguments {
        a,
        b,
        y,
        ma: add.multipliers[0] as isize,
        mb: add.multipliers[1] as isize,
        bias: add.bias as isize,
        shift: add.shift.into(),
        zero: add.zero.into(),
        len: add.y.len(),
        lo: add.limits[0].into(),
        hi: add.limits[1].into(),
    };
    // SAFETY: `Add::new` says so: there are outputs, and operands are as many, or the outputs, of which as many are read as are then written.
    unsafe { add_loop(&raw const arguments) }
}

/// Four numbers in the bits of one register at a time.
#[unsafe(naked)]
unsafe extern "C" fn add_loop(arguments: *const AddArguments) {
    naked_asm!(
        begin!(),
        "csrwi vxrm, 0",
        words!(load "a0" "a1" "0" "a2" "1" "a3" "2" "a4" "3" "a5" "4" "a6" "5" "a7" "6" "t0" "7" "t1" "8" "t2" "9" "t3" "10"),
        "1:",
        "vsetvli t4, t1, e32, m8, ta, ma",
        "vle8.v v0, (a1)",
        "vle8.v v2, (a2)",
        "vsext.vf4 v8, v0",
        "vsext.vf4 v16, v2",
        "vmul.vx v8, v8, a4",
        "add a1, a1, t4",
        "add a2, a2, t4",
        "vmacc.vx v8, a5, v16",
        "vadd.vx v8, v8, a6",
        "vsra.vx v8, v8, a7",
        "vsetvli zero, zero, e16, m4, ta, ma",
        "vnclip.wi v8, v8, 0",
        "vsadd.vx v8, v8, t0",
        "vsetvli zero, zero, e8, m2, ta, ma",
        "vnclip.wi v8, v8, 0",
        "vmax.vx v8, v8, t2",
        "vmin.vx v8, v8, t3",
        "vse8.v v8, (a3)",
        "sub t1, t1, t4",
        "add a3, a3, t4",
        "bnez t1, 1b",
        end!(),
    )
}

/// See [`Table`]; it must fit.
#[inline(always)]
pub(in crate::riscv_v) fn table(table: &mut Table<'_>) {
    let y = table.y.as_mut_ptr();
    let x = table.x.map_or(y.cast_const(), <[i8]>::as_ptr);
    // SAFETY: `Table::fits` holds: inputs are as many as outputs, or the outputs, of which as many are read as are then written. An index
    // is a byte, for which the table has an entry.
    unsafe { table_loop(table.table, x, y, table.y.len()) }
}

/// The table's entries are loaded by their indices.
#[unsafe(naked)]
unsafe extern "C" fn table_loop(table: *const [i8; 256], x: *const i8, y: *mut i8, len: usize) {
    naked_asm!(
        begin!(),
        "li t1, 128",
        "beqz a3, 2f",
        "1:",
        "vsetvli t0, a3, e8, m8, ta, ma",
        "vle8.v v0, (a1)",
        "sub a3, a3, t0",
        "add a1, a1, t0",
        "vxor.vx v0, v0, t1",
        "vluxei8.v v8, (a0), v0",
        "vse8.v v8, (a2)",
        "add a2, a2, t0",
        "bnez a3, 1b",
        "2:",
        end!(),
    )
}

/// The least of some numbers; 127 if there are none.
#[inline(always)]
pub(in crate::riscv_v) fn least(numbers: &[i8]) -> i8 {
    // SAFETY: the loop reads no byte beyond the slice.
    unsafe { least_loop(numbers.as_ptr(), numbers.len()) as i8 }
}

/// The least of every lane, whose tails stay as they are, and then of all lanes.
#[unsafe(naked)]
unsafe extern "C" fn least_loop(numbers: *const i8, len: usize) -> isize {
    naked_asm!(
        begin!(),
        "vsetvli t0, zero, e8, m8, ta, ma",
        "li t1, 127",
        "vmv.v.x v0, t1",
        "beqz a1, 2f",
        "1:",
        "vsetvli t0, a1, e8, m8, tu, ma",
        "vle8.v v8, (a0)",
        "sub a1, a1, t0",
        "add a0, a0, t0",
        "vmin.vv v0, v0, v8",
        "bnez a1, 1b",
        "2:",
        "vsetvli t0, zero, e8, m8, ta, ma",
        "vredmin.vs v0, v0, v0",
        "vmv.x.s a0, v0",
        end!(),
    )
}
