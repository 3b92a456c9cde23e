//! Compiles the .proto file with a compiler written in Rust, so that no `protoc` is needed.

use std::path::PathBuf;

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(["atelier/v1/atelier.proto"], ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("atelier.bin");
    std::fs::write(&out, descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".atelier.v1").compile_fds(descriptors)?;
    Ok(())
}
