/// What a worker's command line asks for when it is to replay.
#pragma once

#include "kafka/moment.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::engine {

struct ReplayArguments {
  std::string run;                    ///< empty only of a dry run
  std::optional<kafka::Moment> from;  ///< absent: as the run began
  std::optional<kafka::Moment> to;
  std::vector<std::string> topics;  ///< of the worker's; empty for all of them
  bool dry_run = false;
};

/// Their lines in a worker's --help.
extern std::string_view const replay_options_help;

/// Takes `--replay RUN`, `--from T`, `--to T`, `--topic TOPIC` and `--dry-run` out of the arguments (`arguments[0]` is
/// the program) and leaves the others. Nothing when none of them is there.
/// @throws std::invalid_argument naming the option that cannot be used.
std::optional<ReplayArguments> take_replay_arguments(std::vector<char const*>& arguments);

/// @throws std::invalid_argument unless the window has a beginning before its end.
void check_window(kafka::Moment const& from, kafka::Moment const& to);

/// The topics a replay of this worker reads: all of its own, or of these only those asked for.
/// @throws std::invalid_argument for one that the worker does not read, or a worker that reads none.
std::vector<std::string> replay_topics(std::string_view worker, std::vector<std::string> const& asked);

}  // namespace omnibus::engine
