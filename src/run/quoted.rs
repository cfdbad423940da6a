//! Commands that a person pastes into a shell.

/// A word as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=@+,%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_in_a_shell() {
        assert_eq!(quoted("/tmp/gantline-1"), "/tmp/gantline-1");
        for text in ["plain/r.csv", "a b", "/tmp/a b'; reboot", "", "$(x)", "a\nb", "Ü"] {
            let printf = format!("printf %s {}", quoted(text));
            let shell = std::process::Command::new("sh").args(["-c", &printf]).output().unwrap();
            assert_eq!(String::from_utf8(shell.stdout).unwrap(), text);
        }
    }
}
