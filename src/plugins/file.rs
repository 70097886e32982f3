//! Reads files that others name: no pipe is waited for, and no file is larger than was asked for.

use std::{
    fs::{File, FileType, Metadata},
    io::{self, Read},
    os::unix::fs::FileTypeExt,
    path::Path,
};

use rustix::fs::{Mode, OFlags};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be opened or read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A folder, a pipe, a device.
    #[error("it is {0}, and no regular file")]
    Kind(&'static str),
    /// Larger than anybody wants it.
    #[error("it has {size} bytes, and {limit} are allowed")]
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
}

/// A regular file of up to `limit` bytes, whole, and what the system says of it. Links are followed.
///
/// # Errors
/// When it is something else, is larger, or cannot be read.
pub fn read(path: &Path, limit: u64) -> Result<(Vec<u8>, Metadata), ReadError> {
    // Without waiting: whoever opens a pipe waits for the other side otherwise.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
    let file = File::from(file);
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(ReadError::Kind(kind(found.file_type())));
    }
    let too_large = |size| ReadError::TooLarge { size, limit };
    if found.len() > limit {
        return Err(too_large(found.len()));
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    // One that grows, or that the system does not know the size of.
    match u64::try_from(bytes.len()) {
        Ok(size) if size > limit => Err(too_large(size)),
        _ => Ok((bytes, found)),
    }
}

fn kind(found: FileType) -> &'static str {
    if found.is_dir() {
        "a directory"
    } else if found.is_fifo() {
        "a pipe"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_whole_regular_files_of_a_bounded_size_are_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("ten"), "0123456789").expect("written");
        symlink("ten", at("link")).expect("linked");
        symlink("round", at("round")).expect("linked");
        File::create(at("sparse"))
            .and_then(|file| file.set_len(1 << 30))
            .expect("made");
        let mode = Mode::RUSR | Mode::WUSR;
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), fifo, mode, 0).expect("a pipe");
        assert_eq!(read(&at("ten"), 10).expect("read").0, b"0123456789");
        assert_eq!(read(&at("link"), 10).expect("read").0, b"0123456789");
        for (name, limit, why) in [
            ("ten", 9, "it has 10 bytes, and 9 are allowed"),
            (
                "sparse",
                1 << 20,
                "it has 1073741824 bytes, and 1048576 are allowed",
            ),
            ("fifo", 10, "it is a pipe, and no regular file"),
            (".", 10, "it is a directory, and no regular file"),
            ("nothing", 10, "No such file or directory (os error 2)"),
            (
                "round",
                10,
                "Too many levels of symbolic links (os error 40)",
            ),
        ] {
            let error = read(&at(name), limit).expect_err(name);
            assert_eq!(error.to_string(), why, "{name}");
        }
        assert!(matches!(
            read(Path::new("/dev/zero"), 10),
            Err(ReadError::Kind("a device"))
        ));
    }
}
