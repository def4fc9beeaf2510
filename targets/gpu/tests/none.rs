//! Without a driver there is an error in wgpu's words. A process of its own: a driver stays loaded.

use lacewing_gpu::{Gpu, GpuError, Options};

/// Set for the process in which there is no driver.
const ALONE: &str = "LACEWING_TEST_NO_DRIVER";

#[test]
fn no_adapter_is_an_error() {
    if std::env::var_os(ALONE).is_some() {
        let error =
            Gpu::new(&Options { allow_software: true, ..Options::default() }).map(|_| ()).expect_err("no driver");
        assert!(matches!(&error, GpuError::NoAdapter(reason) if reason.contains("vulkan")), "{error}");
        return;
    }
    let mut again = std::process::Command::new(std::env::current_exe().expect("this test"));
    // The loader of Vulkan reads what these name, and nothing else.
    again.env(ALONE, "1").env("VK_DRIVER_FILES", "/dev/null").env("VK_ICD_FILENAMES", "/dev/null");
    assert!(again.status().expect("a process").success());
}
