//! Take money with Kaspi Pay from your own backend: scheme r3, mutual TLS, and for each organisation
//! (BIN) its own certificate.
//!
//! The library reads the files that an operator has, keeps one TLS configuration and one connection
//! pool for each certificate, and offers Kaspi's calls as typed methods. A call names its BIN; merchant,
//! device token and certificate come from one look-up, so that they cannot be mixed up. A call that
//! fails says what is known about it, because that decides whether money may be asked for again.
//!
//! # The first call
//!
//! With the feature `sandbox` the simulated Kaspi stands in for the bank. Apart from its three lines
//! this is what a backend does:
//!
#![cfg_attr(all(feature = "journal", feature = "sandbox"), doc = "```")]
#![cfg_attr(not(all(feature = "journal", feature = "sandbox")), doc = "```ignore")]
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use kaspi_direct::app::App;
//! use kaspi_direct::config::Environment;
//! use kaspi_direct::payments::{NewPayment, Origin};
//! use kaspi_direct::sandbox::{Options, Sandbox, layout};
//!
//! // In place of the bank: test certificates in a folder, and a server that knows them.
//! let folder = tempfile::tempdir()?;
//! layout::init(folder.path(), &layout::Init::default())?;
//! let _sandbox = Sandbox::start(Options::from_dir(folder.path())?).await?;
//!
//! // Once, when your program starts. Sends nothing; keys are opened meanwhile.
//! let app = App::open(&folder.path().join("kaspi.toml"), &Environment::of_process())?;
//!
//! // For each order. A message is what the customer reads.
//! let created = app
//!     .payments()
//!     .create(NewPayment {
//!         bin: Some("891027350515".parse()?),
//!         trade_point: None,
//!         phone: "+7 700 000 00 00".parse()?,
//!         amount: "1500".parse()?,
//!         message: "Order 17".to_owned(),
//!         // asked twice, it is one invoice all the same
//!         origin: Origin::keyed("order-17".parse()?),
//!     })
//!     .await?;
//! assert_eq!(created.amount.to_string(), "1500.00");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/embed.rs` is the same for two organisations, to copy from. `docs/embedding.md` goes on from
//! there, `docs/configuration.md` lists every setting.
//!
//! # Errors and outcomes
//!
//! Every error implements [`base::Explain`]. Its `Display` says what happened, on one line, with the
//! values that were compared. Its other answers are for whoever has to act:
//!
//! | Method | Answers |
//! |---|---|
//! | [`kind`](base::Explain::kind) | a stable word, such as `wrong_password`; `docs/errors.md` lists them all |
//! | [`fault`](base::Explain::fault) | who has to act: caller, operator, bank, network, this program |
//! | [`hint`](base::Explain::hint) | one thing to do next |
//! | [`delivery`](base::Explain::delivery) | what is known about the request |
//! | [`code`](base::Explain::code) | Kaspi's own `StatusCode` |
//!
//! For money the [`Delivery`](base::Delivery) is what counts:
//!
//! - `NotSent`: Kaspi never got it. It may be sent again.
//! - `Refused`: Kaspi answered no, and nothing happened. Sent again it is refused again, until somebody
//!   does what the hint says.
//! - `Unknown`: it may have happened. Nothing in this library sends it again, and neither should you:
//!   look first.
//!
//! A call whose future is dropped goes on: operations of `payments` run on tasks of their own. What
//! becomes of each kind of failure stands in `docs/outcomes.md`. Here the bank makes the invoice and the
//! answer is lost:
//!
#![cfg_attr(all(feature = "journal", feature = "sandbox"), doc = "```")]
#![cfg_attr(not(all(feature = "journal", feature = "sandbox")), doc = "```ignore")]
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # use kaspi_direct::app::App;
//! # use kaspi_direct::config::Environment;
//! # use kaspi_direct::payments::{NewPayment, Origin};
//! # use kaspi_direct::sandbox::{Options, Sandbox, layout};
//! # let folder = tempfile::tempdir()?;
//! # layout::init(folder.path(), &layout::Init::default())?;
//! # let sandbox = Sandbox::start(Options::from_dir(folder.path())?).await?;
//! # let app = App::open(&folder.path().join("kaspi.toml"), &Environment::of_process())?;
//! # let order = NewPayment {
//! #     bin: None,
//! #     trade_point: None,
//! #     phone: "+7 700 000 00 00".parse()?,
//! #     amount: "1500".parse()?,
//! #     message: "Order 17".to_owned(),
//! #     origin: Origin::default(),
//! # };
//! use kaspi_direct::base::{Delivery, Explain};
//! use kaspi_direct::sandbox::{Fault, FaultKind};
//!
//! sandbox.arm(Fault::new(FaultKind::ResetAfterCommit).on("/r3/v01/remote/create")).await;
//! let error = app.payments().create(order).await.unwrap_err();
//! assert_eq!(error.delivery(), Some(Delivery::Unknown));
//! assert_eq!(sandbox.payments().len(), 1); // asking again would have made a second one
//! println!("{error}\n{}", error.hint().unwrap_or_default());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Until it is paid
//!
//! QR and link payments are watched at the interval, and until the time-outs, that Kaspi's answer names.
//! Phone invoices must not be polled: ask `Payments::status` when there is
//! a reason to, and it takes care not to ask Kaspi too often.
//!
#![cfg_attr(all(feature = "journal", feature = "sandbox"), doc = "```")]
#![cfg_attr(not(all(feature = "journal", feature = "sandbox")), doc = "```ignore")]
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # use kaspi_direct::app::App;
//! # use kaspi_direct::config::Environment;
//! # use kaspi_direct::sandbox::{CustomerStep, Options, Sandbox, layout};
//! # let folder = tempfile::tempdir()?;
//! # layout::init(folder.path(), &layout::Init::default())?;
//! # let sandbox = Sandbox::start(Options::from_dir(folder.path())?).await?;
//! # let app = App::open(&folder.path().join("kaspi.toml"), &Environment::of_process())?;
//! use kaspi_direct::payments::{NewPurchase, Origin, Pace, WatchEnd, WatchEvent};
//!
//! let purchase = NewPurchase {
//!     bin: None,
//!     trade_point: None,
//!     amount: "990".parse()?,
//!     external_id: None,
//!     origin: Origin::default(),
//! };
//! let created = app.payments().create_qr(purchase).await?;
//! println!("show this as a QR code: {}", created.qr.qr_token);
//! # sandbox.customer(created.qr.payment_id.get(), CustomerStep::Pay)?;
//!
//! let pace = Pace::Polled(created.qr.timing);
//! let mut watch =
//!     app.payments().watch(Some(created.bin), created.qr.payment_id, pace, created.qr.expire_date.as_ref())?;
//! while let Some(event) = watch.next().await {
//!     match event {
//!         WatchEvent::Changed(status) => println!("{}", status.status),
//!         WatchEvent::Ended(WatchEnd::Final(word)) => assert_eq!(word.as_str(), "Processed"),
//!         other => println!("{other:?}"),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! Features add; none changes what the others do.
//!
//! | Feature | Default | Adds |
//! |---|---|---|
//! | `cli` | yes | the program `kaspi` and the room `cli`, with clap; brings `gateway` |
//! | `journal` | yes | the room `payments`: payments as operations |
//! | `sandbox` | yes | the simulated Kaspi with its test certificates, with rcgen |
//! | `gateway` | yes | the room `gateway`: HTTP contracts for a backend, with axum; brings `journal` |
//! | `postgres` | yes | PostgreSQL as a store of the journal |
//! | `telemetry` | yes | spans of the gateway's calls told to an OpenTelemetry collector, where one is configured |
//!
//! With `default-features = false` you get configuration, identities, registry, transport and the typed
//! calls of [`api`], without clap and rcgen. Calls that move money then ask for a [`api::MoneyPermit`],
//! which you make by [`api::MoneyPermit::caller_keeps_the_books`]: recording an operation before it is
//! sent, and never sending one again whose outcome is unknown, is your part then.
//!
//! # Rooms
//!
//! The modules at the top are called rooms. Imports point to the left only, and a test keeps it so
//! (`docs/architecture.md`):
//!
//! ```text
//! base <- config <- identity <- registry <- transport <- api <- payments
//! ```
//!
//! | Room | Holds |
//! |---|---|
//! | [`base`] | BIN, money, phone, ids, secrets, delivery, clock |
//! | [`config`] | files and environment to checked configuration |
//! | [`identity`] | files to certificate chain and key; what is wrong with them |
//! | [`registry`] | BIN to merchant to the current generation of its identity |
//! | [`transport`] | one TLS configuration and one pool for each generation; delivery of a failure |
//! | [`api`] | one typed struct for each Kaspi call; envelope; codes |
//! | `outbound` | HTTPS without a client certificate (feature `journal`) |
//! | `payments` | operations that move money, each on a task of its own (feature `journal`) |
//! | [`doctor`] | staged diagnosis of one BIN |
//! | `wrapper` | calls passed on to the old PHP wrapper (feature `journal`) |
//! | `webhooks` | events told to the merchant's own systems, signed (feature `journal`) |
//! | `gateway` | HTTP contracts over `payments` (feature `gateway`) |
//! | [`app`] | the wiring: from a configuration file to a working set |
//! | `cli` | the commands of the program (feature `cli`) |
//! | `sandbox` | the simulated Kaspi (feature `sandbox`); shares no type with the others |
#![forbid(unsafe_code)]

pub mod api;
pub mod app;
pub mod base;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod doctor;
#[cfg(feature = "gateway")]
pub mod gateway;
pub mod identity;
#[cfg(feature = "journal")]
pub mod outbound;
#[cfg(feature = "journal")]
pub mod payments;
pub mod registry;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod transport;
#[cfg(feature = "journal")]
pub mod webhooks;
#[cfg(feature = "journal")]
pub mod wrapper;

/// The code in the documents, compiled and run as documentation tests.
#[cfg(all(doctest, feature = "journal", feature = "sandbox"))]
mod documents {
    #[doc = include_str!("../README.md")]
    mod readme {}
    #[doc = include_str!("../docs/embedding.md")]
    mod embedding {}
    #[doc = include_str!("../docs/webhooks.md")]
    mod webhooks {}
}
