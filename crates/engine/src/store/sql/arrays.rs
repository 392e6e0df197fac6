//! Many rows as one, of PostgreSQL's arrays in their binary form: a driver's work for each row costs more than what is in it.

use sea_query::{Alias, Expr, Query, SelectStatement};
use zeroize::Zeroizing;

use crate::store::statement::{Cell, Read, field};

/// More rows than this are not taken for few, for arrays are whole in the server's memory.
pub(super) const MOST: u64 = 100_000;

/// Of the rows of a query with these columns how many there are, and each of the columns as an array, in the query's order.
pub(super) fn as_arrays<const N: usize>(
    mut query: SelectStatement,
    columns: [Expr; N],
) -> SelectStatement {
    let names: [String; N] = std::array::from_fn(|n| format!("c{n}"));
    for (name, column) in names.iter().zip(columns) {
        query.expr_as(column, Alias::new(name));
    }
    let arrays = names.map(|name| Expr::cust(format!("array_agg({name})")));
    Query::select()
        .expr(Expr::cust("count(*)"))
        .exprs(arrays)
        .from_subquery(query, "these")
        .to_owned()
}

/// Takes the rows out of the answer to that. False, and none taken, where there are too many, or an array has fewer or more
/// of them.
pub(super) fn rows(answer: Vec<Cell>, shape: &[Read], mut take: impl FnMut(Vec<Cell>)) -> bool {
    let mut answer = answer.into_iter();
    let Some(Cell::Int(many)) = answer.next() else {
        return false;
    };
    let columns = answer.map(|column| Zeroizing::new(column.bytes()));
    let columns: Vec<_> = columns.collect();
    let whole = |column: &Zeroizing<Vec<u8>>| i64::try_from(elements(column).count()) == Ok(many);
    if u64::try_from(many).is_ok_and(|many| many > MOST) || !columns.iter().all(whole) {
        return false;
    }
    let mut columns: Vec<_> = columns.iter().map(|column| elements(column)).collect();
    for _ in 0..many {
        let row = columns.iter_mut().zip(shape);
        take(
            row.map(|(column, read)| field(column.next().flatten(), *read))
                .collect(),
        );
    }
    true
}

/// The elements of an array of one dimension; none of no array. What is no array of that form has none.
pub(super) fn elements(array: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    // Dimensions, flags, the elements' type; then of the one dimension its length and its first number.
    let (many, mut rest) = match (number(array), array.get(12..), array.get(20..)) {
        (Some(1), Some(length), Some(rest)) => (number(length).unwrap_or(0), rest),
        _ => (0, &[][..]),
    };
    let mut next = move || {
        let length = number(rest)?;
        let (element, behind) = match usize::try_from(length) {
            Ok(length) => {
                let element = rest.get(4..)?.get(..length)?;
                (Some(element), rest.get(4 + length..)?)
            }
            // A length below zero stands for NULL.
            Err(_) => (None, rest.get(4..)?),
        };
        rest = behind;
        Some(element)
    };
    (0..many).map_while(move |_| next())
}

fn number(bytes: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(*bytes.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(elements: &[Option<&[u8]>]) -> Vec<u8> {
        let numbers = [1, 1, 25, elements.len() as i32, 1];
        let mut bytes: Vec<u8> = numbers.into_iter().flat_map(i32::to_be_bytes).collect();
        for element in elements {
            let length = element.map_or(-1, |element| element.len() as i32);
            bytes.extend(length.to_be_bytes());
            bytes.extend(element.unwrap_or_default());
        }
        bytes
    }

    #[test]
    fn elements_come_out_as_they_went_in() {
        let all: [Option<&[u8]>; 4] = [Some(b"one"), None, Some(b""), Some(b"four")];
        assert_eq!(elements(&bytes(&all)).collect::<Vec<_>>(), all);
        // An empty array has no dimension.
        let none = [0, 0, 25].map(i32::to_be_bytes).concat();
        assert_eq!(elements(&none).count() + elements(&[]).count(), 0);
    }

    #[test]
    fn rows_are_taken_where_each_column_has_all_of_them() {
        let names = bytes(&[Some(b"ana"), None, Some(b"bo")]);
        let one = Some(&[0, 0, 0, 0, 0, 0, 0, 1][..]);
        let taken = |many: i64, columns: [Cell; 2]| {
            let answer = [Cell::Int(many)].into_iter().chain(columns).collect();
            let mut all = Vec::new();
            rows(answer, &[Read::Text, Read::Int], |row| all.push(row)).then_some(all)
        };
        let both = |ones: usize| {
            let columns = [names.clone(), bytes(&vec![one; ones])];
            columns.map(Cell::Bytes)
        };
        let text = |name: &str| Cell::Text(name.into());
        let all = [text("ana"), Cell::Null, text("bo")].map(|name| vec![name, Cell::Int(1)]);
        assert_eq!(taken(3, both(3)), Some(all.to_vec()));
        assert_eq!(taken(3, both(2)), None);
        assert_eq!(taken(2, both(3)), None);
        // Of no row at all, an array is NULL.
        assert_eq!(taken(0, [Cell::Null, Cell::Null]), Some(Vec::new()));
        assert_eq!(taken(1, [Cell::Null, Cell::Null]), None);
        assert!(!rows(Vec::new(), &[], |_| ()));
        // More than are taken so: whoever asked asks for them row by row.
        let many = usize::try_from(MOST).unwrap() + 1;
        let answer = vec![Cell::Int(many as i64), Cell::Bytes(bytes(&vec![one; many]))];
        assert!(!rows(answer, &[Read::Int], |_| ()));
    }

    #[test]
    fn what_is_cut_off_ends_it() {
        let whole = bytes(&[Some(b"one"), Some(b"two")]);
        for end in 0..whole.len() {
            assert!(elements(&whole[..end]).count() < 2, "{end}");
        }
        let mut more = whole.clone();
        more[15] = 9;
        assert_eq!(elements(&more).count(), 2);
    }
}
