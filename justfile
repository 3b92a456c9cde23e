# The commands of this project; `just` lists them. CONTRIBUTING.md tells when to use which.

default:
    @just --list

# Everything that CI runs.
check:
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
    cargo test --locked --workspace

# The daemon on its defaults.
run:
    cargo run --locked --release

# The speed of kernels and networks.
bench:
    cargo bench --locked -p models

# The daemon for NVIDIA graphics processors, on a machine that has neither one nor CUDA. Not part of CI.
cuda:
    models/tools/cuda-build.sh
