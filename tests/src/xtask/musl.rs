//! Static programs for Linux boards: musl's C library, rustup's where it has the target, else Debian's.
//!
//! Debian has no cross packages of musl, but its packages for other architectures can be unpacked beside the system, without being
//! installed. With the start files of the cross compiler they make a folder as rustup's toolchains have it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::bare_metal::{self, BareMetal};
use super::sysroot::Sysroot;
use super::{paths, process};

/// Boards of one architecture.
#[derive(Debug)]
pub(super) struct Musl {
    /// What Debian calls it.
    pub(super) debian: &'static str,
    pub(super) triple: &'static str,
    /// Prefix of the C compiler.
    gnu: &'static str,
    /// The folder of musl's files below `/usr/lib`.
    folder: &'static str,
    /// Runs its programs on the host, with a processor that boards without anything new have.
    pub(super) emulator: &'static [&'static str],
}

/// All that packages are made for.
pub(super) const ALL: [Musl; 3] = [
    Musl {
        debian: "arm64",
        triple: "aarch64-unknown-linux-musl",
        gnu: "aarch64-linux-gnu",
        folder: "aarch64-linux-musl",
        emulator: &["qemu-aarch64", "-cpu", "cortex-a53"],
    },
    Musl {
        debian: "armhf",
        triple: "armv7-unknown-linux-musleabihf",
        gnu: "arm-linux-gnueabihf",
        folder: "arm-linux-musleabihf",
        emulator: &["qemu-arm", "-cpu", "cortex-a7"],
    },
    Musl {
        debian: "amd64",
        triple: "x86_64-unknown-linux-musl",
        gnu: "x86_64-linux-gnu",
        folder: "x86_64-linux-musl",
        emulator: &[],
    },
];

/// Stands for the library that walks the stack: these programs abort where they panic, and have no backtrace.
const NO_UNWINDER: &str = "\
int _Unwind_Backtrace(void *f, void *x) { (void)f; (void)x; return 5; }
unsigned long _Unwind_GetIP(void *x) { (void)x; return 0; }
unsigned long _Unwind_GetIPInfo(void *x, int *b) { (void)x; *b = 0; return 0; }
unsigned long _Unwind_GetCFA(void *x) { (void)x; return 0; }
void *_Unwind_FindEnclosingFunction(void *p) { (void)p; return 0; }
int _Unwind_VRS_Get(void *x, int c, unsigned r, int t, void *v) { (void)x; (void)c; (void)r; (void)t; *(unsigned *)v = 0; return 0; }
void _Unwind_DeleteException(void *e) { (void)e; }
void _Unwind_Resume(void *e) { (void)e; __builtin_trap(); }
";

impl Musl {
    /// What building needs that is not there.
    pub(super) fn missing(&self) -> Result<Option<String>> {
        if bare_metal::rustup_has(self.triple)? {
            return Ok(None);
        }
        if Sysroot::find()?.is_none() {
            return Ok(Some(format!("no standard library for {}", self.triple)));
        }
        let programs = [self.compiler(), "apt-get".into(), "dpkg".into()];
        let missing = programs.iter().find(|name| paths::program(name).is_none());
        Ok(missing.map(|program| format!("no {program}")))
    }

    /// Builds the libraries, once.
    pub(super) fn provide(&self) -> Result<()> {
        if bare_metal::rustup_has(self.triple)? {
            return Ok(());
        }
        let sysroot = Sysroot::find()?.with_context(|| format!("run `rustup target add {}`", self.triple))?;
        sysroot.provide(&[self.triple])?;
        let place = sysroot.libraries(self.triple).join("self-contained");
        let _lock = paths::lock(&paths::cache_dir(), "musl")?;
        if place.is_dir() { Ok(()) } else { self.fill(&place) }
    }

    /// `cargo SUBCOMMAND --target …`, linked by lld.
    pub(super) fn cargo(&self, folder: &Path, subcommand: &str) -> Result<Command> {
        self.provide()?;
        let mut cargo = BareMetal::find(self.triple)?.cargo(folder, subcommand)?;
        let name = self.triple.replace('-', "_").to_uppercase();
        let flags = format!(
            "--remap-path-prefix={}= -Clinker-flavor=ld.lld -Clink-self-contained=yes -Clink-arg=--strip-all",
            paths::cargo_home().display()
        );
        cargo.env(format!("CARGO_TARGET_{name}_LINKER"), bare_metal::linker()?);
        cargo.env(format!("CARGO_TARGET_{name}_RUSTFLAGS"), flags);
        // As the library does that they are linked with.
        cargo.envs(["RELEASE", "DEV"].map(|profile| (format!("CARGO_PROFILE_{profile}_PANIC"), "abort")));
        Ok(cargo)
    }

    /// Where a build with `profile` puts the executable `name`.
    pub(super) fn executable(&self, profile: &str, name: &str) -> Result<PathBuf> {
        let folder = if profile == "dev" { "debug" } else { profile };
        Ok(BareMetal::find(self.triple)?.target_dir().join(self.triple).join(folder).join(name))
    }

    /// A program of this architecture, to run on the host.
    pub(super) fn emulated(&self, program: &Path) -> Command {
        let mut words = self.emulator.iter();
        let Some(emulator) = words.next() else { return Command::new(program) };
        let mut command = Command::new(emulator);
        command.args(words).arg(program);
        command
    }

    /// Start files and libraries; the last step, a rename, makes them visible.
    fn fill(&self, place: &Path) -> Result<()> {
        let parent = place.parent().context("the place has a parent")?;
        let work = tempfile::tempdir_in(parent)?;
        self.unpack(work.path())?;
        let ready = work.path().join("ready");
        fs::create_dir(&ready)?;
        let musl = work.path().join("root/usr/lib").join(self.folder);
        for name in ["crt1.o", "rcrt1.o", "crti.o", "crtn.o", "libc.a"] {
            fs::copy(musl.join(name), ready.join(name)).with_context(|| format!("musl-dev has no {name}"))?;
        }
        for name in ["crtbegin.o", "crtend.o", "crtbeginS.o", "crtendS.o"] {
            let found = process::output(Command::new(self.compiler()).arg(format!("-print-file-name={name}")))?;
            fs::copy(found.trim(), ready.join(name)).with_context(|| format!("the C compiler has no {name}"))?;
        }
        self.unwinder(work.path(), &ready)?;
        fs::rename(&ready, place).with_context(|| format!("cannot make {}", place.display()))
    }

    /// Fetches Debian's package with lists of its own, and unpacks it.
    fn unpack(&self, work: &Path) -> Result<()> {
        let lists = paths::cache_dir().join("apt").join(self.debian);
        fs::create_dir_all(lists.join("lists/partial"))?;
        fs::create_dir_all(lists.join("cache/archives/partial"))?;
        let option = |name: &str, value: &str| ["-o".to_string(), format!("{name}={value}")];
        let path = |name: &str| lists.join(name).display().to_string();
        let options = [
            option("Dir::State::lists", &path("lists")),
            option("Dir::Cache", &path("cache")),
            option("Dir::State::status", "/dev/null"),
            option("APT::Architecture", self.debian),
            option("APT::Architectures", self.debian),
            option("APT::Sandbox::User", "root"),
        ];
        let apt = || {
            let mut apt = Command::new("apt-get");
            apt.arg("-qq").args(options.iter().flatten()).current_dir(work);
            apt
        };
        // Other sources of this machine need not have the architecture.
        let _ = process::run(apt().arg("update"));
        process::run(apt().args(["download", "musl-dev"]))?;
        let package = fs::read_dir(work)?.flatten().map(|entry| entry.path());
        let package = package.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "deb"));
        process::run(Command::new("dpkg").arg("-x").arg(package.context("no package came")?).arg(work.join("root")))
    }

    fn unwinder(&self, work: &Path, ready: &Path) -> Result<()> {
        let (source, object) = (work.join("unwind.c"), work.join("unwind.o"));
        fs::write(&source, NO_UNWINDER)?;
        process::run(Command::new(self.compiler()).args(["-O2", "-c"]).arg(&source).arg("-o").arg(&object))?;
        let archiver = format!("{}-ar", self.gnu);
        process::run(Command::new(archiver).arg("rcs").arg(ready.join("libunwind.a")).arg(&object))?;
        ensure!(ready.join("libunwind.a").is_file(), "no archive was made");
        Ok(())
    }

    fn compiler(&self) -> String {
        format!("{}-gcc", self.gnu)
    }
}
