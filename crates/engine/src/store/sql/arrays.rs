//! Many rows as one, of PostgreSQL's arrays in their binary form: a driver's work for each row costs more than what is in it.

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

    fn array(elements: &[Option<&[u8]>]) -> Vec<u8> {
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
        assert_eq!(elements(&array(&all)).collect::<Vec<_>>(), all);
        // An empty array has no dimension.
        let none = [0, 0, 25].map(i32::to_be_bytes).concat();
        assert_eq!(elements(&none).count() + elements(&[]).count(), 0);
    }

    #[test]
    fn what_is_cut_off_ends_it() {
        let whole = array(&[Some(b"one"), Some(b"two")]);
        for end in 0..whole.len() {
            assert!(elements(&whole[..end]).count() < 2, "{end}");
        }
        let mut more = whole.clone();
        more[15] = 9;
        assert_eq!(elements(&more).count(), 2);
    }
}
