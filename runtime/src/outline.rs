//! Where code is dear.

/// A function that is inlined where code has room, on the processors of gateways; on devices it is a function of its own.
macro_rules! outlined {
    ($($function:tt)*) => {
        #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(never))]
        $($function)*
    };
}
pub(crate) use outlined;
