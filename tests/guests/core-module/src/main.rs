//! A plain core module when built for wasm32-wasip1, for the tests of the preview1 adapter.

fn main() {
    println!("hi");
}
