#include "engine/replay/replay.hpp"

#include "engine/replay/replay_arguments.hpp"
#include "engine/replay/replay_pace.hpp"

#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace std::chrono_literals;

namespace {

/// What a command line of these words asks for; the words left over go to `others`.
std::optional<ReplayArguments> take(std::vector<char const*> words, std::vector<std::string>* others = nullptr) {
  words.insert(words.begin(), "omnibus-chat");
  CLI::App application;
  application.allow_extras();
  std::optional<ReplayArguments> replay;
  add_replay_options(application, "chat", replay);
  application.parse(static_cast<int>(words.size()), words.data());
  if (others != nullptr) *others = application.remaining();
  return replay;
}

}  // namespace

TEST_CASE("a command line without replay options is left as it is") {
  std::vector<std::string> others;
  CHECK_FALSE(take({"--config", "file"}, &others));
  CHECK(others == std::vector<std::string>{"--config", "file"});
}

TEST_CASE("the options of a replay are taken out of the command line") {
  std::vector<std::string> others;
  auto const replay = take({"--replay", "nightly", "--config", "file", "--from=2026-11-20T00:00:00Z", "--to", "now",
                            "--topic", "chat.messages", "--topic=chat.messages"},
                           &others);
  REQUIRE(replay);
  CHECK(replay->run == "nightly");
  CHECK(to_string(*replay->from) == "2026-11-20T00:00:00.000Z");
  CHECK(replay->to->kind == kafka::Moment::Kind::now);
  CHECK(replay->topics == std::vector<std::string>{"chat.messages"});
  CHECK_FALSE(replay->dry_run);
  CHECK(others == std::vector<std::string>{"--config", "file"});
}

TEST_CASE("a run that was begun needs no window to go on, and a dry run needs no name") {
  CHECK_FALSE(take({"--replay", "nightly"})->from);
  auto const dry = take({"--from", "earliest", "--to", "now", "--dry-run"});
  CHECK(dry->dry_run);
  CHECK(dry->run.empty());
}

TEST_CASE("replay options that make no sense are refused by name") {
  std::string const long_name(65, 'x');
  for (auto const& words : std::vector<std::vector<char const*>>{
           {"--replay"},
           {"--replay", ""},
           {"--replay=", "--from", "earliest", "--to", "now"},
           {"--replay", "-x"},
           {"--replay", "a b"},
           {"--replay", "a/b"},
           {"--replay", long_name.c_str()},
           {"--from", "earliest", "--to", "now"},
           {"--topic", "chat.messages"},
           {"--dry-run"},
           {"--from", "earliest", "--to", "now", "--dry-run=yes"},
           {"--replay", "x", "--topic", "chat.replies"},
           {"--replay", "x", "--from", "earliest"},
           {"--replay", "x", "--to", "now"},
           {"--replay", "x", "--from", "then", "--to", "now"},
           {"--replay", "x", "--from", "now", "--to", "now"},
           {"--replay", "x", "--from", "earliest", "--to", "earliest"},
           {"--replay", "x", "--from", "2026-11-20T00:00:00Z", "--to", "2026-11-20T00:00:00Z"},
           {"--replay", "x", "--from", "2026-11-20T00:00:01Z", "--to", "2026-11-20T01:00:00+01:00"},
       }) {
    CAPTURE(words.back());
    CHECK_THROWS_AS(take(words), CLI::ParseError);
  }
}

TEST_CASE("a replay reads the topics of its worker, or some of them") {
  CHECK(replay_topics("chat", {}) == std::vector<std::string>{"chat.messages"});
  CHECK(replay_topics("chat", {"chat.messages"}) == std::vector<std::string>{"chat.messages"});
  CHECK_THROWS_AS(replay_topics("chat", {"chat.replies"}), std::invalid_argument);
  CHECK_THROWS_AS(replay_topics("nobody", {}), std::invalid_argument);
}

TEST_CASE("what came after the plan is no part of the window, not even a new partition") {
  std::vector<kafka::OffsetRange> const window{{{"t", 0}, 3, 9}};
  Replay const replay{window};
  CHECK(replay.end_of({"t", 0}) == 9);
  CHECK(replay.end_of({"t", 1}) == 0);
}

TEST_CASE("what could not be kept is counted with what comes next") {
  Replay replay{{}};
  replay.count(Replay::Outcome::handled);
  replay.count(Replay::Outcome::skipped, "no recorded answer");
  replay.count(Replay::Outcome::suppressed, {}, 0);
  auto const taken = replay.take();
  CHECK(taken.size() == 2);
  CHECK(replay.take().empty());
  replay.count(Replay::Outcome::handled);
  replay.give_back(taken);
  CHECK(replay.take().at({Replay::Outcome::handled, ""}) == 2);
}

TEST_CASE("the pace is that of the last seconds") {
  Pace pace;
  Pace::Clock::time_point const begun{};
  CHECK(pace.per_second() == 0);
  pace.add(begun, 0);
  CHECK(pace.per_second() == 0);
  pace.add(begun + 1s, 100);
  CHECK(pace.per_second() == doctest::Approx(100));
  for (int second = 2; second <= 30; ++second) pace.add(begun + std::chrono::seconds{second}, 100);
  CHECK(pace.per_second() == doctest::Approx(0));
}
