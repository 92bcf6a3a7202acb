//! Files that are there whole or not at all, whatever happens while they are written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its owner alone, where the system knows owners: it can tell something about a client.
    Owner,
    /// Whoever the system lets read new files.
    Everybody,
}

impl Access {
    /// How a file of this access is made.
    pub fn options(self) -> OpenOptions {
        let mut options = File::options();
        #[cfg(unix)]
        if self == Self::Owner {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        options
    }
}

/// What a file is called while it is written.
pub const PARTIAL: &str = ".partial";

/// Writes `content` beside `path`, flushes it to the disk, and renames it: `path` is the old file or the new one. With
/// `previous` the old file stays under that name.
///
/// Between two renames a crash may leave the old file under `previous` alone. Where writing fails nothing is left but
/// the old file.
pub fn replace(path: &Path, content: &[u8], access: Access, previous: Option<&Path>) -> io::Result<()> {
    replace_with(path, |out| out.write_all(content), access, previous)
}

/// The same with content that is written piece by piece.
pub fn replace_with(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    access: Access,
    previous: Option<&Path>,
) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(PARTIAL);
    let partial = path.with_file_name(name);
    let write = || {
        let mut file =
            BufWriter::new(access.options().write(true).create(true).truncate(true).open(&partial)?);
        content(&mut file)?;
        file.into_inner()?.sync_all()
    };
    if let Err(e) = write() {
        // The error that matters is the first one.
        let _ = fs::remove_file(&partial);
        return Err(e);
    }
    if let Some(previous) = previous.filter(|_| path.exists()) {
        fs::rename(path, previous)?;
    }
    fs::rename(&partial, path)?;
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (path, previous) = (folder.path().join("a.b"), folder.path().join("old"));
        replace(&path, b"one", Access::Owner, Some(&previous)).unwrap();
        assert!(!previous.exists());
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o077, 0, "{mode:o}");
        }
        replace(&path, b"two", Access::Owner, Some(&previous)).unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(&previous).unwrap()),
            (b"two".to_vec(), b"one".to_vec())
        );
        // A folder stands where the new content should be written.
        fs::create_dir(folder.path().join("a.b.partial")).unwrap();
        assert!(replace(&path, b"three", Access::Owner, Some(&previous)).is_err());
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(&previous).unwrap()),
            (b"two".to_vec(), b"one".to_vec())
        );
    }

    /// A device that is always full: what a full disk says, without filling one.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace(&path, b"one", Access::Owner, None).unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join("a.partial")).unwrap();
        let error = replace(&path, &[0; 100_000], Access::Owner, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
