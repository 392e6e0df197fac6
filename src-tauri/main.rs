//! The binary. All of it is in the library, where tests reach it.

fn main() -> std::process::ExitCode {
    curfew_desktop::main()
}
