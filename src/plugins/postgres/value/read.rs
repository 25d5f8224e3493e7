//! Results: from PostgreSQL's binary form to what guests get.

use std::net::{Ipv4Addr, Ipv6Addr};

use tokio_postgres::types::{FromSql, Kind, Type};
use tokio_postgres::{Column, Row};

use super::binary::{self, Reader, text};
use super::calendar;
use super::float::{Parts, parts_of_double, parts_of_single};
use crate::plugins::bindings::wasmcloud::postgres0_2_0::types::{
    Date, Interval, Lexeme, LexemeWeight, MacAddressEui48, MacAddressEui64, PgValue, TimeTz,
};

/// What type modifiers have on top of a length.
const MODIFIER: i32 = 4;

/// A value as it came; `None` for NULL.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Refuses columns of types that the interface does not have, before there is a row.
pub fn check(columns: &[Column]) -> Result<(), String> {
    columns.iter().try_for_each(|column| match is_known(column.type_()) {
        true => Ok(()),
        false => Err(unknown(column)),
    })
}

/// The values of a row.
pub fn row(row: &Row) -> Result<Vec<PgValue>, String> {
    let values = row.columns().iter().enumerate().map(|(index, column)| {
        let Raw(raw) = row.try_get(index).map_err(|error| format!("the column `{}`: {error}", column.name()))?;
        let Some(raw) = raw else { return Ok(PgValue::Null) };
        match value(column.type_(), column.type_modifier(), raw) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(unknown(column)),
            Err(reason) => Err(format!(
                "the column `{0}` of type `{1}` cannot be returned: {reason}; write `\"{0}\"::text`",
                column.name(),
                shown(column.type_())
            )),
        }
    });
    values.collect()
}

fn unknown(column: &Column) -> String {
    format!(
        "the column `{0}` has the type `{1}`, which `wasmcloud:postgres` does not have; write `\"{0}\"::text`",
        column.name(),
        shown(column.type_())
    )
}

/// Arrays as SQL calls them: `interval[]`.
fn shown(ty: &Type) -> String {
    match ty.kind() {
        Kind::Array(element) => format!("{}[]", element.name()),
        _ => ty.name().into(),
    }
}

/// Types whose values are text, although they have other names.
fn is_text(ty: &Type) -> bool {
    matches!(*ty, Type::TEXT | Type::UNKNOWN) || matches!(ty.kind(), Kind::Enum(_)) || ty.name() == "citext"
}

fn is_known(ty: &Type) -> bool {
    if let Kind::Array(element) = ty.kind() {
        return is_text(element) || element_of_arrays(element);
    }
    is_text(ty)
        || element_of_arrays(ty)
        || matches!(
            *ty,
            Type::OID | Type::VOID | Type::INT2_VECTOR | Type::PG_SNAPSHOT | Type::TSQUERY | Type::TS_VECTOR
        )
        || ty.name() == "hstore"
}

/// Types of which there are arrays, too.
fn element_of_arrays(ty: &Type) -> bool {
    matches!(
        *ty,
        Type::INT8
            | Type::INT4
            | Type::INT2
            | Type::INT2_VECTOR
            | Type::BOOL
            | Type::FLOAT8
            | Type::FLOAT4
            | Type::NUMERIC
            | Type::BIT
            | Type::VARBIT
            | Type::BYTEA
            | Type::BPCHAR
            | Type::CHAR
            | Type::VARCHAR
            | Type::CIDR
            | Type::INET
            | Type::MACADDR
            | Type::MACADDR8
            | Type::BOX
            | Type::CIRCLE
            | Type::LINE
            | Type::LSEG
            | Type::PATH
            | Type::POINT
            | Type::POLYGON
            | Type::DATE
            | Type::DATE_RANGE
            | Type::TIME
            | Type::TIMETZ
            | Type::TIMESTAMP
            | Type::TIMESTAMPTZ
            | Type::JSON
            | Type::JSONB
            | Type::MONEY
            | Type::PG_LSN
            | Type::NAME
            | Type::XML
            | Type::UUID
    )
}

/// A value that is there. `None`: the interface does not have the type.
fn value(ty: &Type, modifier: i32, raw: &[u8]) -> Result<Option<PgValue>, String> {
    // For the library it is an array like others, but its text is not.
    if let Kind::Array(element) = ty.kind()
        && *ty != Type::INT2_VECTOR
    {
        let raws = Reader(raw).elements()?;
        return array(element, modifier, &raws);
    }
    let length = u32::try_from(modifier - MODIFIER).ok();
    Ok(Some(match *ty {
        Type::INT8 => PgValue::Int8(int8(raw)?),
        Type::INT4 => PgValue::Int4(int4(raw)?),
        Type::INT2 => PgValue::Int2(int2(raw)?),
        Type::INT2_VECTOR => PgValue::Int2Vector(int2_vector(raw)?),
        Type::OID => PgValue::Int8(i64::from(int4(raw)? as u32)),
        Type::VOID => PgValue::Null,
        Type::BOOL => PgValue::Bool(boolean(raw)?),
        Type::FLOAT8 => PgValue::Float8(float8(raw)?),
        Type::FLOAT4 => PgValue::Float4(float4(raw)?),
        Type::NUMERIC => PgValue::Numeric(binary::numeric(raw)?),
        Type::BIT => PgValue::Bit(bits(raw)?),
        Type::VARBIT => PgValue::Varbit(varbits(raw)?),
        Type::BYTEA => PgValue::Bytea(raw.to_vec()),
        Type::BPCHAR => PgValue::Char(character(length, raw)?),
        Type::CHAR => PgValue::Char((1, raw.to_vec())),
        Type::VARCHAR => PgValue::Varchar((length, raw.to_vec())),
        Type::CIDR => PgValue::Cidr(network(raw)?),
        Type::INET => PgValue::Inet(network(raw)?),
        Type::MACADDR => PgValue::Macaddr(mac(raw)?),
        Type::MACADDR8 => PgValue::Macaddr8(mac8(raw)?),
        Type::BOX => PgValue::Box(rectangle(raw)?),
        Type::CIRCLE => PgValue::Circle(circle(raw)?),
        Type::LINE => PgValue::Line(line(raw)?),
        Type::LSEG => PgValue::Lseg(segment(raw)?),
        Type::PATH => PgValue::Path(path(raw)?),
        Type::POINT => PgValue::Point(point(&mut Reader(raw))?),
        Type::POLYGON => PgValue::Polygon(points(&mut Reader(raw))?),
        Type::DATE => PgValue::Date(calendar::date(int4(raw)?)),
        Type::DATE_RANGE => PgValue::Interval(range(raw)?),
        Type::TIME => PgValue::Time(calendar::time(int8(raw)?)),
        Type::TIMETZ => PgValue::TimeTz(time_tz(raw)?),
        Type::TIMESTAMP => PgValue::Timestamp(calendar::timestamp(int8(raw)?)),
        Type::TIMESTAMPTZ => PgValue::TimestampTz(calendar::timestamp_tz(int8(raw)?)),
        Type::JSON => PgValue::Json(text(raw)?),
        Type::JSONB => PgValue::Jsonb(jsonb(raw)?),
        Type::MONEY => PgValue::Money(money(raw)?),
        Type::PG_LSN => PgValue::PgLsn(int8(raw)? as u64),
        Type::PG_SNAPSHOT => PgValue::PgSnapshot(snapshot(raw)?),
        Type::NAME => PgValue::Name(text(raw)?),
        Type::XML => PgValue::Xml(text(raw)?),
        Type::TSQUERY => PgValue::TsQuery(binary::ts_query(raw)?),
        Type::TS_VECTOR => PgValue::TsVector(lexemes(raw)?),
        Type::UUID => PgValue::Uuid(uuid(raw)?),
        _ if is_text(ty) => PgValue::Text(text(raw)?),
        _ if ty.name() == "hstore" => PgValue::Hstore(hstore(raw)?),
        _ => return Ok(None),
    }))
}

fn array(element: &Type, modifier: i32, raws: &[&[u8]]) -> Result<Option<PgValue>, String> {
    fn each<T>(raws: &[&[u8]], read: impl Fn(&[u8]) -> Result<T, String>) -> Result<Vec<T>, String> {
        raws.iter().map(|raw| read(raw)).collect()
    }
    let length = u32::try_from(modifier - MODIFIER).ok();
    Ok(Some(match *element {
        Type::INT8 => PgValue::Int8Array(each(raws, int8)?),
        Type::INT4 => PgValue::Int4Array(each(raws, int4)?),
        Type::INT2 => PgValue::Int2Array(each(raws, int2)?),
        Type::INT2_VECTOR => PgValue::Int2VectorArray(each(raws, int2_vector)?),
        Type::BOOL => PgValue::BoolArray(each(raws, boolean)?),
        Type::FLOAT8 => PgValue::Float8Array(each(raws, float8)?),
        Type::FLOAT4 => PgValue::Float4Array(each(raws, float4)?),
        Type::NUMERIC => PgValue::NumericArray(each(raws, binary::numeric)?),
        Type::BIT => PgValue::BitArray(each(raws, bits)?),
        Type::VARBIT => PgValue::VarbitArray(each(raws, varbits)?),
        Type::BYTEA => PgValue::ByteaArray(each(raws, |raw| Ok(raw.to_vec()))?),
        Type::BPCHAR => PgValue::CharArray(each(raws, |raw| character(length, raw))?),
        Type::CHAR => PgValue::CharArray(each(raws, |raw| Ok((1, raw.to_vec())))?),
        Type::VARCHAR => PgValue::VarcharArray(each(raws, |raw| Ok((length, raw.to_vec())))?),
        Type::CIDR => PgValue::CidrArray(each(raws, network)?),
        Type::INET => PgValue::InetArray(each(raws, network)?),
        Type::MACADDR => PgValue::MacaddrArray(each(raws, mac)?),
        Type::MACADDR8 => PgValue::Macaddr8Array(each(raws, mac8)?),
        Type::BOX => PgValue::BoxArray(each(raws, rectangle)?),
        Type::CIRCLE => PgValue::CircleArray(each(raws, circle)?),
        Type::LINE => PgValue::LineArray(each(raws, line)?),
        Type::LSEG => PgValue::LsegArray(each(raws, segment)?),
        Type::PATH => PgValue::PathArray(each(raws, path)?),
        Type::POINT => PgValue::PointArray(each(raws, |raw| point(&mut Reader(raw)))?),
        Type::POLYGON => PgValue::PolygonArray(each(raws, |raw| points(&mut Reader(raw)))?),
        Type::DATE => PgValue::DateArray(each(raws, |raw| int4(raw).map(calendar::date))?),
        Type::DATE_RANGE => PgValue::IntervalArray(each(raws, range)?),
        Type::TIME => PgValue::TimeArray(each(raws, |raw| int8(raw).map(calendar::time))?),
        Type::TIMETZ => PgValue::TimeTzArray(each(raws, time_tz)?),
        Type::TIMESTAMP => PgValue::TimestampArray(each(raws, |raw| int8(raw).map(calendar::timestamp))?),
        Type::TIMESTAMPTZ => PgValue::TimestampTzArray(each(raws, |raw| int8(raw).map(calendar::timestamp_tz))?),
        Type::JSON => PgValue::JsonArray(each(raws, text)?),
        Type::JSONB => PgValue::JsonbArray(each(raws, jsonb)?),
        Type::MONEY => PgValue::MoneyArray(each(raws, money)?),
        Type::PG_LSN => PgValue::PgLsnArray(each(raws, |raw| Ok(int8(raw)? as u64))?),
        Type::NAME => PgValue::NameArray(each(raws, text)?),
        Type::XML => PgValue::XmlArray(each(raws, text)?),
        Type::UUID => PgValue::UuidArray(each(raws, uuid)?),
        _ if is_text(element) => PgValue::TextArray(each(raws, text)?),
        _ => return Ok(None),
    }))
}

fn int8(raw: &[u8]) -> Result<i64, String> {
    Reader(raw).i64()
}

fn int4(raw: &[u8]) -> Result<i32, String> {
    Reader(raw).i32()
}

fn int2(raw: &[u8]) -> Result<i16, String> {
    Reader(raw).i16()
}

fn int2_vector(raw: &[u8]) -> Result<Vec<i16>, String> {
    Reader(raw).elements()?.into_iter().map(int2).collect()
}

fn boolean(raw: &[u8]) -> Result<bool, String> {
    Ok(Reader(raw).u8()? != 0)
}

fn float8(raw: &[u8]) -> Result<Parts, String> {
    Reader(raw).f64().map(parts_of_double)
}

fn float4(raw: &[u8]) -> Result<Parts, String> {
    Ok(parts_of_single(f32::from_bits(int4(raw)? as u32)))
}

/// How many bits there are, and the bytes that hold them.
fn bits(raw: &[u8]) -> Result<(u32, Vec<u8>), String> {
    let mut reader = Reader(raw);
    let count = reader.count()?;
    Ok((count as u32, reader.0.to_vec()))
}

fn varbits(raw: &[u8]) -> Result<(Option<u32>, Vec<u8>), String> {
    bits(raw).map(|(count, bytes)| (Some(count), bytes))
}

/// How many characters the type has, which are filled up with spaces.
fn character(length: Option<u32>, raw: &[u8]) -> Result<(u32, Vec<u8>), String> {
    let length = match length {
        Some(length) => length,
        None => text(raw)?.chars().count() as u32,
    };
    Ok((length, raw.to_vec()))
}

/// An address, with the length of its network where that is not all of it, or where it is a network.
fn network(raw: &[u8]) -> Result<String, String> {
    let mut reader = Reader(raw);
    let (_family, bits, is_cidr, length) = (reader.u8()?, reader.u8()?, reader.u8()? != 0, reader.u8()?);
    let bytes = reader.bytes(usize::from(length))?;
    let (address, all) = match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (Ok(bytes), _) => (Ipv4Addr::from(bytes).to_string(), 32),
        (_, Ok(bytes)) => (Ipv6Addr::from(bytes).to_string(), 128),
        _ => return Err("it is no address of IPv4 or IPv6".into()),
    };
    Ok(if is_cidr || bits != all { format!("{address}/{bits}") } else { address })
}

fn mac(raw: &[u8]) -> Result<MacAddressEui48, String> {
    let [a, b, c, d, e, f] = <[u8; 6]>::try_from(raw).map_err(|_| "it has not 6 bytes")?;
    Ok(MacAddressEui48 { bytes: (a, b, c, d, e, f) })
}

fn mac8(raw: &[u8]) -> Result<MacAddressEui64, String> {
    let [a, b, c, d, e, f, g, h] = <[u8; 8]>::try_from(raw).map_err(|_| "it has not 8 bytes")?;
    Ok(MacAddressEui64 { bytes: (a, b, c, d, e, f, g, h) })
}

type Point = (Parts, Parts);

fn point(reader: &mut Reader<'_>) -> Result<Point, String> {
    Ok((parts_of_double(reader.f64()?), parts_of_double(reader.f64()?)))
}

fn points(reader: &mut Reader<'_>) -> Result<Vec<Point>, String> {
    (0..reader.count()?).map(|_| point(reader)).collect()
}

/// Lower left and upper right; PostgreSQL has the upper right first.
fn rectangle(raw: &[u8]) -> Result<(Point, Point), String> {
    let (upper_right, lower_left) = segment(raw)?;
    Ok((lower_left, upper_right))
}

fn segment(raw: &[u8]) -> Result<(Point, Point), String> {
    let mut reader = Reader(raw);
    Ok((point(&mut reader)?, point(&mut reader)?))
}

fn circle(raw: &[u8]) -> Result<(Point, Parts), String> {
    let mut reader = Reader(raw);
    Ok((point(&mut reader)?, parts_of_double(reader.f64()?)))
}

/// Two points of a line, of which PostgreSQL has the equation.
fn line(raw: &[u8]) -> Result<(Point, Point), String> {
    let mut reader = Reader(raw);
    let (a, b, c) = (reader.f64()?, reader.f64()?, reader.f64()?);
    let (one, other) = match b == 0.0 {
        true => ((-c / a, 0.0), (-c / a, 1.0)),
        false => ((0.0, -c / b), (1.0, -(a + c) / b)),
    };
    let parts = |(x, y)| (parts_of_double(x), parts_of_double(y));
    Ok((parts(one), parts(other)))
}

/// The points of a path, open or closed.
fn path(raw: &[u8]) -> Result<Vec<Point>, String> {
    let mut reader = Reader(raw);
    let _closed = reader.u8()?;
    points(&mut reader)
}

/// A range of days. One that is empty begins and ends on a day that neither end includes.
fn range(raw: &[u8]) -> Result<Interval, String> {
    const EMPTY: u8 = 0x01;
    const START_INCLUSIVE: u8 = 0x02;
    const END_INCLUSIVE: u8 = 0x04;
    const START_OPEN: u8 = 0x08;
    const END_OPEN: u8 = 0x10;
    let mut reader = Reader(raw);
    let flags = reader.u8()?;
    if flags & EMPTY != 0 {
        let day = calendar::date(0);
        return Ok(Interval { start: day, start_inclusive: false, end: day, end_inclusive: false });
    }
    let mut day = |open, otherwise| {
        Ok::<_, String>(match flags & open {
            0 => calendar::date(int4(reader.value()?.unwrap_or_default())?),
            _ => otherwise,
        })
    };
    Ok(Interval {
        start: day(START_OPEN, Date::NegativeInfinity)?,
        start_inclusive: flags & START_INCLUSIVE != 0,
        end: day(END_OPEN, Date::PositiveInfinity)?,
        end_inclusive: flags & END_INCLUSIVE != 0,
    })
}

fn time_tz(raw: &[u8]) -> Result<TimeTz, String> {
    let mut reader = Reader(raw);
    let time = calendar::time(reader.i64()?);
    Ok(TimeTz { timesonze: calendar::zone(reader.i32()?), time })
}

fn jsonb(raw: &[u8]) -> Result<String, String> {
    match raw.split_first() {
        Some((1, json)) => text(json),
        _ => Err("it is in a version of the format that is not known".into()),
    }
}

/// Hundredths: connections are made with a currency that has these.
fn money(raw: &[u8]) -> Result<String, String> {
    let amount = int8(raw)?;
    let sign = if amount < 0 { "-" } else { "" };
    let amount = amount.unsigned_abs();
    Ok(format!("{sign}{}.{:02}", amount / 100, amount % 100))
}

fn snapshot(raw: &[u8]) -> Result<(i64, i64, Vec<i64>), String> {
    let mut reader = Reader(raw);
    let count = reader.count()?;
    let (xmin, xmax) = (reader.i64()?, reader.i64()?);
    Ok((xmin, xmax, (0..count).map(|_| reader.i64()).collect::<Result<_, _>>()?))
}

/// Words with their places: a word with several is there several times.
fn lexemes(raw: &[u8]) -> Result<Vec<Lexeme>, String> {
    let mut reader = Reader(raw);
    let mut lexemes = Vec::new();
    for _ in 0..reader.count()? {
        let data = reader.terminated()?;
        let places = reader.u16()?;
        if places == 0 {
            lexemes.push(Lexeme { position: None, weight: None, data });
            continue;
        }
        for _ in 0..places {
            let place = reader.u16()?;
            let weight = match place >> 14 {
                3 => LexemeWeight::A,
                2 => LexemeWeight::B,
                1 => LexemeWeight::C,
                _ => LexemeWeight::D,
            };
            lexemes.push(Lexeme { position: Some(place & 0x3fff), weight: Some(weight), data: data.clone() });
        }
    }
    Ok(lexemes)
}

fn uuid(raw: &[u8]) -> Result<String, String> {
    let raw = <[u8; 16]>::try_from(raw).map_err(|_| "it has not 16 bytes")?;
    let digits: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok([&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-"))
}

fn hstore(raw: &[u8]) -> Result<Vec<(String, Option<String>)>, String> {
    let mut reader = Reader(raw);
    let pair = |reader: &mut Reader<'_>| {
        let key = text(reader.value()?.unwrap_or_default())?;
        Ok((key, reader.value()?.map(text).transpose()?))
    };
    (0..reader.count()?).map(|_| pair(&mut reader)).collect()
}
