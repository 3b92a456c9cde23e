#![no_main]

use std::sync::LazyLock;

use tests::doors::Route;

static ROUTE: LazyLock<Route> = LazyLock::new(|| Route::form(fuzz::without_room));

libfuzzer_sys::fuzz_target!(init: fuzz::let_decoders_panic(), |bytes: &[u8]| {
    ROUTE.send(bytes);
});
