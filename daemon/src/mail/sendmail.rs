//! The machine's own `sendmail`, which every mail system has.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use lettre::Message;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::transport::Outcome;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Exit codes that mean "never" (`sysexits.h`): data error, no such user, no such host, no permission.
const FOR_GOOD: [i32; 4] = [65, 67, 68, 77];

/// Returns where the program is: at its traditional place, else wherever the search path has it.
pub(super) fn program() -> PathBuf {
    let usual = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];
    usual.iter().map(PathBuf::from).find(|path| path.exists()).unwrap_or_else(|| PathBuf::from("sendmail"))
}

/// Hands a letter to the program.
pub(super) async fn send(program: &Path, message: &Message) -> Outcome {
    timeout(PATIENCE, run(program, message))
        .await
        .unwrap_or_else(|_| Outcome::TryAgain(format!("{} did not end", program.display())))
}

/// Tries whether the program is there.
pub(super) fn probe(program: &Path) -> Result<(), String> {
    let on_path = |folder: PathBuf| folder.join(program).is_file();
    let is_there =
        program.is_file() || std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(on_path));
    if is_there { Ok(()) } else { Err(format!("there is no program {}; install a mail system", program.display())) }
}

async fn run(program: &Path, message: &Message) -> Outcome {
    let mut command = Command::new(program);
    // -i: a line with a single dot does not end the letter. --: an address is never an option.
    command.arg("-i");
    if let Some(from) = message.envelope().from() {
        command.arg("-f").arg(AsRef::<str>::as_ref(from));
    }
    command.arg("--").args(message.envelope().to().iter().map(AsRef::<str>::as_ref));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let try_again = |error: std::io::Error| Outcome::TryAgain(format!("{}: {error}", program.display()));
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return try_again(error),
    };
    let mut stdin = child.stdin.take();
    let letter = message.formatted();
    let feed = async {
        if let Some(mut stdin) = stdin.take() {
            // A program that does not read to the end says why by its exit code.
            let _ = stdin.write_all(&letter).await;
        }
    };
    let ((), ended) = tokio::join!(feed, child.wait_with_output());
    match ended {
        Err(error) => try_again(error),
        Ok(output) if output.status.success() => Outcome::Delivered(format!("taken by {}", program.display())),
        Ok(output) => {
            let answer = format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
            let is_final = output.status.code().is_some_and(|code| FOR_GOOD.contains(&code));
            if is_final { Outcome::Refused(answer) } else { Outcome::TryAgain(answer) }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::fs;
    use std::io::Write;

    use super::*;
    use crate::mail::test_server::message;

    /// A program that behaves like `sendmail` and then ends with `code`.
    fn script(folder: &Path, code: i32) -> PathBuf {
        let path = folder.join(format!("sendmail-{code}"));
        let text = format!(
            "#!/bin/sh\necho \"$@\" > {0}/arguments\ncat > {0}/letter\necho 'as told' >&2\nexit {code}\n",
            folder.display()
        );
        // Written by a process of its own: a descriptor open for writing here would be inherited by whatever another
        // test starts meanwhile, and executing the script would then fail as "text file busy".
        let mut writer = std::process::Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
        path
    }

    #[tokio::test]
    async fn the_letter_goes_through_its_standard_input() {
        let folder = tempfile::tempdir().unwrap();
        let program = script(folder.path(), 0);
        assert_eq!(probe(&program), Ok(()));
        let outcome = send(&program, &message()).await;
        assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
        assert_eq!(fs::read(folder.path().join("letter")).unwrap(), message().formatted());
        let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
        assert_eq!(arguments.trim(), "-i -f atelier@example.org -- me@example.org");
    }

    #[tokio::test]
    async fn its_exit_code_says_whether_to_try_again() {
        let folder = tempfile::tempdir().unwrap();
        for (code, is_final) in [(75, false), (1, false), (69, false), (67, true), (65, true)] {
            let outcome = send(&script(folder.path(), code), &message()).await;
            assert_eq!(matches!(outcome, Outcome::Refused(_)), is_final, "{code}: {outcome:?}");
            assert_eq!(matches!(outcome, Outcome::TryAgain(_)), !is_final, "{code}: {outcome:?}");
        }
        let missing = folder.path().join("missing");
        assert!(matches!(send(&missing, &message()).await, Outcome::TryAgain(_)));
        assert!(probe(&missing).is_err());
    }
}
