//! The format of Debian's packages: an archive of two compressed ones, the same bytes from the same files.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::Result;
use flate2::{Compression, GzBuilder, write::GzEncoder};
use tar::{Builder, EntryType, Header};

use super::Member;

/// Seconds since 1970 of everything inside, so that nothing depends on when it was built.
const EPOCH: u64 = 1_767_225_600;

/// The package of one architecture.
pub(super) fn deb(version: &str, architecture: &str, members: &[Member]) -> Result<Vec<u8>> {
    let data = data(members)?;
    let control = control(version, architecture, members)?;
    let mut archive = ar::Builder::new(Vec::new());
    for (name, bytes) in [("debian-binary", &b"2.0\n"[..]), ("control.tar.gz", &control), ("data.tar.gz", &data)] {
        let mut header = ar::Header::new(name.into(), bytes.len() as u64);
        header.set_mtime(EPOCH);
        header.set_mode(0o100_644);
        archive.append(&header, bytes)?;
    }
    Ok(archive.into_inner()?)
}

/// Compressed as Debian wants it: the best, without a name or a time.
pub(super) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = gzipped();
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

fn gzipped() -> GzEncoder<Vec<u8>> {
    GzBuilder::new().mtime(0).write(Vec::new(), Compression::best())
}

fn data(members: &[Member]) -> Result<Vec<u8>> {
    let mut tar = Builder::new(gzipped());
    for folder in folders(members) {
        entry(&mut tar, &format!("./{folder}/"), EntryType::Directory, 0o755, &[])?;
    }
    for Member { path, bytes, executable } in members {
        let mode = if *executable { 0o755 } else { 0o644 };
        entry(&mut tar, &format!("./{path}"), EntryType::Regular, mode, bytes)?;
    }
    Ok(tar.into_inner()?.finish()?)
}

/// Every folder above a member, the outer first.
fn folders(members: &[Member]) -> BTreeSet<&str> {
    let above = |path: &'static str| path.match_indices('/').map(move |(end, _)| &path[..end]);
    members.iter().flat_map(|member| above(member.path)).collect()
}

fn entry(tar: &mut Builder<GzEncoder<Vec<u8>>>, path: &str, kind: EntryType, mode: u32, bytes: &[u8]) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_mtime(EPOCH);
    header.set_username("root")?;
    header.set_groupname("root")?;
    // `set_path` would take the leading dot away, which dpkg's own packages have.
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_cksum();
    Ok(tar.append(&header, bytes)?)
}

fn control(version: &str, architecture: &str, members: &[Member]) -> Result<Vec<u8>> {
    let kilobytes: usize = members.iter().map(|member| member.bytes.len().div_ceil(1024)).sum();
    let control = format!(
        "Package: lacewing\nVersion: {version}\nArchitecture: {architecture}\n\
         Maintainer: The Lacewing authors <lacewing@users.noreply.github.com>\nInstalled-Size: {kilobytes}\n\
         Section: science\nPriority: optional\nHomepage: https://github.com/lacewing-ml/lacewing\n{DESCRIPTION}"
    );
    let sums = members.iter().map(|Member { path, bytes, .. }| format!("{:x}  {path}\n", md5::compute(bytes)));
    let mut tar = Builder::new(gzipped());
    entry(&mut tar, "./control", EntryType::Regular, 0o644, control.as_bytes())?;
    entry(&mut tar, "./md5sums", EntryType::Regular, 0o644, sums.collect::<String>().as_bytes())?;
    Ok(tar.into_inner()?.finish()?)
}

const DESCRIPTION: &str = "\
Description: int8 inference with the same bits everywhere
 Runs, measures and looks into the compact int8 models that the converter
 of Lacewing writes, and is the board's side of `lacewing deploy`.
 .
 The service lacewing-classify@.service says what the frames of a camera
 show, under a watchdog.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_once_and_the_outer_first() {
        let member = |path| Member { path, bytes: b"x".to_vec(), executable: false };
        let members = [member("usr/bin/a"), member("usr/share/b/c")];
        assert_eq!(folders(&members).into_iter().collect::<Vec<_>>(), ["usr", "usr/bin", "usr/share", "usr/share/b"]);
        assert_eq!(deb("1", "all", &members).expect("it is packed"), deb("1", "all", &members).expect("it is packed"));
    }
}
