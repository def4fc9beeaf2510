//! How much an ONNX file unfolds to, counted before it is decoded: an empty message is two bytes in the file and hundreds in memory.

/// Messages and strings that a file may hold: many times those of the largest models at the edge.
const MOST: usize = 1 << 18;

/// Message types of ONNX whose fields hold messages or strings.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    Function,
    ValueInfo,
    Described,
    Tensorlike,
    Shape,
    /// No repeated messages inside, or a string.
    Leaf,
}

/// What field `number` of a message holds; `None` for numbers and for bytes that stay as they are.
pub(super) fn field(message: Type, number: u64) -> Option<Type> {
    use Type::*;
    Some(match (message, number) {
        (Model, 7) => Graph,
        (Model, 25) => Function,
        (Model, 8 | 14 | 20 | 26) => Leaf,
        (Graph, 1) | (Function, 7) => Node,
        (Graph, 5) | (Attribute, 5 | 10) | (SparseTensor, 1 | 2) => Tensor,
        (Graph, 15) | (Attribute, 22 | 23) => SparseTensor,
        (Graph, 11..=13) | (Function, 12) => ValueInfo,
        (Graph, 14 | 16) | (Function, 4..=6 | 9 | 14) | (Tensor, 6 | 13 | 16) => Leaf,
        (Node, 1 | 2 | 9 | 10) | (Attribute, 9) | (ValueInfo, 4) => Leaf,
        (Node, 5) | (Function, 11) => Attribute,
        (Attribute, 6 | 11) => Graph,
        (ValueInfo, 2) | (Attribute, 14 | 15) => Described,
        (Described, 1 | 8) => Tensorlike,
        (Tensorlike, 2) => Shape,
        (Shape, 1) => Leaf,
        _ => return None,
    })
}

/// Counts what a file holds; what is malformed is left to the decoder.
///
/// # Errors
/// If there is too much of it.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut count = 0;
    let too_many = any(bytes, |_, _, inner| {
        count += usize::from(inner.is_some());
        count > MOST
    });
    match too_many {
        true => Err(format!("the file holds more than {MOST} nodes, tensors, attributes and names; split the model")),
        false => Ok(()),
    }
}

/// The number of the next field, and its bytes if it has a length; `None` at the end.
pub(super) fn next<'b>(rest: &mut &'b [u8]) -> Option<(u64, Option<&'b [u8]>)> {
    let tag = varint(rest)?;
    let length = match tag & 7 {
        0 => varint(rest).map(|_| 0)?,
        1 => 8,
        2 => usize::try_from(varint(rest)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some((tag >> 3, (tag & 7 == 2).then_some(content)))
}

/// Whether some field is of that kind, by its message's type, its number and what it holds.
pub(super) fn any(bytes: &[u8], mut is: impl FnMut(Type, u64, Option<Type>) -> bool) -> bool {
    let mut open = vec![(Type::Model, bytes)];
    while let Some((message, mut rest)) = open.pop() {
        while let Some((number, content)) = next(&mut rest) {
            let inner = content.and_then(|content| Some((field(message, number)?, content)));
            if is(message, number, inner.map(|(inner, _)| inner)) {
                return true;
            }
            open.extend(inner.filter(|(inner, _)| !matches!(inner, Type::Leaf)));
        }
    }
    false
}

/// Writes a field with a length.
pub(super) fn put(number: u64, content: &[u8], to: &mut Vec<u8>) {
    put_varint(number << 3 | 2, to);
    put_varint(content.len() as u64, to);
    to.extend(content);
}

fn put_varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of that number around `content`.
    fn field(number: u64, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(number, content, &mut bytes);
        bytes
    }

    #[test]
    fn what_unfolds_is_counted_and_bytes_of_weights_are_not() {
        let nodes = |count| field(7, &field(1, &[]).repeat(count));
        assert!(check(&nodes(MOST - 1)).is_ok());
        assert!(check(&nodes(MOST)).is_err());
        let raw = |count| field(7, &field(5, &field(9, &vec![0; count])));
        assert!(check(&raw(4 * MOST)).is_ok());
        let names = field(7, &field(1, &field(1, &[]).repeat(MOST)));
        assert!(check(&names).is_err());
    }

    #[test]
    fn any_bytes_come_to_an_end() {
        assert!(check(&[0xff; 40]).is_ok());
        assert!(check(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 1]).is_ok());
    }
}
