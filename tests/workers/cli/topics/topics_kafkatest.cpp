#include "tests/common/kafka/test_cluster.hpp"
#include "workers/cli/commands.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <doctest/doctest.h>
#include <fmt/format.h>

namespace {

using omnibus::test::TestCluster;

constexpr int right = 0;
constexpr int refused = 1;
constexpr int drift = 2;

/// The exit code of `omnibus topics ...` on the cluster under test.
int topics(std::string const& arguments) {
  CLI::App application;
  int exit_code = -1;
  omnibus::cli::add_topics_command(application, exit_code);
  application.parse("topics " + arguments, false);
  return exit_code;
}

/// A topics file of one keyed topic, gone with this object.
class TopicsFile {
 public:
  explicit TopicsFile(std::string topic)
      : topic_(std::move(topic)), path_(std::filesystem::temp_directory_path() / (topic_ + ".yaml")) {}
  ~TopicsFile() { std::filesystem::remove(path_); }
  TopicsFile(TopicsFile const&) = delete;
  TopicsFile& operator=(TopicsFile const&) = delete;

  void write(int partitions, int retention) const {
    std::ofstream(path_) << fmt::format(
        "topics: [{{ name: {}, key: order_id, partitions: {}, configs: {{ retention.ms: {} }}, owner: shop, pii: "
        "false, "
        "events: [], consumers: [] }}]\n",
        topic_, partitions, retention);
  }
  std::string arguments() const {
    return fmt::format("--file {} --brokers {}", path_.string(), TestCluster::instance().settings().brokers);
  }

 private:
  std::string topic_;
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("a topics file with a mistake is refused") {
  TopicsFile const file(TestCluster::instance().unique("mistaken"));
  file.write(0, 1000);
  auto const arguments = file.arguments();
  CHECK_THROWS_AS(topics("validate " + arguments.substr(0, arguments.find(" --brokers"))), std::runtime_error);
  CHECK_THROWS_AS(topics("plan " + arguments), std::runtime_error);
}

TEST_CASE(
    "a cluster is brought to the file: plan tells drift, apply removes it, keys move only when that is accepted") {
  auto& cluster = TestCluster::instance();
  TopicsFile const file(cluster.unique("applied"));
  file.write(2, 60'000);
  if (cluster.embedded()) {  // its topics are those it began with
    CHECK(topics("plan --brokers " + cluster.settings().brokers) == right);
    CHECK(topics("apply --brokers " + cluster.settings().brokers) == right);
    CHECK(topics("plan " + file.arguments()) == drift);
    CHECK_THROWS_AS(topics("apply " + file.arguments()), omnibus::kafka::Error);
    return;
  }
  CHECK(topics("plan " + file.arguments()) == drift);
  CHECK(topics("plan " + file.arguments()) == drift);  // planning changed nothing
  CHECK(topics("apply " + file.arguments()) == right);
  CHECK(topics("plan " + file.arguments()) == right);
  CHECK(topics("apply " + file.arguments()) == right);

  file.write(4, 70'000);
  CHECK(topics("apply " + file.arguments()) == refused);
  file.write(2, 60'000);
  CHECK(topics("plan " + file.arguments()) == right);  // nothing of the refused one was done
  file.write(4, 70'000);
  CHECK(topics("apply --accept-reordering " + file.arguments()) == right);
  CHECK(topics("plan " + file.arguments()) == right);

  file.write(3, 70'000);
  CHECK(topics("plan " + file.arguments()) == drift);
  CHECK(topics("apply --accept-reordering " + file.arguments()) == drift);  // never shrinks
  file.write(4, 70'000);
  CHECK(topics("plan " + file.arguments()) == right);
}
