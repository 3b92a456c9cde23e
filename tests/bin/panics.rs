//! Takes the terminal over as the console does, and panics.

fn main() {
    let _screen = tui::term::Screen::open().expect("there is a terminal");
    panic!("on purpose");
}
