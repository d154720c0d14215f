//! The shop as data: who is there (`services`, `toolkits`), what they do and whom they call (`storefront`, `orders`,
//! `stores`), what breaks (`failures`), what visitors want (`journeys`), what is measured (`instruments`, `runtime`),
//! what is logged outside any trace (`background`). `vocabulary` holds the types the tables are written in.

pub(super) mod background;
pub(super) mod failures;
pub(super) mod instruments;
pub(super) mod journeys;
pub(super) mod orders;
pub(super) mod runtime;
pub(super) mod services;
pub(super) mod storefront;
pub(super) mod stores;
pub(super) mod toolkits;
pub(super) mod vocabulary;
