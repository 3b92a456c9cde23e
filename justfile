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
    cargo test --locked --workspace --release --test whole -- --nocapture --ignored restart::

# Breaks the promises one after another, by the patches of tests/broken, and expects a test to notice each: half an hour.
broken *names:
    tests/tools/broken.sh {{names}}

# The daemon for NVIDIA graphics processors, on a machine that has neither one nor CUDA. Not part of CI.
cuda:
    models/tools/cuda-build.sh

# Five thousand hostile connections of each kind at once; every answer about health within 100 ms.
crowds:
    ATELIER_CROWD=10 cargo test --locked --workspace --release --test whole hostile_crowds -- --nocapture --test-threads 1

# The OpenAPI document against the daemon for ten minutes, by schemathesis.
schemathesis:
    ATELIER_SCHEMATHESIS=600 cargo test --locked --workspace --test whole openapi -- --nocapture

# Each door where strangers' bytes are read under libFuzzer, ten minutes each. Needs a nightly toolchain and cargo-fuzz.
fuzz seconds="600":
    tests/tools/fuzz.sh {{seconds}}

# How fast submits are acknowledged and what waiting costs, beside Celery with Redis where both are installed.
load:
    cargo build --locked --release
    tests/tools/load.py target/release/atelierd

# Twenty minutes of photos, with the daemon's memory every minute.
soak minutes="20":
    cargo build --locked --release
    tests/tools/load.py target/release/atelierd --soak {{minutes}}
