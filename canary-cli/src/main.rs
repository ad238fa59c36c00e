//! The `canary-cli` binary.

fn main() -> std::process::ExitCode {
    canary_cli::Cli::new().main()
}
