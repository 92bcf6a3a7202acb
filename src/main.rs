//! The command `sottovoce`.

fn main() -> std::process::ExitCode {
    sottovoce::command(&sottovoce::Parts::none())
}
