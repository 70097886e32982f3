//! Where the native client is.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// How `psql` is installed.
pub const INSTALL_PSQL: &str = "install it: `apt install postgresql-client` on Debian and Ubuntu, `dnf install postgresql` on \
     Fedora, `brew install libpq` on macOS";

/// Directories of Homebrew that are not in PATH by themselves.
const HOMEBREW: &[&str] = &["/opt/homebrew/opt/libpq/bin", "/usr/local/opt/libpq/bin"];

/// The `psql` that PATH leads to, else the newest that the system's packages brought (`root/usr/lib/postgresql/*/bin`).
pub fn find_psql(path: Option<&OsStr>, root: &Path) -> Option<PathBuf> {
    let in_path = path.into_iter().flat_map(env::split_paths);
    let in_path = in_path.filter(|dir| dir.is_absolute());
    let homebrew = HOMEBREW
        .iter()
        .map(|dir| root.join(dir.trim_start_matches('/')));
    in_path
        .chain(newest(&root.join("usr/lib/postgresql")))
        .chain(homebrew)
        .map(|dir| dir.join("psql"))
        .find(|file| runs(file))
}

/// The directories of programs, those of the newest release first.
fn newest(releases: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(releases).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let release = entry.file_name().to_str()?.parse().ok()?;
            Some((release, entry.path().join("bin")))
        })
        .collect();
    found.sort_by_key(|(release, _)| std::cmp::Reverse(*release));
    found.into_iter().map(|(_, dir)| dir).collect()
}

fn runs(file: &Path) -> bool {
    let meta = fs::metadata(file);
    meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
