/// What topics hold of a person.
#pragma once

#include "kafka/client_settings.hpp"
#include "kafka/cloud_event.hpp"
#include "subjects/subjects.hpp"

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace omnibus::gdpr {

/// A record about a person.
struct PersonRecord {
  std::string_view topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = -1;
  std::string_view type;  ///< empty for a record that is no event of ours
  std::string_view data;  ///< JSON; empty for such a record
  Subjects subjects;
  Envelope const* sealed = nullptr;  ///< of an event whose data is sealed; as long as the visit
};

/// Reads topics from the first record to the present end.
class PersonLog {
 public:
  using Visit = std::function<void(PersonRecord const&)>;

  virtual ~PersonLog() = default;
  /// Calls `begin` for each topic, then `visit` for its records that are about one of these keys. Blocks.
  /// @throws kafka::Error, and what the functions throw
  virtual void read(std::set<SubjectKey> const& keys, std::function<void(std::string_view topic)> const& begin,
                    Visit const& visit) = 0;
};

/// Reads the topics that carry personal data, dead letters included. Any thread may use it.
class KafkaPersonLog final : public PersonLog {
 public:
  explicit KafkaPersonLog(kafka::ClientSettings settings) : settings_{std::move(settings)} {}

  void read(std::set<SubjectKey> const& keys, std::function<void(std::string_view topic)> const& begin,
            Visit const& visit) override;

 private:
  kafka::ClientSettings const settings_;
};

}  // namespace omnibus::gdpr
