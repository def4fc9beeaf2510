//! The models of one name on a board: `DIR/NAME/releases/SHA256.lace`, and the link `current.lace` to the one in use.
//!
//! Every change is a rename on a file system that has been told to write first: after a loss of power there is the old model or the new.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Status, short};
use crate::cli::numbers::hex;

/// The folder of one name.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

/// The link to the model in use.
pub const CURRENT: &str = "current.lace";
/// The link to the one before it.
pub const PREVIOUS: &str = "previous.lace";
const RELEASES: &str = "releases";
/// What is being received. There is one: receiving needs the lock.
const INCOMING: &str = "releases/.incoming";
/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

impl Store {
    /// Of a name in a folder; nothing is made yet.
    #[must_use]
    pub fn new(dir: &Path, name: &str) -> Self {
        Self { folder: dir.join(name) }
    }

    /// Makes the folders, and keeps all others away until the file is dropped.
    ///
    /// # Errors
    /// The folder cannot be made, or another deployment is going on.
    pub fn lock(&self) -> Result<File, String> {
        let failed = |error: io::Error| format!("{}: {error}{}", self.folder.display(), hint(&error));
        fs::create_dir_all(self.folder.join(RELEASES)).map_err(failed)?;
        let lock = File::create(self.folder.join(".lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => {
                Err(format!("{}: another deployment is going on; try again when it is done", self.folder.display()))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Where a release is.
    #[must_use]
    pub fn release(&self, sha256: &str) -> PathBuf {
        self.folder.join(RELEASES).join(format!("{sha256}.lace"))
    }

    /// Receives a file of so many bytes; it is no release yet.
    ///
    /// # Errors
    /// It ends early, or cannot be written, or is not what it should be.
    pub fn receive(&self, from: &mut impl Read, bytes: u64, sha256: &str) -> Result<PathBuf, String> {
        let path = self.folder.join(INCOMING);
        let hash = copy(from, &path, bytes).map_err(|error| {
            let _ = fs::remove_file(&path);
            format!("receiving {bytes} B: {error}")
        })?;
        if hash != sha256 {
            let _ = fs::remove_file(&path);
            return Err(format!("SHA-256 of what came is {}, not {}: damaged on the way", short(&hash), short(sha256)));
        }
        Ok(path)
    }

    /// Makes a release of what was received.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn keep(&self, received: &Path, sha256: &str) -> io::Result<()> {
        fs::rename(received, self.release(sha256))?;
        sync(&self.folder.join(RELEASES))
    }

    /// The release that a link names.
    #[must_use]
    pub fn linked(&self, link: &str) -> Option<String> {
        let target = fs::read_link(self.folder.join(link)).ok()?;
        Some(target.file_stem()?.to_str()?.to_string())
    }

    /// Lets a link name a release, at once; without one the link goes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn link(&self, link: &str, sha256: Option<&str>) -> io::Result<()> {
        let (place, new) = (self.folder.join(link), self.folder.join(".link"));
        let _ = fs::remove_file(&new);
        match sha256 {
            Some(sha256) => {
                symlink(&Path::new(RELEASES).join(format!("{sha256}.lace")), &new)?;
                fs::rename(&new, place)?;
            }
            None => match fs::remove_file(place) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            },
        }
        sync(&self.folder)
    }

    /// All releases, the newest first.
    #[must_use]
    pub fn releases(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join(RELEASES)).into_iter().flatten().flatten();
        let release = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let sha256 = name.strip_suffix(".lace")?.to_string();
            Some((entry.metadata().ok()?.modified().ok()?, sha256))
        };
        let mut releases: Vec<_> = entries.filter_map(release).collect();
        releases.sort_unstable_by(|a, b| b.cmp(a));
        releases.into_iter().map(|(_, sha256)| sha256).collect()
    }

    /// Removes all but the newest `keep` releases and those that links name; gives how many went.
    pub fn prune(&self, keep: usize) -> usize {
        let linked = [CURRENT, PREVIOUS].map(|link| self.linked(link));
        let old = self.releases().into_iter().skip(keep).filter(|sha256| !linked.contains(&Some(sha256.clone())));
        old.filter(|sha256| fs::remove_file(self.release(sha256)).is_ok()).count()
    }

    /// What there is.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            architecture: std::env::consts::ARCH.into(),
            memory_bytes: memory(),
            current: self.linked(CURRENT),
            previous: self.linked(PREVIOUS),
            releases: self.releases(),
        }
    }
}

/// Bytes of memory that programs can have, where the system tells.
#[must_use]
pub fn memory() -> Option<u64> {
    let all = fs::read_to_string("/proc/meminfo").ok()?;
    let line = all.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            "; let the user have the folder (`sudo chown USER DIR`), or name another with --dir"
        }
        _ => "",
    }
}

/// Writes the bytes to the disk and gives their SHA-256.
fn copy(from: &mut impl Read, path: &Path, bytes: u64) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::create(path)?, Sha256::new(), vec![0; CHUNK]);
    let mut left = bytes;
    while left > 0 {
        let most = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
        let read = from.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::Error::other(format!("the connection ended {left} B before the end")));
        }
        hash.update(&buffer[..read]);
        file.write_all(&buffer[..read])?;
        left -= read as u64;
    }
    file.sync_all()?;
    Ok(hex(&hash.finalize()))
}

/// Has a folder's names written to the disk.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_target: &Path, _link: &Path) -> io::Result<()> {
    Err(io::Error::new(ErrorKind::Unsupported, "boards need a system with symbolic links"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::deploy::sha256;
    use std::time::{Duration, SystemTime};

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), "m");
        (folder, store)
    }

    #[test]
    fn links_change_at_once_and_old_releases_go() {
        let (_folder, store) = store();
        let _lock = store.lock().unwrap();
        for (second, content) in (1..).zip([b"a", b"b", b"c"]) {
            let sha256 = sha256(content);
            let path = store.receive(&mut &content[..], 1, &sha256).unwrap();
            store.keep(&path, &sha256).unwrap();
            // The file system's clock is slower than this loop.
            let file = fs::File::options().write(true).open(store.release(&sha256)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).unwrap();
        }
        let a = sha256(b"a");
        store.link(CURRENT, Some(&a)).unwrap();
        assert_eq!(fs::read(store.folder.join(CURRENT)).unwrap(), b"a");
        assert_eq!((store.linked(CURRENT), store.linked(PREVIOUS)), (Some(a), None));
        assert_eq!((store.prune(1), store.releases().len()), (1, 2));
        store.link(CURRENT, None).unwrap();
        store.link(CURRENT, None).unwrap();
        assert_eq!(store.linked(CURRENT), None);
    }

    #[test]
    fn what_is_cut_or_damaged_is_no_release() {
        let (_folder, store) = store();
        let _lock = store.lock().unwrap();
        let cut = store.receive(&mut &b"ab"[..], 3, &sha256(b"abc")).unwrap_err();
        assert!(cut.contains("ended 1 B before"), "{cut}");
        assert!(store.receive(&mut &b"abd"[..], 3, &sha256(b"abc")).unwrap_err().contains("damaged"));
        assert!(store.releases().is_empty() && !store.folder.join(INCOMING).exists());
    }

    #[test]
    fn there_is_one_deployment_at_a_time() {
        let (_folder, store) = store();
        let lock = store.lock().unwrap();
        assert!(store.lock().unwrap_err().contains("another deployment"));
        drop(lock);
        assert!(store.lock().is_ok());
    }
}
