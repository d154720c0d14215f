//! What MATCH_CONDITION and ON of an ASOF JOIN say, or an error that says how they are written.

use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

const FORM: &str = "an ASOF JOIN is written l ASOF JOIN r MATCH_CONDITION (l.time >= r.time) ON l.key = r.key, with >= \
                    or > for the nearest row before, <= or < for the nearest after; how far away it may be is a second \
                    comparison: MATCH_CONDITION (l.time >= r.time AND l.time - r.time <= INTERVAL '5 minutes')";

/// Which right row is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Nearest {
    /// The latest at or before the left time.
    AtOrBefore,
    /// The latest before it.
    Before,
    /// The earliest at or after it.
    AtOrAfter,
    /// The earliest after it.
    After,
}

impl Nearest {
    /// Whether it looks into the past.
    pub(super) fn is_backward(self) -> bool {
        matches!(self, Self::AtOrBefore | Self::Before)
    }

    /// The operator of `right time op left time`.
    pub(super) fn operator(self) -> Operator {
        match self {
            Self::AtOrBefore => Operator::LtEq,
            Self::Before => Operator::Lt,
            Self::AtOrAfter => Operator::GtEq,
            Self::After => Operator::Gt,
        }
    }

    fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::LtEq => Some(Self::AtOrBefore),
            Operator::Lt => Some(Self::Before),
            Operator::GtEq => Some(Self::AtOrAfter),
            Operator::Gt => Some(Self::After),
            _ => None,
        }
    }
}

/// How far from the left time the right one may be.
#[derive(Debug, Clone)]
pub(super) struct Tolerance {
    /// A constant; of a type that can be taken from a time.
    pub(super) distance: Expr,
    /// Whether exactly that far matches.
    pub(super) inclusive: bool,
}

/// A MATCH_CONDITION.
#[derive(Debug, Clone)]
pub(super) struct Match {
    /// Over the left columns.
    pub(super) left_time: Expr,
    /// Over the right columns.
    pub(super) right_time: Expr,
    pub(super) nearest: Nearest,
    pub(super) tolerance: Option<Tolerance>,
}

/// An ON.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    /// Left and right of each `=`.
    pub(super) equal: Vec<(Expr, Expr)>,
    /// What is asked of the right row alone.
    pub(super) of_right: Vec<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Constant,
    Mixed,
}

impl Side {
    fn of(expr: &Expr, left: &DFSchema, right: &DFSchema) -> Self {
        let columns = expr.column_refs();
        if columns.is_empty() {
            Self::Constant
        } else if columns.iter().all(|column| left.has_column(column)) {
            Self::Left
        } else if columns.iter().all(|column| right.has_column(column)) {
            Self::Right
        } else {
            Self::Mixed
        }
    }
}

/// `right op left`, or with an offset `right op left + offset`, `right op left - offset`.
struct Comparison {
    right: Expr,
    op: Nearest,
    left: Expr,
    offset: Option<(Operator, Expr)>,
}

impl Match {
    /// Understands a condition over the two sides.
    pub(super) fn of(condition: &Expr, left: &DFSchema, right: &DFSchema) -> Result<Self> {
        let comparisons: Option<Vec<Comparison>> =
            split_conjunction(condition).into_iter().map(|part| comparison(part, left, right)).collect();
        let found = match comparisons.as_deref() {
            Some([one]) => one.without_tolerance(),
            Some([one, other]) => one.with_tolerance(other).or_else(|| other.with_tolerance(one)),
            _ => None,
        };
        match found {
            Some(found) => Ok(found),
            None => plan_err!("MATCH_CONDITION ({condition}) is not understood; {FORM}"),
        }
    }
}

impl Keys {
    /// Understands an ON over the two sides.
    pub(super) fn of(on: &Expr, left: &DFSchema, right: &DFSchema) -> Result<Self> {
        let mut keys = Self::default();
        for part in split_conjunction(on) {
            if let Expr::BinaryExpr(BinaryExpr { left: a, op: Operator::Eq, right: b }) = part {
                match (Side::of(a, left, right), Side::of(b, left, right)) {
                    (Side::Left, Side::Right) => {
                        keys.equal.push((a.as_ref().clone(), b.as_ref().clone()));
                        continue;
                    }
                    (Side::Right, Side::Left) => {
                        keys.equal.push((b.as_ref().clone(), a.as_ref().clone()));
                        continue;
                    }
                    _ => {}
                }
            }
            match Side::of(part, left, right) {
                Side::Right => keys.of_right.push(part.clone()),
                _ => {
                    return plan_err!(
                        "ON of an ASOF JOIN takes equalities of a left and a right value, joined by AND, and \
                         conditions on the right table alone, not {part}; put others into WHERE"
                    );
                }
            }
        }
        Ok(keys)
    }
}

impl Comparison {
    fn without_tolerance(&self) -> Option<Match> {
        let left_time = self.left_side()?;
        Some(Match { left_time, right_time: self.right.clone(), nearest: self.op, tolerance: None })
    }

    /// This as the match, the other as its limit on the far side.
    fn with_tolerance(&self, limit: &Self) -> Option<Match> {
        let (sign, distance) = limit.offset.as_ref()?;
        let far = match (self.op.is_backward(), limit.op) {
            (true, Nearest::AtOrAfter | Nearest::After) => Operator::Minus,
            (false, Nearest::AtOrBefore | Nearest::Before) => Operator::Plus,
            _ => return None,
        };
        let inclusive = matches!(limit.op, Nearest::AtOrAfter | Nearest::AtOrBefore);
        (self.left_side()? == limit.left && self.right == limit.right && *sign == far).then(|| Match {
            tolerance: Some(Tolerance { distance: distance.clone(), inclusive }),
            left_time: limit.left.clone(),
            right_time: self.right.clone(),
            nearest: self.op,
        })
    }

    /// All that stands on the left's side.
    fn left_side(&self) -> Option<Expr> {
        self.offset.is_none().then(|| self.left.clone())
    }
}

fn comparison(part: &Expr, left: &DFSchema, right: &DFSchema) -> Option<Comparison> {
    let Expr::BinaryExpr(BinaryExpr { left: a, op, right: b }) = part else { return None };
    let swapped = Nearest::of(op.swap()?)?;
    let op = Nearest::of(*op)?;
    match (Side::of(a, left, right), Side::of(b, left, right)) {
        (Side::Right, Side::Left) => Some(of_sides(a, op, b, left, right)),
        (Side::Left, Side::Right) => Some(of_sides(b, swapped, a, left, right)),
        (Side::Mixed, Side::Constant) => of_difference(a, op, b, left, right),
        (Side::Constant, Side::Mixed) => of_difference(b, swapped, a, left, right),
        _ => None,
    }
}

/// `right op left`, where the left may be `time - offset` or `time + offset`.
fn of_sides(right_time: &Expr, op: Nearest, left_time: &Expr, left: &DFSchema, right: &DFSchema) -> Comparison {
    let right_time = right_time.clone();
    if let Expr::BinaryExpr(BinaryExpr { left: time, op: sign @ (Operator::Minus | Operator::Plus), right: offset }) =
        left_time
        && Side::of(offset, left, right) == Side::Constant
    {
        let offset = Some((*sign, offset.as_ref().clone()));
        return Comparison { right: right_time, op, left: time.as_ref().clone(), offset };
    }
    Comparison { right: right_time, op, left: left_time.clone(), offset: None }
}

/// `left - right op distance`, or `right - left op distance`.
fn of_difference(
    difference: &Expr,
    op: Nearest,
    distance: &Expr,
    left: &DFSchema,
    right: &DFSchema,
) -> Option<Comparison> {
    let Expr::BinaryExpr(BinaryExpr { left: a, op: Operator::Minus, right: b }) = difference else { return None };
    let (time, op, right_time, sign) = match (Side::of(a, left, right), Side::of(b, left, right)) {
        (Side::Left, Side::Right) => (a, Nearest::of(op.operator().swap()?)?, b, Operator::Minus),
        (Side::Right, Side::Left) => (b, op, a, Operator::Plus),
        _ => return None,
    };
    Some(Comparison {
        right: right_time.as_ref().clone(),
        op,
        left: time.as_ref().clone(),
        offset: Some((sign, distance.clone())),
    })
}
