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

# The long versions of the tests in docs/promises.md.
crash-200:
    ATELIER_KILLS=200 cargo test --locked --workspace --test whole -- --nocapture crash::

crash-points:
    ATELIER_CRASH_POINTS=100000 cargo test --locked --workspace --test whole -- --nocapture crash_points::

power-cuts:
    ATELIER_POWER_CUTS=3000 cargo test --locked --workspace --test whole -- --nocapture power_cut::what

damage-300:
    ATELIER_DAMAGES=300 cargo test --locked --workspace --test whole -- --nocapture damage::damaged

restart-10000:
    cargo test --locked --workspace --test whole -- --nocapture --ignored restart::

# The daemon for NVIDIA graphics processors, on a machine that has neither one nor CUDA. Not part of CI.
cuda:
    models/tools/cuda-build.sh
