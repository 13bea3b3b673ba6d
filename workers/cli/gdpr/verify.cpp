#include "workers/cli/gdpr/verify.hpp"

#include "engine/commit/dead_letter.hpp"
#include "json/decode.hpp"
#include "kafka/admin.hpp"
#include "kafka/event_subjects.hpp"
#include "kafka/message_view.hpp"
#include "kafka/partition_reader.hpp"
#include "kafka/topics.hpp"
#include "postgres/rows.hpp"
#include "time/time.hpp"
#include "uuid/uuid.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

constexpr std::string_view tables_of_keys[] = {"pipeline.ledger",    "gdpr_requests",        "gdpr_audit_log",
                                               "suppressions",       "legal_holds",          "pipeline.erasures",
                                               "pipeline.forgotten", "pipeline.subject_keys"};

/// Topics without personal data name people by ids and keys.
bool holds_keys_on_purpose(std::string const& topic) {
  auto const* const known = kafka::TopicCatalog::built_in().find(topic);
  return known != nullptr && !known->pii;
}

struct ColumnRow {
  std::string name;  ///< of the table, quoted as SQL needs it
  std::string column;
  bool bytes = false;
};
BOOST_DESCRIBE_STRUCT(ColumnRow, (), (name, column, bytes))

constexpr char const* columns_query =
    "SELECT c.oid::regclass::text AS name, quote_ident(a.attname) AS column, a.atttypid = 'bytea'::regtype AS bytes "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND "
    "a.attnum > 0 AND NOT a.attisdropped WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND n.nspname !~ "
    "'^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, a.attnum";

struct ErasureRow {
  std::string subject_key;
  std::string request_id;
  bool for_good = false;
};
BOOST_DESCRIBE_STRUCT(ErasureRow, (), (subject_key, request_id, for_good))

struct EndRow {
  std::string subject_key;
  std::string place;
  std::int64_t offset = 0;
};
BOOST_DESCRIBE_STRUCT(EndRow, (), (subject_key, place, offset))

struct ClearRow {
  Uuid id;
  std::int64_t clear_at_ms = 0;
};
BOOST_DESCRIBE_STRUCT(ClearRow, (), (id, clear_at_ms))

/// A condition that is true for a column that holds one of the forms of `$1`.
std::string condition(ColumnRow const& column) {
  auto const* const test = column.bytes
                               ? "position(convert_to(f, 'UTF8') IN {0}) > 0 OR position(f IN encode({0}, 'hex')) > 0"
                               : "position(f IN {0}::text) > 0";
  return "EXISTS (SELECT FROM unnest($1::text[]) AS f WHERE " + fmt::format(fmt::runtime(test), column.column) + ")";
}

std::string place_of(std::string const& topic, std::int32_t partition) {
  return fmt::format("{}/{}", topic, partition);
}

/// Looks at the records of one topic.
class TopicSearch {
 public:
  TopicSearch(Sought const& sought, EndedErasures const& erasures, std::int64_t now_ms, std::string topic)
      : sought_{sought}, erasures_{erasures}, now_ms_{now_ms}, topic_{std::move(topic)} {}

  void look(rd_kafka_message_t const& message) {
    kafka::MessageView const view{message};
    auto const record = view.record();
    std::set<std::string> subjects;
    for (auto const& subject : subjects_of_record(record)) subjects.insert(subject.text());
    auto const form = form_of(record, subjects);
    if (!form) return;
    Trace trace{fmt::format("{}/{}/{}", topic_, message.partition, message.offset), std::string{*form}, 1, {}};
    auto const clear = erasures_.clear_at(subjects, topic_, message.partition, message.offset);
    if (clear && *clear > now_ms_ && !is_open_letter(message)) trace.until = format_time_ms(*clear, Fraction::none);
    found.push_back(std::move(trace));
  }

  std::vector<Trace> found;

 private:
  std::optional<std::string_view> form_of(RecordView const& record, std::set<std::string> const& subjects) const {
    if (record.value)
      if (auto form = form_in(*record.value, sought_.forms)) return form;
    if (record.key)
      if (auto form = form_in(*record.key, sought_.forms)) return form;
    for (auto const& header : record.headers)
      if (header.value)
        if (auto form = form_in(*header.value, sought_.forms)) return form;
    if (std::ranges::any_of(subjects, [&](auto const& each) { return sought_.keys.contains(each); })) return "subject";
    return std::nullopt;
  }

  /// An erasure drops the letters of its person: an open one could be sent again.
  bool is_open_letter(rd_kafka_message_t const& message) const {
    return topic_.ends_with(".dlq") && !erasures_.is_closed(engine::read_dead_letter(message).id);
  }

  Sought const& sought_;
  EndedErasures const& erasures_;
  std::int64_t const now_ms_;
  std::string const topic_;
};

}  // namespace

EndedErasures::EndedErasures(pqxx::connection& database) {
  pqxx::read_transaction query{database};
  std::unordered_map<std::string, std::int64_t> clear;
  for (auto const& row : postgres::read<ClearRow>(
           query,
           "SELECT id, (extract(epoch FROM log_clear_at) * 1000)::bigint AS clear_at_ms FROM gdpr_requests WHERE kind "
           "= 'delete' AND log_clear_at IS NOT NULL")) {
    clear[to_string(row.id)] = row.clear_at_ms;
    clear[to_string(name_uuid(row.id, "messages"))] = row.clear_at_ms;  // the aliases of the person's messages
  }
  for (auto const& row : postgres::read<ErasureRow>(
           query,
           "SELECT subject_key::text AS subject_key, request_id::text AS request_id, for_good FROM "
           "pipeline.erasures"))
    erasures_[row.subject_key] = {row.for_good, clear[row.request_id], {}};
  for (auto const& row : postgres::read<EndRow>(
           query,
           "SELECT e.subject_key::text AS subject_key, t.key || '/' || p.key AS place, p.value::bigint AS offset FROM "
           "pipeline.erasures e, jsonb_each(e.positions) t, jsonb_each_text(t.value) p WHERE NOT e.for_good"))
    erasures_[row.subject_key].ends[row.place] = row.offset;
  auto const closed = postgres::read<Uuid>(query, "SELECT letter_id FROM pipeline.dead_letter_actions", {});
  closed_letters_ = {closed.begin(), closed.end()};
}

std::optional<std::int64_t> EndedErasures::clear_at(std::set<std::string> const& subjects, std::string const& topic,
                                                    std::int32_t partition, std::int64_t offset) const {
  std::optional<std::int64_t> latest;
  for (auto const& subject : subjects) {
    auto const found = erasures_.find(subject);
    if (found == erasures_.end()) continue;
    auto const end = found->second.ends.find(place_of(topic, partition));
    auto const is_before = found->second.for_good || (end != found->second.ends.end() && offset < end->second);
    if (is_before) latest = std::max(latest.value_or(0), found->second.clear_at_ms);
  }
  return latest;
}

std::set<std::string> keys_of_subject(pqxx::connection& database, std::string const& subject_key) {
  pqxx::read_transaction query{database};
  auto const keys = postgres::read<std::string>(
      query,
      "SELECT subject_key::text FROM pipeline.erasures WHERE request_id IN (SELECT request_id FROM pipeline.erasures "
      "WHERE subject_key = $1)",
      pqxx::params{subject_key});
  std::set<std::string> all{keys.begin(), keys.end()};
  all.insert(subject_key);
  return all;
}

std::vector<Trace> search_tables(pqxx::connection& database, Sought const& sought) {
  pqxx::read_transaction query{database};
  std::map<std::string, std::vector<ColumnRow>> tables;
  for (auto& row : postgres::read<ColumnRow>(query, columns_query)) tables[row.name].push_back(row);
  std::vector<std::string> texts;
  for (auto const& form : sought.forms) texts.push_back(form.text);
  std::vector<Trace> found;
  for (auto const& [table, columns] : tables) {
    if (!sought.keys.empty() && std::ranges::find(tables_of_keys, table) != std::end(tables_of_keys)) continue;
    std::string select;
    for (auto const& column : columns)
      select += fmt::format("{}count(*) FILTER (WHERE {})", select.empty() ? "SELECT " : ", ", condition(column));
    select += " FROM " + table;
    try {
      auto const counts = query.exec(select, pqxx::params{texts}).one_row();
      for (std::size_t i = 0; i < columns.size(); ++i)
        if (auto const count = counts[static_cast<int>(i)].as<std::int64_t>(); count > 0)
          found.push_back({table + "." + columns[i].column, "row", count, {}});
    } catch (pqxx::insufficient_privilege const&) {
      throw std::runtime_error{"the role of --database may not read " + table + ": give it a role that reads all"};
    }
  }
  return found;
}

std::vector<Trace> search_topics(kafka::ClientSettings const& settings, std::chrono::seconds timeout,
                                 Sought const& sought, EndedErasures const& erasures, std::int64_t now_ms) {
  kafka::Admin const admin{settings, timeout};
  kafka::PartitionReader reader{settings, timeout};
  std::vector<Trace> found;
  for (auto const& topic : admin.cluster().topics) {
    if (!sought.keys.empty() && holds_keys_on_purpose(topic.name)) continue;
    TopicSearch search{sought, erasures, now_ms, topic.name};
    auto const marks = admin.watermarks(topic.name);
    for (std::size_t partition = 0; partition < marks.size(); ++partition)
      reader.read({topic.name, static_cast<std::int32_t>(partition)}, marks[partition].low, marks[partition].high,
                  [&](rd_kafka_message_t const& message) {
                    search.look(message);
                    return true;
                  });
    std::ranges::move(search.found, std::back_inserter(found));
  }
  return found;
}

std::vector<Trace> search_file(std::string const& path, Sought const& sought) {
  std::ifstream file{path, std::ios::binary};
  if (!file) throw std::runtime_error{"--logs: " + path + " cannot be read"};
  std::vector<Trace> found;
  std::string line;
  for (std::int64_t number = 1; std::getline(file, line); ++number)
    if (auto const form = form_in(line, sought.forms))
      found.push_back({fmt::format("{}:{}", path, number), std::string{*form}, 1, {}});
  return found;
}

}  // namespace omnibus::cli
