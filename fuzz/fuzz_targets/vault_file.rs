//! A vault gives back what was sealed, and nothing is opened that was not sealed with its key: not another file, not a changed one.
#![no_main]

use authsome::fuzzing::open_vault;
use authsome::fuzzing::seal_vault;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Nobody can seal without the key: whatever the bytes, they are no vault.
    assert!(open_vault(data).is_err());

    let Some((&[place, change], text)) = data.split_first_chunk::<2>() else {
        return;
    };
    let mut entries: Vec<(String, Vec<u8>)> = text
        .split(|byte| *byte == b'\n')
        .enumerate()
        .map(|(index, line)| (format!("{index:08}{}", String::from_utf8_lossy(line)), line.to_vec()))
        .collect();
    entries.sort();
    let file = seal_vault(&entries);
    let expected: Vec<_> = entries
        .into_iter()
        .map(|(name, secret)| (name.into_bytes(), secret))
        .collect();
    assert_eq!(open_vault(&file), Ok(expected));

    let mut changed = file;
    let place = usize::from(place) * changed.len() / 256;
    if change != 0 {
        changed[place] ^= change;
        assert!(open_vault(&changed).is_err());
    } else {
        changed.truncate(place);
        assert!(open_vault(&changed).is_err());
    }
});
