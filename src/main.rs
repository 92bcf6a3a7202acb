//! The command `sottovoce`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
