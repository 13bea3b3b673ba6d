#include "engine/replay/replay_arguments.hpp"

#include "kafka/topics.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace omnibus::engine {
namespace {

constexpr std::size_t longest_run = 64;

bool is_run(std::string_view text) {
  static constexpr std::string_view alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  return !text.empty() && text.size() <= longest_run && alphanumeric.find(text[0]) != std::string_view::npos &&
         text.find_first_not_of(std::string{alphanumeric} + "._-") == std::string_view::npos;
}

kafka::Moment moment(std::string_view option, std::string const& text) {
  try {
    return kafka::parse_moment(text);
  } catch (std::invalid_argument const& error) {
    throw std::invalid_argument(fmt::format("{}: {}", option, error.what()));
  }
}

}  // namespace

std::string_view const replay_options_help =
    "  --replay RUN     go through a window of the topics once more, under this name (again: go on with it), and end;\n"
    "                   as the role of REPLAY_DATABASE_URL; publishes nothing. Ends with 0, with 3 when events "
    "failed,\n"
    "                   with 4 when it was stopped before its end\n"
    "  --from T         where the window begins: 2026-11-20T09:00:00Z, milliseconds since 1970, or earliest\n"
    "  --to T           where it ends, this moment not included; or now\n"
    "  --topic TOPIC    only this topic of the worker's; may be given more than once\n"
    "  --dry-run        print partitions, offsets, events and bytes of the window, write nothing, and end\n";

std::optional<ReplayArguments> take_replay_arguments(std::vector<char const*>& arguments) {
  ReplayArguments replay;
  std::vector<char const*> others;
  std::string_view first;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view const text = arguments[i];
    auto const equals = std::min(text.find('='), text.size());
    auto const option = text.substr(0, equals);
    auto const is = [&](std::string_view name) { return i > 0 && option == name; };
    auto const takes_value = is("--replay") || is("--from") || is("--to") || is("--topic");
    if (!takes_value && !is("--dry-run")) {
      others.push_back(arguments[i]);
      continue;
    }
    if (first.empty()) first = option;
    if (is("--dry-run")) {
      if (equals != text.size()) throw std::invalid_argument("--dry-run: takes no value");
      replay.dry_run = true;
      continue;
    }
    std::string value;
    if (equals != text.size())
      value = text.substr(equals + 1);
    else if (i + 1 < arguments.size())
      value = arguments[++i];
    if (value.empty()) throw std::invalid_argument(fmt::format("{}: takes a value; see --help", option));
    if (option == "--replay") {
      if (!is_run(value))
        throw std::invalid_argument(
            "--replay: a run's name has up to 64 letters, digits, dots, underscores and hyphens, "
            "and begins with a letter or digit");
      replay.run = value;
    } else if (option == "--from") {
      replay.from = moment(option, value);
    } else if (option == "--to") {
      replay.to = moment(option, value);
    } else if (std::ranges::find(replay.topics, value) == replay.topics.end()) {
      replay.topics.push_back(value);
    }
  }
  if (first.empty()) return std::nullopt;
  if (replay.run.empty() && !replay.dry_run)
    throw std::invalid_argument(fmt::format("{}: is for replays: give --replay RUN as well", first));
  if (replay.dry_run && (!replay.from || !replay.to)) throw std::invalid_argument("--dry-run: needs --from and --to");
  if (replay.from.has_value() != replay.to.has_value())
    throw std::invalid_argument("--replay: takes --from and --to, or neither to go on with a run");
  if (replay.from) check_window(*replay.from, *replay.to);
  arguments = std::move(others);
  return replay;
}

void check_window(kafka::Moment const& from, kafka::Moment const& to) {
  using Kind = kafka::Moment::Kind;
  if (to.kind == Kind::earliest || from.kind == Kind::now ||
      (from.kind == Kind::time && to.kind == Kind::time && from.ms >= to.ms))
    throw std::invalid_argument(fmt::format("--from: {} does not lie before --to {}", to_string(from), to_string(to)));
}

std::vector<std::string> replay_topics(std::string_view worker, std::vector<std::string> const& asked) {
  std::vector<std::string> own;
  for (auto const* const topic : kafka::TopicCatalog::built_in().consumed_by(worker)) own.push_back(topic->name);
  if (own.empty()) throw std::invalid_argument(fmt::format("no topic in topics.yaml names {} as a consumer", worker));
  for (auto const& topic : asked)
    if (std::ranges::find(own, topic) == own.end())
      throw std::invalid_argument(
          fmt::format("--topic: {} does not read {}, but {}", worker, topic, fmt::join(own, ", ")));
  auto topics = asked.empty() ? own : asked;
  std::ranges::sort(topics);
  return topics;
}

}  // namespace omnibus::engine
