//! The dozen services, and the peers that send nothing themselves.

use super::vocabulary::{Language, MetricsBy, Peer, Service};

macro_rules! services {
    ($($id:ident = $name:literal $version:literal, $language:ident x $replicas:literal, port $port:literal,
       team $team:literal, logger $logger:literal, $metrics:ident;)*) => {
        $(pub(crate) static $id: Service = Service {
            name: $name,
            version: $version,
            language: Language::$language,
            replicas: $replicas,
            port: $port,
            team: $team,
            logger: $logger,
            metrics_by: MetricsBy::$metrics,
        };)*
        pub(crate) static SERVICES: &[&Service] = &[$(&$id),*];
    };
}

services! {
    FRONTEND = "frontend" "4.21.0", NodeJs x 3, port 8080, team "web", logger "frontend/http", SdkDelta;
    CATALOG = "catalog" "2.8.3", Go x 2, port 8083, team "assortment", logger "shop/catalog", SdkCumulative;
    SEARCH = "search" "1.14.2", Java x 2, port 8085, team "assortment", logger "shop.search.QueryService", SdkCumulative;
    RECOMMENDATION = "recommendation" "0.19.0", Python x 2, port 8086, team "personalisation", logger "recommendation.ranker", SdkDelta;
    CART = "cart" "3.2.1", Dotnet x 2, port 8082, team "checkout", logger "Shop.Cart.CartService", SdkDelta;
    CHECKOUT = "checkout" "5.0.4", Go x 2, port 8084, team "checkout", logger "shop/checkout", SdkCumulative;
    PAYMENT = "payment" "2.31.0", Java x 2, port 8087, team "money", logger "shop.payment.ChargeService", SdkCumulative;
    FRAUD = "fraud" "1.3.7", Java x 1, port 8088, team "money", logger "shop.fraud.OrderReview", SdkCumulative;
    INVENTORY = "inventory" "1.9.0", Rust x 2, port 8089, team "logistics", logger "inventory::reservation", SdkCumulative;
    SHIPPING = "shipping" "0.98.5", Ruby x 1, port 8090, team "logistics", logger "ShippingController", PrometheusScrape;
    CURRENCY = "currency" "1.0.12", Cpp x 1, port 8091, team "money", logger "currency", SdkCumulative;
    EMAIL = "email" "2.2.0", Python x 1, port 8092, team "crm", logger "email.worker", SdkCumulative;
}

pub(crate) static CATALOG_DATABASE: Peer = Peer { address: "catalog-db.shop.svc.cluster.local", port: 5432 };
pub(crate) static ORDERS_DATABASE: Peer = Peer { address: "orders-db.shop.svc.cluster.local", port: 5432 };
pub(crate) static STOCK_DATABASE: Peer = Peer { address: "stock-db.shop.svc.cluster.local", port: 5432 };
pub(crate) static CART_REDIS: Peer = Peer { address: "cart-redis.shop.svc.cluster.local", port: 6379 };
pub(crate) static SEARCH_INDEX: Peer = Peer { address: "search-index.shop.svc.cluster.local", port: 9200 };
pub(crate) static KAFKA: Peer = Peer { address: "kafka.shop.svc.cluster.local", port: 9092 };
pub(crate) static FRAUD_API: Peer = Peer { address: "api.fraudscore.example", port: 443 };
pub(crate) static MAIL_API: Peer = Peer { address: "api.mailer.example", port: 443 };
pub(crate) static MODEL_API: Peer = Peer { address: "api.openai.com", port: 443 };
