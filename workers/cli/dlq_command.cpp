#include "engine/dead_letter.hpp"
#include "events/time.hpp"
#include "json/encode.hpp"
#include "kafka/admin.hpp"
#include "kafka/partition_reader.hpp"
#include "kafka/producer.hpp"
#include "kafka/topics.hpp"
#include "observability/log.hpp"
#include "postgres/dead_letters.hpp"
#include "workers/cli/cluster_options.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database.hpp"
#include "workers/cli/letter_selection.hpp"
#include "workers/cli/redrive.hpp"
#include "workers/cli/terminal.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>
#include <unistd.h>

namespace omnibus::cli {
namespace {

constexpr int some_left = 2;
constexpr std::size_t longest_reason = 60;
constexpr std::size_t longest_value = 1024;

struct Options {
  ClusterOptions cluster;
  std::string database;
  std::string topic;
  std::string partition;
  std::string offset;
  std::string error_class;
  std::string worker;
  std::string since;
  std::string until;
  std::string state;
  std::size_t limit = 0;
  std::string rate;
  std::string place;
  bool dry_run = false;
  bool yes = false;
  bool skip_order = false;
  bool payload = false;
  bool json = false;

  Selection selection() const {
    auto const now = wall_clock_ms();
    Selection chosen;
    if (!partition.empty()) chosen.partitions = read_range("--partition", partition);
    if (!offset.empty()) chosen.offsets = read_range("--offset", offset);
    if (!since.empty()) chosen.times.from = read_time(since, now);
    if (!until.empty()) chosen.times.to = read_time(until, now);
    chosen.error_class = error_class;
    chosen.worker = worker;
    return chosen;
  }
  /// Either name of the two is understood.
  std::string letters_topic() const { return topic.ends_with(".dlq") ? topic : kafka::dead_letter_topic(topic); }
};

/// One letter in `ls --json`, and with the rest in `show --json`.
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
};
BOOST_DESCRIBE_STRUCT(LetterLine, (),
                      (topic, partition, offset, time, key_hash, event_id, type, error_class, attempts, redrives,
                       worker, group, reason, state))

struct HeaderLine {
  std::string name;
  std::optional<std::string> value;
};
BOOST_DESCRIBE_STRUCT(HeaderLine, (), (name, value))

struct LetterDetails : LetterLine {
  std::string letter_id;
  std::string source;
  std::string first_seen;
  std::string failed_record;
  std::string not_an_event;
  std::int64_t payload_bytes = 0;
  std::vector<HeaderLine> headers;
  std::optional<std::string> payload;
};
BOOST_DESCRIBE_STRUCT(LetterDetails, (LetterLine),
                      (letter_id, source, first_seen, failed_record, not_an_event, payload_bytes, headers, payload))

struct ClassLine {
  std::string topic;
  std::string error_class;
  std::string worker;
  std::int64_t open = 0;
  std::int64_t redriven = 0;
  std::int64_t dropped = 0;
};
BOOST_DESCRIBE_STRUCT(ClassLine, (), (topic, error_class, worker, open, redriven, dropped))

struct Listing {
  std::vector<ClassLine> classes;
  std::vector<LetterLine> letters;
};
BOOST_DESCRIBE_STRUCT(Listing, (), (classes, letters))

struct Summary {
  std::string topic;
  std::string action;
  bool dry_run = false;
  std::int64_t acted = 0;
  std::int64_t already_taken = 0;
  std::int64_t waiting = 0;
  std::int64_t refused = 0;
  std::int64_t left_over = 0;
};
BOOST_DESCRIBE_STRUCT(Summary, (), (topic, action, dry_run, acted, already_taken, waiting, refused, left_over))

using Actions = std::unordered_map<Uuid, postgres::LetterAction>;

std::string state_of(engine::DeadLetter const& letter, std::optional<Actions> const& actions) {
  if (!actions) return "unknown";
  auto const found = actions->find(letter.id);
  return found == actions->end() ? "open" : std::string{postgres::to_string(found->second)};
}

LetterLine line_of(engine::DeadLetter const& letter, std::optional<Actions> const& actions) {
  return {letter.topic,
          letter.partition,
          letter.offset,
          utc(letter.timestamp_ms),
          key_hash(letter.original.key),
          letter.event ? letter.event->id : "",
          letter.event ? letter.event->type : "",
          letter.error_class,
          letter.attempts,
          letter.redrives,
          letter.worker,
          letter.group,
          letter.message,
          state_of(letter, actions)};
}

std::string or_dash(std::string text) {
  return text.empty() ? "-" : text;
}

/// The database is optional for those who only look: without it nobody knows what was done with a letter.
std::optional<Actions> actions_of(pqxx::connection* database, std::string const& topic) {
  if (database == nullptr) return std::nullopt;
  return postgres::letter_actions(*database, topic);
}

std::unique_ptr<pqxx::connection> connect_if_told(Options const& options) {
  if (!options.database.empty()) return connect(options.database);
  fmt::print(stderr, "omnibus: without DATABASE_URL or --database nobody knows which letters are still open\n");
  return nullptr;
}

// --- ls
// ----------------------------------------------------------------------------------------------------------------

std::vector<std::string> topics_to_list(Options const& options, kafka::Admin const& admin) {
  if (!options.topic.empty()) return {options.letters_topic()};
  std::vector<std::string> topics;
  auto const cluster = admin.cluster();
  for (auto const& topic : cluster.topics)
    if (topic.name.ends_with(".dlq")) topics.push_back(topic.name);
  std::ranges::sort(topics);
  return topics;
}

void print(Listing const& listing, std::size_t limit) {
  if (listing.classes.empty()) {
    fmt::print("no dead letters\n");
    return;
  }
  Table classes{{"TOPIC", "CLASS", "WORKER", "OPEN", "REDRIVEN", "DROPPED"}};
  for (auto const& each : listing.classes)
    classes.add({each.topic, or_dash(each.error_class), or_dash(each.worker), std::to_string(each.open),
                 std::to_string(each.redriven), std::to_string(each.dropped)});
  Table letters{
      {"TOPIC", "LETTER", "TIME", "KEY HASH", "EVENT", "TYPE", "CLASS", "ATTEMPTS", "REDRIVES", "STATE", "REASON"}};
  for (auto const& each : listing.letters)
    letters.add({each.topic, fmt::format("{}/{}", each.partition, each.offset), each.time, each.key_hash,
                 or_dash(printable(each.event_id, 64)), or_dash(printable(each.type, 64)), or_dash(each.error_class),
                 or_dash(each.attempts), std::to_string(each.redrives), each.state,
                 printable(each.reason, longest_reason)});
  fmt::print("{}\n{}", classes.text(), letters.text());
  if (listing.letters.size() == limit) fmt::print("the newest {}; --limit shows more\n", limit);
}

int list(Options const& options) {
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
  Listing listing;
  for (auto& [_, line] : classes) listing.classes.push_back(std::move(line));
  for (auto& [_, line] : newest) listing.letters.push_back(std::move(line));
  if (options.json)
    fmt::print("{}\n", json::encode(listing));
  else
    print(listing, options.limit);
  return 0;
}

// --- show
// --------------------------------------------------------------------------------------------------------------

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
        fmt::format("{} is no letter: give PARTITION/OFFSET, as omnibus dlq ls shows it", printable(text, 64)));
  return {partition, offset};
}

LetterDetails details_of(engine::DeadLetter const& letter, std::optional<Actions> const& actions, bool with_payload) {
  LetterDetails details;
  static_cast<LetterLine&>(details) = line_of(letter, actions);
  details.letter_id = to_string(letter.id);
  details.source = letter.event ? letter.event->source : "";
  details.first_seen = letter.first_seen;
  details.failed_record = letter.from;
  details.not_an_event = letter.not_an_event;
  details.payload_bytes = static_cast<std::int64_t>(letter.original.value.value_or("").size());
  for (auto const& [name, value] : letter.original.headers) details.headers.push_back({name, value});
  if (with_payload) details.payload = letter.original.value;
  return details;
}

void print(LetterDetails const& letter, engine::DeadLetter const& whole) {
  auto const say = [](std::string_view name, std::string_view value) {
    if (!value.empty()) fmt::print("{:<15}{}\n", name, printable(value, longest_value));
  };
  say("letter", fmt::format("{} {}/{}", letter.topic, letter.partition, letter.offset));
  say("id", letter.letter_id);
  say("state", letter.state);
  say("time", letter.time);
  say("key hash", letter.key_hash);
  say("class", letter.error_class);
  say("reason", letter.reason);
  say("attempts", letter.attempts);
  say("redrives", std::to_string(letter.redrives));
  say("worker", letter.worker);
  say("group", letter.group);
  say("first failed", letter.first_seen);
  say("failed record", letter.failed_record);
  say("event", letter.event_id);
  say("source", letter.source);
  say("type", letter.type);
  say("no event", letter.not_an_event);
  say("payload", whole.original.value ? fmt::format("{} bytes", letter.payload_bytes) : "none (a tombstone)");
  fmt::print("headers\n");
  for (auto const& [name, value] : letter.headers)
    fmt::print("  {}: {}\n", printable(name, longest_value), value ? printable(*value, longest_value) : "(absent)");
  if (letter.payload) fmt::print("\n{}\n", printable(*letter.payload));
}

int show(Options const& options) {
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
  auto const details = details_of(*letter, actions_of(database.get(), topic), options.payload);
  if (options.payload)
    fmt::print(stderr, "omnibus: what follows is what people wrote: it may hold personal data, and is not for a log\n");
  if (options.json)
    fmt::print("{}\n", json::encode(details));
  else
    print(details, *letter);
  return 0;
}

// --- redrive, drop
// -----------------------------------------------------------------------------------------------------

double read_rate(std::string text) {
  if (text.empty()) return 0;
  if (text.ends_with("/s")) text.erase(text.size() - 2);
  char* end = nullptr;
  auto const rate = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != '\0' || !(rate > 0) || rate > 1e6)
    throw std::invalid_argument("--rate takes letters per second, as 50/s");
  return rate;
}

std::string actor() {
  char host[256] = "unknown";
  gethostname(host, sizeof host - 1);
  auto const* const user = std::getenv("USER");
  return fmt::format("{}@{}", user != nullptr ? std::string{user} : fmt::format("uid {}", getuid()), host);
}

bool confirmed(std::string const& question) {
  if (isatty(STDIN_FILENO) == 0) throw std::runtime_error(question + ": nobody is there to ask, so give --yes");
  fmt::print(stderr, "{} [y/N] ", question);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

void print(Summary const& summary, bool as_json) {
  if (as_json) {
    fmt::print("{}\n", json::encode(summary));
    return;
  }
  if (summary.left_over > 0) fmt::print("{} sent for a redrive that did not live to send them\n", summary.left_over);
  fmt::print("{} {}{}, {} taken before or by others, {} waiting for an earlier letter of their key, {} refused\n",
             summary.acted, summary.dry_run ? "would be " : "", summary.action, summary.already_taken, summary.waiting,
             summary.refused);
}

int act(Options const& options, postgres::LetterAction action) {
  RedriveSettings settings;
  settings.action = action;
  settings.topic = options.letters_topic();
  settings.selection = options.selection();
  if (options.limit > 0) settings.limit = options.limit;
  settings.rate = read_rate(options.rate);
  settings.skip_order = options.skip_order;
  settings.actor = actor();

  kafka::Admin admin{options.cluster.settings(), options.cluster.timeout()};
  kafka::PartitionReader reader{options.cluster.settings(), options.cluster.timeout()};
  auto const database = connect(options.database);
  auto const tell = [](engine::DeadLetter const& letter, std::string_view what) {
    fmt::print(stderr, "{}/{} {} {}\n", letter.partition, letter.offset, printable(letter.error_class, 64), what);
  };
  auto const quiet = [](engine::DeadLetter const&, std::string_view) {};

  if (!options.dry_run && !options.yes) {  // count first, then ask
    auto counting = settings;
    counting.dry_run = true;
    auto const found = Redrive{{admin, reader, *database, nullptr, quiet, {}}, counting}.run();
    auto const what = action == postgres::LetterAction::redriven ? "redrive" : "drop";
    if (!confirmed(fmt::format("{} {} letters of {}", what, found.acted, settings.topic))) return 1;
  }

  settings.dry_run = options.dry_run;
  std::optional<kafka::Producer> producer;
  if (!options.dry_run && action == postgres::LetterAction::redriven) producer.emplace(options.cluster.settings());
  auto told = std::chrono::steady_clock::now();
  auto const progress = [&](std::size_t acted) {
    if (std::chrono::steady_clock::now() - told < std::chrono::seconds{2}) return;
    told = std::chrono::steady_clock::now();
    fmt::print(stderr, "{} so far\n", acted);
  };
  Redrive redrive{{admin, reader, *database, producer ? &*producer : nullptr, tell, progress}, settings};
  auto const report = redrive.run();
  auto const number = [](std::size_t count) { return static_cast<std::int64_t>(count); };
  print({settings.topic, std::string{postgres::to_string(action)}, options.dry_run, number(report.acted),
         number(report.taken), number(report.waiting), number(report.refused), number(report.left_over)},
        options.json);
  return report.waiting + report.refused == 0 ? 0 : some_left;
}

void add_selection(CLI::App& command, Options& options, bool topic_required) {
  command.add_option("--topic", options.topic, "The topic the letters came from, such as chat.messages")
      ->required(topic_required);
  command.add_option("--partition", options.partition,
                     "Only of these partitions of the dead-letter topic, as 3 or 0-5");
  command.add_option("--offset", options.offset, "Only at these offsets, as 7, 7-12, 7- or -12");
  command.add_option("--class", options.error_class, "Only of this error class");
  command.add_option("--worker", options.worker, "Only of this worker, or consumer group");
  command.add_option("--since", options.since, "Only parked since: 2026-11-20T10:00:00Z, or 90s, 30m, 2h, 7d ago");
  command.add_option("--until", options.until, "Only parked until");
}

}  // namespace

void add_dlq_command(CLI::App& application, int& exit_code) {
  auto* dlq = application.add_subcommand("dlq", "Look at dead letters, send them again, or put them aside");
  dlq->require_subcommand(1);
  dlq->footer(
      "A letter is redriven once, whoever asks how often: its original key, value, id and headers go back to their "
      "topic, its worker forgets that it gave up, and the workers that have handled the event recognise it. One that "
      "fails again is a new letter, with its number of redrives. Redrive and drop need the database role "
      "omnibus_operator.");
  auto const options = std::make_shared<Options>();
  auto const add = [&](char const* name, char const* help, auto run) {
    auto* command = dlq->add_subcommand(name, help);
    add_cluster_options(*command, options->cluster);
    add_database_option(*command, options->database);
    command->add_flag("--json", options->json, "One JSON object instead of text");
    command->callback([options, &exit_code, run] {
      log::configure("omnibus", log::Level::off);  // what goes wrong is said once, on stderr
      exit_code = run(*options);
    });
    return command;
  };

  auto* ls = add("ls", "Count letters by class and list the newest", [](Options& told) {
    if (told.limit == 0) told.limit = 50;
    return list(told);
  });
  add_selection(*ls, *options, false);
  ls->add_option("--state", options->state, "Only these")->check(CLI::IsMember({"open", "redriven", "dropped"}));
  ls->add_option("--limit", options->limit, "How many to list (50)")->check(CLI::Range(1, 1'000'000));

  auto* showing = add("show", "Show one letter: where it failed, why, and its headers", show);
  showing->add_option("--topic", options->topic, "The topic it came from, such as chat.messages")->required();
  showing->add_option("letter", options->place, "PARTITION/OFFSET, as ls shows it")->required();
  showing->add_flag("--payload", options->payload, "Its payload as well, which may hold personal data");

  auto const add_acting = [&](char const* name, char const* help, postgres::LetterAction action) {
    auto* command = add(name, help, [action](Options& told) { return act(told, action); });
    add_selection(*command, *options, true);
    command->add_option("--limit", options->limit, "Not more than so many")->check(CLI::PositiveNumber);
    command->add_option("--rate", options->rate, "Not faster than so many a second, as 50/s");
    command->add_flag("--dry-run", options->dry_run, "Say what would happen and change nothing");
    command->add_flag("--yes", options->yes, "Do not ask");
    return command;
  };
  add_acting("redrive", "Send letters again. Exit code 0, or 2 when some of them have to stay",
             postgres::LetterAction::redriven)
      ->add_flag("--skip-order", options->skip_order, "Send a letter although an earlier one of its key stays behind");
  add_acting("drop", "Put letters aside for good; they stay readable until their topic's retention takes them",
             postgres::LetterAction::dropped);
}

}  // namespace omnibus::cli
