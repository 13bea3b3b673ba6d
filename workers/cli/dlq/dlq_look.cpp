#include "engine/commit/dead_letter.hpp"
#include "json/encode.hpp"
#include "kafka/admin.hpp"
#include "kafka/partition_reader.hpp"
#include "postgres/parked_records.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/dlq/dlq_command.hpp"
#include "workers/cli/dlq/letter_report.hpp"
#include "workers/cli/dlq/refused_rows.hpp"
#include "workers/cli/gdpr/audited_opener.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

/// The database is optional for reading: without it the state of a letter is unknown.
LetterActions actions_of(pqxx::connection* database, std::string const& topic) {
  if (database == nullptr) return std::nullopt;
  return postgres::letter_actions(*database, topic);
}

std::unique_ptr<pqxx::connection> connect_if_told(DlqOptions const& options) {
  if (!options.database.empty()) return connect(options.database);
  fmt::print(stderr, "omnibus: set DATABASE_URL or --database; the state of dead letters is stored there\n");
  return nullptr;
}

std::vector<std::string> topics_to_list(DlqOptions const& options, kafka::Admin const& admin) {
  if (!options.topic.empty()) return {options.letters_topic()};
  std::vector<std::string> topics;
  auto const cluster = admin.cluster();
  for (auto const& topic : cluster.topics)
    if (topic.name.ends_with(".dlq")) topics.push_back(topic.name);
  std::ranges::sort(topics);
  return topics;
}

std::pair<std::int32_t, std::int64_t> read_place(std::string const& text) {
  auto const slash = text.find('/');
  std::int32_t partition = -1;
  std::int64_t offset = -1;
  auto const* const end = text.data() + text.size();
  auto const* const middle = slash == std::string::npos ? end : text.data() + slash;
  auto const first = std::from_chars(text.data(), middle, partition);
  auto const second = middle == end ? first : std::from_chars(middle + 1, end, offset);
  if (middle == end || first.ptr != middle || second.ptr != end || second.ec != std::errc{} || partition < 0 ||
      offset < 0)
    throw std::invalid_argument(
        fmt::format("{} is not a letter: give PARTITION/OFFSET, as omnibus dlq ls shows it", printable(text, 64)));
  return {partition, offset};
}

/// What the audit says of an opened letter.
struct OpenedLetter {
  std::string topic;
  std::string letter_id;
};
BOOST_DESCRIBE_STRUCT(OpenedLetter, (), (topic, letter_id))

/// @throws std::runtime_error when it does not open.
void open_payload(DlqOptions const& options, engine::DeadLetter const& letter, LetterDetails& details) {
  if (!details.payload) throw std::invalid_argument("--open needs --payload");
  if (!letter.event) return;
  AuditedOpener opener{options.database, json::encode(OpenedLetter{letter.topic, to_string(letter.id)})};
  try {
    details.payload = opener.open(view_of(*letter.event), *details.payload);
  } catch (sealing::KeyDestroyed const& error) {
    throw std::runtime_error{error.what()};
  }
}

std::vector<RefusedLine> list_refused(pqxx::connection& database, DlqOptions const& options) {
  std::vector<RefusedLine> lines;
  for (auto const& topic : options.topic.empty() ? std::vector<std::string>{""}
                                                 : std::vector<std::string>{options.topic, options.letters_topic()}) {
    for (auto const& each : refused_rows(database, {topic, options.row, options.limit}, false))
      lines.push_back(line_of(each));
    if (topic == options.letters_topic()) break;  // it was named so
  }
  return lines;
}

void restore_record(pqxx::connection& database, engine::DeadLetter& letter) {
  pqxx::nontransaction query{database};
  auto original = postgres::parked_record(query, letter.id);
  if (original)
    engine::restore(letter, *std::move(original));
  else
    fmt::print(stderr, "omnibus: the letter's record was too large for its topic and is not kept any more\n");
}

void print_details(DlqOptions const& options, LetterDetails const& details) {
  if (options.payload)
    fmt::print(stderr, "omnibus: the payload follows; it may contain personal data, so keep it out of logs\n");
  if (options.json)
    fmt::print("{}\n", json::encode(details));
  else
    fmt::print("{}", text_of(details));
}

int show_refused(DlqOptions const& options) {
  auto const database = connect(options.database);
  auto rows = refused_rows(*database, {.row = options.row}, true);
  if (rows.empty()) throw std::runtime_error(fmt::format("there is no refused row {}", *options.row));
  print_details(options, details_of(std::move(rows.front()), options.payload));
  return 0;
}

}  // namespace

int list_letters(DlqOptions const& options) {
  auto const selection = options.selection();
  kafka::Admin const admin{options.cluster.settings(), options.cluster.timeout()};
  kafka::PartitionReader reader{options.cluster.settings(), options.cluster.timeout()};
  auto const database = connect_if_told(options);
  std::map<std::tuple<std::string, std::string, std::string>, ClassLine> classes;
  std::multimap<std::int64_t, LetterLine> newest;
  for (auto const& topic : topics_to_list(options, admin)) {
    auto const actions = actions_of(database.get(), topic);
    auto const marks = admin.watermarks(topic);
    for (std::int32_t partition = 0; partition < static_cast<std::int32_t>(marks.size()); ++partition) {
      if (!selection.partitions.holds(partition)) continue;
      auto const& mark = marks[static_cast<std::size_t>(partition)];
      auto const begin = std::max(mark.low, selection.offsets.from);
      reader.read({topic, partition}, begin, mark.high, [&](rd_kafka_message_t const& message) {
        if (message.offset > selection.offsets.to) return false;
        auto const letter = engine::read_dead_letter(message);
        if (!selection.holds(letter)) return true;
        auto line = line_of(letter, actions);
        if (!options.state.empty() && options.state != line.state) return true;
        auto& counts = classes[{topic, letter.error_class, letter.worker}];
        counts.topic = topic;
        counts.error_class = letter.error_class;
        counts.worker = letter.worker;
        ++(line.state == "redriven" ? counts.redriven : line.state == "dropped" ? counts.dropped : counts.open);
        newest.emplace(letter.timestamp_ms, std::move(line));
        if (newest.size() > options.limit) newest.erase(newest.begin());
        return true;
      });
    }
  }
  LetterListing listing;
  for (auto& [_, line] : classes) listing.classes.push_back(std::move(line));
  for (auto& [_, line] : newest) listing.letters.push_back(std::move(line));
  if (database && options.state.empty()) listing.refused = list_refused(*database, options);
  if (options.json)
    fmt::print("{}\n", json::encode(listing));
  else
    fmt::print("{}", text_of(listing, options.limit));
  return 0;
}

int show_letter(DlqOptions const& options) {
  if (options.row) return show_refused(options);
  if (options.topic.empty() || options.place.empty())
    throw std::invalid_argument("give --topic and PARTITION/OFFSET, or --row");
  auto const [partition, offset] = read_place(options.place);
  auto const topic = options.letters_topic();
  kafka::Admin const admin{options.cluster.settings(), options.cluster.timeout()};
  kafka::PartitionReader reader{options.cluster.settings(), options.cluster.timeout()};
  auto const marks = admin.watermarks(topic);
  std::optional<engine::DeadLetter> letter;
  if (partition < static_cast<std::int32_t>(marks.size()) && offset >= marks[static_cast<std::size_t>(partition)].low &&
      offset < marks[static_cast<std::size_t>(partition)].high)
    reader.read({topic, partition}, offset, offset + 1, [&](rd_kafka_message_t const& message) {
      letter = engine::read_dead_letter(message);
      return false;
    });
  if (!letter) throw std::runtime_error(fmt::format("there is no letter {} in {}", options.place, topic));
  auto const database = connect_if_told(options);
  if (letter->truncated > 0 && database) restore_record(*database, *letter);
  auto details = details_of(*letter, actions_of(database.get(), topic), options.payload);
  if (options.open) open_payload(options, *letter, details);
  print_details(options, details);
  return 0;
}

}  // namespace omnibus::cli
