#include "kafka/admin.hpp"
#include "kafka/topic_plan.hpp"
#include "kafka/topics.hpp"
#include "observability/log.hpp"
#include "workers/cli/commands.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

namespace omnibus::cli {
namespace {

constexpr int drift = 2;

struct TopicsOptions {
  std::string file;
  kafka::ClientSettings client;
  std::string client_options;
  int timeout_seconds = 30;
  bool accept_reordering = false;

  kafka::TopicCatalog catalog() const {
    return file.empty() ? kafka::TopicCatalog::built_in() : kafka::TopicCatalog::load(file);
  }
  kafka::Admin admin() const {
    auto settings = client;
    settings.options = Secret(client_options);
    return kafka::Admin(settings, std::chrono::seconds(timeout_seconds));
  }
};

int validate(TopicsOptions const& options) {
  auto const catalog = options.catalog();
  auto const& name = options.file.empty() ? std::string("topics.yaml (built in)") : options.file;
  fmt::print("{}: {} topics, right\n", name, catalog.topics().size());
  return 0;
}

void print(kafka::TopicPlan const& plan) {
  for (auto const& change : plan.changes) fmt::print("{}\n", change.text);
  for (auto const& note : plan.notes) fmt::print("{}\n", note);
}

int plan(TopicsOptions const& options) {
  auto const catalog = options.catalog();
  auto const plan = kafka::plan_topics(catalog, options.admin().cluster());
  print(plan);
  if (plan.changes.empty()) fmt::print("no difference\n");
  return plan.changes.empty() ? 0 : drift;
}

void apply(kafka::Admin const& admin, kafka::TopicChange const& change) {
  auto const& topic = change.topic;
  switch (change.kind) {
    case kafka::ChangeKind::create:
      admin.create_topic(topic.name, topic.partitions, topic.replication_factor, change.configs);
      break;
    case kafka::ChangeKind::alter_configs:
      admin.alter_configs(topic.name, change.configs);
      break;
    case kafka::ChangeKind::add_partitions:
      admin.add_partitions(topic.name, topic.partitions);
      break;
    case kafka::ChangeKind::too_many_partitions:
    case kafka::ChangeKind::replication:
      break;
  }
}

/// Brokers learn of a change one after the other. Waits until several answers in a row, each from any broker, show it,
/// so that the next process to start finds its topics.
void await_applied(kafka::TopicCatalog const& catalog, kafka::Admin const& admin, std::chrono::seconds timeout) {
  auto const deadline = std::chrono::steady_clock::now() + timeout;
  for (int clean = 0; clean < 5; ++clean) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    for (auto const& change : kafka::plan_topics(catalog, admin.cluster()).changes)
      if (change.applicable()) clean = -1;
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("the changes were accepted, but not every broker shows them yet");
  }
}

/// All or nothing, as far as rejections go: a change that needs an operator is looked for before any change is made.
int apply(TopicsOptions const& options) {
  auto const catalog = options.catalog();
  auto const admin = options.admin();
  auto const plan = kafka::plan_topics(catalog, admin.cluster());
  print(plan);
  for (auto const& change : plan.changes) {
    if (!change.reorders_keys() || options.accept_reordering) continue;
    fmt::print(stderr,
               "omnibus: {} is keyed by {}: with more partitions, later records of a key may go to another partition "
               "than earlier "
               "ones and may overtake them. Nothing was changed. Use --accept-reordering to do it anyway.\n",
               change.topic.name, change.topic.key);
    return 1;
  }
  int left = 0;
  for (auto const& change : plan.changes) {
    if (!change.applicable()) {
      ++left;
      continue;
    }
    try {
      apply(admin, change);
    } catch (kafka::Error const& error) {
      if (error.code() != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) throw;  // another apply was faster
    }
  }
  auto const changed = plan.changes.size() - static_cast<std::size_t>(left);
  if (changed > 0) await_applied(catalog, admin, std::chrono::seconds(options.timeout_seconds));
  fmt::print("{} changed, {} left for a person\n", changed, left);
  return left == 0 ? 0 : drift;
}

}  // namespace

void add_topics_command(CLI::App& application, int& exit_code) {
  auto* topics = application.add_subcommand("topics", "Compare a cluster with topics.yaml, and change it to match");
  topics->require_subcommand(1);
  auto const options = std::make_shared<TopicsOptions>();
  auto const add = [&](std::string const& name, std::string const& help, std::function<int(TopicsOptions const&)> run) {
    auto* command = topics->add_subcommand(name, help);
    command->add_option("--file", options->file, "The topics file; default: the one built into this binary");
    command->callback([options, run = std::move(run), &exit_code] {
      log::configure("omnibus", log::Level::off);  // errors are printed once, on stderr
      exit_code = run(*options);
    });
    return command;
  };
  auto const add_cluster = [&](CLI::App* command) {
    command->add_option("--brokers", options->client.brokers, "Bootstrap addresses")
        ->envname("KAFKA_BROKERS")
        ->capture_default_str();
    command
        ->add_option("--kafka-options", options->client_options,
                     "More options of librdkafka, name=value separated by ;")
        ->envname("KAFKA_OPTIONS");
    command->add_option("--timeout", options->timeout_seconds, "Time limit of each request, in seconds")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
  };
  add("validate", "Check the file. Exit code 0, or 1 with the wrong line", validate);
  add_cluster(
      add("plan", "Show the differences, change nothing. Exit code 0 without difference, 2 with, 1 on failure", plan));
  auto* apply_command =
      add("apply",
          "Create missing topics, set configs, add partitions. Never deletes a topic or config, never shrinks. Exit "
          "code 0, or 2 when a difference needs an operator",
          [](TopicsOptions const& told) { return apply(told); });
  add_cluster(apply_command);
  apply_command->add_flag("--accept-reordering", options->accept_reordering,
                          "Add partitions to keyed topics too, although keys move");
}

}  // namespace omnibus::cli
