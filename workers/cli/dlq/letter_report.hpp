/// Dead letters in the output of `omnibus dlq`: as JSON with --json, and as text.
#pragma once

#include "engine/commit/dead_letter.hpp"
#include "postgres/dead_letters.hpp"
#include "uuid/uuid.hpp"
#include "workers/cli/dlq/refused_rows.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::cli {

/// The numbers of actions on a topic's letters; absent without a database.
using LetterActions = std::optional<std::unordered_map<Uuid, postgres::LetterAction>>;

/// A letter in a list. Shows only a hash of its key, and nothing of its payload.
struct LetterLine {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::string time;
  std::string key_hash;
  std::string event_id;
  std::string type;
  std::string error_class;
  std::string attempts;
  std::int64_t redrives = 0;
  std::string worker;
  std::string group;
  std::string reason;
  std::string state;
  std::int64_t kept_bytes = 0;  ///< of the whole letter, if its record is in pipeline.parked_records
};
BOOST_DESCRIBE_STRUCT(LetterLine, (),
                      (topic, partition, offset, time, key_hash, event_id, type, error_class, attempts, redrives,
                       worker, group, reason, state, kept_bytes))

/// An outbox row that the broker refuses, in a list.
struct RefusedLine {
  std::int64_t row = 0;
  std::string topic;
  std::string time;
  std::string key_hash;
  std::string event_id;
  std::string type;
  std::string worker;
  std::int64_t bytes = 0;
  std::int64_t attempts = 0;
  std::string next_try;  ///< empty: only an operator tries it again
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(RefusedLine, (),
                      (row, topic, time, key_hash, event_id, type, worker, bytes, attempts, next_try, reason))

/// A header of the original record.
struct HeaderLine {
  std::string name;
  std::optional<std::string> value;
};
BOOST_DESCRIBE_STRUCT(HeaderLine, (), (name, value))

/// All details of a letter; the payload only on request.
struct LetterDetails : LetterLine {
  std::int64_t row = 0;  ///< of the outbox, if it is not a letter but a refused row
  std::string letter_id;
  std::string source;
  std::string first_seen;
  std::string failed_record;
  std::string not_an_event;
  bool tombstone = false;  ///< it never had a payload
  std::int64_t payload_bytes = 0;
  std::vector<HeaderLine> headers;
  std::optional<std::string> payload;
};
BOOST_DESCRIBE_STRUCT(LetterDetails, (LetterLine),
                      (row, letter_id, source, first_seen, failed_record, not_an_event, tombstone, payload_bytes,
                       headers, payload))

/// Letters of one kind, counted.
struct ClassLine {
  std::string topic;
  std::string error_class;
  std::string worker;
  std::int64_t open = 0;
  std::int64_t redriven = 0;
  std::int64_t dropped = 0;
};
BOOST_DESCRIBE_STRUCT(ClassLine, (), (topic, error_class, worker, open, redriven, dropped))

/// The output of `ls`: the counts of all selected letters, and the newest letters.
struct LetterListing {
  std::vector<ClassLine> classes;
  std::vector<LetterLine> letters;
  std::vector<RefusedLine> refused;
};
BOOST_DESCRIBE_STRUCT(LetterListing, (), (classes, letters, refused))

/// The result of a redrive or a drop.
struct ActionSummary {
  std::string topic;
  std::string action;
  bool dry_run = false;
  std::int64_t acted = 0;
  std::int64_t already_taken = 0;
  std::int64_t waiting = 0;
  std::int64_t refused = 0;
  std::int64_t left_over = 0;
};
BOOST_DESCRIBE_STRUCT(ActionSummary, (), (topic, action, dry_run, acted, already_taken, waiting, refused, left_over))

LetterLine line_of(engine::DeadLetter const& letter, LetterActions const& actions);
RefusedLine line_of(StoredRefusal const& refusal);
LetterDetails details_of(engine::DeadLetter const& letter, LetterActions const& actions, bool with_payload);

/// A refused row, as a letter is shown.
LetterDetails details_of(StoredRefusal refusal, bool with_payload);

/// Text for a terminal, with all unsafe characters escaped. A listing of `limit` letters says that there may be
/// more.
std::string text_of(LetterListing const& listing, std::size_t limit);
std::string text_of(LetterDetails const& details);
std::string text_of(ActionSummary const& summary);

}  // namespace omnibus::cli
