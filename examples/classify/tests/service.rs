//! The program as a service: a socket stands for systemd's.

#![cfg(unix)]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[test]
fn systemd_is_told_of_the_model_and_of_every_frame() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, frames) = (folder.path().join("notify"), folder.path().join("frames.rgb"));
    fs::write(&frames, vec![7; 2 * 3 * 8 * 6]).unwrap();
    let systemd = UnixDatagram::bind(&socket).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("fashion.lace");
    let mut program = Command::new(env!("CARGO_BIN_EXE_classify"));
    let output = program.arg(model).args(["--raw", "8x6"]).arg(&frames).env("NOTIFY_SOCKET", &socket).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = || {
        let mut message = [0; 64];
        let len = systemd.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..len]).trim().to_string()
    };
    assert_eq!([told(), told(), told()], ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
    systemd.set_nonblocking(true).unwrap();
    assert!(systemd.recv(&mut [0; 64]).is_err(), "nothing more is told");
}

#[test]
fn a_model_that_is_refused_is_never_ready() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, model) = (folder.path().join("notify"), folder.path().join("bad.lace"));
    fs::write(&model, b"LACE").unwrap();
    let systemd = UnixDatagram::bind(&socket).unwrap();
    systemd.set_nonblocking(true).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_classify"));
    let status = program.arg(model).args(["--raw", "8x6", "/dev/null"]).env("NOTIFY_SOCKET", &socket).output().unwrap();
    assert!(!status.status.success() && systemd.recv(&mut [0; 64]).is_err());
}
