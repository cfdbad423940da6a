//! What must happen in one step, so that no death falls between: Lua, run by Redis.

/// Takes the first message of the lists, and notes it as unacknowledged, as kombu does: an element
/// `[message, exchange, routing key]`, which any kombu puts back into the queue with the name in place of the
/// routing key.
///
/// KEYS: the lists, `unacked_index`, `unacked`. ARGV: the time, the tag, and for each list its queue's name as a
/// JSON string. Gives the number of the list and the message, or nothing.
pub(super) const TAKE: &str = "\
local n = #KEYS - 2
for i = 1, n do
  local message = redis.call('RPOP', KEYS[i])
  if message then
    redis.call('ZADD', KEYS[n + 1], ARGV[1], ARGV[2])
    redis.call('HSET', KEYS[n + 2], ARGV[2], '[' .. message .. ',\"\",' .. ARGV[i + 2] .. ']')
    return {i, message}
  end
end
return false";

/// Ends a message and puts one in its place, if it is still ours.
///
/// KEYS: `unacked_index`, `unacked`, the list. ARGV: the tag, the message, `LPUSH` (the tail) or `RPUSH` (the head).
pub(super) const MOVE: &str = "\
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call(ARGV[3], KEYS[3], ARGV[2])
return 1";

/// Says that a message is still held, if it is.
///
/// KEYS: `unacked_index`, `unacked`. ARGV: the tag, the time.
pub(super) const RENEW: &str = "\
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return 1";

/// Puts back what has been held for too long, if that is still so: at the head of its lists.
///
/// KEYS: `unacked_index`, `unacked`, the lists. ARGV: the tag, the element as it was seen, the greatest score, the
/// message.
pub(super) const RESTORE: &str = "\
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) > tonumber(ARGV[3]) then return 0 end
local element = redis.call('HGET', KEYS[2], ARGV[1])
if element ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
for i = 3, #KEYS do redis.call('RPUSH', KEYS[i], ARGV[4]) end
return 1";

/// Gives up a lock, if it is still ours. KEYS: the lock. ARGV: what we wrote into it.
pub(super) const UNLOCK: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0";
