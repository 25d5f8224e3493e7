//! Parameters: from what guests have to the text that stands for it in SQL.

use std::error::Error;
use std::fmt;
use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use super::binary::quoted;
use super::calendar::{date_text, time_text, timestamp_text};
use super::float::{self, Parts};
use crate::plugins::bindings::wasmcloud::postgres0_2_0::types::{Date, Interval, Lexeme, LexemeWeight, PgValue};

/// A parameter, ready to be sent.
pub enum Param {
    Null,
    Text(String),
    Bytes(Vec<u8>),
}

/// The library logs parameters where everything is logged, and they are nobody's business.
impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

impl ToSql for Param {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Param::Null => return Ok(IsNull::Yes),
            Param::Text(text) => out.put_slice(text.as_bytes()),
            Param::Bytes(bytes) if *ty == Type::BYTEA => out.put_slice(bytes),
            Param::Bytes(bytes) => out.put_slice(hexadecimal(bytes).as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        match self {
            Param::Bytes(_) if *ty == Type::BYTEA => Format::Binary,
            _ => Format::Text,
        }
    }
}

/// The parameters of a statement. The error names the first that is none.
pub fn params(values: Vec<PgValue>) -> Result<Vec<Param>, String> {
    let params = values.into_iter().enumerate();
    params.map(|(index, value)| param(value).map_err(|reason| format!("${}: {reason}", index + 1))).collect()
}

fn param(value: PgValue) -> Result<Param, String> {
    use PgValue as V;
    Ok(Param::Text(match value {
        V::Null => return Ok(Param::Null),
        V::Bytea(bytes) => return Ok(Param::Bytes(bytes)),
        V::Text(text)
        | V::Name(text)
        | V::Json(text)
        | V::Jsonb(text)
        | V::Xml(text)
        | V::Uuid(text)
        | V::Numeric(text)
        | V::Decimal(text)
        | V::Money(text)
        | V::Cidr(text)
        | V::Inet(text)
        | V::TsQuery(text) => text,
        V::BigInt(number) | V::Int8(number) | V::BigSerial(number) | V::Serial8(number) | V::TxidSnapshot(number) => {
            number.to_string()
        }
        V::Integer(number) | V::Int(number) | V::Int4(number) => number.to_string(),
        V::Serial(number) | V::Serial4(number) => number.to_string(),
        V::SmallInt(number) | V::Int2(number) | V::SmallSerial(number) | V::Serial2(number) => number.to_string(),
        V::Bool(yes) | V::Boolean(yes) => yes.to_string(),
        V::Double(parts) | V::Float8(parts) => double(parts)?,
        V::Real(parts) | V::Float4(parts) => single(parts)?,
        V::Int2Vector(numbers) => vector(&numbers),
        V::Bit((count, bytes)) => bits(Some(count), &bytes)?,
        V::BitVarying((count, bytes)) | V::Varbit((count, bytes)) => bits(count, &bytes)?,
        V::Char((length, bytes)) => characters(Some(length), bytes)?,
        V::Varchar((length, bytes)) => characters(length, bytes)?,
        V::Macaddr(address) => {
            let (a, b, c, d, e, f) = address.bytes;
            mac(&[a, b, c, d, e, f])
        }
        V::Macaddr8(address) => {
            let (a, b, c, d, e, f, g, h) = address.bytes;
            mac(&[a, b, c, d, e, f, g, h])
        }
        V::Box(corners) => pair(corners)?,
        V::Circle(circle) => round(circle)?,
        V::Line(ends) | V::Lseg(ends) => format!("[{}]", pair(ends)?),
        V::Path(points) => format!("[{}]", chain(points)?),
        V::Point(place) => point(place)?,
        V::Polygon(points) => format!("({})", chain(points)?),
        V::Date(date) => date_text(&date),
        V::Interval(range) => range_text(&range),
        V::Time(time) => time_text(&time),
        V::TimeTz(time) => zoned(&time),
        V::Timestamp(moment) => timestamp_text(&moment, None),
        V::TimestampTz(moment) => timestamp_text(&moment.timestamp, Some(&moment.offset)),
        V::PgLsn(place) => lsn(place),
        V::PgSnapshot((xmin, xmax, running)) => {
            let running: Vec<String> = running.iter().map(i64::to_string).collect();
            format!("{xmin}:{xmax}:{}", running.join(","))
        }
        V::TsVector(lexemes) => lexemes.iter().map(lexeme).collect::<Vec<_>>().join(" "),
        V::Hstore(pairs) => {
            let value = |value: &Option<String>| value.as_ref().map_or("NULL".to_string(), |text| double_quoted(text));
            let pairs = pairs.iter().map(|(key, text)| format!("{}=>{}", double_quoted(key), value(text)));
            pairs.collect::<Vec<_>>().join(",")
        }
        V::Int8Array(all) => list(all, |number| Ok(number.to_string()))?,
        V::Int4Array(all) => list(all, |number| Ok(number.to_string()))?,
        V::Int2Array(all) => list(all, |number| Ok(number.to_string()))?,
        V::Int2VectorArray(all) => list(all, |numbers| Ok(vector(&numbers)))?,
        V::BoolArray(all) => list(all, |yes| Ok(yes.to_string()))?,
        V::Float8Array(all) => list(all, double)?,
        V::Float4Array(all) => list(all, single)?,
        V::NumericArray(all)
        | V::MoneyArray(all)
        | V::TextArray(all)
        | V::NameArray(all)
        | V::JsonArray(all)
        | V::JsonbArray(all)
        | V::XmlArray(all)
        | V::UuidArray(all)
        | V::CidrArray(all)
        | V::InetArray(all) => list(all, Ok)?,
        V::BitArray(all) => list(all, |(count, bytes)| bits(Some(count), &bytes))?,
        V::VarbitArray(all) => list(all, |(count, bytes)| bits(count, &bytes))?,
        V::ByteaArray(all) => list(all, |bytes| Ok(hexadecimal(&bytes)))?,
        V::CharArray(all) => list(all, |(length, bytes)| characters(Some(length), bytes))?,
        V::VarcharArray(all) => list(all, |(length, bytes)| characters(length, bytes))?,
        V::MacaddrArray(all) => list(all, |address| {
            let (a, b, c, d, e, f) = address.bytes;
            Ok(mac(&[a, b, c, d, e, f]))
        })?,
        V::Macaddr8Array(all) => list(all, |address| {
            let (a, b, c, d, e, f, g, h) = address.bytes;
            Ok(mac(&[a, b, c, d, e, f, g, h]))
        })?,
        V::BoxArray(all) => list_with(';', all, pair)?,
        V::CircleArray(all) => list(all, round)?,
        V::LineArray(all) | V::LsegArray(all) => list(all, |ends| Ok(format!("[{}]", pair(ends)?)))?,
        V::PathArray(all) => list(all, |points| Ok(format!("[{}]", chain(points)?)))?,
        V::PointArray(all) => list(all, point)?,
        V::PolygonArray(all) => list(all, |points| Ok(format!("({})", chain(points)?)))?,
        V::DateArray(all) => list(all, |date| Ok(date_text(&date)))?,
        V::IntervalArray(all) => list(all, |range| Ok(range_text(&range)))?,
        V::TimeArray(all) => list(all, |time| Ok(time_text(&time)))?,
        V::TimeTzArray(all) => list(all, |time| Ok(zoned(&time)))?,
        V::TimestampArray(all) => list(all, |moment| Ok(timestamp_text(&moment, None)))?,
        V::TimestampTzArray(all) => list(all, |moment| Ok(timestamp_text(&moment.timestamp, Some(&moment.offset))))?,
        V::PgLsnArray(all) => list(all, |place| Ok(lsn(place)))?,
    }))
}

/// An array, with its elements in quotes.
fn list<T>(all: Vec<T>, text: impl Fn(T) -> Result<String, String>) -> Result<String, String> {
    list_with(',', all, text)
}

/// The same with what stands between elements: for boxes it is another character than for all others.
fn list_with<T>(between: char, all: Vec<T>, text: impl Fn(T) -> Result<String, String>) -> Result<String, String> {
    let mut list = String::from("{");
    for (index, element) in all.into_iter().enumerate() {
        if index > 0 {
            list.push(between);
        }
        list.push_str(&double_quoted(&text(element)?));
    }
    list.push('}');
    Ok(list)
}

fn double_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn double(parts: Parts) -> Result<String, String> {
    float::double(parts).map(number)
}

fn single(parts: Parts) -> Result<String, String> {
    float::single(parts).map(number)
}

/// The shortest digits that stand for just this number.
fn number(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        number => format!("{number:e}"),
    }
}

fn vector(numbers: &[i16]) -> String {
    numbers.iter().map(i16::to_string).collect::<Vec<_>>().join(" ")
}

/// The first bits of some bytes; all of them, where it is not said how many.
fn bits(count: Option<u32>, bytes: &[u8]) -> Result<String, String> {
    let count = count.map_or(bytes.len() * 8, |count| count as usize);
    if count.div_ceil(8) != bytes.len() {
        return Err(format!("{count} bits are in {} bytes, and {} were given", count.div_ceil(8), bytes.len()));
    }
    let bit = |index: usize| if bytes[index / 8] & (0x80 >> (index % 8)) == 0 { '0' } else { '1' };
    Ok((0..count).map(bit).collect())
}

fn characters(length: Option<u32>, bytes: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    match length {
        Some(length) if text.chars().count() > length as usize => {
            Err(format!("it has {} characters, and is said to have at most {length}", text.chars().count()))
        }
        _ => Ok(text),
    }
}

fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

type Point = (Parts, Parts);

fn point((x, y): Point) -> Result<String, String> {
    Ok(format!("({},{})", double(x)?, double(y)?))
}

fn pair((one, other): (Point, Point)) -> Result<String, String> {
    Ok(format!("{},{}", point(one)?, point(other)?))
}

fn chain(points: Vec<Point>) -> Result<String, String> {
    Ok(points.into_iter().map(point).collect::<Result<Vec<_>, _>>()?.join(","))
}

fn round((center, radius): (Point, Parts)) -> Result<String, String> {
    Ok(format!("<{},{}>", point(center)?, double(radius)?))
}

fn zoned(time: &crate::plugins::bindings::wasmcloud::postgres0_2_0::types::TimeTz) -> String {
    let zone = time.timesonze.trim();
    let space = if zone.starts_with(['+', '-']) { "" } else { " " };
    format!("{}{space}{zone}", time_text(&time.time))
}

fn range_text(range: &Interval) -> String {
    let open = |date: &Date, included: bool| match date {
        Date::Ymd(_) => format!("\"{}\"", date_text(date)),
        _ if included => date_text(date),
        _ => String::new(),
    };
    let (start, end) = (open(&range.start, range.start_inclusive), open(&range.end, range.end_inclusive));
    let left = if range.start_inclusive { '[' } else { '(' };
    let right = if range.end_inclusive { ']' } else { ')' };
    format!("{left}{start},{end}{right}")
}

fn lsn(place: u64) -> String {
    format!("{:X}/{:X}", place >> 32, place & 0xffff_ffff)
}

fn lexeme(lexeme: &Lexeme) -> String {
    let word = quoted(&lexeme.data);
    let Some(position) = lexeme.position else { return word };
    let weight = match lexeme.weight {
        Some(LexemeWeight::A) => "A",
        Some(LexemeWeight::B) => "B",
        Some(LexemeWeight::C) => "C",
        Some(LexemeWeight::D) | None => "",
    };
    format!("{word}:{position}{weight}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: PgValue) -> String {
        match param(value).unwrap() {
            Param::Text(text) => text,
            _ => panic!("it is no text"),
        }
    }

    #[test]
    fn elements_of_arrays_keep_their_characters() {
        let all = ["a,b", "\"", "\\", "{}", "", "NULL"].map(String::from).to_vec();
        assert_eq!(text(PgValue::TextArray(all)), r#"{"a,b","\"","\\","{}","","NULL"}"#);
        assert_eq!(text(PgValue::Int4Array(vec![])), "{}");
    }

    #[test]
    fn numbers_of_bits_and_characters_must_fit_their_bytes() {
        assert_eq!(text(PgValue::Bit((3, vec![0b1010_0000]))), "101");
        assert_eq!(text(PgValue::Varbit((None, vec![0xF0]))), "11110000");
        assert!(param(PgValue::Bit((9, vec![0]))).is_err());
        assert!(param(PgValue::Char((1, b"ab".to_vec()))).is_err());
        assert!(param(PgValue::Varchar((None, vec![0xff]))).is_err());
        let error = params(vec![PgValue::Null, PgValue::Bit((9, vec![0]))]).unwrap_err();
        assert_eq!(error, "$2: 9 bits are in 2 bytes, and 1 were given");
    }

    #[test]
    fn ranges_are_open_where_an_infinite_end_is_not_included() {
        let range = |start_inclusive| Interval {
            start: Date::NegativeInfinity,
            start_inclusive,
            end: Date::Ymd((2020, 1, 2)),
            end_inclusive: false,
        };
        assert_eq!(text(PgValue::Interval(range(false))), "(,\"2020-01-02\")");
        assert_eq!(text(PgValue::Interval(range(true))), "[-infinity,\"2020-01-02\")");
    }

    #[test]
    fn values_are_not_shown() {
        assert_eq!(format!("{:?}", params(vec![PgValue::Text("secret".into())]).unwrap()), "[_]");
    }
}
