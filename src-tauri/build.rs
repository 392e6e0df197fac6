//! Prepares what Tauri wants at compile time: the permissions of our own commands and a folder of files for
//! the window. The permissions are written to cargo's output folder, so that no generated file stands here.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Every command that the window may be allowed to call. Which it is: capabilities/main.json.
const COMMANDS: &[&str] = &[
    "sites",
    "open_site",
    "add_site",
    "test_site",
    "ask_project",
    "add_project",
    "site",
    "users",
    "lookup",
    "user",
    "logout",
    "unreadable",
    "logout_unreadable",
    "suspend",
    "allow_again",
    "preview_sweep",
    "sweep",
    "set_automatic",
    "set_armed",
    "set_policy",
    "set_notices",
    "journal",
    "timeline",
    "autostart",
    "set_autostart",
    "painted",
];

/// Stands in for the window's inside where that has not been built yet.
const NOT_BUILT: &str = "<!doctype html><meta charset=\"utf-8\"><title>Curfew</title>\
    <p>The window's inside is not built. Run <code>cargo xtask run</code>.</p>\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    window_files(&root.join("ui/dist"))?;
    let permissions = permissions(Path::new(&env::var("OUT_DIR")?))?;
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("./src-tauri/capabilities/**/*")
        .app_manifest(tauri_build::AppManifest::new().permissions_path_pattern(permissions.leak()));
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    println!("cargo:rerun-if-changed=src-tauri/build.rs");
    println!("cargo:rerun-if-changed=ui/dist");
    tauri_build::try_build(attributes)?;
    Ok(())
}

/// Tauri refuses to compile without the folder, and `cargo check` should not need Node.
fn window_files(dist: &Path) -> io::Result<()> {
    let page = dist.join("index.html");
    if page.exists() {
        return Ok(());
    }
    fs::create_dir_all(dist)?;
    fs::write(page, NOT_BUILT)
}

/// One permission a command, `allow-open-site` for `open_site`. Returns the pattern that finds them.
fn permissions(out: &Path) -> io::Result<String> {
    let folder = out.join("commands");
    fs::create_dir_all(&folder)?;
    let text: String = COMMANDS
        .iter()
        .map(|command| {
            let name = command.replace('_', "-");
            format!(
                "[[permission]]\nidentifier = \"allow-{name}\"\ncommands.allow = [\"{command}\"]\n"
            )
        })
        .collect();
    fs::write(folder.join("commands.toml"), text)?;
    Ok(folder.join("*.toml").to_string_lossy().into_owned())
}
