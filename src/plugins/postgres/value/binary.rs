//! Reading PostgreSQL's binary form piece by piece.

/// What is left of a value.
pub struct Reader<'a>(pub &'a [u8]);

/// Said when a value is shorter than its type demands: then the server and we do not mean the same.
const SHORT: &str = "the server has sent less than the type has";

impl<'a> Reader<'a> {
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = tail;
        Ok(*head)
    }

    pub fn u8(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    pub fn i16(&mut self) -> Result<i16, String> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, String> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, String> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, String> {
        self.array().map(i64::from_be_bytes)
    }

    pub fn f64(&mut self) -> Result<f64, String> {
        self.array().map(f64::from_be_bytes)
    }

    /// A number of things that follow.
    pub fn count(&mut self) -> Result<usize, String> {
        usize::try_from(self.i32()?).map_err(|_| SHORT.into())
    }

    /// Text up to a zero.
    pub fn terminated(&mut self) -> Result<String, String> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(SHORT)?;
        let text = text(self.bytes(end)?)?;
        self.bytes(1)?;
        Ok(text)
    }

    /// A value with its length in front; `None` for NULL.
    pub fn value(&mut self) -> Result<Option<&'a [u8]>, String> {
        match self.i32()? {
            -1 => Ok(None),
            length => self.bytes(usize::try_from(length).map_err(|_| SHORT)?).map(Some),
        }
    }

    /// The elements of an array. Fails for what a flat list cannot hold.
    pub fn elements(&mut self) -> Result<Vec<&'a [u8]>, String> {
        let (dimensions, _has_null, _type) = (self.i32()?, self.i32()?, self.i32()?);
        if dimensions == 0 {
            return Ok(Vec::new());
        }
        if dimensions != 1 {
            return Err(format!("it is an array of {dimensions} dimensions, and only lists can be returned"));
        }
        let (count, _lower_bound) = (self.count()?, self.i32()?);
        let mut elements = Vec::with_capacity(count.min(self.0.len() / 4));
        for _ in 0..count {
            elements.push(self.value()?.ok_or("it is an array with NULL in it, and a list has no place for that")?);
        }
        Ok(elements)
    }
}

/// Text as PostgreSQL sends it.
pub fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "it is not UTF-8".into())
}

/// Digits of a `numeric`, which come four at a time.
pub fn numeric(raw: &[u8]) -> Result<String, String> {
    let mut reader = Reader(raw);
    let (count, weight, sign, scale) = (reader.u16()?, reader.i16()?, reader.u16()?, reader.u16()?);
    match sign {
        0xC000 => return Ok("NaN".into()),
        0xD000 => return Ok("Infinity".into()),
        0xF000 => return Ok("-Infinity".into()),
        _ => {}
    }
    let groups = (0..count).map(|_| reader.u16()).collect::<Result<Vec<_>, _>>()?;
    let group = |index: i32| usize::try_from(index).ok().and_then(|index| groups.get(index)).copied().unwrap_or(0);
    let mut text = String::from(if sign == 0x4000 { "-" } else { "" });
    let weight = i32::from(weight);
    if weight < 0 {
        text.push('0');
    }
    for index in 0..=weight {
        match index {
            0 => text.push_str(&group(0).to_string()),
            index => text.push_str(&format!("{:04}", group(index))),
        }
    }
    if scale > 0 {
        let scale = usize::from(scale);
        let mut fraction = String::with_capacity(scale + 4);
        let mut index = weight + 1;
        while fraction.len() < scale {
            fraction.push_str(&format!("{:04}", group(index)));
            index += 1;
        }
        text.push('.');
        text.push_str(&fraction[..scale]);
    }
    Ok(text)
}

/// The text of a `tsquery`, which comes with operators in front of their operands.
pub fn ts_query(raw: &[u8]) -> Result<String, String> {
    let mut reader = Reader(raw);
    match reader.count()? {
        0 => Ok(String::new()),
        _ => operand(&mut reader, 0),
    }
}

/// As deep as queries may nest: deeper ones would end our stack.
const DEEPEST: usize = 1000;

fn operand(reader: &mut Reader<'_>, depth: usize) -> Result<String, String> {
    if depth > DEEPEST {
        return Err(format!("its parts are nested more than {DEEPEST} deep"));
    }
    if reader.u8()? == 1 {
        let (weights, prefix) = (reader.u8()?, reader.u8()? != 0);
        let word = reader.terminated()?;
        let mut text = quoted(&word);
        if weights != 0 || prefix {
            text.push(':');
            text.push_str(if prefix { "*" } else { "" });
            let letters = [(8, 'A'), (4, 'B'), (2, 'C'), (1, 'D')];
            text.extend(letters.iter().filter(|(bit, _)| weights & bit != 0).map(|(_, letter)| *letter));
        }
        return Ok(text);
    }
    match reader.u8()? {
        1 => Ok(format!("!{}", operand(reader, depth + 1)?)),
        operator => {
            let sign = match operator {
                2 => "&".to_string(),
                3 => "|".to_string(),
                _ => match reader.u16()? {
                    1 => "<->".to_string(),
                    distance => format!("<{distance}>"),
                },
            };
            let right = operand(reader, depth + 1)?;
            let left = operand(reader, depth + 1)?;
            Ok(format!("( {left} {sign} {right} )"))
        }
    }
}

/// A word of full-text search in quotes.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> String {
        let mut raw = Vec::new();
        for part in [groups.len() as u16, weight as u16, sign, scale].iter().chain(groups) {
            raw.extend(part.to_be_bytes());
        }
        numeric(&raw).unwrap()
    }

    #[test]
    fn digits_are_those_that_were_stored() {
        assert_eq!(number(0, 0, 0, &[]), "0");
        assert_eq!(number(0, 0, 2, &[]), "0.00");
        assert_eq!(number(1, 0x4000, 3, &[12, 3456, 7890]), "-123456.789");
        assert_eq!(number(-1, 0, 4, &[5]), "0.0005");
        assert_eq!(number(-2, 0, 10, &[12, 3400]), "0.0000001234");
        assert_eq!(number(2, 0, 0, &[1]), "100000000");
        assert_eq!(number(0, 0xC000, 0, &[]), "NaN");
        assert_eq!(number(0, 0xF000, 0, &[]), "-Infinity");
    }

    #[test]
    fn what_is_cut_short_is_an_error_and_no_panic() {
        for length in 0..7 {
            assert!(numeric(&[0, 1, 0, 0, 0, 0, 0, 0][..length]).is_err());
        }
        assert!(Reader(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 127, 255, 255, 255, 0, 0, 0, 1]).elements().is_err());
        assert!(ts_query(&[0, 0, 0, 1, 1]).is_err());
    }
}
