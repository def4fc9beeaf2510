//! `lacewing deploy` against an sshd on this machine, with keys that are thrown away: what reaches the board, and what does not.

#![cfg(unix)]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lacewing_board::deploy::sha256;
use serde_json::Value;
use tempfile::TempDir;

const LACEWING: &str = env!("CARGO_BIN_EXE_lacewing-board");

/// A folder with an sshd: `bin` is in front of the board's PATH, `models` holds its models.
struct Board {
    folder: TempDir,
    port: u16,
    sshd: Child,
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

fn model(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match name {
        "fashion" => root.join("examples/classify/fashion.lace"),
        golden => root.join("tests/data/golden").join(format!("{golden}.lace")),
    }
}

fn hash(path: &Path) -> String {
    sha256(&fs::read(path).unwrap())
}

impl Board {
    /// None, and loudly so, without sshd.
    fn start() -> Option<Self> {
        let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).is_file());
        let Some(sshd) = sshd else {
            eprintln!("SKIPPED: no sshd; `cargo xtask install` installs openssh-server");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for key in ["host", "user", "stranger"] {
            let mut keygen = Command::new("ssh-keygen");
            assert!(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path(key)).status().unwrap().success());
        }
        fs::copy(path("user.pub"), path("authorized")).unwrap();
        fs::create_dir(path("bin")).unwrap();
        fs::create_dir(path("models")).unwrap();
        // As root sshd wants its folder, which its service would make.
        let _ = fs::create_dir("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let show = |name: &str| path(name).display().to_string();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nSetEnv PATH={}:/usr/bin:/bin\n",
            show("host"),
            show("authorized"),
            show("bin")
        );
        fs::write(path("sshd_config"), config).unwrap();
        let mut command = Command::new(sshd);
        command.args(["-D", "-e", "-f"]).arg(path("sshd_config")).stderr(Stdio::null());
        let board = Board { sshd: command.spawn().unwrap(), folder, port };
        board.script("lacewing", &format!("exec {LACEWING} \"$@\""));
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "sshd does not listen");
            sleep(Duration::from_millis(20));
        }
        Some(board)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program of the board, as a script.
    fn script(&self, name: &str, text: &str) {
        let path = self.path(&format!("bin/{name}"));
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, key: &str, args: &[&str]) -> Command {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let known = format!("UserKnownHostsFile={}", self.path("known").display());
        let options = ["StrictHostKeyChecking=accept-new", "IdentitiesOnly=yes", "IdentityAgent=none", &known];
        let mut command = Command::new(LACEWING);
        command.arg("deploy").arg(format!("{}@127.0.0.1", String::from_utf8_lossy(&user).trim()));
        command.args(["--json", "--dir"]).arg(self.path("models")).args(["--port", &self.port.to_string()]);
        command.arg("--identity").arg(self.path(key));
        options.iter().for_each(|option| {
            command.args(["--ssh", option]);
        });
        command.args(args);
        command
    }

    /// The status of a deployment, and its object.
    fn deploy(&self, args: &[&str]) -> (i32, Value) {
        let Output { status, stdout, stderr } = self.command("user", args).output().unwrap();
        let object = serde_json::from_slice(&stdout);
        let object = object.unwrap_or_else(|_| panic!("{args:?}: {}", String::from_utf8_lossy(&stderr)));
        (status.code().unwrap(), object)
    }

    /// Deploys a model as `m`.
    fn send(&self, name: &str, args: &[&str]) -> (i32, Value) {
        let path = model(name).display().to_string();
        self.deploy(&[&[path.as_str(), "--name", "m"], args].concat())
    }

    /// The SHA-256 of what a program on the board would read.
    fn in_use(&self) -> Option<String> {
        fs::read(self.path("models/m/current.lace")).ok().map(|file| sha256(&file))
    }

    fn releases(&self) -> usize {
        fs::read_dir(self.path("models/m/releases")).unwrap().count()
    }
}

fn text(object: &Value) -> &str {
    object["error"].as_str().unwrap_or_default()
}

fn steps(object: &Value) -> Vec<&str> {
    object["steps"].as_array().into_iter().flatten().filter_map(|step| step["step"].as_str()).collect()
}

#[test]
fn a_model_is_deployed_replaced_and_taken_back() {
    let Some(board) = Board::start() else { return };
    let (status, object) = board.send("fashion", &["--dry-run"]);
    assert_eq!((status, &object["result"], board.in_use()), (0, &"dry run".into(), None));
    let (status, object) = board.send("fashion", &[]);
    assert_eq!((status, &object["result"]), (0, &"deployed".into()), "{object}");
    let expected = ["check", "connect", "lock", "receive", "self-test", "keep", "switch", "prune"];
    assert_eq!(steps(&object), expected, "one record for each step");
    let fashion = hash(&model("fashion"));
    assert_eq!(board.in_use().as_ref(), Some(&fashion));
    assert_eq!(board.send("v1-every-operation", &[]).0, 0, "a model that computes in f32 too");
    assert_eq!(board.in_use(), Some(hash(&model("v1-every-operation"))));
    let (status, object) = board.deploy(&["--status", "--name", "m"]);
    assert_eq!((status, object["previous"].as_str()), (0, Some(fashion.as_str())));
    assert_eq!(board.deploy(&["--rollback", "--name", "m"]).0, 0);
    assert_eq!(board.in_use(), Some(fashion));
    let (_, object) = board.send("v1-every-operation", &[]);
    assert!(object["steps"].to_string().contains("there already"), "{object}");
    for golden in ["v1-int4", "v1-bands", "v1-tiny"] {
        assert_eq!(board.send(golden, &["--keep", "2"]).0, 0, "{golden}");
    }
    assert_eq!(board.releases(), 2);
}

#[test]
fn what_is_not_well_is_rolled_back() {
    let Some(board) = Board::start() else { return };
    let log = board.path("systemctl.log").display().to_string();
    board.script("systemctl", &format!("echo \"$@\" >> {log}"));
    let (status, object) = board.send("v1-tiny", &["--health", "false"]);
    assert_eq!((status, &object["result"], board.in_use()), (1, &"rolled back".into(), None), "{object}");
    assert_eq!(board.send("fashion", &["--restart", "m@1", "--wait", "1"]).0, 0);
    let fashion = board.in_use();
    assert_eq!(fashion, Some(hash(&model("fashion"))));
    let (status, object) = board.send("v1-tiny", &["--restart", "m@1", "--health", "echo 'it is' ill >&2; exit 3"]);
    assert_eq!((status, &object["result"]), (1, &"rolled back".into()));
    assert!(text(&object).contains("it is ill") && text(&object).contains("in use again"), "{object}");
    assert_eq!(board.in_use(), fashion);
    let restarts = fs::read_to_string(&log).unwrap().lines().filter(|line| *line == "restart m@1").count();
    assert_eq!(restarts, 3, "with each model, and with the old one again");
    board.script("systemctl", "[ $1 = restart ]");
    let (status, object) = board.send("v1-tiny", &["--restart", "m@1"]);
    assert!(status == 1 && text(&object).contains("m@1 is not active"), "{object}");
    assert_eq!(board.in_use(), fashion);
}

#[test]
fn a_board_that_computes_otherwise_keeps_its_model() {
    let Some(board) = Board::start() else { return };
    assert_eq!(board.send("v1-tiny", &[]).0, 0);
    let old = board.in_use();
    // The host's last byte is another on the way: as if the board's were.
    board.script("lacewing", &damaging("head -c -1 in; printf '\\177'"));
    let (status, object) = board.send("fashion", &[]);
    assert_eq!((status, &object["result"]), (1, &"unchanged".into()), "{object}");
    assert!(text(&object).starts_with("self-test: outputs differ"), "{object}");
    // A byte in the middle of the file.
    board.script("lacewing", &damaging("head -c 9000 in; printf X; tail -c +9002 in"));
    let (status, object) = board.send("fashion", &[]);
    assert!(status == 1 && text(&object).contains("damaged on the way"), "{object}");
    // The connection ends early.
    board.script("lacewing", &damaging("head -c 9000 in"));
    let (status, object) = board.send("fashion", &[]);
    assert!(status == 1 && text(&object).contains("the connection ended"), "{object}");
    assert_eq!((board.in_use(), board.releases()), (old, 1), "nothing is left");
}

/// A `lacewing` that gets what `edit` makes of the file `in`, its standard input.
fn damaging(edit: &str) -> String {
    format!("[ $2 = install ] || exec {LACEWING} \"$@\"\ncd $(mktemp -d); cat > in; ({edit}) | {LACEWING} \"$@\"")
}

#[test]
fn one_that_is_killed_leaves_the_old_model_and_no_lock() {
    let Some(board) = Board::start() else { return };
    assert_eq!(board.send("v1-tiny", &[]).0, 0);
    let (old, pid) = (board.in_use(), board.path("pid"));
    let install =
        format!("(head -c 9000; exec sleep 60) | (echo 'echo $PPID' | sh > {}; exec {LACEWING} \"$@\")", pid.display());
    board.script("lacewing", &format!("[ $2 = install ] || exec {LACEWING} \"$@\"\n{install}"));
    let fashion = model("fashion").display().to_string();
    let mut slow = board.command("user", &[&fashion, "--name", "m"]);
    let mut slow = slow.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (start, incoming) = (Instant::now(), board.path("models/m/releases/.incoming"));
    while !incoming.exists() {
        assert!(start.elapsed() < Duration::from_secs(20), "nothing arrives");
        sleep(Duration::from_millis(20));
    }
    board.script("lacewing", &format!("exec {LACEWING} \"$@\""));
    let (status, object) = board.send("fashion", &[]);
    assert!(status == 1 && text(&object).contains("another deployment is going on"), "{object}");
    let pid = fs::read_to_string(pid).unwrap();
    assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    slow.kill().unwrap();
    slow.wait().unwrap();
    assert!(incoming.exists() && board.in_use() == old, "it was killed in the middle");
    let (status, object) = board.send("fashion", &[]);
    assert_eq!(status, 0, "{object}");
    assert!(board.in_use() == Some(hash(&model("fashion"))) && !incoming.exists());
}

#[test]
fn what_cannot_be_reached_or_has_no_lacewing_says_what_to_do() {
    let Some(board) = Board::start() else { return };
    fs::remove_file(board.path("bin/lacewing")).unwrap();
    let (status, object) = board.send("fashion", &["--command", "no-lacewing-here"]);
    assert!(status == 1 && text(&object).contains("dpkg -i"), "{object}");
    let fashion = model("fashion").display().to_string();
    let stranger = board.command("stranger", &[&fashion]).output().unwrap();
    let said = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(stranger.status.code() == Some(1) && said.contains("Permission denied"), "{said}");
    let nowhere = Command::new(LACEWING).args(["deploy", "no-such-host.invalid", &fashion]).output().unwrap();
    let said = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert!(nowhere.status.code() == Some(1) && said.contains("no-such-host.invalid"), "{said}");
    let broken = board.path("broken.lace");
    fs::write(&broken, b"LACE").unwrap();
    let (status, object) = board.deploy(&[broken.to_str().unwrap()]);
    assert!(status == 1 && text(&object).contains("broken.lace"), "{object}");
}
