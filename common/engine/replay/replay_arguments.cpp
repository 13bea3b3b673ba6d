#include "engine/replay/replay_arguments.hpp"

#include "kafka/topics.hpp"

#include <algorithm>
#include <stdexcept>

#include <CLI/CLI.hpp>
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

kafka::Moment moment(char const* option, std::string const& text) {
  try {
    return kafka::parse_moment(text);
  } catch (std::invalid_argument const& error) {
    throw CLI::ValidationError(option, error.what());
  }
}

/// @throws std::invalid_argument for options that contradict each other. `first` is one that was given.
void check(ReplayArguments const& replay, std::string_view worker, std::string const& first) {
  if (replay.run.empty() && !replay.dry_run)
    throw std::invalid_argument(fmt::format("{}: only for replays; add --replay RUN", first));
  if (replay.dry_run && (!replay.from || !replay.to)) throw std::invalid_argument("--dry-run: needs --from and --to");
  if (replay.from.has_value() != replay.to.has_value())
    throw std::invalid_argument("--replay: takes --from and --to together, or neither to resume a run");
  if (replay.from) check_window(*replay.from, *replay.to);
  replay_topics(worker, replay.topics);
}

}  // namespace

void add_replay_options(CLI::App& application, std::string_view worker, std::optional<ReplayArguments>& replay) {
  auto const given = [&replay]() -> ReplayArguments& { return replay ? *replay : replay.emplace(); };
  std::vector<CLI::Option*> const options{
      application
          .add_option_function<std::string>(
              "--replay",
              [given](std::string const& run) {
                if (!is_run(run))
                  throw CLI::ValidationError(
                      "--replay",
                      "a run's name has up to 64 letters, digits, dots, underscores and hyphens, and "
                      "begins with a letter or digit");
                given().run = run;
              },
              "Consume a window of the topics again, under this name (the same name resumes it), and end;\n"
              "uses the role of REPLAY_DATABASE_URL; publishes nothing. Exit code 0, 3 when events failed,\n"
              "4 when it was stopped before its end")
          ->type_name("RUN"),
      application
          .add_option_function<std::string>(
              "--from", [given](std::string const& text) { given().from = moment("--from", text); },
              "Where the window begins: 2026-11-20T09:00:00Z, milliseconds since 1970, or earliest")
          ->type_name("T"),
      application
          .add_option_function<std::string>(
              "--to", [given](std::string const& text) { given().to = moment("--to", text); },
              "Where the window ends, exclusive; or now")
          ->type_name("T"),
      application
          .add_option_function<std::vector<std::string>>(
              "--topic",
              [given](std::vector<std::string> const& topics) {
                for (auto const& topic : topics)
                  if (std::ranges::find(given().topics, topic) == given().topics.end()) given().topics.push_back(topic);
              },
              "Only this topic of the worker; may be repeated")
          ->allow_extra_args(false)
          ->type_name("TOPIC"),
      application
          .add_flag_callback(
              "--dry-run", [given] { given().dry_run = true; },
              "Print partitions, offsets, events and bytes of the window, write nothing, and end")
          ->disable_flag_override(),
  };
  for (auto* const option : options) option->group("Replays");
  application.callback([options, worker, &replay] {
    auto const first = std::ranges::find_if(options, [](CLI::Option const* option) { return option->count() > 0; });
    if (first == options.end()) return;
    try {
      check(replay.value(), worker, (*first)->get_name());
    } catch (std::invalid_argument const& error) {
      throw CLI::ValidationError(error.what());
    }
  });
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
