//! See [`canary_probe::program`].

use std::process::ExitCode;

fn main() -> ExitCode {
    let (mut output, mut errors) = (std::io::stdout(), std::io::stderr());
    let input = std::io::BufReader::new(std::io::stdin());
    let ended = canary_probe::program(std::env::args_os().skip(1), input, &mut output, &mut errors);
    ExitCode::from(ended as u8)
}
