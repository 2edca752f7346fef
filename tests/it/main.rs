//! Every integration test, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::missing_errors_doc,
    clippy::disallowed_methods,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unnameable_types
)]

mod admin_kit;
#[cfg(all(feature = "gateway", feature = "sandbox"))]
mod backend_service;
mod cert_check;
mod cert_convert;
mod cert_install;
mod cert_interrupted;
mod cert_kit;
mod cert_request;
mod cli;
mod cli_init;
mod cli_journal;
mod cli_kit;
mod cli_man;
mod cli_sandbox;
mod cli_token;
mod cli_webhook;
mod connections;
mod contract;
mod disclaimed;
#[cfg(feature = "gateway")]
mod docs_page;
mod doctor_bank;
mod doctor_causes;
mod doctor_files;
mod doctor_kit;
mod doctor_late;
mod doctor_nginx;
mod doctor_openssl;
mod doctor_reports;
mod doctor_sockets;
mod events_crash;
mod events_kit;
mod events_noticed;
mod first_hour;
mod gateway_access;
mod gateway_admin;
mod gateway_admin_doctor;
mod gateway_admin_trail;
mod gateway_admin_webhooks;
mod gateway_contracts;
mod gateway_events;
mod gateway_figures;
mod gateway_kit;
mod gateway_limits;
mod gateway_nginx;
mod gateway_refusals;
mod gateway_repeats;
mod gateway_serve;
mod identity_forms;
mod identity_inspect;
mod identity_kit;
mod identity_refusals;
mod identity_robust;
mod init_kit;
mod init_terminal;
mod journal_crash;
mod journal_model;
mod journal_replicas;
mod kit;
mod late_alerts;
mod live_install;
mod live_state;
mod money_keeper;
mod money_keys;
mod money_kit;
mod money_refunds;
mod money_sums;
mod monitoring;
mod outbound;
mod outcomes;
mod postgres;
mod proxies;
mod rotation_files;
mod rotation_kit;
mod rotation_publish;
mod rotation_trial;
mod routing;
mod sandbox_caller;
mod sandbox_endpoints;
mod sandbox_faults;
mod sandbox_state;
mod sandbox_tls;
mod sandbox_tools;
mod secrecy;
mod server;
mod starts;
#[cfg(feature = "telemetry")]
mod telemetry;
mod tls_refusals;
mod variables;
mod warm;
mod watching;
mod webhook_kit;
mod webhooks;
mod webhooks_crash;
mod worker;
mod world;
mod wrapper;
mod wrapper_route;
