#include "config/config.hpp"

#include "config/descriptors.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <doctest/doctest.h>
#include <unistd.h>

namespace omnibus {
namespace {

enum class Mode { keyed, unordered };
BOOST_DESCRIBE_ENUM(Mode, keyed, unordered)

struct ModelSettings {
  std::string base_url = "http://127.0.0.1:8000/v1";
  Secret api_key;
  std::chrono::milliseconds timeout{30000};
  static constexpr std::array docs{
      config::Doc{"base_url", "Where the model answers"},
      config::Doc{"api_key", "Sent as a bearer token"},
      config::Doc{"timeout", "Longest wait for one call", 0.1, 600},
  };
};
BOOST_DESCRIBE_STRUCT(ModelSettings, (), (base_url, api_key, timeout))

struct LogSettings {
  static constexpr std::string_view prefix = "";
  std::string log_level = "info";
  static constexpr std::array docs{config::Doc{"log_level", "Least level written"}};
};
BOOST_DESCRIBE_STRUCT(LogSettings, (), (log_level))

struct LimitSettings {
  int max_in_flight = 1000;
  ByteSize max_queued = 64_MiB;
  static constexpr std::array docs{
      config::Doc{"max_in_flight", "Events handled at once", 1, 1'000'000},
      config::Doc{"max_queued", "Bytes of events held", 1024},
  };
};
BOOST_DESCRIBE_STRUCT(LimitSettings, (), (max_in_flight, max_queued))

struct Settings : LimitSettings {
  bool replay = false;
  double share = 0.1;
  std::optional<std::string> fallback;
  std::optional<std::uint16_t> port;
  Mode mode = Mode::keyed;
  std::chrono::seconds drain{10};
  ModelSettings llm;
  LogSettings log;
  static constexpr std::array docs{
      config::Doc{"replay", "Whether this is a replay"}, config::Doc{"share", "Share of retries", 0, 1},
      config::Doc{"fallback", "Model to fall back on"},  config::Doc{"port", "Port to listen on", 1},
      config::Doc{"mode", "Order that is kept"},         config::Doc{"drain", "How long a stop may take"},
  };
};
BOOST_DESCRIBE_STRUCT(Settings, (LimitSettings), (replay, share, fallback, port, mode, drain, llm, log))

std::string problem_of(config::Values const& environment, config::Values const& file = {}) {
  try {
    config::load<Settings>(environment, file);
  } catch (config::ConfigError const& error) {
    return error.what();
  }
  return "";
}

struct Run {
  std::optional<int> status;
  std::string out;
  std::string err;
  Settings settings;
};

Run run(std::vector<char const*> arguments, config::Values const& environment = {}) {
  arguments.insert(arguments.begin(), "omnibus-chat");
  Run result;
  config::Catalogue catalogue;
  catalogue.add(result.settings);
  std::ostringstream out;
  std::ostringstream err;
  result.status = config::configure({"omnibus-chat", "answers chat messages"}, catalogue,
                                    static_cast<int>(arguments.size()), arguments.data(), out, err, environment);
  result.out = out.str();
  result.err = err.str();
  return result;
}

/// A settings file that is gone with the test.
class File {
 public:
  explicit File(std::string const& text) { std::ofstream(path_) << text; }
  ~File() { std::filesystem::remove(path_); }
  std::string path() const { return path_; }

 private:
  std::string path_ = std::filesystem::temp_directory_path() / ("omnibus_config_" + std::to_string(getpid()));
};

}  // namespace

TEST_CASE("an empty environment leaves every default") {
  auto const settings = config::load<Settings>({});
  CHECK(settings.max_in_flight == 1000);
  CHECK(settings.llm.timeout == std::chrono::seconds(30));
  CHECK_FALSE(settings.fallback);
}

TEST_CASE("every type is read from the environment, groups by their prefix") {
  auto const settings = config::load<Settings>({{"MAX_IN_FLIGHT", "5000"},
                                                {"MAX_QUEUED", "512KiB"},
                                                {"REPLAY", "yes"},
                                                {"SHARE", "0.25"},
                                                {"FALLBACK", "small"},
                                                {"PORT", "8080"},
                                                {"MODE", "unordered"},
                                                {"DRAIN", "5m"},
                                                {"LLM_BASE_URL", "https://models.example/v1"},
                                                {"LLM_API_KEY", "k-1"},
                                                {"LLM_TIMEOUT", "500ms"},
                                                {"LOG_LEVEL", "debug"},
                                                {"HOME", "/root"}});
  CHECK(settings.max_in_flight == 5000);
  CHECK(settings.max_queued == 512_KiB);
  CHECK(settings.replay);
  CHECK(settings.share == 0.25);
  CHECK(settings.fallback == "small");
  CHECK(settings.port == 8080);
  CHECK(settings.mode == Mode::unordered);
  CHECK(settings.drain == std::chrono::minutes(5));
  CHECK(settings.llm.base_url == "https://models.example/v1");
  CHECK(settings.llm.api_key.reveal() == "k-1");
  CHECK(settings.llm.timeout == std::chrono::milliseconds(500));
  CHECK(settings.log.log_level == "debug");
}

TEST_CASE("an error names the setting, what it must be, what it was and what to set") {
  CHECK(problem_of({{"MAX_IN_FLIGHT", "0"}}) ==
        "MAX_IN_FLIGHT: must be between 1 and 1000000, got 0; set MAX_IN_FLIGHT");
  CHECK(problem_of({{"MAX_IN_FLIGHT", "many"}}) ==
        "MAX_IN_FLIGHT: must be a whole number, got many; set MAX_IN_FLIGHT");
  CHECK(problem_of({{"MAX_IN_FLIGHT", "99999999999"}}) ==
        "MAX_IN_FLIGHT: is out of range, got 99999999999; set MAX_IN_FLIGHT");
  CHECK(problem_of({{"MAX_QUEUED", "1"}}) == "MAX_QUEUED: must be at least 1KiB, got 1; set MAX_QUEUED");
  CHECK(problem_of({{"LLM_TIMEOUT", "20m"}}) == "LLM_TIMEOUT: must be between 100ms and 10m, got 20m; set LLM_TIMEOUT");
  CHECK(problem_of({{"LLM_TIMEOUT", "30"}}) ==
        "LLM_TIMEOUT: must be a duration such as 500ms, 30s or 5m, got 30; set LLM_TIMEOUT");
  CHECK(problem_of({{"DRAIN", "1500ms"}}) == "DRAIN: is finer than this setting can hold, got 1500ms; set DRAIN");
  CHECK(problem_of({{"REPLAY", "maybe"}}) == "REPLAY: must be true or false, got maybe; set REPLAY");
  CHECK(problem_of({{"MODE", "random"}}) == "MODE: must be one of keyed, unordered, got random; set MODE");
  CHECK(problem_of({{"PORT", "70000"}}) == "PORT: is out of range, got 70000; set PORT");
  CHECK(problem_of({{"SHARE", "nan"}}) == "SHARE: must be a number, got nan; set SHARE");
}

TEST_CASE("all problems are told at once") {
  auto const problem = problem_of({{"MAX_IN_FLIGHT", "0"}, {"SHARE", "2"}});
  CHECK(problem.find("MAX_IN_FLIGHT: ") != std::string::npos);
  CHECK(problem.find("\nSHARE: must be between 0 and 1, got 2; set SHARE") != std::string::npos);
}

TEST_CASE("the environment wins over the file, and an unknown name in the file is an error") {
  File const file("# limits\nMAX_IN_FLIGHT=7\nexport LLM_BASE_URL=\"http://model/v1\"\n\nDRAIN = 3s\n");
  auto const values = config::read_file(file.path());
  auto const settings = config::load<Settings>({{"DRAIN", "4s"}, {"MAX_IN_FLIGHT", ""}}, values);
  CHECK(settings.max_in_flight == 7);
  CHECK(settings.llm.base_url == "http://model/v1");
  CHECK(settings.drain == std::chrono::seconds(4));
  CHECK(problem_of({}, {{"MAX_INFLIGHT", "7"}}) ==
        "MAX_INFLIGHT: no such setting; take it out of the file, or see --help");
}

TEST_CASE("a file that is not KEY=VALUE lines is refused with its line") {
  File const file("A=1\nnonsense\n");
  CHECK_THROWS_WITH_AS(config::read_file(file.path()), (file.path() + ":2: is not KEY=VALUE").c_str(),
                       config::ConfigError);
  CHECK_THROWS_AS(config::read_file("/nowhere/at/all"), config::ConfigError);
}

TEST_CASE("--help shows every setting with its default and meaning") {
  auto const result = run({"--help"});
  CHECK(result.status == 0);
  CHECK(result.out.find("omnibus-chat: answers chat messages") == 0);
  for (auto const* text :
       {"MAX_IN_FLIGHT", "1000", "Events handled at once (between 1 and 1000000)", "64MiB", "LLM_TIMEOUT", "30s",
        "Longest wait for one call (between 100ms and 10m)", "--print-config"}) {
    CAPTURE(text);
    CHECK(result.out.find(text) != std::string::npos);
  }
}

TEST_CASE("a default too long for its column leaves the meanings aligned") {
  LogSettings settings;
  settings.log_level = std::string(40, 'x');
  config::Catalogue catalogue;
  catalogue.add(settings);
  CHECK(catalogue.help() ==
        "  LOG_LEVEL  " + std::string(40, 'x') + "\n" + std::string(47, ' ') + "Least level written\n");
}

TEST_CASE("--print-config shows what is in force and masks secrets") {
  auto const result = run({"--print-config"}, {{"LLM_API_KEY", "k-1"}, {"MAX_IN_FLIGHT", "9"}});
  CHECK(result.status == 0);
  CHECK(result.out.find("MAX_IN_FLIGHT=9\n") != std::string::npos);
  CHECK(result.out.find("LLM_API_KEY=********\n") != std::string::npos);
  CHECK(result.out.find("FALLBACK=\n") != std::string::npos);
  CHECK(result.out.find("k-1") == std::string::npos);
}

TEST_CASE("what --print-config prints can be read again as a file") {
  File const file(run({"--print-config"}, {{"MAX_IN_FLIGHT", "9"}, {"DRAIN", "90s"}}).out);
  auto const result = run({"--config", file.path().c_str()});
  CHECK_FALSE(result.status);
  CHECK(result.settings.max_in_flight == 9);
  CHECK(result.settings.drain == std::chrono::seconds(90));
}

TEST_CASE("an unknown option and a bad setting end the process with status 2") {
  auto const unknown = run({"--frobnicate"});
  CHECK(unknown.status == 2);
  CHECK(unknown.err == "omnibus-chat: --frobnicate: no such option; see --help\n");
  auto const bad = run({}, {{"MAX_IN_FLIGHT", "0"}});
  CHECK(bad.status == 2);
  CHECK(bad.err == "omnibus-chat: MAX_IN_FLIGHT: must be between 1 and 1000000, got 0; set MAX_IN_FLIGHT\n");
  CHECK(run({"--config"}).status == 2);
  CHECK(run({"--config="}).status == 2);
  CHECK(run({"--print-config", "--config", "/nowhere/at/all"}).err ==
        "omnibus-chat: /nowhere/at/all: cannot be read; give --config a file of KEY=VALUE lines\n");
}

TEST_CASE("a program's own options are read and shown with those of every process") {
  std::string name;
  std::ostringstream out;
  std::ostringstream err;
  auto const ask = [&](std::vector<char const*> arguments) {
    arguments.insert(arguments.begin(), "omnibus-chat");
    config::Catalogue catalogue;
    config::Program program{"omnibus-chat", "answers chat messages"};
    program.add_options = [&](CLI::App& application) { application.add_option("--name", name, "Whom to greet"); };
    return config::configure(program, catalogue, static_cast<int>(arguments.size()), arguments.data(), out, err, {});
  };
  CHECK_FALSE(ask({"--name=Ada"}));
  CHECK(name == "Ada");
  CHECK(ask({"--help"}) == 0);
  CHECK(out.str().find("Whom to greet") != std::string::npos);
  CHECK(ask({"--name"}) == 2);
  CHECK(err.str().starts_with("omnibus-chat: --name"));
}

TEST_CASE("--version says the version, and without an option the process goes on") {
  CHECK(run({"--version"}).out == "omnibus-chat 0.1.0\n");
  CHECK_FALSE(run({}).status);
}

TEST_CASE("two settings of one name are a mistake of the program") {
  LogSettings first;
  LogSettings second;
  config::Catalogue catalogue;
  catalogue.add(first);
  CHECK_THROWS_AS(catalogue.add(second), std::logic_error);
}

TEST_CASE("sizes and durations are written as they are read") {
  for (auto const* text : {"0s", "1ms", "1500ms", "90s", "2h", "7d"}) {
    CHECK(config::write_value(config::read_value<std::chrono::milliseconds>(text)) == text);
  }
  for (auto const* text : {"0", "1", "1000", "3KiB", "64MiB", "2GiB"}) {
    CHECK(config::write_value(config::read_value<ByteSize>(text)) == text);
  }
  CHECK(config::write_value(std::chrono::seconds(3600)) == "1h");
  for (auto const* text : {"", "-1s", "1", "1 s", "s", "1w", "99999999999d"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(config::read_value<std::chrono::milliseconds>(text), config::ValueError);
  }
}

TEST_CASE("an address to listen on is a host and a port") {
  auto const address = config::read_value<ListenAddress>("127.0.0.1:8080");
  CHECK(address == ListenAddress{"127.0.0.1", 8080});
  for (auto const* text : {"127.0.0.1:0", "0.0.0.0:65535", "[::1]:80"}) {
    CHECK(config::write_value(config::read_value<ListenAddress>(text)) == text);
  }
  for (auto const* text : {":80", "80", "host:", "host:65536", "host:-1", "::1:80", "[]:80", "host:8x"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(config::read_value<ListenAddress>(text), config::ValueError);
  }
}

TEST_CASE("there is room for as many descriptors as are expected, and none is used") {
  auto const status = [](std::string const& name) {
    std::ifstream file{"/proc/self/status"};
    for (std::string word; file >> word;) {
      std::uint64_t number = 0;
      if (word == name && file >> number) return number;
    }
    return std::uint64_t{0};
  };
  auto const in_use = [] {
    std::filesystem::directory_iterator const files{"/proc/self/fd"};
    return std::distance(begin(files), end(files));
  };
  auto const used = in_use();
  auto const expected = std::min(4 * status("FDSize:"), config::highest_descriptor_limit());
  CHECK(config::raise_descriptor_limit(expected) == config::highest_descriptor_limit());
  CHECK(status("FDSize:") >= expected);
  CHECK(in_use() == used);
}

}  // namespace omnibus
