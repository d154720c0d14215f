//! How wide each column of a table may be: the narrow ones as they are, the widest cut first and equally.

/// What a column asks for, in columns of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    /// Enough to show everything.
    pub(super) whole: usize,
    /// Less than this tells nothing, or, of a number, something wrong.
    pub(super) least: usize,
}

/// The widths that together are at most `room`; `None` where even the least are more.
pub(super) fn fit(wishes: &[Wish], room: usize) -> Option<Vec<usize>> {
    let at_most = |cap: usize| wishes.iter().map(move |wish| wish.whole.min(cap.max(wish.least)));
    if at_most(0).sum::<usize>() > room {
        return None;
    }
    let widest = wishes.iter().map(|wish| wish.whole).max().unwrap_or(0);
    // The highest cap that fits: `low` does.
    let (mut low, mut high) = (0, widest);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if at_most(middle).sum::<usize>() <= room { low = middle } else { high = middle - 1 }
    }
    let mut widths: Vec<usize> = at_most(low).collect();
    let mut left = room - widths.iter().sum::<usize>();
    for (width, wish) in widths.iter_mut().zip(wishes) {
        if left > 0 && *width < wish.whole {
            *width += 1;
            left -= 1;
        }
    }
    Some(widths)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wish(whole: usize, least: usize) -> Wish {
        Wish { whole, least }
    }

    #[rstest::rstest]
    #[case(&[wish(5, 5), wish(7, 7)], 40, Some(vec![5, 7]))]
    #[case(&[wish(5, 5), wish(100, 10), wish(100, 10)], 45, Some(vec![5, 20, 20]))]
    #[case(&[wish(30, 10), wish(100, 10)], 41, Some(vec![21, 20]))]
    #[case(&[wish(26, 26), wish(100, 10)], 36, Some(vec![26, 10]))]
    #[case(&[wish(26, 26), wish(100, 10)], 35, None)]
    #[case(&[], 0, Some(vec![]))]
    fn the_widest_give_way(#[case] wishes: &[Wish], #[case] room: usize, #[case] expected: Option<Vec<usize>>) {
        assert_eq!(fit(wishes, room), expected);
    }

    proptest! {
        #[test]
        fn no_room_is_exceeded_none_is_wasted(
            wishes in prop::collection::vec((0usize..200, 0usize..20), 0..12), room in 0usize..300,
        ) {
            let wishes: Vec<Wish> =
                wishes.into_iter().map(|(whole, least)| Wish { whole, least: least.min(whole) }).collect();
            let whole: usize = wishes.iter().map(|wish| wish.whole).sum();
            let least: usize = wishes.iter().map(|wish| wish.least).sum();
            match fit(&wishes, room) {
                None => prop_assert!(least > room),
                Some(widths) => {
                    prop_assert_eq!(widths.iter().sum::<usize>(), whole.min(room));
                    for (width, wish) in widths.iter().zip(&wishes) {
                        prop_assert!((wish.least..=wish.whole).contains(width));
                    }
                }
            }
        }
    }
}
