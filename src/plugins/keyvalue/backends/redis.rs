//! Key-value data in Redis.
//!
//! A bucket is a hash, beside which a sorted set has the same keys in their order: a hash alone
//! could not be listed page by page. Every operation is one script, which Redis runs without
//! letting anybody in between. A key that another program adds to the hash is listed, too: the next
//! listing notices that the numbers differ, and makes the set anew.
//!
//! A script that changes something publishes a notice of it, for those who watch: see
//! [`super::redis_changes`].
//!
//! How safe acknowledged data is depends on how the server is set up to persist.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use redis::{Cmd, FromRedisValue};

use super::redis_changes::telling;
use crate::plugins::keyvalue::backend::{
    Answer, Backend, BucketId, Changes, Error, MAX_BATCH_BYTES, no_number, too_great, too_many_bytes,
};
use crate::plugins::remote::Redis;
use crate::plugins::remote::redis::Again;
use crate::runtime::workload::WorkloadId;

/// What the names of the workloads' keys in Redis begin with when nothing else is said.
const DEFAULT_PREFIX: &str = "wash:";
/// How many names of keys one step of [`Backend::clear`] asks for.
const SCAN: usize = 1000;

const GET: &str = r"
    local most, total = tonumber(ARGV[1]), 0
    for i = 2, #ARGV do
        total = total + redis.call('HSTRLEN', KEYS[1], ARGV[i])
        if total > most then return false end
    end
    local values = {}
    for i = 2, #ARGV do values[i - 1] = redis.call('HGET', KEYS[1], ARGV[i]) end
    return values
";

const SET: &str = telling!(
    r"
    for i = 1, #ARGV, 2 do
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
        redis.call('ZADD', KEYS[2], 0, ARGV[i])
        tell_set(ARGV[i], ARGV[i + 1])
    end
    return true
"
);

const DELETE: &str = telling!(
    r"
    for i = 1, #ARGV do
        if redis.call('HDEL', KEYS[1], ARGV[i]) == 1 then tell_deleted(ARGV[i]) end
        redis.call('ZREM', KEYS[2], ARGV[i])
    end
    return true
"
);

const KEYS: &str = r"
    if redis.call('HLEN', KEYS[1]) ~= redis.call('ZCARD', KEYS[2]) then
        redis.call('DEL', KEYS[2])
        for _, key in ipairs(redis.call('HKEYS', KEYS[1])) do redis.call('ZADD', KEYS[2], 0, key) end
    end
    return redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
";

/// Adds decimal digits: a number of Lua or of Redis itself would not hold 64 bits.
const INCREMENT: &str = telling!(
    r"
    local function plain(digits)
        digits = string.gsub(digits, '^0+', '')
        if digits == '' then return '0' end
        return digits
    end
    local function great(digits)
        return #digits > 20 or (#digits == 20 and digits > '18446744073709551615')
    end
    local function place(digits, i)
        if i >= #digits then return 0 end
        return tonumber(string.sub(digits, #digits - i, #digits - i))
    end
    local stored = redis.call('HGET', KEYS[1], ARGV[1])
    if not stored then stored = '0' end
    if not string.match(stored, '^%d+$') then return 'no number' end
    local a, b = plain(stored), plain(ARGV[2])
    if great(a) then return 'no number' end
    local sum, carry = '', 0
    for i = 0, math.max(#a, #b) - 1 do
        local digit = place(a, i) + place(b, i) + carry
        carry = math.floor(digit / 10)
        sum = (digit % 10) .. sum
    end
    if carry > 0 then sum = carry .. sum end
    if great(sum) then return 'too great ' .. a end
    redis.call('HSET', KEYS[1], ARGV[1], sum)
    redis.call('ZADD', KEYS[2], 0, ARGV[1])
    tell_set(ARGV[1], sum)
    return sum
"
);

/// The third argument is the value that was seen, which is empty where the second is `0`.
const SWAP: &str = telling!(
    r"
    local stored = redis.call('HGET', KEYS[1], ARGV[1])
    local same = (ARGV[2] == '1' and stored == ARGV[3]) or (ARGV[2] == '0' and not stored)
    if not same then return 0 end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
    redis.call('ZADD', KEYS[2], 0, ARGV[1])
    tell_set(ARGV[1], ARGV[4])
    return 1
"
);

/// Buckets in one Redis server, below one prefix.
#[derive(Clone)]
pub struct RedisBuckets {
    server: Arc<Redis>,
    prefix: Option<String>,
}

impl RedisBuckets {
    /// Buckets whose keys in Redis begin with `prefix`. Without one, those of workloads begin with
    /// `wash:`, and a shared bucket has just its own name.
    pub fn new(server: Arc<Redis>, prefix: Option<String>) -> Self {
        RedisBuckets { server, prefix }
    }

    pub(super) fn server(&self) -> &Arc<Redis> {
        &self.server
    }

    pub(super) fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or(DEFAULT_PREFIX)
    }

    /// The names of the hash and of the set of its keys. They have the same tag in braces, so that a
    /// cluster keeps both on the same node. A shared bucket is the hash that its name says.
    pub(super) fn names(&self, id: &BucketId) -> (String, String) {
        let hash = match id.workload.is_shared() {
            true => format!("{}{}", self.prefix.as_deref().unwrap_or_default(), id.name),
            false => format!("{}{}{}", self.prefix(), part_of(&id.workload), escaped(&id.name)),
        };
        let set = match hash.contains('{') {
            true => format!("{hash}:keys"),
            false => format!("{{{hash}}}:keys"),
        };
        (hash, set)
    }

    async fn run<T: FromRedisValue + Send + 'static>(
        &self,
        script: &str,
        id: &BucketId,
        arguments: impl FnOnce(&mut Cmd),
        again: Again,
    ) -> Result<T, Error> {
        let (hash, set) = self.names(id);
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(2).arg(hash).arg(set);
        arguments(&mut command);
        self.server.call(command, again).await.map_err(Error::Other)
    }

    /// The same with a script that changes something, and tells of it.
    async fn change<T: FromRedisValue + Send + 'static>(
        &self,
        script: &str,
        id: &BucketId,
        arguments: impl FnOnce(&mut Cmd),
        again: Again,
    ) -> Result<T, Error> {
        let channel = self.channel(&self.names(id).0);
        let with_channel = |command: &mut Cmd| {
            arguments(command);
            command.arg(channel);
        };
        self.run(script, id, with_channel, again).await
    }
}

/// Part of a name. What has a meaning there is escaped: `:` between the parts, and the braces.
fn escaped(part: &str) -> String {
    let mut escaped = String::with_capacity(part.len());
    for character in part.chars() {
        match character {
            '%' | ':' | '{' | '}' => escaped.push_str(&format!("%{:02X}", character as u32)),
            other => escaped.push(other),
        }
    }
    escaped
}

/// What was escaped so; `None` where it was not.
pub(super) fn unescaped(escaped: &str) -> Option<String> {
    let mut parts = escaped.split('%');
    let mut part = parts.next()?.to_string();
    for rest in parts {
        part.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?.into());
        part.push_str(&rest[2..]);
    }
    Some(part)
}

/// What the names of all buckets of a workload begin with, after the prefix.
pub(super) fn part_of(workload: &WorkloadId) -> String {
    format!("{}:", escaped(workload.as_str()))
}

/// A pattern of `SCAN` for what begins so.
pub(super) fn begins_with(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('*');
    pattern
}

impl Backend for RedisBuckets {
    fn changes(&self) -> Option<&dyn Changes> {
        Some(self)
    }

    fn get_many<'a>(&'a self, bucket: &'a BucketId, keys: &'a [String]) -> Answer<'a, Vec<Option<Bytes>>> {
        async move {
            let arguments = |command: &mut Cmd| {
                command.arg(MAX_BATCH_BYTES).arg(keys);
            };
            let values: Option<Vec<Option<Vec<u8>>>> = self.run(GET, bucket, arguments, Again::Harmless).await?;
            let values = values.ok_or_else(too_many_bytes)?;
            Ok(values.into_iter().map(|value| value.map(Bytes::from)).collect())
        }
        .boxed()
    }

    fn exists<'a>(&'a self, bucket: &'a BucketId, key: &'a str) -> Answer<'a, bool> {
        async move {
            let mut command = redis::cmd("HEXISTS");
            command.arg(self.names(bucket).0).arg(key);
            self.server.call(command, Again::Harmless).await.map_err(Error::Other)
        }
        .boxed()
    }

    fn keys<'a>(&'a self, bucket: &'a BucketId, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        async move {
            let from = after.map_or("-".to_string(), |after| format!("({after}"));
            let arguments = |command: &mut Cmd| {
                command.arg(from).arg(limit);
            };
            let keys: Vec<Vec<u8>> = self.run(KEYS, bucket, arguments, Again::Harmless).await?;
            // What is no text was not stored by a component, and none could ask for it.
            Ok(keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).collect())
        }
        .boxed()
    }

    fn set_many<'a>(&'a self, bucket: &'a BucketId, pairs: Vec<(String, Bytes)>) -> Answer<'a, ()> {
        async move {
            let arguments = |command: &mut Cmd| {
                for (key, value) in &pairs {
                    command.arg(key).arg(&value[..]);
                }
            };
            self.change(SET, bucket, arguments, Again::Harmless).await
        }
        .boxed()
    }

    fn delete_many<'a>(&'a self, bucket: &'a BucketId, keys: Vec<String>) -> Answer<'a, ()> {
        async move {
            let arguments = |command: &mut Cmd| {
                command.arg(&keys);
            };
            self.change(DELETE, bucket, arguments, Again::Harmless).await
        }
        .boxed()
    }

    fn increment<'a>(&'a self, bucket: &'a BucketId, key: &'a str, delta: u64) -> Answer<'a, u64> {
        async move {
            let arguments = |command: &mut Cmd| {
                command.arg(key).arg(delta.to_string());
            };
            let said: String = self.change(INCREMENT, bucket, arguments, Again::Never).await?;
            match said.strip_prefix("too great ") {
                Some(stored) => Err(too_great(key, stored)),
                None => said.parse().map_err(|_| no_number(key)),
            }
        }
        .boxed()
    }

    fn swap<'a>(&'a self, bucket: &'a BucketId, key: &'a str, seen: Option<Bytes>, value: Bytes) -> Answer<'a, bool> {
        async move {
            let arguments = |command: &mut Cmd| {
                let there = if seen.is_some() { "1" } else { "0" };
                command.arg(key).arg(there).arg(seen.as_deref().unwrap_or_default()).arg(&value[..]);
            };
            // Sent again it would find its own value there, and say that it is somebody else's.
            self.change(SWAP, bucket, arguments, Again::Never).await
        }
        .boxed()
    }

    fn forget(&self, _: &WorkloadId) {}

    fn clear<'a>(&'a self, workload: &'a WorkloadId) -> Answer<'a, ()> {
        async move {
            let ours = format!("{}{}", self.prefix(), part_of(workload));
            let mut cursor = 0u64;
            loop {
                let mut scan = redis::cmd("SCAN");
                scan.arg(cursor).arg("MATCH").arg(begins_with(&ours)).arg("COUNT").arg(SCAN);
                let (next, found): (u64, Vec<Vec<u8>>) =
                    self.server.call(scan, Again::Harmless).await.map_err(Error::Other)?;
                for hash in found {
                    let mut delete = redis::cmd("UNLINK");
                    delete.arg(&hash).arg([b"{", &hash[..], b"}:keys"].concat());
                    let _: u64 = self.server.call(delete, Again::Harmless).await.map_err(Error::Other)?;
                }
                cursor = next;
                if cursor == 0 {
                    return Ok(());
                }
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_say() {
        assert_eq!(begins_with("wash:a/b:"), "wash:a/b:*");
        assert_eq!(begins_with("a*[b]?\\"), "a\\*\\[b\\]\\?\\\\*");
    }

    #[test]
    fn parts_of_names_keep_apart() {
        assert_eq!(escaped("a:b%{c}"), "a%3Ab%25%7Bc%7D");
        assert_eq!(escaped("größe/x"), "größe/x");
        for part in ["a:b%{c}", "größe/x", "", "%3A"] {
            assert_eq!(unescaped(&escaped(part)).as_deref(), Some(part));
        }
        assert_eq!((unescaped("a%"), unescaped("%zz"), unescaped("%ö")), (None, None, None));
    }
}
