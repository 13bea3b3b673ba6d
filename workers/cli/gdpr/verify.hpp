/// Looks for what is left of a person: in tables, topics and logs.
#pragma once

#include "kafka/client_settings.hpp"
#include "uuid/uuid.hpp"
#include "workers/cli/gdpr/text_forms.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/describe/class.hpp>

namespace pqxx {
class connection;
}

namespace omnibus::cli {

/// What is looked for: a text, or the keys of a person.
struct Sought {
  std::vector<TextForm> forms;
  std::set<std::string> keys;  ///< a record about one of them is found whatever it holds
};

/// A place where it stands.
struct Trace {
  std::string place;                 ///< table.column, topic/partition/offset, or file:line
  std::string form;                  ///< raw, json, base64, hex, or subject for a record that names the person
  std::int64_t count = 1;            ///< rows
  std::optional<std::string> until;  ///< it is erased, and its topic deletes it by then; absent: it should not be there
                                     ///< (also a dead letter that is still open)
};
BOOST_DESCRIBE_STRUCT(Trace, (), (place, form, count, until))

/// What is known of ended erasures, to tell what the log may still hold.
class EndedErasures {
 public:
  /// Reads all of them. @throws what libpqxx throws
  explicit EndedErasures(pqxx::connection& database);
  /// When the record at this position of a topic is deleted, in ms since 1970: if it is about somebody who was erased
  /// after it was written.
  std::optional<std::int64_t> clear_at(std::set<std::string> const& subjects, std::string const& topic,
                                       std::int32_t partition, std::int64_t offset) const;
  /// Whether a dead letter was dropped or redriven.
  bool is_closed(Uuid const& letter) const { return closed_letters_.contains(letter); }

 private:
  struct Erasure {
    bool for_good = false;
    std::int64_t clear_at_ms = 0;
    std::unordered_map<std::string, std::int64_t> ends;  ///< by topic/partition
  };
  std::unordered_map<std::string, Erasure> erasures_;  ///< by subject key
  std::set<Uuid> closed_letters_;
};

/// The keys that the person of this subject key was erased with, its own included.
std::set<std::string> keys_of_subject(pqxx::connection& database, std::string const& subject_key);

/// Every column of every table. Tables that hold keys on purpose are left out when `keys` are sought.
/// @throws std::runtime_error that names a table which the role may not read
std::vector<Trace> search_tables(pqxx::connection& database, Sought const& sought);

/// Every record of every topic, dead letters included, from the earliest on: its key, value and headers. Topics
/// without personal data, which name people by ids and keys, are left out when `keys` are sought.
/// @throws kafka::Error
std::vector<Trace> search_topics(kafka::ClientSettings const& settings, std::chrono::seconds timeout,
                                 Sought const& sought, EndedErasures const& erasures, std::int64_t now_ms);

/// Every line of a file. @throws std::runtime_error when it cannot be read
std::vector<Trace> search_file(std::string const& path, Sought const& sought);

}  // namespace omnibus::cli
