//! See [`canary_probe::program`].

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let (mut output, mut errors) = (std::io::stdout(), std::io::stderr());
    let Ok(runtime) = runtime else { return ExitCode::from(canary_probe::Ended::Failed as u8) };
    let arguments = std::env::args_os().skip(1);
    let input = std::io::BufReader::new(std::io::stdin());
    let ended = runtime.block_on(canary_probe::program(arguments, input, &mut output, &mut errors));
    ExitCode::from(ended as u8)
}
