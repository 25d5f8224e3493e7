//! `wasmcloud:postgres` on a real server: both versions of the interface, sessions, failures.

use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use wash::embed::{
    CapabilityOptions, Component, DynamicRouter, HostApi, HostBuilder, HttpServer, PostgresUrl, WitInterface, Workload,
    WorkloadStartRequest,
};

use crate::support::dev::request;
use crate::support::postgres::PASSWORD;
use crate::support::{Dev, Postgres, Sandbox, guests};

fn serve(component: &[u8], settings: &str) -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("ledger", component, settings);
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, root, dev)
}

/// A loop with a component whose database is the server's.
fn with_url(component: &[u8], url: &str) -> (Sandbox, PathBuf, Dev) {
    serve(component, &format!("dev:\n  request_timeout_seconds: 600\n  postgres_url: '{url}'\n"))
}

/// What the commands of one request give, a line each.
#[track_caller]
fn run(dev: &Dev, commands: &[&str]) -> Vec<String> {
    let answer = dev.send("POST", "/", &commands.join("\n"));
    assert_eq!(answer.status, 200, "{answer:?}\n{}", dev.stderr());
    answer.body.lines().map(String::from).collect()
}

/// Types, and what the guest is given for a value of each.
const TYPES: &[(&str, &str, &str)] = &[
    ("int8", "'-9223372036854775808'", "Int8(-9223372036854775808)"),
    ("int4", "'2147483647'", "Int4(2147483647)"),
    ("int2", "'-32768'", "Int2(-32768)"),
    ("bool", "true", "Bool(true)"),
    ("float8", "1.5", "Float8((6755399441055744, -52, 1))"),
    ("float8", "'-Infinity'", "Float8((4503599627370496, 972, -1))"),
    ("float8", "'NaN'", "Float8((6755399441055744, 972, 1))"),
    ("float8", "'5e-324'", "Float8((2, -1075, 1))"),
    ("float4", "0.1", "Float4((13421773, -27, 1))"),
    ("numeric", "'-123456789012345678901234567890.000123'", "Numeric(\"-123456789012345678901234567890.000123\")"),
    ("numeric", "'NaN'", "Numeric(\"NaN\")"),
    ("numeric", "'Infinity'", "Numeric(\"Infinity\")"),
    ("money", "'-1234.56'", "Money(\"-1234.56\")"),
    ("text", "'größe \"x\" \\'", "Text(\"größe \\\"x\\\" \\\\\")"),
    ("varchar(5)", "'abc'", "Varchar((Some(5), [97, 98, 99]))"),
    ("varchar", "'abc'", "Varchar((None, [97, 98, 99]))"),
    ("char(3)", "'a'", "Char((3, [97, 32, 32]))"),
    ("name", "'n'", "Name(\"n\")"),
    ("bytea", "'\\x00ff'", "Bytea([0, 255])"),
    ("bit(3)", "'101'", "Bit((3, [160]))"),
    ("varbit", "'1'", "Varbit((Some(1), [128]))"),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "Uuid(\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\")"),
    ("json", "'{\"a\": 1}'", "Json(\"{\\\"a\\\": 1}\")"),
    ("jsonb", "'{\"a\":1}'", "Jsonb(\"{\\\"a\\\": 1}\")"),
    ("xml", "'<a>b</a>'", "Xml(\"<a>b</a>\")"),
    ("inet", "'10.0.0.1/8'", "Inet(\"10.0.0.1/8\")"),
    ("inet", "'::1'", "Inet(\"::1\")"),
    ("cidr", "'10.0.0.0/8'", "Cidr(\"10.0.0.0/8\")"),
    ("macaddr", "'08:00:2b:01:02:03'", "Macaddr(MacAddressEui48 { bytes: (8, 0, 43, 1, 2, 3) })"),
    ("macaddr8", "'08:00:2b:01:02:03:04:05'", "Macaddr8(MacAddressEui64 { bytes: (8, 0, 43, 1, 2, 3, 4, 5) })"),
    ("date", "'2024-02-29'", "Date(Date::Ymd((2024, 2, 29)))"),
    ("date", "'0044-03-15 BC'", "Date(Date::Ymd((-43, 3, 15)))"),
    ("date", "'-infinity'", "Date(Date::NegativeInfinity)"),
    ("time", "'24:00:00'", "Time(Time { hour: 24, min: 0, sec: 0, micro: 0 })"),
    (
        "timetz",
        "'12:34:56.789+05:30'",
        "TimeTz(TimeTz { timesonze: \"+05:30\", time: Time { hour: 12, min: 34, sec: 56, micro: 789000 } })",
    ),
    (
        "timestamp",
        "'1999-12-31 23:59:59.999999'",
        "Timestamp(Timestamp { date: Date::Ymd((1999, 12, 31)), time: Time { hour: 23, min: 59, sec: 59, micro: 999999 } })",
    ),
    (
        "timestamptz",
        "'2000-01-01 02:00:00+02'",
        "TimestampTz(TimestampTz { timestamp: Timestamp { date: Date::Ymd((2000, 1, 1)), time: Time { hour: 0, min: 0, \
         sec: 0, micro: 0 } }, offset: Offset::EasternHemisphereSecs(0) })",
    ),
    ("timestamptz", "'infinity'", "Date::PositiveInfinity"),
    (
        "daterange",
        "'[2024-01-01,2024-02-01)'",
        "Interval(Interval { start: Date::Ymd((2024, 1, 1)), start-inclusive: true, end: Date::Ymd((2024, 2, 1)), \
         end-inclusive: false })",
    ),
    ("daterange", "'(,2024-02-01)'", "start: Date::NegativeInfinity, start-inclusive: false"),
    ("daterange", "'empty'", "start-inclusive: false"),
    ("point", "'(1,2)'", "Point(((4503599627370496, -52, 1), (4503599627370496, -51, 1)))"),
    ("box", "'(1,1),(0,0)'", "Box(((("),
    ("circle", "'<(1,2),3>'", "Circle((("),
    ("line", "'{1,-1,0}'", "Line((("),
    ("lseg", "'[(0,0),(1,1)]'", "Lseg((("),
    ("path", "'[(0,0),(1,1)]'", "Path([(("),
    ("polygon", "'((0,0),(1,1),(1,0))'", "Polygon([(("),
    ("pg_lsn", "'16/B374D848'", "PgLsn(97500059720)"),
    ("pg_snapshot", "'10:20:10,14'", "PgSnapshot((10, 20, [10, 14]))"),
    ("tsquery", "'fat & (rat | !cat:AB) <2> do:*'", "TsQuery("),
    ("tsvector", "'a:1A fat:2,4B it''s'", "Lexeme { position: Some(1), weight: Some(LexemeWeight::A), data: \"a\" }"),
    ("int2vector", "'1 2 3'", "Int2Vector([1, 2, 3])"),
    ("mood", "'sad'", "Text(\"sad\")"),
    ("mood[]", "'{sad}'", "TextArray([\"sad\"])"),
    ("hstore", "'a=>1, b=>NULL, \"c \\\"d\"=>\"e\\\\\"'", "(\"b\", None)"),
    ("int8[]", "'{1,-2}'", "Int8Array([1, -2])"),
    ("int4[]", "'{}'", "Int4Array([])"),
    ("int2[]", "'{3}'", "Int2Array([3])"),
    ("bool[]", "'{t,f}'", "BoolArray([true, false])"),
    ("float8[]", "'{0.5}'", "Float8Array([("),
    ("float4[]", "'{0.5}'", "Float4Array([("),
    ("numeric[]", "'{1.10}'", "NumericArray([\"1.10\"])"),
    ("money[]", "'{1}'", "MoneyArray([\"1.00\"])"),
    ("text[]", "'{\"a,b\",\"\\\"\",\"\",\"NULL\"}'", "TextArray([\"a,b\", \"\\\"\", \"\", \"NULL\"])"),
    ("varchar(3)[]", "'{ab}'", "VarcharArray([(Some(3), [97, 98])])"),
    ("char(2)[]", "'{a}'", "CharArray([(2, [97, 32])])"),
    ("name[]", "'{n}'", "NameArray([\"n\"])"),
    ("bytea[]", "'{\"\\\\x01\"}'", "ByteaArray([[1]])"),
    ("bit(2)[]", "'{10}'", "BitArray([(2, [128])])"),
    ("varbit[]", "'{101}'", "VarbitArray([(Some(3), [160])])"),
    ("uuid[]", "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", "UuidArray(["),
    ("json[]", "'{\"{}\"}'", "JsonArray([\"{}\"])"),
    ("jsonb[]", "'{\"[1]\"}'", "JsonbArray([\"[1]\"])"),
    ("inet[]", "'{1.2.3.4}'", "InetArray([\"1.2.3.4\"])"),
    ("cidr[]", "'{1.2.3.0/24}'", "CidrArray([\"1.2.3.0/24\"])"),
    ("macaddr[]", "'{08:00:2b:01:02:03}'", "MacaddrArray(["),
    ("macaddr8[]", "'{08:00:2b:01:02:03:04:05}'", "Macaddr8Array(["),
    ("date[]", "'{2024-01-01,infinity}'", "DateArray([Date::Ymd((2024, 1, 1)), Date::PositiveInfinity])"),
    ("time[]", "'{12:00}'", "TimeArray(["),
    ("timetz[]", "'{12:00+01}'", "TimeTzArray(["),
    ("timestamp[]", "'{2024-01-01}'", "TimestampArray(["),
    ("timestamptz[]", "'{2024-01-01 00:00+00}'", "TimestampTzArray(["),
    ("daterange[]", "'{\"[2024-01-01,2024-01-02)\"}'", "IntervalArray(["),
    ("point[]", "'{\"(1,2)\"}'", "PointArray(["),
    ("box[]", "'{(1,1),(0,0);(3,3),(2,2)}'", "BoxArray(["),
    ("circle[]", "'{\"<(0,0),1>\"}'", "CircleArray(["),
    ("line[]", "'{\"{1,-1,0}\"}'", "LineArray(["),
    ("lseg[]", "'{\"[(0,0),(1,1)]\"}'", "LsegArray(["),
    ("path[]", "'{\"[(0,0),(1,1)]\"}'", "PathArray(["),
    ("polygon[]", "'{\"((0,0),(1,1))\"}'", "PolygonArray(["),
    ("pg_lsn[]", "'{0/1}'", "PgLsnArray([1])"),
    ("xml[]", "'{<a/>}'", "XmlArray([\"<a/>\"])"),
];

#[test]
fn values_of_every_type_come_back_as_they_were() {
    let server = Postgres::start();
    server.sql("create type mood as enum ('sad', 'ok')");
    // Some machines do not have what comes with PostgreSQL.
    let has_hstore = server.sql("select count(*) from pg_available_extensions where name = 'hstore'") == "1";
    if has_hstore {
        server.sql("create extension hstore");
    }
    for component in [guests::ledger(), guests::ledger3()] {
        let (_sandbox, _root, dev) = with_url(&component, &server.url(""));
        let types: Vec<_> = TYPES.iter().filter(|(ty, ..)| has_hstore || *ty != "hstore").collect();
        let commands: Vec<String> =
            types.iter().map(|(ty, literal, _)| format!("roundtrip {} {literal}", ty.replace(' ', ""))).collect();
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        let answers = run(&dev, &commands);
        assert_eq!(answers.len(), types.len(), "{answers:#?}");
        let wrong: Vec<_> = types
            .iter()
            .zip(&answers)
            .filter(|((ty, _, expected), answer)| {
                let begin = format!("{ty} PgValue::");
                !(answer.starts_with(&begin) && answer.contains(*expected) && answer.ends_with(" same"))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert_eq!(
            run(&dev, &["query select null::int4 as n, pg_sleep(0) as v"]),
            ["[n=PgValue::Null, v=PgValue::Null]"]
        );
        dev.stop();
    }
}

#[test]
fn what_the_interface_cannot_hold_is_an_error_that_names_the_cast() {
    let server = Postgres::start();
    let (_sandbox, _root, dev) = with_url(&guests::ledger3(), &server.url(""));
    let answers = run(
        &dev,
        &[
            "query select interval '1 day' as length",
            "query select interval '1 day'::text as length",
            "query select array[1, null] as some",
            "query select array[[1], [2]] as table",
            "query select 1 as one\textra",
            "query select $1::int4\tx",
            "query select $1::int4 as n\t5",
            "query selec 1",
            "query select * from nowhere",
            "query select 1/0",
            "exec statement-7",
            "query set role pg_monitor",
            "query select pg_read_file('x')",
        ],
    );
    let expected = [
        "error: Error::ValueConversionFailed(\"the column `length` has the type `interval`, which `wasmcloud:postgres` does not have; write `\\\"length\\\"::text`\")",
        "[length=PgValue::Text(\"1 day\")]",
        "an array with NULL in it",
        "an array of 2 dimensions",
        "error: Error::InvalidParams(\"the statement has 0 parameters, and 1 were given\")",
        "error: Error::InvalidParams(\"22P02: invalid input syntax for type integer: \\\"x\\\"",
        "[n=PgValue::Int4(5)]",
        "error: Error::InvalidQuery(\"42601: syntax error at or near \\\"selec\\\" (at character 1)",
        "error: Error::InvalidQuery(\"42P01: relation \\\"nowhere\\\" does not exist",
        "Error::QueryFailed(DbError { code: \"22012\", severity: \"ERROR\", message: \"division by zero\"",
        "error: Error::UnknownPreparedStatement",
        "",
        "error: Error::AccessDenied",
    ];
    for (answer, expected) in answers.iter().zip(expected) {
        assert!(answer.contains(expected), "{answer}\nhas not\n{expected}");
    }
    assert_eq!(answers.len(), expected.len());
    dev.stop();
}

#[test]
fn batches_prepared_statements_and_transactions_work_within_a_request() {
    let server = Postgres::start();
    for component in [guests::ledger(), guests::ledger3()] {
        let (_sandbox, _root, dev) = with_url(&component, &server.url(""));
        let answers = run(
            &dev,
            &[
                "batch drop table if exists orders; create table orders (id int primary key, what text)",
                "prepare insert into orders values ($1, $2)",
                "exec statement-1\t1\tpears",
                "exec statement-1\t2\t\\N",
                "query begin",
                "exec statement-1\t3\tplums",
                "query select count(*) from orders",
                "query rollback",
                "query select * from orders order by id",
                "batch begin; insert into orders values (4, 'figs'); commit",
                "batch insert into orders values (5, 'nuts'); insert into orders values (5, 'nuts')",
                "query select count(*) from orders",
            ],
        );
        assert_eq!(
            answers[..10],
            [
                "done",
                "statement-1",
                "1",
                "1",
                "",
                "1",
                "[count=PgValue::Int8(3)]",
                "",
                "[id=PgValue::Int4(1), what=PgValue::Text(\"pears\")] [id=PgValue::Int4(2), what=PgValue::Null]",
                "done",
            ]
        );
        assert!(answers[10].contains("23505"), "{answers:#?}");
        assert_eq!(answers[11], "[count=PgValue::Int8(3)]");
        // The statement belonged to the instance.
        let unknown = run(&dev, &["exec statement-1\t9\tx"]).remove(0);
        assert!(unknown.contains("UnknownPrepared"), "{unknown}");
        dev.stop();
    }
}

#[test]
fn nothing_of_a_session_is_left_for_the_next_request() {
    let server = Postgres::start();
    // One connection, which all requests use.
    let (_sandbox, _root, dev) = with_url(&guests::ledger(), &server.url("pool_size=1"));
    let pid = run(&dev, &["query select pg_backend_pid() as pid"]);
    let first = run(
        &dev,
        &[
            "query set search_path to elsewhere",
            "query set statement_timeout to 12345",
            "query create temp table mine (id int)",
            "query select pg_advisory_lock(7)",
            "query listen gossip",
            "query begin",
            "query create table public.left_open (id int)",
        ],
    );
    assert!(first.iter().all(|line| !line.contains("error")), "{first:#?}");
    let second = run(
        &dev,
        &[
            "query select pg_backend_pid() as pid",
            "query select current_setting('search_path') as p, current_setting('statement_timeout') as t, current_user as u",
            "query select to_regclass('mine')::text as mine, to_regclass('left_open')::text as left_open",
            "query select count(*) from pg_locks where locktype = 'advisory'",
            "query select count(*) from pg_listening_channels()",
        ],
    );
    assert_eq!(second[0], pid[0], "it is the same connection");
    assert_eq!(
        second[1],
        "[p=PgValue::Text(\"\\\"$user\\\", public\"), t=PgValue::Text(\"30s\"), u=PgValue::Name(\"wash\")]"
    );
    assert_eq!(second[2], "[mine=PgValue::Null, left_open=PgValue::Null]");
    assert_eq!(second[3..], ["[count=PgValue::Int8(0)]", "[count=PgValue::Int8(0)]"]);
    assert_eq!(run(&dev, &["query set session authorization pg_monitor"]), [""]);
    assert_eq!(run(&dev, &["query select session_user as u"]), ["[u=PgValue::Name(\"wash\")]"]);
    // Statements that SQL itself has prepared end with the connection.
    assert_eq!(run(&dev, &["query prepare spy as select 1"]), [""]);
    let third = run(&dev, &["query execute spy", "query select pg_backend_pid() as pid"]);
    assert!(third[0].contains("26000"), "{third:?}");
    assert_ne!(third[1], pid[0]);
    dev.stop();
}

#[test]
fn a_million_rows_pass_through_without_being_kept() {
    let server = Postgres::start();
    let (_sandbox, _root, dev) = with_url(&guests::ledger3(), &server.url("statement_timeout=600"));
    let rows = |count: usize| format!("count select n, repeat('x', 100) as filler from generate_series(1, {count}) n");
    assert_eq!(run(&dev, &[&rows(1000)]), ["1000 rows, Ok(())"]);
    let before = most_memory(&dev);
    assert_eq!(run(&dev, &[&rows(1_000_000)]), ["1000000 rows, Ok(())"]);
    let grown = most_memory(&dev).saturating_sub(before);
    // The rows alone are more than 100 MiB.
    assert!(grown < 32 << 10, "{grown} KiB more");
    // One row of many, and rows that run into an error.
    let answers = run(
        &dev,
        &[
            "first select generate_series(1, 100000000) as n",
            "nested select n::text from generate_series(1, 3) n|select $1::int4 * 2 as twice",
            "count select 1/(5000 - n) from generate_series(1, 10000) n",
        ],
    );
    assert_eq!(answers[0], "Some([PgValue::Int4(1)])");
    assert_eq!(answers[1], "[[PgValue::Int4(2)]] [[PgValue::Int4(4)]] [[PgValue::Int4(6)]] Ok(())");
    assert!(answers[2].starts_with("4999 rows, Err(Error::QueryFailed(DbError { code: \"22012\""), "{}", answers[2]);
    server.says(RUNNING, "0");
    dev.stop();
}

/// How many statements of wash run.
const RUNNING: &str = "select count(*) from pg_stat_activity where application_name = 'wash' and state = 'active'";

/// The most memory that the process has used, in KiB.
fn most_memory(dev: &Dev) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", dev.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_statement_that_takes_too_long_or_that_nobody_waits_for_is_ended_in_the_server() {
    let server = Postgres::start();
    for component in [guests::ledger(), guests::ledger3()] {
        let (_sandbox, _root, dev) = with_url(&component, &server.url("statement_timeout=1"));
        let late = run(&dev, &["query select pg_sleep(600)", "query select 1 as one"]);
        assert!(late[0].contains("Timeout") || late[0].contains("took too long"), "{late:?}");
        assert_eq!(late[1], "[one=PgValue::Int4(1)]");
        server.says(RUNNING, "0");
        dev.stop();

        let (_sandbox, _root, dev) = with_url(&component, &server.url("statement_timeout=600"));
        // The client leaves.
        let body = "query select pg_sleep(600)";
        let mut client = TcpStream::connect(dev.url.trim_start_matches("http://")).unwrap();
        write!(client, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        server.says(RUNNING, "1");
        drop(client);
        server.says(RUNNING, "0");
        dev.stop();
    }
}

#[test]
fn a_server_that_is_down_is_an_error_and_is_used_again_when_it_is_up() {
    let mut server = Postgres::start();
    server.stop();
    let (_sandbox, _root, dev) = with_url(&guests::ledger3(), &server.url(""));
    let down = run(&dev, &["query select 1 as one"]).remove(0);
    let place = format!("postgres://***@127.0.0.1:{}/postgres", server.port());
    assert!(
        down.starts_with(&format!("error: Error::ConnectionFailed(\"cannot reach the PostgreSQL server {place}: ")),
        "{down}"
    );
    server.start_again();
    assert_eq!(run(&dev, &["query select 1 as one"]), ["[one=PgValue::Int4(1)]"]);
    // In the middle of a transaction, which is then lost and not continued elsewhere.
    server.sql("create table t (id int)");
    let lost = run(
        &dev,
        &[
            "query begin",
            "query insert into t values (1)",
            "query select pg_terminate_backend(pg_backend_pid())",
            "query insert into t values (2)",
            "query select count(*) from t",
        ],
    );
    assert!(lost[2].starts_with("error: "), "{lost:?}");
    assert!(lost[3].contains("the open transaction was rolled back"), "{lost:?}");
    assert_eq!(lost[4], "[count=PgValue::Int8(0)]");
    server.stop();
    assert!(run(&dev, &["query select 1 as one"])[0].starts_with("error: "));
    server.start_again();
    assert_eq!(run(&dev, &["query select 1 as one"]), ["[one=PgValue::Int4(1)]"]);
    dev.stop();
}

#[test]
fn connections_are_bounded_and_who_waits_in_vain_is_told_why() {
    let server = Postgres::start();
    let (_sandbox, _root, dev) = with_url(&guests::ledger(), &server.url("pool_size=1&statement_timeout=600"));
    let url = dev.url.clone();
    let holder = std::thread::spawn(move || request(&url, "POST", "/", Some(b"query select pg_sleep(600)"), &[]));
    server.says(RUNNING, "1");
    let refused = run(&dev, &["query select 1 as one"]).remove(0);
    assert!(refused.contains("all 1 connections to the PostgreSQL server postgres://***@127.0.0.1"), "{refused}");
    assert!(refused.contains("`pool_size` allows more"), "{refused}");
    server.sql("select pg_cancel_backend(pid) from pg_stat_activity where query = 'select pg_sleep(600)'");
    assert!(holder.join().unwrap().unwrap().body.starts_with("error: "));
    assert_eq!(run(&dev, &["query select 1 as one"]), ["[one=PgValue::Int4(1)]"]);
    dev.stop();
}

#[test]
fn passwords_are_used_and_never_shown() {
    let server = Postgres::start();
    let (_sandbox, root, mut dev) = with_url(&guests::ledger(), &server.url(""));
    assert_eq!(run(&dev, &["query select 1 as one"]), ["[one=PgValue::Int4(1)]"]);
    let settings = std::fs::read_to_string(root.join(".wash/config.yaml")).unwrap();
    crate::support::write(&root.join(".wash/config.yaml"), settings.replace(PASSWORD, "wr0ng"));
    dev.wait_for("settings-changed");
    dev.ready();
    let refused = run(&dev, &["query select 1 as one"]).remove(0);
    assert!(refused.contains("password authentication failed for user \\\"wash\\\""), "{refused}");
    let said = format!("{:?}\n{}\n{refused}", dev.events(), dev.stderr());
    assert!(!said.contains(PASSWORD) && !said.contains("wr0ng"), "{said}");
    dev.stop();
}

#[test]
fn the_server_shows_who_it_is() {
    let server = Postgres::with_tls();
    let certificates = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certs");
    let ssl = "query select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    for parameters in [
        format!("sslrootcert={certificates}/ca.pem"),
        format!("sslmode=verify-full&sslrootcert={certificates}/ca.pem"),
        format!("sslmode=verify-ca&sslrootcert={certificates}/ca.pem"),
        "sslmode=require".into(),
        String::new(),
    ] {
        let (_sandbox, _root, dev) = with_url(&guests::ledger(), &server.url(&parameters));
        assert_eq!(run(&dev, &[ssl]), ["[ssl=PgValue::Bool(true)]"], "{parameters}");
        dev.stop();
    }
    for parameters in [
        format!("sslrootcert={certificates}/stranger.pem"),
        format!("sslmode=verify-ca&sslrootcert={certificates}/stranger.pem"),
        "sslmode=verify-full".into(),
    ] {
        let (_sandbox, _root, dev) = with_url(&guests::ledger(), &server.url(&parameters));
        let refused = run(&dev, &[ssl]).remove(0);
        assert!(refused.contains("certificate") && refused.contains("`sslrootcert`"), "{parameters}: {refused}");
        dev.stop();
    }
    let (_sandbox, _root, dev) = with_url(&guests::ledger(), &server.url("sslmode=disable"));
    assert_eq!(run(&dev, &[ssl]), ["[ssl=PgValue::Bool(false)]"]);
    dev.stop();
    // A server without TLS is not good enough for those who ask for it.
    let plain = Postgres::start();
    let (_sandbox, _root, dev) = with_url(&guests::ledger(), &plain.url("sslmode=require"));
    let refused = run(&dev, &[ssl]).remove(0);
    assert!(refused.contains("does not support TLS"), "{refused}");
    dev.stop();
}

#[test]
fn without_a_server_the_import_is_refused_with_the_line_that_helps() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("ledger", &guests::ledger(), "");
    let mut dev = sandbox.dev(&root, &[]);
    let refused = dev.wait_for("not-ready").to_string();
    assert!(refused.contains("`ledger` imports `wasmcloud:postgres/"), "{refused}");
    assert!(refused.contains("no PostgreSQL server is named") && refused.contains("add `postgres_url: "), "{refused}");
    // An entry of its own is as good.
    let server = Postgres::start();
    server.sql("create database shop");
    let entry = format!(
        "dev:\n  host_interfaces:\n    - {{ namespace: wasmcloud, package: postgres, config: {{ url: '{}', database: shop }} }}\n",
        server.url("")
    );
    let settings = std::fs::read_to_string(root.join(".wash/config.yaml")).unwrap();
    crate::support::write(&root.join(".wash/config.yaml"), settings + &entry);
    dev.ready();
    assert_eq!(run(&dev, &["query select current_database() as d"]), ["[d=PgValue::Name(\"shop\")]"]);
    dev.stop();
}

#[test]
fn instances_that_answer_several_requests_have_no_session_that_lasts() {
    let server = Postgres::start();
    let settings = format!("dev:\n  pool_size: 1\n  postgres_url: '{}'\n", server.url("pool_size=1"));
    let (_sandbox, _root, dev) = serve(&guests::ledger(), &settings);
    let answers = run(
        &dev,
        &[
            "query begin",
            "batch begin; create table t (id int); commit",
            "query set search_path to x",
            "query show search_path",
        ],
    );
    assert!(answers[0].contains("needs an instance for each request"), "{answers:?}");
    assert_eq!(answers[1..3], ["done", ""]);
    assert!(answers[3].contains("public"), "{answers:?}");
    assert_eq!(run(&dev, &["prepare insert into t values (1)"]), ["statement-1"]);
    dev.stop();
}

#[test]
fn what_a_component_imports_under_a_name_is_the_entry_of_that_name() {
    let server = Postgres::start();
    server.sql("create database prices");
    let entry = |name: &str, more: &str| {
        format!(
            "    - {{ namespace: wasmcloud, package: postgres, name: {name}, config: {{ url: '{}'{more} }} }}\n",
            server.url("")
        )
    };
    let settings = format!("dev:\n  secrets: {{ API_KEY: s3cret }}\n  host_interfaces:\n{}", entry("orders", ""));
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("named", &guests::named(), &settings);
    let mut dev = sandbox.dev(&root, &[]);
    let refused = dev.wait_for("not-ready").to_string();
    assert!(
        refused.contains("`named` imports `wasmcloud:postgres/query@0.2.0` as `prices`, and no entry for"),
        "{refused}"
    );
    let written = std::fs::read_to_string(root.join(".wash/config.yaml")).unwrap();
    crate::support::write(&root.join(".wash/config.yaml"), written + &entry("prices", ", database: prices"));
    dev.ready();
    let database = |path: &str| dev.send("POST", path, "select current_database()").body;
    assert_eq!(database("/orders"), "Ok([[PgValue::Name(\"postgres\")]])");
    assert_eq!(database("/prices"), "Ok([[PgValue::Name(\"prices\")]])");
    assert_eq!(dev.get("/secret").body, "s3cret");
    dev.stop();
}

/// Two workloads on one host have the same connection one after the other, and the same password.
#[tokio::test(flavor = "multi_thread")]
async fn workloads_of_one_host_share_connections_and_no_session() {
    let server = Postgres::start();
    let postgres_url = Some(PostgresUrl::parse(&server.url("pool_size=1")).unwrap());
    let options = CapabilityOptions { postgres_url, ..CapabilityOptions::default() };
    assert!(!format!("{options:?}").contains(PASSWORD));
    let http = Arc::new(HttpServer::new(DynamicRouter::default(), ([127, 0, 0, 1], 0).into()).await.unwrap());
    let url = format!("http://{}", http.address());
    let host = HostBuilder::new().with_capabilities(options).with_http_handler(http).build().unwrap();
    let host = host.start().await.unwrap();
    for name in ["one", "two"] {
        let workload = Workload {
            namespace: "default".into(),
            name: name.into(),
            components: vec![Component::new("main", guests::ledger())],
            host_interfaces: vec![WitInterface {
                namespace: "wasi".into(),
                package: "http".into(),
                config: [("host".to_string(), format!("{name}.example"))].into(),
                ..WitInterface::default()
            }],
            ..Workload::default()
        };
        host.workload_start(WorkloadStartRequest { workload_id: name.into(), workload }).await.unwrap();
    }
    let ask = |name: &str, commands: &str| {
        request(&url, "POST", "/", Some(commands.as_bytes()), &[("host", &format!("{name}.example"))]).unwrap().body
    };
    let pid = "query select pg_backend_pid() as pid";
    let one = ask("one", &format!("{pid}\nquery set my.note to 'of one'\nquery create temp table notes (n int)"));
    let two = ask(
        "two",
        &format!("{pid}\nquery select current_setting('my.note', true) as note, to_regclass('notes')::text as notes"),
    );
    assert_eq!(one.lines().next(), two.lines().next(), "it is the same connection");
    let note = two.lines().nth(1).unwrap();
    assert!(!note.contains("of one") && note.ends_with("notes=PgValue::Null]"), "{note}");
    host.stop().await.unwrap();
}
