//! [`Stamps`]: what the files of plugins look like from outside, to see that one is another one without reading it.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{load, signature};

/// What files and folders looked like at a moment; none for those that were not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(BTreeMap<PathBuf, Option<Stamp>>);

/// What the system says of a file. Whoever writes to one, or puts another one in its place, changes some of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamps {
    /// Looks at these places: files, or folders of components, with the signatures beside them. It reads no file; but a
    /// file system may hang.
    pub fn look(places: &[PathBuf]) -> Self {
        let mut stamps = Self::default();
        for place in places {
            let found = fs::metadata(place).ok();
            let is_folder = found.as_ref().is_some_and(Metadata::is_dir);
            stamps.0.insert(place.clone(), found.as_ref().map(stamp));
            if is_folder {
                for file in load::components(place).unwrap_or_default() {
                    stamps.file(file);
                }
            } else {
                stamps.beside(place);
            }
        }
        stamps
    }

    fn file(&mut self, file: PathBuf) {
        self.beside(&file);
        let found = fs::metadata(&file).ok();
        self.0.insert(file, found.as_ref().map(stamp));
    }

    fn beside(&mut self, file: &Path) {
        let signature = signature::beside(file);
        let found = fs::metadata(&signature).ok();
        self.0.insert(signature, found.as_ref().map(stamp));
    }
}

fn stamp(found: &Metadata) -> Stamp {
    Stamp {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn whatever_becomes_of_a_file_is_seen_and_what_does_not_concern_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("all")).unwrap();
        fs::write(at("one.wasm"), "one").unwrap();
        fs::write(at("all/a.wasm"), "a").unwrap();
        let places = [at("one.wasm"), at("all"), at("absent.wasm")];
        let mut before = Stamps::look(&places);
        assert_eq!(Stamps::look(&places), before);
        let mut differs = |what: &str| {
            let now = Stamps::look(&places);
            assert_ne!(now, before, "{what}");
            before = now;
        };
        fs::write(at("one.next"), "two").unwrap();
        fs::rename(at("one.next"), at("one.wasm")).unwrap();
        differs("another file of the same size in its place");
        fs::write(at("one.wasm.sig"), "signature").unwrap();
        differs("a signature");
        fs::write(at("all/b.wasm"), "b").unwrap();
        differs("one more in the folder");
        fs::write(at("all/a.wasm"), "longer").unwrap();
        differs("written over");
        fs::remove_file(at("all/b.wasm")).unwrap();
        differs("one less");
        symlink(at("one.wasm"), at("absent.wasm")).unwrap();
        differs("it is there now");
        fs::remove_file(at("one.wasm")).unwrap();
        differs("it is gone");
        let unconcerned = Stamps::look(&places);
        fs::write(at("elsewhere.wasm"), "x").unwrap();
        assert_eq!(Stamps::look(&places), unconcerned);
    }
}
