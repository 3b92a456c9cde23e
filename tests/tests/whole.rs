//! Whole-daemon tests, in one binary.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "whole/broken.rs"]
mod broken;
#[path = "whole/cli.rs"]
mod cli;
#[path = "whole/cli_answers.rs"]
mod cli_answers;
#[path = "whole/cli_learn.rs"]
mod cli_learn;
#[path = "whole/cli_submit.rs"]
mod cli_submit;
#[path = "whole/console.rs"]
mod console;
#[path = "whole/crash.rs"]
mod crash;
#[path = "whole/crash_points.rs"]
mod crash_points;
#[path = "whole/damage.rs"]
mod damage;
#[path = "whole/edges.rs"]
mod edges;
#[path = "whole/failing_disk.rs"]
mod failing_disk;
#[path = "whole/golden_store.rs"]
mod golden_store;
#[path = "whole/grpc_jobs.rs"]
mod grpc_jobs;
#[path = "whole/grpc_learning.rs"]
mod grpc_learning;
#[path = "whole/grpc_refusals.rs"]
mod grpc_refusals;
#[path = "whole/grpc_standard.rs"]
mod grpc_standard;
#[path = "whole/grpc_things.rs"]
mod grpc_things;
#[path = "whole/hostile_crowds.rs"]
mod hostile_crowds;
#[path = "whole/http_access.rs"]
mod http_access;
#[path = "whole/http_events.rs"]
mod http_events;
#[path = "whole/http_hostile.rs"]
mod http_hostile;
#[path = "whole/http_jobs.rs"]
mod http_jobs;
#[path = "whole/http_learning.rs"]
mod http_learning;
#[path = "whole/http_results.rs"]
mod http_results;
#[path = "whole/http_seed.rs"]
mod http_seed;
#[path = "whole/http_state.rs"]
mod http_state;
#[path = "whole/http_styles.rs"]
mod http_styles;
#[path = "whole/http_stylize.rs"]
mod http_stylize;
#[path = "whole/http_train.rs"]
mod http_train;
#[path = "whole/hung_up.rs"]
mod hung_up;
#[path = "whole/learning.rs"]
mod learning;
#[path = "whole/learning_opening.rs"]
mod learning_opening;
#[path = "whole/learning_process.rs"]
mod learning_process;
#[path = "whole/mail.rs"]
mod mail;
#[path = "whole/mail_server.rs"]
mod mail_server;
#[path = "whole/mangled.rs"]
mod mangled;
#[path = "whole/measuring.rs"]
mod measuring;
#[path = "whole/offline.rs"]
mod offline;
#[path = "whole/openapi.rs"]
mod openapi;
#[path = "whole/operations.rs"]
mod operations;
#[path = "whole/page_access.rs"]
mod page_access;
#[path = "whole/page_away.rs"]
mod page_away;
#[path = "whole/page_learn.rs"]
mod page_learn;
#[path = "whole/page_paint.rs"]
mod page_paint;
#[path = "whole/page_shape.rs"]
mod page_shape;
#[path = "whole/power_cut.rs"]
mod power_cut;
#[path = "whole/program.rs"]
mod program;
#[path = "whole/queue.rs"]
mod queue;
#[path = "whole/recorded_life.rs"]
mod recorded_life;
#[path = "whole/reopened.rs"]
mod reopened;
#[path = "whole/restart.rs"]
mod restart;
#[path = "whole/start.rs"]
mod start;
