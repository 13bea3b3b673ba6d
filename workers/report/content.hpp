/// What a report tells a person. The structs are read from the JSON that the store's query builds.
#pragma once

#include "uuid/uuid.hpp"

#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::report {

/// What the two people should do next.
struct ReportedStep {
  std::string step;
  std::string priority;
  std::string timeline;
};
BOOST_DESCRIBE_STRUCT(ReportedStep, (), (step, priority, timeline))

/// What came of one conversation of the person's agent.
struct ReportedOutcome {
  Uuid id{};
  std::string other;    ///< the handle of the other person
  std::string speaker;  ///< agent_a or agent_b: who spoke for the person
  std::string outcome;
  std::string summary;
  std::vector<ReportedStep> steps;
  bool follow_up = false;
  std::optional<std::string> timeframe;
};
BOOST_DESCRIBE_STRUCT(ReportedOutcome, (), (id, other, speaker, outcome, summary, steps, follow_up, timeframe))

struct ReportContent {
  std::string handle;
  std::string date;
  std::vector<ReportedOutcome> outcomes;  ///< the strongest first
};
BOOST_DESCRIBE_STRUCT(ReportContent, (), (handle, date, outcomes))

}  // namespace omnibus::report
