//! A command line that asks the project again for one secret, for machines without a keychain. It prints the secret
//! and nothing else: whatever the project itself prints goes nowhere.

use std::path::Path;

/// The SECRET_KEY, then one fallback a line: a Python expression.
pub(super) const SECRET_KEYS: &str = "\"\\n\".join(map(__import__(\"django.utils.encoding\").utils.encoding.force_str, \
     [__import__(\"django.conf\").conf.settings.SECRET_KEY] + \
     list(getattr(__import__(\"django.conf\").conf.settings, \"SECRET_KEY_FALLBACKS\", []))))";

/// Which project is asked, and with what.
pub(super) struct Asking<'a> {
    pub manage: &'a Path,
    pub python: &'a Path,
    pub settings: Option<&'a str>,
}

impl Asking<'_> {
    /// The command line for the value of a Python expression. None where no shell here could run it.
    pub fn command(&self, expression: &str) -> Option<String> {
        if !cfg!(unix) {
            return None;
        }
        let folder = self.manage.parent()?.to_str()?;
        let file = self.manage.file_name()?.to_str()?;
        let settings = match self.settings {
            Some(module) => format!(" --settings {}", quoted(module)),
            None => String::new(),
        };
        // The answer takes a way of its own, past standard output, where settings like to print.
        let script = format!("import os; os.write(3, str({expression}).encode())");
        Some(format!(
            "cd {} && {} {} shell{settings} -c {} 3>&1 >/dev/null",
            quoted(folder),
            quoted(self.python.to_str()?),
            quoted(file),
            quoted(&script),
        ))
    }
}

/// One word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        for text in ["/srv/shop", "", "my shop", "it's; rm -rf \"$HOME\"\n`x`"] {
            let printed = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(text))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(printed.stdout).unwrap(), text);
        }
    }
}
