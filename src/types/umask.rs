//! File mode creation masks.

/// The names of `<sys/stat.h>`, without their `S_I`.
const NAMES: [(&str, u16); 12] = [
    ("RWXU", 0o700),
    ("RUSR", 0o400),
    ("WUSR", 0o200),
    ("XUSR", 0o100),
    ("RWXG", 0o070),
    ("RGRP", 0o040),
    ("WGRP", 0o020),
    ("XGRP", 0o010),
    ("RWXO", 0o007),
    ("ROTH", 0o004),
    ("WOTH", 0o002),
    ("XOTH", 0o001),
];

/// The mask that `umask` and `-u` describe: a number as in C (octal after `0`, hexadecimal after
/// `0x`, else decimal) up to 0777, or names such as `IRGRP` or `S_IRGRP`, joined by `|`.
#[must_use]
pub fn umask(text: &str) -> Option<u16> {
    let number = match text.strip_prefix('0') {
        Some(rest) => match rest.strip_prefix(['x', 'X']) {
            Some(digits) => u16::from_str_radix(digits, 16),
            None => u16::from_str_radix(text, 8),
        },
        None => text.parse(),
    };
    if let Ok(mask) = number {
        return (mask <= 0o777).then_some(mask);
    }
    text.split('|').try_fold(0, |mask, name| {
        let name = name.trim();
        let name = name.strip_prefix("S_").unwrap_or(name).strip_prefix('I')?;
        let (_, bits) = NAMES.iter().find(|(known, _)| *known == name)?;
        Some(mask | bits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_numbers_of_c_or_names() {
        for (text, want) in [
            ("0177", Some(0o177)),
            ("0", Some(0)),
            ("18", Some(0o22)),
            ("0x1b", Some(0o33)),
            ("0X1B", Some(0o33)),
            ("0777", Some(0o777)),
            ("511", Some(0o777)),
            ("IRGRP|IROTH", Some(0o44)),
            ("IRGRP | S_IROTH", Some(0o44)),
            ("S_IRWXG|S_IXOTH", Some(0o71)),
            ("01000", None),
            ("512", None),
            ("09", None),
            ("0x", None),
            ("-1", None),
            ("", None),
            ("IRGRP|", None),
            ("RGRP", None),
            ("S_IRXUSR", None),
            ("irgrp", None),
        ] {
            assert_eq!(umask(text), want, "{text}");
        }
    }
}
