//! The program.

fn main() -> std::process::ExitCode {
    authsome::main()
}
