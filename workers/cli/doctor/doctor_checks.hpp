/// The doctor's checks: each asks one system and passes the answer to doctor.hpp.
#pragma once

#include "kafka/topics.hpp"
#include "workers/cli/cluster_options.hpp"
#include "workers/cli/doctor/doctor.hpp"

#include <string>
#include <vector>

namespace omnibus::cli {

/// The command line's values.
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
  std::string setting;  ///< the setting to check when it throws
};

/// All checks, in the order of the output.
std::vector<Check> doctor_checks();

}  // namespace omnibus::cli
