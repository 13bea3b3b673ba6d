/// Recognises events that may be about erased people before they are handled.
#pragma once

#include "kafka/consumer.hpp"
#include "postgres/erasures.hpp"
#include "subjects/subjects.hpp"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <map>
#include <string>
#include <unordered_set>
#include <utility>

namespace omnibus::engine {

/// Ends an attempt before it begins: the event may be about somebody who was erased. Ask the database.
struct Suspected : std::exception {
  char const* what() const noexcept override { return "the event may be about an erased person"; }
};

/// The erased people whom this worker knows of. It spares the handling of events that admission would refuse; who is
/// not here yet, admission refuses all the same. Records behind every erasure are not looked up: live traffic costs
/// nothing. Use it on the event loop only.
class ErasedFilter {
 public:
  void learn(postgres::ErasureNews news) {
    for (auto const& key : news.running) running_.insert(key);
    for (auto const& key : news.erased) {
      running_.erase(key);
      erased_.insert(key);
    }
    for (auto const& [topic, partition, offset] : news.up_to) {
      auto& end = ends_[{topic, partition}];
      end = std::max(end, offset);
    }
    as_of_ = std::move(news.as_of);
  }

  /// Nothing before the first learn().
  std::string const& as_of() const { return as_of_; }
  /// Records of the partition from here on are behind every erasure.
  std::int64_t end_of(kafka::TopicPartition const& where) const {
    auto const found = ends_.find(where);
    return found == ends_.end() ? 0 : found->second;
  }
  /// Whether erasures run: then every record is looked up.
  bool running() const { return !running_.empty(); }
  /// Whether admission may refuse an event about these people.
  /// @param before_end whether its record is before end_of() its partition
  bool suspects(Subjects const& subjects, bool before_end) const {
    return std::ranges::any_of(subjects, [&](auto const& subject) {
      return (before_end && erased_.contains(subject)) || running_.contains(subject);
    });
  }

 private:
  std::unordered_set<SubjectKey> erased_;
  std::unordered_set<SubjectKey> running_;
  std::map<kafka::TopicPartition, std::int64_t> ends_;
  std::string as_of_;
};

}  // namespace omnibus::engine
