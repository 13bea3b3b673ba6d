/// What the doctor looks at: each check asks one party and has doctor.hpp judge what it hears.
#pragma once

#include "kafka/topics.hpp"
#include "workers/cli/cluster_options.hpp"
#include "workers/cli/doctor/doctor.hpp"

#include <string>
#include <vector>

namespace omnibus::cli {

/// What the command line says.
struct DoctorOptions {
  ClusterOptions cluster;
  std::string database;
  std::string topics_file;
  std::string migrations;
  std::string llm_base_url = "http://127.0.0.1:8090/v1";
  std::string llm_api_key;
  std::string llm_model = "omnibus-small";
  bool json = false;

  kafka::TopicCatalog catalog() const {
    return topics_file.empty() ? kafka::TopicCatalog::built_in() : kafka::TopicCatalog::load(topics_file);
  }
};

/// Blocks up to the options' timeout, for some checks longer; throws as its client does. Changes nothing.
struct Check {
  std::string name;
  Finding (*look)(DoctorOptions const&);
  std::string setting;  ///< what to look at when it throws
};

/// All of them, in the order in which they are shown.
std::vector<Check> doctor_checks();

}  // namespace omnibus::cli
