//! What visitors do. Buyers are few, as in any shop, but an order touches every service.

use super::storefront::{ADD_ITEM, CART_PAGE, CHECKOUT_PAGE, HOME_PAGE, PRODUCT_PAGE, SEARCH_PAGE};
use super::vocabulary::{Journey, Sampling};

pub(crate) static JOURNEYS: &[Journey] = &[
    // Three quarters of idle home page visits are sampled away at the head: their traces say `ot=th:c`.
    Journey { weight: 20.0, sampling: Sampling::OneInFour, pages: &[&HOME_PAGE] },
    Journey { weight: 26.0, sampling: Sampling::Every, pages: &[&HOME_PAGE, &PRODUCT_PAGE] },
    Journey { weight: 22.0, sampling: Sampling::Every, pages: &[&SEARCH_PAGE, &PRODUCT_PAGE] },
    Journey { weight: 14.0, sampling: Sampling::Every, pages: &[&PRODUCT_PAGE, &ADD_ITEM, &CART_PAGE] },
    Journey {
        weight: 18.0,
        sampling: Sampling::Every,
        pages: &[&SEARCH_PAGE, &PRODUCT_PAGE, &ADD_ITEM, &CART_PAGE, &CHECKOUT_PAGE],
    },
];
