//! Completion scripts as a shell runs them, and manual pages.

use std::process::Command;

use crate::support::server::telestrata;

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What bash offers for the last of these words.
fn offered(script: &str, words: &[&str]) -> Vec<String> {
    let program = r#"
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        # The shell itself finds the function by the name of the program.
        [[ $(complete -p telestrata) =~ -F\ ([^ ]+) ]] || exit 9
        "${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let text = stdout(Command::new("bash").args(["--norc", "-c", program, "bash", script]).args(words));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_verbs_options_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telestrata.bash");
    std::fs::write(&path, stdout(telestrata().args(["completions", "bash"]))).unwrap();
    let script = path.to_str().unwrap();
    assert_eq!(offered(script, &["telestrata", "im"]), ["import"]);
    assert!(offered(script, &["telestrata", "sql", "--con"]).contains(&"--connect".to_owned()));
    assert_eq!(offered(script, &["telestrata", "sql", "--format", "nd"]), ["ndjson"]);
    assert_eq!(offered(script, &["telestrata", "completions", "fi"]), ["fish"]);
}

#[test]
fn every_shell_has_a_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(telestrata().args(["completions", shell]));
        assert!(script.contains("telestrata") && script.contains("connect"), "{shell}");
    }
}

#[test]
fn every_verb_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    stdout(telestrata().arg("man").arg("-o").arg(folder.path()));
    let page = |name: &str| std::fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
    let help = stdout(telestrata().arg("--help"));
    // Two spaces before a verb; what is wrapped below it has more.
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|verb| !verb.is_empty()));
    let mut found = 0;
    for verb in verbs.filter(|verb| *verb != "help") {
        let page = page(&format!("telestrata-{verb}"));
        assert!(page.contains(&format!(".TH telestrata-{verb} 1")) && page.contains(".SH OPTIONS"), "{page}");
        assert!(page.contains(".SH \"EXIT STATUS\"") || page.contains(".SH EXIT STATUS"), "{page}");
        found += 1;
    }
    assert!(found > 8, "{help}");
    assert!(page("telestrata").contains("telestrata\\-sql(1)"));
    assert!(page("telestrata-config-show").contains("configuration"));
    assert_eq!(stdout(telestrata().args(["man", "sql"])), page("telestrata-sql"));
    assert_eq!(telestrata().args(["man", "nothing"]).output().unwrap().status.code(), Some(2));
}
