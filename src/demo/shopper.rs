//! One visitor: what they look for, buy and pay with. All traces of a journey share one.

use super::chance::Chance;
use super::shape::vocabulary::Fact;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;

const SEARCH_TEXTS: &[&str] =
    &["espresso grinder", "wool socks", "bike light", "usb-c cable", "Füllfederhalter", "緑茶", "tent 2p", "socks"];
const CURRENCIES: &[&str] = &["EUR", "EUR", "EUR", "USD", "USD", "GBP", "CHF"];
const COUNTRIES: &[&str] = &["DE", "NL", "FR", "US", "GB", "CH", "AT"];
const PAYMENT_METHODS: &[&str] = &["card", "card", "card", "wallet", "invoice"];

const CUSTOMERS: f64 = 20_000.0;
const PRODUCTS: f64 = 2_000.0;

pub(crate) struct Shopper {
    user: u32,
    session: u64,
    order: u64,
    product: u32,
    search_text: &'static str,
    currency: &'static str,
    country: &'static str,
    payment_method: &'static str,
    item_count: i64,
    total_cents: i64,
    address: (u8, u8),
}

impl Shopper {
    pub(crate) fn arrive(chance: &mut Chance) -> Self {
        let item_count = chance.between(1, 6);
        let bits = chance.bits().to_le_bytes();
        Self {
            user: skewed(chance, CUSTOMERS),
            session: chance.bits(),
            order: chance.bits() >> 16,
            product: skewed(chance, PRODUCTS),
            search_text: chance.pick(SEARCH_TEXTS),
            currency: chance.pick(CURRENCIES),
            country: chance.pick(COUNTRIES),
            payment_method: chance.pick(PAYMENT_METHODS),
            item_count,
            total_cents: item_count * chance.between(399, 8_999),
            address: (bits[0], bits[1]),
        }
    }

    pub(crate) fn fact(&self, fact: Fact) -> AnyValue {
        let text = match fact {
            Fact::UserId => format!("u{:05}", self.user),
            Fact::SessionId => format!("{:016x}", self.session),
            Fact::OrderId => format!("o-{:012x}", self.order),
            Fact::ProductId => format!("P{:04}", self.product),
            Fact::SearchText => self.search_text.to_owned(),
            Fact::Currency => self.currency.to_owned(),
            Fact::Country => self.country.to_owned(),
            Fact::PaymentMethod => self.payment_method.to_owned(),
            // 198.51.100.0/24 and its neighbours are reserved for documentation.
            Fact::ClientAddress => format!("198.51.{}.{}", self.address.0, self.address.1),
            Fact::ItemCount => return AnyValue::IntValue(self.item_count),
            Fact::OrderTotal => return AnyValue::DoubleValue(self.total_cents as f64 / 100.0),
        };
        AnyValue::StringValue(text)
    }
}

/// Few are popular, most are rare.
fn skewed(chance: &mut Chance, count: f64) -> u32 {
    (count * chance.share().powi(3)) as u32
}
