use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::base::Explain;

fn files(word: &str) -> Vec<SetFile> {
    [CERTIFICATE_FILE, PRIVATE_KEY_FILE, PASSWORD_FILE]
        .into_iter()
        .map(|name| SetFile {
            name,
            bytes: Zeroizing::new(format!("{name} {word}").into_bytes()),
        })
        .collect()
}

/// A folder with plain files, as an operator has it before the first installation.
fn plain() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files("plain") {
        fs::write(folder.path().join(file.name), &*file.bytes).unwrap();
    }
    let key = folder.path().join(PRIVATE_KEY_FILE);
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    folder
}

fn install(folder: &Path, word: &str, forget: bool) -> Switched {
    let store = SetStore::open(folder).unwrap();
    let staged = store.stage(&files(word), forget).unwrap();
    store.publish(staged).unwrap()
}

/// What a reader finds, under the link and under the usual names.
fn seen(folder: &Path) -> String {
    let words = |place: &Path| -> Vec<String> {
        usual_names()
            .filter_map(|name| fs::read_to_string(place.join(name)).ok())
            .map(|text| text.rsplit(' ').next().unwrap().to_owned())
            .collect()
    };
    let in_use = words(&folder.join(CURRENT_LINK));
    assert_eq!(in_use, words(folder));
    assert_eq!(in_use.len(), 3);
    assert!(in_use.iter().all(|word| *word == in_use[0]), "{in_use:?}");
    in_use[0].clone()
}

fn sets(folder: &Path) -> Vec<u64> {
    let mut numbers = SetStore::open(folder).unwrap().numbers().unwrap();
    numbers.sort_unstable();
    numbers
}

#[test]
fn the_first_installation_keeps_the_plain_files_as_set_0() {
    let folder = plain();
    let switched = install(folder.path(), "first", false);
    assert_eq!(switched.number, 1);
    assert!(switched.leftovers.is_empty(), "{:?}", switched.leftovers);
    assert_eq!(seen(folder.path()), "first");

    let store = SetStore::open(folder.path()).unwrap();
    assert_eq!(store.previous().unwrap(), 0);
    store.return_to(0).unwrap();
    drop(store);
    assert_eq!(seen(folder.path()), "plain");
}

#[test]
fn one_set_before_is_kept_and_older_ones_go() {
    let folder = plain();
    for word in ["one", "two", "three"] {
        install(folder.path(), word, false);
    }
    assert_eq!(sets(folder.path()), [2, 3]);
    let store = SetStore::open(folder.path()).unwrap();
    store.return_to(store.previous().unwrap()).unwrap();
    let error = store.previous().unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("has nothing to roll back to: set 2 is in use, and the one before it is not there")
    );
    drop(store);
    assert_eq!(seen(folder.path()), "two");

    // What was rolled back from is nobody's previous set, and its number is not given again.
    assert_eq!(install(folder.path(), "four", false).number, 4);
    assert_eq!(sets(folder.path()), [2, 4]);
    assert_eq!(SetStore::open(folder.path()).unwrap().previous().unwrap(), 2);
}

#[test]
fn nothing_of_the_earlier_files_is_left_where_they_are_to_be_forgotten() {
    let folder = plain();
    install(folder.path(), "one", false);
    install(folder.path(), "two", true);
    assert_eq!(sets(folder.path()), [2]);
    assert_eq!(seen(folder.path()), "two");
    let error = SetStore::open(folder.path()).unwrap().previous().unwrap_err();
    assert_eq!(error.kind(), "nothing_to_roll_back");

    let folder = plain();
    install(folder.path(), "first", true);
    assert_eq!(sets(folder.path()), [1]);
    assert_eq!(seen(folder.path()), "first");
}

/// Whatever is done up to the rename, a reader sees the files from before.
#[test]
fn until_the_link_is_swapped_nothing_has_changed() {
    let folder = plain();
    install(folder.path(), "one", false);
    let store = SetStore::open(folder.path()).unwrap();
    let staged = store.stage(&files("two"), false).unwrap();
    assert_eq!(seen(folder.path()), "one");
    assert!(staged.folder().join(PRIVATE_KEY_FILE).is_file());
    let abandoned = staged.folder().to_owned();
    drop(staged);
    assert!(!abandoned.exists());

    // A process that was killed could not clean up; its set is passed over and removed.
    let mut cut_off = store.stage(&files("two"), false).unwrap();
    cut_off.kept = true;
    fs::remove_file(cut_off.folder().join(PRIVATE_KEY_FILE)).unwrap();
    let left = cut_off.folder().to_owned();
    drop((cut_off, store));
    assert_eq!(seen(folder.path()), "one");
    assert!(left.exists());
    assert_eq!(install(folder.path(), "three", false).number, 3);
    assert_eq!(seen(folder.path()), "three");
    assert!(!left.exists());
    assert_eq!(SetStore::open(folder.path()).unwrap().previous().unwrap(), 1);
}

#[test]
fn a_first_installation_that_was_cut_off_is_begun_anew() {
    let folder = plain();
    for kept in [false, true] {
        let store = SetStore::open(folder.path()).unwrap();
        let mut staged = store.stage(&files("cut off"), false).unwrap();
        staged.kept = kept;
    }
    fs::write(folder.path().join(".sets/0/private.key"), "half").unwrap();
    install(folder.path(), "first", false);
    assert_eq!(seen(folder.path()), "first");
    let kept = fs::read_to_string(folder.path().join(".sets/0/private.key")).unwrap();
    assert_eq!(kept, "private.key plain");
}

#[test]
fn names_that_a_killed_installation_left_behind_are_tidied_up_by_the_next() {
    let folder = plain();
    let store = SetStore::open(folder.path()).unwrap();
    let mut staged = store.stage(&files("one"), false).unwrap();
    store.link_to(staged.number).unwrap();
    staged.kept = true;
    drop((staged, store));
    let name = folder.path().join(PRIVATE_KEY_FILE);
    assert_eq!(fs::read_to_string(&name).unwrap(), "private.key plain");

    let switched = install(folder.path(), "two", false);
    assert!(switched.leftovers.is_empty(), "{:?}", switched.leftovers);
    assert_eq!(seen(folder.path()), "two");
    assert_eq!(sets(folder.path()), [1, 2]);
}

#[test]
fn a_plain_file_that_is_in_no_set_is_left_and_told_of() {
    let folder = plain();
    install(folder.path(), "one", false);
    let stray = folder.path().join(CERTIFICATE_FILE);
    fs::remove_file(&stray).unwrap();
    fs::write(&stray, "put there by hand").unwrap();
    let switched = install(folder.path(), "two", false);
    assert_eq!(switched.leftovers.len(), 1);
    assert_eq!(
        switched.leftovers[0].to_string(),
        format!("`{}` is in no set and is not used", stray.display())
    );
    assert_eq!(fs::read_to_string(&stray).unwrap(), "put there by hand");
}

#[test]
fn two_installations_do_not_meet() {
    let folder = plain();
    let first = SetStore::open(folder.path()).unwrap();
    let error = SetStore::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), "install_in_progress");
    drop(first);
    SetStore::open(folder.path()).unwrap();
}

#[test]
fn a_link_of_somebody_else_is_left_alone() {
    let folder = plain();
    for target in ["elsewhere", ".sets/01", ".sets/1/x", "/etc"] {
        let link = folder.path().join(CURRENT_LINK);
        symlink(target, &link).unwrap();
        let store = SetStore::open(folder.path()).unwrap();
        let error = store.stage(&files("one"), false).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "`{}` leads to `{target}`, not to a set such as `.sets/1`",
                link.display()
            )
        );
        fs::remove_file(link).unwrap();
    }
}

#[test]
fn files_are_for_the_owner_and_for_a_group_that_could_read_before() {
    let folder = plain();
    install(folder.path(), "one", false);
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().mode() & 0o7777;
    assert_eq!(mode(".sets"), 0o700);
    assert_eq!(mode(".sets/1"), 0o700);
    for name in [CERTIFICATE_FILE, PRIVATE_KEY_FILE, PASSWORD_FILE] {
        assert_eq!(mode(&format!(".sets/0/{name}")), 0o600);
        assert_eq!(mode(&format!(".sets/1/{name}")), 0o600);
    }
    let folder = plain();
    let key = folder.path().join(PRIVATE_KEY_FILE);
    fs::set_permissions(key, fs::Permissions::from_mode(0o640)).unwrap();
    install(folder.path(), "one", false);
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().mode() & 0o7777;
    assert_eq!(mode(".sets"), 0o750);
    assert_eq!(mode(".sets/1"), 0o750);
    assert_eq!(mode(".sets/1/private.key"), 0o640);
    // no key yet, and a folder that hands its group down, as a package makes it
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o2750)).unwrap();
    install(folder.path(), "one", false);
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().mode() & 0o777;
    assert_eq!(mode(".sets/1"), 0o750);
    assert_eq!(mode(".sets/1/private.key"), 0o640);
}
