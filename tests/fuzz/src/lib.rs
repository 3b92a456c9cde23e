//! What the targets need beside the doors themselves, which are in `tests::doors`.

/// Lets other people's decoders panic, since a wall is around them, and nothing else. Called after libFuzzer's own hook
/// is set, which ends the process at any panic.
pub fn let_decoders_panic() {
    let end = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.location().is_none_or(|location| !location.file().contains("/registry/")) {
            end(panic);
        }
    }));
}

/// Configures a daemon that reads everything and accepts nothing, so that it never fills up.
pub fn without_room(config: &mut daemon::config::Config) {
    config.limits.memory_bytes = 1;
}
